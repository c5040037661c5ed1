// Pulls an image and waits for the end: submit_and_wait TOP
package main

import (
	"context"
	"fmt"
	"os"

	longshore "github.com/longshore/longshore/clients/go"
	pb "github.com/longshore/longshore/clients/go/longshorev1"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: submit_and_wait TOP")
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
	job, err := client.Create(ctx, &pb.CreateJobRequest{Info: longshore.Pull(longshore.Qcow2(top), nil)})
	if err != nil {
		return err
	}
	fmt.Println(job.ID)
	if _, err := job.Wait(ctx); err != nil {
		return err
	}
	fmt.Println(job.ID, "SUCCEEDED")
	return nil
}
