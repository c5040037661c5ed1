"""The journal: one thread that runs every body which changes jobs, and commits.

    submit()  ->  queue  ->  bodies, one after another  ->  before_commit
              ->  one SQLite transaction, one fsync  ->  on_commit  ->  futures

What arrives while a batch is being written is the next batch: under load many
bodies share one fsync, alone a body waits for nobody. Revision order is commit
order is the order in which bodies ran.
"""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import structlog

from ..clock import Clock
from ..errors import Kind, ServiceError
from ..job.model import Job
from ..tally import Histogram
from ..units import MiB
from .change import Change
from .commit import Show, commit, give_up
from .database import Database
from .faults import is_passing, translated, translating
from .record import decode
from .retain import Retention, prune_events, prune_requests
from .transaction import Batch, Live, Transaction

T = TypeVar("T")

Body = Callable[[Transaction], T]
Answer = Callable[[T, Transaction], T]
BeforeCommit = Callable[[Transaction], None]
OnCommit = Callable[[Sequence[Change]], None]

# Bodies, and changes, in one batch: they bound how long the first body waits for the
# last, and what is remembered of a change until all are told of it. One body may
# change more: a group is made as a whole.
LARGEST_BATCH = 256
MOST_CHANGES = 512

# SQLite copies the write-ahead log back every few MiB (`database.py`) and starts it
# over when no reader is in the way. If readers always overlap it only grows: from
# this size on the journal waits for them, briefly, and again after as much more.
LOG_LIMIT = 32 * MiB

# Bytes of the log are counted once in so many commits: each look gives the
# interpreter's lock away, and a commit writes far less than the limit.
LOG_LOOK = 64

# Seconds: from memory that only looks like a disk to a disk that is overwhelmed.
COMMIT_BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0)

_log = structlog.get_logger(__name__)


def as_it_is(result: T, _: Transaction) -> T:
    """Answer what the body returned."""
    return result


@dataclass(frozen=True, slots=True)
class _Task:
    body: Body[Any]
    answer: Answer[Any]
    future: "Future[Any]"


class Journal:
    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        retention: Retention | None = None,
        show: Show = lambda _: None,
    ) -> None:
        """`show` makes what is kept beside each job; it may not wait."""
        # Set once.
        self._clock = clock
        self._connection = database.writer
        self._log_file = database.log_file
        self._retention = retention or Retention()
        self._show = show
        self._thread = threading.Thread(target=self._serve, name="journal", daemon=True)
        self._before_commit: BeforeCommit = lambda _: None
        self._on_commit: OnCommit = lambda _: None
        # Written by the journal thread; for any to look at.
        self.commit_seconds = Histogram(COMMIT_BOUNDS)
        # Only the journal thread touches these once it runs.
        self._live = Live()
        self._log_limit = LOG_LIMIT
        self._steps = 0
        # Guarded by _wakeup.
        self._wakeup = threading.Condition()
        self._queue: list[_Task] = []
        self._stopping = False
        # Written by the journal thread, once; read by any.
        self._broken: ServiceError | None = None

    @property
    def healthy(self) -> bool:
        """False after an I/O error: nothing more is written until a restart."""
        return self._broken is None

    def start(self, *, before_commit: BeforeCommit, on_commit: OnCommit) -> None:
        """Read the unfinished jobs and begin to serve.

        `before_commit` sees each batch last and may change more in it;
        `on_commit` hears of durable changes, in order. Both on the journal
        thread; neither may wait for the journal.
        """
        self._before_commit = before_commit
        self._on_commit = on_commit
        self._live = _read_live(self._connection)
        self._thread.start()

    def submit(self, body: Body[T], answer: Answer[T] = as_it_is) -> "Future[T]":
        """Run a body; the future resolves when all it did is durable.

        A body that raises changes nothing, and its future alone gets the error.
        `answer` looks once more when the batch is complete; it must not raise.
        """
        future: Future[T] = Future()
        with self._wakeup:
            if self._stopping:
                future.set_exception(_stopped())
                return future
            self._queue.append(_Task(body, answer, future))
            self._wakeup.notify()
        return future

    def run(self, body: Body[T], answer: Answer[T] = as_it_is) -> T:
        assert threading.current_thread() is not self._thread, "would wait for itself"
        return self.submit(body, answer).result()

    def stop(self) -> None:
        """Finish what was submitted, fold the log into the file, end the thread."""
        with self._wakeup:
            self._stopping = True
            self._wakeup.notify()
        self._thread.join()
        self._checkpoint("TRUNCATE")

    # The journal thread.

    def _serve(self) -> None:
        while tasks := self._take():
            self._put_back(tasks[self._step(tasks) :])
            self._bound_log()

    def _take(self) -> list[_Task]:
        """What waits, or nothing at the end."""
        with self._wakeup:
            while not (self._queue or self._stopping):
                self._wakeup.wait()
            tasks = self._queue[:LARGEST_BATCH]
            del self._queue[:LARGEST_BATCH]
        return tasks

    def _put_back(self, tasks: list[_Task]) -> None:
        if tasks:
            with self._wakeup:
                self._queue[:0] = tasks

    def _step(self, tasks: list[_Task]) -> int:
        """Run one batch, of as many of the tasks as come back; at least one."""
        transaction = Transaction(self._connection, self._live, self._clock.wall())
        start = transaction.mark()
        outcomes = []
        for task in tasks:
            outcomes.append((task, _attempt(task, transaction)))
            if len(transaction.batch.changes) >= MOST_CHANGES:
                break
        self._last_word(transaction)
        if (failure := self._commit(transaction)) is None:
            self._tell(transaction.batch)
        else:
            transaction.undo(start)
        for task, resolve in outcomes:
            if failure is not None and task.future.running():
                task.future.set_exception(failure)
            else:
                resolve()
        return len(outcomes)

    def _last_word(self, transaction: Transaction) -> None:
        mark = transaction.mark()
        try:
            self._before_commit(transaction)
        except Exception:  # noqa: BLE001 - a bug above must not end the journal
            # No caller to tell, and the batch of others is right without it.
            transaction.undo(mark)
            _log.exception("decisions_dropped")

    def _commit(self, transaction: Transaction) -> ServiceError | None:
        try:
            self._write(transaction)
        except sqlite3.Error as error:
            give_up(self._connection)
            failure = translated(error, "wrote")
            if not is_passing(error):
                self._broken = failure
            _log.error("commit_failed", error=str(failure), healthy=self.healthy)
            return failure
        except Exception as error:  # noqa: BLE001 - a bug of ours; the next batch counts
            give_up(self._connection)
            _log.exception("commit_failed")
            return ServiceError(
                Kind.INTERNAL, "A change could not be stored", why=repr(error)
            )
        return self._broken

    def _write(self, transaction: Transaction) -> None:
        if transaction.failure is not None:
            raise transaction.failure
        if transaction.batch.is_empty or self._broken is not None:
            give_up(self._connection)
        else:
            began = self._clock.now()
            prune = partial(self._prune, transaction.batch)
            commit(
                self._connection,
                transaction.batch,
                transaction.now,
                prune,
                self._shown,
            )
            self.commit_seconds.note(self._clock.now() - began)

    def _prune(self, batch: Batch, connection: sqlite3.Connection) -> None:
        now, added = self._clock.wall(), len(batch.changes)
        head = self._live.head
        prune_events(connection, self._retention, head=head, added=added, now=now)
        prune_requests(connection, now)

    def _shown(self, job: Job) -> bytes | None:
        try:
            return self._show(job)
        except Exception:  # noqa: BLE001 - a bug above must not keep jobs from changing
            # Whoever wants to see the job makes the bytes then.
            _log.exception("not_shown", job=job.job_id)
            return None

    def _tell(self, batch: Batch) -> None:
        if not batch.changes:
            return
        try:
            self._on_commit([change for change, _ in batch.changes])
        except Exception:  # noqa: BLE001 - a bug above must not end the journal
            # The changes are durable: whoever asked must hear so all the same.
            _log.exception("listener_failed")

    def _bound_log(self) -> None:
        self._steps += 1
        if self._steps % LOG_LOOK:
            return
        if (size := _size(self._log_file)) < self._log_limit:
            return
        self._checkpoint("TRUNCATE")
        grown = _size(self._log_file) >= size
        self._log_limit = size + LOG_LIMIT if grown else LOG_LIMIT

    def _checkpoint(self, mode: str) -> None:
        try:
            self._connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        except sqlite3.Error as error:
            # Nothing is lost: the log stays as it is and the next try may work.
            _log.warning("log_checkpoint_failed", error=str(error))


_UNFINISHED = """
SELECT record FROM jobs
WHERE state NOT IN ('SUCCEEDED', 'FAILED', 'CANCELLED') ORDER BY number
"""
# The sequence, not the newest row: it knows pruned revisions too.
_HEAD = "SELECT max(seq) FROM sqlite_sequence WHERE name = 'events'"


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0


def _read_live(connection: sqlite3.Connection) -> Live:
    with translating("read the unfinished jobs"):
        rows = connection.execute(_UNFINISHED).fetchall()
        (head,) = connection.execute(_HEAD).fetchone()
    jobs = {job.number: job for job in (decode(row[0]) for row in rows)}
    numbers = {job.job_id: job.number for job in jobs.values()}
    return Live(jobs, numbers, head or 0)


def _attempt(task: _Task, transaction: Transaction) -> Callable[[], None]:
    """Run one body; how to resolve its future comes back, for after the commit."""
    if not task.future.set_running_or_notify_cancel():
        return _nobody_waits
    mark = transaction.mark()
    try:
        result = task.body(transaction)
    except Exception as error:  # noqa: BLE001 - it goes to the caller
        transaction.undo(mark)
        return partial(task.future.set_exception, error)
    return lambda: task.future.set_result(task.answer(result, transaction))


def _nobody_waits() -> None:
    """A future that was cancelled before its body ran."""


def _stopped() -> ServiceError:
    return ServiceError(Kind.SERVER_STOPPING, "The daemon is stopping")
