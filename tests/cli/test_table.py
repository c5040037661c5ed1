"""Tables: whole in a pipe, fitted on a terminal."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshore.cli.queries import chosen, columns
from longshore.cli.table import Column, Cut, shorten, table
from tests.support.jobs import MADE, job, queued, running

GOLDEN = Path(__file__).parent / "golden"
SHOWN = [column for column in columns(MADE + 61) if not column.is_wide]
JOBS = [running(), queued(), job("done", "SUCCEEDED"), job("hurt", "FAILED")]


def printed(width: int | None, *, color: bool = False) -> str:
    return "\n".join(table(JOBS, SHOWN, width=width, color=color)) + "\n"


@pytest.mark.parametrize("width", [80, 120, 160])
def test_a_table_fits_the_terminal(width: int) -> None:
    assert printed(width) == (GOLDEN / f"list-{width}.txt").read_text()
    assert max(map(len, printed(width).splitlines())) <= width


def test_a_table_in_a_pipe_is_whole() -> None:
    assert printed(None) == (GOLDEN / "list-pipe.txt").read_text()


def test_an_id_is_shortened_where_not_everything_fits() -> None:
    whole = max(map(len, printed(None).splitlines()))
    assert running().job_id in printed(whole)
    assert "…c0ce57a4  " in printed(whole - 1)


def test_colours_change_no_place() -> None:
    colored = printed(120, color=True)
    for code in ("\x1b[32m", "\x1b[31m", "\x1b[0m"):
        colored = colored.replace(code, "")
    assert colored == printed(120)


def test_a_column_that_says_nothing_is_left_out_on_a_terminal_only() -> None:
    rows = [job("a", "SUCCEEDED")]
    assert "WHY" not in table(rows, SHOWN, width=300)[0]
    assert "WHY" in table(rows, SHOWN)[0]


def test_a_column_asked_for_by_name_is_never_left_out() -> None:
    asked = chosen("job,owner,kind,why", columns(MADE + 61))
    lines = table([job("a", "SUCCEEDED")], asked, width=12)
    assert lines[0].split() == ["JOB", "OWNER", "KIND", "WHY"]


def test_an_empty_table_has_its_headers() -> None:
    assert len(table([], SHOWN, width=80)) == 1
    assert table([], SHOWN, headers=False) == []


@pytest.mark.parametrize("text", ["a\nb", "a\x1b[31mb", "a\x07b", "a\u202eb"])
def test_a_name_cannot_break_the_line_or_the_terminal(text: str) -> None:
    (line,) = table([text], [Column("NAME", str)], headers=False)
    assert line.isprintable()
    assert line.startswith("a\\")


@given(
    st.lists(st.lists(st.text(max_size=30), min_size=4, max_size=4), max_size=5),
    st.integers(62, 200),
)
def test_what_can_be_cut_always_fits(rows: list[list[str]], width: int) -> None:
    def cell(index: int) -> Column:
        cut = [Cut.LEFT, Cut.RIGHT, Cut.LEFT, Cut.RIGHT][index]
        return Column("TITLE", lambda row: str(row[index]), cut=cut)

    lines = table(rows, [cell(index) for index in range(4)], width=width)
    assert all(len(line) <= width for line in lines)


def test_a_cut_keeps_the_end_that_says_most() -> None:
    assert shorten("/srv/images/top.qcow2", 10, Cut.LEFT) == "…top.qcow2"
    assert shorten("an image is in use", 10, Cut.RIGHT) == "an image …"
    assert shorten("whole", 2, Cut.NEVER) == "whole"
