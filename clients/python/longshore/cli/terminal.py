"""What a stream is: a terminal or not, how wide, whether it wants colour."""

import os
import select
import termios
import time
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

GREEN, YELLOW, RED, BOLD = "32", "33", "31", "1"


def is_smart(stream: TextIO) -> bool:
    """A terminal on which the cursor can be moved."""
    return stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def wants_color(stream: TextIO, choice: str) -> bool:
    """By --color; and on its own only on a terminal that nobody forbids it for."""
    if choice != "auto":
        return choice == "always"
    # https://no-color.org: set and not empty.
    return is_smart(stream) and not os.environ.get("NO_COLOR")


def width(stream: TextIO) -> int | None:
    """Columns; None where a line may be as long as it is."""
    return _size(stream).columns or None


def height(stream: TextIO) -> int | None:
    """Lines; None where there are as many as one likes."""
    return _size(stream).lines or None


def _size(stream: TextIO) -> os.terminal_size:
    """All 0 where it is not a terminal, or one that does not know."""
    if stream.isatty():
        try:
            return os.get_terminal_size(stream.fileno())
        except (OSError, ValueError):
            pass
    return os.terminal_size((0, 0))


@contextmanager
def keys(stream: TextIO) -> Iterator[Callable[[float], str]]:
    """Keys as they are pressed, unseen. Yields a wait of so many seconds for one.

    Whoever reads from no terminal presses none.
    """
    if not stream.isatty():
        yield _sleep
        return
    number = stream.fileno()
    before = termios.tcgetattr(number)
    tty.setcbreak(number)
    try:
        yield lambda seconds: _key(number, seconds)
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)


END = "\x04"
"""What is read where the terminal is gone: Ctrl-D."""


def _key(number: int, seconds: float) -> str:
    ready, _, _ = select.select([number], [], [], seconds)
    if not ready:
        return ""
    try:
        return os.read(number, 1).decode(errors="replace") or END
    except OSError:
        return END


def _sleep(seconds: float) -> str:
    time.sleep(seconds)
    return ""


def paint(text: str, code: str) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if code else text
