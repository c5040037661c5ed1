"""Where copied bytes go: one file, written without filling the page cache.

A copy must not push out what the guests of this host need, and a batch must be
flushed at once, not after seconds. Three ways, tried in the order that the caller
wants; what the file system does not know is not tried again:

    DROP    buffered, written back at once and dropped from the cache
    DIRECT  O_DIRECT, for whole aligned pages only
    CACHED  an ordinary write
"""

import errno
import os
from collections.abc import Sequence
from enum import Enum

from ...units import KiB, is_aligned
from ..ioerror import io_error
from ..raw import RawNode

_RWF_DONTCACHE = 0x80  # linux/fs.h, since 6.14
# What a kernel or file system says that does not offer a way of writing.
_NOT_OFFERED = (errno.EINVAL, errno.EOPNOTSUPP)

# Covers the logical block of every disk there is.
DIRECT_ALIGNMENT = 4 * KiB
# The most parts that one system call takes.
_MOST_PARTS = 1024

# A flush of a batch that takes longer shows a device slower than memory. There a
# buffered write only joins a queue, for which a pause would have to wait.
SLOW_FLUSH_SECONDS = 0.1


class Way(Enum):
    DROP = "drop"
    DIRECT = "direct"
    CACHED = "cached"


class Sink:
    """Writes at offsets of one file; used by every worker at once."""

    def __init__(self, raw: RawNode, ways: Sequence[Way]) -> None:
        # Set once.
        self._raw = raw
        # Replaced as a whole by whoever finds that a way is not offered.
        self._ways = tuple(ways)
        self._direct: int | None = None

    def open(self) -> None:
        if Way.DIRECT in self._ways:
            self._direct = self._raw.open_direct()

    def close(self) -> None:
        direct, self._direct = self._direct, None
        if direct is not None:
            os.close(direct)

    def note_flush(self, seconds: float) -> None:
        """How long the bytes of a batch took to become durable."""
        if seconds > SLOW_FLUSH_SECONDS:
            self._ways = tuple(way for way in self._ways if way is not Way.DROP)

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
                if way is Way.CACHED or error.errno not in _NOT_OFFERED:
                    raise
                self._ways = tuple(other for other in self._ways if other is not way)
        return os.pwritev(self._raw.fd, parts, offset)

    def _write_by(self, way: Way, offset: int, parts: list[memoryview]) -> int:
        match way:
            case Way.DROP:
                return os.pwritev(self._raw.fd, parts, offset, _RWF_DONTCACHE)
            case Way.DIRECT:
                assert self._direct is not None
                return os.pwritev(self._direct, parts, offset)
            case Way.CACHED:
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
