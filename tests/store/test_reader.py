"""Reading beside the journal: cursors, the log, connections."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest

from longshored.errors import Kind, ServiceError
from longshored.job import life
from tests.job.jobs import ASK, WORKER, a_job
from tests.store.stores import Store


def test_an_empty_store_stands_at_revision_zero(store: Store) -> None:
    assert (store.reader.head(), store.reader.oldest()) == (0, 1)
    assert store.reader.changes_after(0, 10) == []


def test_the_log_says_what_was_told(store: Store) -> None:
    job = store.put(life.started(store.add(a_job()), WORKER, 9))
    store.remove(store.put(life.ended(store.put(life.cancel(job, ASK)), 9)))
    assert store.reader.changes_after(0, 10) == store.told
    assert len(store.told) == 5


def test_the_log_is_read_from_a_revision_on(store: Store) -> None:
    for name in "abc":
        store.add(a_job(job_id=name))
    revisions = [change.revision for change in store.reader.changes_after(1, 10)]
    assert revisions == [2, 3]


def test_the_log_is_read_in_pieces(store: Store) -> None:
    for name in "abc":
        store.add(a_job(job_id=name))
    revisions = [change.revision for change in store.reader.changes_after(0, 2)]
    assert revisions == [1, 2]


def test_a_revision_that_was_never_reached_is_refused(store: Store) -> None:
    store.add(a_job())
    with pytest.raises(ServiceError) as refusal:
        store.reader.changes_after(2, 10)
    assert refusal.value.kind is Kind.REVISION_IN_FUTURE
    assert refusal.value.facts["oldest_revision"] == 1
    assert refusal.value.facts["head_revision"] == 1


def test_a_job_that_is_not_there_is_not_found(store: Store) -> None:
    with pytest.raises(ServiceError) as refusal:
        store.reader.get("nobody")
    assert refusal.value.kind is Kind.JOB_NOT_FOUND
    assert refusal.value.facts == {"job_id": "nobody"}


def test_many_keeps_the_order_asked_and_leaves_out_what_is_not_there(
    store: Store,
) -> None:
    for name in "abc":
        store.add(a_job(job_id=name))
    found = store.reader.many(["c", "x", "a"])
    assert [job.job_id for job in found] == ["c", "a"]


def test_a_reader_cannot_write(store: Store) -> None:
    connection = store.database.connect_reader()
    with pytest.raises(sqlite3.OperationalError):
        connection.execute("DELETE FROM jobs")
    connection.close()


def test_many_threads_read_at_once(store: Store) -> None:
    job = store.add(a_job())
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(store.reader.get, ["job-1"] * 200))
    assert found == [job] * 200
