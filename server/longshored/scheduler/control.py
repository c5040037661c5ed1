"""One attempt's view of the world: wishes in, reports out (drivers.base.Context).

The scheduler tells the control of every durable change of its job; the worker
looks at what it was told. Whoever waits, for a turn under the limits or for the
end of a pause, waits for one thing, which every change wakes.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..clock import Clock, Instant
from ..drivers.base import Cancelled, FailPoint, Stopping
from ..drivers.meter import Meter
from ..errors import ServiceError
from ..job.model import Job, Options
from ..job.progress import LimitedBy
from ..job.spec import Spec, Status
from ..job.states import MOVING, State
from .reports import Claim, Reports, Stop
from .throttle import Throttle

# A parked worker has nothing to look for: it is woken. This only bounds one wait.
PARKED_SECONDS = 3600.0

_STANDING = frozenset({State.PAUSED, State.STANDBY})


class Control:
    """The Context of one attempt. Safe for threads, as that promises."""

    def __init__(
        self,
        job: Job,
        *,
        saved: bytes | None,
        throttle: Throttle,
        reports: Reports,
        clock: Clock,
        fail_point: FailPoint,
    ) -> None:
        assert job.worker is not None, "an attempt has a claim"
        # Set once.
        self.claim = Claim(job.number, job.worker)
        self.throttle = throttle
        self._saved = saved
        self._reports = reports
        self._clock = clock
        self._fail_point = fail_point
        self._meter = Meter(clock, job.progress, job.start_time)
        # On the journal's thread, or under the lock of the limits: a meter that begins
        # anew once too often does no harm.
        self._limits = throttle.limits
        # Written by whoever saves, as one whole value; for any to look at.
        self.saved_time: Instant | None = None
        # Written under _lock, each as one whole value; read without.
        self._lock = threading.Lock()
        self._job = job
        self._stopping = False
        self._stop: Stop | None = None
        self._is_wanted = _wants_attention(job)
        self._verdicts = 0
        self._wakeup = threading.Event()

    # For the scheduler.

    @property
    def job(self) -> Job:
        """The job as of the last change told."""
        return self._job

    def tell(self, job: Job) -> None:
        """The job has changed durably. On the journal's thread, in order."""
        self.throttle.follow(job, self._clock.now())
        self._look_at_limits()
        if job.state in MOVING:
            self._meter.go_on()
        else:
            self._meter.rest(is_paused=job.state in _STANDING)
        with self._lock:
            self._job = job
            self._wake_locked()

    def look_again(self) -> None:
        """A limit over the job has changed: who waits under it asks how long."""
        self._look_at_limits()
        with self._lock:
            self._wake_locked()

    def _look_at_limits(self) -> None:
        if (limits := self.throttle.limits) != self._limits:
            self._limits = limits
            self._meter.limits_changed()

    def stop(self) -> None:
        """The daemon goes down."""
        with self._lock:
            self._stopping = True
            self._wake_locked()

    @contextmanager
    def awaiting_verdict(self) -> Iterator[None]:
        """No request begins in the `with`: a verb that may forbid it is on its way.

        To make a wish durable takes a flush, and that takes its time on the very
        device that the job keeps busy. Nothing is lost by not waiting for it.
        """
        self._expect(1)
        try:
            yield
        finally:
            self._expect(-1)

    def _expect(self, more: int) -> None:
        with self._lock:
            self._verdicts += more
            self._wake_locked()

    def _wake_locked(self) -> None:
        self._is_wanted = (
            self._stopping or self._stop is not None or _wants_attention(self._job)
        )
        # A new event first: who finds the old one set looks at what is new.
        sleeping, self._wakeup = self._wakeup, threading.Event()
        sleeping.set()

    # For the driver.

    @property
    def job_id(self) -> str:
        return self._job.job_id

    @property
    def spec(self) -> Spec:
        return self._job.spec

    @property
    def attempt(self) -> int:
        return self.claim.worker.attempt

    @property
    def options(self) -> Options:
        return self._job.options

    @property
    def saved(self) -> bytes | None:
        return self._saved

    @property
    def meter(self) -> Meter:
        return self._meter

    @property
    def clock(self) -> Clock:
        return self._clock

    def proceed(self, length: int) -> bool:
        if self._verdicts:
            self._await_verdict()
        if self._is_wanted:
            return False
        if self.throttle.is_open:
            self._meter.limited_by(LimitedBy.NOTHING)
            return True
        return self._queue_for(length)

    def chunk(self, largest: int) -> int:
        return self.throttle.chunk(largest)

    def checkpoint(self) -> None:
        while self._is_wanted:
            self._attend()

    def save(self, state: bytes, status: Status | None = None) -> None:
        self._fail_point("job.saving")
        sample = self._meter.sample()
        self._reports.saved(self.claim, state, status, sample)
        self.saved_time = sample.sample_time
        self._fail_point("job.saved")

    def warn(self, text: str, node_uri: str = "") -> None:
        self._reports.warned(self.claim, text, node_uri)

    def stop_for(self, error: ServiceError, node_key: str) -> None:
        with self._lock:
            self._stop = Stop(error, node_key)
            self._wake_locked()

    def fail_point(self, name: str) -> None:
        self._fail_point(name)

    # Waiting.

    def _await_verdict(self) -> None:
        while True:
            wakeup = self._wakeup
            if self._is_wanted or not self._verdicts:
                return
            self._clock.wait(wakeup, PARKED_SECONDS)

    def _queue_for(self, length: int) -> bool:
        """Wait for the turn of one request; give the place back if it is not to be."""
        began = self._clock.now()
        booking = self.throttle.book(length, began)
        level = LimitedBy.NOTHING
        while True:
            # Taken before the look, so that no change falls between the two.
            wakeup = self._wakeup
            if self._is_wanted:
                self.throttle.refund(booking)
                return False
            if self._verdicts:
                self._clock.wait(wakeup, PARKED_SECONDS)
                continue
            now = self._clock.now()
            delay = self.throttle.delay(booking, now)
            if not delay.seconds:
                break
            level = delay.level
            self._meter.limited_by(level)
            self._clock.wait(wakeup, delay.seconds)
        # What it waited for last holds it back; if it did not wait, nothing does.
        self._meter.limited_by(level)
        if now > began:
            self._meter.spend("throttled", now - began)
        return True

    def _attend(self) -> None:
        """Do the one thing that is wanted most, or wait until that changes."""
        wakeup, job, stop = self._wakeup, self._job, self._stop
        if self._stopping:
            raise Stopping
        if job.state is State.ABORTING:
            raise Cancelled
        if job.state in _STANDING:
            if job.pauses:
                self._clock.wait(wakeup, PARKED_SECONDS)
            else:
                self._reports.unparked(self.claim)
        elif stop is not None or job.pauses:
            self._fail_point("job.parking")
            self._reports.parked(self.claim, stop)
            if stop is not None:
                self._forget(stop)

    def _forget(self, stop: Stop) -> None:
        """It is on record now as a hold; another may have come meanwhile."""
        with self._lock:
            if self._stop is stop:
                self._stop = None
            self._wake_locked()


def _wants_attention(job: Job) -> bool:
    return bool(job.pauses) or job.state in _STANDING or job.state is State.ABORTING
