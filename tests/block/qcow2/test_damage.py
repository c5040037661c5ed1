"""What becomes of an image in which a writer meets damage that nobody had seen."""

from contextlib import suppress
from pathlib import Path

import pytest

from longshored.block.node import Mode, pread
from longshored.block.qcow2.create import CreateOptions
from longshored.block.qcow2.damage import Damage
from longshored.block.qcow2.headerfile import read_header
from longshored.block.qcow2.image import Qcow2Node
from longshored.block.qcow2.layout import Header
from longshored.block.qcow2.tables import COPIED, CompressedAt, compressed_entry
from longshored.errors import Kind, ServiceError
from longshored.units import KiB, MiB
from tests.support.qcow2 import (
    Builder,
    deflate,
    noise,
    opened,
    poke,
    qemu_img,
    raw_node,
    word,
)

CLUSTER = 4 * KiB
OPTIONS = CreateOptions(size=4 * MiB, cluster_size=CLUSTER)
NEW = noise(7, 2 * CLUSTER)


def counted_too_low(path: Path, version: int = 3) -> Path:
    """Two compressed clusters in one cluster of the file, counted once."""
    options = CreateOptions(size=4 * MiB, cluster_size=CLUSTER, version=version)
    builder = Builder(path, options)
    streams = [deflate(b"%d" % n * CLUSTER) for n in (1, 2)]
    host = builder.cluster(b"".join(streams))
    words = builder.empty_l2()
    for index, stream in enumerate(streams):
        at = CompressedAt(host, len(stream))
        words[index] = compressed_entry(builder.geometry, at)
        host += len(stream)
    builder.l1[0] = COPIED | builder.table(words)
    return builder.save()


def header_of(path: Path) -> Header:
    raw = raw_node(path)
    try:
        return read_header(raw)
    finally:
        raw.close()


def meets_damage(node: Qcow2Node) -> ServiceError:
    """Replace both clusters: the second reference is one too many."""
    node.pwrite(0, NEW)
    with pytest.raises(Damage) as caught:
        node.flush()
    return caught.value


def damaged(path: Path) -> Path:
    with suppress(ServiceError), opened(path, Mode.WRITE) as node:
        node.pwrite(0, NEW)
        node.flush()
    return path


def test_an_image_is_marked_as_corrupt(tmp_path: Path) -> None:
    path = damaged(counted_too_low(tmp_path / "i.qcow2"))
    assert header_of(path).corrupt


def test_the_error_is_that_of_the_image(tmp_path: Path) -> None:
    path = counted_too_low(tmp_path / "i.qcow2")
    with suppress(ServiceError), opened(path, Mode.WRITE) as node:
        error = meets_damage(node)
    assert error.kind is Kind.IMAGE_INVALID
    assert error.facts["uri"] == str(path)


def test_nothing_more_is_written(tmp_path: Path) -> None:
    path = counted_too_low(tmp_path / "i.qcow2")
    with suppress(ServiceError), opened(path, Mode.WRITE) as node:
        meets_damage(node)
        before = path.read_bytes()
        with pytest.raises(ServiceError, match="An earlier write"):
            node.pwrite(0, NEW)
    assert path.read_bytes() == before


def test_it_can_be_read_and_not_be_opened_for_writing(tmp_path: Path) -> None:
    path = damaged(counted_too_low(tmp_path / "i.qcow2"))
    with opened(path) as node:
        assert pread(node, 0, len(NEW)) == NEW
    with pytest.raises(ServiceError, match="corrupt"), opened(path, Mode.WRITE):
        pass


def test_version_2_has_no_place_for_the_mark(tmp_path: Path) -> None:
    path = counted_too_low(tmp_path / "i.qcow2", version=2)
    before = header_of(path)
    with suppress(ServiceError), opened(path, Mode.WRITE) as node:
        meets_damage(node)
    assert header_of(path) == before


def test_damage_of_an_image_below_is_not_that_of_the_top(tmp_path: Path) -> None:
    base = counted_too_low(tmp_path / "base.qcow2")
    top = Builder(tmp_path / "top.qcow2", OPTIONS).save()
    with opened(base) as below, opened(top, Mode.WRITE) as node:
        node.backing = below
        (table,) = (entry & ~COPIED for entry in below.metadata.l1 if entry)
        poke(base, word(table, COPIED | 513))
        with pytest.raises(Damage) as caught:
            node.pwrite(5, b"new")
        assert caught.value.facts["uri"] == str(base)
        node.pwrite(CLUSTER * 9, NEW)
    assert not header_of(top).corrupt


@pytest.mark.qemu
def test_qemu_repairs_it_and_takes_the_mark_away(tmp_path: Path) -> None:
    path = damaged(counted_too_low(tmp_path / "i.qcow2"))
    qemu_img("check", "-r", "all", "-f", "qcow2", path)
    assert not header_of(path).corrupt
    with opened(path, Mode.WRITE) as node:
        assert pread(node, 0, len(NEW)) == NEW
