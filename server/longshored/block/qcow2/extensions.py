"""Header extensions: the tagged records between header and backing name (facts §3)."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...units import round_up
from .damage import invalid
from .features import MAX_FEATURE_BIT, FeatureKind

END = 0x00000000
BACKING_FORMAT = 0xE2792ACA
FEATURE_NAMES = 0x6803F857
BITMAPS = 0x23852875
ENCRYPTION = 0x0537BE77
DATA_FILE = 0x44415441

# QEMU knows five types. A header with hundreds of them is an attack on whoever
# walks the list.
MAX_EXTENSIONS = 256
# QEMU keeps the format name in 16 bytes, with its NUL.
MAX_BACKING_FORMAT = 15
MAX_BITMAPS = 65_535
# 65,535 entries of the longest name, and then some; QEMU allows the same.
MAX_BITMAP_DIRECTORY = MAX_BITMAPS * 1_024 + 65_536

RECORD = struct.Struct(">II")
FEATURE_NAME = struct.Struct(">BB46s")
BITMAPS_DATA = struct.Struct(">IIQQ")


@dataclass(frozen=True, slots=True)
class Extension:
    """One record, its data as found: an unknown one is written back verbatim."""

    type: int
    data: bytes

    @property
    def encoded_size(self) -> int:
        return RECORD.size + round_up(len(self.data), 8)


@dataclass(frozen=True, slots=True)
class FeatureName:
    kind: FeatureKind
    bit: int
    name: str


@dataclass(frozen=True, slots=True)
class BitmapsExtension:
    """Where the bitmap directory is."""

    count: int
    directory_size: int
    directory_offset: int


def decode_extensions(area: bytes) -> tuple[Extension, ...]:
    """Read the records of the whole area up to the end marker."""
    found: list[Extension] = []
    seen: set[int] = set()
    for extension in _records(area):
        if extension.type in seen:
            raise invalid(
                "Header extension appears twice", what="extension", value=extension.type
            )
        if len(found) == MAX_EXTENSIONS:
            raise invalid(
                "Too many header extensions", what="extensions", limit=MAX_EXTENSIONS
            )
        seen.add(extension.type)
        found.append(extension)
    return tuple(found)


def _records(area: bytes) -> Iterator[Extension]:
    at = 0
    while at + RECORD.size <= len(area):
        kind, length = RECORD.unpack_from(area, at)
        if kind == END:
            return
        at += RECORD.size
        if length > len(area) - at:
            raise invalid(
                "Header extension runs past its area",
                what="extension length",
                value=length,
                limit=len(area) - at,
                extension=kind,
            )
        yield Extension(kind, area[at : at + length])
        at += round_up(length, 8)
    # An area that is full needs no end marker, but a torn record is damage.
    if any(area[at:]):
        raise invalid("Header extension is cut off", what="extension", value=at)


def encode_extensions(extensions: Iterable[Extension]) -> bytes:
    """The records with their padding and the end marker."""
    parts = []
    for extension in extensions:
        parts.append(RECORD.pack(extension.type, len(extension.data)))
        parts.append(extension.data.ljust(round_up(len(extension.data), 8), b"\0"))
    parts.append(RECORD.pack(END, 0))
    return b"".join(parts)


def decode_backing_format(data: bytes) -> str:
    if len(data) > MAX_BACKING_FORMAT:
        raise invalid(
            "Backing format name is too long",
            what="backing format length",
            value=len(data),
            limit=MAX_BACKING_FORMAT,
        )
    if not data.isascii() or not data.decode("ascii").isprintable():
        raise invalid(
            "Backing format name has bytes that no format name has",
            what="backing format",
            value=data.hex(),
        )
    return data.decode("ascii")


def decode_feature_names(data: bytes) -> tuple[FeatureName, ...]:
    """The table of names; rows that name no possible bit are passed over.

    The table only decorates error messages, so it never makes an image invalid.
    """
    whole = data[: len(data) // FEATURE_NAME.size * FEATURE_NAME.size]
    return tuple(
        FeatureName(FeatureKind(kind), bit, _printable(name))
        for kind, bit, name in FEATURE_NAME.iter_unpack(whole)
        if kind in (0, 1, 2) and bit <= MAX_FEATURE_BIT
    )


def _printable(name: bytes) -> str:
    # The text comes from the file and goes to logs and terminals.
    text = name.split(b"\0", 1)[0].decode("ascii", "replace")
    return "".join(c if c.isascii() and c.isprintable() else "?" for c in text)


def encode_feature_names(names: Iterable[FeatureName]) -> bytes:
    return b"".join(
        FEATURE_NAME.pack(row.kind.value, row.bit, row.name.encode("ascii"))
        for row in names
    )


def decode_bitmaps(data: bytes, cluster_size: int) -> BitmapsExtension:
    if len(data) != BITMAPS_DATA.size:
        raise invalid(
            "Bitmaps extension has the wrong length",
            what="bitmaps extension length",
            value=len(data),
            limit=BITMAPS_DATA.size,
        )
    count, reserved, size, offset = BITMAPS_DATA.unpack(data)
    for what, value, good in (
        ("bitmap count", count, 0 < count <= MAX_BITMAPS),
        ("bitmaps reserved field", reserved, reserved == 0),
        ("bitmap directory size", size, 0 < size <= MAX_BITMAP_DIRECTORY),
        (
            "bitmap directory offset",
            offset,
            0 < offset < 1 << 56 and offset % cluster_size == 0,
        ),
    ):
        if not good:
            raise invalid("Bitmaps extension is damaged", what=what, value=value)
    return BitmapsExtension(count, size, offset)


def encode_bitmaps(bitmaps: BitmapsExtension) -> bytes:
    return BITMAPS_DATA.pack(
        bitmaps.count, 0, bitmaps.directory_size, bitmaps.directory_offset
    )
