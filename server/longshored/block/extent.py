"""Extents: runs of equal bytes, as metadata tells them. Pure values."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
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
        host = self.host_offset
        return replace(
            self,
            start=first,
            length=last - first,
            host_offset=None if host is None else host + first - self.start,
        )

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
            held = replace(held, length=held.length + extent.length)
        else:
            if held is not None:
                yield held
            held = extent
    if held is not None:
        yield held
