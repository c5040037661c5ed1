"""Throttle: a gate in front of a node, through which every request must pass."""

from typing import Protocol

from ..node import BlockNode, Buffer
from .base import Filter


class Gate(Protocol):
    """What waits: the job's own wait, which a cancel, a pause or a new rate wakes."""

    def enter(self, length: int) -> None:
        """Return when a request of so many bytes may go, or raise what ends it."""


class Throttle(Filter):
    """Data counts its bytes; a request without data counts as one of no bytes."""

    def __init__(self, below: BlockNode, gate: Gate) -> None:
        super().__init__(below)
        self._gate = gate

    def readinto(self, offset: int, buffer: memoryview) -> None:
        self._gate.enter(len(buffer))
        super().readinto(offset, buffer)

    def pwrite(self, offset: int, data: Buffer) -> None:
        self._gate.enter(memoryview(data).nbytes)
        super().pwrite(offset, data)

    def write_zeroes(self, offset: int, length: int, *, unmap: bool = True) -> None:
        self._gate.enter(0)
        super().write_zeroes(offset, length, unmap=unmap)

    def discard(self, offset: int, length: int) -> None:
        self._gate.enter(0)
        super().discard(offset, length)
