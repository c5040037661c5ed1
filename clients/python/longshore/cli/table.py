"""Tables: aligned columns, as they are in a pipe, fitted on a terminal.

In a pipe nothing is cut or left out: scripts rely on it. On a terminal columns that
say nothing are left out, then those that say least, and long texts are shortened.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from .terminal import paint

GAP = "  "
# A text that is shortened keeps so much.
SHORTEST = 14


class Cut(Enum):
    """Which end of a text may go."""

    NEVER = "never"
    LEFT = "left"  # the end says most, as of a path
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class Column:
    """`drop`: on a narrow terminal higher ones are left out first, 0 never. `short`
    is a cell where not everything fits, before anything is cut or left out.

    Asked for by name, it is shown whatever it says.
    """

    title: str
    cell: Callable[[Any], str]
    is_number: bool = False
    is_wide: bool = False  # shown by -o wide only, or asked for
    is_asked: bool = False
    drop: int = 0
    cut: Cut = Cut.NEVER
    color: Callable[[Any], str] | None = None
    short: Callable[[str], str] | None = None


@dataclass(slots=True)
class _Strip:
    """A column with its cells and the width that it is given."""

    column: Column
    cells: list[str]
    colors: list[str]
    width: int

    @property
    def least(self) -> int:
        cuttable = self.column.cut is not Cut.NEVER
        return min(self.width, SHORTEST) if cuttable else self.width

    def shorten(self) -> None:
        if self.column.short is not None:
            self.cells = [self.column.short(cell) for cell in self.cells]
            self.width = max(map(len, self.cells), default=0)


def table(
    rows: Sequence[Any],
    columns: Sequence[Column],
    *,
    width: int | None = None,
    headers: bool = True,
    color: bool = False,
) -> list[str]:
    """The lines of a table; `width` is that of a terminal, None in a pipe."""
    strips = [_strip(column, rows, headers=headers) for column in columns]
    if width is not None:
        strips = _fit([strip for strip in strips if _says(strip, rows)], width)
    count = len(rows) + headers
    return [
        GAP.join(
            _cell(strip, index, color=color, is_last=strip is strips[-1])
            for strip in strips
        ).rstrip()
        for index in range(count)
    ]


def _strip(column: Column, rows: Sequence[Any], *, headers: bool) -> _Strip:
    cells = [one_line(column.cell(row)) for row in rows]
    colors = [column.color(row) if column.color else "" for row in rows]
    if headers:
        cells.insert(0, column.title)
        colors.insert(0, "")
    return _Strip(column, cells, colors, max(map(len, cells), default=0))


def one_line(text: str) -> str:
    """Names can hold anything: what would break the line or the terminal is shown."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in text
    )


def _says(strip: _Strip, rows: Sequence[Any]) -> bool:
    if strip.column.is_asked or not rows:
        return True
    return any(cell not in ("", "—") for cell in strip.cells[-len(rows) :])


def _fit(strips: list[_Strip], width: int) -> list[_Strip]:
    def missing(given: Callable[[_Strip], int]) -> int:
        taken = sum(given(strip) for strip in strips) + len(GAP) * (len(strips) - 1)
        return taken - width

    if missing(lambda strip: strip.width) > 0:
        for strip in strips:
            strip.shorten()
    while missing(lambda strip: strip.least) > 0:
        most = max(strips, key=lambda strip: strip.column.drop)
        if not most.column.drop:
            break
        strips = [strip for strip in strips if strip is not most]
    over = missing(lambda strip: strip.width)
    while over > 0:
        widest = max(strips, key=lambda strip: strip.width - strip.least)
        less = min(over, widest.width - widest.least)
        if less <= 0:
            break
        widest.width -= less
        over -= less
    return strips


def _cell(strip: _Strip, index: int, *, color: bool, is_last: bool) -> str:
    text = shorten(strip.cells[index], strip.width, strip.column.cut)
    shown = paint(text, strip.colors[index]) if color else text
    blank = "" if is_last else " " * (strip.width - len(text))
    if strip.column.is_number:
        return " " * (strip.width - len(text)) + shown
    return shown + blank


def shorten(text: str, width: int, cut: Cut) -> str:
    if len(text) <= width or cut is Cut.NEVER:
        return text
    if cut is Cut.LEFT:
        return "…" + text[len(text) - width + 1 :]
    return text[: width - 1] + "…"
