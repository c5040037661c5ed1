package longshore

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/longshore/longshore/clients/go/longshorev1"
)

// newWatch is a watch with the longest jitter, which is on no stream.
func newWatch(how WatchOptions) *Watch {
	w := (&Client{}).Watch(how)
	w.chance = func() float64 { return 1 }
	w.request()
	return w
}

func at(revision int64) *pb.Cursor { return &pb.Cursor{HistoryId: "h", Revision: revision} }

func opened(heartbeat time.Duration) *pb.WatchJobsResponse {
	frame := &pb.WatchOpened{HeartbeatInterval: durationpb.New(heartbeat)}
	return &pb.WatchJobsResponse{Frame: &pb.WatchJobsResponse_Opened{Opened: frame}}
}

func chunk(ids ...string) *pb.WatchJobsResponse {
	frame := &pb.SnapshotChunk{}
	for _, id := range ids {
		frame.Jobs = append(frame.Jobs, &pb.Job{JobId: id})
	}
	return &pb.WatchJobsResponse{Frame: &pb.WatchJobsResponse_Snapshot{Snapshot: frame}}
}

func snapshotEnd(revision int64) *pb.WatchJobsResponse {
	return &pb.WatchJobsResponse{
		Cursor: at(revision), Frame: &pb.WatchJobsResponse_SnapshotEnd{SnapshotEnd: &pb.SnapshotEnd{}},
	}
}

func events(revisions ...int64) *pb.WatchJobsResponse {
	frame := &pb.JobEventBatch{}
	for _, revision := range revisions {
		frame.Events = append(frame.Events, &pb.JobEvent{Revision: revision, Job: &pb.Job{}})
	}
	last := revisions[len(revisions)-1]
	return &pb.WatchJobsResponse{Cursor: at(last), Frame: &pb.WatchJobsResponse_Events{Events: frame}}
}

func closing(reason pb.WatchCloseReason, delay time.Duration, revision int64) *pb.WatchJobsResponse {
	frame := &pb.WatchClosing{Reason: reason, RetryDelay: durationpb.New(delay)}
	return &pb.WatchJobsResponse{Cursor: at(revision), Frame: &pb.WatchJobsResponse_Closing{Closing: frame}}
}

// told is what a watch makes of frames, up to the first that ends the stream.
func told(w *Watch, frames ...*pb.WatchJobsResponse) (values []Value, err error) {
	for _, frame := range frames {
		err = w.frame(frame, func(value Value) bool {
			values = append(values, value)
			return true
		})
		if err != nil {
			return values, err
		}
	}
	return values, nil
}

func revisions(values []Value) (found []int64) {
	for _, value := range values {
		found = append(found, value.(Event).Revision)
	}
	return found
}

func TestASnapshotIsToldWholeAndOnce(t *testing.T) {
	w := newWatch(WatchOptions{})
	values, err := told(w, opened(time.Second), chunk("a", "b"), chunk("c"))
	if err != nil || values != nil || w.Cursor() != nil {
		t.Fatal(values, err)
	}
	values, _ = told(w, snapshotEnd(7))
	if snapshot := values[0].(Snapshot); len(snapshot.Jobs) != 3 || snapshot.Cursor.Revision != 7 {
		t.Error(snapshot)
	}
	if w.Cursor().GetRevision() != 7 {
		t.Error(w.Cursor())
	}
}

func TestASnapshotThatWasCutIsForgotten(t *testing.T) {
	w := newWatch(WatchOptions{})
	told(w, chunk("a"))
	w.request()
	values, _ := told(w, chunk("b"), snapshotEnd(1))
	if jobs := values[0].(Snapshot).Jobs; len(jobs) != 1 || jobs[0].JobId != "b" {
		t.Error(jobs)
	}
}

func TestWhatWasToldIsNotToldAgain(t *testing.T) {
	values, _ := told(newWatch(WatchOptions{Cursor: at(3)}), events(2, 3, 4), events(4, 4, 6))
	if found := revisions(values); !slices.Equal(found, []int64{4, 6}) {
		t.Error(found)
	}
}

func TestTheCursorMovesWhenTheNextValueIsAskedFor(t *testing.T) {
	w := newWatch(WatchOptions{Cursor: at(1)})
	err := w.frame(events(2, 3), func(value Value) bool {
		event := value.(Event)
		if w.Cursor().Revision != event.Revision-1 || event.Cursor.Revision != event.Revision {
			t.Errorf("at %v with %v", w.Cursor(), event)
		}
		return event.Revision != 3
	})
	if err != errLeft || w.Cursor().Revision != 2 {
		t.Error(err, w.Cursor())
	}
}

func TestABookmarkMovesTheCursorAndSaysNothing(t *testing.T) {
	w := newWatch(WatchOptions{Cursor: at(1)})
	bookmark := &pb.WatchJobsResponse_Bookmark{Bookmark: &pb.Bookmark{}}
	values, err := told(w, &pb.WatchJobsResponse{Cursor: at(9), Frame: bookmark})
	if values != nil || err != nil || w.Cursor().Revision != 9 {
		t.Error(values, err, w.Cursor())
	}
}

func TestAFrameNewerThanThisClientSaysNothing(t *testing.T) {
	w := newWatch(WatchOptions{Cursor: at(1)})
	values, err := told(w, &pb.WatchJobsResponse{Cursor: at(2)})
	if values != nil || err != nil || w.Cursor().Revision != 2 {
		t.Error(values, err, w.Cursor())
	}
}

func TestProgressIsNotHistory(t *testing.T) {
	w := newWatch(WatchOptions{})
	batch := &pb.ProgressBatch{Samples: []*pb.ProgressSample{{JobId: "a"}, {JobId: "b"}}}
	values, _ := told(w, &pb.WatchJobsResponse{Frame: &pb.WatchJobsResponse_Progress{Progress: batch}})
	if len(values) != 2 || values[1].(Progress).JobId != "b" || w.Cursor() != nil {
		t.Error(values, w.Cursor())
	}
}

func TestAnEventOfAKindNewerThanThisClientIsANumber(t *testing.T) {
	for kind, want := range map[pb.JobEventKind]string{2: "UPDATED", 77: "77"} {
		if name := (Event{JobEvent: &pb.JobEvent{Kind: kind}}).KindName(); name != want {
			t.Error(name)
		}
	}
}

func TestSilenceIsThreeHeartbeats(t *testing.T) {
	for heartbeat, want := range map[time.Duration]time.Duration{
		15 * time.Second: 45 * time.Second, time.Millisecond: 300 * time.Millisecond, 0: firstFrameTime,
	} {
		w := newWatch(WatchOptions{})
		told(w, opened(heartbeat))
		if w.silence != want {
			t.Errorf("%v of heartbeat: %v", heartbeat, w.silence)
		}
	}
}

func TestTheNextStreamGoesOnAfterTheCursor(t *testing.T) {
	w := newWatch(WatchOptions{FromNow: true, OmitProgress: true, HeartbeatInterval: time.Second})
	first := w.request()
	if first.GetFromNow() == nil || !first.OmitProgress || first.HeartbeatInterval.Seconds != 1 {
		t.Error(first)
	}
	told(w, events(5))
	if second := w.request(); second.GetResumeAfter().GetRevision() != 5 || second.ProgressInterval != nil {
		t.Error(second)
	}
}

func TestAPlannedEndIsTheEndOfTheWatch(t *testing.T) {
	w := newWatch(WatchOptions{})
	_, err := told(w, closing(pb.WatchCloseReason_WATCH_CLOSE_REASON_FINISHED, 0, 4))
	if err != errFinished || w.Cursor().Revision != 4 {
		t.Error(err, w.Cursor())
	}
}

func TestAnyOtherPlannedEndIsWaitedForAndResumed(t *testing.T) {
	w := newWatch(WatchOptions{})
	if _, err := told(w, closing(77, 2*time.Second, 4)); err != nil {
		t.Fatal(err)
	}
	if delay, err := w.failed(io.EOF, time.Second); err != nil || delay != 2*time.Second+backoff {
		t.Error(delay, err)
	}
}

func TestReconnectingBacksOffToTenSeconds(t *testing.T) {
	w := newWatch(WatchOptions{})
	var delays []time.Duration
	for range 9 {
		delay, err := w.failed(ErrConnectionFailed, 0)
		if err != nil {
			t.Fatal(err)
		}
		delays = append(delays, delay)
	}
	if delays[0] != backoff || delays[1] != 2*backoff || delays[8] != 10*time.Second {
		t.Error(delays)
	}
	if delay, _ := w.failed(ErrConnectionFailed, healthyTime); delay != backoff {
		t.Errorf("after a stream that lived the delay is %v", delay)
	}
}

func TestTheJitterIsFull(t *testing.T) {
	w := newWatch(WatchOptions{})
	w.chance = func() float64 { return 0 }
	if delay, err := w.failed(ErrConnectionFailed, 0); delay != 0 || err != nil {
		t.Error(delay, err)
	}
}

func TestPatienceEndsWithTheTimeThatTheDaemonIsAway(t *testing.T) {
	w := newWatch(WatchOptions{Patience: time.Second})
	told(w, events(1))
	if _, err := w.failed(ErrConnectionFailed, time.Hour); err != nil {
		t.Error("the stream has brought a frame", err)
	}
	w.request()
	if _, err := w.failed(ErrConnectionFailed, 900*time.Millisecond); !errors.Is(err, ErrConnectionFailed) {
		t.Error(err)
	}
}

func TestHistoryThatIsGoneIsResynced(t *testing.T) {
	for _, gone := range []*ServiceError{
		{Kind: ErrHistoryGone}, {Kind: ErrService, Code: codes.OutOfRange, Reason: "NEWER"},
	} {
		w := newWatch(WatchOptions{Cursor: at(5), FromNow: true})
		if delay, err := w.failed(gone, 0); delay != 0 || err != nil {
			t.Error(delay, err)
		}
		if request := w.request(); request.Start != nil {
			t.Error(request)
		}
		values, _ := told(w, chunk("a"), snapshotEnd(2), events(3))
		if resynced := values[0].(Resynced); len(resynced.Jobs) != 1 || resynced.Cursor.Revision != 2 {
			t.Error(resynced)
		}
		if values[1].(Event).Revision != 3 {
			t.Error("revisions begin afresh", values)
		}
	}
}

func TestHistoryThatIsGoneEndsAStrictWatch(t *testing.T) {
	w := newWatch(WatchOptions{Cursor: at(5), Strict: true})
	if _, err := w.failed(&ServiceError{Kind: ErrHistoryGone}, 0); !errors.Is(err, ErrHistoryLost) {
		t.Error(err)
	}
}

func TestWhatNoNewStreamWouldHelpEndsTheWatch(t *testing.T) {
	for _, err := range []error{
		&ServiceError{Kind: ErrPermissionDenied}, &ServiceError{Kind: ErrLimitReached},
		&ServiceError{Kind: ErrHistoryGone}, ErrClosed,
	} {
		if _, found := newWatch(WatchOptions{}).failed(err, 0); found != err {
			t.Errorf("%v: %v", err, found)
		}
	}
}

func TestALimitThatSaysWhenIsWaitedFor(t *testing.T) {
	later := 3 * time.Second
	for _, err := range []error{
		&ServiceError{Kind: ErrLimitReached, RetryDelay: &later},
		fmt.Errorf("as it was: %w", &ServiceError{Kind: ErrLimitReached, RetryDelay: &later}),
	} {
		if delay, err := newWatch(WatchOptions{}).failed(err, 0); delay != later+backoff || err != nil {
			t.Error(delay, err)
		}
	}
}
