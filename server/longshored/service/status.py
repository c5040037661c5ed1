"""The one table from error to wire: kind -> gRPC code, metadata, one typed detail.

A job's own failure goes through the same table, so one decoder serves both.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import grpc
from google.protobuf import any_pb2, duration_pb2, message
from google.rpc import error_details_pb2, status_pb2

from ..errors import Fact, Kind, ServiceError, Violation
from ..job.model import Failure

DOMAIN = "jobs.longshore"

Code = grpc.StatusCode

CODES: dict[Kind, grpc.StatusCode] = {
    Kind.FIELD_INVALID: Code.INVALID_ARGUMENT,
    Kind.PAGE_TOKEN_INVALID: Code.INVALID_ARGUMENT,
    Kind.CREDENTIALS_INVALID: Code.UNAUTHENTICATED,
    Kind.PERMISSION_DENIED: Code.PERMISSION_DENIED,
    Kind.JOB_NOT_FOUND: Code.NOT_FOUND,
    Kind.TARGET_NOT_FOUND: Code.NOT_FOUND,
    Kind.JOB_ID_TAKEN: Code.ALREADY_EXISTS,
    Kind.TARGET_EXISTS: Code.ALREADY_EXISTS,
    Kind.REQUEST_ID_REUSED: Code.FAILED_PRECONDITION,
    Kind.ACTION_NOT_ALLOWED: Code.FAILED_PRECONDITION,
    # Not ABORTED: that invites a retry at once, and the holder may run for hours.
    Kind.TARGET_BUSY: Code.FAILED_PRECONDITION,
    Kind.TARGET_WRONG_STATE: Code.FAILED_PRECONDITION,
    Kind.IMAGE_INVALID: Code.FAILED_PRECONDITION,
    Kind.IMAGE_UNSUPPORTED: Code.FAILED_PRECONDITION,
    Kind.REVISION_MISMATCH: Code.ABORTED,
    Kind.REVISION_COMPACTED: Code.OUT_OF_RANGE,
    Kind.REVISION_IN_FUTURE: Code.OUT_OF_RANGE,
    Kind.HISTORY_CHANGED: Code.OUT_OF_RANGE,
    Kind.JOB_LIMIT: Code.RESOURCE_EXHAUSTED,
    Kind.WATCH_LIMIT: Code.RESOURCE_EXHAUSTED,
    Kind.RATE_LIMIT: Code.RESOURCE_EXHAUSTED,
    Kind.NO_SPACE: Code.RESOURCE_EXHAUSTED,
    Kind.JOB_TYPE_UNSUPPORTED: Code.UNIMPLEMENTED,
    Kind.ACTION_UNSUPPORTED: Code.UNIMPLEMENTED,
    Kind.SERVER_STARTING: Code.UNAVAILABLE,
    Kind.SERVER_STOPPING: Code.UNAVAILABLE,
    Kind.STORE_UNAVAILABLE: Code.UNAVAILABLE,
    Kind.BACKEND_UNREACHABLE: Code.UNAVAILABLE,
    Kind.INTERNAL: Code.INTERNAL,
    Kind.CANCELLED_BY_USER: Code.CANCELLED,
    Kind.GROUP_MEMBER_FAILED: Code.ABORTED,
    Kind.PREDECESSOR_FAILED: Code.ABORTED,
    Kind.INTERRUPTED_BY_RESTART: Code.ABORTED,
    Kind.BACKEND_LOST: Code.UNAVAILABLE,
    Kind.IO_ERROR: Code.DATA_LOSS,
    Kind.VERIFY_MISMATCH: Code.DATA_LOSS,
}

# C-core drops metadata over 8 KiB at random and then even changes the code; base64
# adds a third to what is counted here.
LARGEST_MESSAGE = 512
LARGEST_STATUS = 4096
_LARGEST_VALUE = 512
_MOST_VIOLATIONS = 16

# What a client waits that is told to come again, when the error does not say.
_RETRY_DELAYS = {
    Kind.JOB_LIMIT: 5.0,
    Kind.WATCH_LIMIT: 5.0,
    Kind.RATE_LIMIT: 1.0,
    Kind.SERVER_STARTING: 0.5,
    Kind.SERVER_STOPPING: 1.0,
    Kind.STORE_UNAVAILABLE: 5.0,
    Kind.BACKEND_UNREACHABLE: 5.0,
}

Detail = message.Message

# Below the service a file is called `uri`; for these kinds the catalogue of the
# contract has another word for what the error is about, and that alone is sent.
_URI_IS = {
    Kind.PERMISSION_DENIED: "resource",
    Kind.TARGET_NOT_FOUND: "target",
    Kind.TARGET_EXISTS: "target",
    Kind.TARGET_BUSY: "target",
    Kind.TARGET_WRONG_STATE: "target",
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """What both an error of a call and the failure of a job are made of."""

    kind: Kind
    message: str
    facts: Mapping[str, Fact]
    violations: tuple[Violation, ...] = ()
    retry_delay: float | None = None


def of_error(error: ServiceError) -> status_pb2.Status:
    return _status(
        Trouble(
            error.kind, error.message, error.facts, error.violations, error.retry_delay
        )
    )


def of_failure(failure: Failure) -> status_pb2.Status:
    """Why a job did not succeed. A job is not retried by its reader: no RetryInfo."""
    return _status(Trouble(failure.kind, failure.message, failure.facts), retry=False)


def of_bug(request_id: str) -> status_pb2.Status:
    """What a client learns of a bug of ours: where to find it in the log."""
    text = f"The daemon failed; its log has the reason under request id {request_id}"
    detail = error_details_pb2.RequestInfo(request_id=request_id)
    return _build(Trouble(Kind.INTERNAL, text, {"request_id": request_id}), [detail])


def retry_delay(error: ServiceError) -> float | None:
    """Seconds after which trying again makes sense; None: it does not."""
    if error.retry_delay is not None:
        return error.retry_delay
    return _RETRY_DELAYS.get(error.kind)


def _status(trouble: Trouble, *, retry: bool = True) -> status_pb2.Status:
    details = [detail for detail in [_detail(trouble)] if detail is not None]
    seconds = trouble.retry_delay or _RETRY_DELAYS.get(trouble.kind)
    if retry and seconds is not None:
        details.append(error_details_pb2.RetryInfo(retry_delay=_duration(seconds)))
    return _build(trouble, details)


def _facts(trouble: Trouble) -> dict[str, Fact]:
    """The facts, with the keys that the contract promises for this kind."""
    facts = dict(trouble.facts)
    key = _URI_IS.get(trouble.kind)
    if key is not None and "uri" in facts:
        facts[key] = facts.pop("uri")
    return facts


def _build(trouble: Trouble, details: list[Detail]) -> status_pb2.Status:
    """The status, cut down step by step until it fits the budget."""
    metadata = {
        _camel(key): _cut(_text(value), _LARGEST_VALUE)
        for key, value in _facts(trouble).items()
    }
    while True:
        info = error_details_pb2.ErrorInfo(
            reason=trouble.kind.value, domain=DOMAIN, metadata=metadata
        )
        status = status_pb2.Status(
            code=CODES[trouble.kind].value[0],
            message=_cut(trouble.message, LARGEST_MESSAGE),
            details=[_pack(detail) for detail in [info, *details]],
        )
        if status.ByteSize() <= LARGEST_STATUS:
            return status
        if details:
            details = details[1:]
        else:
            # Keys never disappear: the longest value gives way.
            longest = max(metadata, key=lambda key: len(metadata[key]))
            metadata[longest] = _cut(metadata[longest], len(metadata[longest]) // 2)


def _detail(trouble: Trouble) -> Detail | None:
    facts = {key: _text(value) for key, value in trouble.facts.items()}
    facts.setdefault("target", facts.get("uri", ""))
    match trouble.kind:
        case Kind.FIELD_INVALID:
            return _bad_request(trouble.violations)
        case Kind.JOB_NOT_FOUND | Kind.JOB_ID_TAKEN:
            return _resource("longshore.v1.Job", facts.get("job_id", ""), trouble)
        case Kind.TARGET_NOT_FOUND | Kind.TARGET_EXISTS:
            name = facts.get("target", "")
            return _resource(facts.get("target_type", ""), name, trouble)
        case Kind.ACTION_NOT_ALLOWED:
            return _precondition("JOB_STATE", facts.get("job_id", ""), trouble)
        case Kind.TARGET_BUSY:
            return _precondition("TARGET_LOCK", facts.get("target", ""), trouble)
        case Kind.TARGET_WRONG_STATE:
            return _precondition("TARGET_STATE", facts.get("target", ""), trouble)
        case Kind.JOB_LIMIT | Kind.WATCH_LIMIT | Kind.RATE_LIMIT:
            return _quota(facts.get("limit_name", ""), trouble)
        case _:
            return None


def _bad_request(violations: tuple[Violation, ...]) -> Detail:
    shown = [
        error_details_pb2.BadRequest.FieldViolation(
            field=_cut(violation.field, 128),
            description=_cut(violation.description, 160),
        )
        for violation in violations[:_MOST_VIOLATIONS]
    ]
    if left := len(violations) - len(shown):
        shown.append(
            error_details_pb2.BadRequest.FieldViolation(
                description=f"… and {left} more"
            )
        )
    detail: Detail = error_details_pb2.BadRequest(field_violations=shown)
    return detail


def _resource(resource_type: str, name: str, trouble: Trouble) -> Detail:
    detail: Detail = error_details_pb2.ResourceInfo(
        resource_type=resource_type,
        resource_name=_cut(name, _LARGEST_VALUE),
        description=_cut(trouble.message, LARGEST_MESSAGE),
    )
    return detail


def _precondition(what: str, subject: str, trouble: Trouble) -> Detail:
    violation = error_details_pb2.PreconditionFailure.Violation(
        type=what,
        subject=_cut(subject, _LARGEST_VALUE),
        description=_cut(trouble.message, LARGEST_MESSAGE),
    )
    detail: Detail = error_details_pb2.PreconditionFailure(violations=[violation])
    return detail


def _quota(name: str, trouble: Trouble) -> Detail:
    violation = error_details_pb2.QuotaFailure.Violation(
        subject=name, description=_cut(trouble.message, LARGEST_MESSAGE)
    )
    detail: Detail = error_details_pb2.QuotaFailure(violations=[violation])
    return detail


def _duration(seconds: float) -> duration_pb2.Duration:
    whole = int(seconds)
    return duration_pb2.Duration(
        seconds=whole, nanos=int((seconds - whole) * 1_000_000_000)
    )


def _pack(detail: Detail) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(detail)
    return packed


def _text(value: Fact) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)


def _camel(key: str) -> str:
    first, *rest = key.split("_")
    return first + "".join(word.capitalize() for word in rest)


def _cut(text: str, largest: int) -> str:
    """At most so many bytes of UTF-8; what cannot be encoded is replaced."""
    data = text.encode("utf-8", "backslashreplace")
    if len(data) <= largest:
        return data.decode()
    return data[: largest - 3].decode("utf-8", "ignore") + "…"
