"""Facts of images: without locks, with holders, as far as the chain goes."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from longshored.block.describe import ImageFacts, describe, open_unlocked
from longshored.block.links import ImageRef
from longshored.block.locks import PULL_TOP, WRITER
from longshored.block.node import Mode
from longshored.block.open import Format
from longshored.block.qcow2.bitmaps import Bitmap, encode_directory
from longshored.block.qcow2.create import CreateOptions
from longshored.block.qcow2.extensions import (
    BITMAPS,
    BitmapsExtension,
    Extension,
    encode_bitmaps,
)
from longshored.block.roots import Roots
from longshored.errors import Kind, ServiceError
from longshored.units import KiB
from tests.support.chains import Opener, make_three, plant, read
from tests.support.lockers import python_holder, qemu_io_holder
from tests.support.nodes import new_qcow2
from tests.support.pictures import BLOCK
from tests.support.qcow2 import Builder, field, poke


def facts(roots: Roots, path: Path, format_: str = "qcow2") -> ImageFacts:
    return describe(roots, ImageRef(str(path), format_))


def test_every_link_is_described(roots: Roots, tmp_path: Path) -> None:
    make_three(tmp_path)
    links = facts(roots, tmp_path / "top.qcow2").links
    assert [
        (link.format, link.backing_name, link.backing_format) for link in links
    ] == [
        (Format.QCOW2, "mid.qcow2", "qcow2"),
        (Format.QCOW2, "base.raw", "raw"),
        (Format.RAW, None, None),
    ]
    assert {link.virtual_size for link in links} == {6 * BLOCK}
    for link in links:
        assert link.allocated == Path(link.uri).stat().st_blocks * 512


def test_the_header_of_the_top_is_told(roots: Roots, tmp_path: Path) -> None:
    options = CreateOptions(
        BLOCK, cluster_size=32 * KiB, lazy_refcounts=True, extended_l2=True
    )
    new_qcow2(tmp_path / "a.qcow2", options).close()
    qcow2 = facts(roots, tmp_path / "a.qcow2").qcow2
    assert qcow2 is not None
    assert qcow2.header.cluster_size == 32 * KiB
    assert qcow2.lazy_refcounts
    assert qcow2.incompatible_features == ("extended L2 entries",)
    assert qcow2.compatible_features == ("lazy refcounts",)
    assert (qcow2.snapshots, qcow2.bitmaps) == ((), ())


@pytest.mark.parametrize(("autoclear", "names"), [(1, [b"daily"]), (0, [])])
def test_bitmaps_that_missed_a_write_are_not_read(
    roots: Roots, tmp_path: Path, autoclear: int, names: list[bytes]
) -> None:
    builder = Builder(tmp_path / "a.qcow2", CreateOptions(BLOCK))
    table = builder.cluster(bytes(8))
    directory = encode_directory((Bitmap(table, 1, 0, 16, b"daily"),))
    place = BitmapsExtension(1, len(directory), builder.cluster(directory))
    extensions = (Extension(BITMAPS, encode_bitmaps(place)),)
    builder.change_header(autoclear=autoclear, extensions=extensions)
    path = builder.save()
    if not names:
        poke(path, (place.directory_offset, b"x" * len(directory)))
    qcow2 = facts(roots, path).qcow2
    assert qcow2 is not None
    assert [bitmap.name for bitmap in qcow2.bitmaps] == names


def test_a_raw_image_has_a_size_and_no_header(roots: Roots, tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(b"x" * 1001)
    raw = facts(roots, tmp_path / "a.raw", "raw")
    assert (raw.top.virtual_size, raw.qcow2, raw.fault) == (1001, None, None)


def test_a_missing_backing_file_does_not_hide_the_top(
    roots: Roots, tmp_path: Path
) -> None:
    make_three(tmp_path)
    (tmp_path / "base.raw").unlink()
    found = facts(roots, tmp_path / "top.qcow2")
    assert len(found.links) == 2
    assert found.fault is not None
    assert found.fault.kind is Kind.TARGET_NOT_FOUND
    assert found.fault.facts["named_by"] == str(tmp_path / "mid.qcow2")


def test_a_hostile_backing_name_is_told_and_not_followed(
    roots: Roots, tmp_path: Path
) -> None:
    new_qcow2(tmp_path / "a.qcow2", CreateOptions(BLOCK)).close()
    plant(tmp_path / "a.qcow2", "/etc/passwd", "raw")
    found = facts(roots, tmp_path / "a.qcow2")
    assert found.top.backing_name == "/etc/passwd"
    assert found.fault is not None
    assert found.fault.kind is Kind.PERMISSION_DENIED


def test_a_fault_of_the_top_itself_is_raised(roots: Roots, tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(b"x" * 1001)
    with pytest.raises(ServiceError) as caught:
        facts(roots, tmp_path / "a.raw", "qcow2")
    assert caught.value.kind is Kind.IMAGE_INVALID


UNSUPPORTED = pytest.mark.parametrize(
    ("poked", "feature"),
    [
        (field("crypt_method", 1), "encryption (AES)"),
        (field("crypt_method", 2), "encryption (LUKS)"),
        (field("incompatible_features", 1 << 2), "external data file"),
    ],
)


@UNSUPPORTED
def test_an_image_whose_data_cannot_be_reached_is_refused_by_name(
    roots: Roots, tmp_path: Path, poked: tuple[int, bytes], feature: str
) -> None:
    new_qcow2(tmp_path / "a.qcow2", CreateOptions(BLOCK)).close()
    poke(tmp_path / "a.qcow2", poked)
    with pytest.raises(ServiceError) as caught:
        facts(roots, tmp_path / "a.qcow2")
    assert caught.value.kind is Kind.IMAGE_UNSUPPORTED
    assert caught.value.facts["feature"] == feature
    assert caught.value.facts["uri"] == str(tmp_path / "a.qcow2")


@UNSUPPORTED
def test_such_an_image_in_a_chain_is_its_fault(
    roots: Roots, tmp_path: Path, poked: tuple[int, bytes], feature: str
) -> None:
    make_three(tmp_path)
    poke(tmp_path / "mid.qcow2", poked)
    found = facts(roots, tmp_path / "top.qcow2")
    assert found.fault is not None
    assert found.fault.facts["feature"] == feature
    assert found.fault.facts["uri"] == str(tmp_path / "mid.qcow2")


def test_describing_works_under_a_writer_and_names_it(
    roots: Roots, tmp_path: Path
) -> None:
    make_three(tmp_path)
    with python_holder(tmp_path / "top.qcow2", WRITER.uses, WRITER.unshared) as pid:
        found = facts(roots, tmp_path / "top.qcow2")
    (holder,) = found.holders.holders
    assert (holder.pid, holder.row) == (pid, WRITER)
    assert holder.identity == found.top.identity


def test_describing_takes_no_lock_and_leaves_no_descriptor(
    roots: Roots, opener: Opener, tmp_path: Path
) -> None:
    make_three(tmp_path)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - numbers
    facts(roots, tmp_path / "top.qcow2")
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - numbers
    opener("top.qcow2", mode=Mode.WRITE, row=PULL_TOP)
    facts(roots, tmp_path / "top.qcow2")


def test_an_unlocked_chain_reads_beside_a_writer(
    roots: Roots, opener: Opener, tmp_path: Path
) -> None:
    make_three(tmp_path)
    ours = opener("top.qcow2", mode=Mode.WRITE, row=PULL_TOP)
    peek = open_unlocked(roots, ImageRef(str(tmp_path / "top.qcow2"), "qcow2"))
    assert read(peek) == read(ours)
    peek.close()


@pytest.mark.qemu
def test_an_image_open_in_qemu_is_described_as_qemu_describes_it(
    roots: Roots, tmp_path: Path
) -> None:
    make_three(tmp_path)
    top = tmp_path / "top.qcow2"
    with qemu_io_holder(top, "qcow2", write=True) as pid:
        found = facts(roots, top)
        command = ["qemu-img", "info", "-U", "--backing-chain", "--output=json"]
        done = subprocess.run(
            [*command, str(top)], capture_output=True, text=True, check=True
        )
    assert {holder.pid for holder in found.holders.holders} == {pid}
    theirs = json.loads(done.stdout)
    assert [link.virtual_size for link in found.links] == [
        image["virtual-size"] for image in theirs
    ]
    assert [link.allocated for link in found.links] == [
        image["actual-size"] for image in theirs
    ]
    assert [link.backing_name for link in found.links] == [
        image.get("backing-filename") for image in theirs
    ]
