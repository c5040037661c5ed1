"""Counting for whoever asks later: a histogram that costs its writer one search."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Observed:
    """What a histogram has seen: values up to each bound, all values, their sum."""

    cumulated: tuple[tuple[float, int], ...]
    count: int
    sum: float


class Histogram:
    """One thread writes, any may look; a look may miss what is being written."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def note(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def seen(self) -> Observed:
        counts, total = list(self._counts), 0
        cumulated = []
        for bound, count in zip(self._bounds, counts[:-1], strict=True):
            total += count
            cumulated.append((bound, total))
        return Observed(tuple(cumulated), total + counts[-1], self._sum)
