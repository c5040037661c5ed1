"""Reference counts: how many pointers lead to each host cluster.

A table of pointers to blocks, a block of counters one cluster long. Blocks are
held decoded, changes stay in memory until `write_blocks` and `write_table`;
which of them must be durable before what is decided in `ledger`. Where the
clusters of new blocks come from is decided in `allocate`.
"""

import struct
import sys
from array import array
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from ...errors import ServiceError
from ...units import MiB, round_down, round_up
from ..node import Buffer
from .damage import damage, invalid
from .hostfile import HostFile, read_padded
from .layout import Header

# Clean blocks kept in memory: enough for 256 GiB at the default geometry.
_CACHE_BYTES = 8 * MiB

_TYPECODES = {3: "B", 4: "H", 5: "I", 6: "Q"}
# refcount_table_offset and refcount_table_clusters lie side by side, so that
# one write moves the table.
_HEADER_TABLE = 48


def decode(block: Buffer, order: int) -> "array[int]":
    """The counters of a block of `1 << order` bits each."""
    if order < 3:
        return _decode_narrow(bytes(block), 1 << order)
    counts = array(_TYPECODES[order], bytes(block))
    return _swapped(counts)


def encode(counts: "array[int]", order: int) -> bytes:
    if order < 3:
        return _encode_narrow(counts.tobytes(), 1 << order)
    return _swapped(counts[:]).tobytes()


def largest(order: int) -> int:
    """The largest count that fits."""
    return (1 << (1 << order)) - 1


def _swapped(counts: "array[int]") -> "array[int]":
    if sys.byteorder == "little":
        counts.byteswap()
    return counts


def _decode_narrow(block: bytes, bits: int) -> "array[int]":
    lanes = 8 // bits
    counts = bytearray(len(block) * lanes)
    mask = (1 << bits) - 1
    for lane in range(lanes):  # the lowest bits come first
        values = bytes(byte >> lane * bits & mask for byte in range(256))
        counts[lane::lanes] = block.translate(values)
    return array("B", counts)


def _encode_narrow(counts: bytes, bits: int) -> bytes:
    lanes = 8 // bits
    joined = 0
    for lane in range(lanes):
        # No counter is wider than its bits, so a shift never leaves its byte.
        joined |= int.from_bytes(counts[lane::lanes], "little") << lane * bits
    return joined.to_bytes(len(counts) // lanes, "little")


@dataclass(slots=True)
class _Block:
    """A decoded block, and which of its counters the file does not hold yet."""

    counts: "array[int]"
    first_dirty: int
    end_dirty: int = 0

    def touch(self, first: int, end: int) -> None:
        self.first_dirty = min(self.first_dirty, first)
        self.end_dirty = max(self.end_dirty, end)


class Refcounts:
    """The counters of one image, as they will be once everything is written."""

    def __init__(self, host: HostFile, header: Header, table: "array[int]") -> None:
        # Set once.
        self.order = header.refcount_order
        self.cluster_size = header.cluster_size
        self.per_block = header.cluster_size * 8 >> header.refcount_order
        self._host = host
        # Changed by the one writer only.
        self.table_offset = header.refcount_table_offset
        self._table = table
        self._clean: OrderedDict[int, _Block] = OrderedDict()
        self._dirty: dict[int, _Block] = {}
        self._unhooked: set[int] = set()  # table entries that the file lacks
        self._moved = False  # the header still names the old table

    @property
    def capacity(self) -> int:
        """Blocks that the table has room for."""
        return len(self._table)

    @property
    def table_clusters(self) -> int:
        return len(self._table) * 8 // self.cluster_size

    def block_offsets(self) -> Iterator[int]:
        return (offset for offset in self._table if offset)

    def blocks(self) -> Iterator[int]:
        """The indexes of the blocks that exist."""
        return (index for index, offset in enumerate(self._table) if offset)

    def block_counts(self, index: int) -> "array[int]":
        """The counters of a block, zeros if it does not exist. Not to be changed."""
        if self.has_block(index):
            return self._load(index).counts
        return array("B", [0]) * self.per_block

    def has_block(self, index: int) -> bool:
        return index < len(self._table) and self._table[index] != 0

    def count(self, cluster: int) -> int:
        index, inside = divmod(cluster, self.per_block)
        return self._load(index).counts[inside] if self.has_block(index) else 0

    def counted(self) -> int:
        """How many clusters have a reference."""
        blocks = (self._load(index).counts for index in self.blocks())
        return sum(len(counts) - counts.count(0) for counts in blocks)

    def missing_blocks(self, first: int, count: int) -> list[int]:
        """Indexes of the blocks that these clusters need and that do not exist."""
        last = first + count - 1
        span = range(first // self.per_block, last // self.per_block + 1)
        return [index for index in span if not self.has_block(index)]

    def add_block(self, index: int, cluster: int) -> None:
        """Put an empty block into the table; its own count is the caller's to take."""
        counts = array(_TYPECODES[max(3, self.order)], [0]) * self.per_block
        self._dirty[index] = _Block(counts, 0, self.per_block)
        self._table[index] = cluster * self.cluster_size
        self._unhooked.add(index)

    def move_table(self, cluster: int, clusters: int) -> None:
        """Grow the table into a new place; the old place is the caller's to free."""
        entries = clusters * self.cluster_size // 8
        assert entries > len(self._table), "a table only grows"
        self._table.extend([0] * (entries - len(self._table)))
        self.table_offset = cluster * self.cluster_size
        self._moved = True

    def take(self, first: int, count: int) -> None:
        """Free clusters get their first reference. Their blocks must exist."""
        for index, start, end in self._spans(first, count):
            block = self._change(index, start, end)
            if block.counts[start:end].count(0) != end - start:
                raise self._wrong("A cluster to be allocated is in use", index, start)
            block.counts[start:end] = array(block.counts.typecode, [1]) * (end - start)

    def drop(self, first: int, count: int) -> None:
        """One reference less to each cluster."""
        for index, start, end in self._spans(first, count):
            if not self.has_block(index):
                raise self._wrong("A cluster to be freed has no count", index, start)
            counts = self._change(index, start, end).counts
            for inside in range(start, end):
                if not counts[inside]:
                    raise self._wrong("A cluster to be freed is free", index, inside)
                counts[inside] -= 1

    def set(self, cluster: int, count: int) -> None:
        """Repair one counter. Its block must exist."""
        index, inside = divmod(cluster, self.per_block)
        self._change(index, inside, inside + 1).counts[inside] = count

    def free_runs(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Runs (first, count) of clusters without a reference, in order."""
        for index, low, high in self._spans(start, end - start):
            base = index * self.per_block
            if not self.has_block(index):
                yield base + low, high - low
                continue
            yield from (
                (base + first, count)
                for first, count in _zero_runs(self._load(index).counts, low, high)
            )

    def end_of_use(self) -> int:
        """The first cluster behind all that have a reference."""
        for index in range(len(self._table) - 1, -1, -1):
            if not self._table[index]:
                continue
            counts = self._load(index).counts
            used = len(counts.tobytes().rstrip(b"\0"))
            if used:
                return index * self.per_block + -(-used // counts.itemsize)
        return 0

    # Writing. The caller flushes between the steps.

    def write_blocks(self) -> bool:
        """Write the changed counters, and a moved table; True if there were any."""
        wrote = bool(self._dirty)
        for index, block in self._dirty.items():
            self._write_block(index, block)
            self._clean[index] = block
        self._dirty.clear()
        if self._moved:
            self._host.pwrite(self.table_offset, _swapped(self._table[:]).tobytes())
        self._evict()
        return wrote

    def write_table(self) -> bool:
        """Make new blocks, or a new table, count; True if there was anything."""
        wrote = self._moved or bool(self._unhooked)
        if self._moved:
            field = struct.pack(">QI", self.table_offset, self.table_clusters)
            self._host.pwrite(_HEADER_TABLE, field)
        elif self._unhooked:
            first, last = min(self._unhooked), max(self._unhooked)
            entries = _swapped(self._table[first : last + 1]).tobytes()
            self._host.pwrite(self.table_offset + first * 8, entries)
        self._moved = False
        self._unhooked.clear()
        return wrote

    def _write_block(self, index: int, block: _Block) -> None:
        # Eight counters of any width fill whole bytes.
        first = round_down(block.first_dirty, 8)
        end = round_up(block.end_dirty, 8)
        place = self._table[index] + ((first << self.order) >> 3)
        self._host.pwrite(place, encode(block.counts[first:end], self.order))
        block.first_dirty, block.end_dirty = self.per_block, 0

    def _spans(self, first: int, count: int) -> Iterator[tuple[int, int, int]]:
        """Cut a run of clusters at block borders: (block, first, end inside it)."""
        end = first + count
        while first < end:
            index, inside = divmod(first, self.per_block)
            step = min(self.per_block - inside, end - first)
            yield index, inside, inside + step
            first += step

    def _change(self, index: int, start: int, end: int) -> _Block:
        block = self._load(index)
        block.touch(start, end)
        self._clean.pop(index, None)
        self._dirty[index] = block
        return block

    def _load(self, index: int) -> _Block:
        if (block := self._dirty.get(index)) is not None:
            return block
        if (block := self._clean.get(index)) is not None:
            self._clean.move_to_end(index)
            return block
        assert self._table[index], "the block does not exist"
        raw = read_padded(self._host, self._table[index], self.cluster_size)
        block = _Block(decode(raw, self.order), self.per_block)
        self._clean[index] = block
        self._evict()
        return block

    def _evict(self) -> None:
        decoded = self.per_block * max(1, (1 << self.order) // 8)
        keep = max(2, _CACHE_BYTES // decoded)
        while len(self._clean) > keep:
            self._clean.popitem(last=False)

    def _wrong(self, message: str, index: int, inside: int) -> ServiceError:
        cluster = index * self.per_block + inside
        return damage(
            f"{message}; the refcounts of this image are wrong, check it",
            what="refcount",
            uri=self._host.uri,
            host_offset=cluster * self.cluster_size,
        )


def _zero_runs(counts: "array[int]", low: int, high: int) -> Iterator[tuple[int, int]]:
    while low < high:
        try:
            first = counts.index(0, low, high)
        except ValueError:
            return
        low = first + 1
        while low < high and not counts[low]:
            low += 1
        yield first, low - first


def open_refcounts(host: HostFile, header: Header) -> Refcounts:
    """Read and check the table; the blocks come when they are asked for."""
    end = header.refcount_table_offset + header.refcount_table_bytes
    if end > round_up(host.size, header.cluster_size):
        raise invalid(
            "The refcount table ends behind the file",
            what="refcount_table_offset",
            value=header.refcount_table_offset,
            limit=host.size,
            uri=host.uri,
        )
    raw = read_padded(host, header.refcount_table_offset, header.refcount_table_bytes)
    table = _swapped(array("Q", bytes(raw)))
    for index, offset in enumerate(table):
        if offset % header.cluster_size or offset >= host.size:
            raise invalid(
                "A refcount block is not at a cluster inside the file",
                what=f"refcount table entry {index}",
                value=offset,
                limit=host.size,
                uri=host.uri,
            )
    return Refcounts(host, header, table)
