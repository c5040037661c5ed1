"""Guest writes: random ones against a bytearray, then what each kind does alone."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from longshored.block.extent import Data
from longshored.block.memory import MemoryNode
from longshored.block.node import BlockNode, Buffer, Mode, pread
from longshored.block.qcow2.bitmaps import AUTO, Bitmap, encode_directory
from longshored.block.qcow2.check import check, open_walk
from longshored.block.qcow2.create import CreateOptions
from longshored.block.qcow2.extensions import (
    BITMAPS,
    BitmapsExtension,
    Extension,
    encode_bitmaps,
)
from longshored.block.qcow2.features import Autoclear, Incompatible
from longshored.block.qcow2.headerfile import read_header
from longshored.block.qcow2.image import Qcow2Node
from longshored.block.qcow2.layout import Header, encode_header
from longshored.block.qcow2.repair import reclaim_leaks
from longshored.errors import Kind, ServiceError
from longshored.units import GiB, KiB, MiB
from tests.support.overlays import (
    guest_bytes,
    memory_node,
    new_image,
    noise_with_holes,
    open_recorded,
    take_snapshot,
)
from tests.support.qcow2 import Builder, make, opened, qemu_bytes, qemu_img
from tests.support.recorder import Flush, RecordedFile, Write, crash_states

OVERLAY = CreateOptions(
    size=40 * KiB, cluster_size=2 * KiB, backing_file="base", backing_format="raw"
)
NO_BACKING: dict[str, Any] = {"backing_file": None, "backing_format": None}
ALONE = replace(OVERLAY, **NO_BACKING)
EXTENDED = replace(OVERLAY, size=60 * KiB, cluster_size=16 * KiB, extended_l2=True)
SHAPES = {
    "overlay": OVERLAY,
    "alone": ALONE,
    "512 B clusters, 64-bit refcounts": replace(
        OVERLAY, cluster_size=512, refcount_bits=64
    ),
    "1-bit refcounts": replace(OVERLAY, refcount_bits=1),
    "version 2": replace(OVERLAY, version=2),
    "version 2 alone": replace(ALONE, version=2),
    "size cuts a cluster": replace(OVERLAY, size=39 * KiB + 512),
    "extended L2": EXTENDED,
    "extended L2 alone, size cuts a cluster": replace(
        EXTENDED, size=59 * KiB + 512, **NO_BACKING
    ),
}
EVERY_SHAPE = pytest.mark.parametrize("options", SHAPES.values(), ids=SHAPES.keys())


def image(
    options: CreateOptions, random: Random
) -> tuple[RecordedFile, MemoryNode | None, bytearray]:
    """A new image, its backing, and the bytes that a guest sees."""
    host = new_image(options)
    if options.backing_file is None:
        return host, None, bytearray(options.size)
    content = noise_with_holes(random, options.size - 1 * KiB, 512)
    return host, memory_node(content), bytearray(content.ljust(options.size, b"\0"))


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that a guest does."""

    verb: str
    start: int  # in thousandths of the size
    length: int


ACTS = st.builds(
    Act,
    st.sampled_from(["pwrite", "pwrite", "zero", "keep", "discard", "flush"]),
    st.integers(0, 999),
    st.sampled_from([1, 511, 512, 2 * KiB, 4 * KiB, 10 * KiB, 33 * KiB]),
)


def perform(act: Act, node: Qcow2Node, model: bytearray, random: Random) -> None:
    start = act.start * len(model) // 1000
    end = min(start + act.length, len(model))
    match act.verb:
        case "pwrite":
            model[start:end] = random.randbytes(end - start)
            node.pwrite(start, model[start:end])
        case "zero" | "keep":
            model[start:end] = bytes(end - start)
            node.write_zeroes(start, end - start, unmap=act.verb == "zero")
        case "discard":
            node.discard(start, end - start)
            check_discarded(model, start, pread(node, start, end - start))
            model[start:end] = pread(node, start, end - start)
        case _:
            node.flush()


def check_discarded(model: bytearray, start: int, seen: bytes) -> None:
    """Each byte is as it was, or zero: never what lies in the backing."""
    assert all(b in (0, model[start + at]) for at, b in enumerate(seen))


@EVERY_SHAPE
@settings(max_examples=25)
@given(seed=st.integers(0, 1 << 32), acts=st.lists(ACTS, max_size=12))
def test_an_image_holds_what_was_written(
    options: CreateOptions, seed: int, acts: list[Act]
) -> None:
    random = Random(seed)
    host, base, model = image(options, random)
    for session in range(2):
        node = open_recorded(host, base)
        for act in acts:
            perform(act, node, model, random)
        assert pread(node, 0, node.size) == model
        node.close()
        assert check(host).clean, check(host).messages
        assert guest_bytes(host, base) == model
        if session == 0 and options.refcount_bits > 1:
            take_snapshot(host)


@EVERY_SHAPE
def test_a_power_cut_shows_each_flushed_byte_and_corrupts_nothing(
    options: CreateOptions,
) -> None:
    random = Random(1)
    host, base, _ = image(options, random)
    node = open_recorded(host, base)
    node.pwrite(0, random.randbytes(9 * KiB))
    node.close()
    if options.refcount_bits > 1:
        take_snapshot(host)
    kept = guest_bytes(host, base)[:2048]
    before = bytes(host.content)
    host.history.clear()
    node = open_recorded(host, base)
    for start in (3 * KiB, 7 * KiB, 20 * KiB, 30 * KiB):
        node.pwrite(start, random.randbytes(3000))
        node.write_zeroes(start + 4 * KiB, 2 * KiB)
        node.flush()
    for state in crash_states(before, host.history, random, 3):
        crashed = RecordedFile(bytearray(state))
        assert check(crashed).corruptions == 0, check(crashed).messages
        assert guest_bytes(crashed, base)[:2048] == kept


def test_a_write_over_held_bytes_changes_no_metadata() -> None:
    host, base, _ = image(OVERLAY, Random(2))
    node = open_recorded(host, base)
    node.pwrite(0, b"a" * 2 * KiB)
    node.flush()
    host.history.clear()
    node.pwrite(100, b"b" * 10)
    node.flush()
    (extent,) = node.extents(100, 10)
    assert extent.host_offset is not None
    assert host.history == [Write(extent.host_offset, b"b" * 10), Flush()]


def test_a_snapshot_keeps_its_bytes() -> None:
    host, base, _ = image(OVERLAY, Random(3))
    node = open_recorded(host, base)
    node.pwrite(0, b"old" * 2 * KiB)
    node.close()
    take_snapshot(host)
    (held,) = open_recorded(host, base, Mode.READ).extents(0, 6 * KiB)
    assert held.host_offset is not None
    before = host.content[held.host_offset : held.host_offset + 6 * KiB]
    node = open_recorded(host, base)
    node.pwrite(1 * KiB, b"new" * KiB)
    node.close()
    assert host.content[held.host_offset : held.host_offset + 6 * KiB] == before
    assert check(host).clean


def test_freed_clusters_are_used_again_after_a_flush() -> None:
    host = new_image(ALONE)
    node = open_recorded(host)
    node.pwrite(0, b"a" * 20 * KiB)
    node.discard(0, 20 * KiB)
    node.flush()
    end = node.writer().ledger.allocator.end
    node.pwrite(20 * KiB, b"b" * 20 * KiB)
    node.close()
    assert host.size == end
    assert check(host).clean


class Meddled(RecordedFile):
    """Something happens between the answer where bytes are and their reading."""

    between: ClassVar[list[Callable[[], None]]] = []

    def readinto(self, offset: int, buffer: memoryview) -> None:
        if len(buffer) == 5 and self.between:
            self.between.pop()()
        super().readinto(offset, buffer)


def test_a_reader_never_sees_what_its_cluster_was_reused_for() -> None:
    host = Meddled(new_image(ALONE).content)
    node = open_recorded(host)
    node.pwrite(0, b"first")
    node.pwrite(4 * KiB, b"other")

    def reuse() -> None:
        node.discard(0, 2 * KiB)
        node.flush()
        node.pwrite(8 * KiB, b"third")

    host.between.append(reuse)
    assert pread(node, 0, 5) == bytes(5)
    assert not host.between


def test_a_block_device_does_not_grow() -> None:
    content = new_image(ALONE).content
    host = RecordedFile(content.ljust(20 * KiB, b"\0"), is_device=True)
    node = open_recorded(host)
    node.pwrite(0, b"a" * 2 * KiB)
    with pytest.raises(ServiceError) as caught:
        node.pwrite(8 * KiB, b"a" * 30 * KiB)
    assert caught.value.kind is Kind.NO_SPACE
    node.close()
    assert host.size == 20 * KiB
    assert check(host).clean


def test_neighbours_are_written_side_by_side_in_one_call() -> None:
    host = new_image(ALONE)
    node = open_recorded(host)
    host.history.clear()
    node.pwrite(0, b"a" * 16 * KiB)
    (only,) = (event for event in host.history if isinstance(event, Write))
    assert len(only.data) == 16 * KiB


@pytest.mark.parametrize("options", [ALONE, replace(EXTENDED, **NO_BACKING)])
def test_zeroes_in_an_image_without_backing_cost_nothing(
    options: CreateOptions,
) -> None:
    host = new_image(options)
    node = open_recorded(host)
    node.pwrite(0, b"a")
    node.flush()
    host.history.clear()
    node.write_zeroes(options.cluster_size, options.size - options.cluster_size)
    node.flush()
    assert not any(isinstance(event, Write) for event in host.history)


def test_kept_zeroes_keep_their_clusters() -> None:
    node = open_recorded(new_image(ALONE))
    node.pwrite(0, b"a" * 4 * KiB)
    node.write_zeroes(0, 4 * KiB, unmap=False)
    (first, *_) = node.extents(0, 4 * KiB)
    assert first.data is Data.ZERO
    assert first.host_offset is not None


@pytest.mark.parametrize("options", [ALONE, replace(EXTENDED, **NO_BACKING)])
def test_kept_zeroes_can_be_written_over(options: CreateOptions) -> None:
    host = new_image(options)
    node = open_recorded(host)
    node.pwrite(0, b"a" * 20 * KiB)
    node.write_zeroes(0, 20 * KiB, unmap=False)
    node.pwrite(700, b"b" * 10)
    assert pread(node, 0, 1 * KiB) == bytes(700) + b"b" * 10 + bytes(314)
    node.close()
    assert check(host).clean


@pytest.mark.slow
def test_changed_tables_are_committed_before_they_fill_the_memory() -> None:
    span = 512 * GiB
    host = new_image(replace(OVERLAY, size=10 * span, cluster_size=2 * MiB))
    node = open_recorded(host)
    host.history.clear()
    for table in range(10):
        node.write_zeroes(table * span, 2 * MiB)
    assert Flush() in host.history


@pytest.mark.parametrize("extended", [False, True])
def test_compressed_clusters_are_replaced(tmp_path: Path, extended: bool) -> None:
    options = replace(ALONE, size=64 * KiB, cluster_size=16 * KiB, extended_l2=extended)
    builder = Builder(tmp_path / "image", options)
    builder.fill({0: "z1", 1: "z2", 2: "z3"})
    host = RecordedFile(bytearray(builder.save().read_bytes()))
    model = bytearray(guest_bytes(host, None))
    node = open_recorded(host)
    node.pwrite(100, b"new")
    model[100:103] = b"new"
    node.write_zeroes(16 * KiB + 512, 1 * KiB)
    model[16 * KiB + 512 : 17 * KiB + 512] = bytes(1 * KiB)
    node.discard(32 * KiB, 16 * KiB)
    model[32 * KiB : 48 * KiB] = bytes(16 * KiB)
    node.close()
    assert guest_bytes(host, None) == model
    assert check(host).clean, check(host).messages


def with_header(host: RecordedFile, header: Header) -> None:
    host.content[: header.cluster_size] = encode_header(header).ljust(
        header.cluster_size, b"\0"
    )


def test_unknown_autoclear_bits_are_cleared_before_anything_else() -> None:
    host = new_image(ALONE)
    with_header(host, replace(read_header(host), autoclear=1 << 40))
    open_recorded(host).pwrite(0, b"a")
    assert read_header(host).autoclear == 0
    writes = [event for event in host.history[3:] if not isinstance(event, Write)]
    assert Flush() in writes


def with_bitmap(host: RecordedFile, flags: int) -> None:
    """A bitmap without any data: a directory and an empty table."""
    directory = encode_directory((Bitmap(6 * KiB, 0, flags, 16, b"daily"),))
    place = BitmapsExtension(1, len(directory), host.size)
    refcounts = open_walk(host).refcounts
    refcounts.take(refcounts.end_of_use(), 1)
    refcounts.write_blocks()
    host.content.extend(directory.ljust(2 * KiB, b"\0"))
    header = read_header(host)
    extensions = (*header.extensions, Extension(BITMAPS, encode_bitmaps(place)))
    with_header(
        host, replace(header, autoclear=Autoclear.BITMAPS, extensions=extensions)
    )


@pytest.mark.parametrize(("flags", "kept"), [(AUTO, False), (0, True)])
def test_bitmaps_that_should_record_the_write_are_called_inconsistent(
    flags: int, kept: bool
) -> None:
    host = new_image(replace(ALONE, size=8 * KiB))
    host.content.extend(bytes(-len(host.content) % (2 * KiB)))
    with_bitmap(host, flags)
    open_recorded(host).pwrite(0, b"a")
    assert bool(read_header(host).autoclear & Autoclear.BITMAPS) is kept


def test_the_space_of_bitmaps_that_missed_a_write_is_used_again() -> None:
    host = new_image(replace(ALONE, size=8 * KiB))
    host.content.extend(bytes(-len(host.content) % (2 * KiB)))
    with_bitmap(host, AUTO)
    node = open_recorded(host)
    node.pwrite(0, b"a")
    node.close()
    assert reclaim_leaks(host) == 1
    size = host.size
    node = open_recorded(host)
    node.pwrite(4 * KiB, b"b")
    node.close()
    assert host.size == size
    assert check(host).clean


def test_no_power_cut_leaves_bitmaps_that_missed_a_write() -> None:
    host = new_image(replace(ALONE, size=8 * KiB))
    node = open_recorded(host)
    node.pwrite(0, b"before")
    node.close()
    with_bitmap(host, AUTO)
    before = bytes(host.content)
    host.history.clear()
    node = open_recorded(host)
    node.pwrite(0, b"after!")
    node.flush()
    for state in crash_states(before, host.history, Random(1), 8):
        crashed = RecordedFile(bytearray(state))
        recorded = read_header(crashed).autoclear & Autoclear.BITMAPS
        assert not recorded or guest_bytes(crashed, None).startswith(b"before")


def test_a_flag_that_says_unshared_does_not_outvote_the_counter() -> None:
    host = new_image(ALONE)
    node = open_recorded(host)
    node.pwrite(0, b"shared")
    node.close()
    (extent,) = node.extents(0, 6)
    assert extent.host_offset is not None
    refcounts = open_walk(host).refcounts
    refcounts.set(extent.host_offset // ALONE.cluster_size, 2)
    refcounts.write_blocks()
    open_recorded(host).pwrite(0, b"mine")
    assert host.content[extent.host_offset :].startswith(b"shared")


def test_a_dirty_image_is_counted_anew_before_the_first_write() -> None:
    host = new_image(replace(ALONE, lazy_refcounts=True))
    node = open_recorded(host)
    node.pwrite(0, b"a" * 8 * KiB)
    node.close()
    seen = guest_bytes(host, None)
    header = read_header(host)
    block = int.from_bytes(host.content[header.refcount_table_offset :][:8], "big")
    host.content[block + 6 : block + 40] = bytes(34)  # what was never counted
    with_header(host, replace(header, incompatible=Incompatible.DIRTY))
    node = open_recorded(host)
    node.pwrite(30 * KiB, b"b")
    node.close()
    assert not read_header(host).dirty
    assert check(host).clean, check(host).messages
    assert guest_bytes(host, None)[: 8 * KiB] == seen[: 8 * KiB]


class Broken(RecordedFile):
    """Fails the n-th flush."""

    def flush(self) -> None:
        super().flush()
        raise ServiceError(Kind.IO_ERROR, "Cannot flush: Input/output error")


def test_a_failed_flush_is_final() -> None:
    host = Broken(new_image(ALONE).content)
    node = open_recorded(host)
    node.pwrite(0, b"a")
    for _ in range(2):
        with pytest.raises(ServiceError) as caught:
            node.flush()
        assert caught.value.kind is Kind.IO_ERROR
    assert host.history.count(Flush()) == 1


class Unwritable(RecordedFile):
    """Takes no data that begins with "fail"."""

    def pwrite(self, offset: int, data: Buffer) -> None:
        if bytes(data[:4]) == b"fail":
            raise ServiceError(Kind.IO_ERROR, "Cannot write: Input/output error")
        super().pwrite(offset, data)


def test_a_write_that_failed_leaves_no_leak() -> None:
    host = Unwritable(new_image(ALONE).content)
    node = open_recorded(host)
    with pytest.raises(ServiceError):
        node.pwrite(0, b"fail" * KiB)
    node.pwrite(8 * KiB, b"good")
    node.close()
    assert check(host).clean, check(host).messages


class Full(RecordedFile):
    def allocate(self, offset: int, length: int) -> None:
        raise ServiceError(Kind.NO_SPACE, "No space left on the file system")


def test_a_full_disk_leaves_the_image_as_it_was() -> None:
    host = Full(new_image(OVERLAY).content)
    node = open_recorded(host)
    with pytest.raises(ServiceError) as caught:
        node.pwrite(0, b"a")
    assert caught.value.kind is Kind.NO_SPACE
    with pytest.raises(ServiceError) as caught:
        node.write_zeroes(0, 4 * KiB)
    assert caught.value.kind is Kind.NO_SPACE
    assert pread(node, 0, node.size) == bytes(node.size)
    assert not any(isinstance(event, Write) for event in host.history)


@pytest.mark.qemu
@EVERY_SHAPE
def test_qemu_reads_what_was_written(tmp_path: Path, options: CreateOptions) -> None:
    random = Random(7)
    base = tmp_path / "base"
    base.write_bytes(random.randbytes(options.size))
    path = tmp_path / "top"
    make(path, options)
    backing: BlockNode | None = None
    model = bytearray(options.size)
    if options.backing_file is not None:
        model[:] = base.read_bytes()
        backing = memory_node(bytes(model))
    for _ in range(2):
        with opened(path, Mode.WRITE) as node:
            node.backing = backing
            for _ in range(8):
                act = Act("pwrite", random.randrange(1000), random.randrange(1, 9000))
                perform(act, node, model, random)
                act = Act("zero", random.randrange(1000), random.randrange(1, 9000))
                perform(act, node, model, random)
            node.flush()
        qemu_img("check", "-f", "qcow2", path)
        assert qemu_bytes(path) == model
        if options.refcount_bits > 1:
            qemu_img("snapshot", "-c", "one", path)
