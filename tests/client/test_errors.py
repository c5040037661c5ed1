"""Every error of the daemon has a class; whatever else comes is an error too."""

from typing import Any

import grpc
import pytest
from google.protobuf.any_pb2 import Any as Packed
from google.rpc import error_details_pb2

from longshore import (
    Client,
    ConnectionFailed,
    DeadlineExceeded,
    Internal,
    InvalidRequest,
    JobFailed,
    LimitReached,
    LongshoreError,
    NotFound,
    ServiceError,
    TargetBusy,
    WrongState,
)
from longshore.errors import CLASSES, DOMAIN, FieldViolation, from_call
from longshore.v1 import error_reason_pb2, job_pb2
from tests.support.fakeserver import FakeServer, Lost
from tests.support.refusals import Code, Refusal, retry_info

REASONS = {
    name.removeprefix("ERROR_REASON_")
    for name, _ in error_reason_pb2.ErrorReason.items()
    if name != "ERROR_REASON_UNSPECIFIED"
}


class Call(grpc.RpcError):
    """An error as grpc hands it out."""

    def __init__(self, code: grpc.StatusCode, details: bytes | None = None) -> None:
        self._code = code
        self._trailers = (
            () if details is None else (("grpc-status-details-bin", details),)
        )

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return "what happened"

    def trailing_metadata(self) -> Any:
        return self._trailers


def raised(client: Client, server: FakeServer, refusal: Refusal) -> LongshoreError:
    server.fail("GetJob", *[refusal] * 4)
    with pytest.raises(LongshoreError) as caught:
        client.job("a").get()
    return caught.value


def test_the_classes_and_the_catalogue_are_equal_sets() -> None:
    assert set(CLASSES) == REASONS


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_a_reason_is_raised_as_its_class(reason: str) -> None:
    refusal = Refusal(Code.ABORTED, reason, "no", {"key": "value"})
    error = from_call(Call(Code.ABORTED, refusal.status().SerializeToString()))
    assert type(error) is CLASSES[reason]
    assert isinstance(error, ServiceError)
    assert (error.reason, error.code, error.metadata, error.domain) == (
        reason,
        Code.ABORTED,
        {"key": "value"},
        DOMAIN,
    )


def test_a_reason_of_a_newer_daemon_is_a_plain_service_error(
    client: Client, server: FakeServer
) -> None:
    error = raised(client, server, Refusal(Code.FAILED_PRECONDITION, "NEW_REASON"))
    assert type(error) is ServiceError
    assert error.reason == "NEW_REASON"


def test_an_error_of_another_domain_is_known_by_its_code_only(
    client: Client, server: FakeServer
) -> None:
    foreign = Refusal(Code.PERMISSION_DENIED, "JOB_NOT_FOUND", domain="proxy.example")
    error = raised(client, server, foreign)
    assert type(error) is ServiceError
    assert (error.code, error.reason, error.domain) == (Code.PERMISSION_DENIED, "", "")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (Code.UNAVAILABLE, ConnectionFailed),
        (Code.INTERNAL, ConnectionFailed),
        (Code.UNKNOWN, ConnectionFailed),
        (Code.CANCELLED, ConnectionFailed),
        (Code.DEADLINE_EXCEEDED, DeadlineExceeded),
        (Code.RESOURCE_EXHAUSTED, ServiceError),
        (Code.UNIMPLEMENTED, ServiceError),
    ],
)
def test_without_our_details_the_code_decides(
    code: grpc.StatusCode, kind: type[LongshoreError]
) -> None:
    assert type(from_call(Call(code))) is kind


@pytest.mark.parametrize("details", [b"\xff\xff\xff", b"\x0a", b""])
def test_details_that_cannot_be_read_are_no_error_of_their_own(details: bytes) -> None:
    assert type(from_call(Call(Code.UNAVAILABLE, details))) is ConnectionFailed


def test_a_detail_that_cannot_be_read_leaves_the_others(
    client: Client, server: FakeServer
) -> None:
    refusal = Refusal(Code.NOT_FOUND, "JOB_NOT_FOUND")
    status = refusal.status()
    broken = Packed(type_url=status.details[0].type_url, value=b"\xff")
    status.details.insert(0, broken)
    error = from_call(Call(Code.NOT_FOUND, status.SerializeToString()))
    assert type(error) is NotFound


def test_the_fields_of_a_bad_request_are_named(
    client: Client, server: FakeServer
) -> None:
    bad = error_details_pb2.BadRequest()
    bad.field_violations.add(field="job_id", description="too long")
    bad.field_violations.add(field="labels", description="too many")
    refusal = Refusal(Code.INVALID_ARGUMENT, "FIELD_INVALID", details=(bad,))
    error = raised(client, server, refusal)
    assert isinstance(error, InvalidRequest)
    assert error.field_violations == (
        FieldViolation("job_id", "too long"),
        FieldViolation("labels", "too many"),
    )


def test_a_busy_target_names_the_job_that_holds_it(
    client: Client, server: FakeServer
) -> None:
    metadata = {"target": "file:///a", "blockingJobId": "other"}
    error = raised(
        client,
        server,
        Refusal(Code.FAILED_PRECONDITION, "TARGET_BUSY", metadata=metadata),
    )
    assert isinstance(error, TargetBusy)
    assert (error.target, error.blocking_job_id, error.pid) == (
        "file:///a",
        "other",
        None,
    )


def test_a_busy_target_names_the_process_that_holds_it(
    client: Client, server: FakeServer
) -> None:
    metadata = {"pid": "42", "command": "qemu-img"}
    error = raised(
        client,
        server,
        Refusal(Code.FAILED_PRECONDITION, "TARGET_BUSY", metadata=metadata),
    )
    assert isinstance(error, TargetBusy)
    assert (error.pid, error.command, error.blocking_job_id) == (42, "qemu-img", "")


def test_a_wrong_state_names_the_verbs_that_fit(
    client: Client, server: FakeServer
) -> None:
    metadata = {"allowedActions": "PAUSE, CANCEL"}
    refusal = Refusal(Code.FAILED_PRECONDITION, "ACTION_NOT_ALLOWED", metadata=metadata)
    error = raised(client, server, refusal)
    assert isinstance(error, WrongState)
    assert error.allowed == ("PAUSE", "CANCEL")


def test_a_state_that_takes_no_verb_allows_none() -> None:
    assert (
        WrongState(Code.ABORTED, "", metadata={"allowedActions": "none"}).allowed == ()
    )


def test_a_limit_says_when_to_come_again(client: Client, server: FakeServer) -> None:
    refusal = Refusal(Code.RESOURCE_EXHAUSTED, "JOB_LIMIT", details=(retry_info(30.5),))
    error = raised(client, server, refusal)
    assert isinstance(error, LimitReached)
    assert error.retry_delay == 30.5


def test_a_bug_of_the_daemon_has_the_id_to_find_it(
    client: Client, server: FakeServer
) -> None:
    found = error_details_pb2.RequestInfo(request_id="r-1")
    error = raised(client, server, Refusal(Code.INTERNAL, "INTERNAL", details=(found,)))
    assert isinstance(error, Internal)
    assert error.request_id == "r-1"


def test_an_answer_that_is_lost_is_an_error_of_the_connection(
    client: Client, server: FakeServer
) -> None:
    server.put("a")
    server.fail("GetJob", *[Lost()] * 4)
    with pytest.raises(ConnectionFailed):
        client.job("a").get()


def test_the_error_of_a_job_is_the_class_that_a_call_would_raise() -> None:
    refusal = Refusal(Code.DATA_LOSS, "IO_ERROR", "Cannot read", {"errno": "5"})
    failed = JobFailed(job_pb2.Job(job_id="a", error=refusal.status()))
    assert type(failed.error) is CLASSES["IO_ERROR"]
    assert (failed.reason, str(failed)) == ("IO_ERROR", "Job a: Cannot read")


def test_a_job_that_does_not_say_why_it_failed_has_no_error() -> None:
    failed = JobFailed(job_pb2.Job(job_id="a"))
    assert (failed.error, failed.reason) == (None, "")
