"""The queue in a whole scheduler: reasons on record, processes, windows, order."""

import threading
from dataclasses import replace

import pytest

from longshored.clock import SECOND
from longshored.drivers.base import Context
from longshored.errors import Kind, ServiceError
from longshored.job.model import Holder, PendingReason, Window
from longshored.job.states import State, Verb
from longshored.scheduler.newjob import OnConflict
from tests.scheduler.conftest import OpenHouse
from tests.scheduler.house import ALICE, House
from tests.support.clock import FakeClock
from tests.support.drivers import Gate, Scripted, Steady, in_turn, node, raising

S = State
R = PendingReason

FOREIGN = ServiceError(
    Kind.TARGET_BUSY, "qemu-img uses it", uri="/images/a", pid=77, command="qemu-img"
)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_a_queued_job_says_who_has_its_node_and_starts_when_it_is_free(
    house: House, driver: Scripted
) -> None:
    run = Steady()
    driver.script("a", run=in_turn(run, lambda _: None))
    holder = house.create("a")
    job = house.create("a", on_conflict=OnConflict.QUEUE)
    pending = house.get(job).pending
    assert pending is not None
    assert (pending.reason, pending.job_id) == (R.HOLD, holder.job_id)
    run.finish.set()
    ended = house.wait(job, S.SUCCEEDED)
    assert ended.progress.ledger.hold_wait > 0


def test_a_foreign_process_is_waited_for_and_named(
    open_house: OpenHouse, driver: Scripted, clock: FakeClock
) -> None:
    house = open_house(clock=clock)
    script = driver.script("a")
    script.trouble = FOREIGN
    job = house.create("a", on_conflict=OnConflict.QUEUE)
    pending = house.get(job).pending
    assert pending is not None
    assert (pending.reason, pending.pid, pending.command) == (R.HOLD, 77, "qemu-img")
    script.trouble = None
    clock.advance(1)
    ended = house.wait(job, S.SUCCEEDED)
    assert ended.nodes == (node("a"),)


def test_a_foreign_process_refuses_a_job_that_does_not_queue(
    house: House, driver: Scripted
) -> None:
    driver.script("a").trouble = FOREIGN
    with pytest.raises(ServiceError) as caught:
        house.create("a")
    assert caught.value.facts["pid"] == 77


def test_a_process_that_comes_between_sends_a_queued_job_back(
    open_house: OpenHouse, driver: Scripted, clock: FakeClock
) -> None:
    house = open_house(clock=clock)
    driver.script("a", start=in_turn(raising(FOREIGN), lambda _: None))
    job = house.create("a", on_conflict=OnConflict.QUEUE)
    house.wait_until(job, lambda now: now.state is S.QUEUED and now.attempts == 1)
    clock.advance(1)
    house.wait(job, S.SUCCEEDED)
    assert house.states(job)[:4] == [S.QUEUED, S.RUNNING, S.QUEUED, S.RUNNING]


def test_images_that_were_never_seen_are_looked_at_whatever_else_was_waited_for(
    open_house: OpenHouse, driver: Scripted, clock: FakeClock
) -> None:
    house = open_house(clock=clock)
    script = driver.script("a")
    script.trouble = FOREIGN
    later = clock.wall() + 10 * SECOND
    job = house.create("a", on_conflict=OnConflict.QUEUE, earliest_start_time=later)
    house.apply(Verb.PAUSE, job)
    script.trouble = None
    house.apply(Verb.RESUME, job)
    clock.advance(10)
    assert house.wait(job, S.SUCCEEDED).nodes == (node("a"),)


def test_a_cancel_that_meets_a_process_unwinds_the_job(
    house: House, driver: Scripted
) -> None:
    gate = Gate()
    driver.script("a", start=lambda context: _met(gate, context))
    job = house.create("a", on_conflict=OnConflict.QUEUE)
    assert gate.reached.wait(20)
    house.apply(Verb.CANCEL, job)
    gate.open.set()
    assert house.wait(job, S.CANCELLED).worker is None
    assert house.scheduler.running() == []


def _met(gate: Gate, context: Context) -> None:
    gate(context)
    raise FOREIGN


def test_a_daemon_without_free_descriptors_does_not_look_all_the_time(
    open_house: OpenHouse, driver: Scripted, clock: FakeClock
) -> None:
    house = open_house(clock=clock)
    script = driver.script("a")
    script.trouble = FOREIGN
    later = clock.wall() + 10 * SECOND
    job = house.create("a", on_conflict=OnConflict.QUEUE, earliest_start_time=later)
    script.trouble = ServiceError(Kind.RATE_LIMIT, "Too many files open")
    clock.advance(10)
    house.wait_until(job, lambda now: now.pending is not None and now.revision > 2)
    for name in "bcd":
        house.wait(house.create(name), S.SUCCEEDED)
    assert driver.order("nodes").count(("/images/a.qcow2", "nodes")) == 2


def test_a_daemon_without_free_descriptors_looks_again(
    open_house: OpenHouse, driver: Scripted, clock: FakeClock
) -> None:
    house = open_house(clock=clock)
    script = driver.script("a")
    script.trouble = FOREIGN
    job = house.create("a", on_conflict=OnConflict.QUEUE)
    script.trouble = ServiceError(Kind.RATE_LIMIT, "Too many files open")
    while len(driver.order("nodes")) < 3:
        clock.advance(1)
        threading.Event().wait(0.001)
    script.trouble = None
    while house.get(job).state is not S.SUCCEEDED:
        clock.advance(1)
        threading.Event().wait(0.001)


def test_an_image_that_is_wrong_by_then_fails_the_job_that_waited(
    open_house: OpenHouse, driver: Scripted, clock: FakeClock
) -> None:
    house = open_house(clock=clock)
    script = driver.script("a")
    script.trouble = FOREIGN
    job = house.create("a", on_conflict=OnConflict.QUEUE)
    script.trouble = ServiceError(Kind.TARGET_NOT_FOUND, "Gone")
    clock.advance(1)
    ended = house.wait(job, S.FAILED)
    assert ended.failure is not None
    assert ended.failure.kind is Kind.TARGET_NOT_FOUND


def test_a_start_time_comes_by_the_clock(
    open_house: OpenHouse, clock: FakeClock
) -> None:
    house = open_house(clock=clock)
    job = house.create("a", earliest_start_time=clock.wall() + 3600 * SECOND)
    pending = house.get(job).pending
    assert pending is not None
    assert pending.reason is R.START_TIME
    clock.advance(3600)
    house.wait(job, S.SUCCEEDED)


def test_a_window_that_closes_pauses_and_one_that_opens_lets_go(
    open_house: OpenHouse, driver: Scripted, clock: FakeClock
) -> None:
    house = open_house(clock=clock)
    run = Steady()
    driver.script("a", run=run)
    # From midnight, which it is, for one hour a day.
    job = house.create("a", windows=(Window(0, 60),))
    house.wait(job, S.RUNNING)
    clock.advance(3600)
    paused = house.wait(job, S.PAUSED)
    assert [pause.holder for pause in paused.pauses] == [Holder.WINDOW]
    # A user cannot open a window.
    assert house.apply(Verb.RESUME, job).state is S.PAUSED
    clock.advance(23 * 3600)
    house.wait(job, S.RUNNING)
    run.finish.set()
    house.wait(job, S.SUCCEEDED)


def test_windows_taken_away_let_a_job_go_on(
    open_house: OpenHouse, driver: Scripted, clock: FakeClock
) -> None:
    house = open_house(clock=clock)
    driver.script("a", run=Steady())
    job = house.create("a", windows=(Window(0, 60),))
    house.wait(job, S.RUNNING)
    clock.advance(3600)
    house.wait(job, S.PAUSED)
    house.scheduler.update(job.job_id, lambda o: replace(o, windows=()), ALICE)
    house.wait(job, S.RUNNING)
    house.apply(Verb.CANCEL, job)
    house.wait(job, S.CANCELLED)


def test_a_job_comes_after_one_that_succeeds(house: House, driver: Scripted) -> None:
    run = Steady()
    driver.script("a", run=run)
    first = house.create("a")
    # The same image: it needs what its predecessor has, and may be made at once.
    second = house.create("a", after=(first.job_id,))
    run.finish.set()
    one = house.wait(first, S.SUCCEEDED)
    other = house.wait(second, S.SUCCEEDED)
    assert one.end_time is not None
    assert other.start_time is not None
    assert one.end_time <= other.start_time


def test_a_job_fails_whose_predecessor_fails_and_so_do_those_behind_it(
    house: House, driver: Scripted
) -> None:
    run = Steady()
    driver.script("a", run=run)
    first = house.create("a")
    second = house.create("b", after=(first.job_id,))
    third = house.create("c", after=(second.job_id,))
    house.apply(Verb.CANCEL, first)
    for job, before in ((second, first), (third, second)):
        ended = house.wait(job, S.FAILED)
        assert ended.failure is not None
        assert ended.failure.kind is Kind.PREDECESSOR_FAILED
        assert ended.failure.facts["job_id"] == before.job_id


def test_a_priority_that_is_raised_moves_a_job_forward(
    open_house: OpenHouse, driver: Scripted
) -> None:
    house = open_house(slots=1)
    run = Steady()
    driver.script("a", run=run)
    house.create("a")
    jobs = [house.create(name) for name in "bc"]
    last = jobs[-1].job_id
    house.scheduler.update(last, lambda o: replace(o, priority=9), ALICE)
    run.finish.set()
    for job in jobs:
        house.wait(job, S.SUCCEEDED)
    starts = [job_id for job_id, _ in driver.order("start")]
    assert starts[1:] == [jobs[1].job_id, jobs[0].job_id]


def test_a_job_that_finds_all_workers_busy_says_so_from_its_first_revision(
    open_house: OpenHouse, driver: Scripted
) -> None:
    house = open_house(slots=1)
    run = Steady()
    driver.script("a", run=run)
    house.create("a")
    job = house.create("b")
    assert job.pending is not None
    assert job.pending.reason is R.SLOT
    assert job.revision == job.create_revision
    run.finish.set()
    house.wait(job, S.SUCCEEDED)
