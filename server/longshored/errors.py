"""The one error of the daemon: a kind to branch on, facts to show, a cause behind it.

The kinds are the reasons of the public error catalogue; `service.status` maps
each to a gRPC status. A job's own failure carries the same kinds.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    # What was asked is wrong in itself.
    FIELD_INVALID = "FIELD_INVALID"
    PAGE_TOKEN_INVALID = "PAGE_TOKEN_INVALID"  # noqa: S105 - a reason, not a secret
    # Who asks.
    CREDENTIALS_INVALID = "CREDENTIALS_INVALID"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    # What it is about does not exist, or does already.
    JOB_NOT_FOUND = "JOB_NOT_FOUND"
    TARGET_NOT_FOUND = "TARGET_NOT_FOUND"
    JOB_ID_TAKEN = "JOB_ID_TAKEN"
    TARGET_EXISTS = "TARGET_EXISTS"
    # Right in itself, but not now or not on this thing.
    REQUEST_ID_REUSED = "REQUEST_ID_REUSED"
    ACTION_NOT_ALLOWED = "ACTION_NOT_ALLOWED"
    TARGET_BUSY = "TARGET_BUSY"
    TARGET_WRONG_STATE = "TARGET_WRONG_STATE"
    IMAGE_INVALID = "IMAGE_INVALID"
    IMAGE_UNSUPPORTED = "IMAGE_UNSUPPORTED"
    REVISION_MISMATCH = "REVISION_MISMATCH"
    # A watch asked for history that is not there.
    REVISION_COMPACTED = "REVISION_COMPACTED"
    REVISION_IN_FUTURE = "REVISION_IN_FUTURE"
    HISTORY_CHANGED = "HISTORY_CHANGED"
    # A limit is reached.
    JOB_LIMIT = "JOB_LIMIT"
    WATCH_LIMIT = "WATCH_LIMIT"
    RATE_LIMIT = "RATE_LIMIT"
    NO_SPACE = "NO_SPACE"
    # Not built.
    JOB_TYPE_UNSUPPORTED = "JOB_TYPE_UNSUPPORTED"
    ACTION_UNSUPPORTED = "ACTION_UNSUPPORTED"
    # The service itself.
    SERVER_STARTING = "SERVER_STARTING"
    SERVER_STOPPING = "SERVER_STOPPING"
    STORE_UNAVAILABLE = "STORE_UNAVAILABLE"
    BACKEND_UNREACHABLE = "BACKEND_UNREACHABLE"
    INTERNAL = "INTERNAL"
    # Only as the end of a job.
    CANCELLED_BY_USER = "CANCELLED_BY_USER"
    GROUP_MEMBER_FAILED = "GROUP_MEMBER_FAILED"
    PREDECESSOR_FAILED = "PREDECESSOR_FAILED"
    INTERRUPTED_BY_RESTART = "INTERRUPTED_BY_RESTART"
    BACKEND_LOST = "BACKEND_LOST"
    IO_ERROR = "IO_ERROR"
    VERIFY_MISMATCH = "VERIFY_MISMATCH"


Fact = str | int | bool | None


@dataclass(frozen=True, slots=True)
class Violation:
    """One wrong field of a request: `field` is its path in the request message."""

    field: str
    description: str


class ServiceError(Exception):
    """What went wrong, on what, with which value, and what would be right.

    `facts` become the metadata of the error on the wire: snake_case keys, and
    everything variable in the message is in them too.
    """

    def __init__(
        self,
        kind: Kind,
        message: str,
        /,
        *,
        violations: tuple[Violation, ...] = (),
        retry_delay: float | None = None,
        **facts: Fact,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.violations = violations
        self.retry_delay = retry_delay
        self.facts = {key: value for key, value in facts.items() if value is not None}

    def __str__(self) -> str:
        shown = " ".join(f"{key}={value!r}" for key, value in self.facts.items())
        return f"{self.message} ({shown})" if shown else self.message


def field_invalid(field: str, description: str, **facts: Fact) -> ServiceError:
    """The error for one wrong field; the description says what would be right."""
    return ServiceError(
        Kind.FIELD_INVALID,
        f"{field}: {description}",
        violations=(Violation(field, description),),
        retry_delay=None,
        first_field=field,
        **facts,
    )


@contextmanager
def in_field(field: str) -> Iterator[None]:
    """An error from the `with` names the part of the request that it is about.

    Fields that it names already are fields of that part. "": nothing is added.
    """
    try:
        yield
    except ServiceError as error:
        if not field:
            raise
        inner = error.facts.get("first_field")
        facts = error.facts | {"first_field": f"{field}.{inner}" if inner else field}
        raise ServiceError(
            error.kind,
            f"{field}{'.' if inner else ': '}{error.message}",
            violations=tuple(
                Violation(f"{field}.{one.field}", one.description)
                for one in error.violations
            ),
            retry_delay=error.retry_delay,
            **facts,
        ) from error
