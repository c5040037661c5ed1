"""Counting references as they are: every pointer of an image leads somewhere.

The walk follows all L1 tables, snapshots included, and everything else that the
counters must cover. What cannot be followed becomes a finding, not an error.
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field

from ...errors import ServiceError
from ..extent import Data, Extent
from .bitmaps import Bitmap, read_bitmaps
from .features import Autoclear
from .hostfile import HostFile, read_padded
from .layout import MAX_OFFSET, Header
from .refcount import Refcounts
from .snapshots import SnapshotTable, read_snapshot_table, read_snapshots
from .tables import (
    COMPRESSED,
    HOST_OFFSET,
    Geometry,
    Words,
    decode_compressed,
    decode_words,
    held_runs,
    l2_offset_of,
    resolve,
    scan,
)

# A hostile image has more damage than anybody wants to read.
MAX_FINDINGS = 1_000


@dataclass(slots=True)
class Findings:
    """So many, and the first of them in words."""

    total: int = 0
    shown: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        self.total += 1
        if len(self.shown) < MAX_FINDINGS:
            self.shown.append(text)


@dataclass(slots=True)
class Tally:
    """References to each host cluster, in chunks as large as a refcount block.

    Chunks exist only where there are references: the cost follows what is used,
    not the length of the file.
    """

    per_chunk: int
    chunks: dict[int, "array[int]"] = field(default_factory=dict)

    def add(self, first: int, count: int = 1) -> None:
        while count > 0:
            index, inside = divmod(first, self.per_chunk)
            step = min(count, self.per_chunk - inside)
            counts = self._chunk(index)
            part = counts[inside : inside + step]
            if part.count(0) == step:
                counts[inside : inside + step] = array("I", [1]) * step
            else:
                counts[inside : inside + step] = array("I", (n + 1 for n in part))
            first, count = first + step, count - step

    def count(self, cluster: int) -> int:
        index, inside = divmod(cluster, self.per_chunk)
        counts = self.chunks.get(index)
        return counts[inside] if counts else 0

    def end(self) -> int:
        """The first cluster behind all references."""
        last = max(self.chunks)
        counts = self.chunks[last]
        used = len(counts.tobytes().rstrip(b"\0"))
        return last * self.per_chunk + -(-used // counts.itemsize)

    def _chunk(self, index: int) -> "array[int]":
        counts = self.chunks.get(index)
        if counts is None:
            counts = self.chunks[index] = array("I", [0]) * self.per_chunk
        return counts


@dataclass(frozen=True, slots=True)
class Walk:
    """One image on its file, and the means to go through it."""

    host: HostFile
    header: Header
    refcounts: Refcounts
    geometry: Geometry

    @property
    def file_size(self) -> int:
        return min(self.host.size, MAX_OFFSET)

    def l1_tables(self) -> Iterator[Words]:
        """The active table first, then those of the snapshots."""
        yield self._words(self.header.l1_offset, self.header.l1_bytes)
        for snapshot in read_snapshots(self.host, self.header):
            yield self._words(snapshot.l1_offset, snapshot.l1_bytes)

    def l2_table(self, offset: int) -> Words:
        return self._words(offset, self.header.cluster_size)

    def _words(self, offset: int, length: int) -> Words:
        return decode_words(read_padded(self.host, offset, length))


def tally(walk: Walk, damage: Findings) -> Tally:
    """Count every reference; what leads nowhere is noted as damage."""
    return _Counting(walk, damage).run()


class _Counting:
    def __init__(self, walk: Walk, damage: Findings) -> None:
        self._walk = walk
        self._damage = damage
        self._bits = walk.geometry.cluster_bits
        self._tally = Tally(walk.refcounts.per_block)

    def run(self) -> Tally:
        header = self._walk.header
        self._add(0, header.cluster_size, "header")
        self._add(header.l1_offset, header.l1_bytes, "L1 table")
        refcounts = self._walk.refcounts
        table_bytes = refcounts.table_clusters << self._bits
        self._add(refcounts.table_offset, table_bytes, "refcount table")
        for offset in refcounts.block_offsets():
            self._add(offset, header.cluster_size, "refcount block")
        self._add_snapshots(read_snapshot_table(self._walk.host, header))
        if header.autoclear & Autoclear.BITMAPS:
            self._add_bitmaps(read_bitmaps(self._walk.host, header))
        for l1 in self._walk.l1_tables():
            self._add_tree(l1)
        return self._tally

    def _add(self, offset: int, length: int, what: str) -> None:
        """One reference to every cluster that the bytes touch."""
        if not length:
            return
        first, last = offset >> self._bits, (offset + length - 1) >> self._bits
        if first << self._bits >= self._walk.file_size:
            self._damage.note(f"{what} at {offset} lies past the end of the file")
            return
        self._tally.add(first, last - first + 1)

    def _add_snapshots(self, snapshots: SnapshotTable) -> None:
        offset = self._walk.header.snapshots_offset
        self._add(offset, snapshots.length, "snapshot table")
        for snapshot in snapshots.entries:
            self._add(snapshot.l1_offset, snapshot.l1_bytes, "L1 table of a snapshot")

    def _add_bitmaps(self, bitmaps: tuple[Bitmap, ...]) -> None:
        place = self._walk.header.bitmaps
        assert place is not None or not bitmaps
        if place is None:
            self._damage.note("bitmaps are called consistent, but there are none")
            return
        self._add(place.directory_offset, place.directory_size, "bitmap directory")
        for bitmap in bitmaps:
            length = bitmap.table_entries * 8
            self._add(bitmap.table_offset, length, "bitmap table")
            raw = read_padded(self._walk.host, bitmap.table_offset, length)
            for entry in decode_words(raw):
                if entry & HOST_OFFSET:
                    offset = entry & HOST_OFFSET
                    self._add(offset, self._walk.header.cluster_size, "bitmap data")

    def _add_tree(self, l1: Words) -> None:
        for index in (at for at, entry in enumerate(l1) if entry):
            try:
                offset = l2_offset_of(
                    l1[index], self._walk.geometry, self._walk.file_size
                )
            except ServiceError as error:
                self._damage.note(str(error))
                continue
            self._tally.add(offset >> self._bits)
            self._add_table(self._walk.l2_table(offset), index)

    def _add_table(self, words: Words, l1_index: int) -> None:
        guest = l1_index * self._walk.geometry.l2_span
        is_extended = self._walk.geometry.extended_l2
        add = self._add_subclustered if is_extended else self._add_standard
        try:
            add(words, guest)
        except ServiceError:
            self._add_each(words, guest)  # slower, but past every broken entry

    # These two raise before anything is counted, or not at all.

    def _add_standard(self, words: Words, guest: int) -> None:
        for extent in list(self._scan(words, guest)):
            if extent.data is Data.COMPRESSED:
                self._add_compressed(words[(extent.start - guest) >> self._bits])
            elif extent.host_offset is not None:
                first = extent.host_offset >> self._bits
                self._tally.add(first, extent.length >> self._bits)

    def _add_subclustered(self, words: Words, guest: int) -> None:
        for _ in self._scan(words, guest):
            pass  # a cluster has many extents, or none, in its place
        for run in held_runs(words, self._walk.geometry):
            entry = words[2 * run.start]
            if entry & COMPRESSED:
                self._add_compressed(entry)
            else:
                self._tally.add((entry & HOST_OFFSET) >> self._bits, len(run))

    def _scan(self, words: Words, guest: int) -> Iterator[Extent]:
        geometry = self._walk.geometry
        return scan(
            words,
            geometry,
            first=0,
            last=geometry.l2_entries,
            guest=guest,
            file_size=self._walk.file_size,
        )

    def _add_each(self, words: Words, guest: int) -> None:
        geometry = self._walk.geometry
        for index in range(geometry.l2_entries):
            at = index * geometry.words_per_entry
            entry = words[at]
            if not any(words[at : at + geometry.words_per_entry]):
                continue
            start = guest + (index << self._bits)
            try:
                for _ in resolve(
                    words, geometry, index, guest=start, file_size=self._walk.file_size
                ):
                    pass
            except ServiceError as error:
                # A broken pointer still points: what it touches is no leak.
                self._damage.note(str(error))
                if entry & COMPRESSED or entry & HOST_OFFSET >= self._walk.file_size:
                    continue
            if entry & COMPRESSED:
                self._add_compressed(entry)
            elif entry & HOST_OFFSET:
                self._tally.add((entry & HOST_OFFSET) >> self._bits)

    def _add_compressed(self, entry: int) -> None:
        at = decode_compressed(entry, self._walk.geometry, MAX_OFFSET)
        self._add(at.host_offset, at.length, "compressed cluster")
