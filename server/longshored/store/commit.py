"""One batch into SQLite: rows from values, one transaction, one fsync."""

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from ..clock import SECOND, Instant
from ..job.model import Job
from .limits import write_limits
from .query import facets_of
from .transaction import Batch

Show = Callable[[Job], bytes | None]
"""Makes of a job the bytes in which it will be shown: kept beside it, never read."""

# How long an answer is kept for the caller who asks again (AIP-155).
REQUEST_LIFE = 24 * 3600 * SECOND

_ADD_EVENT = """
INSERT INTO events (revision, kind, number, previous_state, time, record)
VALUES (?, ?, ?, ?, ?, ?)
"""

_ADD_JOB_ID = "INSERT INTO job_ids (job_id, number) VALUES (?, ?)"

_ADD_JOB = """
INSERT INTO jobs (
    number, job_id, uid, kind, state, owner, revision, end_time, expire_time, record,
    shown
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

# The other columns never change in a job's life.
_PUT_JOB = """
UPDATE jobs
SET state = ?, revision = ?, end_time = ?, expire_time = ?, record = ?, shown = ?
WHERE number = ?
"""

_REMOVE_JOB = "DELETE FROM jobs WHERE number = ?"

_ADD_FACET = "INSERT INTO facets (facet, outcome, number) VALUES (?, ?, ?)"

_REMOVE_FACET = "DELETE FROM facets WHERE facet = ? AND outcome = ? AND number = ?"

_COUNT = """
INSERT INTO counts (kind, state, jobs) VALUES (?, ?, ?)
ON CONFLICT (kind, state) DO UPDATE SET jobs = jobs + excluded.jobs
"""

_REMEMBER = """
INSERT OR REPLACE INTO requests (caller, request_id, body, job_ids, expire_time)
VALUES (?, ?, ?, ?, ?)
"""

_SAVE_CHECKPOINT = """
INSERT OR REPLACE INTO checkpoints (number, epoch, state) VALUES (?, ?, ?)
"""

_DROP_CHECKPOINT = "DELETE FROM checkpoints WHERE number = ?"


def commit(
    connection: sqlite3.Connection,
    batch: Batch,
    now: Instant,
    prune: Callable[[sqlite3.Connection], None],
    show: Show,
) -> None:
    """Write all of a batch durably, or raise sqlite3.Error: then give_up().

    `prune` may delete what is too old, in the same transaction; `show` makes what is
    kept beside each job.
    """
    if not connection.in_transaction:
        connection.execute("BEGIN IMMEDIATE")
    _write(connection, batch, now, show)
    prune(connection)
    connection.execute("COMMIT")


def give_up(connection: sqlite3.Connection) -> None:
    """End a transaction without a trace, if one is open."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _write(
    connection: sqlite3.Connection, batch: Batch, now: Instant, show: Show
) -> None:
    def many(statement: str, rows: Iterable[Row]) -> None:
        # Most batches have nothing for most statements.
        if found := list(rows):
            connection.executemany(statement, found)

    many(_ADD_EVENT, _events(batch))
    many(_ADD_JOB_ID, batch.added.items())
    many(_ADD_JOB, _new_jobs(batch, show))
    many(_PUT_JOB, _changed_jobs(batch, show))
    many(_REMOVE_JOB, ((n,) for n, job in batch.after.items() if job is None))
    many(_REMOVE_FACET, _facets(batch, batch.before, batch.after))
    many(_ADD_FACET, _facets(batch, batch.after, batch.before))
    many(_COUNT, _counts(batch))
    many(_REMEMBER, _requests(batch, now))
    many(
        _SAVE_CHECKPOINT, ((n, c.epoch, c.state) for n, c in batch.checkpoints.items())
    )
    many(_DROP_CHECKPOINT, ((number,) for number in _ended(batch)))
    if batch.limits:
        write_limits(connection, batch.limits)


Row = tuple[object, ...]


def _events(batch: Batch) -> Iterator[Row]:
    for change, record in batch.changes:
        previous = change.previous.value if change.previous else None
        number = change.job.number
        yield change.revision, change.kind.value, number, previous, change.time, record


def _new_jobs(batch: Batch, show: Show) -> Iterator[Row]:
    for number, job in batch.after.items():
        if job is not None and batch.before[number] is None:
            yield (
                number,
                job.job_id,
                job.uid,
                job.kind,
                job.state.value,
                job.owner,
                job.revision,
                job.end_time,
                job.expire_time,
                batch.records[number],
                show(job),
            )


def _changed_jobs(batch: Batch, show: Show) -> Iterator[Row]:
    for number, job in batch.after.items():
        if job is not None and batch.before[number] is not None:
            yield (
                job.state.value,
                job.revision,
                job.end_time,
                job.expire_time,
                batch.records[number],
                show(job),
                number,
            )


def _facets(
    batch: Batch, those: dict[int, Job | None], others: dict[int, Job | None]
) -> Iterator[Row]:
    """The facets of jobs that stand differently in the index of the others."""
    for number, job in those.items():
        other = others[number]
        if job is not None and (other is None or outcome(job) != outcome(other)):
            facets = batch.facets.get(number) or facets_of(job)
            for facet in sorted(facets):
                yield facet, outcome(job), number


def outcome(job: Job) -> str:
    """Under which part of a facet a job is found: its final state, else ''."""
    return job.state.value if job.is_final else ""


def _counts(batch: Batch) -> Iterator[Row]:
    changed = Counter(_kind_and_state(batch.after.values()))
    changed.subtract(Counter(_kind_and_state(batch.before.values())))
    for (kind, state), difference in changed.items():
        if difference:
            yield kind, state, difference


def _kind_and_state(jobs: Iterable[Job | None]) -> Iterator[tuple[str, str]]:
    return ((job.kind, job.state.value) for job in jobs if job is not None)


def _requests(batch: Batch, now: Instant) -> Iterator[Row]:
    for (caller, request_id), known in batch.requests.items():
        job_ids = json.dumps(known.job_ids)
        yield caller, request_id, known.body, job_ids, now + REQUEST_LIFE


def _ended(batch: Batch) -> Iterator[int]:
    """Jobs that had not ended before this batch, and now have."""
    for number, job in batch.after.items():
        before = batch.before[number]
        if (job is None or job.is_final) and before is not None and not before.is_final:
            yield number
