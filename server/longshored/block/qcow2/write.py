"""Writing through the guest's addresses: where do the bytes go, what becomes old.

A write is planned cluster by cluster (in place, or into a fresh cluster with what
surrounds the new bytes copied), then the bytes are written, then the entries are
changed in memory. Nothing points to new bytes on the disk before the next commit,
and nothing of it happens in an order of its own: that is the ledger's.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from ...errors import ServiceError
from ...units import MiB, pieces, round_down, round_up
from ..node import Buffer
from .damage import Damage
from .layout import MAX_OFFSET, SUBCLUSTERS, Header
from .ledger import MAX_CHANGED, Ledger
from .tables import (
    ALL_ALLOCATED,
    COMPRESSED,
    HOST_OFFSET,
    READS_ZERO,
    Words,
    decode_compressed,
    standard_entry,
)

Read = Callable[[int, memoryview], None]

# One plan covers so much: it bounds the space asked for in advance, and the time
# that the lock is held.
_PIECE = 8 * MiB
_ZEROS = bytes(1 * MiB)


@dataclass(slots=True)
class _Home:
    """Where the part [start, end) of one guest cluster is written.

    Wider than what was asked if its surroundings must come along. Without a host
    offset it wants a fresh cluster.
    """

    cluster: int
    start: int
    end: int
    host: int | None  # of the cluster, not of `start`
    words: tuple[int, ...] | None  # the new entry; its host offset is filled in
    old: tuple[int, ...]


class Writer:
    """Changes what one image holds. Its calls take turns."""

    def __init__(
        self,
        header: Header,
        size: int,
        ledger: Ledger,
        read: Read,
        before_content: Callable[[], None],
        mark_corrupt: Callable[[], None],
    ) -> None:
        # Replaced as a whole, when the header is rewritten.
        self.header = header
        # Set once.
        self.size = size  # whole sectors of what the header says
        self.ledger = ledger
        self.lock = threading.Lock()  # taken before the lock of the metadata
        self._read = read
        self._before_content = before_content
        self._mark_corrupt = mark_corrupt
        self._geometry = ledger.geometry
        self._cluster = header.cluster_size
        self._unit = header.subcluster_size
        self._width = ledger.geometry.words_per_entry
        # Guarded by lock.
        self._content_changed = False

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One caller at a time. Damage that it meets ends the writing for good."""
        with self.lock:
            self.ledger.check_accepts()
            try:
                yield
            except Damage as error:
                # The damage may be that of an image below, whose bytes were read.
                if error.facts.get("uri", self._uri) == self._uri:
                    self.ledger.refuse_more(error)
                    with suppress(ServiceError):  # the damage is what is told
                        self._mark_corrupt()
                raise

    def pwrite(self, offset: int, data: Buffer) -> None:
        view = memoryview(data).cast("B")
        with self.turn():
            self._note_content_change()
            for start, length in pieces(offset, len(view), _PIECE):
                at = start - offset
                self._write(start, view[at : at + length])

    def write_zeroes(self, offset: int, length: int, *, unmap: bool = True) -> None:
        end = offset + length
        with self.turn():
            self._note_content_change()
            first = min(round_up(offset, self._unit), end)
            # Behind the virtual size there is nothing to keep.
            last = end if end == self.size else round_down(end, self._unit)
            last = max(last, first)
            if self._must_not_shine_through:
                first = last = end
            self._write_zero_bytes(offset, first)
            self._clear(first, last, unmap=unmap, discard=False)
            self._write_zero_bytes(last, end)

    def discard(self, offset: int, length: int) -> None:
        """Let go of whole clusters. They read as zeros, never as an older backing."""
        end = offset + length
        first = round_up(offset, self._cluster)
        last = end if end == self.size else round_down(end, self._cluster)
        if first >= last or self._must_not_shine_through:
            return
        with self.turn():
            self._note_content_change()
            self._clear(first, last, unmap=True, discard=True)

    def flush(self) -> None:
        with self.turn():
            self.ledger.commit()

    def close(self) -> None:
        """Write what is left, and cut off space that was never used."""
        with self.turn():
            self.ledger.commit()
            self.ledger.allocator.unreserve()
            self.ledger.allocator.trim()

    @property
    def _uri(self) -> str:
        return self.ledger.host.uri

    @property
    def _has_backing(self) -> bool:
        return self.header.backing_file is not None

    @property
    def _must_not_shine_through(self) -> bool:
        """Version 2 cannot say "zeros": what is let go shows the backing again."""
        return self.header.version < 3 and self._has_backing

    def _note_content_change(self) -> None:
        if not self._content_changed:
            self._before_content()
            self._content_changed = True

    # Bytes.

    def _write_zero_bytes(self, start: int, end: int) -> None:
        for at, length in pieces(start, end - start, len(_ZEROS)):
            self._write(at, memoryview(_ZEROS)[:length])

    def _write(self, start: int, view: memoryview) -> None:
        if not view:
            return
        homes = list(self._homes(start, start + len(view)))
        self._make_room(homes)
        fresh = self._place(homes)
        try:
            self._write_bytes(homes, start, view)
        except BaseException:
            for clusters in fresh:
                self.ledger.allocator.free(clusters.start, len(clusters))
            raise
        for home in homes:
            self._publish(home)
        self._commit_if_many()

    def _make_room(self, homes: list[_Home]) -> None:
        """Ask the disk for all that these need, before anything is changed."""
        fresh = sum(home.host is None for home in homes)
        entries = self._geometry.l2_entries
        tables = {home.cluster // entries for home in homes if home.words is not None}
        fresh += sum(self.ledger.needs_l2_cluster(index) for index in tables)
        if fresh:
            self.ledger.allocator.room(fresh)

    def _commit_if_many(self) -> None:
        if self.ledger.changed_bytes > MAX_CHANGED:
            self.ledger.commit()

    def _homes(self, start: int, end: int) -> Iterator[_Home]:
        for cluster in range(start // self._cluster, -(-end // self._cluster)):
            base = cluster * self._cluster
            low, high = max(start, base), min(end, base + self._cluster)
            old = self._entry(cluster)
            if self._geometry.extended_l2:
                yield self._extended_home(cluster, low, high, old)
            else:
                yield self._standard_home(cluster, low, high, old)

    def _standard_home(
        self, cluster: int, low: int, high: int, old: tuple[int, ...]
    ) -> _Home:
        (entry,) = old
        host = self._own_host(entry)
        if host is not None and not entry & READS_ZERO:
            return _Home(cluster, low, high, host, None, old)
        base = cluster * self._cluster
        return _Home(cluster, base, base + self._cluster, host, (0,), old)

    def _extended_home(
        self, cluster: int, low: int, high: int, old: tuple[int, ...]
    ) -> _Home:
        entry, bitmap = old
        host = self._own_host(entry)
        base = cluster * self._cluster
        if host is None and entry:
            # Compressed or shared: take all of it along.
            words = (0, ALL_ALLOCATED)
            return _Home(cluster, base, base + self._cluster, None, words, old)
        first = (low - base) // self._unit
        last = (high - 1 - base) // self._unit
        if not bitmap >> first & 1:
            low = base + first * self._unit
        if not bitmap >> last & 1:
            high = base + (last + 1) * self._unit
        mask = ((1 << last - first + 1) - 1) << first
        new = (bitmap | mask) & ~(mask << SUBCLUSTERS)
        return _Home(cluster, low, high, host, None if new == bitmap else (0, new), old)

    def _own_host(self, entry: int) -> int | None:
        """The host cluster of an entry, if it may be overwritten."""
        if entry & COMPRESSED or not entry & HOST_OFFSET:
            return None
        return None if self.ledger.is_shared(entry) else entry & HOST_OFFSET

    def _place(self, homes: list[_Home]) -> list[range]:
        """Give fresh clusters to those who want one, side by side where they are."""
        fresh: list[range] = []
        at = 0
        while at < len(homes):
            stop = at
            while stop < len(homes) and homes[stop].host is None:
                stop += 1
            if stop > at:
                first = self.ledger.allocator.take(stop - at)
                fresh.append(range(first, first + stop - at))
                for number, home in enumerate(homes[at:stop]):
                    home.host = (first + number) * self._cluster
            at = stop + 1
        return fresh

    def _write_bytes(self, homes: list[_Home], start: int, view: memoryview) -> None:
        end = start + len(view)
        head = self._guest_bytes(homes[0].start, start)
        tail = self._guest_bytes(end, homes[-1].end)
        for low, high, host in self._joined(homes):
            if low < start:
                self.ledger.host.pwrite(host, head)
            first, last = max(low, start), min(high, end)
            data = view[first - start : last - start]
            self.ledger.host.pwrite(host + first - low, data)
            if high > end:
                self.ledger.host.pwrite(host + end - low, tail)

    def _joined(self, homes: list[_Home]) -> Iterator[tuple[int, int, int]]:
        """The writes to be done (start, end, host offset), as few as possible."""
        held: tuple[int, int, int] | None = None
        for home in homes:
            assert home.host is not None
            host = home.host + home.start % self._cluster
            if held and held[1] == home.start and held[2] + held[1] - held[0] == host:
                held = held[0], home.end, held[2]
                continue
            if held:
                yield held
            held = home.start, home.end, host
        if held:
            yield held

    def _guest_bytes(self, start: int, end: int) -> bytearray:
        """What the guest sees in a range now; zeros behind the virtual size."""
        buffer = bytearray(max(0, end - start))
        inside = min(end, self.size) - start
        if inside > 0:
            self._read(start, memoryview(buffer)[:inside])
        return buffer

    def _publish(self, home: _Home) -> None:
        if home.words is None:
            return
        assert home.host is not None
        words = (standard_entry(home.host), *home.words[1:])
        self._set_entry(home.cluster, words)
        old = home.old[0]
        if old & COMPRESSED or old & HOST_OFFSET != home.host:
            self._free(old)

    # Zeros.

    def _clear(self, start: int, end: int, *, unmap: bool, discard: bool) -> None:
        """Make whole units read as zeros by their entries alone."""
        while start < end:
            stop = min(end, round_down(start, self._span) + self._span)
            self._clear_in_table(start, stop, unmap, discard)
            self._commit_if_many()
            start = stop

    @property
    def _span(self) -> int:
        return self._geometry.l2_span

    def _clear_in_table(self, start: int, end: int, unmap: bool, discard: bool) -> None:
        if self._nothing_to_clear(start // self._span, discard):
            return
        self.ledger.allocator.room(2)
        for cluster in range(start // self._cluster, -(-end // self._cluster)):
            base = cluster * self._cluster
            low, high = max(start, base), min(end, base + self._cluster)
            if high == self.size:
                high = base + self._cluster
            if self._geometry.extended_l2:
                self._clear_extended(cluster, low - base, high - base, unmap, discard)
            else:
                self._clear_standard(cluster, unmap, discard)

    def _nothing_to_clear(self, l1_index: int, discard: bool) -> bool:
        table = self.ledger.l2_table(l1_index)
        return table is None and (discard or not self._has_backing)

    def _clear_standard(self, cluster: int, unmap: bool, discard: bool) -> None:
        (entry,) = self._entry(cluster)
        zero = READS_ZERO if self.header.version >= 3 else 0
        if not entry & ~READS_ZERO:
            if entry or discard or not self._has_backing:
                return
            new = zero
        elif not unmap and zero and self._own_host(entry) is not None:
            new = entry | zero
        else:
            self._free(entry)
            new = zero
        if new != entry:
            self._set_entry(cluster, (new,))

    def _clear_extended(
        self, cluster: int, low: int, high: int, unmap: bool, discard: bool
    ) -> None:
        entry, bitmap = self._entry(cluster)
        if not entry and (discard or (not bitmap and not self._has_backing)):
            return
        base = cluster * self._cluster
        if entry & COMPRESSED and high - low < self._cluster:
            self._write_zero_bytes(base + low, min(base + high, self.size))
            return
        mask = ((1 << (high - low) // self._unit) - 1) << low // self._unit
        allocated = bitmap & ALL_ALLOCATED & ~mask
        new = allocated | (bitmap >> SUBCLUSTERS | mask) << SUBCLUSTERS
        if entry & COMPRESSED or (entry and not allocated and unmap):
            self._free(entry)
            entry = 0
        self._set_entry(cluster, (entry, new))

    # Entries.

    def _entry(self, cluster: int) -> tuple[int, ...]:
        l1_index, index = divmod(cluster, self._geometry.l2_entries)
        table = self.ledger.l2_table(l1_index)
        if table is None:
            return (0,) * self._width
        return tuple(table[index * self._width : (index + 1) * self._width])

    def _set_entry(self, cluster: int, words: tuple[int, ...]) -> None:
        l1_index, index = divmod(cluster, self._geometry.l2_entries)
        self.ledger.change_l2(l1_index, index * self._width, Words("Q", words))

    def _free(self, entry: int) -> None:
        """Drop the reference of an entry that is being replaced."""
        if entry & COMPRESSED:
            # All of the span was counted, even where the file ends inside it.
            at = decode_compressed(entry, self._geometry, MAX_OFFSET)
            first = at.host_offset // self._cluster
            last = (at.host_offset + at.length - 1) // self._cluster
            self.ledger.free(first * self._cluster, last - first + 1)
        elif entry & HOST_OFFSET:
            self.ledger.free(entry & HOST_OFFSET)
