// Pulls an image slowly, then without a limit: change_rate TOP
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"google.golang.org/protobuf/proto"

	longshore "github.com/longshore/longshore/clients/go"
	pb "github.com/longshore/longshore/clients/go/longshorev1"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: change_rate TOP")
		os.Exit(2)
	}
	if err := run(context.Background(), os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, top string) error {
	client, err := longshore.New("", nil)
	if err != nil {
		return err
	}
	defer client.Close()
	job, err := client.Create(ctx, &pb.CreateJobRequest{
		Info:    longshore.Pull(longshore.Qcow2(top), nil),
		Options: &pb.JobOptions{SpeedBytesPerSecond: proto.Int64(64 << 10)},
	})
	if err != nil {
		return err
	}
	fmt.Println(job.ID)
	if err := awaitProgress(ctx, job); err != nil {
		return err
	}
	if _, err := job.ClearSpeed(ctx); err != nil {
		return err
	}
	if _, err := job.Wait(ctx); err != nil {
		return err
	}
	fmt.Println(job.ID, "SUCCEEDED")
	return nil
}

// awaitProgress returns when the job runs and has told its progress.
func awaitProgress(ctx context.Context, job *longshore.Job) error {
	isRunning := false
	for value, err := range job.Watch(longshore.WatchOptions{ProgressInterval: 100 * time.Millisecond}).Values(ctx) {
		if err != nil {
			return err
		}
		switch value := value.(type) {
		case longshore.Snapshot:
			for _, job := range value.Jobs {
				isRunning = runs(job)
			}
		case longshore.Event:
			isRunning = runs(value.Job)
		case longshore.Progress:
			if isRunning {
				return nil
			}
		}
	}
	return fmt.Errorf("%s has ended before its limit was taken away", job.ID)
}

func runs(job *pb.Job) bool { return job.GetState() == pb.JobState_JOB_STATE_RUNNING }
