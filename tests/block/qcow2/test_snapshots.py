from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshored.block.qcow2.create import CreateOptions
from longshored.block.qcow2.snapshots import (
    MAX_EXTRA,
    Snapshot,
    decode_snapshot,
    encode_snapshot,
    read_snapshots,
)
from longshored.errors import ServiceError
from longshored.units import MiB
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
