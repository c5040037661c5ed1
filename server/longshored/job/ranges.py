"""A set of byte ranges as sorted, disjoint, non-touching intervals."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator


class RangeSet:
    """The union of ranges added: adding one twice counts once.

    Not safe for threads by itself; whoever shares one brings the lock.
    """

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []
        self.total = 0
        for start, length in ranges:
            self.add(start, length)

    def add(self, start: int, length: int) -> int:
        """Add a range; return how many of its bytes are new."""
        if length <= 0:
            return 0
        end = start + length
        first = bisect_left(self._ends, start)
        last = bisect_right(self._starts, end)
        covered = 0
        if first < last:
            covered = sum(
                min(end, e) - max(start, s)
                for s, e in zip(
                    self._starts[first:last], self._ends[first:last], strict=True
                )
                if min(end, e) > max(start, s)
            )
            start = min(start, self._starts[first])
            end = max(end, self._ends[last - 1])
        self._starts[first:last] = [start]
        self._ends[first:last] = [end]
        self.total += length - covered
        return length - covered

    def __contains__(self, offset: int) -> bool:
        index = bisect_right(self._starts, offset) - 1
        return index >= 0 and offset < self._ends[index]

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """(start, length) in order."""
        for start, end in zip(self._starts, self._ends, strict=True):
            yield start, end - start

    def __len__(self) -> int:
        return len(self._starts)
