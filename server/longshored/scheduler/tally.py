"""What jobs add up to: changes of state, times, bytes. For metrics; decides nothing.

Fed with what is durable, on the journal's thread, and with what workers say of
themselves whenever somebody asks. Names of jobs and of images stay out of it.
"""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..clock import SECOND, Instant
from ..job.model import Job
from ..job.nodes import Role
from ..job.progress import Progress
from ..job.states import State
from ..store.change import Change, ChangeKind
from ..tally import Histogram, Observed
from .progress import Running

QUEUE_BOUNDS = (0.01, 0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 6 * 3600.0, 24 * 3600.0)
RUN_BOUNDS = (1.0, 10.0, 60.0, 300.0, 1800.0, 3600.0, 4 * 3600.0, 24 * 3600.0)

_AT_WORK = frozenset({State.RUNNING, State.READY})
_PARKED = frozenset({State.PAUSED, State.STANDBY})
# The bytes that a job read are its sources'; all else happens to its target.
_WRITTEN = frozenset({Role.TOP, Role.TARGET, Role.OVERLAY})


class Move(NamedTuple):
    """A change of state. `reason` is a word of ours, never text."""

    kind: str
    to: State
    reason: str


class Moved(NamedTuple):
    """What was done with bytes, and on which device."""

    op: str
    device: str


class Ended(NamedTuple):
    kind: str
    state: State


@dataclass(frozen=True, slots=True)
class Totals:
    """All of it, as of one look."""

    moves: dict[Move, int]
    bytes: dict[Moved, int]
    throttled: dict[str, float]  # seconds, by kind
    queued: dict[str, Observed]  # seconds, by kind
    ran: dict[Ended, Observed]  # seconds
    pauses: dict[tuple[str, str], int]  # by kind and holder
    unsaved: dict[str, float]  # seconds since the oldest last checkpoint, by kind


@dataclass(slots=True)
class _Live:
    """A job that has not ended: as last told, what was counted, when it last saved."""

    job: Job
    counted: Progress
    saved_at: Instant


class JobTally:
    def __init__(self, running: Callable[[], Iterable[Running]]) -> None:
        # Set once.
        self._running = running
        # Guarded by _lock.
        self._lock = threading.Lock()
        self._live: dict[int, _Live] = {}
        self._moves: Counter[Move] = Counter()
        self._bytes: Counter[Moved] = Counter()
        self._throttled: defaultdict[str, float] = defaultdict(float)
        self._queued: dict[str, Histogram] = {}
        self._ran: dict[Ended, Histogram] = {}

    def adopt(self, jobs: Iterable[Job]) -> None:
        """Jobs that earlier lives of the daemon left: what they did is not ours."""
        with self._lock:
            for job in jobs:
                self._live[job.number] = _Live(job, job.progress, job.create_time)

    def note(self, changes: Sequence[Change]) -> None:
        """On the journal's thread, in order."""
        with self._lock:
            for change in changes:
                if change.kind is not ChangeKind.REMOVED:
                    self._note_locked(change)

    def look(self, now: Instant) -> Totals:
        samples = [(one, one.meter.sample()) for one in self._running()]
        with self._lock:
            for one, progress in samples:
                if (live := self._live.get(one.number)) is not None:
                    self._count_locked(live, progress)
                    live.saved_at = max(live.saved_at, one.saved_time or 0)
            return Totals(
                moves=dict(self._moves),
                bytes=dict(self._bytes),
                throttled=dict(self._throttled),
                queued={kind: one.seen() for kind, one in self._queued.items()},
                ran={ended: one.seen() for ended, one in self._ran.items()},
                pauses=self._pauses_locked(),
                unsaved=self._unsaved_locked(now),
            )

    # Inside.

    def _note_locked(self, change: Change) -> None:
        job = change.job
        live = self._live.get(job.number)
        if live is None:
            live = self._live[job.number] = _Live(job, Progress(), change.time)
        live.job = job
        self._count_locked(live, job.progress)
        if job.state is not change.previous:
            self._moves[Move(job.kind, job.state, _reason(job))] += 1
            self._time_locked(change)
            live.saved_at = change.time
        if job.is_final:
            del self._live[job.number]

    def _time_locked(self, change: Change) -> None:
        job = change.job
        if job.state is State.RUNNING and job.start_time == change.time:
            queued = self._queued.setdefault(job.kind, Histogram(QUEUE_BOUNDS))
            queued.note((job.start_time - job.create_time) / SECOND)
        if job.is_final and job.start_time is not None and job.end_time is not None:
            ended = Ended(job.kind, job.state)
            ran = self._ran.setdefault(ended, Histogram(RUN_BOUNDS))
            ran.note((job.end_time - job.start_time) / SECOND)

    def _count_locked(self, live: _Live, progress: Progress) -> None:
        """Add what is new. A sample may come after one that was taken later."""
        before = live.counted
        if progress.sample_time < before.sample_time:
            return
        live.counted = progress
        source, target = _devices(live.job)
        for op, device, more in (
            ("read", source, progress.read - before.read),
            ("written", target, progress.written - before.written),
            ("zeroed", target, progress.zeroed - before.zeroed),
            ("reflinked", target, progress.reflinked - before.reflinked),
            ("skipped", target, progress.skipped - before.skipped),
        ):
            if more > 0:
                self._bytes[Moved(op, device)] += more
        waited = progress.ledger.throttled - before.ledger.throttled
        if waited > 0:
            self._throttled[live.job.kind] += waited

    def _pauses_locked(self) -> dict[tuple[str, str], int]:
        return Counter(
            (live.job.kind, pause.holder.value)
            for live in self._live.values()
            for pause in live.job.pauses
        )

    def _unsaved_locked(self, now: Instant) -> dict[str, float]:
        oldest: dict[str, float] = {}
        for live in self._live.values():
            if live.job.state in _AT_WORK:
                age = max(0.0, (now - live.saved_at) / SECOND)
                oldest[live.job.kind] = max(age, oldest.get(live.job.kind, 0.0))
        return oldest


def _reason(job: Job) -> str:
    """Why, in a word: of an end the kind of its failure, of a pause who holds it."""
    if job.state in _PARKED and job.pauses:
        return job.pauses[0].holder.value
    if job.state is State.QUEUED and job.pending is not None:
        return job.pending.reason.value
    return "" if job.failure is None else job.failure.kind.value


def _devices(job: Job) -> tuple[str, str]:
    """Where it reads and where it writes, as far as that is known."""
    devices = [(node.role, node.device) for node in job.nodes if node.device]
    target = next((name for role, name in devices if role in _WRITTEN), "")
    source = next((name for role, name in devices if role not in _WRITTEN), target)
    return source, target
