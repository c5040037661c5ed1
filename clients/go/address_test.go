package longshore

import "testing"

func TestAnAddressHasOneSpelling(t *testing.T) {
	for given, want := range map[string]string{
		"unix:/run/x.sock":   "unix:/run/x.sock",
		"unix:///run/x.sock": "unix:/run/x.sock",
		"localhost:7443":     "localhost:7443",
		"[::1]:7443":         "[::1]:7443",
	} {
		if found, err := checkAddress(given); err != nil || found != want {
			t.Errorf("%q is %q, %v", given, found, err)
		}
	}
}

func TestWhatIsNoAddressIsRefused(t *testing.T) {
	for _, given := range []string{
		"localhost", ":7443", "localhost:", "localhost:0", "localhost:65536", "localhost:http",
		"localhost:+1", "unix:", "unix:x.sock", "unix:relative/x.sock", "http://",
	} {
		if found, err := checkAddress(given); err == nil {
			t.Errorf("%q is %q", given, found)
		}
	}
}

func TestTheUsualAddressDependsOnTheUser(t *testing.T) {
	environment := func(pairs map[string]string) func(string) string {
		return func(name string) string { return pairs[name] }
	}
	for _, c := range []struct {
		environment map[string]string
		uid         int
		want        string
	}{
		{map[string]string{"LONGSHORE_ADDRESS": "here:1"}, 0, "here:1"},
		{nil, 0, "unix:/run/longshore/longshored.sock"},
		{map[string]string{"XDG_RUNTIME_DIR": "/run/user/7"}, 7, "unix:/run/user/7/longshore/longshored.sock"},
		{nil, 7, "unix:/tmp/longshore-7/longshore/longshored.sock"},
	} {
		if found := defaultAddress(environment(c.environment), c.uid); found != c.want {
			t.Errorf("%v of user %d: %q, not %q", c.environment, c.uid, found, c.want)
		}
	}
}
