"""Populating an overlay in bulk: many clusters become visible in one commit.

The caller reserves host space, fills it at the speed of the device, flushes it
and then publishes where the bytes lie. Only guest ranges that this layer does not
hold are ever touched, and only with bytes that were visible through it before:
so a pull changes no visible byte, whatever instant it is cut at, and dirty
bitmaps stay right.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

from ...errors import Kind, ServiceError
from ...units import is_aligned, round_up
from .damage import unsupported
from .hostfile import read_padded
from .layout import SUBCLUSTERS
from .ledger import COMMIT_POINTS, MAX_CHANGED, CrashPoint, Ledger, no_crash
from .tables import (
    ALL_ALLOCATED,
    ALL_ZERO,
    COMPRESSED,
    COPIED,
    HOST_OFFSET,
    READS_ZERO,
    Words,
    standard_entry,
)
from .write import Writer

CRASH_POINTS = ("publish.begun", *COMMIT_POINTS)


@dataclass(frozen=True, slots=True)
class Placement:
    """Guest bytes and where they lie in the file; without a place they are zeros.

    Aligned to clusters (to subclusters where the image has them); the last one
    may end at the virtual size. Whole clusters of the guest must be whole ones of
    the file: `host_offset` and `start` leave the same rest.
    """

    start: int
    length: int
    host_offset: int | None


class NoRoom(ServiceError):
    """The disk was full before anything was changed: what failed can be tried again."""

    def __init__(self, cause: ServiceError) -> None:
        super().__init__(cause.kind, cause.message)
        self.facts = cause.facts


class WritableNode(Protocol):
    """An opened qcow2 image that lends its writer."""

    def writer(self) -> Writer: ...


class Populator:
    """Fills what one layer does not hold. One per job, one thread at a time."""

    def __init__(self, node: WritableNode, crash_point: CrashPoint = no_crash) -> None:
        self._node = node
        self._crash_point = crash_point

    @property
    def zero_supported(self) -> bool:
        """False: a placement must have bytes, version 2 cannot say "zeros"."""
        return self._node.writer().header.version >= 3

    def reserve(self, length: int, least: int) -> range:
        """Host bytes in one piece, known to the disk only: `least` or more of them."""
        writer = self._node.writer()
        with writer.turn():
            size = writer.header.cluster_size
            run = writer.ledger.allocator.reserve(
                round_up(length, size) // size, round_up(least, size) // size
            )
            return range(run.start * size, run.stop * size)

    def publish(self, placements: Sequence[Placement]) -> None:
        """Make them visible, crash-safe at every instant. The data is flushed.

        What this layer holds already is left alone. NoRoom can be tried again; any
        other failure is final, that of a disk which is full later too.
        """
        writer = self._node.writer()
        with writer.turn():
            self._crash_point("publish.begun")
            publication = _Publication(writer)
            for placement in placements:
                publication.check(placement)
            for batch in publication.batches(placements):
                publication.publish(batch, self._crash_point)

    def release(self) -> None:
        """Give back what was reserved and not published."""
        writer = self._node.writer()
        with writer.turn(), writer.ledger.final_errors():
            # Nothing that a pointer leads to is cut off: all of it is counted.
            writer.ledger.allocator.unreserve()
            writer.ledger.allocator.trim()


@dataclass(frozen=True, slots=True)
class _Slice:
    """Part of a placement inside one L2 table."""

    l1_index: int
    start: int
    length: int
    host_offset: int | None


class _Runs(list[tuple[int, int]]):
    """Clusters (first, count); in the file most runs follow one another."""

    def add(self, first: int, count: int) -> None:
        if self and sum(self[-1]) == first:
            first, before = self.pop()
            count += before
        self.append((first, count))


class _Publication:
    """One call of publish: slices in, changed words out."""

    def __init__(self, writer: Writer) -> None:
        self._header = writer.header
        self._size = writer.size
        self._ledger: Ledger = writer.ledger
        self._host = writer.ledger.host
        self._geometry = writer.ledger.geometry
        self._cluster = writer.header.cluster_size
        self._unit = writer.header.subcluster_size
        self._words = self._geometry.words_per_entry
        # Clusters that entries of this batch point to.
        self._claims = _Runs()

    def batches(self, placements: Sequence[Placement]) -> Iterator[list[_Slice]]:
        """Slices of so many tables at once as the memory may hold."""
        most = max(1, MAX_CHANGED // self._cluster)
        batch: list[_Slice] = []
        tables = 0
        slices = (part for placement in placements for part in self._slices(placement))
        for _, group in groupby(slices, key=lambda part: part.l1_index):
            if tables == most:
                yield batch
                batch, tables = [], 0
            batch.extend(group)
            tables += 1
        if batch:
            yield batch

    def publish(self, batch: list[_Slice], crash_point: CrashPoint) -> None:
        self._make_room(batch)
        with self._ledger.final_errors():
            for part in batch:
                self._apply(part)
            for first, count in self._claims:
                self._ledger.allocator.claim(first, count)
            self._claims.clear()
            self._ledger.commit(crash_point)

    def _slices(self, placement: Placement) -> Iterator[_Slice]:
        span = self._geometry.l2_span
        at, end = placement.start, placement.start + placement.length
        host = placement.host_offset
        while at < end:
            step = min(span - at % span, end - at)
            place = None if host is None else host + at - placement.start
            yield _Slice(at // span, at, step, place)
            at += step

    def check(self, placement: Placement) -> None:
        end = placement.start + placement.length
        assert is_aligned(placement.start, self._unit), "a cluster is cut in two"
        assert is_aligned(end, self._unit) or end == self._size
        assert 0 < placement.length <= self._size - placement.start
        if placement.host_offset is None and self._header.version < 3:
            raise unsupported(
                "zero clusters",
                "Version 2 images cannot mark clusters as zero",
                uri=self._host.uri,
            )

    def _make_room(self, batch: list[_Slice]) -> None:
        """Ask the disk for all that this needs, before anything is changed."""
        tables = {part.l1_index for part in batch}
        clusters = sum(self._ledger.needs_l2_cluster(index) for index in tables)
        if self._geometry.extended_l2:
            ragged = {index for part in batch for index in self._ragged(part)}
            clusters += sum(map(self._needs_own_cluster, ragged))
        used = _Runs()
        for part in batch:
            if part.host_offset is not None:
                first, last = part.host_offset, part.host_offset + part.length - 1
                first, last = first // self._cluster, last // self._cluster
                used.add(first, last - first + 1)
        try:
            self._ledger.allocator.room(clusters, used)
        except ServiceError as error:
            if error.kind is not Kind.NO_SPACE:
                raise
            raise NoRoom(error) from error

    def _ragged(self, part: _Slice) -> Iterator[int]:
        """Guest clusters at the ends of a slice that it has only a part of."""
        start, end = part.start, part.start + part.length
        if part.host_offset is None:
            return
        if start % self._cluster:
            yield start // self._cluster
        if end % self._cluster and end != self._size:
            yield end // self._cluster

    def _needs_own_cluster(self, cluster: int) -> bool:
        """The same question that `_own_cluster` answers by a new one."""
        l1_index, index = divmod(cluster, self._geometry.l2_entries)
        table = self._ledger.l2_table(l1_index)
        entry = 0 if table is None else table[2 * index]
        return not entry & COMPRESSED and (not entry or self._ledger.is_shared(entry))

    def _apply(self, part: _Slice) -> None:
        """Cut a slice into whole clusters and, with subclusters, its ragged ends."""
        at, end = part.start, part.start + part.length
        if end == self._size:
            end = self._pad_last_cluster(part)
        while at < end:
            border = at - at % self._cluster + self._cluster
            step = min(border, end) - at
            if step == self._cluster:
                step = (end - at) // self._cluster * self._cluster
                self._apply_clusters(part, at, step // self._cluster)
            else:
                self._apply_ragged(part, at, step)
            at += step

    def _pad_last_cluster(self, part: _Slice) -> int:
        """Zeros behind the virtual size, which show when the image is grown."""
        end = part.start + part.length
        last_cluster = end // self._cluster * self._cluster
        whole = part.start <= last_cluster
        padded = round_up(end, self._cluster if whole else self._unit)
        if part.host_offset is not None and padded > end:
            self._host.pwrite(part.host_offset + part.length, bytes(padded - end))
        return padded

    def _apply_clusters(self, part: _Slice, at: int, count: int) -> None:
        first = at % self._geometry.l2_span // self._cluster
        place = None
        if part.host_offset is not None:
            place = part.host_offset + at - part.start
            assert is_aligned(place, self._cluster), "whole clusters stay whole"
        table = self._ledger.l2_table(part.l1_index)
        for low, high in self._empty_runs(table, first, first + count):
            if place is None:
                words = self._zero_words(high - low)
            else:
                host = place + (low - first) * self._cluster
                self._claims.add(host // self._cluster, high - low)
                words = self._data_words(host, high - low)
            self._ledger.change_l2(part.l1_index, low * self._words, words)
        if self._geometry.extended_l2 and table is not None:
            self._fill_partial(part, first, at, count)

    def _empty_runs(
        self, table: Words | None, first: int, end: int
    ) -> list[tuple[int, int]]:
        """Runs of entries [low, high) that say nothing yet."""
        width = self._words
        if table is None:
            return [(first, end)]
        words = table[first * width : end * width]
        if words.count(0) == len(words):
            return [(first, end)]
        runs: list[tuple[int, int]] = []
        for index in range(end - first):
            if any(words[index * width : (index + 1) * width]):
                continue
            at = first + index
            if runs and runs[-1][1] == at:
                runs[-1] = (runs[-1][0], at + 1)
            else:
                runs.append((at, at + 1))
        return runs

    def _data_words(self, host: int, count: int) -> Words:
        first = standard_entry(host)
        step = self._cluster
        entries = Words("Q", range(first, first + count * step, step))
        if not self._geometry.extended_l2:
            return entries
        words = Words("Q", [0, ALL_ALLOCATED]) * count
        words[::2] = entries
        return words

    def _zero_words(self, count: int) -> Words:
        if self._geometry.extended_l2:
            return Words("Q", [0, ALL_ZERO]) * count
        return Words("Q", [READS_ZERO]) * count

    # Subclusters: a cluster of which this layer holds a part.

    def _fill_partial(self, part: _Slice, first: int, at: int, count: int) -> None:
        table = self._ledger.l2_table(part.l1_index)
        assert table is not None
        for index in range(first, first + count):
            if _missing(table[2 * index + 1]):
                guest = at + (index - first) * self._cluster
                self._apply_ragged(part, guest, self._cluster)

    def _apply_ragged(self, part: _Slice, at: int, length: int) -> None:
        """Fill the missing subclusters of a range inside one cluster."""
        first = at % self._cluster // self._unit
        count = length // self._unit
        index = at % self._geometry.l2_span // self._cluster
        table = self._ledger.l2_table(part.l1_index)
        entry, bitmap = (0, 0) if table is None else table[2 * index : 2 * index + 2]
        wanted = ((1 << count) - 1) << first & _missing(bitmap)
        if entry & COMPRESSED or not wanted:
            return
        if part.host_offset is None:
            bitmap |= wanted << SUBCLUSTERS
        else:
            entry = self._own_cluster(entry, bitmap)
            place = part.host_offset + at - part.start
            self._copy(place - first * self._unit, entry, wanted)
            bitmap |= wanted
        self._ledger.change_l2(part.l1_index, 2 * index, Words("Q", [entry, bitmap]))

    def _own_cluster(self, entry: int, bitmap: int) -> int:
        """An entry whose cluster may be written, holding what it held before."""
        if entry and not self._ledger.is_shared(entry):
            return entry
        own = self._ledger.allocator.append(1) * self._cluster
        if entry:
            self._copy(entry & HOST_OFFSET, own, bitmap & ALL_ALLOCATED)
            self._ledger.free(entry & HOST_OFFSET)
        return own | COPIED

    def _copy(self, source: int, entry: int, subclusters: int) -> None:
        size = self._unit
        for number in range(SUBCLUSTERS):
            if subclusters >> number & 1:
                data = read_padded(self._host, source + number * size, size)
                self._host.pwrite((entry & HOST_OFFSET) + number * size, data)


def _missing(bitmap: int) -> int:
    """The subclusters that are neither allocated nor zero."""
    return ~(bitmap | bitmap >> SUBCLUSTERS) & ALL_ALLOCATED
