"""The snapshot table: entry codec and the checks of a hostile one (facts §6)."""

import struct
from dataclasses import dataclass

from ...units import MiB, round_up
from .damage import invalid
from .hostfile import HostFile
from .layout import MAX_L1_BYTES, MAX_OFFSET, Header

FIXED = struct.Struct(">QIHHIIQII")
EXTRA = struct.Struct(">QQQ")
# Version 3 demands the first two fields of the extra data.
V3_EXTRA = 16
# The ceilings of QEMU.
MAX_TABLE_BYTES = 64 * MiB
MAX_EXTRA = 1_024
NO_ICOUNT = (1 << 64) - 1

assert FIXED.size == 40


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One entry. Extra data that nobody has named yet is kept in `trailing`."""

    l1_offset: int
    l1_entries: int
    id: bytes
    name: bytes
    seconds: int = 0
    nanoseconds: int = 0
    vm_clock_ns: int = 0
    vm_state_size: int = 0
    # None in old images: the size of the disk then is the size now.
    disk_size: int | None = None
    icount: int | None = None
    trailing: bytes = b""

    @property
    def l1_bytes(self) -> int:
        return self.l1_entries * 8


@dataclass(frozen=True, slots=True)
class SnapshotTable:
    """The entries, and the bytes they have in the file.

    How long an entry is depends on who wrote it: extra data has grown twice.
    """

    entries: tuple[Snapshot, ...]
    length: int


@dataclass(frozen=True, slots=True)
class _Fixed:
    """The first 40 bytes, which tell how long the rest is."""

    l1_offset: int
    l1_entries: int
    id_length: int
    name_length: int
    seconds: int
    nanoseconds: int
    vm_clock_ns: int
    vm_state_size: int
    extra_length: int

    @property
    def rest(self) -> int:
        """Bytes that follow; padding comes after them, but not in the last entry."""
        return self.extra_length + self.id_length + self.name_length


def decode_snapshot(data: bytes, version: int) -> Snapshot:
    """One whole entry."""
    fixed = _decode_fixed(data, version)
    _room(data, FIXED.size + fixed.rest)
    at = FIXED.size + fixed.extra_length
    extra = data[FIXED.size : at]
    id_end = at + fixed.id_length
    state_size, disk_size, icount = _decode_extra(extra, fixed.vm_state_size)
    return Snapshot(
        l1_offset=fixed.l1_offset,
        l1_entries=fixed.l1_entries,
        id=data[at:id_end],
        name=data[id_end : id_end + fixed.name_length],
        seconds=fixed.seconds,
        nanoseconds=fixed.nanoseconds,
        vm_clock_ns=fixed.vm_clock_ns,
        vm_state_size=state_size,
        disk_size=disk_size,
        icount=icount,
        trailing=extra[EXTRA.size :],
    )


def encode_snapshot(snapshot: Snapshot) -> bytes:
    """The entry with its padding; extra fields as long as they are known."""
    extra = _encode_extra(snapshot)
    small = snapshot.vm_state_size if snapshot.vm_state_size < 1 << 32 else 0
    fixed = FIXED.pack(
        snapshot.l1_offset,
        snapshot.l1_entries,
        len(snapshot.id),
        len(snapshot.name),
        snapshot.seconds,
        snapshot.nanoseconds,
        snapshot.vm_clock_ns,
        small,
        len(extra),
    )
    entry = fixed + extra + snapshot.id + snapshot.name
    return entry.ljust(round_up(len(entry), 8), b"\0")


def read_snapshots(host: HostFile, header: Header) -> tuple[Snapshot, ...]:
    """The snapshots of an image, every field checked."""
    return read_snapshot_table(host, header).entries


def read_snapshot_table(host: HostFile, header: Header) -> SnapshotTable:
    entries, length = [], 0
    for _ in range(header.snapshots):
        data = _read_entry(host, header, length)
        snapshot = decode_snapshot(data, header.version)
        _check_l1(snapshot, header, host.size)
        entries.append(snapshot)
        length += round_up(len(data), 8)
    return SnapshotTable(tuple(entries), length)


def _read_entry(host: HostFile, header: Header, inside: int) -> bytes:
    """The bytes of the entry that begins so far inside the table."""
    at = header.snapshots_offset + inside
    fixed = _read(host, at, FIXED.size)
    rest = _decode_fixed(fixed, header.version).rest
    _check_table_size(inside + FIXED.size + rest)
    return fixed + _read(host, at + FIXED.size, rest)


def _read(host: HostFile, offset: int, length: int) -> bytes:
    if offset + length > host.size:
        raise invalid(
            "Snapshot table runs past the end of the file",
            what="snapshots_offset",
            value=offset,
            limit=host.size,
        )
    data = bytearray(length)
    host.readinto(offset, memoryview(data))
    return bytes(data)


def _decode_fixed(data: bytes, version: int) -> _Fixed:
    _room(data, FIXED.size)
    fixed = _Fixed(*FIXED.unpack_from(data))
    least = V3_EXTRA if version >= 3 else 0
    if not least <= fixed.extra_length <= MAX_EXTRA:
        raise invalid(
            "Snapshot has an impossible length of extra data",
            what="snapshot extra data",
            value=fixed.extra_length,
            limit=MAX_EXTRA,
        )
    return fixed


def _decode_extra(extra: bytes, small: int) -> tuple[int, int | None, int | None]:
    padded = extra[: EXTRA.size].ljust(EXTRA.size, b"\0")
    state_size, disk_size, icount = EXTRA.unpack(padded)
    return (
        state_size if len(extra) >= 8 else small,
        disk_size if len(extra) >= 16 else None,
        icount if len(extra) >= 24 and icount != NO_ICOUNT else None,
    )


def _encode_extra(snapshot: Snapshot) -> bytes:
    if snapshot.disk_size is None:
        return b""
    icount = NO_ICOUNT if snapshot.icount is None else snapshot.icount
    return (
        EXTRA.pack(snapshot.vm_state_size, snapshot.disk_size, icount)
        + snapshot.trailing
    )


def _room(data: bytes, needed: int) -> None:
    if len(data) < needed:
        raise invalid(
            "Snapshot entry is cut off",
            what="snapshot entry",
            value=len(data),
            limit=needed,
        )


def _check_table_size(length: int) -> None:
    if length > MAX_TABLE_BYTES:
        raise invalid(
            "Snapshot table is too large",
            what="snapshot table",
            value=length,
            limit=MAX_TABLE_BYTES,
        )


def _check_l1(snapshot: Snapshot, header: Header, file_size: int) -> None:
    offset, length = snapshot.l1_offset, snapshot.l1_bytes
    facts: dict[str, int] = {"value": offset, "snapshots": header.snapshots}
    if length > MAX_L1_BYTES:
        raise invalid(
            "L1 table of a snapshot is too large",
            what="snapshot l1_size",
            value=snapshot.l1_entries,
            limit=MAX_L1_BYTES // 8,
        )
    if offset % header.cluster_size or (length and offset < header.cluster_size):
        raise invalid(
            "L1 table of a snapshot is not aligned", what="snapshot L1", **facts
        )
    if offset + length > min(file_size, MAX_OFFSET):
        raise invalid(
            "L1 table of a snapshot runs past the end of the file",
            what="snapshot L1",
            limit=file_size,
            **facts,
        )
