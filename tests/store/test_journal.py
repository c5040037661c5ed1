"""The journal: order, batches, hooks, and what happens when a commit fails."""

import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path

import pytest

from longshored.errors import Kind, ServiceError
from longshored.job import life
from longshored.job.model import Job
from longshored.job.states import State
from longshored.store.change import Change
from longshored.store.database import FILE, open_database
from longshored.store.journal import Journal
from longshored.store.transaction import Transaction
from tests.job.jobs import ASK, WORKER, a_job
from tests.store.stores import Store, opened
from tests.support.clock import FakeClock


def held_up(store: Store) -> tuple[threading.Event, "Future[None]"]:
    """Keep the journal busy, so that what is submitted next is one batch."""
    go, arrived = threading.Event(), threading.Event()

    def body(_: Transaction) -> None:
        arrived.set()
        go.wait()

    future = store.journal.submit(body)
    arrived.wait()
    return go, future


def adding(*drafts: Job) -> Callable[[Transaction], list[Job]]:
    return lambda tx: [tx.add(draft) for draft in drafts]


def test_bodies_of_one_batch_see_each_other(store: Store) -> None:
    go, _ = held_up(store)
    added = store.journal.submit(lambda tx: tx.add(a_job()))
    seen = store.journal.submit(lambda tx: tx.get("job-1"))
    go.set()
    assert seen.result() == added.result()


def test_the_failure_of_one_body_does_not_harm_its_batch(store: Store) -> None:
    go, _ = held_up(store)
    first = store.journal.submit(lambda tx: tx.add(a_job(job_id="a")))
    taken = store.journal.submit(lambda tx: tx.add(a_job(job_id="a")))
    last = store.journal.submit(lambda tx: tx.add(a_job(job_id="b")))
    go.set()
    assert (first.result().revision, last.result().revision) == (1, 2)
    assert isinstance(taken.exception(), ServiceError)


def test_what_a_future_says_is_durable(store: Store) -> None:
    """Told at the moment the future resolves, another connection sees the job."""
    found: list[State] = []
    future = store.journal.submit(lambda tx: tx.add(a_job()))
    future.add_done_callback(lambda _: found.append(store.reader.get("job-1").state))
    future.result()
    store.journal.run(lambda _: None)
    assert found == [State.QUEUED]


def test_changes_are_told_in_order_before_futures_resolve(store: Store) -> None:
    go, _ = held_up(store)
    futures = [
        store.journal.submit(adding(a_job(job_id=f"job-{n}"))) for n in range(20)
    ]
    go.set()
    for future in futures:
        (job,) = future.result()
        revision = job.revision
        assert [c.revision for c in store.told][:revision] == list(
            range(1, revision + 1)
        )


def test_a_cancelled_future_runs_no_body(store: Store) -> None:
    go, _ = held_up(store)
    future = store.journal.submit(lambda tx: tx.add(a_job()))
    assert future.cancel()
    go.set()
    assert store.journal.run(lambda tx: len(tx.live())) == 0


def test_stop_finishes_what_was_submitted(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        go, _ = held_up(store)
        added = store.journal.submit(lambda tx: tx.add(a_job()))
        go.set()
    assert added.result().number == 1


def test_a_stopped_journal_takes_nothing_more(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        pass
    error = store.journal.submit(lambda tx: tx.add(a_job())).exception()
    assert isinstance(error, ServiceError)
    assert error.kind is Kind.SERVER_STOPPING


def test_a_stop_leaves_one_file_without_a_log(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.add(a_job())
    assert {file.name for file in tmp_path.iterdir()} == {"lock", "jobs.sqlite"}


def test_unfinished_jobs_are_live_again_after_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        job = store.put(life.started(store.add(a_job(job_id="a")), WORKER, 9))
        store.put(life.cancel(store.add(a_job(job_id="b")), ASK))
    with opened(tmp_path) as again:
        live = again.journal.run(lambda tx: list(tx.live().values()))
        assert live == [job]


def test_revisions_go_on_after_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.add(a_job(job_id="a"))
    with opened(tmp_path) as again:
        assert again.add(a_job(job_id="b")).revision == 2


class Hooked:
    """A journal whose hooks are given by the test."""

    def __init__(self, directory: Path) -> None:
        self.database = open_database(directory, host="testhost")
        self.journal = Journal(self.database, FakeClock())
        self.told: list[Change] = []

    def close(self) -> None:
        self.journal.stop()
        self.database.close()

    def hear(self, changes: Sequence[Change]) -> None:
        self.told.extend(changes)


def test_before_commit_starts_a_job_in_the_commit_that_made_it(tmp_path: Path) -> None:
    hooked = Hooked(tmp_path)

    def start_all(tx: Transaction) -> None:
        for job in list(tx.live().values()):
            if job.state is State.QUEUED:
                tx.put(life.started(job, WORKER, tx.now))

    hooked.journal.start(before_commit=start_all, on_commit=hooked.hear)
    hooked.journal.run(lambda tx: tx.add(a_job()))
    hooked.close()
    assert [change.job.state for change in hooked.told] == [State.QUEUED, State.RUNNING]


def test_a_bug_in_before_commit_loses_only_its_own_changes(tmp_path: Path) -> None:
    hooked = Hooked(tmp_path)

    def fail(tx: Transaction) -> None:
        tx.add(a_job(job_id="ghost"))
        raise ZeroDivisionError

    hooked.journal.start(before_commit=fail, on_commit=hooked.hear)
    assert hooked.journal.run(lambda tx: tx.add(a_job())).revision == 1
    assert hooked.journal.run(lambda tx: tx.add(a_job(job_id="b"))).revision == 2
    hooked.close()


def test_a_bug_in_on_commit_does_not_hide_the_answer(tmp_path: Path) -> None:
    hooked = Hooked(tmp_path)

    def fail(_: Sequence[Change]) -> None:
        raise ZeroDivisionError

    hooked.journal.start(before_commit=lambda _: None, on_commit=fail)
    assert hooked.journal.run(lambda tx: tx.add(a_job())).number == 1
    hooked.close()


def fill_up(store: Store) -> int:
    """Let the file grow no further; jobs are added until it is full."""
    (pages,) = store.database.writer.execute("PRAGMA page_count").fetchone()
    store.database.writer.execute(f"PRAGMA max_page_count = {pages + 8}")
    for added in range(10_000):
        try:
            store.add(a_job(job_id=f"filler-{added}", owner="x" * 2000))
        except ServiceError as error:
            assert error.kind is Kind.NO_SPACE  # noqa: PT017 - the loop ends here
            return added
    raise AssertionError("the store never filled up")


def make_room(store: Store) -> None:
    store.database.writer.execute("PRAGMA max_page_count = 1073741823")


def test_a_full_disk_refuses_changes_and_loses_none(store: Store) -> None:
    kept = fill_up(store)
    assert store.reader.head() == kept == len(store.told)
    assert store.journal.run(lambda tx: len(tx.live())) == kept
    assert store.reader.get("filler-0").number == 1


def test_a_full_disk_harms_every_body_of_the_batch(store: Store) -> None:
    fill_up(store)
    go, _ = held_up(store)
    drafts = [a_job(job_id=f"x{n}", owner="x" * 9000) for n in range(3)]
    futures = [store.journal.submit(adding(draft)) for draft in drafts]
    go.set()
    kinds = {getattr(future.exception(), "kind", None) for future in futures}
    assert kinds == {Kind.NO_SPACE}


def test_the_store_works_again_when_space_returns(store: Store) -> None:
    kept = fill_up(store)
    assert store.journal.healthy
    make_room(store)
    assert store.add(a_job()).revision == kept + 1
    assert store.add(a_job(job_id=f"filler-{kept}")).revision == kept + 2


def test_a_full_disk_leaves_what_is_live_as_it_was(store: Store) -> None:
    job = store.add(a_job())
    fill_up(store)
    with pytest.raises(ServiceError):
        store.put(replace(life.started(job, WORKER, 9), owner="x" * 100_000))
    assert store.journal.run(lambda tx: tx.get("job-1")) == job


def _deny_inserts(action: int, *_: object) -> int:
    denied = action == sqlite3.SQLITE_INSERT
    return sqlite3.SQLITE_DENY if denied else sqlite3.SQLITE_OK


def _deny_reads(action: int, *_: object) -> int:
    denied = action == sqlite3.SQLITE_READ
    return sqlite3.SQLITE_DENY if denied else sqlite3.SQLITE_OK


def test_a_failed_read_of_the_journal_ends_all_writing_too(store: Store) -> None:
    store.database.writer.set_authorizer(_deny_reads)
    with pytest.raises(ServiceError) as failure:
        store.journal.run(lambda tx: tx.get("job-1"))
    assert failure.value.kind is Kind.STORE_UNAVAILABLE
    assert not store.journal.healthy
    store.database.writer.set_authorizer(None)


def test_an_io_error_ends_all_writing_until_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        job = store.add(a_job())
        store.database.writer.set_authorizer(_deny_inserts)
        with pytest.raises(ServiceError) as failure:
            store.add(a_job(job_id="b"))
        assert failure.value.kind is Kind.STORE_UNAVAILABLE
        store.database.writer.set_authorizer(None)
        with pytest.raises(ServiceError):
            store.put(life.started(job, WORKER, 9))
        assert not store.journal.healthy
        assert store.reader.get("job-1") == job
    with opened(tmp_path) as again:
        assert again.add(a_job(job_id="b")).revision == 2


def test_the_write_ahead_log_stays_small(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        for wave in range(40):
            ids = [f"{wave}-{n}" for n in range(50)]
            drafts = [a_job(job_id=job_id, owner="x" * 10_000) for job_id in ids]
            store.journal.run(adding(*drafts))
        assert store.database.log_file.stat().st_size < 24 << 20


def test_a_reader_that_never_ends_does_not_stop_the_journal(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.add(a_job())
        reader = store.database.connect_reader()
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM jobs").fetchone()
        store.add(a_job(job_id="b"))
        assert reader.execute("SELECT count(*) FROM jobs").fetchone() == (1,)
        reader.close()


def test_a_value_that_sqlite_cannot_hold_does_not_end_the_journal(store: Store) -> None:
    with pytest.raises(ServiceError) as failure:
        store.add(a_job(end_time=1 << 80))
    assert failure.value.kind is Kind.INTERNAL
    assert store.add(a_job()).revision == 1


def test_a_text_that_is_no_utf8_harms_only_its_own_body(store: Store) -> None:
    go, _ = held_up(store)
    good = store.journal.submit(adding(a_job(job_id="good")))
    bad = store.journal.submit(adding(a_job(job_id="bad", labels={"k": "\udc80"})))
    go.set()
    assert isinstance(bad.exception(), UnicodeEncodeError)
    assert good.result()[0].revision == 1


def test_another_program_that_holds_the_database_ends_no_writing(
    store: Store, tmp_path: Path
) -> None:
    store.database.writer.execute("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(tmp_path / "state" / FILE, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(ServiceError) as failure:
        store.add(a_job())
    assert failure.value.kind is Kind.STORE_UNAVAILABLE
    other.close()
    assert store.journal.healthy
    assert store.add(a_job()).revision == 1
