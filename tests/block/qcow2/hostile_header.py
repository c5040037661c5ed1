"""Attack list A: one wrong thing in the header, its extensions, its names."""

from collections.abc import Iterator

from longshored.block.qcow2 import extensions as ext
from longshored.block.qcow2.extensions import BitmapsExtension
from tests.block.qcow2.hostile import (
    CLUSTER,
    EXTENSIONS,
    L1,
    REFCOUNT_BLOCK,
    REFCOUNT_TABLE,
    U32,
    U64,
    Outcome,
    Vector,
    cut,
    extension,
    fields,
    put,
)

INVALID, UNSUPPORTED = Outcome.INVALID, Outcome.UNSUPPORTED
SAME, OTHER = Outcome.SAME, Outcome.OTHER


def header_vectors() -> Iterator[Vector]:
    yield from _cut()
    yield from _numbers()
    yield from _tables()
    yield from _bits()
    yield from _encryption_and_compression()
    yield from _names()
    yield from _extensions()
    yield from _bitmaps()


def _each(field: str, *values: int, outcome: Outcome = INVALID) -> Iterator[Vector]:
    for value in values:
        yield Vector(f"{field} {value:#x}", fields(**{field: value}), outcome)


def _cut() -> Iterator[Vector]:
    for length in range(113):
        yield Vector(f"file of {length} bytes", cut(length), INVALID)
    for length in (CLUSTER - 1, CLUSTER, L1, L1 + 15):
        yield Vector(f"file of {length} bytes", cut(length), INVALID)


def _numbers() -> Iterator[Vector]:
    yield from _each("magic", 0, 0x514649FA)
    yield from _each("version", 0, 1, 4, U32, outcome=UNSUPPORTED)
    yield from _each("cluster_bits", 0, 8, 9, 21, 22, 31, 63, 64, U32)
    yield from _each("size", 0, 1, 511, 4097, 1 << 20, outcome=OTHER)
    yield from _each("size", (4 << 20) + 1, 1 << 62, (1 << 63) - 1, 1 << 63, U64)
    yield from _each("refcount_order", 7, 8, 31, 63, U32)
    yield from _each("refcount_order", 0, 6, outcome=SAME)
    yield from _each("header_length", 0, 71, 72, 103, 105, 108, 0x7FFFFFFF, U32)
    yield from _each("header_length", CLUSTER + 8)


def _tables() -> Iterator[Vector]:
    yield from _each("l1_size", 0, 1, 1024, 1 << 22, (1 << 31) - 1, 1 << 31, U32)
    yield from _each("l1_size", 512, outcome=SAME)
    wild = (CLUSTER + 512, 1 << 40, 1 << 56, 0x7FFFFFFFFFFF0000, U64 - CLUSTER + 1)
    for field in ("l1_table_offset", "refcount_table_offset"):
        yield from _each(field, 0, *wild)
    yield from _each("l1_table_offset", REFCOUNT_TABLE, REFCOUNT_BLOCK)
    yield from _each("refcount_table_offset", L1)
    yield from _each("refcount_table_clusters", 0, 0x801, 0x20001, U32)
    yield from _each("nb_snapshots", 65_537, (1 << 31) - 1, U32)
    for value in (0, 8, *wild):
        damage = fields(nb_snapshots=1, snapshots_offset=value)
        yield Vector(f"snapshots_offset {value:#x}", damage, INVALID)


def _bits() -> Iterator[Vector]:
    outcomes = {0: SAME, 1: SAME, 3: INVALID, 4: INVALID}
    for bit in range(64):
        outcome = outcomes.get(bit, UNSUPPORTED)
        damage = fields(incompatible_features=1 << bit)
        yield Vector(f"incompatible bit {bit}", damage, outcome)
    both = fields(incompatible_features=3)
    yield Vector("dirty and corrupt", both, SAME)
    yield Vector("compatible bits", fields(compatible_features=U64), SAME)
    unknown = fields(autoclear_features=U64 - 3)
    yield Vector("unknown autoclear bits", unknown, SAME)
    raw = fields(autoclear_features=2)
    yield Vector("raw data file", raw, UNSUPPORTED)
    named = extension(ext.DATA_FILE, b"/etc/shadow", incompatible_features=4)
    yield Vector("data file with a name", named, UNSUPPORTED)


def _encryption_and_compression() -> Iterator[Vector]:
    yield from _each("crypt_method", 1, 2, outcome=UNSUPPORTED)
    yield from _each("crypt_method", 3, U32)
    luks = extension(ext.ENCRYPTION, b"\x7f" * 16, crypt_method=2)
    yield Vector("LUKS header out of range", luks, UNSUPPORTED)
    stray = extension(ext.ENCRYPTION, b"\x7f" * 16)
    yield Vector("LUKS header without encryption", stray, UNSUPPORTED)
    yield from _each("compression_type", 1, 2, 255)
    for value, outcome in ((0, INVALID), (1, OTHER), (2, UNSUPPORTED)):
        damage = fields(incompatible_features=8, compression_type=value)
        name = f"compression bit with type {value}"
        # Deflate streams are no zstd frames.
        yield Vector(name, damage, INVALID if outcome is OTHER else outcome)


def _names() -> Iterator[Vector]:
    for offset, length in (
        (200, 1024),
        (200, U32),
        (8, 4),
        (CLUSTER - 4, 5),
        (CLUSTER, 1),
        (1 << 40, 4),
        (U64, 4),
    ):
        damage = fields(backing_file_offset=offset, backing_file_size=length)
        yield Vector(f"backing name {length:#x} at {offset:#x}", damage, INVALID)
    nul = put(200, b"ba\0e", backing_file_offset=200, backing_file_size=4)
    yield Vector("backing name with NUL", nul, INVALID)


def _extensions() -> Iterator[Vector]:
    for length in (CLUSTER, 0x7FFFFFFF, U32):
        record = ext.RECORD.pack(0x1234, length)
        yield Vector(f"extension of {length:#x}", put(EXTENSIONS, record), INVALID)
    room = CLUSTER - EXTENSIONS - 8
    full = put(EXTENSIONS, ext.RECORD.pack(0x1234, room) + b"x" * room)
    yield Vector("extensions without an end", full, SAME)
    torn = put(
        EXTENSIONS,
        ext.RECORD.pack(0x1234, 0) + b"\0\0\1\0",
        backing_file_offset=EXTENSIONS + 12,
        backing_file_size=0,
    )
    yield Vector("extension that is cut", torn, INVALID)
    twice = put(EXTENSIONS, ext.RECORD.pack(0x1234, 0) * 2)
    yield Vector("extension given twice", twice, INVALID)
    tiny = b"".join(ext.RECORD.pack(0x1000 + i, 0) for i in range(100_000))
    yield Vector("100,000 extensions", put(EXTENSIONS, tiny), INVALID, "huge clusters")
    yield Vector("long format", extension(ext.BACKING_FORMAT, b"q" * 16), INVALID)
    control = extension(ext.BACKING_FORMAT, b"ra\nw")
    yield Vector("format with a newline", control, INVALID)
    names = extension(ext.FEATURE_NAMES, b"\xff" * 100, incompatible_features=1 << 40)
    yield Vector("feature names of noise", names, UNSUPPORTED)


def _bitmaps() -> Iterator[Vector]:
    for name, place in (
        ("count 0", BitmapsExtension(0, 32, 0x20000)),
        ("count 65,536", BitmapsExtension(65_536, 32, 0x20000)),
        ("size 0", BitmapsExtension(1, 0, 0x20000)),
        ("size 2^63", BitmapsExtension(1, 1 << 63, 0x20000)),
        ("offset 0", BitmapsExtension(1, 32, 0)),
        ("offset unaligned", BitmapsExtension(1, 32, 0x20008)),
        ("offset wraps", BitmapsExtension(1, 32, U64 - CLUSTER + 1)),
    ):
        damage = extension(ext.BITMAPS, ext.encode_bitmaps(place))
        yield Vector(f"bitmap directory {name}", damage, INVALID)
    for length in (0, 23, 25):
        damage = extension(ext.BITMAPS, b"\1" * length)
        yield Vector(f"bitmaps extension of {length}", damage, INVALID)
    reserved = ext.BITMAPS_DATA.pack(1, 1, 32, 0x20000)
    yield Vector("bitmaps reserved", extension(ext.BITMAPS, reserved), INVALID)
