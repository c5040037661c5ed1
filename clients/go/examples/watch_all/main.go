// Prints every change of every job, until one with the label stop=yes has ended.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	longshore "github.com/longshore/longshore/clients/go"
	pb "github.com/longshore/longshore/clients/go/longshorev1"
)

func main() {
	if err := run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	client, err := longshore.New("", nil)
	if err != nil {
		return err
	}
	defer client.Close()
	// The loop survives restarts of the daemon; leaving it ends the call.
	for value, err := range client.Watch(longshore.WatchOptions{}).Values(ctx) {
		if err != nil {
			return err
		}
		switch value := value.(type) {
		case longshore.Snapshot:
			fmt.Println("snapshot", len(value.Jobs))
		case longshore.Resynced:
			// History was lost: these are the jobs now.
			fmt.Println("snapshot", len(value.Jobs))
		case longshore.Event:
			state := strings.TrimPrefix(value.Job.GetState().String(), "JOB_STATE_")
			fmt.Printf("%s %s %s revision=%d\n", value.KindName(), value.Job.GetJobId(), state, value.Revision)
			if isLast(value.Job) {
				return nil
			}
		}
	}
	return nil
}

func isLast(job *pb.Job) bool {
	return job.GetLabels()["stop"] == "yes" && job.GetEndTime() != nil
}
