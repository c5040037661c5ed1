"""What an overlay lacks, as requests: extents in, copies and zeros out. No I/O.

A request covers whole clusters of the overlay (whole subclusters, where it holds
a part of a cluster already); the last one may end at the virtual size. A unit of
which several links hold a part is copied through the chain.

      top   |  held  |        |        |        |
    links   |        | raw at host 7   | 0  raw |
            |  none  | Copy from there | Copy through the chain
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ...units import is_aligned, round_down, round_up
from ..extent import Data, Extent, merge


@dataclass(frozen=True, slots=True)
class Copy:
    """Bytes to be copied: from `host_offset` of the file of link `depth`.

    Without a host offset only the chain itself can read them.
    """

    start: int
    length: int
    depth: int = 0
    host_offset: int | None = None

    @property
    def end(self) -> int:
        return self.start + self.length

    def split(self, length: int) -> tuple["Copy", "Copy"]:
        """The first bytes, and the rest; both are not empty."""
        assert 0 < length < self.length
        host = self.host_offset
        first = Copy(self.start, length, self.depth, host)
        if host is not None:
            host += length
        left = self.length - length
        return first, Copy(self.start + length, left, self.depth, host)


@dataclass(frozen=True, slots=True)
class Zero:
    """Bytes that must be marked as zeros, because the links below would show."""

    start: int
    length: int


Request = Copy | Zero


@dataclass(frozen=True, slots=True)
class Shape:
    """What a plan must know of the overlay, and of what will be below it."""

    size: int
    cluster: int
    subcluster: int  # equal to cluster where the image has none
    keeps_base: bool  # what is unallocated will show the base; else zeros
    can_zero: bool  # the format can mark clusters as zero

    @property
    def marks_zeros(self) -> bool:
        return self.keeps_base and self.can_zero

    @property
    def writes_zeros(self) -> bool:
        """Zeros must be there as bytes: nothing else would hide the base."""
        return self.keeps_base and not self.can_zero


@dataclass(frozen=True, slots=True)
class Totals:
    """What the requests of a plan sum up to, in bytes.

    `reflink` is the part of `copy` that a file system can share instead.
    """

    copy: int = 0
    zero: int = 0
    reflink: int = 0

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(
            self.copy + other.copy,
            self.zero + other.zero,
            self.reflink + other.reflink,
        )


def plan(extents: Iterable[Extent], shape: Shape) -> Iterator[Request]:
    """The requests for extents of the chain, in order, without gaps, aligned.

    `extents` count depth from the overlay; what is UNALLOCATED needs no copy.
    """
    return _requests(merge(extents), shape, shape.cluster)


def total(
    requests: Iterable[Request],
    can_reflink: Callable[[Copy], bool] = lambda _: False,
) -> Totals:
    copy = zero = reflink = 0
    for request in requests:
        match request:
            case Copy(length=length):
                copy += length
                reflink += length if can_reflink(request) else 0
            case Zero(length=length):
                zero += length
    return Totals(copy, zero, reflink)


def _requests(extents: Iterable[Extent], shape: Shape, unit: int) -> Iterator[Request]:
    held: list[Extent] = []  # parts of one unit that no extent covers alone
    for extent in extents:
        start = extent.start
        if held:
            start = min(round_up(start, unit), extent.end)
            held.append(extent.clip(extent.start, start))
            if not _is_border(start, shape, unit):
                continue
            yield from _mixed(held, shape, unit)
            held = []
        end = extent.end
        if not _is_border(end, shape, unit):
            end = max(start, round_down(end, unit))
        if start < end:
            yield from _plain(extent.clip(start, end), shape)
        if end < extent.end:
            held = [extent.clip(end, extent.end)]
    assert not held, "the extents end inside a cluster"


def _is_border(offset: int, shape: Shape, unit: int) -> bool:
    return is_aligned(offset, unit) or offset == shape.size


def _plain(extent: Extent, shape: Shape) -> Iterator[Request]:
    """The request for whole units of one kind."""
    if _is_held(extent):
        return
    match extent.data:
        case Data.UNALLOCATED:
            return
        case Data.ZERO:
            if shape.marks_zeros:
                yield Zero(extent.start, extent.length)
            elif shape.writes_zeros:
                yield Copy(extent.start, extent.length)
        case Data.RAW:
            yield Copy(extent.start, extent.length, extent.depth, extent.host_offset)
        case Data.COMPRESSED:
            yield Copy(extent.start, extent.length)


def _mixed(parts: list[Extent], shape: Shape, unit: int) -> Iterator[Request]:
    """The request for one unit of several kinds."""
    if unit > shape.subcluster and any(_is_held(part) for part in parts):
        yield from _requests(parts, shape, shape.subcluster)
        return
    start, end = parts[0].start, parts[-1].end
    kinds = {part.data for part in parts}
    if not kinds & {Data.RAW, Data.COMPRESSED} and not shape.keeps_base:
        return
    for kind in (Data.UNALLOCATED, Data.ZERO):
        if kinds == {kind}:
            yield from _plain(Extent(start, end - start, kind, depth=1), shape)
            return
    yield Copy(start, end - start)


def _is_held(extent: Extent) -> bool:
    """True if the overlay itself holds the bytes."""
    return extent.depth == 0 and extent.data is not Data.UNALLOCATED
