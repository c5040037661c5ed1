"""How long the log and the answers to requests are kept: small steps in each batch."""

import sqlite3
from dataclasses import dataclass

from ..clock import SECOND, Instant
from .commit import REQUEST_LIFE


@dataclass(frozen=True, slots=True)
class Retention:
    """The log keeps at least `fewest` changes and `shortest` time, at most `most`."""

    fewest: int = 10_000
    shortest: Instant = 3600 * SECOND
    most: int = 100_000


# Rows deleted in one batch beyond what the batch itself added: enough to catch up
# soon, too few to be felt as a pause.
STEP = 256

_OLDEST = "SELECT min(revision) FROM events"
_TIME = "SELECT time FROM events WHERE revision = ?"
_FORGET = "DELETE FROM events WHERE revision <= ?"


def oldest_event(connection: sqlite3.Connection) -> int:
    """The oldest revision of the log, 1 while there is none."""
    (oldest,) = connection.execute(_OLDEST).fetchone()
    return oldest or 1


def prune_events(
    connection: sqlite3.Connection,
    retention: Retention,
    *,
    head: int,
    added: int,
    now: Instant,
) -> None:
    oldest = oldest_event(connection)
    if head - oldest + 1 <= retention.fewest:
        return
    last = min(oldest + added + STEP - 1, head - retention.fewest)
    too_many = min(last, head - retention.most)
    if _is_old(connection, last, now - retention.shortest):
        connection.execute(_FORGET, (last,))
    elif too_many >= oldest:
        connection.execute(_FORGET, (too_many,))


def _is_old(connection: sqlite3.Connection, revision: int, limit: Instant) -> bool:
    row = connection.execute(_TIME, (revision,)).fetchone()
    return row is not None and row[0] < limit


_EXPIRED = """
SELECT caller, request_id, job_ids FROM requests WHERE expire_time < ? LIMIT ?
"""
_JOB_IS_THERE = """
SELECT EXISTS (
    SELECT 1 FROM json_each(?) AS asked
    JOIN job_ids ON job_ids.job_id = asked.value
    JOIN jobs ON jobs.number = job_ids.number
)
"""
_KEEP = """
UPDATE requests SET expire_time = ? WHERE caller = ? AND request_id = ?
"""
_FORGET_REQUEST = "DELETE FROM requests WHERE caller = ? AND request_id = ?"


def prune_requests(connection: sqlite3.Connection, now: Instant) -> None:
    """Forget expired answers, unless a job of theirs is still there."""
    expired = connection.execute(_EXPIRED, (now, STEP)).fetchall()
    for caller, request_id, job_ids in expired:
        (there,) = connection.execute(_JOB_IS_THERE, (job_ids,)).fetchone()
        if there:
            connection.execute(_KEEP, (now + REQUEST_LIFE, caller, request_id))
        else:
            connection.execute(_FORGET_REQUEST, (caller, request_id))
