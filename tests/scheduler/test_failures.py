"""What becomes of a job whose work, driver or store fails."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from longshored.clock import Instant
from longshored.drivers.base import Cancelled, Context
from longshored.errors import Kind, ServiceError
from longshored.job.model import Holder, Window, Worker
from longshored.job.nodes import IoStatus
from longshored.job.spec import PullStatus
from longshored.job.states import FINAL, State, Verb
from longshored.scheduler.pick import Decision, Queue
from longshored.store.transaction import Transaction
from tests.scheduler.conftest import OpenHouse
from tests.scheduler.house import House
from tests.support.clock import FakeClock
from tests.support.drivers import Gate, Scripted, Steady, in_turn, raising

S = State

BROKEN = ServiceError(Kind.IO_ERROR, "The disk is broken", uri="/images/a", errno=5)


def test_a_failed_run_is_unwound_and_shows_its_error(
    house: House, driver: Scripted
) -> None:
    driver.script("a", run=raising(BROKEN))
    job = house.create("a")
    ended = house.wait(job, S.FAILED)
    assert ended.failure is not None
    assert ended.failure.kind is Kind.IO_ERROR
    assert ended.failure.facts["errno"] == 5
    assert driver.calls(job.job_id) == ["start", "run", "abort", "clean"]


def test_a_job_that_cannot_start_fails_without_a_work(
    house: House, driver: Scripted
) -> None:
    driver.script("a", start=raising(BROKEN))
    job = house.create("a")
    house.wait(job, S.FAILED)
    assert driver.calls(job.job_id) == ["start"]


def test_a_bug_in_a_driver_fails_its_job_only(house: House, driver: Scripted) -> None:
    driver.script("a", run=raising(ZeroDivisionError("secret")))
    job = house.create("a")
    ended = house.wait(job, S.FAILED)
    assert ended.failure is not None
    assert ended.failure.kind is Kind.INTERNAL
    assert "secret" not in ended.failure.message
    other = house.create("b")
    house.wait(other, S.SUCCEEDED)


def test_a_driver_that_cancels_itself_has_failed(
    house: House, driver: Scripted
) -> None:
    driver.script("a", run=raising(Cancelled()))
    ended = house.wait(house.create("a"), S.FAILED)
    assert ended.failure is not None
    assert ended.failure.kind is Kind.INTERNAL


def test_a_failure_while_unwinding_is_a_warning_and_hides_nothing(
    house: House, driver: Scripted
) -> None:
    driver.script(
        "a", run=raising(BROKEN), abort=raising(ServiceError(Kind.NO_SPACE, "Full"))
    )
    ended = house.wait(house.create("a"), S.FAILED)
    assert ended.failure is not None
    assert ended.failure.message == "The disk is broken"
    assert [one.message for one in ended.warnings] == ["Could not be unwound: Full"]


def test_a_failed_prepare_is_unwound(house: House, driver: Scripted) -> None:
    driver.script("a", prepare=raising(BROKEN))
    job = house.create("a")
    house.wait(job, S.FAILED)
    expected = ["start", "run", "prepare", "abort", "clean"]
    assert driver.calls(job.job_id) == expected
    assert house.states(job)[-3:] == [S.PENDING, S.ABORTING, S.FAILED]


def test_a_bug_in_a_commit_fails_the_job(house: House, driver: Scripted) -> None:
    driver.script("a", commit=raising(ZeroDivisionError("secret")))
    job = house.create("a")
    ended = house.wait(job, S.FAILED)
    assert ended.failure is not None
    assert ended.failure.kind is Kind.INTERNAL
    expected = ["start", "run", "prepare", "commit", "abort", "clean"]
    assert driver.calls(job.job_id) == expected


def test_a_result_that_cannot_be_stored_fails_the_job(
    house: House, driver: Scripted
) -> None:
    driver.script("a", result=object())
    job = house.create("a")
    ended = house.wait(job, S.FAILED)
    assert ended.failure is not None
    assert ended.failure.kind is Kind.INTERNAL
    # It has committed: there is nothing to unwind any more.
    assert driver.calls(job.job_id) == ["start", "run", "prepare", "commit", "clean"]


def test_a_bug_between_the_members_of_a_group_fails_all_of_them(
    house: House, driver: Scripted
) -> None:
    driver.script("a", result=object())
    driver.script("b")
    first, second = house.group("a", "b")
    assert house.wait(first, S.FAILED).failure is not None
    assert house.wait(second, *FINAL).state is not S.SUCCEEDED


def test_policy_stop_pauses_until_the_operator_resumes(
    house: House, driver: Scripted
) -> None:
    def run(context: Context) -> None:
        full = ServiceError(Kind.NO_SPACE, "Full", uri="/images/a", errno=28)
        context.stop_for(full, "a")
        context.checkpoint()

    driver.script("a", run=run)
    job = house.create("a")
    paused = house.wait(job, S.PAUSED)
    assert [pause.holder for pause in paused.pauses] == [Holder.ERROR_POLICY]
    assert paused.pauses[0].reason == "Full (/images/a)"
    assert paused.nodes[0].io_status is IoStatus.NOSPACE
    house.apply(Verb.RESUME, job)
    assert house.wait(job, S.SUCCEEDED).nodes[0].io_status is IoStatus.OK


def test_warnings_of_a_worker_are_kept_the_last_ones(
    house: House, driver: Scripted
) -> None:
    def run(context: Context) -> None:
        for index in range(20):
            context.warn(f"warning {index}")

    driver.script("a", run=run)
    ended = house.wait(house.create("a"), S.SUCCEEDED)
    assert len(ended.warnings) == 16
    assert ended.warnings[-1].message == "warning 19"


def test_a_worker_whose_claim_is_stale_writes_nothing(
    house: House, driver: Scripted
) -> None:
    gate = Gate()
    outcome: list[str] = []

    def run(context: Context) -> None:
        gate(context)
        try:
            context.save(b"late")
        except Exception as error:
            outcome.append(type(error).__name__)
            raise

    driver.script("a", run=run)
    job = house.create("a")
    assert gate.reached.wait(20)
    _steal(house, job.number)
    gate.open.set()
    house.wait_until(job, lambda now: now.worker is not None and now.worker.epoch == 99)
    assert house.scheduler._pool.join(20)
    assert outcome == ["Stale"]
    assert driver.calls(job.job_id) == ["start", "run", "clean"]


def _steal(house: House, number: int) -> None:
    def body(tx: Transaction) -> None:
        job = tx.live()[number]
        tx.put(replace(job, worker=Worker("elsewhere", 1, 99)))

    house.journal.run(body)


def test_progress_and_status_of_a_checkpoint_are_durable(
    house: House, driver: Scripted
) -> None:
    gate = Gate()

    def run(context: Context) -> None:
        context.meter.expect(100)
        context.meter.done(0, 40)
        context.save(b"forty", PullStatus(published_bytes=40))
        context.save(b"forty and no news")
        gate(context)

    driver.script("a", run=run)
    job = house.create("a")
    assert gate.reached.wait(20)
    assert house.get(job).progress.current == 40
    assert house.get(job).status == PullStatus(published_bytes=40)
    assert house.scheduler.progress(job.number) is not None
    gate.open.set()
    house.wait(job, S.SUCCEEDED)
    assert house.scheduler.progress(job.number) is None


def test_a_checkpoint_leaves_the_revision_that_somebody_expects(
    house: House, driver: Scripted
) -> None:
    begun, saved = Gate(), Gate()

    def run(context: Context) -> None:
        begun(context)
        context.save(b"one", PullStatus(published_bytes=1))
        saved(context)

    driver.script("a", run=run)
    job = house.create("a")
    assert begun.reached.wait(20)
    before = house.get(job)
    begun.open.set()
    assert saved.reached.wait(20)
    after = house.apply(Verb.PAUSE, job, expected_revision=before.revision)
    assert after.revision == before.revision + 1
    # The change that comes next tells of it.
    assert after.status == PullStatus(published_bytes=1)
    saved.open.set()
    house.apply(Verb.RESUME, job)
    house.wait(job, S.SUCCEEDED)
    revisions = [change.revision for change in house.changes]
    assert revisions == list(range(1, len(revisions) + 1))


def test_a_window_that_closes_takes_nothing_back_of_a_checkpoint(
    open_house: OpenHouse, driver: Scripted
) -> None:
    clock = FakeClock()
    house = open_house(clock=clock)
    saved, steady = Gate(), Steady()

    def run(context: Context) -> None:
        context.save(b"one", PullStatus(published_bytes=1))
        saved(context)
        steady(context)

    driver.script("a", run=run)
    # From midnight, which it is, for one hour a day.
    job = house.create("a", windows=(Window(0, 60),))
    assert saved.reached.wait(20)
    saved.open.set()
    clock.advance(3600)
    assert house.wait(job, S.PAUSED).status == PullStatus(published_bytes=1)
    house.apply(Verb.CANCEL, job)
    house.wait(job, S.CANCELLED)


def test_a_failed_attempt_frees_its_nodes(house: House, driver: Scripted) -> None:
    driver.script("a", run=in_turn(raising(BROKEN), Steady()))
    house.wait(house.create("a"), S.FAILED)
    again = house.create("a")
    house.wait(again, S.RUNNING)
    house.apply(Verb.CANCEL, again)
    house.wait(again, S.CANCELLED)


def test_decisions_that_a_bug_took_back_are_made_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    decide, bugs = Queue.decide, [RuntimeError("a bug")]

    def buggy(self: Queue, now: Instant) -> Iterator[Decision]:
        yield from decide(self, now)
        if bugs:
            raise bugs.pop()

    monkeypatch.setattr(Queue, "decide", buggy)
    first = house.create("a")
    house.create("b")
    house.wait(first, S.SUCCEEDED)
    assert not bugs
