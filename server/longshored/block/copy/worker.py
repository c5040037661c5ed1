"""One thread of a batch: shares of the feed, one after the other.

    take a share -> wait for its turn -> read -> find zeros -> take space -> write
                                      `-> take space -> share the blocks (reflink)

A worker makes nothing visible: it only says where it put the bytes.
"""

import mmap
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum

from ...errors import ServiceError
from ...units import KiB, MiB, pieces
from ..iszero import is_zero, zero_runs
from .feed import Begun, Feed, Share
from .pace import Pace, Tally
from .plan import Copy
from .reflinks import Reflinks
from .sink import Sink
from .source import Source
from .space import Space

# The largest request. Larger ones make a pause wait longer and are no faster.
LARGEST = 1 * MiB
# Behind everything that answers a user. At 2 and 4 workers more than 5 made the
# event loop hardly faster, and at 10 a copy starved beside other work of the host.
NICE = 5

_ZEROS = bytes(64 * KiB)


class Side(Enum):
    SOURCE = "source"
    TARGET = "target"


@dataclass(frozen=True, slots=True)
class Placed:
    """Guest bytes that lie at a host offset now, or turned out to be zeros."""

    start: int
    length: int
    host_offset: int | None


@dataclass(frozen=True, slots=True)
class Failure:
    """What could not be done. The copies are not in the feed: the caller decides."""

    side: Side
    error: ServiceError
    copies: Share


@dataclass(frozen=True, slots=True)
class Batch:
    """What one run of the workers brought."""

    placed: tuple[Placed, ...]
    failure: Failure | None


@dataclass(frozen=True, slots=True)
class Route:
    """From where to where, under whose pace, counted by whom."""

    source: Source
    space: Space
    sink: Sink
    pace: Pace
    tally: Tally
    now: Callable[[], float]
    reflinks: Reflinks | None = None  # None: copy everything
    keeps_zeros: bool = False  # zeros are data: there is no other way to say them


class _Failed(Exception):
    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


class Results:
    """What the workers of one batch have done. Shared by them."""

    def __init__(self, feed: Feed) -> None:
        # Set once.
        self._feed = feed
        # Guarded by _lock.
        self._lock = threading.Lock()
        self._placed: list[Placed] = []
        self._failure: Failure | None = None
        self._bug: BaseException | None = None

    def add(self, placed: Sequence[Placed]) -> None:
        with self._lock:
            self._placed.extend(placed)

    def fail(self, failure: Failure) -> None:
        self._feed.close()
        with self._lock:
            if self._failure is None:
                self._failure = failure
                return
        self._feed.give_back(failure.copies)

    def crash(self, error: BaseException) -> None:
        self._feed.close()
        with self._lock:
            self._bug = self._bug or error

    def batch(self) -> Batch:
        """When every worker is joined."""
        if self._bug is not None:
            raise self._bug
        placed = sorted(self._placed, key=lambda one: one.start)
        return Batch(tuple(placed), self._failure)


@dataclass(frozen=True, slots=True)
class _Part:
    """A run of one copy in the buffer: all zeros, or to be written."""

    start: int
    view: memoryview
    zero: bool


class Worker:
    """One thread of one batch."""

    def __init__(
        self, route: Route, feed: Feed, results: Results, buffer: mmap.mmap
    ) -> None:
        self._route = route
        self._feed = feed
        self._results = results
        self._buffer = buffer

    def run(self) -> None:
        try:
            _be_nice()
            with memoryview(self._buffer) as buffer:
                while self._step(buffer):
                    pass
        except _Failed as failed:
            self._results.fail(failed.failure)
        except BaseException as error:  # noqa: BLE001 - Engine.run raises it
            self._results.crash(error)

    def _step(self, buffer: memoryview) -> bool:
        """Move one share; False when there is nothing more to do now."""
        if (begun := self._feed.take_begun()) is not None:
            return self._move_slowly(begun, buffer)
        chunk = self._route.pace.chunk(LARGEST)
        share = self._feed.take(chunk)
        length = sum(copy.length for copy in share)
        if not share:
            return False
        if length > chunk:  # then it is one cluster, the least that can be placed
            return self._move_slowly(Begun(share[0]), buffer)
        if not self._route.pace.proceed(length):
            self._feed.close()
            self._feed.give_back(share)
            return False
        if self._reflink(share, length):
            return True
        if self._read_share(share, buffer):
            self._place_share(share, list(self._parts(share, buffer)))
        return True

    def _reflink(self, share: Share, length: int) -> bool:
        """False: nothing was done, the share has to be copied."""
        reflinks = self._route.reflinks
        if reflinks is None or not reflinks.covers(share):
            return False
        with _target(share):
            host = self._route.space.take(length)
        began = self._route.now()
        made = reflinks.make(share, host)
        self._route.tally.spend("writing", self._route.now() - began)
        if not made:
            self._route.space.put_back(host, length)
            return False
        placed: list[Placed] = []
        for start, size in ranges(share):
            placed.append(Placed(start, size, host))
            host += size
        self._results.add(placed)
        self._note(share, reflinked=length)
        return True

    def _read_share(self, share: Share, buffer: memoryview) -> bool:
        """False: a copy failed, and its clusters will be tried one by one."""
        began = self._route.now()
        at = 0
        for index, copy in enumerate(share):
            try:
                self._route.source.read(copy, 0, buffer[at : at + copy.length])
            except ServiceError as error:
                self._feed.give_back(share[:index] + share[index + 1 :])
                if copy.length <= self._feed.cluster:
                    raise _Failed(Failure(Side.SOURCE, error, (copy,))) from error
                self._feed.give_back_alone(clusters(copy, self._feed.cluster))
                return False
            at += copy.length
        self._route.tally.spend("reading", self._route.now() - began)
        return True

    def _parts(self, share: Share, buffer: memoryview) -> Iterator[_Part]:
        at = 0
        for start, length in ranges(share):
            view = buffer[at : at + length]
            at += length
            if self._route.keeps_zeros:
                yield _Part(start, view, zero=False)
                continue
            for offset, size, zero in zero_runs(view, self._feed.cluster):
                yield _Part(start + offset, view[offset : offset + size], zero)

    def _place_share(self, share: Share, parts: list[_Part]) -> None:
        data = [part.view for part in parts if not part.zero]
        written = sum(map(len, data))
        host = self._write_anew(share, data, written) if data else 0
        placed: list[Placed] = []
        for part in parts:
            length = len(part.view)
            placed.append(Placed(part.start, length, None if part.zero else host))
            host += 0 if part.zero else length
        self._results.add(placed)
        self._note(share, written=written)

    def _write_anew(self, share: Share, data: list[memoryview], length: int) -> int:
        with _target(share):
            host = self._route.space.take(length)
            self._write(host, data)
        return host

    # A cluster at a limit so low that it takes several requests.

    def _move_slowly(self, begun: Begun, buffer: memoryview) -> bool:
        copy = begun.copy
        while begun.filled < copy.length:
            step = min(self._route.pace.chunk(LARGEST), copy.length - begun.filled)
            if not self._route.pace.proceed(step):
                self._feed.close()
                self._feed.give_back_begun(begun)
                return False
            self._fill(begun, buffer[:step])
        self._results.add([Placed(copy.start, copy.length, begun.host)])
        self._note((copy,), written=0 if begun.host is None else copy.length)
        return True

    def _fill(self, begun: Begun, view: memoryview) -> None:
        copy = begun.copy
        try:
            self._read(copy, begun.filled, view)
        except ServiceError as error:
            raise _Failed(Failure(Side.SOURCE, error, (copy,))) from error
        zero = not self._route.keeps_zeros and is_zero(view)
        if begun.host is not None or not zero:
            with _target((copy,)):
                host = self._host_of(begun)
                self._write(host + begun.filled, [view])
        begun.filled += len(view)

    def _host_of(self, begun: Begun) -> int:
        """Where the cluster goes; what was passed as zeros so far is written there."""
        if begun.host is None:
            host = self._route.space.take(begun.copy.length)
            for at, length in pieces(host, begun.filled, len(_ZEROS)):
                self._write(at, [memoryview(_ZEROS)[:length]])
            begun.host = host
        return begun.host

    # Every byte passes here.

    def _read(self, copy: Copy, inside: int, view: memoryview) -> None:
        began = self._route.now()
        self._route.source.read(copy, inside, view)
        self._route.tally.spend("reading", self._route.now() - began)

    def _write(self, offset: int, parts: list[memoryview]) -> None:
        began = self._route.now()
        self._route.sink.write(offset, parts)
        self._route.tally.spend("writing", self._route.now() - began)

    def _note(self, share: Share, *, written: int = 0, reflinked: int = 0) -> None:
        length = sum(copy.length for copy in share)
        for start, size in ranges(share):
            self._route.tally.done(start, size)
        read = length - reflinked
        self._route.tally.count(
            read=read, written=written, zeroed=read - written, reflinked=reflinked
        )


def ranges(share: Share) -> Iterator[tuple[int, int]]:
    """Start and length of the guest bytes of a share, neighbours joined.

    In a fragmented image a share has many copies, which mostly lie side by side in
    the guest, and so do their bytes in the buffer.
    """
    start = end = share[0].start
    for copy in share:
        if copy.start != end:
            yield start, end - start
            start = end = copy.start
        end += copy.length
    yield start, end - start


def clusters(copy: Copy, cluster: int) -> Iterator[Copy]:
    """A copy cut into its clusters."""
    rest: Copy | None = copy
    while rest is not None and rest.length > cluster:
        first, rest = rest.split(cluster)
        yield first
    if rest is not None:
        yield rest


@contextmanager
def _target(share: Share) -> Iterator[None]:
    """What fails inside is the fault of the target."""
    try:
        yield
    except ServiceError as error:
        raise _Failed(Failure(Side.TARGET, error, share)) from error


def _be_nice() -> None:
    # Best effort: a sandbox may forbid it, and the copy is right without.
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
