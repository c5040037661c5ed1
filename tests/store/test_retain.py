"""How long the log and the answers to requests are kept."""

from collections.abc import Callable
from pathlib import Path

import pytest

from longshored.clock import SECOND
from longshored.errors import Kind, ServiceError
from longshored.job.model import Job
from longshored.job.states import State
from longshored.store.retain import STEP, Retention
from longshored.store.transaction import Transaction
from tests.job.jobs import a_job, in_state
from tests.store.stores import Store, opened

FEW = Retention(fewest=10, shortest=60 * SECOND, most=100)
DAY = 24 * 3600.0


def add(store: Store, count: int) -> None:
    start = store.reader.head()
    drafts = [a_job(job_id=f"log-{start + n}") for n in range(count)]
    store.journal.run(adding(drafts))


def adding(drafts: list[Job]) -> Callable[[Transaction], list[Job]]:
    return lambda tx: [tx.add(draft) for draft in drafts]


def test_young_changes_are_kept(tmp_path: Path) -> None:
    with opened(tmp_path, retention=FEW) as store:
        add(store, 50)
        store.clock.advance(59)
        add(store, 1)
        assert store.reader.oldest() == 1


def test_old_changes_go_down_to_the_fewest(tmp_path: Path) -> None:
    with opened(tmp_path, retention=FEW) as store:
        add(store, 50)
        store.clock.advance(61)
        add(store, 1)
        assert (store.reader.oldest(), store.reader.head()) == (42, 51)


def test_there_are_never_more_than_the_most_for_long(tmp_path: Path) -> None:
    with opened(tmp_path, retention=FEW) as store:
        for _ in range(30):
            add(store, 10)
        assert store.reader.oldest() == 300 - 100 + 1


def test_a_long_log_is_shortened_in_steps(tmp_path: Path) -> None:
    roomy = Retention(fewest=10, shortest=60 * SECOND, most=10_000)
    with opened(tmp_path, retention=roomy) as store:
        add(store, 3 * STEP)
        store.clock.advance(61)
        add(store, 1)
        assert store.reader.oldest() == 1 + (1 + STEP)


def test_a_cursor_below_the_log_is_told_so(tmp_path: Path) -> None:
    with opened(tmp_path, retention=FEW) as store:
        add(store, 50)
        store.clock.advance(61)
        add(store, 1)
        assert len(store.reader.changes_after(41, 100)) == 10
        with pytest.raises(ServiceError) as refusal:
            store.reader.changes_after(40, 100)
    assert refusal.value.kind is Kind.REVISION_COMPACTED
    assert refusal.value.facts["oldest_revision"] == 42
    assert refusal.value.facts["head_revision"] == 51


def test_a_pruned_revision_never_comes_back(tmp_path: Path) -> None:
    with opened(tmp_path, retention=FEW) as store:
        add(store, 20)
    with opened(tmp_path, retention=FEW) as again:
        again.database.writer.execute("DELETE FROM events")
    with opened(tmp_path, retention=FEW) as again:
        assert again.reader.head() == 20
        add(again, 1)
        assert again.reader.head() == 21


def remembered(store: Store) -> bool:
    return store.journal.run(lambda tx: tx.replayed("ada", "r")) is not None


def test_an_answer_is_kept_a_day(store: Store) -> None:
    store.journal.run(lambda tx: tx.remember("ada", "r", "body", ["gone"]))
    store.clock.advance(DAY - 1)
    add(store, 1)
    assert remembered(store)
    store.clock.advance(2)
    add(store, 1)
    assert not remembered(store)


def test_an_answer_is_kept_as_long_as_its_job(store: Store) -> None:
    job = store.add(in_state(State.SUCCEEDED))
    store.journal.run(lambda tx: tx.remember("ada", "r", "body", [job.job_id]))
    store.clock.advance(2 * DAY)
    add(store, 1)
    assert remembered(store)
    store.remove(job)
    store.clock.advance(2 * DAY)
    add(store, 1)
    assert not remembered(store)
