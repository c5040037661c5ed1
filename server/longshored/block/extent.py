"""Extents: runs of equal bytes, as metadata tells them. Pure values."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum


class Data(Enum):
    """What one layer says of a run of guest bytes."""

    UNALLOCATED = "unallocated"  # not in this layer: look in backing, else zeros
    ZERO = "zero"  # reads as zeros, and metadata knows it
    RAW = "raw"  # plain bytes at host_offset of the layer's file
    COMPRESSED = "compressed"  # only the node itself can read it


@dataclass(frozen=True, slots=True)
class Extent:
    """A run of guest bytes of one kind.

    `host_offset` is where a RAW run lies in the file of its layer; a ZERO run
    may have one too (a preallocated zero cluster). `depth` counts layers from
    the top of a chain (0 = the top), as `qemu-img map` does.

    A fragmented image has a million of these: what is the same is not made anew,
    and what is not is made without `replace`, which costs three times as much.
    """

    start: int
    length: int
    data: Data
    host_offset: int | None = None
    depth: int = 0

    @property
    def end(self) -> int:
        return self.start + self.length

    def clip(self, start: int, end: int) -> "Extent":
        """The part of this extent inside [start, end); it must not be empty."""
        first, last = max(self.start, start), min(self.end, end)
        assert first < last, "the ranges do not meet"
        if last - first == self.length:
            return self
        host = self.host_offset
        if host is not None:
            host += first - self.start
        return Extent(first, last - first, self.data, host, self.depth)

    def at_depth(self, depth: int) -> "Extent":
        """The same run, told of a layer at that depth."""
        if depth == self.depth:
            return self
        return Extent(self.start, self.length, self.data, self.host_offset, depth)

    def continues(self, before: "Extent") -> bool:
        """True if this run follows `before` in the guest and in the file."""
        return (
            before.end == self.start
            and before.data is self.data
            and before.depth == self.depth
            and self.data is not Data.COMPRESSED
            and (
                before.host_offset is self.host_offset is None
                or (
                    before.host_offset is not None
                    and self.host_offset == before.host_offset + before.length
                )
            )
        )


def merge(extents: Iterable[Extent]) -> Iterator[Extent]:
    """Join neighbours that continue each other."""
    held: Extent | None = None
    for extent in extents:
        if held is not None and extent.continues(held):
            length = held.length + extent.length
            held = Extent(held.start, length, held.data, held.host_offset, held.depth)
        else:
            if held is not None:
                yield held
            held = extent
    if held is not None:
        yield held
