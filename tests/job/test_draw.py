"""The page about the states agrees with the tables."""

from pathlib import Path

from longshored.job.draw import BEGIN, END, redrawn
from longshored.job.states import MOVES

PAGE = Path(__file__).parents[2] / "docs" / "job-states.md"


def test_the_page_is_as_drawn_from_the_tables() -> None:
    page = PAGE.read_text()
    assert redrawn(page) == page


def test_every_move_is_in_the_drawing() -> None:
    drawn = redrawn(f"{BEGIN}{END}")
    for old, nexts in MOVES.items():
        for new in nexts:
            assert f"    {old.value} --> {new.value}\n" in drawn


def test_what_stands_around_the_marks_is_kept() -> None:
    drawn = redrawn(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert drawn.startswith("before\n")
    assert drawn.endswith("after\n")
    assert "old" not in drawn
