"""Windows and error policies as words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.cli.options import ON_ERROR
from longshore.cli.policies import error_policy, on_error, window, window_text
from longshore.cli.zone import local_zone
from longshore.v1 import job_options_pb2

DAY = 24 * 60
HERE = local_zone()


@pytest.mark.parametrize(
    ("text", "days", "start", "length", "zone"),
    [
        ("22:00-06:00", [], 22 * 60, 8 * 60, HERE),
        ("8:30-20:00", [], 8 * 60 + 30, 11 * 60 + 30, HERE),
        ("00:00-24:00", [], 0, DAY, HERE),
        ("07:00-07:00", [], 7 * 60, DAY, HERE),
        ("sat,sun/08:00-20:00", [6, 7], 8 * 60, 12 * 60, HERE),
        ("mon-fri/22:00-06:00", [1, 2, 3, 4, 5], 22 * 60, 8 * 60, HERE),
        ("sat-mon,mon/00:00-01:00", [1, 6, 7], 0, 60, HERE),
        ("fri/22:00+56h", [5], 22 * 60, 56 * 60, HERE),
        ("22:00-06:00/Europe/Madrid", [], 22 * 60, 8 * 60, "Europe/Madrid"),
    ],
)
def test_a_window_is_read(
    text: str, days: list[int], start: int, length: int, zone: str
) -> None:
    read = window(text)
    assert list(read.weekdays) == days
    assert (read.start_minute, read.duration_minutes) == (start, length)
    assert read.time_zone == zone


@pytest.mark.parametrize(
    "text",
    [
        *("", "22:00", "22-06", "22:60-06:00", "25:00-06:00", "22:00-06:00/"),
        *("nonday/22:00-06:00", "mon-/22:00-06:00", "22:00+90s", "22:00+long"),
        *("/22:00-06:00", "22:00-06:00-08:00"),
    ],
)
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a |no day |whole minutes"):
        window(text)


@given(
    st.sets(st.integers(1, 7)),
    st.integers(0, DAY - 1),
    st.integers(1, 7 * DAY),
    st.sampled_from(["UTC", "Europe/Madrid"]),
)
def test_a_window_is_read_as_it_is_written(
    days: set[int], start: int, length: int, zone: str
) -> None:
    made = job_options_pb2.TimeWindow(
        weekdays=sorted(days),  # type: ignore[arg-type]  # open enum
        start_minute=start,
        duration_minutes=length,
        time_zone=zone,
    )
    assert window(window_text(made)) == made


def test_a_window_without_a_zone_is_that_of_utc() -> None:
    made = job_options_pb2.TimeWindow(start_minute=60, duration_minutes=60)
    assert window_text(made) == "01:00-02:00/UTC"


@pytest.mark.parametrize("word", ON_ERROR)
def test_an_error_policy_is_read_as_it_is_written(word: str) -> None:
    assert on_error(error_policy(word)) == word
