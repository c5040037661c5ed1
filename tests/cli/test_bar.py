"""The live bar: one line that always fits."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from longshore.cli.bar import Bar, Line
from longshore.v1 import job_pb2
from tests.support.jobs import MiB, job, progress, queued, running


def drawn(shown: job_pb2.Job, room: int) -> list[str]:
    """The lines that are drawn, without colour."""
    console = Console(file=io.StringIO(), width=room, color_system=None)
    with console.capture() as capture:
        console.print(Line(shown))
    return capture.get().splitlines()


def line(shown: job_pb2.Job, room: int) -> str:
    (only,) = drawn(shown, room)
    return only


def test_a_wide_terminal_shows_everything() -> None:
    assert line(running(), 119) == (
        "RUNNING    ━━━━━━━━━╸               41 %  860 MiB / 2 GiB  "
        "200 MiB/s  eta ~14m 30s (9m to 20m)  limit: job-rate"
    )


def test_eighty_columns_show_what_matters() -> None:
    assert line(running(), 79) == (
        "RUNNING    ━━━━━━           41 %  860 MiB / 2 GiB  200 MiB/s  eta ~14m 30s"
    )


def test_forty_columns_show_how_much_is_done() -> None:
    assert line(running(), 39) == "RUNNING    ━━━━        41 %"


def test_a_job_that_stands_still_says_why() -> None:
    assert line(queued(), 119) == (
        f"QUEUED     {' ' * 23}  an image is in use (job in-front)  —  0 B"
    )


def test_on_a_narrow_terminal_the_reason_is_worth_more_than_the_bar() -> None:
    assert line(queued(), 30) == "QUEUED     an image is in use…"


def test_the_bar_does_not_jitter() -> None:
    def end(current: int) -> int:
        shown = line(job("a", "RUNNING", progress=progress(current, 999 * MiB)), 79)
        return shown.index(" %") - len(str(100 * current // (999 * MiB)))

    assert {end(count * MiB) for count in range(0, 999, 37)} == {11 + 15 + 2}


def test_only_what_is_complete_has_a_full_bar() -> None:
    nearly = job("a", "RUNNING", progress=progress(2048 * MiB - 1, 2048 * MiB))
    done = job("a", "SUCCEEDED", progress=progress(2048 * MiB, 2048 * MiB))
    assert f" {'━' * 22}╸  99 %" in line(nearly, 119)
    assert f" {'━' * 23}  100 %" in line(done, 119)


def test_a_job_without_work_is_done() -> None:
    nothing = job("a", "SUCCEEDED", progress=progress(0, 0))
    assert f" {'━' * 23}  100 %" in line(nothing, 119)


def test_where_the_whole_is_not_known_the_bar_is_empty() -> None:
    some = job("a", "RUNNING", progress=progress(5 * MiB, None))
    assert f"RUNNING    {' ' * 23}  —  5 MiB  200 MiB/s" in line(some, 119)


def test_units_are_powers_of_1024_throughout() -> None:
    assert "GB" not in line(running(), 200)
    assert "MB" not in line(running(), 200)


@given(st.integers(0, 2**62), st.integers(0, 2**62), st.integers(1, 200))
def test_the_line_fits(current: int, total: int, room: int) -> None:
    for shown in (
        job("a", "RUNNING", progress=progress(current, max(current, total))),
        job("a", "RUNNING", progress=progress(current, None)),
        job("a", "FAILED", progress=progress(current, max(current, total))),
        job_pb2.Job(),
    ):
        assert cell_len(line(shown, room)) <= room


@given(st.text(), st.integers(1, 200))
def test_the_line_fits_whatever_a_message_holds(message: str, room: int) -> None:
    why = job_pb2.JobPending(message=message)
    assert cell_len(line(job("a", "QUEUED", pending=why), room)) <= room


def test_a_message_is_no_markup() -> None:
    why = job_pb2.JobPending(message="[red]in use[/red] :smile: \x1b[31m")
    shown = line(job("a", "QUEUED", pending=why), 119)
    assert "[red]in use[/red] :smile: \\x1b[31m" in shown


def test_words_go_above_the_bar() -> None:
    stream = io.StringIO()
    bar = Bar("never", stream, live=True)
    bar.update(running())
    bar.say("hello")
    bar.close()
    shown = line(running(), 79)
    over = "\r\x1b[2K"
    assert stream.getvalue() == (
        f"\x1b[?25l{shown}{over}longshore: hello\n{shown}{over}{shown}\n\x1b[?25h"
    )


def test_words_are_not_wrapped() -> None:
    stream = io.StringIO()
    Bar("never", stream, live=True).say("word " * 40)
    assert stream.getvalue() == f"longshore: {'word ' * 40}\n"


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
    bar = Bar(choice, stream, live=True)
    bar.update(running())
    bar.close()
    assert ("\x1b[36m━" in stream.getvalue()) is is_colored
