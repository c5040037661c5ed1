"""What the check finds, on sound and on damaged images, and what repair makes of it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from longshored.block.qcow2.check import check, open_walk
from longshored.block.qcow2.create import CreateOptions
from longshored.block.qcow2.headerfile import read_header
from longshored.block.qcow2.repair import rebuild_refcounts, reclaim_leaks
from longshored.block.qcow2.snapshots import read_snapshots
from longshored.block.qcow2.tables import COPIED, HOST_OFFSET
from longshored.errors import Kind, ServiceError
from longshored.units import KiB, MiB
from tests.support.oracle import qemu_check
from tests.support.overlays import guest_bytes, new_image, open_recorded, take_snapshot
from tests.support.qcow2 import Builder, qemu_img
from tests.support.recorder import RecordedFile

ALONE = CreateOptions(size=128 * KiB, cluster_size=4 * KiB)
SHAPES = {
    "plain": ALONE,
    "version 2": replace(ALONE, version=2),
    "512 B clusters": replace(ALONE, cluster_size=512),
    "1-bit refcounts": replace(ALONE, refcount_bits=1),
    "64-bit refcounts": replace(ALONE, refcount_bits=64),
    "extended L2": replace(ALONE, cluster_size=16 * KiB, extended_l2=True),
}


def sound(options: CreateOptions = ALONE) -> RecordedFile:
    host = new_image(options)
    node = open_recorded(host)
    node.pwrite(0, Random(1).randbytes(40 * KiB))
    node.pwrite(100 * KiB, Random(2).randbytes(3 * KiB))
    node.close()
    if options.refcount_bits > 1:
        take_snapshot(host)
        node = open_recorded(host)
        node.pwrite(20 * KiB, Random(3).randbytes(5 * KiB))
        node.close()
    return host


def word(host: RecordedFile, offset: int) -> int:
    return int.from_bytes(host.content[offset : offset + 8], "big")


def l2_entry(host: RecordedFile, index: int) -> int:
    """Where the active entry of this guest cluster is in the file."""
    header = read_header(host)
    table = word(host, header.l1_offset + index // header.l2_entries * 8) & HOST_OFFSET
    return table + index % header.l2_entries * (16 if header.extended_l2 else 8)


def set_count(host: RecordedFile, cluster: int, count: int) -> None:
    refcounts = open_walk(host).refcounts
    refcounts.set(cluster, count)
    refcounts.write_blocks()


def count_of_data(count: int) -> Callable[[RecordedFile], None]:
    def damage(host: RecordedFile) -> None:
        cluster = word(host, l2_entry(host, 0)) & HOST_OFFSET
        set_count(host, cluster // 4096, count)

    return damage


def entry_becomes(change: Callable[[int], int]) -> Callable[[RecordedFile], None]:
    def damage(host: RecordedFile) -> None:
        place = l2_entry(host, 5)
        host.pwrite(place, change(word(host, place)).to_bytes(8, "big"))

    return damage


def leak(host: RecordedFile) -> None:
    host.truncate(host.size + 8 * KiB)
    set_count(host, host.size // 4096 - 1, 1)


def header_uncounted(host: RecordedFile) -> None:
    set_count(host, 0, 0)


DAMAGE = {
    "leak": leak,
    "data counted too often": count_of_data(3),
    "data not counted": count_of_data(0),
    "data counted too seldom": count_of_data(1),
    "header not counted": header_uncounted,
    "COPIED is missing": entry_becomes(lambda entry: entry & ~COPIED),
    "data past the end": entry_becomes(lambda entry: COPIED | 1 << 40),
    "data not aligned": entry_becomes(lambda entry: entry | 512),
    "two entries, one cluster": entry_becomes(lambda entry: entry + 4096),
}


@pytest.mark.parametrize("options", SHAPES.values(), ids=SHAPES.keys())
def test_a_sound_image_is_clean(options: CreateOptions) -> None:
    assert check(sound(options)).clean


def test_looking_changes_nothing() -> None:
    host = sound()
    host.history.clear()
    check(host)
    assert host.history == []


def test_a_leak_is_no_corruption() -> None:
    host = sound()
    leak(host)
    report = check(host)
    assert (report.leaks, report.corruptions) == (1, 0)


@pytest.mark.parametrize("name", [name for name in DAMAGE if name != "leak"])
def test_damage_is_found(name: str) -> None:
    host = sound()
    DAMAGE[name](host)
    report = check(host)
    assert not report.clean
    assert report.messages


@pytest.mark.qemu
@pytest.mark.parametrize("name", DAMAGE)
def test_qemu_finds_the_same_kinds_of_damage(tmp_path: Path, name: str) -> None:
    host = sound()
    DAMAGE[name](host)
    assert kinds(check(host).leaks, check(host).corruptions) == qemu_kinds(
        tmp_path, host
    )


@pytest.mark.qemu
@pytest.mark.parametrize("options", SHAPES.values(), ids=SHAPES.keys())
def test_qemu_finds_sound_images_clean_too(
    tmp_path: Path, options: CreateOptions
) -> None:
    assert qemu_kinds(tmp_path, sound(options)) == kinds(0, 0)


def kinds(leaks: int, corruptions: int) -> dict[str, bool]:
    return {"leaks": leaks > 0, "corruptions": corruptions > 0}


def qemu_kinds(tmp_path: Path, host: RecordedFile) -> dict[str, bool]:
    path = tmp_path / "image"
    path.write_bytes(host.content)
    return kinds(*qemu_check(path))


@pytest.mark.qemu
def test_images_of_qemu_are_clean(tmp_path: Path) -> None:
    raw, path = tmp_path / "raw", tmp_path / "image"
    raw.write_bytes(Random(4).randbytes(300 * KiB) + bytes(1024 * KiB))
    qemu_img("convert", "-c", "-O", "qcow2", "-o", "cluster_size=4096", raw, path)
    qemu_img("snapshot", "-c", "one", path)
    qemu_img("bitmap", "--add", "-g", "65536", path, "daily")
    assert check(RecordedFile(bytearray(path.read_bytes()))).clean


def test_compressed_clusters_count_every_cluster_they_touch(tmp_path: Path) -> None:
    builder = Builder(tmp_path / "image", ALONE)
    builder.fill({0: "z1", 3: "z2"})
    host = RecordedFile(bytearray(builder.save().read_bytes()))
    assert check(host).clean


def test_leaks_are_given_back_and_nothing_else() -> None:
    host = sound()
    seen = guest_bytes(host, None)
    leak(host)
    assert reclaim_leaks(host) == 1
    assert check(host).clean
    assert guest_bytes(host, None) == seen


def test_a_table_that_only_a_snapshot_has_left_is_counted_once_again() -> None:
    host = sound()
    # Power that goes between a table's replacement and the lowering of its count.
    (snapshot,) = read_snapshots(host, read_header(host))
    table = word(host, snapshot.l1_offset) & HOST_OFFSET
    set_count(host, table // 4096, 2)
    assert check(host).leaks == 1
    assert reclaim_leaks(host) == 1
    assert check(host).clean


def test_data_counted_too_often_that_stays_shared_is_counted_right() -> None:
    host = sound()
    count_of_data(3)(host)
    assert reclaim_leaks(host) == 1
    assert check(host).clean


def test_no_count_is_lowered_that_would_need_another_flag() -> None:
    host = sound()
    entry_becomes(lambda entry: entry & ~COPIED)(host)
    set_count(host, (word(host, l2_entry(host, 5)) & HOST_OFFSET) // 4096, 2)
    assert (check(host).leaks, check(host).corruptions) == (1, 0)
    assert reclaim_leaks(host) == 0
    assert (check(host).leaks, check(host).corruptions) == (1, 0)


@pytest.mark.parametrize("name", ["data past the end", "data not aligned"])
def test_a_damaged_image_is_not_repaired(name: str) -> None:
    host = sound()
    DAMAGE[name](host)
    before = bytes(host.content)
    for repair in (reclaim_leaks, rebuild_refcounts):
        with pytest.raises(ServiceError) as caught:
            repair(host)
        assert caught.value.kind is Kind.IMAGE_INVALID
    assert host.content == before


@pytest.mark.parametrize("options", SHAPES.values(), ids=SHAPES.keys())
def test_counters_are_rebuilt_from_nothing(options: CreateOptions) -> None:
    host = sound(options)
    seen = guest_bytes(host, None)
    refcounts = open_walk(host).refcounts
    for index in list(refcounts.blocks()):
        place = list(refcounts.block_offsets())[index]
        host.pwrite(place, bytes(options.cluster_size))
    rebuild_refcounts(host)
    assert check(host).clean, check(host).messages
    assert guest_bytes(host, None) == seen


def with_wrong_flags(host: RecordedFile) -> RecordedFile:
    """COPIED on what a snapshot shares, and none on what is the image's alone."""
    shared, alone = l2_entry(host, 0), l2_entry(host, 5)
    for place in (shared, alone):
        host.pwrite(place, (word(host, place) ^ COPIED).to_bytes(8, "big"))
    assert check(host).corruptions == 2
    return host


@pytest.mark.parametrize("name", ["plain", "version 2", "64-bit refcounts"])
def test_flags_are_renewed_with_the_counters(name: str) -> None:
    host = with_wrong_flags(sound(SHAPES[name]))
    rebuild_refcounts(host)
    assert check(host).clean, check(host).messages


def test_a_writer_goes_on_with_the_flags_that_a_rebuild_renewed() -> None:
    """What it had read before must not come back with its first table."""
    host = with_wrong_flags(sound())
    host.pwrite(72, (1).to_bytes(8, "big"))  # dirty
    node = open_recorded(host)
    assert list(node.extents())
    node.pwrite(60 * KiB, Random(7).randbytes(4 * KiB))
    node.close()
    assert check(host).clean, check(host).messages


def test_a_missing_block_of_counters_is_made_anew() -> None:
    host = sound(replace(ALONE, cluster_size=512, refcount_bits=64))
    table = read_header(host).refcount_table_offset
    host.pwrite(table + 8, bytes(8))
    assert check(host).corruptions
    rebuild_refcounts(host)
    assert check(host).clean, check(host).messages


def with_short_table(host: RecordedFile) -> RecordedFile:
    """A dirty image whose counters need a larger table than it has."""
    node = open_recorded(host)
    node.pwrite(0, Random(5).randbytes(2 * MiB))
    node.close()
    clusters, dirty = (1).to_bytes(4, "big"), (1).to_bytes(8, "big")
    assert host.content[56:60] > clusters
    host.pwrite(56, clusters)
    host.pwrite(72, dirty)
    return host


MANY_BLOCKS = CreateOptions(size=4 * MiB, cluster_size=512, refcount_bits=64)


def test_the_old_place_of_a_table_that_a_rebuild_moved_is_free() -> None:
    host = with_short_table(new_image(MANY_BLOCKS))
    rebuild_refcounts(host)
    assert check(host).clean, check(host).messages


def test_a_writer_goes_on_with_the_table_that_a_rebuild_moved() -> None:
    host = with_short_table(new_image(MANY_BLOCKS))
    seen = guest_bytes(host, None)[: 2 * MiB]
    node = open_recorded(host)
    node.pwrite(2 * MiB, Random(6).randbytes(64 * KiB))
    node.close()
    assert guest_bytes(host, None)[: 2 * MiB] == seen
    assert check(host).clean, check(host).messages
