"""What a start makes of what the last daemon left: power cut, then a new house."""

from collections.abc import Iterator

import pytest

from longshored.drivers.base import Context
from longshored.errors import Kind, ServiceError
from longshored.job.model import PendingReason
from longshored.job.spec import PullStatus
from longshored.job.states import State, Verb
from longshored.scheduler.failpoints import FAIL_POINTS
from longshored.scheduler.newjob import OnConflict
from tests.scheduler.conftest import OpenHouse
from tests.scheduler.house import House
from tests.support.clock import FakeClock
from tests.support.drivers import Gate, Scripted, Steady, in_turn, raising

S = State


class Lives:
    """Crashes houses, and opens all that still waits when the test is over."""

    def __init__(self) -> None:
        self.driver = Scripted()
        self.houses: list[House] = []
        self.gates: list[Gate | Steady] = []

    def gate(self) -> Gate:
        gate = Gate()
        self.gates.append(gate)
        return gate

    def steady(self) -> Steady:
        run = Steady()
        self.gates.append(run)
        return run

    def crash(self, house: House, **settings: object) -> House:
        """The next life, with a driver of its own."""
        after = house.crash(self.driver, **settings)
        self.houses.append(after)
        return after


@pytest.fixture
def lives(open_house: OpenHouse) -> Iterator[Lives]:
    found = Lives()
    yield found
    for gate in found.gates:
        if isinstance(gate, Gate):
            gate.open.set()
        else:
            gate.finish.set()
    for house in found.houses:
        house.close()


def test_a_running_job_goes_on_by_itself_from_its_checkpoint(
    house: House, driver: Scripted, lives: Lives
) -> None:
    gate = lives.gate()

    def run(context: Context) -> None:
        context.meter.expect(100)
        context.meter.done(0, 50)
        context.save(b"half way", PullStatus(published_bytes=50))
        gate(context)

    driver.script("a", run=run)
    job = house.create("a")
    assert gate.reached.wait(20)
    seen: list[tuple[int, bytes | None]] = []
    lives.driver.script("a", run=lambda c: seen.append((c.attempt, c.saved)))
    after = lives.crash(house)
    ended = after.wait(job, S.SUCCEEDED)
    assert seen == [(2, b"half way")]
    adopted = next(change.job for change in after.changes)
    assert adopted.state is S.QUEUED
    assert adopted.progress.current == 50
    assert adopted.status == PullStatus(published_bytes=50)
    assert [step.reason for step in ended.history][:4] == [
        "created",
        "started",
        "daemon restarted",
        "started",
    ]


def test_a_queued_job_waits_on_as_it_was(
    house: House, driver: Scripted, lives: Lives
) -> None:
    driver.script("a", run=lives.steady())
    house.create("a")
    job = house.create("a", on_conflict=OnConflict.QUEUE)
    queued = house.get(job)
    lives.driver.script("a", run=lives.steady())
    after = lives.crash(house)
    assert after.get(job) == queued


def test_a_paused_job_stays_paused(
    house: House, driver: Scripted, lives: Lives
) -> None:
    driver.script("a", run=lives.steady())
    job = house.create("a")
    house.apply(Verb.PAUSE, job)
    house.wait(job, S.PAUSED)
    after = lives.crash(house)
    found = after.get(job)
    assert found.state is S.QUEUED
    assert found.pending is not None
    assert found.pending.reason is PendingReason.PAUSED
    after.apply(Verb.RESUME, job)
    after.wait(job, S.SUCCEEDED)


def test_a_job_being_unwound_is_unwound_by_a_new_attempt(
    house: House, driver: Scripted, lives: Lives
) -> None:
    driver.script("a", run=lives.steady(), abort=lives.gate())
    job = house.create("a")
    house.apply(Verb.CANCEL, job)
    after = lives.crash(house)
    ended = after.wait(job, S.CANCELLED)
    assert ended.warnings == ()
    assert lives.driver.calls(job.job_id) == ["start", "abort", "clean"]


def test_a_job_that_cannot_be_unwound_after_a_restart_ends_with_a_warning(
    house: House, driver: Scripted, lives: Lives
) -> None:
    driver.script("a", run=lives.steady(), abort=lives.gate())
    job = house.create("a")
    house.apply(Verb.CANCEL, job)
    lives.driver.script("a", start=raising(ServiceError(Kind.IO_ERROR, "No disk")))
    after = lives.crash(house)
    ended = after.wait(job, S.CANCELLED)
    (warning,) = ended.warnings
    assert warning.message == "Could not be unwound after a restart: No disk"


def test_a_job_that_waited_for_finalise_waits_again(house: House, lives: Lives) -> None:
    job = house.create("a", auto_finalize=False)
    house.wait(job, S.PENDING)
    after = lives.crash(house)
    after.wait(job, S.PENDING)
    after.apply(Verb.FINALIZE, job)
    after.wait(job, S.SUCCEEDED)


def test_a_crash_after_the_commit_of_the_work_commits_again(
    house: House, driver: Scripted, lives: Lives
) -> None:
    gate = lives.gate()
    driver.script("a", commit=gate)
    job = house.create("a")
    assert gate.reached.wait(20)
    after = lives.crash(house)
    after.wait(job, S.SUCCEEDED)
    assert "commit" in lives.driver.calls(job.job_id)


def test_a_cancel_after_a_crash_in_finalise_comes_too_late(
    house: House, driver: Scripted, lives: Lives
) -> None:
    gate, second = lives.gate(), lives.gate()
    driver.script("a", commit=gate)
    job = house.create("a")
    assert gate.reached.wait(20)
    lives.driver.script("a", run=second)
    after = lives.crash(house)
    assert second.reached.wait(20)
    # The header may be rewritten already: only going on tells the truth.
    after.apply(Verb.CANCEL, job)
    second.open.set()
    after.wait(job, S.SUCCEEDED)


def test_a_group_that_crashed_between_its_commits_is_finalised_as_a_whole(
    house: House, driver: Scripted, lives: Lives
) -> None:
    gate = lives.gate()
    driver.script("b", commit=gate)
    first, second = house.group("a", "b")
    assert gate.reached.wait(20)
    after = lives.crash(house)
    after.wait(first, S.SUCCEEDED)
    after.wait(second, S.SUCCEEDED)


@pytest.mark.parametrize("step", ["start", "run", "prepare", "commit"])
def test_a_member_that_fails_after_such_a_crash_fails_alone(
    house: House, driver: Scripted, lives: Lives, step: str
) -> None:
    gate = lives.gate()
    driver.script("b", commit=gate)
    first, second = house.group("a", "b")
    assert gate.reached.wait(20)
    broken = ServiceError(Kind.IO_ERROR, "The disk is broken")
    lives.driver.script("b", **{step: raising(broken)})
    after = lives.crash(house)
    after.wait(first, S.SUCCEEDED)
    after.wait(second, S.FAILED)


def test_a_group_that_crashed_at_work_waits_for_its_members_again(
    house: House, driver: Scripted, lives: Lives
) -> None:
    driver.script("b", run=lives.steady())
    first, second = house.group("a", "b")
    house.wait(first, S.WAITING)
    after = lives.crash(house)
    for job in (first, second):
        after.wait(job, S.SUCCEEDED)


def test_a_process_that_looks_at_an_image_after_a_restart_is_waited_for(
    open_house: OpenHouse, driver: Scripted, lives: Lives
) -> None:
    clock = FakeClock()
    house = open_house(clock=clock)
    driver.script("a", run=lives.steady())
    job = house.create("a")
    house.wait(job, S.RUNNING)
    busy = ServiceError(Kind.TARGET_BUSY, "qemu-img uses it", pid=7)
    lives.driver.script("a", start=in_turn(raising(busy), lambda _: None))
    after = lives.crash(house)
    after.wait_until(job, lambda now: now.attempts == 2 and now.state is S.QUEUED)
    clock.advance(1)
    after.wait(job, S.SUCCEEDED)


def test_every_start_is_an_epoch_and_every_attempt_has_a_claim_of_its_own(
    house: House, driver: Scripted, lives: Lives
) -> None:
    driver.script("a", run=lives.steady())
    job = house.create("a")
    first = house.wait(job, S.RUNNING).worker
    lives.driver.script("a", run=lives.steady())
    after = lives.crash(house)
    second = after.wait_until(
        job, lambda now: now.state is S.RUNNING and now.attempts == 2
    ).worker
    assert first is not None
    assert second is not None
    assert (first.epoch, first.attempt) == (1, 1)
    assert (second.epoch, second.attempt) == (2, 2)


def test_a_drain_leaves_jobs_that_a_start_takes_up(
    house: House, driver: Scripted, lives: Lives
) -> None:
    driver.script("a", run=lives.steady())
    job = house.create("a")
    waiting = house.create("b", auto_finalize=False)
    house.wait(waiting, S.PENDING)
    house.wait(job, S.RUNNING)
    house.close()
    assert driver.calls(job.job_id)[-1] == "clean"
    assert driver.calls(waiting.job_id) == ["start", "run", "clean"]
    after = lives.crash(house)
    after.wait(job, S.SUCCEEDED)
    after.wait(waiting, S.PENDING)


def test_every_fail_point_is_on_the_way_of_some_life(
    open_house: OpenHouse, driver: Scripted, lives: Lives
) -> None:
    reached: set[str] = set()
    house = open_house(fail_point=reached.add)

    def run(context: Context) -> None:
        context.save(b"")
        lives.steady()(context)

    driver.script("a", run=run)
    job = house.create("a")
    house.apply(Verb.PAUSE, job)
    house.wait(job, S.PAUSED)
    house.apply(Verb.CANCEL, job)
    house.wait(job, S.CANCELLED)
    house.wait(house.create("b"), S.SUCCEEDED)
    house.close()
    assert reached == set(FAIL_POINTS)


def test_a_drain_wakes_a_paused_worker(house: House, driver: Scripted) -> None:
    driver.script("a", run=Steady())
    job = house.create("a")
    house.apply(Verb.PAUSE, job)
    house.wait(job, S.PAUSED)
    house.close()
    assert driver.calls(job.job_id) == ["start", "run", "clean"]
