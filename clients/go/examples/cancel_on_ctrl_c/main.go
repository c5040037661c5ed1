// Pulls an image slowly, and cancels the job on Ctrl-C: cancel_on_ctrl_c TOP
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"google.golang.org/protobuf/proto"

	longshore "github.com/longshore/longshore/clients/go"
	pb "github.com/longshore/longshore/clients/go/longshorev1"
)

const interrupted = 130

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: cancel_on_ctrl_c TOP")
		os.Exit(2)
	}
	code, err := run(context.Background(), os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

func run(ctx context.Context, top string) (int, error) {
	// From here on Ctrl-C ends the wait, not the program.
	patient, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	client, err := longshore.New("", nil)
	if err != nil {
		return 1, err
	}
	defer client.Close()
	job, err := client.Create(ctx, &pb.CreateJobRequest{
		Info:    longshore.Pull(longshore.Qcow2(top), nil),
		Options: &pb.JobOptions{SpeedBytesPerSecond: proto.Int64(64 << 10)},
	})
	if err != nil {
		return 1, err
	}
	fmt.Println(job.ID)
	_, err = job.Wait(patient)
	if !errors.Is(err, context.Canceled) {
		return exitCode(err), err
	}
	// A job does not belong to the program that made it: it has to be told.
	done, err := job.Cancel(ctx, longshore.CancelOptions{Comment: "Ctrl-C", Wait: true})
	if err != nil {
		return 1, err
	}
	if done.GetState() != pb.JobState_JOB_STATE_CANCELLED {
		return 1, fmt.Errorf("%s was faster: %s", job.ID, done.GetState())
	}
	fmt.Println(job.ID, "CANCELLED")
	return interrupted, nil
}

func exitCode(err error) int {
	if err != nil {
		return 1
	}
	return 0
}
