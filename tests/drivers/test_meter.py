"""What a job reports of itself: nothing counts twice, and a rate is of what moves."""

import pytest

from longshored.clock import SECOND, Instant
from longshored.drivers.meter import Meter
from longshored.job.progress import Ledger, LimitedBy, Progress
from tests.support.clock import FakeClock


class SetBack(FakeClock):
    """A clock whose time of day somebody sets back."""

    set_back = 0

    def wall(self) -> Instant:
        return super().wall() - self.set_back * SECOND


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_what_earlier_attempts_did_counts_but_did_not_move_just_now(
    clock: FakeClock,
) -> None:
    meter = Meter(clock, Progress(current=700, total=1000))
    meter.sample()
    clock.advance(9)  # to look at the image
    meter.expect(1000, before=700)
    clock.advance(1)
    meter.done(0, 10)
    sample = meter.sample()
    assert sample.current == 710
    assert sample.rate == 10
    assert sample.estimate is not None
    assert sample.estimate.low == pytest.approx(29)


def test_until_a_new_attempt_has_looked_the_last_word_of_the_old_one_stands(
    clock: FakeClock,
) -> None:
    meter = Meter(clock, Progress(current=700, total=1000))
    assert meter.sample().current == 700


def test_it_never_counts_more_than_all(clock: FakeClock) -> None:
    meter = Meter(clock)
    meter.expect(100, before=60)
    meter.done(0, 50)
    assert meter.sample().current == 100


def test_a_job_at_rest_has_no_rate_no_estimate_and_no_limit(clock: FakeClock) -> None:
    meter = Meter(clock)
    meter.expect(1000)
    meter.limited_by(LimitedBy.JOB_RATE)
    clock.advance(1)
    meter.done(0, 100)
    assert meter.sample().limited_by is LimitedBy.JOB_RATE
    meter.rest()
    clock.advance(1)
    sample = meter.sample()
    assert (sample.rate, sample.estimate) == (0, None)
    assert sample.limited_by is LimitedBy.NOTHING
    assert sample.current == 100


def test_the_first_rate_after_a_rest_is_not_thinned_by_it(clock: FakeClock) -> None:
    meter = Meter(clock)
    meter.expect(1000)
    clock.advance(1)
    meter.done(0, 100)
    meter.sample()
    meter.rest()
    clock.advance(30)
    meter.go_on()
    assert meter.sample().rate == 0
    clock.advance(1)
    meter.done(100, 100)
    assert meter.sample().rate == 100


def test_to_go_on_without_a_rest_changes_nothing(clock: FakeClock) -> None:
    meter = Meter(clock)
    meter.expect(1000)
    clock.advance(1)
    meter.done(0, 100)
    meter.go_on()
    assert meter.sample().rate == 100


def test_a_sample_holds_the_pause_under_way_and_those_before(clock: FakeClock) -> None:
    meter = Meter(clock, Progress(ledger=Ledger(paused=5)))
    meter.rest(is_paused=True)
    clock.advance(20)
    meter.rest(is_paused=True)
    clock.advance(10)
    assert meter.sample().ledger.paused == 35
    meter.go_on()
    clock.advance(10)
    assert meter.sample().ledger.paused == 35


def test_to_wait_for_others_is_no_pause(clock: FakeClock) -> None:
    meter = Meter(clock)
    meter.rest()
    clock.advance(10)
    meter.go_on()
    assert meter.sample().ledger.paused == 0


def test_elapsed_is_the_time_since_the_first_start(clock: FakeClock) -> None:
    since = clock.wall()
    clock.advance(100)
    meter = Meter(clock, Progress(elapsed=20), since)
    clock.advance(5)
    assert meter.sample().elapsed == 105


def test_elapsed_does_not_go_back_with_the_time_of_day() -> None:
    clock = SetBack()
    meter = Meter(clock)
    clock.advance(10)
    assert meter.sample().elapsed == 10
    clock.set_back = 8
    clock.advance(1)
    assert meter.sample().elapsed == 10
    clock.advance(9)
    assert meter.sample().elapsed == 12


def test_a_rate_begins_anew_under_other_limits(clock: FakeClock) -> None:
    meter = Meter(clock)
    meter.expect(10_000)
    for second in range(10):
        clock.advance(1)
        meter.done(second * 100, 100)
        meter.sample()
    meter.limits_changed()
    clock.advance(1)
    meter.done(1000, 7)
    assert meter.sample().rate == 7
