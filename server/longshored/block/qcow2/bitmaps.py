"""Persistent dirty bitmaps: their directory, and what it asks of a writer (facts §7).

Bitmaps are not filled or read here. Whoever writes guest data without recording
it in them must say so in the header, or the next backup trusts a lie.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ...errors import Kind, ServiceError
from ...units import round_up
from .damage import invalid
from .features import Autoclear
from .hostfile import HostFile
from .layout import MAX_OFFSET, Header

FIXED = struct.Struct(">QIIBBHI")
IN_USE = 1 << 0
AUTO = 1 << 1
EXTRA_COMPATIBLE = 1 << 2
DIRTY_TRACKING = 1
MIN_GRANULARITY_BITS = 9
MAX_GRANULARITY_BITS = 31
MAX_NAME = 1_023

assert FIXED.size == 24


@dataclass(frozen=True, slots=True)
class Bitmap:
    """One entry of the directory."""

    table_offset: int
    table_entries: int
    flags: int
    granularity_bits: int
    name: bytes
    extra: bytes = b""
    type: int = DIRTY_TRACKING

    @property
    def in_use(self) -> bool:
        """A writer opened it and never put it back: its bits mean nothing."""
        return bool(self.flags & IN_USE)

    @property
    def auto(self) -> bool:
        """Every write to the disk must be recorded in it."""
        return bool(self.flags & AUTO)


def decode_directory(data: bytes, count: int) -> tuple[Bitmap, ...]:
    """All entries of a directory; they must fill it exactly."""
    bitmaps: list[Bitmap] = []
    at = 0
    for _ in range(count):
        bitmap, at = _decode_entry(data, at)
        bitmaps.append(bitmap)
    if at != len(data):
        raise _damaged("bitmap directory size", len(data), at)
    if len({bitmap.name for bitmap in bitmaps}) != count:
        raise invalid("Two bitmaps have one name", what="bitmap name", value=count)
    return tuple(bitmaps)


def _decode_entry(data: bytes, at: int) -> tuple[Bitmap, int]:
    if at + FIXED.size > len(data):
        raise _damaged("bitmap entry", at, len(data))
    offset, entries, flags, kind, granularity, name_length, extra_length = (
        FIXED.unpack_from(data, at)
    )
    name_at = at + FIXED.size + extra_length
    end = name_at + name_length
    if end > len(data):
        raise _damaged("bitmap entry", end, len(data))
    bitmap = Bitmap(
        table_offset=offset,
        table_entries=entries,
        flags=flags,
        granularity_bits=granularity,
        name=data[name_at:end],
        extra=data[at + FIXED.size : name_at],
        type=kind,
    )
    _check_entry(bitmap)
    return bitmap, round_up(end, 8)


def _check_entry(bitmap: Bitmap) -> None:
    known = IN_USE | AUTO | EXTRA_COMPATIBLE
    granularity = bitmap.granularity_bits
    for what, value, good in (
        ("bitmap flags", bitmap.flags, not bitmap.flags & ~known),
        ("bitmap type", bitmap.type, bitmap.type == DIRTY_TRACKING),
        (
            "bitmap granularity_bits",
            granularity,
            MIN_GRANULARITY_BITS <= granularity <= MAX_GRANULARITY_BITS,
        ),
        ("bitmap name length", len(bitmap.name), 1 <= len(bitmap.name) <= MAX_NAME),
    ):
        if not good:
            raise invalid("Bitmap entry is damaged", what=what, value=value)


def encode_directory(bitmaps: tuple[Bitmap, ...]) -> bytes:
    return b"".join(_encode_entries(bitmaps))


def _encode_entries(bitmaps: tuple[Bitmap, ...]) -> Iterator[bytes]:
    for bitmap in bitmaps:
        fixed = FIXED.pack(
            bitmap.table_offset,
            bitmap.table_entries,
            bitmap.flags,
            bitmap.type,
            bitmap.granularity_bits,
            len(bitmap.name),
            len(bitmap.extra),
        )
        entry = fixed + bitmap.extra + bitmap.name
        yield entry.ljust(round_up(len(entry), 8), b"\0")


def read_bitmaps(host: HostFile, header: Header) -> tuple[Bitmap, ...]:
    """The directory of an image, whether or not the header calls it consistent."""
    place = header.bitmaps
    if place is None:
        return ()
    if place.directory_offset + place.directory_size > host.size:
        raise _damaged("bitmap directory offset", place.directory_offset, host.size)
    data = bytearray(place.directory_size)
    host.readinto(place.directory_offset, memoryview(data))
    bitmaps = decode_directory(bytes(data), place.count)
    for bitmap in bitmaps:
        _check_table(bitmap, header, min(host.size, MAX_OFFSET))
    return bitmaps


def _check_table(bitmap: Bitmap, header: Header, file_size: int) -> None:
    offset, length = bitmap.table_offset, bitmap.table_entries * 8
    if offset % header.cluster_size or offset < header.cluster_size:
        raise _damaged("bitmap table offset", offset, header.cluster_size)
    if offset + length > file_size:
        raise _damaged("bitmap table offset", offset, file_size)


def invalidates_bitmaps(host: HostFile, header: Header) -> bool:
    """True if guest bytes that change unrecorded make the bitmaps lie.

    A bitmap that is not auto records nothing by itself, so it stays right. A
    directory that cannot be read promises nothing that would be worth keeping.
    """
    if not header.autoclear & Autoclear.BITMAPS:
        return False
    try:
        return any(bitmap.auto for bitmap in read_bitmaps(host, header))
    except ServiceError as error:
        if error.kind is not Kind.IMAGE_INVALID:
            raise
        return True


def _damaged(what: str, value: int, limit: int) -> Exception:
    return invalid("Bitmap directory is damaged", what=what, value=value, limit=limit)
