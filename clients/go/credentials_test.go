package longshore

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/metadata"
)

const far, near = "images.example.org:7443", "unix:/run/x.sock"

func TestCredentialsThatMakeSenseAreTaken(t *testing.T) {
	for _, c := range []struct {
		who     Credentials
		address string
	}{
		{Credentials{}, far},
		{Credentials{}, near},
		{Credentials{Token: "secret"}, near},
		{Credentials{TokenFile: "token"}, near},
		{Credentials{TLSCA: "system", Token: "secret"}, far},
		{Credentials{TLSCA: "ca.pem", TLSCert: "me.pem", TLSKey: "me.key", TLSName: "other"}, far},
	} {
		if err := c.who.check(c.address); err != nil {
			t.Errorf("%v at %s: %v", c.who, c.address, err)
		}
	}
}

func TestCredentialsThatMakeNoSenseAreRefused(t *testing.T) {
	for _, c := range []struct {
		who     Credentials
		address string
	}{
		{Credentials{Token: "secret"}, far},
		{Credentials{TokenFile: "token"}, far},
		{Credentials{TLSCert: "me.pem", TLSKey: "me.key"}, far},
		{Credentials{TLSName: "other"}, far},
		{Credentials{TLSCA: "system", TLSCert: "me.pem"}, far},
		{Credentials{TLSCA: "system", TLSKey: "me.key"}, far},
		{Credentials{Token: "secret", TokenFile: "token"}, near},
		{Credentials{Token: "two words"}, near},
		{Credentials{Token: "line\nline"}, near},
		{Credentials{Token: "ä"}, near},
	} {
		if err := c.who.check(c.address); err == nil {
			t.Errorf("%v at %s", c.who, c.address)
		}
	}
}

func TestFilesThatCannotBeReadAreToldAtOnce(t *testing.T) {
	text := filepath.Join(t.TempDir(), "text.pem")
	if err := os.WriteFile(text, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, who := range []*Credentials{
		{TLSCA: "/nonexistent"}, {TLSCA: text}, {TLSCA: "system", TLSCert: text, TLSKey: text},
	} {
		if _, err := New(far, who); err == nil {
			t.Errorf("%v", who)
		}
	}
}

func TestCredentialsDoNotShowTheToken(t *testing.T) {
	for _, shown := range []string{
		fmt.Sprint(Credentials{Token: "secret"}), fmt.Sprintf("%+v", &Credentials{Token: "secret"}),
	} {
		if strings.Contains(shown, "secret") {
			t.Error(shown)
		}
	}
}

func TestATokenFileIsReadForEveryCall(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	who := Credentials{TokenFile: file}
	for _, token := range []string{"first", "second"} {
		if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		ctx, err := who.introduce(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		sent, _ := metadata.FromOutgoingContext(ctx)
		if found := sent.Get("authorization"); len(found) != 1 || found[0] != "Bearer "+token {
			t.Errorf("sent %v, not %s", found, token)
		}
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if _, err := who.introduce(context.Background()); err == nil {
		t.Error("a token that is gone is missed by nobody")
	}
}

func TestTheClientSaysWhichItIs(t *testing.T) {
	ctx, err := new(Credentials).introduce(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	sent, _ := metadata.FromOutgoingContext(ctx)
	if found := sent.Get("longshore-client"); len(found) != 1 || found[0] != "longshore-go/"+Version {
		t.Error(found)
	}
}
