"""Time windows: open, closed, and when that changes."""

import pytest

from longshored.clock import SECOND
from longshored.job.model import Window
from longshored.scheduler.windows import check, is_open, next_close, next_open
from tests.support.clock import MONDAY

HOUR = 3600 * SECOND
DAY = 24 * HOUR
NIGHT = Window(22 * 60, 8 * 60)
WEEKEND = Window(0, 24 * 60, weekdays=(6, 7))


@pytest.mark.parametrize(
    ("hour", "expected"), [(0, True), (5, True), (6, False), (21, False), (22, True)]
)
def test_a_window_may_run_past_midnight(hour: int, expected: bool) -> None:
    assert is_open((NIGHT,), MONDAY + hour * HOUR) is expected


@pytest.mark.parametrize(
    ("day", "expected"), [(0, False), (4, False), (5, True), (6, True), (7, False)]
)
def test_weekdays_count_from_monday(day: int, expected: bool) -> None:
    assert is_open((WEEKEND,), MONDAY + day * DAY + HOUR) is expected


def test_no_window_is_always_open() -> None:
    assert is_open((), MONDAY)


def test_the_next_opening_is_found_days_ahead() -> None:
    assert next_open((WEEKEND,), MONDAY) == MONDAY + 5 * DAY


def test_windows_that_touch_are_one() -> None:
    assert next_close((WEEKEND,), MONDAY + 5 * DAY + HOUR) == MONDAY + 7 * DAY


def test_windows_without_a_gap_never_close() -> None:
    assert next_close((Window(0, 24 * 60),), MONDAY) is None


def test_a_closing_is_the_end_of_real_minutes_after_a_change_of_summer_time() -> None:
    # On 31 March 2024 Berlin's clocks go from 02:00 to 03:00.
    window = Window(0, 180, time_zone="Europe/Berlin")
    midnight = 1_711_839_600 * SECOND
    assert next_close((window,), midnight) == midnight + 3 * HOUR


def test_a_zone_moves_a_window() -> None:
    window = Window(0, 60, time_zone="Europe/Berlin")
    assert is_open((window,), MONDAY - HOUR)
    assert not is_open((window,), MONDAY)


@pytest.mark.parametrize(
    ("window", "field"),
    [
        (Window(-1, 60), "start_minute"),
        (Window(1440, 60), "start_minute"),
        (Window(0, 0), "duration_minutes"),
        (Window(0, 7 * 1440 + 1), "duration_minutes"),
        (Window(0, 60, weekdays=(8,)), "weekdays"),
        (Window(0, 60, time_zone="Mars/Olympus"), "time_zone"),
        (Window(0, 60, time_zone="../etc/passwd"), "time_zone"),
    ],
)
def test_what_is_wrong_with_a_window_is_named(window: Window, field: str) -> None:
    assert [one.field for one in check((window,), "w")] == [f"w[0].{field}"]


def test_the_gap_of_a_window_of_almost_a_week_is_found() -> None:
    long = (Window(0, 9_360, weekdays=(1,)),)  # Monday to Sunday 12:00
    end = MONDAY + 9_360 * 60 * SECOND
    assert next_close(long, MONDAY + 60 * SECOND) == end
    assert not is_open(long, end)


def test_a_window_of_a_zone_that_is_gone_is_closed() -> None:
    """The machine may have got rid of it since the job was made."""
    gone = (Window(0, 7 * 1440, time_zone="Mars/Olympus"),)
    assert not is_open(gone, MONDAY)
    assert next_open(gone, MONDAY) is None
    assert next_close(gone, MONDAY) is None
