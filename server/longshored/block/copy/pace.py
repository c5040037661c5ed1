"""What the copy engine asks of whoever runs it, and what it reports."""

from typing import Protocol


class Pace(Protocol):
    """Whether, when and in what pieces bytes may move. Used by every worker."""

    def proceed(self, length: int) -> bool:
        """Wait for the turn of a request; False: stop, and nothing is booked."""

    def chunk(self, largest: int) -> int:
        """The request size that keeps the present limit smooth."""


class Tally(Protocol):
    """Who counts what was done. Used by every worker."""

    def done(self, start: int, length: int) -> None: ...
    def count(
        self,
        *,
        read: int = 0,
        written: int = 0,
        zeroed: int = 0,
        reflinked: int = 0,
        skipped: int = 0,
    ) -> None: ...
    def spend(self, account: str, seconds: float) -> None: ...
