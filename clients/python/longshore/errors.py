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
        └── Unavailable, Internal

The reason decides the class; a reason of a newer daemon is a plain ServiceError.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import grpc
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


class JobEnded(LongshoreError):
    """A job that was waited for ended without success; `job` is its last word."""

    def __init__(self, job: "Job") -> None:
        super().__init__(f"Job {job.job_id}: {job.error.message or 'did not succeed'}")
        self.job = job
        self.reason = job_reason(job)


class JobFailed(JobEnded):
    pass


class JobCancelled(JobEnded):
    pass


@dataclass(frozen=True, slots=True)
class FieldViolation:
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
        metadata: Mapping[str, str] | None = None,
        field_violations: tuple[FieldViolation, ...] = (),
        retry_delay: float | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason
        self.domain = DOMAIN
        self.metadata = dict(metadata or {})
        self.field_violations = field_violations
        self.retry_delay = retry_delay
        self.request_id = request_id


class InvalidRequest(ServiceError):
    pass


class NotFound(ServiceError):
    pass


class AlreadyExists(ServiceError):
    pass


class PermissionDenied(ServiceError):
    pass


class WrongState(ServiceError):
    """The verb does not fit the state; `allowed` names the verbs that do."""

    @property
    def allowed(self) -> tuple[str, ...]:
        names = self.metadata.get("allowedActions", "")
        return tuple(name for name in names.split(", ") if name and name != "none")


class TargetBusy(ServiceError):
    """Someone else holds the image: a job, or a process that is not the daemon's."""

    @property
    def blocking_job_id(self) -> str:
        return self.metadata.get("blockingJobId", "")

    @property
    def pid(self) -> int | None:
        pid = self.metadata.get("pid", "")
        return int(pid) if pid.isdigit() else None


class Conflict(ServiceError):
    pass


class ImageRefused(ServiceError):
    pass


class HistoryGone(ServiceError):
    pass


class LimitReached(ServiceError):
    pass


class NoSpace(ServiceError):
    pass


class Unsupported(ServiceError):
    pass


class Unavailable(ServiceError):
    pass


class Internal(ServiceError):
    pass


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
}

_DETAILS = "grpc-status-details-bin"


def from_call(error: Any) -> LongshoreError:
    """The typed error behind a grpc.RpcError, of grpc and of grpc.aio alike."""
    code: grpc.StatusCode = error.code()
    message: str = error.details() or code.name
    trailers: Iterable[tuple[str, bytes]] = error.trailing_metadata() or ()
    packed = next((value for key, value in trailers if key == _DETAILS), None)
    if packed is not None:
        status = status_pb2.Status.FromString(packed)
        if (typed := from_status(status, code)) is not None:
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


def from_status(
    status: status_pb2.Status, code: grpc.StatusCode
) -> ServiceError | None:
    """The error of a google.rpc.Status, or None if it is not one of the daemon's."""
    info = error_details_pb2.ErrorInfo()
    fields: tuple[FieldViolation, ...] = ()
    delay: float | None = None
    request_id = ""
    for detail in status.details:
        if detail.TypeName() == "google.rpc.ErrorInfo":
            detail.Unpack(info)
        elif detail.TypeName() == "google.rpc.BadRequest":
            bad = error_details_pb2.BadRequest()
            detail.Unpack(bad)
            fields = tuple(
                FieldViolation(v.field, v.description) for v in bad.field_violations
            )
        elif detail.TypeName() == "google.rpc.RetryInfo":
            retry = error_details_pb2.RetryInfo()
            detail.Unpack(retry)
            delay = retry.retry_delay.ToTimedelta().total_seconds()
        elif detail.TypeName() == "google.rpc.RequestInfo":
            request = error_details_pb2.RequestInfo()
            detail.Unpack(request)
            request_id = request.request_id
    if info.domain != DOMAIN:
        return None
    return CLASSES.get(info.reason, ServiceError)(
        code,
        status.message,
        reason=info.reason,
        metadata=info.metadata,
        field_violations=fields,
        retry_delay=delay,
        request_id=request_id,
    )


def job_reason(job: "Job") -> str:
    """The reason in a job's error: a name of the ErrorReason enum, or ""."""
    info = error_details_pb2.ErrorInfo()
    for detail in job.error.details:
        if detail.TypeName() == "google.rpc.ErrorInfo":
            detail.Unpack(info)
    reason: str = info.reason
    return reason
