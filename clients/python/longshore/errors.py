"""What can go wrong, as classes to catch.

    LongshoreError
    ├── ConnectionFailed        no answer: nothing is known of the daemon
    ├── DeadlineExceeded        no answer in time
    ├── HistoryLost             a strict watch: changes are gone for good
    ├── JobFailed, JobCancelled a job that was waited for did not succeed
    └── ServiceError            the daemon answered: `reason` says what
        ├── InvalidRequest, NotFound, AlreadyExists, PermissionDenied
        ├── WrongState, TargetBusy, Conflict, ImageRefused
        ├── HistoryGone, LimitReached, NoSpace, Unsupported
        ├── Unavailable, Internal, DataLoss
        └── Cancelled, Interrupted      only of a job: JobEnded.error

The reason decides the class. A reason of a newer daemon is a plain ServiceError, and
so is an error that is not the daemon's own, of a proxy for instance: its reason and
domain are empty and only its code says something.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

if TYPE_CHECKING:
    from .v1.job_pb2 import Job

DOMAIN = "jobs.longshore"


class LongshoreError(Exception):
    """The base of all."""


class ConnectionFailed(LongshoreError):
    """The daemon was not reached, or went away during the call."""


class DeadlineExceeded(LongshoreError):
    """The call took longer than its deadline; what it asked may have happened."""


class HistoryLost(LongshoreError):
    """A strict watch cannot go on: changes after its cursor are gone."""


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """What is wrong with one field of a request, by its path."""

    field: str
    description: str


class ServiceError(LongshoreError):
    """An answer of the daemon that is an error.

    `reason` is a name of the ErrorReason enum, `metadata` holds everything
    variable of the message, `retry_delay` is in seconds if a retry makes sense.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        *,
        reason: str = "",
        domain: str = "",
        metadata: Mapping[str, str] | None = None,
        field_violations: tuple[FieldViolation, ...] = (),
        retry_delay: float | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason
        self.domain = domain
        self.metadata = dict(metadata or {})
        self.field_violations = field_violations
        self.retry_delay = retry_delay
        self.request_id = request_id


class InvalidRequest(ServiceError):
    """The request is wrong in itself; `field_violations` says where."""


class NotFound(ServiceError):
    """There is no such job or image."""


class AlreadyExists(ServiceError):
    """The job id was used before, or the image is there."""


class PermissionDenied(ServiceError):
    """Who asks is not known, or may not do this."""


class WrongState(ServiceError):
    """The verb does not fit the state; `allowed` names the verbs that do."""

    @property
    def allowed(self) -> tuple[str, ...]:
        names = self.metadata.get("allowedActions", "")
        return tuple(name for name in names.split(", ") if name and name != "none")


class TargetBusy(ServiceError):
    """Someone else holds the image: a job, or a process that is not the daemon's."""

    @property
    def target(self) -> str:
        return self.metadata.get("target", "")

    @property
    def blocking_job_id(self) -> str:
        """The job that holds it; empty if a process does."""
        return self.metadata.get("blockingJobId", "")

    @property
    def pid(self) -> int | None:
        pid = self.metadata.get("pid", "")
        return int(pid) if pid.isdecimal() else None

    @property
    def command(self) -> str:
        return self.metadata.get("command", "")


class Conflict(ServiceError):
    """Someone was faster, or the request id belongs to another request."""


class ImageRefused(ServiceError):
    """The image contradicts its format, or uses what is not supported."""


class HistoryGone(ServiceError):
    """The history after the cursor is not there; a watch handles it itself."""


class LimitReached(ServiceError):
    """Too many jobs, watches or calls; `retry_delay` says when to come again."""


class NoSpace(ServiceError):
    """The storage is full; trying again does not help."""


class Unsupported(ServiceError):
    """This daemon does not serve this kind of job, or this verb."""


class Unavailable(ServiceError):
    """The daemon is starting or stopping, or what it needs does not answer."""


class Internal(ServiceError):
    """A bug of the daemon; `request_id` finds it in the daemon's log."""


class DataLoss(ServiceError):
    """Reading or writing failed, or what was written reads otherwise."""


class Cancelled(ServiceError):
    """Someone asked for the end of the job."""


class Interrupted(ServiceError):
    """The job could not go on: a restart, its group or a predecessor."""


class JobEnded(LongshoreError):
    """A job that was waited for ended without success; `job` is its last word.

    `error` is the reason as the class that a call would have raised, None if the
    job does not say.
    """

    def __init__(self, job: "Job") -> None:
        super().__init__(f"Job {job.job_id}: {job.error.message or 'did not succeed'}")
        self.job = job
        self.error = from_status(job.error)
        self.reason = self.error.reason if self.error is not None else ""


class JobFailed(JobEnded):
    """It failed."""


class JobCancelled(JobEnded):
    """Someone cancelled it."""


CLASSES: dict[str, type[ServiceError]] = {
    "FIELD_INVALID": InvalidRequest,
    "PAGE_TOKEN_INVALID": InvalidRequest,
    "CREDENTIALS_INVALID": PermissionDenied,
    "PERMISSION_DENIED": PermissionDenied,
    "JOB_NOT_FOUND": NotFound,
    "TARGET_NOT_FOUND": NotFound,
    "JOB_ID_TAKEN": AlreadyExists,
    "TARGET_EXISTS": AlreadyExists,
    "REQUEST_ID_REUSED": Conflict,
    "ACTION_NOT_ALLOWED": WrongState,
    "TARGET_BUSY": TargetBusy,
    "TARGET_WRONG_STATE": WrongState,
    "IMAGE_INVALID": ImageRefused,
    "IMAGE_UNSUPPORTED": ImageRefused,
    "REVISION_MISMATCH": Conflict,
    "REVISION_COMPACTED": HistoryGone,
    "REVISION_IN_FUTURE": HistoryGone,
    "HISTORY_CHANGED": HistoryGone,
    "JOB_LIMIT": LimitReached,
    "WATCH_LIMIT": LimitReached,
    "RATE_LIMIT": LimitReached,
    "NO_SPACE": NoSpace,
    "JOB_TYPE_UNSUPPORTED": Unsupported,
    "ACTION_UNSUPPORTED": Unsupported,
    "SERVER_STARTING": Unavailable,
    "SERVER_STOPPING": Unavailable,
    "STORE_UNAVAILABLE": Unavailable,
    "BACKEND_UNREACHABLE": Unavailable,
    "INTERNAL": Internal,
    "CANCELLED_BY_USER": Cancelled,
    "GROUP_MEMBER_FAILED": Interrupted,
    "PREDECESSOR_FAILED": Interrupted,
    "INTERRUPTED_BY_RESTART": Interrupted,
    "BACKEND_LOST": Interrupted,
    "IO_ERROR": DataLoss,
    "VERIFY_MISMATCH": DataLoss,
}

_STATUS_CODES: dict[int, grpc.StatusCode] = {
    code.value[0]: code for code in grpc.StatusCode
}

_DETAILS = "grpc-status-details-bin"


def from_call(error: Any) -> LongshoreError:
    """The typed error behind a grpc.RpcError, of grpc and of grpc.aio alike."""
    code: grpc.StatusCode = error.code()
    message: str = error.details() or code.name
    if (typed := from_status(_status(error))) is not None:
        return typed
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineExceeded(message)
    if code in _TRANSPORT:
        return ConnectionFailed(message)
    return ServiceError(code, message)


# Without our ErrorInfo these come from the transport (grpc/statuscodes.md).
_TRANSPORT = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.CANCELLED,
)


def _status(error: Any) -> status_pb2.Status:
    """The rich status in the trailers; an empty one if there is none to be read."""
    trailers: Iterable[tuple[str, bytes]] = error.trailing_metadata() or ()
    packed = next((value for key, value in trailers if key == _DETAILS), b"")
    try:
        return status_pb2.Status.FromString(packed)
    except DecodeError:
        return status_pb2.Status()


def from_status(status: status_pb2.Status) -> ServiceError | None:
    """The error of a google.rpc.Status, of a call or of a job; None if it holds no
    ErrorInfo of the daemon.
    """
    info = error_details_pb2.ErrorInfo()
    if not _unpack(status, info) or info.domain != DOMAIN:
        return None
    bad = error_details_pb2.BadRequest()
    _unpack(status, bad)
    retry = error_details_pb2.RetryInfo()
    is_retryable = _unpack(status, retry)
    request = error_details_pb2.RequestInfo()
    _unpack(status, request)
    return CLASSES.get(info.reason, ServiceError)(
        _STATUS_CODES.get(status.code, grpc.StatusCode.UNKNOWN),
        status.message,
        reason=info.reason,
        domain=info.domain,
        metadata=info.metadata,
        field_violations=tuple(
            FieldViolation(one.field, one.description) for one in bad.field_violations
        ),
        retry_delay=seconds(retry.retry_delay) if is_retryable else None,
        request_id=request.request_id,
    )


def _unpack(status: status_pb2.Status, into: Message) -> bool:
    """The first detail of this type, if there is one that can be read."""
    for detail in status.details:
        try:
            if detail.Unpack(into):
                return True
        except DecodeError:
            into.Clear()
    return False


def seconds(duration: Duration) -> float:
    return duration.seconds + duration.nanos / 1e9
