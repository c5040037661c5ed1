"""From an image opened for writing to its writer: what must be done first.

Bits that promise something we do not keep are cleared before anything else is
written; counters that may be stale are counted again. The bit that says "corrupt"
is set when a writer meets damage.
"""

import struct
from collections.abc import Iterator
from dataclasses import replace

from .allocate import Allocator, Occupied
from .bitmaps import invalidates_bitmaps
from .features import KNOWN_AUTOCLEAR, Autoclear, Incompatible
from .headerfile import read_header
from .hostfile import HostFile
from .l1 import read_l1
from .layout import V2_LENGTH, Header
from .ledger import Ledger
from .metadata import Metadata
from .refcount import Refcounts, open_refcounts
from .repair import rebuild_refcounts
from .snapshots import read_snapshot_table
from .tables import HOST_OFFSET, Words
from .write import Read, Writer

# The three sets of feature bits lie side by side behind the fields of version 2.
_FEATURES = struct.Struct(">QQQ")


def open_writer(host: HostFile, metadata: Metadata, read: Read) -> Writer:
    """Make the image ready for changes. `read` gives the bytes that a guest sees."""
    if metadata.header.dirty:
        rebuild_refcounts(host)
        header = read_header(host)  # their table may have moved
        l1 = read_l1(host, header, metadata.geometry, metadata.file_size)
        metadata.renew(header, l1)
    header = metadata.header
    incompatible = header.incompatible & ~Incompatible.DIRTY
    autoclear = header.autoclear & KNOWN_AUTOCLEAR
    header = replace(header, incompatible=incompatible, autoclear=autoclear)
    _write_features(host, metadata, header)
    refcounts = open_refcounts(host, header)
    occupied = Occupied(_occupied(host, header, metadata.l1, refcounts))
    allocator = Allocator(host, refcounts, occupied)
    ledger = Ledger(host, header, metadata, refcounts, allocator)

    def before_content() -> None:
        _invalidate_bitmaps(host, metadata)

    def mark_corrupt() -> None:
        _mark_corrupt(host, metadata)

    return Writer(header, metadata.size, ledger, read, before_content, mark_corrupt)


def _invalidate_bitmaps(host: HostFile, metadata: Metadata) -> None:
    """Guest bytes are about to change, and no bitmap will record it."""
    header = metadata.header
    if invalidates_bitmaps(host, header):
        kept = header.autoclear & ~Autoclear.BITMAPS
        _write_features(host, metadata, replace(header, autoclear=kept))


def _mark_corrupt(host: HostFile, metadata: Metadata) -> None:
    """From now on everyone only reads the image, until it is repaired."""
    header = metadata.header
    if header.version >= 3:  # there are no such bits before
        incompatible = header.incompatible | Incompatible.CORRUPT
        _write_features(host, metadata, replace(header, incompatible=incompatible))


def _write_features(host: HostFile, metadata: Metadata, header: Header) -> None:
    """Change feature bits in place: the header around them stays as it is."""
    if header == metadata.header:
        return
    bits = header.incompatible, header.compatible, header.autoclear
    host.pwrite(V2_LENGTH, _FEATURES.pack(*bits))
    # Before anything that these bits speak of is changed.
    host.flush()
    metadata.header = header


def _occupied(
    host: HostFile, header: Header, l1: Words, refcounts: Refcounts
) -> Iterator[range]:
    """Where metadata lies now: no counter may call these clusters free."""
    size = header.cluster_size
    snapshots = read_snapshot_table(host, header)
    places = [
        (0, size),
        (header.l1_offset, header.l1_bytes),
        (header.refcount_table_offset, header.refcount_table_bytes),
        (header.snapshots_offset, snapshots.length),
        *((snapshot.l1_offset, snapshot.l1_bytes) for snapshot in snapshots.entries),
        *((offset, size) for offset in refcounts.block_offsets()),
        *((entry & HOST_OFFSET, size) for entry in l1 if entry),
    ]
    # Bitmaps that are not consistent own nothing: their space may be reclaimed.
    if header.bitmaps is not None and header.autoclear & Autoclear.BITMAPS:
        places.append((header.bitmaps.directory_offset, header.bitmaps.directory_size))
    for offset, length in places:
        if length:
            yield range(offset // size, (offset + length - 1) // size + 1)
