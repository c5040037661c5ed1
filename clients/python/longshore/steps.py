"""How calls are made, without making them: calls as values, plans that yield them.

A plan is a generator: it yields a Call or a Sleep and is sent the answer (or
thrown the error). `client` and `aio` are the two engines that drive plans, one
blocking, one not; so retries and waiting are written once. Which calls there are is
in `plans`.
"""

import random
import secrets
import time
import uuid
from collections.abc import Callable, Collection, Generator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, TypeVar

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
# Told to come back later than this, the caller is told instead of kept waiting.
RETRY_DELAY_MAX_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Call:
    """One unary call: `/longshore.v1.<service>/<method>`.

    `repeat` is what to send when the answer to `request` was lost: None if that
    might do something twice.
    """

    service: str
    method: str
    request: Message
    repeat: Message | None
    seconds: float = UNARY_SECONDS


@dataclass(frozen=True, slots=True)
class Sleep:
    """Do nothing for so many seconds."""

    seconds: float


Plan = Generator[Call | Sleep, Any, T]


def ask(call: Call) -> Plan[Any]:
    """Call, and call again where that is safe and makes sense."""
    for attempt in range(1, TRIES):
        try:
            return (yield call)
        except LongshoreError as error:
            delay = retry_delay(error, attempt)
            if delay is None or call.repeat is None:
                raise
            call = replace(call, request=call.repeat)
            yield Sleep(delay)
    return (yield call)


def retry_delay(error: LongshoreError, attempt: int) -> float | None:
    """Seconds until the next try, or None if another try would not help."""
    if isinstance(error, NoSpace):
        return None
    if isinstance(error, ServiceError) and error.retry_delay is not None:
        is_soon = error.retry_delay <= RETRY_DELAY_MAX_SECONDS
        return max(error.retry_delay, BACKOFF_SECONDS) if is_soon else None
    if isinstance(error, ConnectionFailed | Unavailable):
        ceiling: float = min(BACKOFF_MAX_SECONDS, BACKOFF_SECONDS * 2 ** (attempt - 1))
        return ceiling * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
    return None


def span(seconds: float) -> Duration:
    duration = Duration()
    duration.FromTimedelta(timedelta(seconds=seconds))
    return duration


@dataclass(frozen=True, slots=True)
class Wait:
    """What a wait is for: the end of the job, or one of some states before it."""

    job_id: str
    states: Collection[JobState] = ()
    timeout: float | None = None  # seconds
    raise_on_failure: bool = True

    def call(self, seconds: float) -> Call:
        request = job_service_pb2.WaitJobRequest(
            job_id=self.job_id, timeout=span(seconds), states=self.states
        )
        # Sent again by `wait` itself, with the time that is left then.
        grace = seconds + WAIT_GRACE_SECONDS
        return Call("JobService", "WaitJob", request, None, grace)

    def outcome(self, job: job_pb2.Job) -> job_pb2.Job:
        """The job, unless it ended without success and nobody asked for that."""
        if job.state in self.states or not self.raise_on_failure:
            return job
        if job.state == job_pb2.JOB_STATE_FAILED:
            raise JobFailed(job)
        if job.state == job_pb2.JOB_STATE_CANCELLED:
            raise JobCancelled(job)
        return job


def wait(wish: Wait, now: Callable[[], float]) -> Plan[job_pb2.Job]:
    """Wait until the job has ended, or is in one of the states.

    A restart of the daemon is waited through: jobs survive it. Raises TimeoutError
    (the job goes on), JobFailed or JobCancelled as it ended, and what the daemon
    answers if there is no such job.
    """
    deadline = now() + (float("inf") if wish.timeout is None else wish.timeout)
    heard, attempt = now(), 0
    while True:
        began = now()
        asked = max(0.0, min(WAIT_SECONDS, deadline - began))
        try:
            answer = yield wish.call(asked)
        except LongshoreError as error:
            attempt += 1
            delay = wait_delay(error, attempt)
            if delay is None or now() - heard >= UNREACHABLE_SECONDS:
                raise
            if now() >= deadline:
                raise late(wish) from error
            yield Sleep(min(delay, deadline - now()))
            continue
        heard, attempt = now(), 0
        if answer.reached:
            return wish.outcome(answer.job)
        if heard >= deadline:
            raise late(wish)
        if heard - began < BACKOFF_SECONDS:
            # An early answer is allowed; asking on and on is not.
            yield Sleep(BACKOFF_SECONDS)


def wait_delay(error: LongshoreError, attempt: int) -> float | None:
    """As `retry_delay`; and a wait that got no answer in time is asked again."""
    if isinstance(error, DeadlineExceeded):
        return BACKOFF_MAX_SECONDS
    return retry_delay(error, attempt)


def late(wish: Wait) -> TimeoutError:
    return TimeoutError(f"Job {wish.job_id} goes on; waited {wish.timeout:g} s for it")


def request_id() -> str:
    """A UUIDv7 (RFC 9562): a retried create cannot make a second job."""
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return str(uuid.UUID(int=value))
