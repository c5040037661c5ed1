package longshore

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	pb "github.com/longshore/longshore/clients/go/longshorev1"
)

// daemon answers as a test has written; time is that of the test's bubble.
type daemon struct {
	pb.UnimplementedJobServiceServer
	pb.UnimplementedSystemServiceServer

	create  func(*pb.CreateJobRequest) (*pb.CreateJobResponse, error)
	list    func(*pb.ListJobsRequest) (*pb.ListJobsResponse, error)
	wait    func(context.Context, *pb.WaitJobRequest) (*pb.WaitJobResponse, error)
	dismiss func(*pb.DismissJobRequest) (*pb.DismissJobResponse, error)
	pause   func(context.Context, *pb.PauseJobRequest) (*pb.PauseJobResponse, error)
	watch   func(*pb.WatchJobsRequest, grpc.ServerStreamingServer[pb.WatchJobsResponse]) error
}

func (d *daemon) CreateJob(_ context.Context, r *pb.CreateJobRequest) (*pb.CreateJobResponse, error) {
	return d.create(r)
}

func (d *daemon) ListJobs(_ context.Context, r *pb.ListJobsRequest) (*pb.ListJobsResponse, error) {
	return d.list(r)
}

func (d *daemon) WaitJob(ctx context.Context, r *pb.WaitJobRequest) (*pb.WaitJobResponse, error) {
	return d.wait(ctx, r)
}

func (d *daemon) DismissJob(_ context.Context, r *pb.DismissJobRequest) (*pb.DismissJobResponse, error) {
	return d.dismiss(r)
}

func (d *daemon) PauseJob(ctx context.Context, r *pb.PauseJobRequest) (*pb.PauseJobResponse, error) {
	return d.pause(ctx, r)
}

func (d *daemon) WatchJobs(r *pb.WatchJobsRequest, s grpc.ServerStreamingServer[pb.WatchJobsResponse]) error {
	return d.watch(r, s)
}

// with runs a test in a bubble of its own: what waits for time waits for nothing, and
// whatever is left behind fails the test.
func with(t *testing.T, d *daemon, test func(*testing.T, *Client)) {
	synctest.Test(t, func(t *testing.T) {
		listener := bufconn.Listen(1 << 16)
		server := grpc.NewServer(grpc.WaitForHandlers(true))
		pb.RegisterJobServiceServer(server, d)
		served := make(chan error)
		go func() { served <- server.Serve(listener) }()
		dial := func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }
		client, err := New("unix:/not/used", &Credentials{}, grpc.WithContextDialer(dial))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			client.Close()
			server.Stop()
			if err := <-served; err != nil {
				t.Error(err)
			}
		})
		test(t, client)
	})
}

var lost = status.Error(codes.Unavailable, "the answer was lost")

func TestALostAnswerMakesNoSecondJob(t *testing.T) {
	var ids []string
	d := &daemon{create: func(r *pb.CreateJobRequest) (*pb.CreateJobResponse, error) {
		if ids = append(ids, r.RequestId); len(ids) < tries {
			return nil, lost
		}
		return &pb.CreateJobResponse{Job: &pb.Job{JobId: "j"}, Replayed: true}, nil
	}}
	with(t, d, func(t *testing.T, client *Client) {
		request := &pb.CreateJobRequest{JobId: "j"}
		job, err := client.Create(t.Context(), request)
		if err != nil || job.ID != "j" || job.IsNew {
			t.Fatal(job, err)
		}
		if len(ids) != tries || ids[0] == "" || ids[0] != ids[3] || request.RequestId != "" {
			t.Error(ids, request)
		}
	})
}

func TestFourTriesAreEnough(t *testing.T) {
	calls := 0
	d := &daemon{create: func(*pb.CreateJobRequest) (*pb.CreateJobResponse, error) {
		calls++
		return nil, lost
	}}
	with(t, d, func(t *testing.T, client *Client) {
		if _, err := client.Create(t.Context(), nil); !errors.Is(err, ErrConnectionFailed) || calls != tries {
			t.Error(err, calls)
		}
	})
}

func TestAVerbThatExpectsARevisionIsNotRepeated(t *testing.T) {
	calls := 0
	d := &daemon{pause: func(_ context.Context, r *pb.PauseJobRequest) (*pb.PauseJobResponse, error) {
		if calls++; r.ExpectedRevision != 7 {
			t.Error(r)
		}
		return nil, lost
	}}
	with(t, d, func(t *testing.T, client *Client) {
		_, err := client.Job("j").AtRevision(7).Pause(t.Context(), "")
		if !errors.Is(err, ErrConnectionFailed) || calls != 1 {
			t.Error(err, calls)
		}
	})
}

func TestADismissThatIsRepeatedMayFindNothing(t *testing.T) {
	var allowed []bool
	d := &daemon{dismiss: func(r *pb.DismissJobRequest) (*pb.DismissJobResponse, error) {
		if allowed = append(allowed, r.AllowMissing); len(allowed) == 1 {
			return nil, lost
		}
		return &pb.DismissJobResponse{}, nil
	}}
	with(t, d, func(t *testing.T, client *Client) {
		job, err := client.Job("j").Dismiss(t.Context(), false)
		if job != nil || err != nil || allowed[0] || !allowed[1] {
			t.Error(job, err, allowed)
		}
	})
}

func TestPagesAreFetchedAsTheyAreNeeded(t *testing.T) {
	calls := 0
	d := &daemon{list: func(r *pb.ListJobsRequest) (*pb.ListJobsResponse, error) {
		calls++
		switch r.PageToken {
		case "":
			return &pb.ListJobsResponse{Jobs: []*pb.Job{{JobId: "a"}, {JobId: "b"}}, NextPageToken: "2"}, nil
		case "2":
			return &pb.ListJobsResponse{NextPageToken: "3"}, nil
		default:
			return &pb.ListJobsResponse{Jobs: []*pb.Job{{JobId: "c"}}}, nil
		}
	}}
	with(t, d, func(t *testing.T, client *Client) {
		jobs := client.List(t.Context(), nil)
		for range jobs {
			break
		}
		if calls != 1 {
			t.Error("a page was fetched that nobody needs", calls)
		}
		found := ""
		for job, err := range jobs {
			if err != nil {
				t.Fatal(err)
			}
			found += job.JobId
		}
		if found != "abc" {
			t.Error(found)
		}
	})
}

func TestAWaitAsksAgainUntilTheEnd(t *testing.T) {
	calls := 0
	d := &daemon{wait: func(ctx context.Context, r *pb.WaitJobRequest) (*pb.WaitJobResponse, error) {
		switch calls++; calls {
		case 1:
			time.Sleep(r.Timeout.AsDuration())
			return &pb.WaitJobResponse{Job: &pb.Job{}}, nil
		case 2:
			return nil, lost
		case 3:
			<-ctx.Done()
			return nil, ctx.Err()
		default:
			return &pb.WaitJobResponse{Job: &pb.Job{JobId: "j"}, Reached: true}, nil
		}
	}}
	with(t, d, func(t *testing.T, client *Client) {
		if job, err := client.Job("j").Wait(t.Context()); job.GetJobId() != "j" || err != nil || calls != 4 {
			t.Error(job, err, calls)
		}
	})
}

func TestAWaitThatIsTooLongLeavesTheJobAlone(t *testing.T) {
	d := &daemon{wait: func(ctx context.Context, r *pb.WaitJobRequest) (*pb.WaitJobResponse, error) {
		select {
		case <-time.After(r.Timeout.AsDuration()):
		case <-ctx.Done():
		}
		return &pb.WaitJobResponse{Job: &pb.Job{}}, nil
	}}
	with(t, d, func(t *testing.T, client *Client) {
		began := time.Now()
		_, err := client.Job("j").WaitFor(t.Context(), WaitOptions{Timeout: 70 * time.Second})
		if waited := time.Since(began); !errors.Is(err, ErrWaitTimeout) || waited != 70*time.Second {
			t.Error(err, waited)
		}
		within, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := client.Job("j").Wait(within); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

func TestAWaitGivesUpAfterAMinuteWithoutTheDaemon(t *testing.T) {
	d := &daemon{wait: func(context.Context, *pb.WaitJobRequest) (*pb.WaitJobResponse, error) { return nil, lost }}
	with(t, d, func(t *testing.T, client *Client) {
		began := time.Now()
		_, err := client.Job("j").Wait(t.Context())
		if waited := time.Since(began); !errors.Is(err, ErrConnectionFailed) || waited < unreachable {
			t.Error(err, waited)
		}
	})
}

func TestACallThatHangsHasADeadline(t *testing.T) {
	d := &daemon{pause: func(ctx context.Context, _ *pb.PauseJobRequest) (*pb.PauseJobResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	with(t, d, func(t *testing.T, client *Client) {
		began := time.Now()
		_, err := client.Job("j").Pause(t.Context(), "")
		if took := time.Since(began); !errors.Is(err, ErrDeadlineExceeded) || took != unaryTime {
			t.Error(err, took)
		}
	})
}

func TestTheCallersContextEndsACall(t *testing.T) {
	d := &daemon{pause: func(ctx context.Context, _ *pb.PauseJobRequest) (*pb.PauseJobResponse, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}
	with(t, d, func(t *testing.T, client *Client) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		if _, err := client.Job("j").Pause(ctx, ""); err != context.Canceled {
			t.Error(err)
		}
	})
}

func TestAClientThatIsClosedSaysSo(t *testing.T) {
	with(t, &daemon{}, func(t *testing.T, client *Client) {
		client.Close()
		if _, err := client.Job("j").Get(t.Context()); err != ErrClosed {
			t.Error(err)
		}
		for _, err := range client.Watch(WatchOptions{}).Values(t.Context()) {
			if err != ErrClosed {
				t.Error(err)
			}
		}
	})
}

// watched counts the watches that are open.
type watched struct {
	mu   sync.Mutex
	open int
}

func (w *watched) add(number int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open += number
}

func (w *watched) now() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.open
}

func TestLeavingTheLoopEndsTheCall(t *testing.T) {
	var watches watched
	d := &daemon{watch: func(
		_ *pb.WatchJobsRequest, stream grpc.ServerStreamingServer[pb.WatchJobsResponse],
	) error {
		watches.add(1)
		defer watches.add(-1)
		for _, frame := range []*pb.WatchJobsResponse{opened(time.Second), snapshotEnd(1)} {
			if err := stream.Send(frame); err != nil {
				return err
			}
		}
		<-stream.Context().Done()
		return nil
	}}
	with(t, d, func(t *testing.T, client *Client) {
		for range client.Watch(WatchOptions{}).Values(t.Context()) {
			if watches.now() != 1 {
				t.Error(watches.now())
			}
			break
		}
		synctest.Wait()
		if watches.now() != 0 {
			t.Error("the daemon has not seen that the loop was left")
		}
	})
}

func TestAWatchSurvivesSilenceAndCuts(t *testing.T) {
	streams := 0
	d := &daemon{watch: func(
		r *pb.WatchJobsRequest, stream grpc.ServerStreamingServer[pb.WatchJobsResponse],
	) error {
		streams++
		if r.GetResumeAfter().GetRevision() != int64(streams) {
			t.Error(r)
		}
		stream.Send(opened(time.Second))
		stream.Send(events(int64(streams) + 1))
		switch streams {
		case 1:
			return lost
		case 2:
			<-stream.Context().Done()
			return nil
		default:
			stream.Send(closing(pb.WatchCloseReason_WATCH_CLOSE_REASON_FINISHED, 0, 4))
			return nil
		}
	}}
	with(t, d, func(t *testing.T, client *Client) {
		var values []Value
		for value, err := range client.Watch(WatchOptions{Cursor: at(1)}).Values(t.Context()) {
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, value)
			// A slow reader is not silence.
			time.Sleep(time.Minute)
		}
		if found := revisions(values); len(found) != 3 || found[2] != 4 || streams != 3 {
			t.Error(found, streams)
		}
	})
}

func TestTheCallersContextEndsAWatch(t *testing.T) {
	d := &daemon{watch: func(
		_ *pb.WatchJobsRequest, stream grpc.ServerStreamingServer[pb.WatchJobsResponse],
	) error {
		stream.Send(snapshotEnd(1))
		<-stream.Context().Done()
		return nil
	}}
	with(t, d, func(t *testing.T, client *Client) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var last error
		for _, err := range client.Watch(WatchOptions{}).Values(ctx) {
			last = err
			cancel()
		}
		if last != context.Canceled {
			t.Error(last)
		}
	})
}
