// Meets a job that holds the image already, and queues behind it: handle_conflict TOP
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"google.golang.org/protobuf/proto"

	longshore "github.com/longshore/longshore/clients/go"
	pb "github.com/longshore/longshore/clients/go/longshorev1"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: handle_conflict TOP")
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
	pull := longshore.Pull(longshore.Qcow2(top), nil)
	first, err := client.Create(ctx, &pb.CreateJobRequest{
		Info:    pull,
		Options: &pb.JobOptions{SpeedBytesPerSecond: proto.Int64(64 << 10)},
	})
	if err != nil {
		return err
	}
	_, err = client.Create(ctx, &pb.CreateJobRequest{Info: pull})
	var busy *longshore.ServiceError
	if !errors.Is(err, longshore.ErrTargetBusy) || !errors.As(err, &busy) {
		return fmt.Errorf("the image should be held by %s: %w", first.ID, err)
	}
	fmt.Println("busy:", busy.BlockingJobID())
	holder := client.Job(busy.BlockingJobID())
	if _, err := holder.Cancel(ctx, longshore.CancelOptions{Wait: true}); err != nil {
		return err
	}
	second, err := client.Create(ctx, &pb.CreateJobRequest{
		Info:       pull,
		OnConflict: pb.OnConflict_ON_CONFLICT_QUEUE,
	})
	if err != nil {
		return err
	}
	if _, err := second.Wait(ctx); err != nil {
		return err
	}
	fmt.Println(second.ID, "SUCCEEDED")
	return nil
}
