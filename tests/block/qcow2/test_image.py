import json
import subprocess
from array import array
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshored.block.extent import Data, Extent
from longshored.block.memory import MemoryNode
from longshored.block.node import Mode, pread
from longshored.block.qcow2.create import CreateOptions
from longshored.block.qcow2.image import Qcow2Node, open_qcow2
from longshored.block.qcow2.layout import Compression
from longshored.block.qcow2.tables import COPIED, CompressedAt, compressed_entry
from longshored.block.raw import RawNode
from longshored.errors import Kind, ServiceError
from longshored.units import KiB, MiB, TiB
from tests.support.qcow2 import (
    Builder,
    deflate,
    field,
    half_noise,
    make,
    noise,
    opened,
    poke,
    qemu_bytes,
    qemu_img,
    raw_node,
)

CLUSTER = 4 * KiB
SIZE = 60 * KiB + 512
BACKING = noise(99, 40 * KiB)


def picture(path: Path) -> Path:
    """Clusters: data, hole, zero, held zero, compressed twice, hole …, half data."""
    builder = Builder(path, CreateOptions(size=SIZE, cluster_size=CLUSTER))
    builder.fill(
        {
            0: noise(1, CLUSTER),
            2: "zero",
            3: "held zero",
            4: "z4",
            5: "z5",
            15: noise(2, 512),
        }
    )
    return builder.save()


def expected(backing: bytes) -> bytes:
    guest = bytearray(backing[:SIZE].ljust(SIZE, b"\0"))
    for index, data in (
        (0, noise(1, CLUSTER)),
        (2, bytes(CLUSTER)),
        (3, bytes(CLUSTER)),
        (4, half_noise(4, CLUSTER)),
        (5, half_noise(5, CLUSTER)),
        (15, noise(2, 512)),
    ):
        guest[index * CLUSTER : index * CLUSTER + len(data)] = data
    return bytes(guest)


def memory(data: bytes) -> MemoryNode:
    node = MemoryNode(len(data))
    node.pwrite(0, data)
    return node


def test_a_layer_says_what_it_holds(tmp_path: Path) -> None:
    with opened(picture(tmp_path / "i.qcow2")) as node:
        found = [(e.start // CLUSTER, e.length, e.data) for e in node.extents()]
    assert found == [
        (0, CLUSTER, Data.RAW),
        (1, CLUSTER, Data.UNALLOCATED),
        (2, CLUSTER, Data.ZERO),
        (3, CLUSTER, Data.ZERO),
        (4, CLUSTER, Data.COMPRESSED),
        (5, CLUSTER, Data.COMPRESSED),
        (6, 9 * CLUSTER, Data.UNALLOCATED),
        (15, 512, Data.RAW),
    ]


@pytest.mark.parametrize(
    "backing", [b"", BACKING, BACKING * 2], ids=["none", "shorter", "longer"]
)
def test_what_a_layer_lacks_comes_from_its_backing(
    tmp_path: Path, backing: bytes
) -> None:
    with opened(picture(tmp_path / "i.qcow2")) as node:
        node.backing = memory(backing) if backing else None
        assert pread(node, 0, node.size) == expected(backing)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Qcow2Node]:
    with opened(picture(tmp_path_factory.mktemp("drawn") / "i.qcow2")) as node:
        node.backing = memory(BACKING)
        yield node


ranges = st.tuples(st.integers(0, SIZE), st.integers(0, SIZE)).map(sorted)


@given(ranges)
def test_any_range_reads_as_its_part_of_the_whole(
    drawn: Qcow2Node, ends: list[int]
) -> None:
    start, end = ends
    assert pread(drawn, start, end - start) == expected(BACKING)[start:end]


@given(ranges)
def test_the_extents_of_any_range_cover_it_without_gaps(
    drawn: Qcow2Node, ends: list[int]
) -> None:
    at, end = ends
    for extent in drawn.extents(at, end - at):
        assert extent.start == at
        assert extent.length > 0
        at = extent.end
    assert at == end


def test_threads_read_side_by_side(drawn: Qcow2Node) -> None:
    want = expected(BACKING)
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda _: pread(drawn, 0, SIZE), range(40))
        assert all(data == want for data in found)


def test_a_size_that_is_no_whole_sector_ends_at_the_last_whole_one(
    tmp_path: Path,
) -> None:
    path = poke(picture(tmp_path / "i.qcow2"), field("size", SIZE - 1))
    with opened(path) as node:
        assert node.size == SIZE - 512


class LoggedFile(RawNode):
    """A raw node that remembers how much was read."""

    bytes_read = 0

    def readinto(self, offset: int, buffer: memoryview) -> None:
        self.bytes_read += len(buffer)
        super().readinto(offset, buffer)


def logged(path: Path) -> LoggedFile:
    raw = raw_node(path)
    raw.__class__ = LoggedFile
    assert isinstance(raw, LoggedFile)
    return raw


def test_opening_reads_header_and_l1_and_nothing_else(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "i.qcow2", CreateOptions(size=1 * TiB))
    builder.fill({0: noise(1, 64 * KiB)})
    raw = logged(builder.save())
    open_qcow2(raw, mode=Mode.READ)
    # The first 24 bytes tell how long the header cluster is.
    assert raw.bytes_read == 24 + 64 * KiB + builder.header.l1_bytes


def test_an_l2_table_is_read_once(tmp_path: Path) -> None:
    raw = logged(picture(tmp_path / "i.qcow2"))
    node = open_qcow2(raw, mode=Mode.READ)
    list(node.extents())
    before = raw.bytes_read
    list(node.extents())
    assert raw.bytes_read == before


def test_the_cache_holds_no_more_tables_than_it_may(tmp_path: Path) -> None:
    builder = Builder(
        tmp_path / "i.qcow2", CreateOptions(20 * MiB, cluster_size=CLUSTER)
    )
    for index in range(10):
        builder.fill({0: noise(index, CLUSTER)}, l1_index=index)
    raw = logged(builder.save())
    node = open_qcow2(raw, mode=Mode.READ, cache_bytes=2 * CLUSTER)
    list(node.extents())
    before = raw.bytes_read
    list(node.extents())
    assert raw.bytes_read == before + 10 * CLUSTER


def test_compressed_clusters_may_share_a_sector_and_span_clusters(
    tmp_path: Path,
) -> None:
    builder = Builder(tmp_path / "i.qcow2", CreateOptions(SIZE, cluster_size=CLUSTER))
    streams = [deflate(half_noise(i, CLUSTER)) for i in range(5)]
    host = builder.cluster(b"".join(streams))
    words = builder.empty_l2()
    for index, stream in enumerate(streams):
        at = CompressedAt(host, len(stream))
        words[index] = compressed_entry(builder.geometry, at)
        host += len(stream)
    builder.l1[0] = COPIED | builder.table(words)
    with opened(builder.save()) as node:
        for index in range(5):
            data = pread(node, index * CLUSTER, CLUSTER)
            assert data == half_noise(index, CLUSTER)


def test_a_compressed_cluster_may_run_past_the_end_of_the_file(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "i.qcow2", CreateOptions(SIZE, cluster_size=CLUSTER))
    words = builder.empty_l2()
    builder.l1[0] = COPIED | builder.table(words)
    stream = deflate(half_noise(7, CLUSTER))
    entry = builder.compressed(stream)
    l2 = builder.l1[0] & ~COPIED
    path = poke(builder.save(), (l2, entry.to_bytes(8, "big")))
    cut = len(builder.content) - CLUSTER + len(stream)
    with path.open("r+b") as file:
        file.truncate(cut)
    with opened(path) as node:
        assert pread(node, 0, CLUSTER) == half_noise(7, CLUSTER)


def test_a_layer_reads_its_own_extents_without_its_backing(drawn: Qcow2Node) -> None:
    for extent in drawn.extents():
        if extent.data is Data.UNALLOCATED:
            continue
        buffer = bytearray(extent.length)
        drawn.readinto_layer(extent, extent.start, memoryview(buffer))
        assert buffer == expected(BACKING)[extent.start : extent.end]


def test_a_corrupt_image_is_read_but_not_written(tmp_path: Path) -> None:
    path = poke(picture(tmp_path / "i.qcow2"), field("incompatible_features", 2))
    with opened(path) as node:
        assert pread(node, 0, CLUSTER) == noise(1, CLUSTER)
    with pytest.raises(ServiceError) as caught, opened(path, Mode.WRITE):
        pass
    assert caught.value.kind is Kind.IMAGE_INVALID


def test_an_error_names_the_image(tmp_path: Path) -> None:
    path = poke(picture(tmp_path / "i.qcow2"), field("version", 9))
    with pytest.raises(ServiceError) as caught, opened(path):
        pass
    assert caught.value.facts["uri"] == str(path)


def test_more_data_than_the_file_holds_ends_a_walk(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "i.qcow2", CreateOptions(SIZE, cluster_size=CLUSTER))
    words = builder.empty_l2()
    words[:] = array("Q", [COPIED | builder.cluster(noise(1, CLUSTER))] * len(words))
    builder.l1[0] = COPIED | builder.table(words)
    make_larger = field("size", 2 * MiB)
    with (
        opened(poke(builder.save(), make_larger)) as node,
        pytest.raises(ServiceError, match="more data than the file holds"),
    ):
        list(node.extents())


# QEMU as the judge.


def source(path: Path) -> bytes:
    """Data, holes, and bytes that compress, with ends off every grid."""
    data = bytearray(5 * MiB + 512)
    data[200_000:1_500_000] = noise(1, 1_300_000)
    data[2 * MiB : 2 * MiB + 900_001] = half_noise(2, 900_001)
    data[4 * MiB + 5 : 4 * MiB + 70_000] = b"text " * 13_999
    path.write_bytes(data)
    return bytes(data)


OPTIONS = [
    *(f"cluster_size={512 << shift}" for shift in range(13)),
    *(f"refcount_bits={1 << order}" for order in range(7)),
    "compat=0.10",
    "compat=0.10,cluster_size=512",
    "lazy_refcounts=on",
    "compression_type=zstd",
    "compression_type=zstd,cluster_size=512",
    "compression_type=zstd,cluster_size=2M",
    "extended_l2=on",
    "extended_l2=on,cluster_size=16k",
    "extended_l2=on,cluster_size=2M",
]
PREALLOCATED: tuple[str, list[str]] = ("preallocation=metadata", [])


@dataclass(frozen=True)
class Shown:
    """A run as qemu-img map shows it, as far as all versions agree."""

    start: int
    length: int
    data: bool
    zero: bool
    offset: int | None


def shown(extents: list[Extent]) -> list[Shown]:
    return joined(
        Shown(
            extent.start,
            extent.length,
            extent.data in (Data.RAW, Data.COMPRESSED),
            extent.data in (Data.ZERO, Data.UNALLOCATED),
            extent.host_offset if extent.data is Data.RAW else None,
        )
        for extent in extents
    )


def qemu_map(path: Path) -> list[Shown]:
    rows = json.loads(qemu_img("map", "-f", "qcow2", "--output=json", path))
    return joined(
        Shown(
            row["start"],
            row["length"],
            row["data"],
            row["zero"],
            row.get("offset") if row["data"] else None,
        )
        for row in rows
    )


def joined(rows: Iterable[Shown]) -> list[Shown]:
    """Neighbours that say the same are one run, whoever split them."""
    found: list[Shown] = []
    for row in rows:
        last = found[-1] if found else None
        if last is not None and row == replace(
            last,
            start=last.start + last.length,
            length=row.length,
            offset=None if last.offset is None else last.offset + last.length,
        ):
            found[-1] = replace(last, length=last.length + row.length)
        else:
            found.append(row)
    return found


@pytest.mark.qemu
@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "flags"), [*product(OPTIONS, ([], ["-c"])), PREALLOCATED]
)
def test_an_image_of_qemu_reads_as_qemu_reads_it(
    tmp_path: Path, options: str, flags: list[str]
) -> None:
    raw, path = tmp_path / "s.raw", tmp_path / "i.qcow2"
    want = source(raw)
    qemu_img("convert", *flags, "-f", "raw", "-O", "qcow2", "-o", options, raw, path)
    with opened(path) as node:
        assert pread(node, 0, node.size) == want
        if (options, flags) != PREALLOCATED:  # QEMU looks for holes in the file
            assert shown(list(node.extents())) == qemu_map(path)


def qemu_io(path: Path, *commands: str) -> None:
    arguments = [word for command in commands for word in ("-c", command)]
    subprocess.run(
        ["qemu-io", "-f", "qcow2", *arguments, str(path)],
        check=True,
        capture_output=True,
        timeout=60,
    )


@pytest.mark.qemu
@pytest.mark.parametrize(
    "options",
    [
        CreateOptions(3 * MiB + 512),
        CreateOptions(3 * MiB + 512, cluster_size=512),
        CreateOptions(3 * MiB + 512, version=2),
        CreateOptions(3 * MiB + 512, extended_l2=True),
        CreateOptions(3 * MiB + 512, extended_l2=True, cluster_size=16 * KiB),
        CreateOptions(3 * MiB + 512, lazy_refcounts=True),
        CreateOptions(3 * MiB + 512, compression=Compression.ZSTD),
        CreateOptions(3 * MiB + 512, refcount_bits=1),
    ],
    ids=str,
)
def test_our_image_that_qemu_wrote_to_reads_as_qemu_reads_it(
    tmp_path: Path, options: CreateOptions
) -> None:
    path = tmp_path / "i.qcow2"
    make(path, options)
    qemu_io(
        path,
        "write -P 1 5k 3k",
        "write -P 2 100k 200k",
        "write -z 120k 100k",
        "write -z -u 1M 128k",
        "discard 1100k 30k",
        "write -P 3 3071k 1k",
    )
    if options.refcount_bits > 1:
        qemu_img("snapshot", "-c", "before", path)
        qemu_io(path, "write -P 4 110k 20k", "write -P 5 2M 1k")
    with opened(path) as node:
        assert pread(node, 0, node.size) == qemu_bytes(path)
        assert shown(list(node.extents())) == qemu_map(path)
