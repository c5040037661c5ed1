"""What the samples of a job say while it works, stands still, and when it is over."""

import pytest

from longshored.drivers.base import Context
from longshored.job.progress import LimitedBy, Progress
from longshored.job.states import State, Verb
from tests.scheduler.conftest import OpenHouse
from tests.scheduler.house import House
from tests.support.clock import FakeClock
from tests.support.drivers import Scripted, Steady

S = State


class Moving:
    """A run that has moved 100 of 1000 in its first second, and goes on steadily."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.steady = Steady()

    def __call__(self, context: Context) -> None:
        context.meter.expect(1000)
        context.meter.limited_by(LimitedBy.JOB_RATE)
        self._clock.advance(1)
        context.meter.done(0, 100)
        context.save(b"")
        self.steady(context)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def house(open_house: OpenHouse, clock: FakeClock) -> House:
    return open_house(clock=clock)


@pytest.fixture
def run(driver: Scripted, clock: FakeClock) -> Moving:
    run = Moving(clock)
    driver.script("a", run=run)
    return run


def live(house: House, number: int) -> Progress:
    progress = house.scheduler.progress(number)
    assert progress is not None
    return progress


def pace(progress: Progress) -> tuple[float, bool, LimitedBy]:
    return progress.rate, progress.estimate is not None, progress.limited_by


STILL = (0.0, False, LimitedBy.NOTHING)


def test_a_paused_job_has_no_rate_and_begins_it_anew(
    house: House, clock: FakeClock, run: Moving
) -> None:
    job = house.create("a")
    assert run.steady.begun.wait(20)
    assert pace(live(house, job.number)) == (100.0, True, LimitedBy.JOB_RATE)
    house.apply(Verb.PAUSE, job)
    assert pace(house.wait(job, S.PAUSED).progress) == STILL
    clock.advance(30)
    assert pace(live(house, job.number)) == STILL
    house.apply(Verb.RESUME, job)
    house.wait(job, S.RUNNING)
    meter = next(one.meter for one in house.scheduler.running())
    clock.advance(1)
    meter.done(100, 200)
    assert live(house, job.number).rate == 200
    run.steady.finish.set()


def test_a_job_that_waits_to_be_finalized_has_no_rate(
    house: House, run: Moving
) -> None:
    run.steady.finish.set()
    job = house.create("a", auto_finalize=False)
    assert pace(house.wait(job, S.PENDING).progress) == STILL
    assert pace(live(house, job.number)) == STILL
    house.apply(Verb.FINALIZE, job)
    assert pace(house.wait(job, S.SUCCEEDED).progress) == STILL


def test_a_job_that_is_taken_up_has_no_rate_while_it_queues(
    house: House, driver: Scripted, run: Moving
) -> None:
    job = house.create("a")
    assert run.steady.begun.wait(20)
    assert pace(house.get(job).progress) == (100.0, True, LimitedBy.JOB_RATE)
    after = house.crash(Scripted())
    after.wait(job, S.SUCCEEDED)
    queued = [c.job for c in after.changes if c.job.state is S.QUEUED]
    assert [pace(one.progress) for one in queued] == [STILL]
    after.close()
    run.steady.finish.set()
