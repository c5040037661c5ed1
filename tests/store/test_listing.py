"""Lists: SQL and the pure match agree, pages join without gap or repeat."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshored.job import life
from longshored.job.model import Job
from longshored.job.nodes import EVERYTHING, NOTHING, Node, Role
from longshored.job.states import State
from longshored.store.listing import page
from longshored.store.query import DOMAIN_KEY, JobQuery
from tests.job.jobs import ASK, WORKER, in_state
from tests.store.stores import Store, opened

COUNT = 120
KEYS, VALUES = ["env", "a=b", "%"], ["x", "b=x", ""]
DOMAINS = ["d0", "d1", "d2"]


def a_variety(number: int) -> Job:
    """Jobs that differ in all that is asked for, each part at its own pace."""
    value = VALUES[(number // 2) % 3]
    labels = {key: value for i, key in enumerate(KEYS) if number & 1 << i}
    domains = [d for i, d in enumerate(DOMAINS) if number % 7 == i or number % 5 == i]
    keys = [*(DOMAIN_KEY + domain for domain in domains), "8:1"]
    return in_state(
        list(State)[number % len(State)],
        job_id=f"job-{number}",
        labels=labels,
        nodes=tuple(Node(k, Role.TOP, "/a", NOTHING, EVERYTHING) for k in keys),
    )


@pytest.fixture(scope="module")
def full() -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as name, opened(Path(name)) as store:
        for number in range(COUNT):
            store.add(a_variety(number))
        yield store


def everything(store: Store) -> list[Job]:
    jobs = store.reader.many([f"job-{number}" for number in range(COUNT)])
    assert len(jobs) == COUNT
    return sorted(jobs, key=lambda job: -job.create_revision)


queries = st.builds(
    JobQuery,
    job_ids=st.frozensets(
        st.integers(0, COUNT + 20).map(lambda n: f"job-{n}"), max_size=30
    ),
    kinds=st.frozensets(
        st.sampled_from(["block.pull", "block.*", "storage.*"]), max_size=2
    ),
    labels=st.dictionaries(
        st.sampled_from([*KEYS, "a"]), st.sampled_from(VALUES), max_size=2
    ),
    domain_ids=st.frozensets(st.sampled_from([*DOMAINS, "d9"]), max_size=3),
    states=st.frozensets(st.sampled_from(State), max_size=6),
)


@given(queries)
def test_a_list_holds_exactly_the_jobs_that_match(full: Store, query: JobQuery) -> None:
    expected = [job for job in everything(full) if query.matches(job)]
    assert full.reader.list_jobs(query, after=None, limit=COUNT) == expected


@given(queries, st.integers(1, 40))
def test_pages_join_to_the_whole_list(full: Store, query: JobQuery, size: int) -> None:
    whole = full.reader.list_jobs(query, after=None, limit=COUNT)
    joined: list[Job] = []
    after = None
    while jobs := full.reader.list_jobs(query, after=after, limit=size):
        assert len(jobs) <= size
        joined += jobs
        after = jobs[-1].create_revision
    assert joined == whole


def test_no_page_sorts_more_than_it_returns(full: Store) -> None:
    """The plan merges runs of the index: no temporary B-tree for the whole list."""
    seen: list[str] = []
    connection = full.database.connect_reader()
    connection.set_trace_callback(seen.append)
    query = JobQuery(kinds=frozenset(["block.*"]), labels={"env": "x"})
    page(connection, query, after=None, limit=10)
    connection.set_trace_callback(None)
    plan = connection.execute(f"EXPLAIN QUERY PLAN {seen[-1]}").fetchall()
    connection.close()
    steps = " | ".join(row[3] for row in plan)
    assert "SCAN run" not in steps
    assert "SCAN jobs" not in steps
    assert "TEMP B-TREE" not in steps, steps


def test_changed_jobs_are_found_by_their_new_state(store: Store) -> None:
    store.add(in_state(State.QUEUED))
    running = JobQuery(states=frozenset([State.RUNNING]))
    assert store.reader.list_jobs(running, after=None, limit=5) == []
    job = store.reader.get("job-1")
    started = store.put(life.started(job, WORKER, 9))
    assert store.reader.list_jobs(running, after=None, limit=5) == [started]


def test_an_ended_job_is_found_by_its_end_alone(store: Store) -> None:
    running = store.put(life.started(store.add(in_state(State.QUEUED)), WORKER, 9))
    ended = store.put(life.ended(store.put(life.cancel(running, ASK)), 9))
    for state in State:
        query = JobQuery(states=frozenset([state]))
        expected = [ended] if state is State.CANCELLED else []
        assert store.reader.list_jobs(query, after=None, limit=5) == expected


def test_a_removed_job_is_in_no_list(store: Store) -> None:
    job = store.add(in_state(State.SUCCEEDED, labels={"k": "v"}))
    store.remove(job)
    for query in (JobQuery(), JobQuery(labels={"k": "v"})):
        assert store.reader.list_jobs(query, after=None, limit=5) == []


def test_a_snapshot_is_of_one_moment(full: Store) -> None:
    with full.reader.snapshot(JobQuery()) as (revision, chunks):
        late = full.add(in_state(State.QUEUED, job_id="late"))
        seen = [stored.job() for chunk in chunks for stored in chunk]
    assert revision == late.revision - 1
    assert late not in seen
    assert len(seen) == COUNT
    full.remove(late)


def test_counts_are_those_of_the_jobs(full: Store) -> None:
    counted: dict[tuple[str, State], int] = {}
    for job in everything(full):
        key = (job.kind, job.state)
        counted[key] = counted.get(key, 0) + 1
    assert full.reader.counts() == counted
