"""Errors of the library as one line that says what to do next, and an exit code."""

import errno
import os
import re

import grpc

from ..errors import (
    ConnectionFailed,
    DeadlineExceeded,
    HistoryLost,
    InvalidRequest,
    JobCancelled,
    JobFailed,
    ServiceError,
    TargetBusy,
    from_status,
)
from ..units import format_size
from ..v1 import job_pb2
from .exits import Exit
from .table import one_line
from .words import place, short_sizes

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

# The code alone says "conflict", but nobody else is in the way.
_REASONS = {
    "IMAGE_INVALID": Exit.FAILED,
    "IMAGE_UNSUPPORTED": Exit.FAILED,
}

# gRPC wraps what the system said in words about itself.
_WRAPPED = re.compile(r".*last error: \w+: ([^ ]+): .*(?:error|host): (.*)", re.DOTALL)


def explain(error: Exception) -> tuple[str, Exit]:
    """The line and the code of an error; raises it again if it is a bug of ours."""
    match error:
        case JobCancelled():
            return str(error), Exit.CANCELLED
        case JobFailed():
            job = error.job
            return f"job {job.job_id} failed: {of_job(job)}", Exit.FAILED
        case ConnectionFailed():
            return unreachable(str(error))
        case DeadlineExceeded():
            return (
                "the daemon did not answer in time; what was asked may have happened",
                Exit.UNREACHABLE,
            )
        case TimeoutError():
            return str(error), Exit.TIMEOUT
        case HistoryLost():
            return str(error), Exit.FAILED
        case ServiceError():
            code = _CODES.get(error.code, Exit.FAILED)
            return service_line(error), _REASONS.get(error.reason, code)
        case OSError() if error.filename is not None:
            return f"{error.filename}: {error.strerror}", Exit.USAGE
        case OSError():
            return str(error.strerror or error), Exit.FAILED
        case ValueError():
            return str(error), Exit.USAGE
        case _:
            raise error


def unreachable(text: str) -> tuple[str, Exit]:
    wrapped = _WRAPPED.fullmatch(text)
    said = f"{wrapped[1]}: {wrapped[2]}" if wrapped else text
    if wrapped and wrapped[2].startswith(os.strerror(errno.EACCES)):
        refused = (
            f"this user may not use the socket {wrapped[1]}: it is for the group of "
            "the daemon, longshore where that was installed"
        )
        return refused, Exit.NOT_ALLOWED
    absent = (
        f"the daemon does not answer: {said}; is longshored running? "
        "Name its address with -s or LONGSHORE_ADDRESS"
    )
    return absent, Exit.UNREACHABLE


def service_line(error: ServiceError) -> str:
    said = short_sizes(error.message) + facts(error)
    shown = _with_reason(said, error.reason)
    if isinstance(error, InvalidRequest) and len(error.field_violations) > 1:
        fields = "; ".join(
            f"{field.field}: {field.description}" for field in error.field_violations
        )
        return f"{shown}: {fields}"
    if isinstance(error, TargetBusy) and error.blocking_job_id:
        return f"{shown}; see: longshore explain {error.blocking_job_id}"
    if error.request_id and error.request_id not in shown:
        return f"{shown} (request {error.request_id})"
    if error.code is grpc.StatusCode.UNIMPLEMENTED and not error.reason:
        return f"{shown}: is this a longshored, and new enough?"
    return shown


def of_job(job: job_pb2.Job) -> str:
    """Why a job has not succeeded, told as an error of a call is."""
    error = from_status(job.error)
    said = short_sizes(job.error.message) if error is None else service_line(error)
    return one_line(said)


# Said by the message, or for programs only.
_UNSAID = {"firstField", "errno", "allowedActions", "permission", "requestId", "what"}


def facts(error: ServiceError) -> str:
    """What the message does not say itself: which file, which value."""
    said = [
        f"{key}={_value(key, value)}"
        for key, value in sorted(error.metadata.items())
        if key not in _UNSAID and value and value not in error.message
    ]
    return f" ({', '.join(said)})" if said else ""


def _value(key: str, value: str) -> str:
    if key in ("needed", "available") and value.isdecimal():
        return format_size(int(value))
    return place(value)


def _with_reason(message: str, reason: str) -> str:
    return f"{message} [{reason}]" if reason else message
