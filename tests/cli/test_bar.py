"""The live bar: one line that always fits."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.cli.bar import Bar, line
from longshore.v1 import job_pb2
from tests.support.jobs import MiB, job, progress, queued, running


def test_a_wide_terminal_shows_everything() -> None:
    assert line(running(), 119) == (
        "RUNNING    ━━━━━━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌╌  41 %  860 MiB / 2 GiB  "
        "200 MiB/s  eta ~14m 30s (9m to 20m)  limit: job-rate"
    )


def test_eighty_columns_show_what_matters() -> None:
    assert line(running(), 79) == (
        "RUNNING    ━━━━━━╌╌╌╌╌╌╌╌╌  41 %  860 MiB / 2 GiB  200 MiB/s  eta ~14m 30s"
    )


def test_a_job_that_stands_still_says_why() -> None:
    assert line(queued(), 119) == (
        f"QUEUED     {'╌' * 23}  an image is in use (job in-front)  —  0 B"
    )


def test_on_a_narrow_terminal_the_reason_is_worth_more_than_the_bar() -> None:
    assert line(queued(), 30) == "QUEUED     an image is in use…"


def test_the_bar_does_not_jitter() -> None:
    def length(current: int) -> int:
        shown = line(job("a", "RUNNING", progress=progress(current, 999 * MiB)), 79)
        return shown.count("━") + shown.count("╌")

    assert {length(count * MiB) for count in range(0, 999, 37)} == {15}


def test_only_what_is_complete_has_a_full_bar() -> None:
    nearly = job("a", "RUNNING", progress=progress(2048 * MiB - 1, 2048 * MiB))
    done = job("a", "SUCCEEDED", progress=progress(2048 * MiB, 2048 * MiB))
    assert "╌" in line(nearly, 119)
    assert "99 %" in line(nearly, 119)
    assert "╌" not in line(done, 119)


def test_a_job_without_work_is_done() -> None:
    nothing = job("a", "SUCCEEDED", progress=progress(0, 0))
    assert "100 %" in line(nothing, 119)
    assert "╌" not in line(nothing, 119)


@given(st.integers(0, 2**62), st.integers(0, 2**62), st.integers(20, 200))
def test_the_line_fits(current: int, total: int, room: int) -> None:
    for shown in (
        job("a", "RUNNING", progress=progress(current, max(current, total))),
        job("a", "RUNNING", progress=progress(current, None)),
        job("a", "FAILED", progress=progress(current, max(current, total))),
        job_pb2.Job(),
    ):
        assert len(line(shown, room)) <= room


def test_words_go_above_the_bar() -> None:
    stream = io.StringIO()
    bar = Bar("never", stream, live=True)
    bar.update(running())
    bar.say("hello")
    bar.close()
    drawn = line(running(), 79)
    assert stream.getvalue() == (f"\r{drawn}\x1b[K\r\x1b[Klongshore: hello\n{drawn}\n")


def test_where_nothing_can_be_drawn_over_the_last_line_is_all() -> None:
    stream = io.StringIO()
    bar = Bar("auto", stream)
    bar.update(running())
    bar.update(queued())
    bar.say("hello")
    bar.close()
    assert stream.getvalue() == f"longshore: hello\n{line(queued(), 79)}\n"


def test_a_bar_that_was_never_drawn_leaves_nothing() -> None:
    stream = io.StringIO()
    Bar("auto", stream).close()
    assert stream.getvalue() == ""


@pytest.mark.parametrize(("choice", "is_colored"), [("always", True), ("never", False)])
def test_colour_is_as_asked_for(choice: str, is_colored: bool) -> None:
    stream = io.StringIO()
    Bar(choice, stream, live=True).update(running())
    assert ("\x1b[36m" in stream.getvalue()) is is_colored
