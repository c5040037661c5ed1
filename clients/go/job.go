package longshore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	pb "github.com/longshore/longshore/clients/go/longshorev1"
)

// Job is a handle on a job, by its id.
type Job struct {
	ID      string
	Created *pb.Job // as the answer to its create had it; else nil
	IsNew   bool    // that create made it; false if an earlier one had done so

	client   *Client
	revision int64
}

// AtRevision is a handle whose verbs fail with ErrConflict if the job has changed since
// it had this revision.
func (j *Job) AtRevision(revision int64) *Job {
	at := *j
	at.revision = revision
	return &at
}

// verb is a call whose answer holds the job. All of them may be repeated, but not one
// that expects a revision: it would meet the revision that it made itself.
func verb[Request any, Answer interface{ GetJob() *pb.Job }](
	ctx context.Context, j *Job, call method[Request, Answer], request Request,
) (*pb.Job, error) {
	times := tries
	if j.revision != 0 {
		times = 1
	}
	answer, err := ask(ctx, j.client, call, request, unaryTime, times)
	return answer.GetJob(), err
}

// Get is the job as it is now.
func (j *Job) Get(ctx context.Context) (*pb.Job, error) {
	answer, err := ask(ctx, j.client, j.client.JobService.GetJob, &pb.GetJobRequest{JobId: j.ID}, unaryTime, tries)
	return answer.GetJob(), err
}

// Pause stops it at its next checkpoint. The comment is shown in the job.
func (j *Job) Pause(ctx context.Context, comment string) (*pb.Job, error) {
	request := &pb.PauseJobRequest{JobId: j.ID, Comment: comment, ExpectedRevision: j.revision}
	return verb(ctx, j, j.client.JobService.PauseJob, request)
}

// Resume takes a user's pause back, and one of the error policy.
func (j *Job) Resume(ctx context.Context) (*pb.Job, error) {
	request := &pb.ResumeJobRequest{JobId: j.ID, ExpectedRevision: j.revision}
	return verb(ctx, j, j.client.JobService.ResumeJob, request)
}

// CancelOptions say how a job is cancelled.
type CancelOptions struct {
	Comment string // shown in the job
	Force   bool   // do not wait for requests on a backend that does not answer
	Wait    bool   // return when the end has come, one way or another
}

// Cancel asks for the end of the job, which may be faster and succeed.
func (j *Job) Cancel(ctx context.Context, how CancelOptions) (*pb.Job, error) {
	request := &pb.CancelJobRequest{
		JobId: j.ID, Comment: how.Comment, Force: how.Force, ExpectedRevision: j.revision,
	}
	job, err := verb(ctx, j, j.client.JobService.CancelJob, request)
	if err != nil || !how.Wait {
		return job, err
	}
	return j.WaitFor(ctx, WaitOptions{AnyEnd: true})
}

// Complete ends a READY job well.
func (j *Job) Complete(ctx context.Context, mode pb.CompletionMode) (*pb.Job, error) {
	request := &pb.CompleteJobRequest{JobId: j.ID, Mode: mode, ExpectedRevision: j.revision}
	return verb(ctx, j, j.client.JobService.CompleteJob, request)
}

// Finalize makes the result of a PENDING job visible.
func (j *Job) Finalize(ctx context.Context) (*pb.Job, error) {
	request := &pb.FinalizeJobRequest{JobId: j.ID, ExpectedRevision: j.revision}
	return verb(ctx, j, j.client.JobService.FinalizeJob, request)
}

// Dismiss forgets a finished job and answers its last word: nil if it was gone, which
// is an error unless that is allowed.
func (j *Job) Dismiss(ctx context.Context, allowMissing bool) (*pb.Job, error) {
	request := &pb.DismissJobRequest{JobId: j.ID, AllowMissing: allowMissing, ExpectedRevision: j.revision}
	return verb(ctx, j, func(
		ctx context.Context, request *pb.DismissJobRequest, options ...grpc.CallOption,
	) (*pb.DismissJobResponse, error) {
		answer, err := j.client.JobService.DismissJob(ctx, request, options...)
		// If the first answer was lost the job may be gone by now, as it should be.
		request.AllowMissing = true
		return answer, err
	}, request)
}

// SetSpeed changes the rate limit of the job now.
func (j *Job) SetSpeed(ctx context.Context, bytesPerSecond int64) (*pb.Job, error) {
	return j.Update(ctx, &pb.JobOptions{SpeedBytesPerSecond: &bytesPerSecond}, "speed_bytes_per_second")
}

// ClearSpeed takes the rate limit of the job away.
func (j *Job) ClearSpeed(ctx context.Context) (*pb.Job, error) {
	return j.Update(ctx, &pb.JobOptions{}, "speed_bytes_per_second")
}

// Update changes the options that are set, or those that paths name: one that is named
// and not set is taken back.
func (j *Job) Update(ctx context.Context, options *pb.JobOptions, paths ...string) (*pb.Job, error) {
	request := &pb.UpdateJobRequest{JobId: j.ID, Options: options, ExpectedRevision: j.revision}
	if paths != nil {
		request.UpdateMask = &fieldmaskpb.FieldMask{Paths: paths}
	}
	return verb(ctx, j, j.client.JobService.UpdateJob, request)
}

// Watch is this job's changes, to its end. The selector is set here.
func (j *Job) Watch(how WatchOptions) *Watch {
	how.Selector, how.StopWhenFinished = &pb.JobSelector{JobIds: []string{j.ID}}, true
	return j.client.Watch(how)
}

// WaitOptions say what a wait is for.
type WaitOptions struct {
	States  []pb.JobState // one of these is enough; without, the end of the job
	Timeout time.Duration // then ErrWaitTimeout; 0: none
	AnyEnd  bool          // an end without success is no error
}

// Wait is WaitFor the end of the job.
func (j *Job) Wait(ctx context.Context) (*pb.Job, error) { return j.WaitFor(ctx, WaitOptions{}) }

// WaitFor waits until the job has ended, or is in one of the states. A restart of the
// daemon is waited through: jobs survive it. The error is a [JobError] if the job ended
// without success, [ErrWaitTimeout] or that of ctx if it goes on, and else what the
// daemon answers.
func (j *Job) WaitFor(ctx context.Context, how WaitOptions) (*pb.Job, error) {
	if how.Timeout == 0 {
		how.Timeout = 1 << 62 // a century
	}
	deadline, heard, attempt := time.Now().Add(how.Timeout), time.Now(), 0
	for {
		began := time.Now()
		asked := max(0, min(waitTime, deadline.Sub(began)))
		request := &pb.WaitJobRequest{JobId: j.ID, Timeout: durationpb.New(asked), States: how.States}
		answer, err := once(ctx, j.client, j.client.JobService.WaitJob, request, asked+waitGrace)
		if err == nil && answer.Reached {
			return how.outcome(answer.Job)
		}
		delay := backoff - time.Since(began) // an early answer is allowed; asking on and on is not
		if err == nil {
			heard, attempt = time.Now(), 0
		} else {
			attempt++
			var again bool
			if delay, again = waitDelay(err, attempt); !again || time.Since(heard) >= unreachable {
				return nil, err
			}
		}
		left := time.Until(deadline)
		if left <= 0 {
			return nil, fmt.Errorf("%w: job %s goes on; waited %v for it", ErrWaitTimeout, j.ID, how.Timeout)
		}
		if err := j.client.sleep(ctx, min(delay, left)); err != nil {
			return nil, err
		}
	}
}

// waitDelay is as retryDelay; and a wait that got no answer in time is asked again.
func waitDelay(err error, attempt int) (time.Duration, bool) {
	if errors.Is(err, ErrDeadlineExceeded) {
		return backoffMax, true
	}
	return retryDelay(err, attempt)
}

// outcome is the job, unless it ended without success and nobody asked for that.
func (how WaitOptions) outcome(job *pb.Job) (*pb.Job, error) {
	if how.AnyEnd || slices.Contains(how.States, job.GetState()) {
		return job, nil
	}
	switch job.GetState() {
	case pb.JobState_JOB_STATE_FAILED, pb.JobState_JOB_STATE_CANCELLED:
		return nil, &JobError{Job: job, Cause: FromStatus(job.GetError())}
	}
	return job, nil
}
