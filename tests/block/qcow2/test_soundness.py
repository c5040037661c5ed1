from pathlib import Path

import pytest

from longshored.block.node import Mode, pread
from longshored.block.qcow2.create import CreateOptions
from longshored.block.qcow2.tables import (
    COPIED,
    CompressedAt,
    compressed_entry,
    standard_entry,
)
from longshored.errors import Kind, ServiceError
from longshored.units import KiB, MiB
from tests.block.qcow2.hostile import Outcome, Vector
from tests.block.qcow2.hostile_header import header_vectors
from tests.block.qcow2.hostile_tables import table_vectors
from tests.support.qcow2 import Builder, deflate, field, half_noise, noise, opened, poke

CLUSTER = 4 * KiB
VECTORS = [*header_vectors(), *table_vectors()]
SMALL = CreateOptions(size=4 * MiB, cluster_size=CLUSTER)


def by_name(vector: Vector) -> str:
    return f"{vector.name} ({vector.base})"


def refusal(path: Path) -> ServiceError:
    before = path.read_bytes()
    with pytest.raises(ServiceError) as caught, opened(path, Mode.WRITE) as node:
        node.pwrite(0, b"over a table")
    assert path.read_bytes() == before
    return caught.value


# Damage that shows only when the bytes are inflated, or that harms nobody.
SOUND_TABLES = ("compressed:", "compression bit", "zstd:")


@pytest.mark.parametrize(
    "vector",
    [
        vector
        for vector in VECTORS
        if vector.outcome in (Outcome.INVALID, Outcome.UNSUPPORTED)
        and not vector.name.startswith(SOUND_TABLES)
    ],
    ids=by_name,
)
def test_what_a_reader_refuses_is_not_written_to(
    vector: Vector, tmp_path: Path
) -> None:
    error = refusal(vector.write(tmp_path / "i.qcow2"))
    assert error.kind in (Kind.IMAGE_INVALID, Kind.IMAGE_UNSUPPORTED)


HARMLESS_TO_READ = {
    "incompatible bit 1",
    "dirty and corrupt",
    "every entry one held zero",
    "L2 entry: data in the L1 table",
    "L2 entry: data in the refcount table",
    "half a cluster at the end",
    "refcounts: all 0",
    "refcounts: block at 0",
    "refcounts: block past the end",
    "refcounts: block unaligned",
    "refcounts: block at 0x7fffffffffff0000",
    "refcounts: block at 0xffffffffffff0000",
    "refcounts: block in the table itself",
}


@pytest.mark.parametrize(
    "vector", [v for v in VECTORS if v.name in HARMLESS_TO_READ], ids=by_name
)
def test_what_only_a_writer_would_destroy_is_not_written_to(
    vector: Vector, tmp_path: Path
) -> None:
    assert refusal(vector.write(tmp_path / "i.qcow2")).kind is Kind.IMAGE_INVALID


def test_compressed_clusters_may_share_a_cluster_of_the_file(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "i.qcow2", SMALL)
    streams = [deflate(half_noise(seed, CLUSTER)) for seed in (1, 2)]
    host = builder.cluster(b"".join(streams))
    words = builder.empty_l2()
    for index, stream in enumerate(streams):
        at = CompressedAt(host, len(stream))
        words[index] = compressed_entry(builder.geometry, at)
        host += len(stream)
    builder.l1[0] = COPIED | builder.table(words)
    with opened(builder.save(), Mode.WRITE) as node:
        node.pwrite(5 * CLUSTER, b"new")
        assert pread(node, CLUSTER, CLUSTER) == half_noise(2, CLUSTER)


def test_a_compressed_cluster_in_the_place_of_data_is_refused(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "i.qcow2", SMALL)
    words = builder.empty_l2()
    words[0] = builder.compressed(deflate(half_noise(1, CLUSTER)))
    words[1] = standard_entry(len(builder.content) - CLUSTER)
    builder.l1[0] = COPIED | builder.table(words)
    assert refusal(builder.save()).message == "Two guest clusters share one place"


def test_a_dirty_image_is_not_judged_by_its_old_counts(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "i.qcow2", SMALL)
    builder.fill({0: noise(1, CLUSTER)})
    counts = builder.header.refcount_table_offset + CLUSTER
    path = poke(
        builder.save(), (counts, bytes(CLUSTER)), field("incompatible_features", 1)
    )
    with opened(path, Mode.WRITE) as node:
        node.pwrite(CLUSTER, b"new")
        assert pread(node, 0, CLUSTER) == noise(1, CLUSTER)
