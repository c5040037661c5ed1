"""What an image must be before a writer trusts its tables.

A reader that follows a bad pointer reads wrong bytes; a writer that does so
overwrites a table, or the bytes of another guest cluster. So before the first
change every pointer of the active tree is followed once, and each must lead to
clusters that nothing else owns. The walk costs what a scan of the image costs.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from ..extent import Data
from .claims import Claims
from .damage import invalid, unsupported
from .hostfile import HostFile
from .l1 import MAX_MAP_BYTES
from .metadata import Metadata
from .refcount import Refcounts, open_refcounts
from .snapshots import read_snapshot_table
from .tables import (
    COMPRESSED,
    HOST_OFFSET,
    Words,
    decode_compressed,
    held_runs,
    scan,
)


def check_for_writing(host: HostFile, metadata: Metadata) -> bool:
    """Raise unless no two pointers of the image share a cluster in a harmful way.

    True if clusters may be counted that nothing uses: what snapshots and bitmaps own
    this does not look at.
    """
    geometry, file_size = metadata.geometry, metadata.file_size
    if file_size >> geometry.cluster_bits > MAX_MAP_BYTES * 8:
        raise unsupported(
            "file size",
            "File is too large to be checked before it is written to",
            what="file size",
            value=file_size,
            limit=MAX_MAP_BYTES * 8 << geometry.cluster_bits,
        )
    refcounts = open_refcounts(host, metadata.header)
    tables, data = Claims(geometry, file_size), Claims(geometry, file_size)
    _claim_tables(tables, host, metadata, refcounts)
    _claim_data(data, tables, metadata)
    if metadata.header.dirty:  # they are counted anew before the first change
        return False
    _check_counts(refcounts, metadata, (tables, data))
    if metadata.header.snapshots or metadata.header.bitmaps is not None:
        return True
    return refcounts.counted() > tables.total + data.total


def _claim_tables(
    tables: Claims, host: HostFile, metadata: Metadata, refcounts: Refcounts
) -> None:
    for offset, length in _places(host, metadata, refcounts):
        if length and not tables.claim_run(offset, length):
            raise invalid("Tables overlap", what="table offset", value=offset)


def _claim_data(data: Claims, tables: Claims, metadata: Metadata) -> None:
    for pointer in _pointers(metadata):
        offset, length = pointer.offset, pointer.length
        if tables.meets(offset, length):
            raise invalid(
                "Guest data lies on a table", what="host offset", value=offset
            )
        if pointer.compressed:  # they share what they touch, by design
            data.mark_run(offset, length)
        elif not data.claim_run(offset, length):
            raise invalid(
                "Two guest clusters share one place", what="host offset", value=offset
            )


def _check_counts(
    refcounts: Refcounts, metadata: Metadata, used: tuple[Claims, ...]
) -> None:
    """A cluster that is used and counted as free would be given away again."""
    bits = metadata.geometry.cluster_bits
    for first, count in refcounts.free_runs(0, (metadata.file_size >> bits) + 1):
        if any(claims.meets(first << bits, count << bits) for claims in used):
            raise invalid(
                "Clusters in use are counted as free",
                what="refcount",
                value=0,
                host_offset=first << bits,
            )


def _places(
    host: HostFile, metadata: Metadata, refcounts: Refcounts
) -> Iterator[tuple[int, int]]:
    """Where the tables are."""
    header = metadata.header
    snapshots = read_snapshot_table(host, header)
    yield 0, header.cluster_size
    yield header.l1_offset, header.l1_bytes
    yield header.refcount_table_offset, header.refcount_table_bytes
    yield header.snapshots_offset, snapshots.length
    for snapshot in snapshots.entries:
        yield snapshot.l1_offset, snapshot.l1_bytes
    for entry in filter(None, metadata.l1):
        yield entry & HOST_OFFSET, header.cluster_size
    for offset in refcounts.block_offsets():
        yield offset, header.cluster_size


@dataclass(frozen=True, slots=True)
class _Pointer:
    """A range of the file that guest bytes own."""

    offset: int
    length: int
    compressed: bool


def _pointers(metadata: Metadata) -> Iterator[_Pointer]:
    for index, entry in enumerate(metadata.l1):
        words = metadata.l2_table(index) if entry else None
        if words is None:
            continue
        if metadata.geometry.extended_l2:
            yield from _extended_pointers(words, metadata)
        else:
            yield from _standard_pointers(words, metadata)


def _standard_pointers(words: Words, metadata: Metadata) -> Iterator[_Pointer]:
    geometry, file_size = metadata.geometry, metadata.file_size
    for run in scan(
        words, geometry, first=0, last=len(words), guest=0, file_size=file_size
    ):
        if run.data is Data.COMPRESSED:
            entry = words[run.start >> geometry.cluster_bits]
            at = decode_compressed(entry, geometry, file_size)
            yield _Pointer(at.host_offset, at.length, True)
        elif run.host_offset is not None:
            yield _Pointer(run.host_offset, run.length, False)


def _extended_pointers(words: Words, metadata: Metadata) -> Iterator[_Pointer]:
    """The same by whole clusters: one has many runs, or none, in its place."""
    geometry, file_size = metadata.geometry, metadata.file_size
    for _ in scan(
        words,
        geometry,
        first=0,
        last=geometry.l2_entries,
        guest=0,
        file_size=file_size,
    ):
        pass  # every entry passed is checked
    for run in held_runs(words, geometry):
        entry = words[2 * run.start]
        if entry & COMPRESSED:
            at = decode_compressed(entry, geometry, file_size)
            yield _Pointer(at.host_offset, at.length, True)
        else:
            length = len(run) * geometry.cluster_size
            yield _Pointer(entry & HOST_OFFSET, length, False)
