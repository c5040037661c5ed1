"""Errors of the library as one line that says what to do next, and an exit code."""

import grpc

from ..errors import (
    ConnectionFailed,
    DeadlineExceeded,
    ImageRefused,
    InvalidRequest,
    JobCancelled,
    JobFailed,
    LongshoreError,
    ServiceError,
    TargetBusy,
)
from .exits import Exit

_CODES = {
    grpc.StatusCode.INVALID_ARGUMENT: Exit.USAGE,
    grpc.StatusCode.NOT_FOUND: Exit.USAGE,
    grpc.StatusCode.ALREADY_EXISTS: Exit.CONFLICT,
    grpc.StatusCode.FAILED_PRECONDITION: Exit.CONFLICT,
    grpc.StatusCode.ABORTED: Exit.CONFLICT,
    grpc.StatusCode.UNAVAILABLE: Exit.UNREACHABLE,
    grpc.StatusCode.UNAUTHENTICATED: Exit.NOT_ALLOWED,
    grpc.StatusCode.PERMISSION_DENIED: Exit.NOT_ALLOWED,
}


def explain(error: Exception) -> tuple[str, Exit]:
    """The line and the code of an error; raises it again if it is a bug of ours."""
    match error:
        case JobCancelled():
            return str(error), Exit.CANCELLED
        case JobFailed():
            return f"{error} [{error.reason}]" if error.reason else str(error), (
                Exit.FAILED
            )
        case ConnectionFailed():
            return (
                f"the daemon does not answer: {error}; is longshored running? "
                "Name another with -s or LONGSHORE_ADDRESS",
                Exit.UNREACHABLE,
            )
        case DeadlineExceeded():
            return f"no answer in time: {error}", Exit.UNREACHABLE
        case TimeoutError():
            return str(error), Exit.TIMEOUT
        case ImageRefused():
            return service_line(error), Exit.FAILED
        case ServiceError():
            return service_line(error), _CODES.get(error.code, Exit.FAILED)
        case LongshoreError():
            return str(error), Exit.FAILED
        case ValueError() | OSError():
            return str(error), Exit.USAGE
        case _:
            raise error


def service_line(error: ServiceError) -> str:
    shown = f"{error.message} [{error.reason}]" if error.reason else error.message
    if isinstance(error, InvalidRequest) and len(error.field_violations) > 1:
        fields = "; ".join(
            f"{field.field}: {field.description}" for field in error.field_violations
        )
        return f"{shown}: {fields}"
    if isinstance(error, TargetBusy) and error.blocking_job_id:
        return f"{shown}; see: longshore explain {error.blocking_job_id}"
    if error.request_id:
        return f"{shown} (request {error.request_id})"
    return shown
