"""Random batches, some of whose bodies or commits fail, against a plain dictionary."""

import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longshored.errors import Kind, ServiceError
from longshored.job import life
from longshored.job.model import Job
from longshored.job.states import State
from longshored.store.query import JobQuery
from longshored.store.transaction import Transaction
from tests.job.jobs import ASK, BROKEN, WORKER, a_job
from tests.store.stores import Store, opened

NAMES = ["a", "b", "c", "d"]
# More than SQLite can hold: this commit, and all in its batch, must fail.
POISON = 1 << 80

Model = dict[str, Job]
Step = Callable[[Transaction, str], None]


def add(tx: Transaction, name: str) -> None:
    tx.add(a_job(job_id=name, labels={"name": name}))


def start(tx: Transaction, name: str) -> None:
    job = tx.get(name)
    if job.state is State.QUEUED:
        tx.put(life.started(job, WORKER, 1))


def cancel(tx: Transaction, name: str) -> None:
    tx.put(life.cancel(tx.get(name), ASK))


def end(tx: Transaction, name: str) -> None:
    job = tx.get(name)
    if not job.is_final:
        failed = life.failed(job, BROKEN, 1)
        tx.put(failed if failed.is_final else life.ended(failed, 1))


def remove(tx: Transaction, name: str) -> None:
    job = tx.get(name)
    if job.is_final:
        tx.remove(job)


def poison(tx: Transaction, name: str) -> None:
    tx.put(replace(tx.get(name), end_time=POISON))


def fail(tx: Transaction, name: str) -> None:
    raise ServiceError(Kind.JOB_LIMIT, f"No more of {name}")


steps = st.tuples(
    st.sampled_from([add, add, start, cancel, end, remove, poison, fail]),
    st.sampled_from(NAMES),
)
bodies = st.lists(steps, min_size=1, max_size=4)
batches = st.lists(st.lists(bodies, min_size=1, max_size=4), max_size=8)


def body(of: list[tuple[Step, str]]) -> Callable[[Transaction], dict[int, Job]]:
    """Do the steps; what comes back is the store as the body left it."""

    def run(tx: Transaction) -> dict[int, Job]:
        for step, name in of:
            step(tx, name)
        return dict(tx.live())

    return run


def run_batch(store: Store, batch: list[list[tuple[Step, str]]]) -> None:
    """Submit from within a body: then all are queued before any of them runs."""

    def submit_all(_: Transaction) -> list[object]:
        return [store.journal.submit(body(of)) for of in batch]

    for future in store.journal.run(submit_all):
        future.exception()  # type: ignore[attr-defined]


def check(store: Store) -> None:
    """Memory, tables, index, counters and log tell one story."""
    log: Model = {}
    revisions = []
    for change in store.reader.changes_after(0, 10_000):
        revisions.append(change.revision)
        before = log.pop(change.job.job_id, None)
        assert change.previous == (before.state if before else None)
        if change.kind.value != "removed":
            log[change.job.job_id] = change.job
    assert revisions == list(range(1, store.reader.head() + 1))
    assert [change.revision for change in store.told] == revisions
    listed = store.reader.list_jobs(JobQuery(), after=None, limit=100)
    assert {job.job_id: job for job in listed} == log
    live = store.journal.run(lambda tx: dict(tx.live()))
    assert live == {job.number: job for job in log.values() if not job.is_final}
    counted = Counter((job.kind, job.state) for job in log.values())
    assert store.reader.counts() == counted
    for name in NAMES:
        query = JobQuery(labels={"name": name})
        found = store.reader.list_jobs(query, after=None, limit=100)
        assert found == ([log[name]] if name in log else [])


@pytest.mark.slow
@settings(max_examples=60)
@given(batches)
def test_whatever_fails_the_store_tells_one_story(
    plan: list[list[list[tuple[Step, str]]]],
) -> None:
    with tempfile.TemporaryDirectory() as name, opened(Path(name)) as store:
        for batch in plan:
            run_batch(store, batch)
            assert store.journal.healthy
            check(store)
