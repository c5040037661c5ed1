"""Trace: a log of what was asked of the node below, in order."""

from collections.abc import Iterator

from ..extent import Extent
from ..node import BlockNode, Buffer
from .base import Filter

Call = tuple[str, int, int] | tuple[str]
"""The method, and the range if it has one: ("pwrite", offset, length)."""


class Trace(Filter):
    """`log` is a plain list: calls are appended before they are passed on."""

    def __init__(self, below: BlockNode) -> None:
        super().__init__(below)
        self.log: list[Call] = []

    def readinto(self, offset: int, buffer: memoryview) -> None:
        self.log.append(("readinto", offset, len(buffer)))
        super().readinto(offset, buffer)

    def pwrite(self, offset: int, data: Buffer) -> None:
        self.log.append(("pwrite", offset, memoryview(data).nbytes))
        super().pwrite(offset, data)

    def write_zeroes(self, offset: int, length: int, *, unmap: bool = True) -> None:
        self.log.append(("write_zeroes", offset, length))
        super().write_zeroes(offset, length, unmap=unmap)

    def discard(self, offset: int, length: int) -> None:
        self.log.append(("discard", offset, length))
        super().discard(offset, length)

    def extents(self, offset: int = 0, length: int | None = None) -> Iterator[Extent]:
        count = self.size - offset if length is None else length
        self.log.append(("extents", offset, count))
        return super().extents(offset, length)

    def flush(self) -> None:
        self.log.append(("flush",))
        super().flush()

    def close(self) -> None:
        self.log.append(("close",))
        super().close()
