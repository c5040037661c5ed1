// Package longshore is the client of longshored: jobs on disk images, volumes,
// domains and networks.
//
//	client, err := longshore.New("", nil)
//	...
//	job, err := client.Create(ctx, &pb.CreateJobRequest{
//		Info: longshore.Pull(longshore.Qcow2("/srv/images/top.qcow2"), nil),
//	})
//	...
//	done, err := job.Wait(ctx)
//
// Messages are the generated ones of package longshorev1, whose comments are the
// manual of every field. What this package adds: an address and credentials from the
// environment, deadlines, retries where they are safe, errors by their reason, lists
// without pages, and watches that go on by themselves. The generated stubs are fields
// of the [Client], for what it does not offer.
package longshore

// Version is that of the daemon which this client was made with.
const Version = "0.1.0"
