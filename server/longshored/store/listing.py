"""One page of a list: from a query to SQL over the facets, newest job first.

Each facet is sorted by number within each outcome, so a page is a merge of a
few sorted runs, cut at the limit: its cost follows the page, not the store.
The rarest group of facets leads; the others are looked up for each candidate.
"""

import json
import sqlite3
from collections.abc import Iterator

from ..job.model import Job
from ..job.states import FINAL, State
from .query import JobQuery
from .record import decode

# How far a group is counted to find the rarest.
PROBE = 1000

_PROBE = """
SELECT count(*) FROM (
    SELECT 1 FROM json_each(?) AS asked
    JOIN facets ON facets.facet = asked.value LIMIT ?
)
"""

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
SELECT jobs.record FROM (
    {runs}
    ORDER BY number DESC LIMIT ?
) AS found
JOIN jobs ON jobs.number = found.number
"""

_BY_IDS = """
SELECT jobs.record FROM json_each(?) AS asked
JOIN job_ids ON job_ids.job_id = asked.value
JOIN jobs ON jobs.number = job_ids.number
WHERE jobs.number < ? ORDER BY jobs.number DESC
"""

# Above every number: the first page.
_NEWEST = (1 << 63) - 1

_UNFINISHED = frozenset(State) - FINAL


def page(
    connection: sqlite3.Connection, query: JobQuery, *, after: int | None, limit: int
) -> list[Job]:
    before = _NEWEST if after is None else after
    if query.job_ids:
        return _named(connection, query, before, limit)
    lead, others = _split(connection, query.facets())
    runs = list(_runs(query, lead, others, before))
    if not runs:
        return []
    sql = _PAGE.format(runs=" UNION ".join(text for text, _ in runs))
    values = [value for _, of_run in runs for value in of_run]
    rows = connection.execute(sql, (*values, limit)).fetchall()
    # The right jobs, but a join promises no order.
    jobs = [decode(row[0]) for row in rows]
    return sorted(jobs, key=lambda job: job.create_revision, reverse=True)


def _named(
    connection: sqlite3.Connection, query: JobQuery, before: int, limit: int
) -> list[Job]:
    ids = json.dumps(sorted(query.job_ids))
    rows = connection.execute(_BY_IDS, (ids, before)).fetchall()
    jobs = (decode(row[0]) for row in rows)
    return [job for job in jobs if query.matches(job)][:limit]


Facets = tuple[str, ...]


def _split(
    connection: sqlite3.Connection, groups: list[Facets]
) -> tuple[Facets, list[Facets]]:
    """The group with the fewest jobs, and the others."""
    if len(groups) == 1:
        return groups[0], []
    counted = [
        (connection.execute(_PROBE, (json.dumps(group), PROBE)).fetchone()[0], index)
        for index, group in enumerate(groups)
    ]
    _, rarest = min(counted)
    return groups[rarest], groups[:rarest] + groups[rarest + 1 :]


def _runs(
    query: JobQuery, lead: Facets, others: list[Facets], before: int
) -> Iterator[tuple[str, list[object]]]:
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
