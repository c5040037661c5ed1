"""Where copied bytes go: one file, written without filling the page cache.

A copy must not push out what the guests of this host need, and a flush must find
little left to do. Three ways, tried in the order that the caller wants; what the
file system does not know is not tried again:

    DROP    buffered, written back at once and dropped from the cache; some MiB at
            a time, then the next write waits
    DIRECT  O_DIRECT, for whole aligned pages only
    CACHED  an ordinary write

What is buffered is copied by the processor, and takes a turn.
"""

import os
from collections.abc import Sequence
from contextlib import AbstractContextManager
from enum import Enum
from functools import partial

from ...units import KiB, is_aligned
from ..fallocate import UNSUPPORTED
from ..ioerror import io_error
from ..raw import RawNode
from ..writeback import write_back
from .inflight import InFlight

_RWF_DONTCACHE = 0x80  # linux/fs.h, since 6.14

# Covers the logical block of every disk there is.
DIRECT_ALIGNMENT = 4 * KiB
# The most parts that one system call takes.
_MOST_PARTS = 1024


class Way(Enum):
    DROP = "drop"
    DIRECT = "direct"
    CACHED = "cached"


class Sink:
    """Writes at offsets of one file; used by every worker at once."""

    def __init__(
        self,
        raw: RawNode,
        ways: Sequence[Way],
        turn: AbstractContextManager[object],
    ) -> None:
        # Set once.
        self._raw = raw
        self._turn = turn
        # Replaced as a whole by whoever finds that a way is not offered.
        self._ways = tuple(ways)
        # Set by open and close.
        self._direct: int | None = None
        self._waits: int | None = None
        self._in_flight: InFlight | None = None

    def open(self) -> None:
        if Way.DROP in self._ways:
            # A descriptor of its own: an error is told once to each, and what
            # this one hears the flush must hear as well.
            waits = self._waits = self._raw.open_again()
            self._in_flight = InFlight(partial(write_back, waits))
        if Way.DIRECT in self._ways:
            self._direct = self._raw.open_direct()

    def close(self) -> None:
        """When every worker is joined."""
        opened = (self._direct, self._waits)
        self._direct = self._waits = self._in_flight = None
        for fd in opened:
            if fd is not None:
                os.close(fd)

    @property
    def ways(self) -> tuple[Way, ...]:
        """The ways that have not failed so far."""
        return self._ways

    def write(self, offset: int, parts: Sequence[memoryview]) -> None:
        """All parts, one behind the other. Durable only after the node's flush."""
        for first in range(0, len(parts), _MOST_PARTS):
            some = list(parts[first : first + _MOST_PARTS])
            self._write_all(offset, some)
            offset += sum(map(len, some))

    def _write_all(self, offset: int, parts: list[memoryview]) -> None:
        while parts:
            try:
                done = self._write_some(offset, parts)
            except OSError as error:
                raise io_error(error, "write", self._raw.uri, offset) from error
            offset += done
            parts = _behind(parts, done)

    def _write_some(self, offset: int, parts: list[memoryview]) -> int:
        for way in self._ways:
            if way is Way.DIRECT and not self._fits_direct(offset, parts):
                continue
            try:
                return self._write_by(way, offset, parts)
            except OSError as error:
                if way is Way.CACHED or error.errno not in UNSUPPORTED:
                    raise
                self._ways = tuple(other for other in self._ways if other is not way)
        return self._write_by(Way.CACHED, offset, parts)

    def _write_by(self, way: Way, offset: int, parts: list[memoryview]) -> int:
        match way:
            case Way.DROP:
                assert self._in_flight is not None
                with self._turn:
                    done = os.pwritev(self._raw.fd, parts, offset, _RWF_DONTCACHE)
                self._in_flight.add(offset, done)
                return done
            case Way.DIRECT:
                assert self._direct is not None
                return os.pwritev(self._direct, parts, offset)
            case Way.CACHED:
                with self._turn:
                    return os.pwritev(self._raw.fd, parts, offset)

    def _fits_direct(self, offset: int, parts: list[memoryview]) -> bool:
        # The workers' buffers begin at a page, and parts are cut at clusters: so
        # with all lengths aligned all addresses are.
        return (
            self._direct is not None
            and is_aligned(offset, DIRECT_ALIGNMENT)
            and all(is_aligned(len(part), DIRECT_ALIGNMENT) for part in parts)
        )


def _behind(parts: list[memoryview], done: int) -> list[memoryview]:
    """What is left of the parts after a short write."""
    for index, part in enumerate(parts):
        if done < len(part):
            return [part[done:], *parts[index + 1 :]]
        done -= len(part)
    return []
