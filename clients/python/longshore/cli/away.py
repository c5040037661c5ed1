"""A daemon that goes away while it is waited for, and comes back: each is said once.

A restart is waited through, and silence meanwhile would look stuck.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import (
    ConnectionFailed,
    DeadlineExceeded,
    LongshoreError,
    Unavailable,
)
from .output import Say, say

LOST = "the connection to the daemon was lost; trying again"


class Notice:
    """Listens to a client, and says what people should know."""

    def __init__(self, *, is_quiet: bool) -> None:
        # Set once.
        self._is_quiet = is_quiet
        # How it is said now; a display that draws says it in its own way.
        self._say: Say = say
        # Written by whichever thread has news; at worst a thing is said twice.
        self._was_there = False
        self.is_away = False

    def failed(self, error: LongshoreError) -> None:
        is_away = isinstance(error, ConnectionFailed | DeadlineExceeded | Unavailable)
        # Who was never there is not lost: that ends the command, and is its error.
        if is_away and self._was_there and not self.is_away:
            self.is_away = True
            self._tell(LOST)

    def heard(self) -> None:
        self._was_there = True
        if self.is_away:
            self.is_away = False
            self._tell("the daemon is back")

    def _tell(self, text: str) -> None:
        if not self._is_quiet:
            self._say(text)

    @contextmanager
    def said_by(self, other: Say) -> Iterator[None]:
        """Say it so for the time of the block."""
        before, self._say = self._say, other
        try:
            yield
        finally:
            self._say = before
