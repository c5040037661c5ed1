"""Parts of a job as they are on the wire, remembered as long as they stay the same.

A change of a job leaves most of its parts the very same objects (spec, options,
nodes, old history), so their bytes are remembered by identity. The object is kept
with them: its id cannot be used again meanwhile.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

# About 200 bytes each, with the object.
_KEPT = 4096


class Remembered(Generic[T]):
    """A function of values that do not change. Safe for threads: losing a race costs
    a second call, nothing else."""

    def __init__(self, make: Callable[[T], bytes], most: int = _KEPT) -> None:
        self._make = make
        self._most = most
        self._kept: dict[int, tuple[T, bytes]] = {}

    def of(self, value: T, *, keep: bool = True) -> bytes:
        """Pass keep=False for a value that will hardly be met again."""
        known = self._kept.get(id(value))
        if known is not None and known[0] is value:
            return known[1]
        made = self._make(value)
        if keep:
            if len(self._kept) >= self._most:
                self._kept.clear()
            self._kept[id(value)] = (value, made)
        return made
