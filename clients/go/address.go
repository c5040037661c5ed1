package longshore

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// defaultAddress is that of the environment, else the socket where a daemon makes it:
// root's in /run/longshore, anyone else's in the user's runtime directory.
func defaultAddress(environment func(string) string, uid int) string {
	if given := environment("LONGSHORE_ADDRESS"); given != "" {
		return given
	}
	if uid == 0 {
		return "unix:/run/longshore/longshored.sock"
	}
	runtime := environment("XDG_RUNTIME_DIR")
	if runtime == "" {
		runtime = fmt.Sprintf("/tmp/longshore-%d", uid) // where the daemon makes it
	}
	return "unix:" + filepath.Join(runtime, "longshore", "longshored.sock")
}

// checkAddress is the address in its one spelling: unix:PATH or HOST:PORT.
func checkAddress(address string) (string, error) {
	if path, ok := socketPath(address); ok {
		if !strings.HasPrefix(path, "/") {
			return "", fmt.Errorf("longshore: unix:PATH needs an absolute path, not %q", path)
		}
		return "unix:" + path, nil
	}
	colon := strings.LastIndexByte(address, ':')
	if port, err := strconv.ParseUint(address[colon+1:], 10, 16); colon < 1 || err != nil || port == 0 {
		return "", fmt.Errorf("longshore: address must be unix:PATH or HOST:PORT, not %q", address)
	}
	return address, nil
}

// socketPath tells whether the address is that of a unix socket, and which.
func socketPath(address string) (string, bool) {
	path, ok := strings.CutPrefix(address, "unix:")
	return strings.TrimPrefix(path, "//"), ok
}
