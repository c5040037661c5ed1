"""What is kept beside each job: the store asks for it, and does not read it."""

import sqlite3
from contextlib import closing
from pathlib import Path

from longshored.job import life
from longshored.job.model import Job
from longshored.job.states import State
from longshored.store.database import FILE
from longshored.store.query import JobQuery
from longshored.store.transaction import Transaction
from tests.job.jobs import ASK, WORKER, a_job, in_state
from tests.store.stores import Store, opened


def show(job: Job) -> bytes:
    return f"{job.state.value} at {job.revision}".encode()


def kept(store: Store) -> list[bytes | None]:
    found = store.reader.list_stored(JobQuery(), after=None, limit=10)
    return [stored.shown for stored in found]


def test_what_is_made_of_a_job_comes_with_every_list(tmp_path: Path) -> None:
    with opened(tmp_path, show=show) as store:
        store.add(a_job())
        named = JobQuery(job_ids=frozenset(["job-1"]))
        for query in (JobQuery(), named):
            (found,) = store.reader.list_stored(query, after=None, limit=1)
            assert (found.shown, found.is_final) == (b"QUEUED at 1", False)


def test_every_change_is_shown(tmp_path: Path) -> None:
    with opened(tmp_path, show=show) as store:
        running = store.put(life.started(store.add(a_job()), WORKER, 9))
        assert kept(store) == [b"RUNNING at 2"]
        store.put(life.ended(store.put(life.cancel(running, ASK)), 9))
        assert kept(store) == [b"CANCELLED at 4"]


def test_only_the_last_change_of_a_commit_is_shown(tmp_path: Path) -> None:
    made: list[Job] = []

    def note(job: Job) -> bytes:
        made.append(job)
        return show(job)

    def body(tx: Transaction) -> Job:
        return tx.put(life.cancel(tx.add(a_job()), ASK))

    with opened(tmp_path, show=note) as store:
        ended = store.journal.run(body)
        assert kept(store) == [b"CANCELLED at 2"]
    assert len(made) == 1
    assert made[0] is ended


def test_a_snapshot_is_of_what_is_shown(tmp_path: Path) -> None:
    with opened(tmp_path, show=show) as store:
        store.add(in_state(State.FAILED))
        with store.reader.snapshot(JobQuery()) as (_, chunks):
            told = [(one.shown, one.is_final) for chunk in chunks for one in chunk]
    assert told == [(b"FAILED at 1", True)]


def test_a_job_that_cannot_be_shown_changes_all_the_same(tmp_path: Path) -> None:
    def fail(_: Job) -> bytes:
        raise ZeroDivisionError

    with opened(tmp_path, show=fail) as store:
        job = store.add(a_job())
        assert kept(store) == [None]
        assert store.reader.get("job-1") == job


def test_jobs_of_a_store_from_before_are_not_shown_yet(tmp_path: Path) -> None:
    with opened(tmp_path, show=show) as store:
        job = store.add(a_job())
    with closing(sqlite3.connect(tmp_path / FILE)) as old:
        old.executescript(
            "ALTER TABLE jobs DROP COLUMN shown; PRAGMA user_version = 2;"
        )
    with opened(tmp_path, show=show) as store:
        assert kept(store) == [None]
        store.put(life.started(job, WORKER, 9))
        assert kept(store) == [b"RUNNING at 2"]
