"""L1 and L2 entries: words to meaning and back, and whole tables to runs (facts §4).

A table in memory is an `array("Q")` in the order of the machine. A scan turns
entries into extents at the speed of memory compares: it gallops over runs of
equal entries and of entries that count up, because a table holds thousands of
entries and only a few runs.
"""

import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...units import SECTOR
from ..extent import Data, Extent, merge
from .damage import damage
from .layout import MAX_OFFSET, SUBCLUSTERS, Header

if TYPE_CHECKING:
    Words = array[int]
else:  # before Python 3.12 an array has no parameters at run time
    Words = array

COPIED = 1 << 63
COMPRESSED = 1 << 62
READS_ZERO = 1 << 0
# Bits 9 to 55; that the lower ones fit the cluster size is checked apart.
HOST_OFFSET = MAX_OFFSET - 512
L1_RESERVED = ((1 << 63) - 1) & ~HOST_OFFSET
ALL_ALLOCATED = (1 << SUBCLUSTERS) - 1
ALL_ZERO = ALL_ALLOCATED << SUBCLUSTERS

# Largest step of a gallop, in words: 32 KiB, which stays in the first cache.
STRIDE = 4_096
# Below so many entries a plain loop is faster than building what to compare with.
SHORT = 16
SAME = {
    word: array("Q", [word]) * STRIDE
    for word in (0, READS_ZERO, ALL_ALLOCATED, ALL_ZERO)
}
_FLAGS_ALONE = (0, READS_ZERO)
_WHOLE = {0: Data.UNALLOCATED, ALL_ALLOCATED: Data.RAW, ALL_ZERO: Data.ZERO}


@dataclass(frozen=True, slots=True)
class Geometry:
    """What the entries of an image depend on, worked out once."""

    cluster_bits: int
    extended_l2: bool
    cluster_size: int
    l2_entries: int
    l2_span: int
    words_per_entry: int
    subcluster_size: int
    # Bits that must be clear in a standard L2 entry, misalignment included.
    l2_reserved: int
    # In a compressed entry: bits below are the host offset, above the length.
    compressed_shift: int

    @classmethod
    def of(cls, header: Header) -> "Geometry":
        bits = header.cluster_bits
        has_zero_flag = header.version >= 3 and not header.extended_l2
        meaning = COPIED | COMPRESSED | (READS_ZERO if has_zero_flag else 0)
        aligned = MAX_OFFSET - (1 << bits)
        return cls(
            cluster_bits=bits,
            extended_l2=header.extended_l2,
            cluster_size=1 << bits,
            l2_entries=header.l2_entries,
            l2_span=header.l2_span,
            words_per_entry=2 if header.extended_l2 else 1,
            subcluster_size=header.subcluster_size,
            l2_reserved=((1 << 64) - 1) & ~(meaning | aligned),
            compressed_shift=62 - (bits - 8),
        )


@dataclass(frozen=True, slots=True)
class CompressedAt:
    """Where the bytes of a compressed cluster are; the file may end inside."""

    host_offset: int
    length: int


def decode_words(data: bytes | bytearray) -> Words:
    """Words of a table as it is on disk."""
    words = array("Q")
    words.frombytes(data)
    if sys.byteorder == "little":
        words.byteswap()
    return words


def encode_words(words: Words) -> bytes:
    """The table as it is on disk."""
    if sys.byteorder == "big":
        return words.tobytes()
    swapped = words[:]
    swapped.byteswap()
    return swapped.tobytes()


def l1_entry(l2_offset: int, *, copied: bool = True) -> int:
    return l2_offset | (COPIED if copied else 0)


def l2_offset_of(entry: int, geometry: Geometry, file_size: int) -> int:
    """Where the L2 table of an L1 entry is; 0 if there is none. Checked."""
    if entry == 0:
        return 0
    offset = entry & HOST_OFFSET
    if entry & L1_RESERVED or offset == 0:
        raise damage("L1 entry has reserved bits set", what="L1 entry", value=entry)
    if offset % geometry.cluster_size:
        raise damage(
            "L2 table is not aligned",
            what="L2 offset",
            value=offset,
            limit=geometry.cluster_size,
        )
    if offset + geometry.cluster_size > file_size:
        raise damage(
            "L2 table lies past the end of the file",
            what="L2 offset",
            value=offset,
            limit=file_size,
        )
    return offset


def standard_entry(host_offset: int, *, copied: bool = True) -> int:
    return host_offset | (COPIED if copied else 0)


def zero_entry(host_offset: int = 0, *, copied: bool = True) -> int:
    """Reads as zeros, with or without a cluster of its own. Not for extended L2."""
    return READS_ZERO | (
        standard_entry(host_offset, copied=copied) if host_offset else 0
    )


def compressed_entry(geometry: Geometry, at: CompressedAt) -> int:
    sectors = (at.host_offset % SECTOR + at.length - 1) // SECTOR
    assert at.host_offset < 1 << min(geometry.compressed_shift, 56)
    assert sectors < 1 << (geometry.cluster_bits - 8)
    return COMPRESSED | sectors << geometry.compressed_shift | at.host_offset


def decode_compressed(entry: int, geometry: Geometry, file_size: int) -> CompressedAt:
    """Where the compressed bytes of an entry lie, cut at the end of the file."""
    shift = geometry.compressed_shift
    offset = entry & ((1 << shift) - 1)
    if entry & COPIED or offset >= MAX_OFFSET or offset < geometry.cluster_size:
        raise damage(
            "Compressed cluster has an impossible entry", what="L2 entry", value=entry
        )
    if offset >= file_size:
        raise damage(
            "Compressed cluster lies past the end of the file",
            what="host offset",
            value=offset,
            limit=file_size,
        )
    sectors = (entry & (COMPRESSED - 1)) >> shift
    length = (sectors + 1) * SECTOR - offset % SECTOR
    return CompressedAt(offset, min(length, file_size - offset))


def scan(
    words: Words,
    geometry: Geometry,
    *,
    first: int,
    last: int,
    guest: int,
    file_size: int,
) -> Iterator[Extent]:
    """What the entries [first, last) of an L2 table say, merged.

    `guest` is the guest offset of entry 0. Every entry passed is checked.
    """
    if geometry.extended_l2:
        return merge(_scan_extended(words, geometry, first, last, guest, file_size))
    return _scan_standard(words, geometry, first, last, guest, file_size)


def _scan_standard(
    words: Words, geometry: Geometry, at: int, last: int, guest: int, file_size: int
) -> Iterator[Extent]:
    size = geometry.cluster_size
    while at < last:
        entry = words[at]
        start = guest + at * size
        if entry in _FLAGS_ALONE:
            if entry & geometry.l2_reserved:
                raise _broken(entry, geometry, start)
            stop = same_until(words, at, last, entry)
            data = Data.ZERO if entry else Data.UNALLOCATED
            yield Extent(start, (stop - at) * size, data)
        elif entry & COMPRESSED:
            decode_compressed(entry, geometry, file_size)
            stop = at + 1
            yield Extent(start, size, Data.COMPRESSED)
        else:
            host = _host_offset(entry, geometry, start)
            stop = _counts_up_until(words, at, last, size)
            _check_end(host + (stop - at - 1) * size, file_size, start)
            data = Data.ZERO if entry & READS_ZERO else Data.RAW
            yield Extent(start, (stop - at) * size, data, host)
        at = stop


def _scan_extended(
    words: Words, geometry: Geometry, at: int, last: int, guest: int, file_size: int
) -> Iterator[Extent]:
    size = geometry.cluster_size
    guest += at * size
    words = words[2 * at : 2 * last]
    entries, bitmaps = words[::2], words[1::2]
    at, last = 0, len(entries)
    # The ends of the runs that `at` lies in. Each is looked for once: where those of
    # one word are short, those of the other may go on to the end of the table.
    follows = alike = 0
    while at < last:
        start = guest + at * size
        if not _is_whole(entries[at], bitmaps[at]):
            yield from resolve(words, geometry, at, guest=start, file_size=file_size)
            at += 1
            continue
        if at >= follows:
            follows = _follow_until(entries, at, last, size)
        if at >= alike:
            alike = same_until(bitmaps, at, last, bitmaps[at])
        stop = min(follows, alike)
        host = _host_offset(entries[at], geometry, start) if entries[at] else None
        if host is not None:
            _check_end(host + (stop - at - 1) * size, file_size, start)
        data = _WHOLE[bitmaps[at]]
        kept = None if data is Data.UNALLOCATED else host
        yield Extent(start, (stop - at) * size, data, kept)
        at = stop


def _is_whole(entry: int, bitmap: int) -> bool:
    """True if one extent can tell of the cluster, and of others like it."""
    if entry & COMPRESSED or bitmap not in _WHOLE:
        return False
    return entry != 0 or bitmap != ALL_ALLOCATED


def _follow_until(entries: Words, at: int, last: int, size: int) -> int:
    """The end of a run of empty entries, or of clusters that follow each other."""
    entry = entries[at]
    if entry in _FLAGS_ALONE:
        return same_until(entries, at, last, entry)
    if entry & COMPRESSED:
        return at + 1
    return _counts_up_until(entries, at, last, size)


def held_runs(words: Words, geometry: Geometry) -> Iterator[range]:
    """Entries that own clusters of the file, in runs where these follow each other.

    A compressed one is alone. The entries were checked by a scan.
    """
    entries = words[:: geometry.words_per_entry]
    at, last = 0, len(entries)
    while at < last:
        stop = _follow_until(entries, at, last, geometry.cluster_size)
        if entries[at] not in _FLAGS_ALONE:
            yield range(at, stop)
        at = stop


def resolve(
    words: Words, geometry: Geometry, index: int, *, guest: int, file_size: int
) -> Iterator[Extent]:
    """What one entry says of its cluster, which begins at `guest`."""
    if not geometry.extended_l2:
        yield from _scan_standard(
            words,
            geometry,
            index,
            index + 1,
            guest - index * geometry.cluster_size,
            file_size,
        )
        return
    entry, bitmap = words[2 * index], words[2 * index + 1]
    if entry & COMPRESSED:
        if bitmap:
            raise _broken_bitmap(bitmap, guest)
        decode_compressed(entry, geometry, file_size)
        yield Extent(guest, geometry.cluster_size, Data.COMPRESSED)
        return
    host = _host_offset(entry, geometry, guest) if entry else 0
    if host:
        _check_end(host, file_size, guest)
    yield from _subclusters(host, bitmap, geometry, guest)


def _subclusters(
    host: int, bitmap: int, geometry: Geometry, guest: int
) -> Iterator[Extent]:
    allocated, zero = bitmap & ALL_ALLOCATED, bitmap >> SUBCLUSTERS
    if allocated & zero or (allocated and not host):
        raise _broken_bitmap(bitmap, guest)
    size = geometry.subcluster_size
    at = 0
    while at < SUBCLUSTERS:
        bits = allocated >> at & 1, zero >> at & 1
        stop = at + 1
        while stop < SUBCLUSTERS and bits == (allocated >> stop & 1, zero >> stop & 1):
            stop += 1
        data = Data.RAW if bits[0] else Data.ZERO if bits[1] else Data.UNALLOCATED
        kept = host + at * size if host and data is not Data.UNALLOCATED else None
        yield Extent(guest + at * size, (stop - at) * size, data, kept)
        at = stop


def _host_offset(entry: int, geometry: Geometry, guest: int) -> int:
    """The host cluster of a standard entry that has one."""
    host = entry & HOST_OFFSET
    if entry & geometry.l2_reserved or not host:
        raise _broken(entry, geometry, guest)
    return host


def _check_end(host: int, file_size: int, guest: int) -> None:
    # The last cluster of a file may be cut short: what is missing reads as zeros.
    if host >= file_size:
        raise damage(
            "Cluster lies past the end of the file",
            what="host offset",
            value=host,
            limit=file_size,
            guest_offset=guest,
        )


def _broken(entry: int, geometry: Geometry, guest: int) -> Exception:
    if entry & HOST_OFFSET & geometry.l2_reserved:
        message = "Cluster is not aligned"
    elif entry & geometry.l2_reserved:
        message = "L2 entry has reserved bits set"
    else:
        message = "L2 entry has flags but no cluster"
    return damage(message, what="L2 entry", value=entry, guest_offset=guest)


def _broken_bitmap(bitmap: int, guest: int) -> Exception:
    return damage(
        "Subcluster bitmap contradicts itself or its entry",
        what="L2 bitmap",
        value=bitmap,
        guest_offset=guest,
    )


def same_until(words: Words, at: int, last: int, word: int) -> int:
    """The first index from `at` on, at most `last`, that does not hold `word`."""
    same = SAME[word]
    step = SHORT
    while at < last:
        stop = min(at + step, last)
        if words[at:stop] != same[: stop - at]:
            break
        at = stop
        step = min(2 * step, STRIDE)
    else:
        return last
    while stop - at > SHORT:
        middle = (at + stop) // 2
        if words[at:middle] == same[: middle - at]:
            at = middle
        else:
            stop = middle
    while words[at] == word:
        at += 1
    return at


def _counts_up_until(words: Words, at: int, last: int, size: int) -> int:
    """The end of the run of entries whose clusters follow each other in the file.

    Whether a cluster is shared with a snapshot (COPIED) does not end a run.
    """
    while True:
        at = _counts_up_exactly(words, at, last, size)
        if at == last or words[at] != words[at - 1] + size ^ COPIED:
            return at


def _counts_up_exactly(words: Words, at: int, last: int, size: int) -> int:
    expected = words[at]
    short = min(at + SHORT, last)
    while at < short:
        if words[at] != expected:
            return at
        at += 1
        expected += size
    step = SHORT
    while at < last:
        stop = min(at + step, last)
        run = array("Q", range(expected, expected + (stop - at) * size, size))
        if words[at:stop] != run:
            return at + _first_difference(words[at:stop], run)
        at = stop
        expected += step * size
        step = min(2 * step, STRIDE)
    return last


def _first_difference(left: Words, right: Words) -> int:
    low, high = 0, len(left)
    while high - low > 1:
        middle = (low + high) // 2
        if left[low:middle] == right[low:middle]:
            low = middle
        else:
            high = middle
    return low
