"""Fault: fail or hold up the n-th call of an operation, as a broken disk would."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from ..extent import Extent
from ..ioerror import io_error
from ..node import BlockNode, Buffer
from .base import Filter


class Operation(Enum):
    READ = "read"
    WRITE = "write"
    ZERO = "write zeroes"
    DISCARD = "discard"
    MAP = "map"
    FLUSH = "flush"
    CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Rule:
    """What happens at calls `nth` … `nth + times - 1` of an operation, from 1.

    With `start`, only calls whose range touches [start, end) are counted. The
    call first runs `before`, then fails with `errno`; without one it passes.
    """

    operation: Operation
    nth: int = 1
    times: int = 1
    errno: int | None = None
    before: Callable[[], None] | None = None
    start: int = 0
    end: int = 1 << 63


class Fault(Filter):
    """Rules count for themselves; the first one that fails a call ends it."""

    def __init__(self, below: BlockNode, rules: Sequence[Rule]) -> None:
        super().__init__(below)
        self._rules = tuple(rules)
        # Guarded by _lock: how often each rule was met.
        self._lock = threading.Lock()
        self._seen = [0] * len(rules)

    def readinto(self, offset: int, buffer: memoryview) -> None:
        self._meet(Operation.READ, offset, len(buffer))
        super().readinto(offset, buffer)

    def pwrite(self, offset: int, data: Buffer) -> None:
        self._meet(Operation.WRITE, offset, memoryview(data).nbytes)
        super().pwrite(offset, data)

    def write_zeroes(self, offset: int, length: int, *, unmap: bool = True) -> None:
        self._meet(Operation.ZERO, offset, length)
        super().write_zeroes(offset, length, unmap=unmap)

    def discard(self, offset: int, length: int) -> None:
        self._meet(Operation.DISCARD, offset, length)
        super().discard(offset, length)

    def extents(self, offset: int = 0, length: int | None = None) -> Iterator[Extent]:
        count = self.size - offset if length is None else length
        self._meet(Operation.MAP, offset, count)
        return super().extents(offset, length)

    def flush(self) -> None:
        self._meet(Operation.FLUSH)
        super().flush()

    def close(self) -> None:
        super().close()  # a close that fails has closed all the same
        self._meet(Operation.CLOSE)

    def _meet(self, operation: Operation, offset: int = 0, length: int = 1) -> None:
        # Outside the lock: `before` may block, and other calls must go on.
        for rule in self._due(operation, offset, length):
            if rule.before is not None:
                rule.before()
            if rule.errno is not None:
                cause = OSError(rule.errno, os.strerror(rule.errno))
                raise io_error(cause, operation.value, self.uri, offset) from cause

    def _due(self, operation: Operation, offset: int, length: int) -> list[Rule]:
        due = []
        with self._lock:
            for index, rule in enumerate(self._rules):
                touches = offset < rule.end and rule.start < offset + length
                if rule.operation is operation and touches:
                    self._seen[index] += 1
                    if rule.nth <= self._seen[index] < rule.nth + rule.times:
                        due.append(rule)
        return due
