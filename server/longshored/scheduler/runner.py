"""Attempts on worker threads: run, then finalise or unwind, and close.

What is to be done with an attempt follows from its stage and from its job as
last told; `_next` is the one place that says so. It is asked after each change
of the job and after each step of a worker, under one lock, so nothing falls
between the two.
"""

import threading
from collections.abc import Callable
from functools import partial

import structlog

from ..clock import Clock
from ..drivers.base import Cancelled, Driver, FailPoint, Stopping
from ..errors import Kind, ServiceError
from ..job.model import Job
from ..job.states import State
from .attempt import Attempt, Stage
from .control import Control
from .finalise import Finaliser
from .pool import Pool, Task
from .progress import Running
from .reports import Report, Reports, Stale
from .throttle import Throttles

DriverOf = Callable[[str], Driver]

_log = structlog.get_logger(__name__)


class Runner:
    """Every attempt that this process has open."""

    def __init__(
        self,
        *,
        driver_of: DriverOf,
        reports: Reports,
        throttles: Throttles,
        pool: Pool,
        clock: Clock,
        fail_point: FailPoint,
    ) -> None:
        # Set once.
        self._driver_of = driver_of
        self._reports = reports
        self._throttles = throttles
        self._pool = pool
        self._clock = clock
        self._fail_point = fail_point
        self._finaliser = Finaliser(reports, fail_point)
        # Guarded by _lock.
        self._lock = threading.Lock()
        self._attempts: dict[int, Attempt] = {}
        self._stopping = False

    # For the journal's thread.

    def begin(self, job: Job, saved: bytes | None) -> None:
        """Make a new attempt at a job that has just got a claim."""
        control = Control(
            job,
            saved=saved,
            throttle=self._throttles.join(job),
            reports=self._reports,
            clock=self._clock,
            fail_point=self._fail_point,
        )
        attempt = Attempt(control, was_finalizing=job.wanted.finalize is not None)
        with self._lock:
            self._attempts[job.number] = attempt
            if self._stopping:
                control.stop()
        step = self._reopen if job.state is State.ABORTING else self._run
        self._pool.run(self._task(step, attempt))

    def tell(self, job: Job) -> None:
        """A job has changed durably."""
        attempt = self._attempts.get(job.number)
        if attempt is None:
            return
        attempt.control.tell(job)
        with self._lock:
            fellows = self._fellows_locked(attempt)
        for one in (attempt, *fellows):
            self._go_on(one)

    def ended(self, job: Job) -> None:
        """A job has ended durably: from now on it is not at work for anyone."""
        attempt = self._attempts.get(job.number)
        if attempt is not None:
            self._forget(attempt)

    def has(self, job: Job) -> bool:
        """Is the job's present claim that of an attempt here?"""
        attempt = self._attempts.get(job.number)
        return attempt is not None and attempt.control.claim.worker == job.worker

    # For anyone.

    def running(self) -> list[Running]:
        with self._lock:
            controls = [attempt.control for attempt in self._attempts.values()]
        return [
            Running(c.claim.number, c.job_id, c.meter, c.saved_time) for c in controls
        ]

    def control(self, number: int) -> Control | None:
        attempt = self._attempts.get(number)
        return None if attempt is None else attempt.control

    def look_again(self) -> None:
        """A limit over many jobs has changed."""
        with self._lock:
            attempts = list(self._attempts.values())
        for attempt in attempts:
            attempt.control.look_again()

    def stop(self) -> None:
        """Workers stop at their next checkpoint; who rests is closed."""
        with self._lock:
            self._stopping = True
            attempts = list(self._attempts.values())
        for attempt in attempts:
            attempt.control.stop()
            self._go_on(attempt)

    # What to do next.

    def _go_on(self, attempt: Attempt) -> None:
        if (task := self._next(attempt)) is not None:
            self._pool.run(task)

    def _next(self, attempt: Attempt) -> Task | None:
        with self._lock:
            if attempt.stage is not Stage.RESTING:
                return None
            job = attempt.control.job
            if self._stopping:
                attempt.stage = Stage.ENDING
                return self._task(self._close, attempt)
            if job.state is State.ABORTING:
                attempt.stage = Stage.ENDING
                return self._task(self._unwind, attempt)
            if job.is_finalizing:
                return self._finalise_locked(attempt)
            return None

    def _finalise_locked(self, attempt: Attempt) -> Task | None:
        """The whole group in one task, once the last member is ready for it."""
        members = [attempt, *self._fellows_locked(attempt)]
        # One that fell where the others go on is unwound by itself.
        standing = [m for m in members if m.control.job.state is not State.ABORTING]
        for member in standing:
            if (
                member.stage is not Stage.RESTING
                or not member.control.job.is_finalizing
            ):
                return None
        for member in standing:
            member.stage = Stage.ENDING
        return self._task(self._finalise, *sorted(standing, key=lambda m: m.number))

    def _fellows_locked(self, attempt: Attempt) -> list[Attempt]:
        """The attempts at the other members of the group."""
        group = attempt.control.job.group
        if group is None:
            return []
        return [
            other
            for other in self._attempts.values()
            if other is not attempt
            and (theirs := other.control.job.group) is not None
            and theirs.group_id == group.group_id
        ]

    def _rest(self, attempt: Attempt) -> None:
        """The thread has nothing to do here now; unless there is, at once."""
        with self._lock:
            attempt.stage = Stage.RESTING
        self._look_on(attempt)

    def _look_on(self, attempt: Attempt) -> None:
        if (task := self._next(attempt)) is not None:
            task()

    def _task(self, step: Callable[..., None], *attempts: Attempt) -> Task:
        return partial(self._carry_out, step, attempts)

    def _carry_out(
        self, step: Callable[..., None], attempts: tuple[Attempt, ...]
    ) -> None:
        """A step of attempts. One that is stopped leaves them to the next."""
        try:
            step(*attempts)
        except (Stopping, Stale):
            self._close(*attempts)
        except Exception as error:  # noqa: BLE001 - else jobs hang until a restart
            for attempt in attempts:
                self._let_fall(attempt, error)

    # On worker threads.

    def _run(self, attempt: Attempt) -> None:
        control = attempt.control
        threading.current_thread().name = control.claim.worker.thread
        try:
            self._fail_point("job.starting")
            attempt.work = self._driver_of(control.job.kind).start(control)
            self._fail_point("job.opened")
            control.checkpoint()
            attempt.work.run()
            self._fail_point("job.worked")
        except (Stopping, Stale):
            raise
        except Exception as error:  # noqa: BLE001 - a driver's bug fails its job only
            is_unwound = control.job.state is State.ABORTING
            if not (isinstance(error, Cancelled) and is_unwound):
                self._fail(attempt, error)
            if attempt.stage is not Stage.OVER:
                self._rest(attempt)
        else:
            self._hand_in(attempt)

    def _hand_in(self, attempt: Attempt) -> None:
        """Report the work done. No thread waits for that: what comes next begins when
        the change is told, which may be before this returns."""
        control = attempt.control
        with self._lock:
            attempt.stage = Stage.RESTING
        report = self._reports.worked(control.claim, control.meter.sample())
        report.if_it_fails(partial(self._insist, attempt, report))
        # A daemon that stops, or a cancel, was told already.
        self._look_on(attempt)

    def _insist(self, attempt: Attempt, report: Report[Job]) -> None:
        """It could not be made, so a thread sees to it; unless another has begun to
        end the attempt: then it is not needed."""
        with self._lock:
            if attempt.stage is not Stage.RESTING:
                return
            attempt.stage = Stage.WORKING
        self._pool.run(self._task(partial(self._wait_for, report), attempt))

    def _wait_for(self, report: Report[Job], attempt: Attempt) -> None:
        try:
            report.made()
        except (Stopping, Stale):
            raise
        except Exception as error:  # noqa: BLE001 - a bug of ours fails this job only
            self._fail(attempt, error)
        self._rest(attempt)

    def _fail(self, attempt: Attempt, error: Exception) -> None:
        control = attempt.control
        if (
            isinstance(error, ServiceError)
            and attempt.work is None
            and _may_wait(control.job, error)
        ):
            job = self._reports.requeued(control.claim, error)
            if job.state is State.QUEUED:
                self._forget(attempt)
                return
            # It is being unwound by now, and that is this attempt's to do.
        failure = attempt.failure(error)
        self._reports.failed(control.claim, failure, control.meter.sample())

    def _reopen(self, attempt: Attempt) -> None:
        """Take up, after a restart, a job that was being unwound."""
        control = attempt.control
        try:
            attempt.work = self._driver_of(control.job.kind).start(control)
        except Exception as error:  # noqa: BLE001 - it ends, with or without its files
            message = attempt.failure(error).message
            self._end(attempt, f"Could not be unwound after a restart: {message}")
        else:
            self._unwind(attempt)

    def _unwind(self, attempt: Attempt) -> None:
        warning = None
        try:
            attempt.abort()
        except Exception as error:  # noqa: BLE001 - it must be closed all the same
            warning = f"Could not be unwound: {attempt.failure(error).message}"
        self._fail_point("job.aborted")
        attempt.clean()
        self._fail_point("job.unwound")
        self._end(attempt, warning)

    def _end(self, attempt: Attempt, warning: str | None) -> None:
        control = attempt.control
        self._reports.ended(control.claim, warning, control.meter.sample())
        self._forget(attempt)

    def _finalise(self, *members: Attempt) -> None:
        done = self._finaliser.finalise(members)
        for attempt in done.fallen:
            self._unwind(attempt)
        if done.report is not None:
            # No thread waits for this either; one that ended is told and forgotten.
            again = self._task(partial(_make, done.report), *members)
            done.report.if_it_fails(partial(self._pool.run, again))

    def _let_fall(self, attempt: Attempt, error: Exception) -> None:
        """A bug that no step has caught: its jobs fail, unless even that cannot be."""
        if attempt.stage is Stage.OVER:
            return
        control = attempt.control
        try:
            failure = attempt.failure(error)
            self._reports.failed(control.claim, failure, control.meter.sample())
            self._unwind(attempt)
        except (Stopping, Stale):
            self._close(attempt)
        except Exception:  # noqa: BLE001 - else files stay open that nobody works on
            _log.exception("attempt_given_up", job=control.job_id)
            self._close(attempt)

    def _close(self, *attempts: Attempt) -> None:
        """Leave the jobs to later attempts."""
        for attempt in attempts:
            attempt.clean()
            self._forget(attempt)

    def _forget(self, attempt: Attempt) -> None:
        with self._lock:
            if attempt.stage is Stage.OVER:
                return
            attempt.stage = Stage.OVER
            if self._attempts.get(attempt.number) is attempt:
                del self._attempts[attempt.number]
        self._throttles.leave(attempt.control.job)


def _make(report: Report[None], *_: Attempt) -> None:
    report.made()


def _may_wait(job: Job, error: ServiceError) -> bool:
    """May a job whose images a foreign process has wait for it?

    One that was accepted with QUEUE, and one that had begun before a restart:
    somebody only looked at its images meanwhile.
    """
    is_busy = error.kind is Kind.TARGET_BUSY
    return is_busy and (job.on_conflict_queue or job.attempts > 1)
