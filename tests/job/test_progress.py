"""Progress never lies; rate and estimate come from samples."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshored.job.progress import Progress, RateMeter


def fed(*samples: tuple[float, int]) -> RateMeter:
    meter = RateMeter()
    for now, amount in samples:
        meter.feed(now, amount)
    return meter


def test_an_unknown_total_has_no_fraction() -> None:
    assert Progress(current=5).fraction is None


def test_the_fraction_is_done_of_total() -> None:
    assert Progress(current=1, total=4).fraction == 0.25


def test_one_sample_makes_no_rate() -> None:
    assert fed((0, 100)).estimate(50) is None


def test_a_steady_rate_is_found_exactly() -> None:
    meter = fed(*((second, second * 10) for second in range(20)))
    assert meter.rate == pytest.approx(10)
    estimate = meter.estimate(50)
    assert estimate is not None
    assert (estimate.low, estimate.high) == pytest.approx((5, 5))


def test_a_young_rate_is_the_mean_of_all_it_has_seen() -> None:
    """A limit of ten a second that lets five through at a time, seen at odd moments."""
    meter = fed((0.00, 0), (0.05, 5), (0.45, 5), (0.55, 10), (1.00, 10))
    assert meter.rate == pytest.approx(10, rel=0.1)


def test_an_estimate_of_what_comes_in_jerks_is_near_the_truth() -> None:
    meter = fed(*((look / 20, look // 5 * 5) for look in range(200)))
    estimate = meter.estimate(1000)
    assert estimate is not None
    assert 45 < estimate.low <= estimate.high < 55


def test_a_rate_that_changes_is_followed_within_some_seconds() -> None:
    steps = [0, *([100] * 20), *([10] * 15)]
    amounts = [sum(steps[: second + 1]) for second in range(len(steps))]
    meter = fed(*enumerate(amounts))
    assert 10 < meter.rate < 20


@pytest.mark.parametrize("still", [60, 200, 4000, 10**6])
def test_what_stands_still_has_no_estimate_that_nobody_could_say(still: int) -> None:
    meter = fed((0, 0), (10, 10**9), (10 + still, 10**9))
    estimate = meter.estimate(10**12)
    assert estimate is None or estimate.high < 4 * 90 * 86_400


def test_two_samples_at_one_time_are_one() -> None:
    assert fed((0, 0), (1, 10), (1, 99)).rate == 10


def test_an_amount_that_goes_back_is_a_rate_of_zero_not_less() -> None:
    meter = fed((0, 100), (1, 110), (2, 50))
    assert 0 <= meter.rate < 10


def test_how_often_it_is_fed_does_not_matter() -> None:
    coarse = fed(*((float(i), i * 10) for i in range(30)))
    fine = fed(*((i / 10, i) for i in range(300)))
    assert coarse.rate == pytest.approx(fine.rate)


@given(
    st.lists(
        st.tuples(st.floats(0.001, 100), st.integers(0, 10**12)),
        min_size=2,
        max_size=50,
    )
)
def test_an_estimate_is_a_range_around_the_rate(steps: list[tuple[float, int]]) -> None:
    meter, now, amount = RateMeter(), 0.0, 0
    for gap, moved in steps:
        now, amount = now + gap, amount + moved
        meter.feed(now, amount)
    estimate = meter.estimate(1000)
    if estimate is not None:
        assert 0 < estimate.low <= 1000 / meter.rate * (1 + 1e-9)
        assert estimate.low <= estimate.high
