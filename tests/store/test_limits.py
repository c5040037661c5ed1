"""Limits as calls have set them: kept, replaced, forgotten, never half."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from longshored.errors import Kind, ServiceError
from longshored.job.model import RateLimit
from longshored.store.database import FILE
from longshored.store.limits import SetLimit
from longshored.store.migrate import migrations
from longshored.store.transaction import Transaction
from tests.job.jobs import a_job
from tests.store.stores import Store, opened

SLOW = SetLimit(RateLimit(1000, 10, 5, 2), "alice", 7)
FAST = SetLimit(RateLimit(speed_bytes_per_second=9000), "bob", 8)


def put(store: Store, device: str, limit: SetLimit | None) -> None:
    store.journal.run(lambda tx: tx.set_limit(device, limit))


def test_a_limit_is_there_after_the_answer(store: Store) -> None:
    put(store, "8:0", SLOW)
    put(store, "", FAST)
    assert store.reader.limits() == {"8:0": SLOW, "": FAST}


def test_the_last_word_counts(store: Store) -> None:
    put(store, "8:0", SLOW)
    put(store, "8:0", FAST)
    assert store.reader.limits() == {"8:0": FAST}


def test_a_limit_that_is_taken_away_is_gone(store: Store) -> None:
    put(store, "8:0", SLOW)
    put(store, "8:0", None)
    assert store.reader.limits() == {}


def test_a_limit_moves_no_revision_and_tells_no_watcher(store: Store) -> None:
    put(store, "8:0", SLOW)
    assert store.reader.head() == 0
    assert store.told == []


def test_a_body_that_fails_sets_no_limit(store: Store) -> None:
    def body(tx: Transaction) -> None:
        tx.set_limit("8:0", SLOW)
        raise ServiceError(Kind.JOB_NOT_FOUND, "No")

    with pytest.raises(ServiceError):
        store.journal.run(body)
    assert store.reader.limits() == {}


def test_limits_outlive_the_daemon(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        put(store, "8:0", SLOW)
    with opened(tmp_path) as store:
        assert store.reader.limits() == {"8:0": SLOW}


def test_a_store_of_the_first_schema_is_brought_up_with_its_jobs(
    tmp_path: Path,
) -> None:
    with opened(tmp_path) as store:
        job = store.add(a_job())
    with closing(sqlite3.connect(tmp_path / FILE)) as old:
        old.executescript(
            "DROP TABLE rate_limits; ALTER TABLE jobs DROP COLUMN shown; "
            "PRAGMA user_version = 1;"
        )
    with opened(tmp_path) as store:
        assert store.reader.limits() == {}
        assert store.reader.get(job.job_id) == job
    with closing(sqlite3.connect(tmp_path / FILE)) as connection:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    assert version == len(migrations())
