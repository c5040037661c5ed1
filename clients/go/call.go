package longshore

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	random "math/rand/v2"
	"time"

	"google.golang.org/grpc"
)

// Deadlines of single calls. A create looks at files and waits for a disk.
const (
	unaryTime  = 10 * time.Second
	createTime = 30 * time.Second
	waitTime   = 30 * time.Second // one WaitJob; well under what proxies cut
	waitGrace  = 5 * time.Second  // on top, for the answer to travel
)

const (
	tries         = 4
	backoff       = 100 * time.Millisecond
	backoffMax    = time.Second
	doublingsMax  = 7               // 0.1 s doubled so often is past the longest backoff
	retryDelayMax = 5 * time.Second // told to come back later, the caller is told
	unreachable   = time.Minute     // a wait outlives a restart that takes no longer
)

type method[Request, Answer any] = func(context.Context, Request, ...grpc.CallOption) (Answer, error)

// ask calls, and calls again where that makes sense; `times` is 1 where it is not safe.
func ask[Request, Answer any](
	ctx context.Context, c *Client, call method[Request, Answer], request Request, limit time.Duration, times int,
) (Answer, error) {
	for attempt := 1; ; attempt++ {
		answer, err := once(ctx, c, call, request, limit)
		delay, again := retryDelay(err, attempt)
		if err == nil || attempt >= times || !again {
			return answer, err
		}
		if errors.Is(err, ErrConnectionFailed) {
			// Else the next try may find gRPC still resting after an attempt of before.
			c.connections[0].ResetConnectBackoff()
		}
		if err := c.sleep(ctx, delay); err != nil {
			return answer, err
		}
	}
}

func once[Request, Answer any](
	ctx context.Context, c *Client, call method[Request, Answer], request Request, limit time.Duration,
) (Answer, error) {
	within, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answer, err := call(within, request)
	if err != nil && c.ended(ctx) != nil {
		return answer, c.ended(ctx)
	}
	return answer, Typed(err)
}

// retryDelay is the time until the next try, if another try might help.
func retryDelay(err error, attempt int) (time.Duration, bool) {
	var refused *ServiceError
	switch {
	case errors.Is(err, ErrNoSpace):
		return 0, false
	case errors.As(err, &refused) && refused.RetryDelay != nil:
		return max(*refused.RetryDelay, backoff), *refused.RetryDelay <= retryDelayMax
	case errors.Is(err, ErrConnectionFailed), errors.Is(err, ErrUnavailable):
		ceiling := min(backoffMax, backoff<<min(attempt-1, doublingsMax))
		return ceiling/2 + random.N(ceiling/2), true
	}
	return 0, false
}

// ended is why a call ended that the caller has ended; nil if it was not the caller.
func (c *Client) ended(ctx context.Context) error {
	if c.life.Err() != nil {
		return ErrClosed
	}
	if ctx.Err() == context.DeadlineExceeded {
		return fmt.Errorf("%w: %w", ErrDeadlineExceeded, ctx.Err())
	}
	return ctx.Err()
}

func (c *Client) sleep(ctx context.Context, delay time.Duration) error {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	case <-c.life.Done():
	}
	return c.ended(ctx)
}

// newRequestID is a UUIDv7 (RFC 9562): a create that is sent again makes no second job.
func newRequestID() string {
	var id [16]byte
	rand.Read(id[:]) // never fails
	now := time.Now().UnixMilli()
	for i := range 6 {
		id[i] = byte(now >> (40 - 8*i))
	}
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
