"""Attack list B: one wrong thing in the tables, or in what they point to."""

import zlib
from collections.abc import Iterator

import zstandard

from longshored.block.qcow2.tables import (
    COMPRESSED,
    COPIED,
    CompressedAt,
    compressed_entry,
)
from tests.block.qcow2.hostile import (
    CLUSTER,
    L1,
    REFCOUNT_BLOCK,
    REFCOUNT_TABLE,
    Base,
    Damage,
    Outcome,
    Vector,
    compressed,
    l1,
    l2,
    plain_geometry,
    put,
)
from tests.support.qcow2 import deflate, half_noise

INVALID, SAME, OTHER = Outcome.INVALID, Outcome.SAME, Outcome.OTHER
FAR = 1 << 40
ENTRIES = CLUSTER // 8


def table_vectors() -> Iterator[Vector]:
    yield from _l1()
    yield from _aliases()
    yield from _l2()
    yield from _compressed()
    yield from _zstd()
    yield from _subclusters()
    yield from _refcounts()
    yield from _snapshots()


def _l1() -> Iterator[Vector]:
    for name, entry in (
        ("itself", COPIED | L1),
        ("header", COPIED),
        ("refcount table", COPIED | REFCOUNT_TABLE),
        ("refcount block", COPIED | REFCOUNT_BLOCK),
        ("past the end", COPIED | FAR),
        ("unaligned", COPIED | 0x4200),
        ("low reserved bit", COPIED | 0x4000 | 1),
        ("high reserved bit", COPIED | 0x4000 | 1 << 56),
        ("compressed bit", COPIED | 0x4000 | COMPRESSED),
        ("all ones", (1 << 64) - 1),
    ):
        yield Vector(f"L1 entry: {name}", l1(entry), INVALID)
    yield Vector("L1 entry: none", l1(0), OTHER)
    yield Vector("L2 table cut by the end of the file", _cut_in_l2, INVALID)


def _cut_in_l2(content: bytearray, base: Base) -> None:
    del content[base.l2 + CLUSTER - 1 :]


def _alias_l2(content: bytearray, base: Base) -> None:
    l1(COPIED | base.l2, COPIED | base.l2)(content, base)


def _second_l2_is_data(content: bytearray, base: Base) -> None:
    first_data = int.from_bytes(content[base.l2 : base.l2 + 8], "big") & ~COPIED
    l1(COPIED | base.l2, COPIED | first_data)(content, base)


def _every(entry: int | None = None) -> Damage:
    """All entries of the table are the same; by default those of the first data."""

    def damage(content: bytearray, base: Base) -> None:
        same = content[base.l2 : base.l2 + 8]
        if entry is not None:
            same = bytearray(entry.to_bytes(8, "big"))
        content[base.l2 : base.l2 + CLUSTER] = same * ENTRIES

    return damage


def _every_compressed(content: bytearray, base: Base) -> None:
    at = base.l2 + 5 * 8
    _every(int.from_bytes(content[at : at + 8], "big"))(content, base)


def _every_l2_one_table(content: bytearray, base: Base) -> None:
    """A sparse L1 of 32 MiB, every entry the same table: terabytes from kilobytes."""
    end = len(content)
    content += (COPIED | base.l2).to_bytes(8, "big") * (1 << 17)
    put(0, b"", l1_table_offset=end, l1_size=1 << 17)(content, base)


def _aliases() -> Iterator[Vector]:
    yield Vector("two L1 entries, one table", _alias_l2, INVALID)
    yield Vector("131,072 L1 entries, one table", _every_l2_one_table, INVALID)
    yield Vector("L2 table in a data cluster", _second_l2_is_data, INVALID)
    yield Vector("every entry one cluster", _every(), INVALID)
    yield Vector("every entry one held zero", _every(COPIED | 0x4001), OTHER)
    yield Vector("every entry one compressed cluster", _every_compressed, OTHER)


def _l2() -> Iterator[Vector]:
    for name, entry, outcome in (
        ("past the end", COPIED | FAR, INVALID),
        ("unaligned", COPIED | 0x4200, INVALID),
        ("low reserved bit", COPIED | 0x4000 | 1 << 3, INVALID),
        ("high reserved bit", COPIED | 0x4000 | 1 << 57, INVALID),
        ("offset 2^56", COPIED | 1 << 56, INVALID),
        ("flags without a cluster", COPIED, INVALID),
        ("compressed and copied", COPIED | COMPRESSED | 0x4000, INVALID),
        ("all ones", (1 << 64) - 1, INVALID),
        ("zero with a cluster past the end", COPIED | FAR | 1, INVALID),
        ("copied zero without a cluster", COPIED | 1, INVALID),
        ("unallocated", 0, OTHER),
        ("zero", 1, OTHER),
        ("not copied", 0x4000, SAME),
        ("data in the L1 table", COPIED | L1, OTHER),
        ("data in the refcount table", COPIED | REFCOUNT_TABLE, OTHER),
    ):
        yield Vector(f"L2 entry: {name}", l2(entry), outcome)
    yield Vector("half a cluster at the end", _half_a_cluster_at_the_end, OTHER)
    yield Vector("zero flag in version 2", l2(COPIED | 0x4001), INVALID, "v2")
    yield Vector("plain zero flag in version 2", l2(1), INVALID, "v2")


def _half_a_cluster_at_the_end(content: bytearray, base: Base) -> None:
    l2(COPIED | len(content))(content, base)
    content += b"\x77" * (CLUSTER // 2)


def _compressed() -> Iterator[Vector]:
    good = deflate(half_noise(9, CLUSTER))
    geometry = plain_geometry()
    wide = zlib.compressobj(9, zlib.DEFLATED, -15)
    far = wide.compress(half_noise(3, CLUSTER)) + wide.flush()
    for name, damage, outcome in (
        ("whole", compressed(good), OTHER),
        ("cut", compressed(good[:-200], 512), INVALID),
        ("noise", compressed(b"\xff" * 700), INVALID),
        ("zeros", compressed(bytes(700)), INVALID),
        ("short by a byte", compressed(deflate(bytes(CLUSTER - 1))), INVALID),
        ("empty", compressed(deflate(b"")), INVALID),
        ("long by a byte", compressed(deflate(b"a" * (CLUSTER + 1))), OTHER),
        ("a bomb of 16 MiB", compressed(deflate(bytes(1 << 24))[:CLUSTER]), OTHER),
        ("with a window of 32 KiB", compressed(far), OTHER),
        ("with a zlib header", compressed(zlib.compress(bytes(CLUSTER))), INVALID),
        ("past the end", l2(COMPRESSED | 1 << 30), INVALID),
        ("beyond 2^56", l2(COMPRESSED | 1 << 57), INVALID),
        ("in the header", l2(COMPRESSED), INVALID),
        (
            "in the L1 table",
            l2(compressed_entry(geometry, CompressedAt(L1, 512))),
            INVALID,
        ),
    ):
        yield Vector(f"compressed: {name}", damage, outcome)


def _zstd() -> Iterator[Vector]:
    squeeze = zstandard.ZstdCompressor().compress
    plain = zstandard.ZstdCompressor(write_content_size=False).compress
    good = squeeze(half_noise(9, CLUSTER))
    half = squeeze(half_noise(9, CLUSTER // 2))
    window = b"\x28\xb5\x2f\xfd\x00\xf8\x01\x00\x00"
    for name, data, outcome in (
        ("whole", good, OTHER),
        ("unannounced", plain(half_noise(9, CLUSTER)), OTHER),
        ("cut", good[:1500], INVALID),
        ("bad magic", b"\0" + good[1:], INVALID),
        ("bad frame", good[:6] + b"\xff" * 12 + good[18:], INVALID),
        ("short", squeeze(bytes(CLUSTER - 1)), INVALID),
        ("a bomb, announced", squeeze(bytes(1 << 24)), INVALID),
        ("a bomb, unannounced", plain(bytes(1 << 24)), INVALID),
        ("a window of terabytes", window, INVALID),
        ("two frames of half a cluster", half + half, INVALID),
        ("a skippable frame", b"\x50\x2a\x4d\x18\4\0\0\0skip", INVALID),
        ("an announced size of 2^60", good[:4] + b"\xe0" + b"\x10" * 30, INVALID),
    ):
        yield Vector(f"zstd: {name}", compressed(data), outcome, "zstd")


def _bitmap(value: int, entry: int | None = None) -> Damage:
    """Entry 0 of an extended table gets this subcluster bitmap."""

    def damage(content: bytearray, base: Base) -> None:
        if entry is not None:
            l2(entry)(content, base)
        l2(value, 1)(content, base)

    return damage


def _subclusters() -> Iterator[Vector]:
    for name, damage, outcome in (
        ("allocated and zero", _bitmap(1 | 1 << 32), INVALID),
        ("all allocated and zero", _bitmap((1 << 64) - 1), INVALID),
        ("allocated without a cluster", _bitmap(1, 0), INVALID),
        ("zero without a cluster", _bitmap(1 << 32, 0), OTHER),
        ("bitmap of a compressed cluster", _bitmap(1, COMPRESSED | 0x10000), INVALID),
        ("zero flag", _bitmap(1, COPIED | 0x10001), INVALID),
        ("none of a cluster", _bitmap(0), OTHER),
        ("half of a cluster", _bitmap(0xFFFF), OTHER),
        ("cluster past the end", _bitmap(0, COPIED | FAR), INVALID),
    ):
        yield Vector(f"extended L2: {name}", damage, outcome, "extended")


def _refcounts() -> Iterator[Vector]:
    """Who only reads does not look at the counters."""
    for name, damage in (
        ("all 0", put(REFCOUNT_BLOCK, bytes(CLUSTER))),
        ("all ones", put(REFCOUNT_BLOCK, b"\xff" * CLUSTER)),
        ("block at 0", _block(0)),
        ("block past the end", _block(FAR)),
        ("block unaligned", _block(REFCOUNT_BLOCK + 512)),
        ("block at 0x7fffffffffff0000", _block(0x7FFFFFFFFFFF0000)),
        ("block at 0xffffffffffff0000", _block(0xFFFFFFFFFFFF0000)),
        ("block in the table itself", _block(REFCOUNT_TABLE)),
    ):
        yield Vector(f"refcounts: {name}", damage, SAME)


def _block(offset: int) -> Damage:
    return put(REFCOUNT_TABLE, offset.to_bytes(8, "big"))


def _snapshot(at: int, data: bytes) -> Damage:
    def damage(content: bytearray, base: Base) -> None:
        content[base.end + at : base.end + at + len(data)] = data

    return damage


def _snapshots() -> Iterator[Vector]:
    for name, at, value, length in (
        ("L1 unaligned", 0, 0x4200, 8),
        ("L1 at 0", 0, 0, 8),
        ("L1 past the end", 0, FAR, 8),
        ("L1 wraps", 0, (1 << 64) - CLUSTER, 8),
        ("L1 of 2^32-1 entries", 8, (1 << 32) - 1, 4),
        ("L1 of 2^22 entries", 8, 1 << 22, 4),
        ("id past the end", 12, 0xFFFF, 2),
        ("name past the end", 14, 0xFFFF, 2),
        ("extra data of 1,025 bytes", 36, 1_025, 4),
        ("extra data of 2^32-1 bytes", 36, (1 << 32) - 1, 4),
        ("no extra data", 36, 0, 4),
    ):
        damage = _snapshot(at, value.to_bytes(length, "big"))
        yield Vector(f"snapshot: {name}", damage, INVALID, "snapshot")
    yield Vector(
        "snapshot: more than there are", put(0, b"", nb_snapshots=65_536), INVALID
    )
    yield Vector("snapshot: table cut", _cut_in_snapshots, INVALID, "snapshot")


def _cut_in_snapshots(content: bytearray, base: Base) -> None:
    del content[base.end + 44 :]
