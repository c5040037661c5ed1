"""Dictionaries that can be taken back: what a batch has changed and not committed.

Every assignment goes through `Overlay.set`, which notes what was there. A body
that fails is undone to its mark, a commit that fails to the start of the batch.
"""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_ABSENT = object()


@dataclass(slots=True)
class Overlay:
    """A log of assignments to any number of dictionaries."""

    _log: list[tuple[dict[object, object], object, object]] = field(
        default_factory=list
    )

    def set(self, where: dict[K, V], key: K, value: V) -> None:
        self._note(where, key)
        where[key] = value

    def drop(self, where: dict[K, V], key: K) -> None:
        self._note(where, key)
        where.pop(key, None)

    def _note(self, where: dict[K, V], key: K) -> None:
        self._log.append((where, key, where.get(key, _ABSENT)))  # type: ignore[arg-type]

    @property
    def mark(self) -> int:
        return len(self._log)

    def undo(self, mark: int) -> None:
        """Take back, newest first, all that was set since the mark."""
        while len(self._log) > mark:
            where, key, before = self._log.pop()
            if before is _ABSENT:
                where.pop(key, None)
            else:
                where[key] = before
