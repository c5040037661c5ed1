"""What a job reports of itself: nothing counts twice, and a rate is of what moves."""

import pytest

from longshored.drivers.meter import Meter
from longshored.job.progress import Progress
from tests.support.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_what_earlier_attempts_did_counts_but_did_not_move_just_now(
    clock: FakeClock,
) -> None:
    meter = Meter(clock, Progress(current=700, total=1000))
    meter.sample()
    clock.advance(1)
    meter.expect(1000, before=700)
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
