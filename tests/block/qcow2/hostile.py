"""Images made to hurt whoever opens them: a good image, one thing wrong, an answer.

The list follows the attack inputs of the reliability notes: A the header, B the
tables. Each vector damages the bytes of a base image and says what must come of
reading it. Nothing here is copied from any collection; all of it is generated.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory

from longshored.block.qcow2 import extensions as ext
from longshored.block.qcow2.create import CreateOptions
from longshored.block.qcow2.layout import Compression, decode_header
from longshored.block.qcow2.snapshots import Snapshot, encode_snapshot
from longshored.block.qcow2.tables import CompressedAt, Geometry, compressed_entry
from longshored.units import KiB, MiB, round_up
from tests.support.qcow2 import FIELDS, Builder, noise

U32 = (1 << 32) - 1
U64 = (1 << 64) - 1
CLUSTER = 4 * KiB
# Where create puts the tables of the small bases.
REFCOUNT_TABLE, REFCOUNT_BLOCK, L1 = CLUSTER, 2 * CLUSTER, 3 * CLUSTER
EXTENSIONS = 112


class Outcome(Enum):
    INVALID = "IMAGE_INVALID"
    UNSUPPORTED = "IMAGE_UNSUPPORTED"
    SAME = "reads as the undamaged image"
    OTHER = "reads as something else, as QEMU does"


@dataclass(frozen=True, slots=True)
class Base:
    """A good image and where its parts are."""

    content: bytes
    l2: int
    end: int


Damage = Callable[[bytearray, Base], None]


@dataclass(frozen=True, slots=True)
class Vector:
    name: str
    damage: Damage
    outcome: Outcome
    base: str = "plain"

    def write(self, path: Path) -> Path:
        base = bases()[self.base]
        content = bytearray(base.content)
        self.damage(content, base)
        path.write_bytes(content)
        return path


@cache
def bases() -> dict[str, Base]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "base.qcow2"
        return {name: make(path) for name, make in BASES.items()}


def _base(path: Path, options: CreateOptions) -> Base:
    path.unlink(missing_ok=True)
    builder = Builder(path, options)
    size = builder.size
    content: dict[int, bytes | str] = {
        0: noise(1, size),
        1: noise(2, size),
        7: noise(3, size),
    }
    if options.compression is Compression.ZLIB:
        content |= {5: "z5", 6: "z6"}
    if options.version == 3 and not options.extended_l2:
        content |= {2: "zero", 4: "held zero"}
    l2 = builder.fill(content)
    builder.save()
    return Base(path.read_bytes(), l2, len(builder.content))


def _with_snapshot(path: Path) -> Base:
    path.unlink(missing_ok=True)
    builder = Builder(path, CreateOptions(size=4 * MiB, cluster_size=CLUSTER))
    l2 = builder.fill({0: noise(1, CLUSTER)})
    l1 = builder.cluster(bytes(CLUSTER))
    entry = encode_snapshot(Snapshot(l1, 2, b"1", b"s", disk_size=4 * MiB))
    builder.change_header(snapshots=1, snapshots_offset=builder.cluster(entry))
    builder.save()
    return Base(path.read_bytes(), l2, builder.header.snapshots_offset)


SMALL = CreateOptions(size=4 * MiB, cluster_size=CLUSTER)
BASES: dict[str, Callable[[Path], Base]] = {
    "plain": partial(_base, options=SMALL),
    "v2": partial(_base, options=replace(SMALL, version=2)),
    "zstd": partial(_base, options=replace(SMALL, compression=Compression.ZSTD)),
    "extended": partial(
        _base,
        options=CreateOptions(size=16 * MiB, cluster_size=16 * KiB, extended_l2=True),
    ),
    "huge clusters": partial(
        _base, options=CreateOptions(size=64 * MiB, cluster_size=2 * MiB)
    ),
    "snapshot": _with_snapshot,
}


# Ways to damage.


def fields(**values: int) -> Damage:
    def damage(content: bytearray, _: Base) -> None:
        for name, value in values.items():
            at, length = FIELDS[name]
            content[at : at + length] = value.to_bytes(length, "big")

    return damage


def put(at: int, data: bytes, **values: int) -> Damage:
    def damage(content: bytearray, base: Base) -> None:
        content[at : at + len(data)] = data
        fields(**values)(content, base)

    return damage


def cut(length: int) -> Damage:
    def damage(content: bytearray, _: Base) -> None:
        del content[length:]

    return damage


def l1(*entries: int) -> Damage:
    return put(L1, b"".join(entry.to_bytes(8, "big") for entry in entries))


def l2(entry: int, index: int = 0) -> Damage:
    def damage(content: bytearray, base: Base) -> None:
        at = base.l2 + index * 8
        content[at : at + 8] = entry.to_bytes(8, "big")

    return damage


def compressed(data: bytes, length: int | None = None) -> Damage:
    """Entry 0 becomes a compressed cluster of these bytes at the end of the file."""

    def damage(content: bytearray, base: Base) -> None:
        from_here = len(content)
        content += data.ljust(CLUSTER, b"\0")
        at = CompressedAt(from_here, length or len(data))
        entry = compressed_entry(plain_geometry(), at)
        l2(entry)(content, base)

    return damage


@cache
def plain_geometry() -> Geometry:
    return Geometry.of(decode_header(bases()["plain"].content[:CLUSTER]))


def extension(kind: int, data: bytes, **values: int) -> Damage:
    record = ext.RECORD.pack(kind, len(data)) + data
    return put(EXTENSIONS, record.ljust(round_up(len(record), 8) + 8, b"\0"), **values)
