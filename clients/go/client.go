package longshore

import (
	"context"
	"errors"
	"iter"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	connecting "google.golang.org/grpc/backoff"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/protobuf/proto"

	pb "github.com/longshore/longshore/clients/go/longshorev1"
)

// Client is one daemon. Goroutines may share it. The stubs are the generated ones, with
// the credentials of the client and without its deadlines, retries and errors.
type Client struct {
	Address       string
	JobService    pb.JobServiceClient
	ImageService  pb.ImageServiceClient
	SystemService pb.SystemServiceClient

	// A watch has a connection of its own: a stream that nobody reads must not hold up
	// a cancel.
	watches     pb.JobServiceClient
	connections [2]*grpc.ClientConn
	life        context.Context
	end         context.CancelFunc
}

// New is a client of the daemon at unix:PATH or HOST:PORT; without an address, at
// LONGSHORE_ADDRESS or the usual socket. Without credentials they are [FromEnvironment].
// It connects when first used. Errors are of the arguments, or of the files they name.
func New(address string, who *Credentials, options ...grpc.DialOption) (*Client, error) {
	if address == "" {
		address = defaultAddress(os.Getenv, os.Geteuid())
	}
	if who == nil {
		who = FromEnvironment()
	}
	address, err := checkAddress(address)
	if err != nil {
		return nil, err
	}
	who = new(*who) // what is checked here is what is used
	if err := who.check(address); err != nil {
		return nil, err
	}
	c := &Client{Address: address}
	for i := range c.connections {
		if c.connections[i], err = connection(address, who, options); err != nil {
			return nil, err
		}
	}
	c.JobService = pb.NewJobServiceClient(c.connections[0])
	c.ImageService = pb.NewImageServiceClient(c.connections[0])
	c.SystemService = pb.NewSystemServiceClient(c.connections[0])
	c.watches = pb.NewJobServiceClient(c.connections[1])
	c.life, c.end = context.WithCancel(context.Background())
	return c, nil
}

// Close ends every watch, every call and every connection.
func (c *Client) Close() error {
	c.end()
	return errors.Join(c.connections[0].Close(), c.connections[1].Close())
}

func connection(address string, who *Credentials, more []grpc.DialOption) (*grpc.ClientConn, error) {
	transport, err := who.transport(address)
	if err != nil {
		return nil, err
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithChainUnaryInterceptor(who.unary),
		grpc.WithChainStreamInterceptor(who.stream),
		// The daemon allows a ping every 5 s; 30 s is far from that, and quick enough
		// to see a dead peer.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(16 << 20)),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           connecting.Config{BaseDelay: backoff, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 2 * time.Second},
			MinConnectTimeout: 5 * time.Second,
		}),
		// Retries are ours, so that every language agrees.
		grpc.WithDisableRetry(),
		grpc.WithDisableServiceConfig(),
	}
	target := "dns:///" + address
	if path, local := socketPath(address); local {
		target = "passthrough:///localhost"
		options = append(options, grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}))
	}
	return grpc.NewClient(target, append(options, more...)...)
}

// Job is a handle on a job; asks nothing of the daemon yet.
func (c *Client) Job(id string) *Job { return &Job{ID: id, client: c} }

// Create starts a job of any kind. It is sent again when an answer is lost, and made
// once: a request without a request id is given one.
func (c *Client) Create(ctx context.Context, request *pb.CreateJobRequest) (*Job, error) {
	request = copyOf(request)
	if request.RequestId == "" {
		request.RequestId = newRequestID()
	}
	answer, err := ask(ctx, c, c.JobService.CreateJob, request, createTime, tries)
	if err != nil {
		return nil, err
	}
	return &Job{answer.GetJob().GetJobId(), answer.GetJob(), !answer.Replayed && !answer.Existing, c, 0}, nil
}

// CreateGroup starts jobs that become visible together or not at all; as Create.
func (c *Client) CreateGroup(ctx context.Context, request *pb.CreateJobGroupRequest) ([]*Job, error) {
	request = copyOf(request)
	if request.RequestId == "" {
		request.RequestId = newRequestID()
	}
	answer, err := ask(ctx, c, c.JobService.CreateJobGroup, request, createTime, tries)
	if err != nil {
		return nil, err
	}
	jobs := make([]*Job, len(answer.Jobs))
	for i, job := range answer.Jobs {
		jobs[i] = &Job{job.JobId, job, !answer.Replayed, c, 0}
	}
	return jobs, nil
}

// Plan is what a job would do; nothing happens.
func (c *Client) Plan(ctx context.Context, request *pb.CreateJobRequest) (*pb.JobPlan, error) {
	answer, err := ask(ctx, c, c.JobService.PlanJob, &pb.PlanJobRequest{Request: request}, createTime, tries)
	return answer.GetPlan(), err
}

// List is all jobs, newest first; pages are fetched as they are needed.
func (c *Client) List(ctx context.Context, request *pb.ListJobsRequest) iter.Seq2[*pb.Job, error] {
	return items(func(token string) ([]*pb.Job, string, error) {
		asked := copyOf(request)
		asked.PageToken = token
		page, err := ask(ctx, c, c.JobService.ListJobs, asked, createTime, tries)
		return page.GetJobs(), page.GetNextPageToken(), err
	})
}

// Map is the extents of an image through its chain, in order; pages as in List.
func (c *Client) Map(ctx context.Context, request *pb.MapImageRequest) iter.Seq2[*pb.MapExtent, error] {
	return items(func(token string) ([]*pb.MapExtent, string, error) {
		asked := copyOf(request)
		asked.PageToken = token
		page, err := ask(ctx, c, c.ImageService.MapImage, asked, createTime, tries)
		return page.GetExtents(), page.GetNextPageToken(), err
	})
}

// items are those of one page after another. A page may be empty and not the last.
func items[T any](next func(token string) (page []T, following string, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for token := ""; ; {
			page, following, err := next(token)
			if err != nil {
				yield(*new(T), err)
				return
			}
			for _, item := range page {
				if !yield(item, nil) {
					return
				}
			}
			if token = following; token == "" {
				return
			}
		}
	}
}

// Image is an image and the chain below it, even while it is in use.
func (c *Client) Image(ctx context.Context, image *pb.ImageRef, chain ...*pb.ImageRef) (*pb.Image, error) {
	request := &pb.GetImageRequest{Image: image, BackingChain: chain}
	answer, err := ask(ctx, c, c.ImageService.GetImage, request, createTime, tries)
	return answer.GetImage(), err
}

// CreateImage makes an empty image or an overlay. Not sent twice: it may exist then.
func (c *Client) CreateImage(ctx context.Context, request *pb.CreateImageRequest) (*pb.Image, error) {
	answer, err := ask(ctx, c, c.ImageService.CreateImage, request, createTime, 1)
	return answer.GetImage(), err
}

// Capabilities are what the daemon is and can do.
func (c *Client) Capabilities(ctx context.Context) (*pb.GetCapabilitiesResponse, error) {
	return ask(ctx, c, c.SystemService.GetCapabilities, &pb.GetCapabilitiesRequest{}, unaryTime, tries)
}

// Qcow2 names an image by its path.
func Qcow2(path string) *pb.ImageRef { return &pb.ImageRef{Uri: path, Format: "qcow2"} }

// Pull is the job that populates top from its backing chain, down to base or, without
// one, wholly.
func Pull(top, base *pb.ImageRef, chain ...*pb.ImageRef) *pb.JobInfo {
	spec := &pb.BlockPullJob_Spec{Top: top, Base: base, BackingChain: chain}
	return &pb.JobInfo{Subsystem: &pb.JobInfo_Block{Block: &pb.BlockJobInfo{
		Kind: &pb.BlockJobInfo_Pull{Pull: &pb.BlockPullJob{Spec: spec}},
	}}}
}

// copyOf lets us fill in a request without touching the caller's, which may be nil.
func copyOf[T any, M interface {
	*T
	proto.Message
}](request M) M {
	own := M(new(T))
	proto.Merge(own, request)
	return own
}
