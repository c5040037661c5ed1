"""What is loaded of an image: header, L1, and as many L2 tables as the cache holds.

The lock covers an answer, never a read of the file: a table that is missing is
read without it, and thrown away if a writer changed the mapping meanwhile.
"""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace

from ...units import SECTOR, MiB, round_down
from ..extent import Data, Extent
from .damage import invalid
from .hostfile import HostFile
from .layout import MAX_OFFSET, Header
from .tables import (
    COMPRESSED,
    CompressedAt,
    Geometry,
    Words,
    decode_compressed,
    decode_words,
    l2_offset_of,
    same_until,
    scan,
)

# L2 tables kept in memory: 32 GiB of guest bytes at the default cluster size.
# A chain of 200 links has as many of these caches.
CACHE_BYTES = 4 * MiB


class Metadata:
    def __init__(
        self,
        host: HostFile,
        header: Header,
        l1: Words,
        *,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        # Set once.
        self.geometry = Geometry.of(header)
        # QEMU counts whole sectors and leaves out what is beyond the last one.
        self.size = round_down(header.size, SECTOR)
        self._host = host
        self._tables_kept = max(1, cache_bytes // self.geometry.cluster_size)
        # Replaced as a whole, by the writer only.
        self.header = header
        # Guarded by _lock. The writer goes on changing a table it has replaced
        # until it settles; its readers see one word or the other, never a torn one.
        self._lock = threading.Lock()
        self._l1 = l1
        self._l2: OrderedDict[int, Words] = OrderedDict()
        self._unwritten: dict[int, Words] = {}
        self._changes = 0
        self._reuses = 0

    @property
    def changes(self) -> int:
        """Grows whenever the mapping changes: what was learned before may be stale."""
        return self._changes

    @property
    def reuses(self) -> int:
        """Grows before clusters are used for something else: a read may be stale."""
        return self._reuses

    @property
    def file_size(self) -> int:
        return min(self._host.size, MAX_OFFSET)

    @property
    def l1(self) -> Words:
        """The L1 table itself. Only `replace` changes it."""
        return self._l1

    def renew(self, header: Header, l1: Words) -> None:
        """The tables of the file have been repaired: none in memory counts."""
        with self._lock:
            self.header = header
            self._l1 = l1
            self._l2.clear()
            self._changes += 1

    def replace(self, l1_index: int, entry: int, table: Words) -> None:
        """The writer's news: readers see this table, the file does not have it yet."""
        with self._lock:
            self._l1[l1_index] = entry
            self._l2.pop(l1_index, None)
            self._unwritten[l1_index] = table
            self._changes += 1

    def note_reuse(self) -> None:
        """The writer's news: clusters that were replaced may be written over."""
        with self._lock:
            self._reuses += 1

    def settle(self) -> None:
        """The file has every table that was replaced: they may leave the memory."""
        with self._lock:
            for index, words in self._unwritten.items():
                self._keep_locked(index, words)
            self._unwritten.clear()

    def l2_table(self, l1_index: int) -> Words | None:
        """The L2 table of an L1 entry, or None if it has none. Not to be changed."""
        with self._lock:
            words = self._held_locked(l1_index)
            entry, changes = self._l1[l1_index], self._changes
        if words is not None or entry == 0:
            return words
        words = self._read(l2_offset_of(entry, self.geometry, self.file_size))
        with self._lock:
            if changes == self._changes:
                self._keep_locked(l1_index, words)
        return words

    def compressed_at(self, guest: int) -> CompressedAt | None:
        """Where the compressed cluster that begins at `guest` lies, if it is one."""
        geometry = self.geometry
        words = self.l2_table(guest // geometry.l2_span)
        index = guest % geometry.l2_span // geometry.cluster_size
        entry = words[index * geometry.words_per_entry] if words is not None else 0
        if not entry & COMPRESSED:
            return None
        return decode_compressed(entry, geometry, self.file_size)

    def extents(self, offset: int, length: int) -> Iterator[Extent]:
        """What this layer holds of a range, in order, without gaps, merged."""
        end = offset + length
        held: Extent | None = None
        mapped = most = 0
        for runs in self._runs(offset, end):
            at_seam = True
            for extent in runs:
                run = extent
                if run.data is Data.RAW:
                    mapped += run.length
                    if mapped > most:
                        most = self._most_mapped(mapped)
                if held is None:
                    run = run.clip(offset, end)
                elif at_seam and run.continues(held):
                    run = replace(held, length=held.length + run.length)
                else:
                    yield held
                held = run
                at_seam = False
        if held is not None:
            yield held.clip(offset, end)

    def _runs(self, offset: int, end: int) -> Iterator[Iterator[Extent]]:
        """The runs of each L2 table in the range; tables that are missing in one."""
        span = self.geometry.l2_span
        while offset < end:
            index = offset // span
            words = self.l2_table(index)
            if words is None:
                stop = self._next_table(index, -(-end // span)) * span
                yield iter((Extent(offset, stop - offset, Data.UNALLOCATED),))
                offset = stop
            else:
                yield self._scan(words, index * span, offset, end)
                offset = (index + 1) * span

    def _next_table(self, index: int, last: int) -> int:
        with self._lock:
            return max(same_until(self._l1, index, last, 0), index + 1)

    def _scan(self, words: Words, guest: int, start: int, end: int) -> Iterator[Extent]:
        size = self.geometry.cluster_size
        runs = scan(
            words,
            self.geometry,
            first=max(0, start - guest) // size,
            last=min(self.geometry.l2_entries, -(-(end - guest) // size)),
            guest=guest,
            file_size=self.file_size,
        )
        if not self.geometry.extended_l2:
            return runs
        # The clusters at the ends have subclusters outside the range.
        return (run for run in runs if run.start < end and start < run.end)

    def _most_mapped(self, mapped: int) -> int:
        """How many guest bytes the file can hold; raises if it holds too many.

        Clusters of one tree share no host cluster: more guest bytes than file
        bytes means that they do, to make a small file look endless.
        """
        most = self.file_size + self.geometry.cluster_size
        if mapped > most:
            raise invalid(
                "Tables map more data than the file holds",
                what="mapped bytes",
                value=mapped,
                limit=most,
            )
        return most

    def _read(self, offset: int) -> Words:
        data = bytearray(self.geometry.cluster_size)
        self._host.readinto(offset, memoryview(data))
        return decode_words(data)

    def _held_locked(self, index: int) -> Words | None:
        words = self._unwritten.get(index)
        if words is None and (words := self._l2.get(index)) is not None:
            self._l2.move_to_end(index)
        return words

    def _keep_locked(self, index: int, words: Words) -> None:
        self._l2[index] = words
        self._l2.move_to_end(index)
        while len(self._l2) > self._tables_kept:
            self._l2.popitem(last=False)
