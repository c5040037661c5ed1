"""One page of a list: from a query to SQL over the facets, newest job first.

Each facet is sorted by number within each outcome, so a page is a merge of a
few sorted runs, cut at the limit: its cost follows the page, not the store.
The rarest group of facets leads; the others are looked up for each candidate.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ..job.model import Job
from ..job.states import FINAL, State
from .query import JobQuery
from .record import decode

# How many of its newest jobs tell how rare a group is.
PROBE = 64

_PROBE = "SELECT count(*), min(number) FROM ({runs} ORDER BY number DESC LIMIT ?)"

_RUN = """
SELECT run.number AS number FROM facets AS run
WHERE run.facet = ? AND run.outcome = ? AND run.number < ?
"""

_ALSO = """
AND EXISTS (
    SELECT 1 FROM facets AS also JOIN json_each(?) AS asked ON also.facet = asked.value
    WHERE also.outcome = run.outcome AND also.number = run.number
)
"""

_IN_STATE = """
AND (SELECT state FROM jobs WHERE jobs.number = run.number)
    IN (SELECT value FROM json_each(?))
"""

_PAGE = """
SELECT jobs.number, jobs.state, jobs.record, jobs.shown FROM (
    {runs}
    ORDER BY number DESC LIMIT ?
) AS found
JOIN jobs ON jobs.number = found.number
"""

_BY_IDS = """
SELECT jobs.number, jobs.state, jobs.record, jobs.shown FROM json_each(?) AS asked
JOIN job_ids ON job_ids.job_id = asked.value
JOIN jobs ON jobs.number = job_ids.number
WHERE jobs.number < ? ORDER BY jobs.number DESC
"""

# Above every number: the first page.
_NEWEST = (1 << 63) - 1

_UNFINISHED = frozenset(State) - FINAL


@dataclass(frozen=True, slots=True)
class Stored:
    """A job as it lies in the store: whoever takes it as `shown` need not read it."""

    number: int
    state: str
    record: str
    shown: bytes | None

    @property
    def is_final(self) -> bool:
        return State(self.state) in FINAL

    def job(self) -> Job:
        return decode(self.record)


def page(
    connection: sqlite3.Connection, query: JobQuery, *, after: int | None, limit: int
) -> list[Stored]:
    before = _NEWEST if after is None else after
    if query.job_ids:
        return _named(connection, query, before, limit)
    lead, others = _split(connection, query, before)
    text, values = _joined(_runs(query, lead, others, before))
    rows = connection.execute(_PAGE.format(runs=text), (*values, limit)).fetchall()
    # The right jobs, but a join promises no order. By number, which comes first.
    return [Stored(*row) for row in sorted(rows, reverse=True)]


def _named(
    connection: sqlite3.Connection, query: JobQuery, before: int, limit: int
) -> list[Stored]:
    ids = json.dumps(sorted(query.job_ids))
    rows = connection.execute(_BY_IDS, (ids, before)).fetchall()
    found = (Stored(*row) for row in rows)
    return [stored for stored in found if query.matches(stored.job())][:limit]


Facets = tuple[str, ...]


def _split(
    connection: sqlite3.Connection, query: JobQuery, before: int
) -> tuple[Facets, list[Facets]]:
    """The group that is rarest around here, and the others."""
    groups = query.facets()
    if len(groups) == 1:
        return groups[0], []
    rarest = min(groups, key=lambda group: _reach(connection, query, group, before))
    return rarest, [group for group in groups if group is not rarest]


def _reach(
    connection: sqlite3.Connection, query: JobQuery, group: Facets, before: int
) -> int:
    """How far back the next jobs of a group lie: the lower, the rarer."""
    text, values = _joined(_runs(query, group, [], before))
    found = connection.execute(_PROBE.format(runs=text), (*values, PROBE))
    count: int
    lowest: int
    count, lowest = found.fetchone()
    # Fewer than asked: no number is below them.
    return lowest if count == PROBE else count - PROBE


Run = tuple[str, list[object]]


def _joined(runs: Iterable[Run]) -> Run:
    """One sorted merge of all runs."""
    texts, values = zip(*runs, strict=True)
    return " UNION ".join(texts), [value for of_run in values for value in of_run]


def _runs(
    query: JobQuery, lead: Facets, others: list[Facets], before: int
) -> Iterator[Run]:
    """Each sorted run of the index that may hold jobs of the page: SQL and values."""
    wanted = query.states or frozenset(State)
    for facet in lead:
        for outcome in _outcomes(wanted):
            sql, values = _RUN, [facet, outcome, before]
            for group in others:
                sql, values = sql + _ALSO, [*values, json.dumps(group)]
            if not outcome and not wanted >= _UNFINISHED:
                states = sorted(state.value for state in wanted - FINAL)
                sql, values = sql + _IN_STATE, [*values, json.dumps(states)]
            yield sql, values


def _outcomes(wanted: frozenset[State]) -> Iterator[str]:
    if wanted - FINAL:
        yield ""
    yield from sorted(state.value for state in wanted & FINAL)
