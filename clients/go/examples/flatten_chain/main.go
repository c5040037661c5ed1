// Pulls a chain down to one of its images and shows what is left of it:
// flatten_chain BASE TOP
package main

import (
	"context"
	"fmt"
	"os"

	longshore "github.com/longshore/longshore/clients/go"
	pb "github.com/longshore/longshore/clients/go/longshorev1"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: flatten_chain BASE TOP")
		os.Exit(2)
	}
	base, top := longshore.Qcow2(os.Args[1]), longshore.Qcow2(os.Args[2])
	if err := run(context.Background(), base, top); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, base, top *pb.ImageRef) error {
	client, err := longshore.New("", nil)
	if err != nil {
		return err
	}
	defer client.Close()
	job, err := client.Create(ctx, &pb.CreateJobRequest{Info: longshore.Pull(top, base)})
	if err != nil {
		return err
	}
	if _, err := job.Wait(ctx); err != nil {
		return err
	}
	image, err := client.Image(ctx, top)
	if err != nil {
		return err
	}
	for _, link := range image.GetChain() {
		fmt.Println(link.GetUri())
	}
	return nil
}
