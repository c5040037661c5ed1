package longshore

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/longshore/longshore/clients/go/longshorev1"
)

// refusal is what the daemon answers, with the reason first.
func refusal(t *testing.T, code codes.Code, reason string, more ...proto.Message) *spb.Status {
	t.Helper()
	info := &errdetails.ErrorInfo{Reason: reason, Domain: domain}
	answer := &spb.Status{Code: int32(code), Message: "refused"}
	for _, one := range append([]proto.Message{info}, more...) {
		packed, err := anypb.New(one)
		if err != nil {
			t.Fatal(err)
		}
		answer.Details = append(answer.Details, packed)
	}
	return answer
}

func TestEveryReasonOfTheContractHasAKind(t *testing.T) {
	for number, name := range pb.ErrorReason_name {
		reason := name[len("ERROR_REASON_"):]
		if number != 0 && kindOf(reason) == ErrService {
			t.Errorf("%s has no kind", reason)
		}
	}
}

func TestAnAnswerOfTheDaemonIsAServiceError(t *testing.T) {
	answer := refusal(t, codes.FailedPrecondition, "TARGET_BUSY",
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: "info"}}},
		&errdetails.RetryInfo{RetryDelay: durationpb.New(1500 * time.Millisecond)},
		&errdetails.RequestInfo{RequestId: "r1"},
	)
	err := Typed(status.FromProto(answer).Err())
	var refused *ServiceError
	if !errors.As(err, &refused) || !errors.Is(err, ErrTargetBusy) || errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	if refused.Reason != "TARGET_BUSY" || refused.Message != "refused" || refused.RequestID != "r1" {
		t.Errorf("%+v", refused)
	}
	if len(refused.FieldViolations) != 1 || *refused.RetryDelay != 1500*time.Millisecond {
		t.Errorf("%+v", refused)
	}
	if status.Code(err) != codes.FailedPrecondition {
		t.Error("the code of gRPC is lost")
	}
}

func TestAReasonNewerThanThisClientIsAServiceError(t *testing.T) {
	found := FromStatus(refusal(t, codes.Aborted, "MOON_IN_WRONG_PHASE"))
	if found.Kind != ErrService || found.Reason != "MOON_IN_WRONG_PHASE" || found.Code != codes.Aborted {
		t.Errorf("%+v", found)
	}
}

func TestWhatTheTransportSaysIsNoServiceError(t *testing.T) {
	for code, want := range map[codes.Code]Kind{
		codes.Unavailable:      ErrConnectionFailed,
		codes.Internal:         ErrConnectionFailed,
		codes.Unknown:          ErrConnectionFailed,
		codes.Canceled:         ErrConnectionFailed,
		codes.DeadlineExceeded: ErrDeadlineExceeded,
	} {
		err := Typed(status.Error(code, "broken"))
		var refused *ServiceError
		if !errors.Is(err, want) || errors.As(err, &refused) {
			t.Errorf("%v is %v", code, err)
		}
	}
}

func TestAnErrorOfAProxyHasACodeAndNoReason(t *testing.T) {
	foreign := refusal(t, codes.PermissionDenied, "PERMISSION_DENIED")
	foreign.Details[0], _ = anypb.New(&errdetails.ErrorInfo{Reason: "PERMISSION_DENIED", Domain: "proxy.example"})
	var refused *ServiceError
	if err := Typed(status.FromProto(foreign).Err()); !errors.As(err, &refused) {
		t.Fatal(err)
	}
	if refused.Kind != ErrService || refused.Reason != "" || refused.Code != codes.PermissionDenied {
		t.Errorf("%+v", refused)
	}
}

func TestDetailsThatCannotBeReadAreLeftOut(t *testing.T) {
	answer := refusal(t, codes.NotFound, "JOB_NOT_FOUND", &errdetails.RetryInfo{})
	answer.Details[1].Value = []byte{0xff}
	answer.Details = append(answer.Details, &anypb.Any{TypeUrl: "type.googleapis.com/longshore.v9.News"})
	if found := FromStatus(answer); found.Kind != ErrNotFound || found.RetryDelay != nil {
		t.Errorf("%+v", found)
	}
}

func TestErrorsThatAreNotOfACallStayAsTheyAre(t *testing.T) {
	for _, err := range []error{nil, context.Canceled, ErrClosed} {
		if Typed(err) != err {
			t.Error(err)
		}
	}
}

func TestAWrongStateNamesTheVerbsThatFit(t *testing.T) {
	for given, want := range map[string][]string{
		"cancel, pause": {"cancel", "pause"}, "none": {}, "": {},
	} {
		refused := &ServiceError{Metadata: map[string]string{"allowedActions": given}}
		if !slices.Equal(refused.AllowedActions(), want) {
			t.Errorf("%q: %v", given, refused.AllowedActions())
		}
	}
}

func TestAJobThatFailedIsAnErrorWithItsCause(t *testing.T) {
	job := &pb.Job{
		JobId: "j", State: pb.JobState_JOB_STATE_FAILED, Error: refusal(t, codes.NotFound, "TARGET_NOT_FOUND"),
	}
	_, err := WaitOptions{}.outcome(job)
	var failed *JobError
	if !errors.As(err, &failed) || !errors.Is(err, ErrJobFailed) || failed.Job != job {
		t.Fatal(err)
	}
	if !errors.Is(failed.Cause, ErrNotFound) || errors.Is(err, ErrNotFound) {
		t.Error("a job that did not find its target is not a job that was not found")
	}
}

func TestAJobThatWasCancelledIsAnErrorOfItsOwn(t *testing.T) {
	_, err := WaitOptions{}.outcome(&pb.Job{State: pb.JobState_JOB_STATE_CANCELLED})
	if !errors.Is(err, ErrJobCancelled) || errors.Is(err, ErrJobFailed) {
		t.Error(err)
	}
}

func TestAnEndThatWasAskedForIsNoError(t *testing.T) {
	failed := pb.JobState_JOB_STATE_FAILED
	for _, how := range []WaitOptions{{AnyEnd: true}, {States: []pb.JobState{failed}}} {
		if _, err := how.outcome(&pb.Job{State: failed}); err != nil {
			t.Error(err)
		}
	}
}
