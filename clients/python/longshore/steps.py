"""What the client does, without doing it: calls as values, and plans that yield them.

A plan is a generator: it yields a Call or a Sleep and is sent the answer (or
thrown the error). `client` and `aio` are the two engines that drive plans, one
blocking, one not; so retries, paging and waiting are written once.
"""

import random
import time
import uuid
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Generic, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from .enums import JobState
from .errors import (
    ConnectionFailed,
    DeadlineExceeded,
    JobCancelled,
    JobFailed,
    LongshoreError,
    NoSpace,
    ServiceError,
    Unavailable,
)
from .v1 import job_pb2, job_service_pb2

T = TypeVar("T")

# Deadlines of single calls, seconds. A create looks at files and waits for a disk.
UNARY_SECONDS = 10.0
CREATE_SECONDS = 30.0
# One WaitJob; well under what proxies cut (the server allows 60).
WAIT_SECONDS = 30.0
# What a wait is given on top, for the answer to travel.
WAIT_GRACE_SECONDS = 5.0

# A wait outlives a restart of the daemon that takes no longer than this.
UNREACHABLE_SECONDS = 60.0

TRIES = 4
BACKOFF_SECONDS = 0.1
BACKOFF_MAX_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One unary call: `/longshore.v1.<service>/<method>`."""

    service: str
    method: str
    request: Message
    seconds: float = UNARY_SECONDS
    is_safe: bool = True  # may be sent again when the answer was lost


@dataclass(frozen=True, slots=True)
class Sleep:
    seconds: float


Plan = Generator[Call[Any] | Sleep, Any, T]


def ask(call: Call[T]) -> Plan[T]:
    """Call, and call again where that is safe and makes sense."""
    for attempt in range(1, TRIES + 1):
        try:
            answer: T = yield call
        except LongshoreError as error:
            delay = retry_delay(error, attempt) if call.is_safe else None
            if delay is None or attempt == TRIES:
                raise
            yield Sleep(delay)
        else:
            return answer
    raise AssertionError("unreachable")


def retry_delay(error: LongshoreError, attempt: int) -> float | None:
    """Seconds until the next try, or None if another try would not help."""
    if isinstance(error, ServiceError) and error.retry_delay is not None:
        return None if isinstance(error, NoSpace) else error.retry_delay
    if isinstance(error, ConnectionFailed | Unavailable):
        ceiling: float = min(BACKOFF_MAX_SECONDS, BACKOFF_SECONDS * 2 ** (attempt - 1))
        return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
    return None


def span(seconds: float) -> Duration:
    duration = Duration()
    duration.FromTimedelta(timedelta(seconds=seconds))
    return duration


def job_call(
    method: str, request: Message, *, seconds: float = UNARY_SECONDS
) -> Call[Any]:
    return Call("JobService", method, request, seconds)


def image_call(method: str, request: Message, *, is_safe: bool = True) -> Call[Any]:
    return Call("ImageService", method, request, CREATE_SECONDS, is_safe)


def create(request: job_service_pb2.CreateJobRequest) -> Plan[Any]:
    answer = yield from ask(job_call("CreateJob", request, seconds=CREATE_SECONDS))
    return answer


def verb(method: str, request: Message) -> Plan[job_pb2.Job]:
    """Any call whose answer is {Job job}."""
    answer = yield from ask(job_call(method, request))
    job: job_pb2.Job = answer.job
    return job


def wait(
    job_id: str,
    *,
    now: Any,
    timeout: float | None,
    states: Iterable[JobState] = (),
    raise_on_failure: bool = True,
) -> Plan[job_pb2.Job]:
    """Wait until the job has ended, or is in one of the states.

    Raises TimeoutError after `timeout` seconds (the job goes on), JobFailed or
    JobCancelled as it ended.
    """
    deadline = None if timeout is None else now() + timeout
    heard = now()
    wanted = list(states)
    while True:
        left = WAIT_SECONDS if deadline is None else deadline - now()
        asked = max(0.0, min(WAIT_SECONDS, left))
        request = job_service_pb2.WaitJobRequest(
            job_id=job_id, timeout=span(asked), states=wanted
        )
        try:
            answer = yield from ask(
                job_call("WaitJob", request, seconds=asked + WAIT_GRACE_SECONDS)
            )
        except (ConnectionFailed, DeadlineExceeded, Unavailable):
            # The daemon may be restarting: the job survives that, so does the wait.
            patience = heard + UNREACHABLE_SECONDS
            if now() >= (patience if deadline is None else min(patience, deadline)):
                raise
            yield Sleep(BACKOFF_MAX_SECONDS)
            continue
        heard = now()
        if answer.reached:
            return checked(answer.job) if raise_on_failure else answer.job
        if deadline is not None and now() >= deadline:
            raise TimeoutError(f"job {job_id} goes on; waited {timeout} s")


def checked(job: job_pb2.Job) -> job_pb2.Job:
    """The job, unless it ended without success."""
    if job.state == job_pb2.JOB_STATE_FAILED:
        raise JobFailed(job)
    if job.state == job_pb2.JOB_STATE_CANCELLED:
        raise JobCancelled(job)
    return job


def request_id() -> str:
    """A UUIDv7 (RFC 9562): a retried create cannot make a second job."""
    stamp = time.time_ns() // 1_000_000
    value = (stamp & (1 << 48) - 1) << 80 | random.getrandbits(80)
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return str(uuid.UUID(int=value))
