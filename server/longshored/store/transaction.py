"""What a body sees on the journal thread: the store, with the batch's changes in it.

Nothing is written to SQLite here. A body reads committed rows through the
writer's connection and its batch's changes from dictionaries; `commit.py`
writes those down when the batch is complete.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from ..clock import Instant
from ..errors import Kind, ServiceError
from ..job.model import Job
from ..job.progress import Progress
from ..job.replace import replace
from ..job.spec import Status
from .change import Change, ChangeKind
from .faults import translated
from .limits import SetLimit
from .overlay import Overlay
from .query import facets_of, group_facet
from .record import decode, encode


@dataclass(frozen=True, slots=True)
class Remembered:
    """What was answered to a request id, and to which request."""

    body: str
    job_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    epoch: int
    state: bytes


@dataclass(slots=True)
class Live:
    """Every job that has not ended, as committed: the journal's memory."""

    jobs: dict[int, Job] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)  # by job_id
    head: int = 0  # the last revision given out


@dataclass(frozen=True, slots=True)
class Mark:
    overlay: int
    changes: int


@dataclass(slots=True)
class Batch:
    """What is to be written: values only. Keys are job numbers."""

    changes: list[tuple[Change, str]] = field(default_factory=list)  # with record
    before: dict[int, Job | None] = field(default_factory=dict)  # None: not there
    after: dict[int, Job | None] = field(default_factory=dict)  # None: removed
    records: dict[int, str] = field(default_factory=dict)
    facets: dict[int, frozenset[str]] = field(default_factory=dict)
    added: dict[str, int] = field(default_factory=dict)  # job_id to number
    requests: dict[tuple[str, str], Remembered] = field(default_factory=dict)
    checkpoints: dict[int, Checkpoint] = field(default_factory=dict)
    # By device; None: taken away.
    limits: dict[str, SetLimit | None] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return not (self.records or self.requests or self.checkpoints or self.limits)


_BY_NUMBER = "SELECT record FROM jobs WHERE number = ?"
_NUMBER = "SELECT number FROM job_ids WHERE job_id = ?"
_REQUEST = "SELECT body, job_ids FROM requests WHERE caller = ? AND request_id = ?"
_FACET = "SELECT 1 FROM facets WHERE facet = ? LIMIT 1"
_CHECKPOINT = "SELECT epoch, state FROM checkpoints WHERE number = ?"


class Transaction:
    """The store for one batch of bodies. Only for the journal thread."""

    def __init__(
        self, connection: sqlite3.Connection, live: Live, now: Instant
    ) -> None:
        self.now = now
        self.batch = Batch()
        self.failure: sqlite3.Error | None = None  # of a read
        self._connection = connection
        self._live = live
        self._overlay = Overlay()

    # Reading.

    def live(self) -> Mapping[int, Job]:
        """Every job that has not ended. Copy it before changing jobs in a loop."""
        return MappingProxyType(self._live.jobs)

    def get(self, job_id: str) -> Job:
        number = self._number(job_id)
        if number is not None and (job := self._find(number)) is not None:
            return job
        raise ServiceError(Kind.JOB_NOT_FOUND, f"No job {job_id}", job_id=job_id)

    def by_number(self, number: int) -> Job:
        if (job := self._find(number)) is not None:
            return job
        raise ServiceError(Kind.JOB_NOT_FOUND, f"No job {number}", number=number)

    def as_left(self, job: Job) -> Job:
        """A job of this batch as it is now; of another, or removed: as given."""
        return self.batch.after.get(job.number) or job

    def has_group(self, group_id: str) -> bool:
        """Whether there is a job of the group, ended or not, that was not removed."""
        facet = group_facet(group_id)
        if any(facet in facets for facets in self.batch.facets.values()):
            return True
        return self._row(_FACET, (facet,)) is not None

    def replayed(self, caller: str, request_id: str) -> Remembered | None:
        """What was remembered for this request id of this caller."""
        key = (caller, request_id)
        if (known := self.batch.requests.get(key)) is not None:
            return known
        if (row := self._row(_REQUEST, key)) is None:
            return None
        body, job_ids = row
        return Remembered(str(body), tuple(json.loads(str(job_ids))))

    def checkpoint(self, number: int) -> bytes | None:
        saved = self._checkpoint(number)
        return None if saved is None else saved.state

    def check_new_id(self, job_id: str) -> None:
        """Raise ServiceError(JOB_ID_TAKEN) if a job has, or had, the id."""
        if self._number(job_id) is not None:
            raise ServiceError(
                Kind.JOB_ID_TAKEN,
                f"The job id {job_id} was used before; ids are never reused",
                job_id=job_id,
            )

    # Writing.

    def add(self, draft: Job) -> Job:
        """Give a new job its number and first revision."""
        # A name that is the job's own uid is new by nature: no need to look it up.
        if draft.job_id != draft.uid:
            self.check_new_id(draft.job_id)
        revision = self._next_revision()
        job = replace(
            draft, number=revision, revision=revision, create_revision=revision
        )
        record, facets = encode(job), facets_of(job)
        # What SQLite would refuse must fail here, not in the batch of others.
        "".join((job.job_id, job.uid, job.owner, *facets)).encode("utf-8")
        self._overlay.set(self.batch.added, job.job_id, revision)
        self._overlay.set(self.batch.before, revision, None)
        self._overlay.set(self.batch.facets, revision, facets)
        self._store(Change(revision, ChangeKind.CREATED, job, None, self.now), record)
        return job

    def put(self, job: Job) -> Job:
        """Store a changed job; an unchanged one costs nothing and moves nothing.

        Raises ServiceError(REVISION_MISMATCH) if `job` is not made from the
        job as it is now: somebody's change would be lost.
        """
        stored = self.by_number(job.number)
        if job is stored or job == stored:
            return stored
        _check_base(job, stored)
        changed = replace(job, revision=self._next_revision())
        record = encode(changed)
        self._note_before(stored)
        self._store(self._updated(changed, stored), record)
        return changed

    def remove(self, job: Job) -> None:
        """Forget a job. Its id stays taken; the log keeps its last state a while."""
        stored = self.by_number(job.number)
        _check_base(job, stored)
        last = replace(stored, revision=self._next_revision())
        record = encode(last)
        self._note_before(stored)
        self._store(
            Change(last.revision, ChangeKind.REMOVED, last, stored.state, self.now),
            record,
        )

    def remember(
        self, caller: str, request_id: str, body: str, job_ids: Sequence[str]
    ) -> None:
        """Keep an answer for a day, or as long as one of its jobs is there."""
        known = Remembered(body, tuple(job_ids))
        self._overlay.set(self.batch.requests, (caller, request_id), known)

    def save_checkpoint(self, number: int, epoch: int, state: bytes) -> None:
        """Keep what a driver wants to know after a restart. Moves no revision.

        Raises ServiceError(REVISION_MISMATCH) for a claim older than the last.
        """
        job = self.by_number(number)
        saved = self._checkpoint(number)
        if job.is_final or (saved is not None and saved.epoch > epoch):
            raise ServiceError(
                Kind.REVISION_MISMATCH,
                f"A stale worker of job {job.job_id} tried to save its checkpoint",
                job_id=job.job_id,
                expected=None if saved is None else saved.epoch,
                actual=epoch,
            )
        self._overlay.set(self.batch.checkpoints, number, Checkpoint(epoch, state))

    def note_progress(
        self, job: Job, status: Status | None, progress: Progress
    ) -> None:
        """Keep how far a job is. Progress is not a change: its revision stays, and
        so does whatever else was decided about it meanwhile."""
        stored = self.by_number(job.number)
        noted = replace(stored, status=status, progress=progress)
        record = encode(noted)
        self._note_before(stored)
        self._overlay.set(self.batch.after, noted.number, noted)
        self._overlay.set(self.batch.records, noted.number, record)
        self._overlay.set(self._live.jobs, noted.number, noted)

    def set_limit(self, device: str, limit: SetLimit | None) -> None:
        """Keep what a call set for a device, '' for the daemon; None: forget it."""
        self._overlay.set(self.batch.limits, device, limit)

    # For the journal.

    def mark(self) -> Mark:
        return Mark(self._overlay.mark, len(self.batch.changes))

    def undo(self, mark: Mark) -> None:
        self._overlay.undo(mark.overlay)
        self._live.head -= len(self.batch.changes) - mark.changes
        del self.batch.changes[mark.changes :]

    # Inside.

    def _next_revision(self) -> int:
        return self._live.head + 1

    def _store(self, change: Change, record: str) -> None:
        """Nothing here can fail: a body is stored as a whole or not at all."""
        job, number, put = change.job, change.job.number, self._overlay.set
        removed = change.kind is ChangeKind.REMOVED
        self._live.head = change.revision
        self.batch.changes.append((change, record))
        put(self.batch.after, number, None if removed else job)
        put(self.batch.records, number, record)
        if removed or job.is_final:
            self._overlay.drop(self._live.jobs, number)
            self._overlay.drop(self._live.numbers, job.job_id)
            self._overlay.drop(self.batch.checkpoints, number)
        else:
            put(self._live.jobs, number, job)
            put(self._live.numbers, job.job_id, number)

    def _updated(self, job: Job, stored: Job) -> Change:
        return Change(job.revision, ChangeKind.UPDATED, job, stored.state, self.now)

    def _note_before(self, stored: Job) -> None:
        if stored.number not in self.batch.before:
            self._overlay.set(self.batch.before, stored.number, stored)

    def _number(self, job_id: str) -> int | None:
        """The number of an id, also of a removed job."""
        number = self._live.numbers.get(job_id) or self.batch.added.get(job_id)
        if number is None and (row := self._row(_NUMBER, (job_id,))) is not None:
            number = int(str(row[0]))
        return number

    def _find(self, number: int) -> Job | None:
        if (job := self._live.jobs.get(number)) is not None:
            return job
        if number in self.batch.after:
            return self.batch.after[number]
        row = self._row(_BY_NUMBER, (number,))
        return None if row is None else decode(str(row[0]))

    def _checkpoint(self, number: int) -> Checkpoint | None:
        if (saved := self.batch.checkpoints.get(number)) is not None:
            return saved
        row = self._row(_CHECKPOINT, (number,))
        if row is None:
            return None
        epoch, state = row
        assert isinstance(epoch, int)
        assert isinstance(state, bytes)
        return Checkpoint(epoch, state)

    def _row(self, query: str, values: tuple[object, ...]) -> tuple[object, ...] | None:
        try:
            # One transaction for all reads of the batch: alone, each would pay
            # for the locks of the write-ahead log.
            if not self._connection.in_transaction:
                self._connection.execute("BEGIN IMMEDIATE")
            row: tuple[object, ...] | None
            row = self._connection.execute(query, values).fetchone()
        except sqlite3.Error as error:
            self.failure = error
            raise translated(error, "read") from error
        return row


def _check_base(job: Job, stored: Job) -> None:
    if job.revision != stored.revision:
        raise ServiceError(
            Kind.REVISION_MISMATCH,
            f"Job {stored.job_id} has changed since it was read",
            job_id=stored.job_id,
            expected=job.revision,
            actual=stored.revision,
        )
