"""Reading what is durable, from any thread, beside the journal.

A pool of read-only connections. Each call is one statement or one read
transaction, so it sees one state of the store.
"""

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from ..clock import Instant
from ..errors import Kind, ServiceError
from ..job.model import Job
from ..job.states import State
from .change import Change, ChangeKind
from .database import Database
from .faults import translating
from .limits import SetLimit, read_limits
from .listing import Stored, page
from .query import JobQuery
from .record import decode

# Jobs in one chunk of a snapshot.
CHUNK = 500

# Connections that are kept for the next readers.
MOST_IDLE = 8

_BY_ID = """
SELECT record FROM jobs WHERE number = (SELECT number FROM job_ids WHERE job_id = ?)
"""
_BY_IDS = """
SELECT jobs.record FROM json_each(?) AS asked
JOIN job_ids ON job_ids.job_id = asked.value
JOIN jobs ON jobs.number = job_ids.number
ORDER BY asked.id
"""
# The sequence, not the newest row: it knows pruned revisions too.
_ENDS = """
SELECT (SELECT min(revision) FROM events),
       (SELECT max(seq) FROM sqlite_sequence WHERE name = 'events')
"""
_CHANGES = """
SELECT revision, kind, previous_state, time, record FROM events
WHERE revision > ? ORDER BY revision LIMIT ?
"""
_EXPIRED = """
SELECT job_id FROM jobs WHERE expire_time <= ? ORDER BY expire_time LIMIT ?
"""
_COUNTS = "SELECT kind, state, jobs FROM counts WHERE jobs > 0"

Chunks = Iterator[list[Stored]]


class Reader:
    def __init__(self, database: Database) -> None:
        # Set once.
        self._database = database
        # Guarded by _lock.
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False

    @property
    def history_id(self) -> str:
        return self._database.meta.history_id

    def get(self, job_id: str) -> Job:
        with self._connection() as connection:
            row = connection.execute(_BY_ID, (job_id,)).fetchone()
        if row is None:
            raise ServiceError(Kind.JOB_NOT_FOUND, f"No job {job_id}", job_id=job_id)
        return decode(row[0])

    def many(self, job_ids: Sequence[str]) -> list[Job]:
        """Those of the jobs that are there, in the order asked."""
        with self._connection() as connection:
            rows = connection.execute(_BY_IDS, (json.dumps(job_ids),)).fetchall()
        return [decode(row[0]) for row in rows]

    def head(self) -> int:
        """The newest revision; 0 while nothing has happened."""
        with self._connection() as connection:
            return _ends(connection)[1]

    def oldest(self) -> int:
        """The oldest revision that the log still holds."""
        with self._connection() as connection:
            return _ends(connection)[0]

    def changes_after(self, revision: int, limit: int) -> list[Change]:
        """The next changes after a revision, oldest first.

        Raises ServiceError(REVISION_COMPACTED) if some of them are no longer in
        the log, (REVISION_IN_FUTURE) if the revision was never reached.
        """
        with self._connection() as connection, _one_state(connection):
            _check_cursor(revision, *_ends(connection))
            rows = connection.execute(_CHANGES, (revision, limit)).fetchall()
        return [_change(*row) for row in rows]

    def list_jobs(self, query: JobQuery, *, after: int | None, limit: int) -> list[Job]:
        """A page of jobs, newest first, older than the create revision `after`."""
        found = self.list_stored(query, after=after, limit=limit)
        return [stored.job() for stored in found]

    def list_stored(
        self, query: JobQuery, *, after: int | None, limit: int
    ) -> list[Stored]:
        """As list_jobs(); the jobs are not read."""
        with self._connection() as connection, _one_state(connection):
            return page(connection, query, after=after, limit=limit)

    @contextmanager
    def snapshot(self, query: JobQuery) -> Iterator[tuple[int, Chunks]]:
        """The head revision and every job as it was then, newest first.

        The store cannot shorten its log while a snapshot is open: read on and
        close it; what is slow belongs behind it.
        """
        with self._connection() as connection, _one_state(connection):
            yield _ends(connection)[1], _chunks(connection, query)

    def expired(self, now: Instant, limit: int) -> list[str]:
        """The ids of jobs whose time has come to be removed, the oldest first."""
        with self._connection() as connection:
            rows = connection.execute(_EXPIRED, (now, limit)).fetchall()
        return [job_id for (job_id,) in rows]

    def counts(self) -> Mapping[tuple[str, State], int]:
        """How many jobs there are of each kind in each state; no zeros."""
        with self._connection() as connection:
            rows = connection.execute(_COUNTS).fetchall()
        return {(kind, State(state)): jobs for kind, state, jobs in rows}

    def limits(self) -> dict[str, SetLimit]:
        """The limits that calls have set, by device; '' is the daemon."""
        with self._connection() as connection:
            return read_limits(connection)

    def close(self) -> None:
        """Close what is idle now, and what is in use when it is given back."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        with translating("read"):
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            if connection is None:
                connection = self._database.connect_reader()
            try:
                yield connection
            finally:
                self._give_back(connection)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if not self._closed and len(self._idle) < MOST_IDLE:
                self._idle.append(connection)
                return
        connection.close()


@contextmanager
def _one_state(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")


def _ends(connection: sqlite3.Connection) -> tuple[int, int]:
    oldest, head = connection.execute(_ENDS).fetchone()
    return oldest or 1, head or 0


def _check_cursor(revision: int, oldest: int, head: int) -> None:
    if revision < oldest - 1:
        kind, message = Kind.REVISION_COMPACTED, "is no longer in the log"
    elif revision > head:
        kind, message = Kind.REVISION_IN_FUTURE, "has not been reached"
    else:
        return
    raise ServiceError(
        kind,
        f"Revision {revision} {message}, which goes from {oldest} to {head}",
        revision=revision,
        oldest_revision=oldest,
        head_revision=head,
    )


def _change(
    revision: int, kind: str, previous: str | None, time: int, record: str
) -> Change:
    before = None if previous is None else State(previous)
    return Change(revision, ChangeKind(kind), decode(record), before, time)


def _chunks(connection: sqlite3.Connection, query: JobQuery) -> Chunks:
    after: int | None = None
    while found := page(connection, query, after=after, limit=CHUNK):
        yield found
        after = found[-1].number
