"""What the samples of a job say while it works, stands still, and when it is over."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from longshored.drivers.base import Context
from longshored.job.model import Job, RateLimit
from longshored.job.progress import LimitedBy, Progress
from longshored.job.states import State, Verb
from longshored.scheduler.limits import DAEMON
from tests.scheduler.conftest import OpenHouse
from tests.scheduler.house import ALICE, House
from tests.support.clock import FakeClock
from tests.support.drivers import Gate, Scripted, Steady, raising

S = State

STILL = (0.0, False, LimitedBy.NOTHING)


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


@pytest.fixture
def crash(house: House) -> Iterator[Callable[[], House]]:
    """The next life, whose jobs find nothing to do."""
    lives: list[House] = []

    def begin() -> House:
        lives.append(house.crash(Scripted()))
        return lives[-1]

    yield begin
    for life in lives:
        life.close()


def live(house: House, number: int) -> Progress:
    progress = house.scheduler.progress(number)
    assert progress is not None
    return progress


def pace(progress: Progress) -> tuple[float, bool, LimitedBy]:
    return progress.rate, progress.estimate is not None, progress.limited_by


def times(progress: Progress) -> tuple[float, float]:
    """Elapsed in all, and paused of it."""
    return progress.elapsed, progress.ledger.paused


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


def of_the_job(house: House, job: Job) -> None:
    slowly = RateLimit(speed_bytes_per_second=7)
    house.scheduler.update(job.job_id, lambda o: replace(o, rate=slowly), ALICE)


def test_a_limit_of_others_leaves_the_rate(
    house: House, clock: FakeClock, run: Moving
) -> None:
    job = house.create("a")
    assert run.steady.begun.wait(20)
    house.scheduler.limits.update("9:9", lambda _: RateLimit(7), ALICE)
    clock.advance(1)
    assert live(house, job.number).rate > 40
    run.steady.finish.set()


def of_the_daemon(house: House, _: Job) -> None:
    house.scheduler.limits.update(DAEMON, lambda _: RateLimit(7), ALICE)


@pytest.mark.parametrize("limit", [of_the_job, of_the_daemon])
def test_a_rate_begins_anew_under_another_limit(
    house: House, clock: FakeClock, run: Moving, limit: Callable[[House, Job], None]
) -> None:
    job = house.create("a")
    assert run.steady.begun.wait(20)
    assert live(house, job.number).rate == 100
    limit(house, job)
    meter = next(one.meter for one in house.scheduler.running())
    clock.advance(1)
    meter.done(100, 7)
    assert live(house, job.number).rate == 7
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
    house: House, crash: Callable[[], House], run: Moving
) -> None:
    job = house.create("a")
    assert run.steady.begun.wait(20)
    assert pace(house.get(job).progress) == (100.0, True, LimitedBy.JOB_RATE)
    after = crash()
    after.wait(job, S.SUCCEEDED)
    queued = [c.job for c in after.changes if c.job.state is S.QUEUED]
    assert [pace(one.progress) for one in queued] == [STILL]


def test_a_sample_holds_the_pause_under_way_and_so_does_the_last_one(
    house: House, clock: FakeClock, run: Moving
) -> None:
    job = house.create("a")
    assert run.steady.begun.wait(20)
    house.apply(Verb.PAUSE, job)
    house.wait(job, S.PAUSED)
    clock.advance(30)
    before = live(house, job.number)
    assert times(before) == (31, 30)
    assert times(house.apply(Verb.CANCEL, job).progress) == (31, 30)
    assert times(house.wait(job, S.CANCELLED).progress) == (31, 30)


def test_each_change_tells_the_time_since_the_first_start(
    house: House, clock: FakeClock, run: Moving
) -> None:
    job = house.create("a", auto_finalize=False)
    assert run.steady.begun.wait(20)
    clock.advance(5)
    house.apply(Verb.PAUSE, job)
    assert times(house.wait(job, S.PAUSED).progress) == (6, 0)
    clock.advance(10)
    house.apply(Verb.RESUME, job)
    assert times(house.wait(job, S.RUNNING).progress) == (16, 10)
    run.steady.finish.set()
    assert times(house.wait(job, S.PENDING).progress) == (16, 10)
    clock.advance(20)
    house.apply(Verb.FINALIZE, job)
    assert times(house.wait(job, S.SUCCEEDED).progress) == (36, 10)


def test_a_pause_that_a_restart_ends_is_not_lost(
    house: House, crash: Callable[[], House], clock: FakeClock, run: Moving
) -> None:
    job = house.create("a")
    assert run.steady.begun.wait(20)
    house.apply(Verb.PAUSE, job)
    house.wait(job, S.PAUSED)
    clock.advance(30)
    after = crash()
    assert times(after.wait(job, S.QUEUED).progress) == (31, 30)
    clock.advance(9)
    after.apply(Verb.RESUME, job)
    assert times(after.wait(job, S.SUCCEEDED).progress) == (40, 30)


def test_a_job_that_is_unwound_after_a_restart_keeps_its_last_word(
    house: House,
    driver: Scripted,
    crash: Callable[[], House],
    clock: FakeClock,
    run: Moving,
) -> None:
    gate = Gate()
    driver.script("a", run=run, abort=gate)
    job = house.create("a")
    assert run.steady.begun.wait(20)
    house.apply(Verb.CANCEL, job)
    assert gate.reached.wait(20)
    clock.advance(30)
    ended = crash().wait(job, S.CANCELLED)
    gate.open.set()
    assert (ended.progress.current, ended.progress.elapsed) == (100, 31)


def test_the_last_word_has_what_was_counted_to_the_very_end(
    house: House, driver: Scripted, clock: FakeClock
) -> None:
    def commit(context: Context) -> None:
        context.meter.count(written=7)
        clock.advance(3)

    driver.script("a", commit=commit)
    job = house.create("a")
    ended = house.wait(job, S.SUCCEEDED)
    assert (ended.progress.written, ended.progress.elapsed) == (7, 3)


def test_the_last_word_of_a_failed_job_has_what_its_unwinding_counted(
    house: House, driver: Scripted, clock: FakeClock
) -> None:
    def abort(context: Context) -> None:
        context.meter.count(written=7)
        clock.advance(3)

    driver.script("a", run=raising(ValueError("no")), abort=abort)
    job = house.create("a")
    ended = house.wait(job, S.FAILED)
    assert (ended.progress.written, ended.progress.elapsed) == (7, 3)


def test_a_job_that_fails_when_all_was_copied_is_short_of_all(
    house: House, driver: Scripted
) -> None:
    def run(context: Context) -> None:
        context.meter.expect(1000)
        context.meter.done(0, 1000)

    driver.script("a", run=run, prepare=raising(ValueError("gone")))
    job = house.create("a", auto_finalize=False)
    assert house.wait(job, S.PENDING).progress.current == 1000
    house.apply(Verb.FINALIZE, job)
    assert house.wait(job, S.FAILED).progress.current == 999
