package longshore

import (
	"errors"
	"net"
	"path/filepath"
	"testing"

	"google.golang.org/grpc"

	pb "github.com/longshore/longshore/clients/go/longshorev1"
)

// A daemon that comes up between two calls is found by the next one, however long gRPC
// would rest after its attempts of before.
func TestACallDoesNotWaitForTheRestOfEarlierAttempts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	c, err := New("unix:"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for range 4 { // by then it rests for a second and more
		if _, err := c.Capabilities(t.Context()); !errors.Is(err, ErrConnectionFailed) {
			t.Fatalf("nobody is there, but %v", err)
		}
	}
	socket, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	pb.RegisterSystemServiceServer(server, &daemon{})
	go server.Serve(socket)
	defer server.Stop()
	if _, err := c.Capabilities(t.Context()); errors.Is(err, ErrConnectionFailed) {
		t.Errorf("the daemon is there, but %v", err)
	}
}
