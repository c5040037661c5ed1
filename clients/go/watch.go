package longshore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/longshore/longshore/clients/go/longshorev1"
)

const (
	reconnectMax     = 10 * time.Second
	healthyTime      = 30 * time.Second // a stream that lived so long starts the backoff afresh
	heartbeatsMissed = 3                // then the stream is dead
	heartbeatMin     = 100 * time.Millisecond
	firstFrameTime   = 30 * time.Second // until `opened` has said what the heartbeat is
)

// Value is an [Event], a [Progress], a [Snapshot] or a [Resynced].
type Value interface{ isValue() }

// Event is one durable change of one job. The cursor includes it: saved together with
// what the change caused, it makes every change take effect exactly once, even across
// a crash.
type Event struct {
	*pb.JobEvent
	Cursor *pb.Cursor
}

// KindName is CREATED, UPDATED, REMOVED; the number of a kind newer than this client.
func (e Event) KindName() string { return strings.TrimPrefix(e.GetKind().String(), "JOB_EVENT_KIND_") }

// Progress is the newest progress of one job; not history, may skip values.
type Progress struct{ *pb.ProgressSample }

// Snapshot is every job that matches, at the start of the watch.
type Snapshot struct {
	Jobs   []*pb.Job
	Cursor *pb.Cursor
}

// Resynced says that history was lost; these are the jobs now. What is not here is gone.
type Resynced Snapshot

func (Event) isValue()    {}
func (Progress) isValue() {}
func (Snapshot) isValue() {}
func (Resynced) isValue() {}

// WatchOptions say what to watch, and how.
type WatchOptions struct {
	Selector          *pb.JobSelector
	Cursor            *pb.Cursor    // resume after it; without, begin with a Snapshot
	FromNow           bool          // begin with the next change instead, without a Snapshot
	Strict            bool          // lost history is ErrHistoryLost; else it is a Resynced
	OmitProgress      bool          // durable changes only
	ProgressInterval  time.Duration // between samples of one job; 0: the daemon's, 1 s
	HeartbeatInterval time.Duration // the daemon shows that it lives; 0: its own, 15 s
	StopWhenFinished  bool          // end once every job selected has ended
	Patience          time.Duration // give up when the daemon has been away so long; 0: never
}

// Watch goes on by itself: after a cut, a restart, a silence of three heartbeats.
type Watch struct {
	how    WatchOptions
	client *Client
	cursor atomic.Pointer[pb.Cursor]
	chance func() float64 // for the jitter, from 0 to 1

	silence    time.Duration // without a frame for so long, the stream is dead
	retryDelay time.Duration // as the last planned end asked for
	away       time.Duration // since streams bring no frame any more
	heard      bool          // a frame has come on this stream
	resyncing  bool
	failures   int
	gathered   []*pb.Job
}

// The ends of a watch that are no errors.
var (
	errFinished = errors.New("the server has said all there is to say")
	errLeft     = errors.New("the caller has left the loop")
	errSilent   = fmt.Errorf("%w: the watch has gone silent", ErrConnectionFailed)
)

// Watch is the jobs as they are, then every change.
func (c *Client) Watch(how WatchOptions) *Watch {
	w := &Watch{how: how, client: c, chance: rand.Float64}
	w.cursor.Store(how.Cursor)
	return w
}

// Cursor says that everything up to here was handed out and the next value asked for:
// to leave in between repeats a value rather than losing one. Nil before a snapshot.
func (w *Watch) Cursor() *pb.Cursor { return w.cursor.Load() }

// Values are those of the watch, one loop at a time. The loop ends with the jobs if
// StopWhenFinished is set, or with an error: that of ctx, ErrClosed, or one that no new
// stream would help. Leaving it in any way ends the call to the daemon; another loop
// goes on after Cursor.
func (w *Watch) Values(ctx context.Context) iter.Seq2[Value, error] {
	return func(yield func(Value, error) bool) {
		for {
			began := time.Now()
			err := w.stream(ctx, func(value Value) bool { return yield(value, nil) })
			if err == errLeft || err == errFinished {
				return
			}
			delay, err := w.failed(err, time.Since(began))
			if err == nil {
				err = w.client.sleep(ctx, delay)
			}
			if err != nil {
				yield(nil, err)
				return
			}
		}
	}
}

// stream is one stream to its end. Silence is an error; a slow reader is not.
func (w *Watch) stream(parent context.Context, yield func(Value) bool) error {
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	request := w.request()
	watchdog := time.AfterFunc(w.silence, func() { cancel(errSilent) })
	defer watchdog.Stop()
	stream, err := w.client.watches.WatchJobs(ctx, request)
	for err == nil {
		var frame *pb.WatchJobsResponse
		watchdog.Reset(w.silence)
		frame, err = stream.Recv()
		watchdog.Stop()
		if err == nil {
			err = w.frame(frame, yield)
		}
	}
	switch {
	case err == errLeft, err == errFinished, err == io.EOF:
		return err
	case w.client.ended(parent) != nil:
		return w.client.ended(parent)
	case context.Cause(ctx) == errSilent:
		return errSilent
	}
	return Typed(err)
}

// request is what to send to open the next stream.
func (w *Watch) request() *pb.WatchJobsRequest {
	w.gathered, w.retryDelay, w.heard, w.silence = nil, 0, false, firstFrameTime
	request := &pb.WatchJobsRequest{
		Selector:         w.how.Selector,
		OmitProgress:     w.how.OmitProgress,
		StopWhenFinished: w.how.StopWhenFinished,
	}
	if w.how.ProgressInterval != 0 {
		request.ProgressInterval = durationpb.New(w.how.ProgressInterval)
	}
	if w.how.HeartbeatInterval != 0 {
		request.HeartbeatInterval = durationpb.New(w.how.HeartbeatInterval)
	}
	if cursor := w.Cursor(); cursor != nil {
		request.Start = &pb.WatchJobsRequest_ResumeAfter{ResumeAfter: cursor}
	} else if w.how.FromNow {
		request.Start = &pb.WatchJobsRequest_FromNow_{FromNow: &pb.WatchJobsRequest_FromNow{}}
	}
	return request
}

// frame tells the caller what a frame says; a frame of a kind newer than this client
// says nothing.
func (w *Watch) frame(frame *pb.WatchJobsResponse, yield func(Value) bool) error {
	w.heard, w.away = true, 0
	switch {
	case frame.GetOpened() != nil:
		if beat := frame.GetOpened().GetHeartbeatInterval().AsDuration(); beat > 0 {
			w.silence = heartbeatsMissed * max(beat, heartbeatMin)
		}
	case frame.GetSnapshot() != nil:
		w.gathered = append(w.gathered, frame.GetSnapshot().GetJobs()...)
	case frame.GetSnapshotEnd() != nil:
		if !yield(w.whole(frame.Cursor)) {
			return errLeft
		}
	case frame.GetEvents() != nil:
		for _, event := range frame.GetEvents().GetEvents() {
			cursor := &pb.Cursor{HistoryId: frame.GetCursor().GetHistoryId(), Revision: event.Revision}
			if w.isNews(cursor) && !yield(Event{event, cursor}) {
				return errLeft
			}
			w.take(cursor)
		}
	case frame.GetProgress() != nil:
		for _, sample := range frame.GetProgress().GetSamples() {
			if !yield(Progress{sample}) {
				return errLeft
			}
		}
	case frame.GetClosing() != nil:
		w.retryDelay = max(0, frame.GetClosing().GetRetryDelay().AsDuration())
		if frame.GetClosing().GetReason() == pb.WatchCloseReason_WATCH_CLOSE_REASON_FINISHED {
			w.take(frame.Cursor)
			return errFinished
		}
	}
	w.take(frame.Cursor)
	return nil
}

func (w *Watch) isNews(cursor *pb.Cursor) bool {
	return cursor != nil && (w.Cursor() == nil || cursor.Revision > w.Cursor().Revision)
}

func (w *Watch) take(cursor *pb.Cursor) {
	if w.isNews(cursor) {
		w.cursor.Store(cursor)
	}
}

func (w *Watch) whole(cursor *pb.Cursor) Value {
	snapshot, lost := Snapshot{w.gathered, cursor}, w.resyncing
	w.gathered, w.resyncing = nil, false
	if lost {
		return Resynced(snapshot)
	}
	return snapshot
}

// failed is the time until the next stream, or the error again if none would help.
func (w *Watch) failed(err error, lived time.Duration) (time.Duration, error) {
	var refused *ServiceError
	isRefused := errors.As(err, &refused)
	switch {
	case isRefused && w.Cursor() != nil && (refused.Kind == ErrHistoryGone || refused.Code == codes.OutOfRange):
		// By the code: a newer daemon may have more reasons for it.
		if w.how.Strict {
			return 0, fmt.Errorf("%w: %w", ErrHistoryLost, err)
		}
		w.cursor.Store(nil)
		w.how.FromNow, w.resyncing = false, true
		return 0, nil
	case err == io.EOF:
		err = fmt.Errorf("%w: the daemon ends every watch that is opened", ErrConnectionFailed)
	case isRefused && refused.Kind == ErrLimitReached && refused.RetryDelay != nil:
		w.retryDelay = *refused.RetryDelay
	case errors.Is(err, ErrConnectionFailed), errors.Is(err, ErrUnavailable), errors.Is(err, ErrDeadlineExceeded):
	default:
		return 0, err
	}
	if lived >= healthyTime {
		w.failures = 0
	}
	ceiling := min(reconnectMax, backoff<<w.failures)
	w.failures = min(w.failures+1, doublingsMax)
	delay := w.retryDelay + time.Duration(float64(ceiling)*w.chance())
	w.away += delay
	if !w.heard {
		w.away += lived
	}
	if w.how.Patience > 0 && w.away > w.how.Patience {
		return 0, err
	}
	return delay, nil
}
