"""What was made of a value, kept as long as the value stays the very same object.

A change of a job leaves most of its parts untouched (spec, options, nodes, old
history), and to find them by identity is much cheaper than to make their text or
their bytes again. The value is kept with what was made of it: its id cannot be used
again meanwhile.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

# Of parts of jobs: a few hundred bytes each, with the value.
_MOST = 8192


class Remembered(Generic[T, R]):
    """A function of values that do not change. Safe for threads: losing a race costs
    a second call, nothing else."""

    def __init__(self, make: Callable[[T], R], most: int = _MOST) -> None:
        self._make = make
        self._most = most
        self._kept: dict[int, tuple[T, R]] = {}

    def of(self, value: T, *, keep: bool = True) -> R:
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


class RememberedFields(Generic[T, R]):
    """A function of some fields of a value, which are mostly the same objects in the
    next value of the same thing. The first of them is one that no other thing has."""

    def __init__(self, names: tuple[str, ...], make: Callable[[T], R]) -> None:
        self._fields = attrgetter(*names)
        self._make = make
        self._kept: dict[int, tuple[tuple[object, ...], R]] = {}

    def of(self, value: T) -> R:
        fields: tuple[object, ...] = self._fields(value)
        known = self._kept.get(id(fields[0]))
        # Tuples compare their items by identity first.
        if known is not None and known[0] == fields:
            return known[1]
        made = self._make(value)
        if len(self._kept) >= _MOST:
            self._kept.clear()
        self._kept[id(fields[0])] = (fields, made)
        return made
