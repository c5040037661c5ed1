package longshore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	longshore "github.com/longshore/longshore/clients/go"
	pb "github.com/longshore/longshore/clients/go/longshorev1"
)

func submitAndWait(ctx context.Context) error {
	client, err := longshore.New("", nil)
	if err != nil {
		return err
	}
	defer client.Close()
	top := longshore.Qcow2("/srv/images/top.qcow2")
	job, err := client.Create(ctx, &pb.CreateJobRequest{Info: longshore.Pull(top, nil)})
	if err != nil {
		return err
	}
	done, err := job.Wait(ctx)
	if err != nil {
		return err
	}
	fmt.Println(done.Progress.WrittenBytes, "bytes copied")
	return nil
}

func submitGently(ctx context.Context, client *longshore.Client, top *pb.ImageRef) error {
	job, err := client.Create(ctx, &pb.CreateJobRequest{
		Info:       longshore.Pull(top, nil),
		Options:    &pb.JobOptions{SpeedBytesPerSecond: proto.Int64(50 << 20)},
		Labels:     map[string]string{"vm": "web-1"},
		OnConflict: pb.OnConflict_ON_CONFLICT_QUEUE,
	})
	if err != nil {
		return err
	}
	_, err = job.WaitFor(ctx, longshore.WaitOptions{Timeout: time.Hour})
	if errors.Is(err, longshore.ErrWaitTimeout) {
		_, err = job.Pause(ctx, "it is day")
	}
	return err
}

func overTheNetwork() (*longshore.Client, error) {
	return longshore.New("images-7.example.org:7443", &longshore.Credentials{
		TLSCA:     "/etc/longshore/ca.pem", // whom to believe; "system" for public CAs
		TLSCert:   "/etc/longshore/me.pem", // who to be, by certificate ...
		TLSKey:    "/etc/longshore/me.key",
		TokenFile: "/run/secrets/longshore-token", // ... or by token
	})
}

func follow(ctx context.Context, client *longshore.Client, cursor *pb.Cursor) error {
	watch := client.Watch(longshore.WatchOptions{Cursor: cursor})
	for value, err := range watch.Values(ctx) {
		if err != nil {
			return err
		}
		switch value := value.(type) {
		case longshore.Snapshot: // the jobs as they are
			cursor = value.Cursor
		case longshore.Resynced: // the same, after history was lost
			cursor = value.Cursor
		case longshore.Event: // one change, told exactly once
			fmt.Println(value.KindName(), value.Job.JobId)
			cursor = value.Cursor
		case longshore.Progress:
			fmt.Println(value.JobId, value.Progress.Current)
		}
		fmt.Println("saved", cursor.GetRevision())
	}
	return nil
}

func tell(err error) {
	var refused *longshore.ServiceError
	var ended *longshore.JobError
	switch {
	case errors.As(err, &ended): // of a wait
		fmt.Println(ended.Job.State, ended.Cause)
	case errors.Is(err, longshore.ErrTargetBusy) && errors.As(err, &refused):
		fmt.Println("held by", refused.BlockingJobID(), refused.Metadata["command"])
	case errors.As(err, &refused): // whatever else the daemon answers
		fmt.Println(refused.Code, refused.Reason, refused.Metadata)
	case errors.Is(err, longshore.ErrConnectionFailed): // no answer: nothing is known
		fmt.Println("is longshored running?")
	}
}

func TestTheReadmeShowsWhatIsCompiledHere(t *testing.T) {
	_, _, _ = submitAndWait, submitGently, overTheNetwork
	_, _ = follow, tell
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(readme), "```go\n")[1:]
	if len(blocks) == 0 {
		t.Error("no code in the README")
	}
	for _, block := range blocks {
		block, _, _ = strings.Cut(block, "```")
		if !strings.Contains(string(code), block) {
			t.Errorf("not here:\n%s", block)
		}
	}
}
