"""Filter: a node that passes everything through to the node below it."""

from collections.abc import Iterator

from ..extent import Extent
from ..node import BlockNode, Buffer, Limits, Mode


class Filter:
    """A filter overrides the calls that it has an opinion on."""

    def __init__(self, below: BlockNode) -> None:
        self.below = below

    @property
    def uri(self) -> str:
        return self.below.uri

    @property
    def size(self) -> int:
        return self.below.size

    @property
    def mode(self) -> Mode:
        return self.below.mode

    @property
    def limits(self) -> Limits:
        return self.below.limits

    def readinto(self, offset: int, buffer: memoryview) -> None:
        self.below.readinto(offset, buffer)

    def pwrite(self, offset: int, data: Buffer) -> None:
        self.below.pwrite(offset, data)

    def write_zeroes(self, offset: int, length: int, *, unmap: bool = True) -> None:
        self.below.write_zeroes(offset, length, unmap=unmap)

    def discard(self, offset: int, length: int) -> None:
        self.below.discard(offset, length)

    def extents(self, offset: int = 0, length: int | None = None) -> Iterator[Extent]:
        return self.below.extents(offset, length)

    def flush(self) -> None:
        self.below.flush()

    def close(self) -> None:
        self.below.close()
