package longshore

import (
	"errors"
	"fmt"
	"regexp"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
)

func TestRetriesBackOffToOneSecond(t *testing.T) {
	for attempt, ceiling := range map[int]time.Duration{
		1: 100 * time.Millisecond, 2: 200 * time.Millisecond, 4: 800 * time.Millisecond, 5: time.Second, 400: time.Second,
	} {
		for _, err := range []error{
			fmt.Errorf("%w: cut", ErrConnectionFailed), &ServiceError{Kind: ErrUnavailable},
		} {
			delay, again := retryDelay(err, attempt)
			if !again || delay < ceiling/2 || delay > ceiling {
				t.Errorf("try %d after %v: %v, %v", attempt, err, delay, again)
			}
		}
	}
}

func TestAnotherTryIsOnlyMadeWhereItMayHelp(t *testing.T) {
	soon, late, now := time.Second, time.Minute, time.Duration(0)
	for _, c := range []struct {
		err   error
		delay time.Duration
		again bool
	}{
		{&ServiceError{Kind: ErrLimitReached, RetryDelay: &soon}, time.Second, true},
		{&ServiceError{Kind: ErrLimitReached, RetryDelay: &now}, backoff, true},
		{&ServiceError{Kind: ErrLimitReached, RetryDelay: &late}, late, false},
		{&ServiceError{Kind: ErrLimitReached}, 0, false},
		{&ServiceError{Kind: ErrNoSpace, RetryDelay: &soon}, 0, false},
		{&ServiceError{Kind: ErrService, Code: codes.Unavailable}, 0, false},
		{fmt.Errorf("%w", ErrDeadlineExceeded), 0, false},
		{errors.New("anything else"), 0, false},
	} {
		if delay, again := retryDelay(c.err, 1); delay != c.delay || again != c.again {
			t.Errorf("%v: %v, %v", c.err, delay, again)
		}
	}
}

func TestAWaitThatGotNoAnswerIsAskedAgain(t *testing.T) {
	if delay, again := waitDelay(fmt.Errorf("%w", ErrDeadlineExceeded), 1); !again || delay != time.Second {
		t.Error(delay, again)
	}
}

func TestARequestIDIsAUUIDv7(t *testing.T) {
	before := time.Now().UnixMilli()
	first, second := newRequestID(), newRequestID()
	shape := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	if !shape.MatchString(first) || first == second {
		t.Error(first, second)
	}
	var high, low int64
	if _, err := fmt.Sscanf(first, "%8x-%4x", &high, &low); err != nil {
		t.Fatal(err)
	}
	if made := high<<16 | low; made < before || made > time.Now().UnixMilli() {
		t.Errorf("made at %d", made)
	}
}
