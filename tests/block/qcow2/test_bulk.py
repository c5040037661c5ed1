"""The bulk publisher: what becomes visible, in which order, and after any power cut."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from longshored.block.extent import Data
from longshored.block.memory import MemoryNode
from longshored.block.node import pread
from longshored.block.qcow2.bulk import CRASH_POINTS, NoRoom, Placement, Populator
from longshored.block.qcow2.check import check
from longshored.block.qcow2.create import CreateOptions
from longshored.block.qcow2.features import Autoclear
from longshored.block.qcow2.headerfile import read_header
from longshored.block.qcow2.image import Qcow2Node
from longshored.block.qcow2.rewrite import rewrite_backing
from longshored.errors import Kind, ServiceError
from longshored.units import GiB, KiB, MiB, round_up
from tests.support.oracle import qemu_check
from tests.support.overlays import (
    guest_bytes,
    memory_node,
    new_image,
    noise_with_holes,
    open_recorded,
    take_snapshot,
)
from tests.support.qcow2 import (
    Builder,
    make,
    qemu_bytes,
    qemu_img,
)
from tests.support.recorder import Flush, RecordedFile, Write, crash_states

OVERLAY = CreateOptions(
    size=64 * KiB, cluster_size=1 * KiB, backing_file="base", backing_format="raw"
)
SHAPES = {
    "512 B clusters": replace(OVERLAY, cluster_size=512),
    "1-bit refcounts": replace(OVERLAY, refcount_bits=1),
    "64-bit refcounts, many blocks": replace(
        OVERLAY, cluster_size=512, refcount_bits=64, size=128 * KiB
    ),
    "version 2": replace(OVERLAY, version=2),
    "lazy refcounts": replace(OVERLAY, lazy_refcounts=True),
    "size cuts a cluster": replace(OVERLAY, size=61 * KiB + 512),
    "extended L2": replace(OVERLAY, cluster_size=16 * KiB, extended_l2=True),
    "extended L2, size cuts a cluster": replace(
        OVERLAY, cluster_size=16 * KiB, extended_l2=True, size=63 * KiB + 512
    ),
}
EVERY_SHAPE = pytest.mark.parametrize("options", SHAPES.values(), ids=SHAPES.keys())


def overlay(
    options: CreateOptions, random: Random, *, snapshot: bool = False
) -> tuple[RecordedFile, MemoryNode]:
    """An image that holds some of its bytes, above a base that holds all."""
    block = max(512, options.cluster_size // 2)
    base = memory_node(noise_with_holes(random, options.size, block))
    host = new_image(options)
    node = open_recorded(host, base)
    for _ in range(4):
        start = random.randrange(options.size // 512) * 512
        node.pwrite(start, random.randbytes(512))
    node.close()
    if snapshot:
        take_snapshot(host)
    host.history.clear()
    return host, base


def reserve(populator: Populator, length: int) -> int:
    """Where so many host bytes lie in one piece."""
    return populator.reserve(length, length).start


def placements(node: Qcow2Node, populator: Populator) -> Iterator[Placement]:
    """Copies of what the layer lacks, zeros where a cluster of it is zero."""
    size = node.header.cluster_size
    for extent in list(node.extents()):
        if extent.data is not Data.UNALLOCATED:
            continue
        start = extent.start
        while start < extent.end:
            length = min(round_up(start + 1, size), extent.end) - start
            yield _placement(node, populator, start, length)
            start += length


def _placement(
    node: Qcow2Node, populator: Populator, start: int, length: int
) -> Placement:
    data = pread(node, start, length)
    if populator.zero_supported and not any(data):
        return Placement(start, length, None)
    inside = start % node.header.cluster_size
    host_offset = reserve(populator, inside + length) + inside
    node.raw.pwrite(host_offset, data)
    return Placement(start, length, host_offset)


def pull(host: RecordedFile, base: MemoryNode) -> None:
    """Populate all that is missing."""
    node = open_recorded(host, base)
    populator = Populator(node)
    todo = list(placements(node, populator))
    node.raw.flush()
    populator.publish(todo)
    populator.release()
    node.close()


@EVERY_SHAPE
@pytest.mark.parametrize("snapshot", [False, True])
def test_a_populated_layer_needs_no_backing(
    options: CreateOptions, snapshot: bool
) -> None:
    snapshot = snapshot and options.refcount_bits > 1
    host, base = overlay(options, Random(1), snapshot=snapshot)
    before = guest_bytes(host, base)
    pull(host, base)
    assert check(host).clean, check(host).messages
    assert guest_bytes(host, None) == before


@EVERY_SHAPE
@pytest.mark.parametrize("snapshot", [False, True])
def test_no_power_cut_changes_what_is_seen_or_corrupts(
    options: CreateOptions, snapshot: bool
) -> None:
    random = Random(2)
    snapshot = snapshot and options.refcount_bits > 1
    host, base = overlay(options, random, snapshot=snapshot)
    before, seen = bytes(host.content), guest_bytes(host, base)
    pull(host, base)
    states = 0
    for state in _thinned(list(crash_states(before, host.history, random, 6)), 60):
        crashed = RecordedFile(bytearray(state))
        assert check(crashed).corruptions == 0, check(crashed).messages
        assert guest_bytes(crashed, base) == seen
        states += 1
    assert states > 10


def _thinned(states: list[bytes], most: int) -> list[bytes]:
    """The last ones are the metadata; of the many data writes a sample will do."""
    early, late = states[: -most // 2], states[-most // 2 :]
    return early[:: max(1, len(early) // (most // 2))] + late


def test_pulling_again_after_a_cut_converges_without_a_larger_file() -> None:
    random = Random(3)
    host, base = overlay(OVERLAY, random)
    before, seen = bytes(host.content), guest_bytes(host, base)
    pull(host, base)
    for state in _thinned(list(crash_states(before, host.history, random, 2)), 20):
        crashed = RecordedFile(bytearray(state))
        pull(crashed, base)
        assert check(crashed).corruptions == 0
        assert guest_bytes(crashed, None) == seen


def test_clusters_of_the_layer_itself_are_never_touched() -> None:
    host, base = overlay(OVERLAY, Random(4))
    node = open_recorded(host, base)
    held = [e for e in node.extents() if e.data is Data.RAW]
    pull(host, base)
    for extent in held:
        assert extent.host_offset is not None
        end = extent.host_offset + extent.length
        for event in host.history:
            if isinstance(event, Write):
                assert (
                    event.offset >= end
                    or event.offset + len(event.data) <= extent.host_offset
                )


@EVERY_SHAPE
def test_a_publication_that_covers_held_clusters_leaves_them_as_they_are(
    options: CreateOptions,
) -> None:
    host, base = overlay(options, Random(5))
    seen = guest_bytes(host, base)
    node = open_recorded(host, base)
    populator = Populator(node)
    place = reserve(populator, options.size)
    node.raw.pwrite(place, pread(base, 0, options.size))
    populator.publish([Placement(0, options.size, place)])
    populator.release()
    assert check(host).clean
    assert guest_bytes(host, None) == seen


@pytest.mark.parametrize("name", ["512 B clusters", "extended L2"])
def test_zeros_fill_what_is_missing_and_nothing_else(name: str) -> None:
    options = SHAPES[name]
    host = new_image(options)
    base = memory_node(bytes(options.size))
    node = open_recorded(host, base)
    node.pwrite(1024, b"top" * 100)
    seen = pread(node, 0, node.size)
    Populator(node).publish([Placement(0, options.size, None)])
    first, second, *_ = node.extents()
    assert (first.data, second.data) == (Data.ZERO, Data.RAW)
    assert pread(node, 0, node.size) == seen
    assert check(host).clean


@pytest.mark.parametrize("extended", [False, True])
def test_compressed_clusters_are_held(tmp_path: Path, extended: bool) -> None:
    options = replace(OVERLAY, cluster_size=16 * KiB, extended_l2=extended)
    builder = Builder(tmp_path / "top", options)
    builder.fill({1: "z7"})
    host = RecordedFile(bytearray(builder.save().read_bytes()))
    seen = guest_bytes(host, None)
    populator = Populator(open_recorded(host))
    populator.publish([Placement(0, options.size, None)])
    assert guest_bytes(host, None) == seen


def test_release_gives_back_what_was_not_published() -> None:
    host, base = overlay(OVERLAY, Random(6))
    size = host.size
    populator = Populator(open_recorded(host, base))
    reserve(populator, 40 * KiB)
    assert host.size == size + 40 * KiB
    populator.release()
    assert host.size == size


def test_what_lies_behind_the_virtual_size_is_zeroed() -> None:
    options = SHAPES["size cuts a cluster"]
    host, base = overlay(options, Random(6))
    host.content.extend(b"\xff" * 128 * KiB)  # left by a job that was cut
    node = open_recorded(host, base)
    populator = Populator(node)
    populator.publish([Placement(60 * KiB, 1536, reserve(populator, 1536))])
    (extent,) = node.extents(61 * KiB, 512)
    assert extent.host_offset is not None
    behind = extent.host_offset + 512
    assert host.content[behind : behind + 512] == bytes(512)


def test_reserving_writes_nothing() -> None:
    host, base = overlay(OVERLAY, Random(6))
    reserve(Populator(open_recorded(host, base)), 40 * KiB)
    assert not [event for event in host.history if isinstance(event, Write)]


def test_a_simple_publication_flushes_twice() -> None:
    """What is pointed to, then the pointers; the L1 entry goes with the latter."""
    host, base = overlay(OVERLAY, Random(7))
    node = open_recorded(host, base)
    populator = Populator(node)
    todo = list(placements(node, populator))
    host.history.clear()
    populator.publish(todo)
    assert host.history.count(Flush()) == 2


@pytest.mark.parametrize(("bits", "held"), [(16, 4), (64, 68), (64, 5000)])
def test_a_second_publication_writes_only_what_it_changes(bits: int, held: int) -> None:
    """Even if the first one made new counter blocks, or moved their table."""
    options = replace(OVERLAY, size=4 * MiB, cluster_size=512, refcount_bits=bits)
    host = new_image(options)
    populator = Populator(open_recorded(host))
    place = reserve(populator, (held + 1) * 512)
    populator.publish([Placement(0, held * 512, place)])
    host.history.clear()
    populator.publish([Placement(held * 512, 512, place + held * 512)])
    counters, first_flush, entry, second_flush = host.history
    assert isinstance(counters, Write)
    assert isinstance(entry, Write)
    assert (len(counters.data), len(entry.data)) == (bits, 8)
    assert first_flush == second_flush == Flush()


def test_what_is_durable_may_leave_the_memory() -> None:
    """Of eleven tables of 2 MiB the cache keeps two; the rest is read again."""
    span = 512 * GiB
    host = Counted(new_image(replace(OVERLAY, size=11 * span, cluster_size=2 * MiB)))
    node = open_recorded(host)
    Populator(node).publish([Placement(n * span, 2 * MiB, None) for n in range(11)])
    host.reads = 0
    for n in range(11):
        pread(node, n * span, 512)
    assert host.reads >= 9


def test_every_crash_point_is_passed_in_order() -> None:
    host, base = overlay(
        SHAPES["64-bit refcounts, many blocks"], Random(8), snapshot=True
    )
    passed: list[str] = []
    node = open_recorded(host, base)
    populator = Populator(node, passed.append)
    todo = list(placements(node, populator))
    populator.publish(todo)
    assert passed == list(CRASH_POINTS)


@pytest.mark.parametrize("name", CRASH_POINTS)
def test_after_a_failure_at_any_step_the_publisher_refuses_more(name: str) -> None:
    host, base = overlay(
        SHAPES["64-bit refcounts, many blocks"], Random(8), snapshot=True
    )
    seen = guest_bytes(host, base)

    def fail(passed: str) -> None:
        if passed == name:
            raise OSError("the disk is gone")

    node = open_recorded(host, base)
    populator = Populator(node, fail)
    todo = list(placements(node, populator))
    with pytest.raises(OSError, match="gone"):
        populator.publish(todo)
    if name != "publish.begun":
        with pytest.raises(ServiceError) as caught:
            populator.publish(todo)
        assert caught.value.kind is Kind.IO_ERROR
    assert check(host).corruptions == 0
    assert guest_bytes(host, base) == seen


def test_version_2_cannot_be_told_zeros() -> None:
    host, base = overlay(SHAPES["version 2"], Random(9))
    populator = Populator(open_recorded(host, base))
    assert not populator.zero_supported
    with pytest.raises(ServiceError) as caught:
        populator.publish([Placement(0, 1 * KiB, None)])
    assert caught.value.kind is Kind.IMAGE_UNSUPPORTED


class Counted(RecordedFile):
    def __init__(self, image: RecordedFile) -> None:
        super().__init__(image.content)
        self.reads = 0

    def readinto(self, offset: int, buffer: memoryview) -> None:
        self.reads += 1
        super().readinto(offset, buffer)


class FullDisk(RecordedFile):
    """Takes no more than it holds."""

    def allocate(self, offset: int, length: int) -> None:
        raise ServiceError(Kind.NO_SPACE, "No space left on the file system")


class FilledLater(RecordedFile):
    """Grants space for the data, and none for anything after it."""

    granted = 1

    def allocate(self, offset: int, length: int) -> None:
        if not self.granted:
            raise ServiceError(Kind.NO_SPACE, "No space left on the file system")
        self.granted -= 1
        super().allocate(offset, length)


def test_space_for_counters_is_asked_for_before_anything_is_changed() -> None:
    options = replace(OVERLAY, size=4 * MiB, cluster_size=512, refcount_bits=64)
    host = FilledLater(new_image(options).content)
    node = open_recorded(host)
    node.writer()
    populator = Populator(node)
    place = reserve(populator, 32 * KiB)
    todo = [Placement(0, 32 * KiB, place)]
    for granted in (0, 0, 1):
        host.granted = granted
        if granted:
            populator.publish(todo)
            continue
        with pytest.raises(NoRoom):
            populator.publish(todo)
    populator.release()
    assert check(host).clean


# With subclusters the file is cut shorter in the end than it was on the way.
EXACT = [name for name, options in SHAPES.items() if not options.extended_l2]


@pytest.mark.parametrize("name", EXACT)
def test_a_device_as_large_as_the_file_would_be_is_large_enough(name: str) -> None:
    file, base = overlay(SHAPES[name], Random(14))
    device = RecordedFile(file.content[:], is_device=True)
    seen = guest_bytes(file, base)
    pull(file, base)
    device.content.extend(bytes(file.size - device.size))
    pull(device, base)
    assert device.size == file.size
    assert guest_bytes(device, None) == seen
    assert check(device).clean, check(device).messages


@pytest.mark.parametrize("name", ["512 B clusters", "version 2", "extended L2"])
def test_whole_clusters_need_no_more_than_their_tables(name: str) -> None:
    options = SHAPES[name]
    cluster = options.cluster_size
    clusters = options.size // cluster
    tables = -(-clusters // (cluster // (16 if options.extended_l2 else 8)))
    device = new_image(options)
    device.is_device = True
    end = round_up(device.size, cluster) + (clusters + tables) * cluster
    device.content.extend(bytes(end - device.size))
    populator = Populator(open_recorded(device))
    place = reserve(populator, options.size)
    populator.publish([Placement(0, options.size, place)])
    assert device.size == end
    assert check(device).clean, check(device).messages


def test_a_full_disk_is_seen_before_anything_is_changed() -> None:
    host, base = overlay(replace(OVERLAY, size=1 * MiB, cluster_size=512), Random(10))
    full = FullDisk(host.content)
    node = open_recorded(full, base)
    populator = Populator(node)
    for attempt in (
        lambda: reserve(populator, 1 * KiB),
        lambda: populator.publish([Placement(0, 1 * MiB, None)]),
    ):
        with pytest.raises(ServiceError) as caught:
            attempt()
        assert caught.value.kind is Kind.NO_SPACE
    assert full.history == [] or not any(isinstance(e, Write) for e in full.history)


def test_a_pull_changes_no_visible_byte_so_bitmaps_stay_right() -> None:
    host, base = overlay(OVERLAY, Random(11))
    host.content[88:96] = Autoclear.BITMAPS.to_bytes(8, "big")
    pull(host, base)
    assert read_header(host).autoclear == Autoclear.BITMAPS


@pytest.mark.qemu
@EVERY_SHAPE
def test_qemu_accepts_every_power_cut_too(
    tmp_path: Path, options: CreateOptions
) -> None:
    random = Random(12)
    host, base = overlay(options, random, snapshot=options.refcount_bits > 1)
    before, seen = bytes(host.content), guest_bytes(host, base)
    (tmp_path / "base").write_bytes(pread(base, 0, base.size))
    pull(host, base)
    path = tmp_path / "top"
    for state in _thinned(list(crash_states(before, host.history, random, 2)), 6):
        path.write_bytes(state)
        assert qemu_check(path).corruptions == 0
        assert qemu_bytes(path) == seen


@pytest.mark.qemu
def test_a_pulled_image_with_bitmaps_and_large_clusters_is_clean(
    tmp_path: Path,
) -> None:
    options = replace(OVERLAY, size=5 * MiB + 512, cluster_size=2 * MiB)
    (tmp_path / "base").write_bytes(Random(13).randbytes(options.size))
    path = tmp_path / "top"
    make(path, options)
    qemu_img("bitmap", "--add", "-f", "qcow2", path, "daily")
    host = RecordedFile(bytearray(path.read_bytes()))
    base = memory_node((tmp_path / "base").read_bytes())
    pull(host, base)
    rewrite_backing(open_recorded(host, base), None, None)
    path.write_bytes(host.content)
    qemu_img("check", "-f", "qcow2", path)
    assert qemu_bytes(path) == (tmp_path / "base").read_bytes()
    assert b"daily" in qemu_img("info", "-f", "qcow2", path).encode()
