"""What workers write about their jobs. Each report carries its worker's claim.

A report has three outcomes. Written: the job as it is then comes back. Refused:
the claim is stale, the job is somebody else's now, and the worker must stop and
touch nothing (Stale). Unknown: the store could not say, so the report is made
again until it can; each one looks at the job first, so twice does no harm.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from ..clock import Clock, Instant
from ..drivers.base import Stopping
from ..drivers.faults import sentence
from ..errors import Kind, ServiceError
from ..job import life
from ..job.group import fellow_failure
from ..job.model import (
    Failure,
    Holder,
    Job,
    JobWarning,
    Pause,
    Pending,
    PendingReason,
    Worker,
)
from ..job.nodes import IoStatus, Node
from ..job.progress import Progress
from ..job.replace import replace
from ..job.spec import Result, Status
from ..job.states import State
from ..store.journal import Journal
from ..store.transaction import Transaction
from .decide import Body, Decisions

# How soon a report is made again while the store has no space or no answer.
AGAIN_SECONDS = 1.0

MAX_WARNINGS = 16

_UNKNOWN = frozenset({Kind.NO_SPACE, Kind.STORE_UNAVAILABLE})
_AT_WORK = frozenset({State.RUNNING, State.READY})
_PARKED = frozenset({State.PAUSED, State.STANDBY})


class Stale(Exception):
    """The claim is not the job's any more."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Which job, and by which right a worker writes about it."""

    number: int
    worker: Worker


@dataclass(frozen=True, slots=True)
class Stop:
    """Why the error policy stops a job, and on which node."""

    error: ServiceError
    node_key: str


T = TypeVar("T")

Change = Callable[[Transaction, Job], Job]


class Reports:
    """Safe for threads: every report is a body on the journal's thread."""

    def __init__(
        self,
        journal: Journal,
        decisions: Decisions,
        clock: Clock,
        stopping: threading.Event,
    ) -> None:
        # Set once.
        self._journal = journal
        self._decisions = decisions
        self._clock = clock
        self._stopping = stopping

    def parked(self, claim: Claim, stop: Stop | None) -> None:
        """The worker stands still; `stop` adds the error policy's hold first."""

        def change(tx: Transaction, job: Job) -> Job:
            if job.state not in _AT_WORK:
                return job
            if stop is not None:
                job = _stopped(job, stop, tx.now)
            return life.parked(job, tx.now) if job.pauses else job

        self._write(claim, change)

    def unparked(self, claim: Claim) -> None:
        def change(tx: Transaction, job: Job) -> Job:
            goes_on = job.state in _PARKED and not job.pauses
            return life.unparked(job, tx.now) if goes_on else job

        self._write(claim, change)

    def saved(
        self, claim: Claim, state: bytes, status: Status | None, progress: Progress
    ) -> None:
        """How far the job is, beside it: no change that anybody hears of."""

        def decide(tx: Transaction) -> None:
            job = _mine(tx, claim)
            tx.save_checkpoint(claim.number, claim.worker.epoch, state)
            tx.note_progress(job, job.status if status is None else status, progress)

        self._submit(decide).made()

    def warned(self, claim: Claim, text: str, node_uri: str) -> None:
        def change(tx: Transaction, job: Job) -> Job:
            return _warned(job, JobWarning(text, tx.now, node_uri))

        self._write(claim, change)

    def worked(self, claim: Claim, progress: Progress) -> "Report[Job]":
        """Own work done, unless the job is being unwound by now. Waits for nothing."""

        def change(tx: Transaction, job: Job) -> Job:
            if job.state is State.ABORTING:
                return replace(job, progress=progress)
            return life.worked(job, tx.now, progress=progress)

        return self._submit(self._changing(claim, change))

    def failed(self, claim: Claim, failure: Failure, progress: Progress) -> Job:
        def change(tx: Transaction, job: Job) -> Job:
            return life.failed(replace(job, progress=progress), failure, tx.now)

        return self._write(claim, change)

    def requeued(self, claim: Claim, error: ServiceError) -> Job:
        """A foreign process has what the job needs: back into the queue."""

        def change(tx: Transaction, job: Job) -> Job:
            if job.state is not State.RUNNING:
                return job
            queued = life.requeued(job, foreign(error), tx.now)
            self._decisions.queue.defer(claim.number, tx.now)
            return queued

        return self._write(claim, change)

    def succeeded(
        self, results: dict[Claim, tuple[Result, Progress]]
    ) -> "Report[None]":
        """All at once: a group is visible as a whole. Waits for nothing."""

        def decide(tx: Transaction) -> None:
            for claim, (result, progress) in results.items():
                job = _mine(tx, claim)
                ended = life.succeeded(job, tx.now, result=result, progress=progress)
                self._decisions.put(tx, ended)

        return self._submit(decide)

    def fallen(self, claims: list[Claim], first: Claim, failure: Failure) -> None:
        """Finalising failed before anything was visible: all members unwind."""

        def decide(tx: Transaction) -> None:
            job = self._decisions.put(
                tx, life.failed(_mine(tx, first), failure, tx.now)
            )
            others = fellow_failure(job)
            for claim in claims:
                if claim is not first:
                    fellow = life.failed(_mine(tx, claim), others, tx.now)
                    self._decisions.put(tx, fellow)

        self._submit(decide).made()

    def ended(self, claim: Claim, warning: str | None, progress: Progress) -> None:
        """Unwound: flushed, closed, unlocked."""

        def change(tx: Transaction, job: Job) -> Job:
            job = replace(job, progress=progress)
            if warning is not None:
                job = _warned(job, JobWarning(warning, tx.now))
            return life.ended(job, tx.now)

        self._write(claim, change)

    def _write(self, claim: Claim, change: Change) -> Job:
        return self._submit(self._changing(claim, change)).made()

    def _changing(self, claim: Claim, change: Change) -> Body[Job]:
        return lambda tx: self._decisions.put(tx, change(tx, _mine(tx, claim)))

    def _submit(self, decide: Body[T]) -> "Report[T]":
        submit = partial(self._journal.submit, self._decisions.body(decide))
        return Report(submit, self._pause)

    def _pause(self) -> bool:
        """Wait before another try; True if there is to be none."""
        return self._clock.wait(self._stopping, AGAIN_SECONDS)


class Report(Generic[T]):
    """A report on its way. Who waits for it makes it again while the store has no
    answer; until somebody does, nothing happens but the first try."""

    def __init__(
        self, submit: Callable[[], "Future[T]"], pause: Callable[[], bool]
    ) -> None:
        self._submit = submit
        self._pause = pause
        self._outcome = submit()

    def if_it_fails(self, act: Callable[[], None]) -> None:
        """Hear, on whatever thread, that somebody has to wait for it."""

        def hear(outcome: "Future[T]") -> None:
            if outcome.exception() is not None:
                act()

        self._outcome.add_done_callback(hear)

    def made(self) -> T:
        while True:
            try:
                return self._outcome.result()
            except ServiceError as error:
                if error.kind is Kind.SERVER_STOPPING:
                    raise Stopping from error
                if error.kind not in _UNKNOWN:
                    raise
                if self._pause():
                    raise Stopping from error
            self._outcome = self._submit()


def foreign(error: ServiceError) -> Pending:
    """Why a job waits that a process which is not ours keeps from starting."""
    facts = error.facts
    pid, command, uri = facts.get("pid"), facts.get("command"), facts.get("uri")
    return Pending(
        PendingReason.HOLD,
        error.message,
        pid=pid if isinstance(pid, int) else None,
        command=command if isinstance(command, str) else None,
        node_uri=uri if isinstance(uri, str) else None,
    )


def _mine(tx: Transaction, claim: Claim) -> Job:
    job = tx.live().get(claim.number)
    if job is None or job.worker != claim.worker:
        raise Stale
    return job


def _warned(job: Job, warning: JobWarning) -> Job:
    return replace(job, warnings=(*job.warnings, warning)[-MAX_WARNINGS:])


def _stopped(job: Job, stop: Stop, now: Instant) -> Job:
    status = IoStatus.NOSPACE if stop.error.kind is Kind.NO_SPACE else IoStatus.FAILED
    nodes = tuple(_with_status(node, stop.node_key, status) for node in job.nodes)
    pause = Pause(Holder.ERROR_POLICY, sentence(stop.error), now, life.SYSTEM)
    return life.hold(replace(job, nodes=nodes), pause)


def _with_status(node: Node, key: str, status: IoStatus) -> Node:
    return replace(node, io_status=status) if node.key == key else node
