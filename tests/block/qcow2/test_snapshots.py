from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshored.block.node import Mode
from longshored.block.qcow2.check import check
from longshored.block.qcow2.create import CreateOptions
from longshored.block.qcow2.snapshots import (
    FIXED,
    MAX_EXTRA,
    Snapshot,
    decode_snapshot,
    encode_snapshot,
    read_snapshots,
)
from longshored.errors import ServiceError
from longshored.units import KiB, MiB
from tests.support.oracle import qemu_check
from tests.support.qcow2 import Builder, opened, qemu_img, raw_node

U32 = st.integers(0, 2**32 - 1)
U64 = st.integers(0, 2**64 - 1)
PLAIN = Snapshot(l1_offset=0x10000, l1_entries=1, id=b"1", name=b"first", disk_size=99)


@given(
    st.builds(
        Snapshot,
        l1_offset=U64,
        l1_entries=U32,
        id=st.binary(max_size=20),
        name=st.binary(max_size=20),
        seconds=U32,
        nanoseconds=U32,
        vm_clock_ns=U64,
        vm_state_size=U64,
        disk_size=U64,
        icount=st.none() | st.integers(0, 2**64 - 2),
        trailing=st.binary(max_size=MAX_EXTRA - 24),
    )
)
def test_a_snapshot_survives_encoding(snapshot: Snapshot) -> None:
    assert decode_snapshot(encode_snapshot(snapshot), 3) == snapshot


@given(st.binary(max_size=200))
def test_noise_is_a_snapshot_or_our_error(data: bytes) -> None:
    try:
        decode_snapshot(data, 3)
    except ServiceError as error:
        assert "what" in error.facts  # noqa: PT017 - most noise raises, not all


def test_an_old_entry_has_a_small_state_and_no_disk_size() -> None:
    entry = encode_snapshot(replace(PLAIN, disk_size=None, vm_state_size=7))
    assert decode_snapshot(entry, 2).vm_state_size == 7


def test_version_3_demands_extra_data() -> None:
    entry = encode_snapshot(replace(PLAIN, disk_size=None))
    with pytest.raises(ServiceError, match="extra data"):
        decode_snapshot(entry, 3)


def image_with(path: Path, *snapshots: Snapshot) -> Path:
    builder = Builder(path, CreateOptions(size=1 * MiB))
    table = b"".join(map(encode_snapshot, snapshots))
    builder.change_header(
        snapshots=len(snapshots), snapshots_offset=builder.cluster(table)
    )
    return builder.save()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"l1_offset": 0x10001}, "not aligned"),
        ({"l1_offset": 0}, "not aligned"),
        ({"l1_offset": 1 << 40}, "past the end"),
        ({"l1_entries": (1 << 22) + 1}, "too large"),
        ({"l1_entries": 1 << 20}, "past the end"),
    ],
)
def test_an_image_whose_snapshots_are_damaged_is_refused(
    tmp_path: Path, wrong: dict[str, int], message: str
) -> None:
    path = image_with(tmp_path / "i.qcow2", replace(PLAIN, **wrong))  # type: ignore[arg-type]
    with pytest.raises(ServiceError, match=message), opened(path):
        pass


def old_image(path: Path, version: int, extra: int, count: int) -> Path:
    """Snapshots with less extra data than is written today, in small clusters."""
    options = CreateOptions(size=64 * KiB, cluster_size=512, version=version)
    builder = Builder(path, options)
    table = b"".join(old_entry(builder, extra, number) for number in range(count))
    builder.change_header(snapshots=count, snapshots_offset=builder.cluster(table))
    return builder.save()


def old_entry(builder: Builder, extra: int, number: int) -> bytes:
    l1 = builder.cluster(bytes(builder.header.l1_bytes))
    entries = builder.header.l1_bytes // 8
    fixed = FIXED.pack(l1, entries, 1, 4, 0, 0, 0, 0, extra)
    sizes = bytes(8) + builder.header.size.to_bytes(8, "big")
    entry = fixed + sizes[:extra] + b"%d" % number + b"name"
    return entry.ljust(-(-len(entry) // 8) * 8, b"\0")


# So many that the table would end in another cluster if entries were as long as
# they are written today, or without any extra data.
OLD = pytest.mark.parametrize(
    ("version", "extra", "count"), [(2, 0, 8), (2, 8, 10), (2, 16, 8), (3, 16, 8)]
)


@OLD
def test_entries_of_every_age_are_as_long_as_they_are(
    tmp_path: Path, version: int, extra: int, count: int
) -> None:
    host = raw_node(old_image(tmp_path / "i.qcow2", version, extra, count))
    try:
        assert check(host).messages == ()
    finally:
        host.close()


@OLD
@pytest.mark.qemu
def test_a_writer_keeps_off_the_table_of_old_snapshots(
    tmp_path: Path, version: int, extra: int, count: int
) -> None:
    path = old_image(tmp_path / "i.qcow2", version, extra, count)
    with opened(path) as node:
        before = read_snapshots(node.raw, node.header)
    with opened(path, Mode.WRITE) as node:
        node.pwrite(0, b"x" * 16 * KiB)
        node.flush()
        assert read_snapshots(node.raw, node.header) == before
    assert qemu_check(path) == (0, 0)


@pytest.mark.qemu
def test_snapshots_that_qemu_made_are_read(tmp_path: Path) -> None:
    path = Builder(tmp_path / "i.qcow2", CreateOptions(size=1 * MiB)).save()
    qemu_img("snapshot", "-c", "one", path)
    qemu_img("snapshot", "-c", "two", path)
    with opened(path) as node:
        found = read_snapshots(raw_node(path), node.header)
    assert [(s.name, s.disk_size) for s in found] == [
        (b"one", 1 * MiB),
        (b"two", 1 * MiB),
    ]
