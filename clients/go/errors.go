package longshore

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "github.com/longshore/longshore/clients/go/longshorev1"
)

// Kind is what went wrong, for [errors.Is]: every error of this package that has to do
// with the daemon is of one of the kinds below.
type Kind string

// Kinds of errors.
const (
	ErrConnectionFailed Kind = "ConnectionFailed" // no answer: nothing is known of the daemon
	ErrDeadlineExceeded Kind = "DeadlineExceeded" // no answer in time; what was asked may have happened
	ErrWaitTimeout      Kind = "WaitTimeout"      // a wait has used up its time; the job goes on
	ErrHistoryLost      Kind = "HistoryLost"      // a strict watch: changes are gone for good
	ErrJobFailed        Kind = "JobFailed"        // a [JobError]: a job that was waited for failed
	ErrJobCancelled     Kind = "JobCancelled"     // a [JobError]: someone cancelled it

	// All below are of a [ServiceError]: the daemon has answered.

	ErrService          Kind = "ServiceError"     // with a reason newer than this client, or by a proxy
	ErrInvalidRequest   Kind = "InvalidRequest"   // the request is wrong in itself
	ErrNotFound         Kind = "NotFound"         // there is no such job or image
	ErrAlreadyExists    Kind = "AlreadyExists"    // the job id was used before, or the image is there
	ErrPermissionDenied Kind = "PermissionDenied" // who asks is not known, or may not do this
	ErrWrongState       Kind = "WrongState"       // the verb does not fit the state
	ErrTargetBusy       Kind = "TargetBusy"       // a job or a foreign process holds the image
	ErrConflict         Kind = "Conflict"         // someone was faster, or the request id is another's
	ErrImageRefused     Kind = "ImageRefused"     // the image is damaged, or uses what is not supported
	ErrHistoryGone      Kind = "HistoryGone"      // nothing after the cursor; a watch handles it itself
	ErrLimitReached     Kind = "LimitReached"     // too many jobs, watches or calls
	ErrNoSpace          Kind = "NoSpace"          // the storage is full; trying again does not help
	ErrUnsupported      Kind = "Unsupported"      // this daemon does not serve this kind of job, or verb
	ErrUnavailable      Kind = "Unavailable"      // it starts or stops, or what it needs does not answer
	ErrInternal         Kind = "Internal"         // a bug of the daemon; RequestID finds it in its log
	ErrDataLoss         Kind = "DataLoss"         // what was written reads otherwise, or not at all
	ErrCancelled        Kind = "Cancelled"        // only of a job: someone asked for its end
	ErrInterrupted      Kind = "Interrupted"      // only of a job: a restart, its group or a predecessor
)

// ErrClosed is what a client answers after its Close.
var ErrClosed = errors.New("longshore: this client is closed")

const domain = "jobs.longshore"

var reasons = map[Kind][]string{
	ErrInvalidRequest:   {"FIELD_INVALID", "PAGE_TOKEN_INVALID"},
	ErrPermissionDenied: {"CREDENTIALS_INVALID", "PERMISSION_DENIED"},
	ErrNotFound:         {"JOB_NOT_FOUND", "TARGET_NOT_FOUND"},
	ErrAlreadyExists:    {"JOB_ID_TAKEN", "TARGET_EXISTS"},
	ErrWrongState:       {"ACTION_NOT_ALLOWED", "TARGET_WRONG_STATE"},
	ErrTargetBusy:       {"TARGET_BUSY"},
	ErrConflict:         {"REQUEST_ID_REUSED", "REVISION_MISMATCH"},
	ErrImageRefused:     {"IMAGE_INVALID", "IMAGE_UNSUPPORTED"},
	ErrHistoryGone:      {"REVISION_COMPACTED", "REVISION_IN_FUTURE", "HISTORY_CHANGED"},
	ErrLimitReached:     {"JOB_LIMIT", "WATCH_LIMIT", "RATE_LIMIT"},
	ErrNoSpace:          {"NO_SPACE"},
	ErrUnsupported:      {"JOB_TYPE_UNSUPPORTED", "ACTION_UNSUPPORTED"},
	ErrUnavailable:      {"SERVER_STARTING", "SERVER_STOPPING", "STORE_UNAVAILABLE", "BACKEND_UNREACHABLE"},
	ErrInternal:         {"INTERNAL"},
	ErrDataLoss:         {"IO_ERROR", "VERIFY_MISMATCH"},
	ErrCancelled:        {"CANCELLED_BY_USER"},
	ErrInterrupted:      {"GROUP_MEMBER_FAILED", "PREDECESSOR_FAILED", "INTERRUPTED_BY_RESTART", "BACKEND_LOST"},
}

func (k Kind) Error() string { return "longshore: " + string(k) }

func kindOf(reason string) Kind {
	for kind, names := range reasons {
		if slices.Contains(names, reason) {
			return kind
		}
	}
	return ErrService
}

// ServiceError is an answer of the daemon that is an error. Its reason decides the
// kind. It has neither reason nor domain if it is not the daemon's own, but a proxy's
// for instance; then only the code says something.
type ServiceError struct {
	Kind            Kind
	Code            codes.Code
	Message         string
	Reason          string // a name of the ErrorReason enum, without its prefix
	Domain          string
	Metadata        map[string]string // everything variable of the message
	FieldViolations []*errdetails.BadRequest_FieldViolation
	RetryDelay      *time.Duration // nil: nothing is said about a retry
	RequestID       string         // finds the call in the daemon's log
	cause           error          // the status as gRPC has it; nil in a JobError
}

func (e *ServiceError) Error() string {
	return fmt.Sprintf("%v: %s", e.Kind, e.Message)
}

// Unwrap lets errors.Is find the kind, and status.Code the code.
func (e *ServiceError) Unwrap() []error { return []error{e.Kind, e.cause} }

// AllowedActions are the verbs that do fit, of a WrongState.
func (e *ServiceError) AllowedActions() []string {
	names := strings.Split(e.Metadata["allowedActions"], ", ")
	return slices.DeleteFunc(names, func(name string) bool { return name == "" || name == "none" })
}

// BlockingJobID is the job that holds the image, of a TargetBusy; empty if a process
// does, which Metadata has as "pid" and "command".
func (e *ServiceError) BlockingJobID() string { return e.Metadata["blockingJobId"] }

// JobError says that a job that was waited for ended without success.
type JobError struct {
	Job   *pb.Job
	Cause *ServiceError // as a call would have had it; nil if the job does not say
}

func (e *JobError) Error() string {
	why := e.Job.GetError().GetMessage()
	if why == "" {
		why = "did not succeed"
	}
	return fmt.Sprintf("longshore: job %s: %s", e.Job.GetJobId(), why)
}

// Unwrap is ErrJobFailed or ErrJobCancelled.
func (e *JobError) Unwrap() error {
	if e.Job.GetState() == pb.JobState_JOB_STATE_CANCELLED {
		return ErrJobCancelled
	}
	return ErrJobFailed
}

// Typed is the error of this package behind one of a generated stub.
func Typed(err error) error {
	answer, ok := status.FromError(err)
	if !ok || err == nil {
		return err
	}
	if typed := FromStatus(answer.Proto()); typed != nil {
		typed.cause = err
		return typed
	}
	switch answer.Code() {
	case codes.DeadlineExceeded:
		return fmt.Errorf("%w: %w", ErrDeadlineExceeded, err)
	case codes.Unavailable, codes.Internal, codes.Unknown, codes.Canceled:
		// Without the daemon's ErrorInfo these come from the transport.
		return fmt.Errorf("%w: %w", ErrConnectionFailed, err)
	}
	return &ServiceError{Kind: ErrService, Code: answer.Code(), Message: answer.Message(), cause: err}
}

// FromStatus is the error in a status, of a call or of a job; nil if it holds no
// ErrorInfo of the daemon.
func FromStatus(answer *spb.Status) *ServiceError {
	info, bad := detail[errdetails.ErrorInfo](answer), detail[errdetails.BadRequest](answer)
	if info.GetDomain() != domain {
		return nil
	}
	e := &ServiceError{
		Kind:            kindOf(info.Reason),
		Code:            codes.Code(answer.Code),
		Message:         answer.Message,
		Reason:          info.Reason,
		Domain:          info.Domain,
		Metadata:        info.Metadata,
		FieldViolations: bad.GetFieldViolations(),
		RequestID:       detail[errdetails.RequestInfo](answer).GetRequestId(),
	}
	if retry := detail[errdetails.RetryInfo](answer); retry != nil {
		delay := retry.GetRetryDelay().AsDuration()
		e.RetryDelay = &delay
	}
	return e
}

// detail is the first detail of a type, nil if there is none that can be read.
func detail[T any, M interface {
	*T
	proto.Message
}](answer *spb.Status) M {
	for _, packed := range answer.GetDetails() {
		found := M(new(T))
		if packed.MessageIs(found) && packed.UnmarshalTo(found) == nil {
			return found
		}
	}
	return nil
}
