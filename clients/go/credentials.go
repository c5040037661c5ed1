package longshore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
)

// Credentials say whom to believe and who to be at HOST:PORT. A unix socket speaks no
// TLS, and may take a token. What is empty is not given.
type Credentials struct {
	TLSCA     string // PEM file of the daemon's CA, or "system"; with it there is TLS
	TLSCert   string // PEM file of our certificate with its chain, if the daemon wants one
	TLSKey    string // PEM file of its key
	TLSName   string // what the daemon's certificate says, if that is not HOST
	Token     string // a bearer token
	TokenFile string // a file with nothing else in it, read again for every call
}

// FromEnvironment reads LONGSHORE_TLS_CA, LONGSHORE_TLS_CERT, LONGSHORE_TLS_KEY,
// LONGSHORE_TLS_NAME, LONGSHORE_TOKEN and LONGSHORE_TOKEN_FILE.
func FromEnvironment() *Credentials {
	return &Credentials{
		TLSCA:     os.Getenv("LONGSHORE_TLS_CA"),
		TLSCert:   os.Getenv("LONGSHORE_TLS_CERT"),
		TLSKey:    os.Getenv("LONGSHORE_TLS_KEY"),
		TLSName:   os.Getenv("LONGSHORE_TLS_NAME"),
		Token:     os.Getenv("LONGSHORE_TOKEN"),
		TokenFile: os.Getenv("LONGSHORE_TOKEN_FILE"),
	}
}

// String shows no secret.
func (c Credentials) String() string {
	if c.Token != "" {
		c.Token = "***"
	}
	type bare Credentials
	return fmt.Sprintf("%+v", bare(c))
}

func (c *Credentials) check(address string) error {
	_, local := socketPath(address)
	plain := !local && c.TLSCA == ""
	switch {
	case (c.TLSCert == "") != (c.TLSKey == ""):
		return errors.New("longshore: a certificate and its key go together")
	case c.Token != "" && c.TokenFile != "":
		return errors.New("longshore: there is a token and a token file: which one is meant?")
	case plain && (c.TLSCert != "" || c.TLSName != ""):
		return errors.New(`longshore: TLS needs a CA: a PEM file, or "system"`)
	case plain && (c.Token != "" || c.TokenFile != ""):
		return errors.New("longshore: a token does not go over TCP without TLS")
	case c.Token != "":
		return checkToken(c.Token)
	}
	return nil
}

func checkToken(token string) error {
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return errors.New("longshore: a token is letters, digits and signs, without a blank")
	}
	return nil
}

// transport reads the files.
func (c *Credentials) transport(address string) (credentials.TransportCredentials, error) {
	if _, local := socketPath(address); local || c.TLSCA == "" {
		return insecure.NewCredentials(), nil
	}
	config := &tls.Config{ServerName: c.TLSName}
	if c.TLSCA != "system" {
		authority, err := os.ReadFile(c.TLSCA)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(authority) {
			return nil, fmt.Errorf("longshore: no certificate in %s", c.TLSCA)
		}
	}
	if c.TLSCert != "" {
		own, err := tls.LoadX509KeyPair(c.TLSCert, c.TLSKey)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{own}
	}
	return credentials.NewTLS(config), nil
}

// introduce adds who we are to what goes with a call.
func (c *Credentials) introduce(ctx context.Context) (context.Context, error) {
	ctx = metadata.AppendToOutgoingContext(ctx, "longshore-client", "longshore-go/"+Version)
	token := c.Token
	if c.TokenFile != "" {
		text, err := os.ReadFile(c.TokenFile)
		if err != nil {
			return nil, err
		}
		token = strings.TrimSpace(string(text))
		if err := checkToken(token); err != nil {
			return nil, err
		}
	}
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	return ctx, nil
}

func (c *Credentials) unary(
	ctx context.Context, method string, request, answer any,
	conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption,
) error {
	ctx, err := c.introduce(ctx)
	if err != nil {
		return err
	}
	return invoke(ctx, method, request, answer, conn, options...)
}

func (c *Credentials) stream(
	ctx context.Context, description *grpc.StreamDesc,
	conn *grpc.ClientConn, method string, open grpc.Streamer, options ...grpc.CallOption,
) (grpc.ClientStream, error) {
	ctx, err := c.introduce(ctx)
	if err != nil {
		return nil, err
	}
	return open(ctx, description, conn, method, options...)
}
