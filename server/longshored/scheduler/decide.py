"""The one writer of jobs: each change is stored with all that follows from it.

Everything here runs on the journal's thread, inside a transaction. The queue is
told of each change at once, so that whoever decides next in the same batch sees
it. What is then undone (a body that raises, a commit that fails) is looked up
again before the next decision.
"""

from collections.abc import Callable
from typing import TypeVar

from ..errors import Kind
from ..job import life
from ..job.group import settle
from ..job.model import Failure, Job
from ..job.replace import replace
from ..job.states import State
from ..store.transaction import Transaction
from .pick import Queue
from .retention import Retention, expire_time
from .shifts import Shifts

T = TypeVar("T")

Body = Callable[[Transaction], T]

# Where a job's state says something to the other members of its group.
_TELLING = frozenset({State.WAITING, State.PENDING, State.ABORTING})


class Decisions:
    """Changes of jobs, and the queue that must agree with them."""

    def __init__(self, queue: Queue, shifts: Shifts, retention: Retention) -> None:
        # Set once.
        self.queue = queue
        self._shifts = shifts
        # A setting.
        self.retention = retention
        # Jobs changed in the batch that is open, and those that may be wrong in
        # the queue because a change was undone.
        self._touched: set[int] = set()
        self._doubtful: set[int] = set()
        # Those of them that the end of the batch does not settle.
        self._lost: set[int] = set()
        self._sealed = False

    # The batch.

    def body(self, decide: Body[T]) -> Body[T]:
        """A body for the journal that finds the queue as it should be."""

        def run(tx: Transaction) -> T:
            self._refresh(tx)
            try:
                return decide(tx)
            except BaseException:
                self._doubtful |= self._touched
                raise

        return run

    def seal(self, tx: Transaction) -> None:
        """The batch ends here; if `committed` does not follow, it was undone."""
        self._refresh(tx)
        self._sealed = True

    def lose(self) -> None:
        """What was decided last is undone, though the batch is committed."""
        self._lost |= self._touched

    def committed(self) -> None:
        self._touched.clear()
        self._doubtful, self._lost = self._lost, set()
        self._sealed = False

    def _refresh(self, tx: Transaction) -> None:
        if self._sealed:
            self._doubtful |= self._touched
            self._touched.clear()
            self._sealed = False
        if self._doubtful:
            # As if they came anew: what was decided about them may be undone too.
            for number in self._doubtful:
                self._see(number, None)
            live = tx.live()
            for number in sorted(self._doubtful):
                self._see(number, live.get(number))
            self._doubtful.clear()

    # Changes.

    def add(self, tx: Transaction, draft: Job) -> Job:
        job = tx.add(draft)
        self._touched.add(job.number)
        self.notice(job)
        return job

    def notice(self, job: Job) -> None:
        """The queue learns of a job as it is."""
        self._see(job.number, job)

    def put(self, tx: Transaction, job: Job) -> Job:
        """Store a changed job and what it means for its group and its followers.

        Returns the job as it is after all that.
        """
        if job.group is None:
            job = settle([job], tx.now)[0]
        stored = self._store(tx, job)
        if stored.group is not None and (stored.state in _TELLING or stored.is_final):
            self._settle_group(tx, stored)
            return tx.by_number(stored.number)
        return stored

    def _store(self, tx: Transaction, job: Job) -> Job:
        if job.is_final and job.expire_time is None:
            job = replace(job, expire_time=expire_time(job, self.retention))
        was_live = job.number in tx.live()
        stored = tx.put(job)
        self._touched.add(stored.number)
        if was_live and stored.is_final:
            self._end_followers(tx, stored)
        self.notice(stored)
        return stored

    def _see(self, number: int, job: Job | None) -> None:
        self.queue.see(number, job)
        self._shifts.see(number, job)

    def _settle_group(self, tx: Transaction, job: Job) -> None:
        assert job.group is not None
        numbers = self.queue.group(job.group.group_id)
        members = [tx.by_number(number) for number in numbers]
        if job.is_final:
            members.append(job)
        for before, after in zip(members, settle(members, tx.now), strict=True):
            if after is not before:
                self._store(tx, after)

    def _end_followers(self, tx: Transaction, ended: Job) -> None:
        """Jobs that come after one that did not succeed have nothing to wait for."""
        if ended.state is State.SUCCEEDED:
            return
        for number in self.queue.followers(ended.job_id):
            job = tx.by_number(number)
            if job.state is State.QUEUED:
                self.put(tx, life.failed(job, _left_behind(ended), tx.now))


def _left_behind(ended: Job) -> Failure:
    return Failure(
        Kind.PREDECESSOR_FAILED,
        f"Job {ended.job_id}, which it comes after, ended {ended.state.value}",
        {"job_id": ended.job_id, "state": ended.state.value},
    )
