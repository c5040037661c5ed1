"""The lock bytes that a process holds, descriptor by descriptor, as /proc lists them.

Of a descriptor only its locks are read, and they name device and inode: `stat` asks
the file system, and one that lies on a dead server never answers. It is asked only
where the device in the lock is not the one that `stat` tells, and nobody is far away:
Btrfs and overlays make up devices, and a block device is not the file that names it.
"""

import errno
import os
import re
from collections.abc import Collection
from dataclasses import dataclass, replace

from .locks import NOTHING, UNSHARED, USES, LockRow, Permission
from .node import Identity

# A row such as `lock: 1: OFDLCK ADVISORY READ -1 fe:00:9979723 100 101`.
_OFD_LOCK = re.compile(
    r"^lock:.* OFDLCK .* ([0-9a-f]+):([0-9a-f]+):(\d+) (\d+) (\d+|EOF)$", re.MULTILINE
)
_WORTH_ASKING = frozenset({"btrfs", "devtmpfs", "overlay", "tmpfs"})

_GONE = (FileNotFoundError, ProcessLookupError)


@dataclass(frozen=True, slots=True)
class ProcessLocks:
    """What was found, and whether anything could not be looked at."""

    rows: dict[Identity, LockRow]
    hides: bool


@dataclass(frozen=True, slots=True)
class _Lock:
    """The lock bytes that one descriptor holds on its file."""

    row: LockRow
    file: Identity


def locks_of(process: str, files: Collection[Identity]) -> ProcessLocks:
    """The locks of a process, by its directory in /proc, on any of these files.

    A process or descriptor that has gone by now has none.
    """
    rows: dict[Identity, LockRow] = {}
    hides = False
    try:
        fds = os.listdir(f"{process}/fdinfo")  # noqa: PTH208 - names are numbers
    except _GONE:
        return ProcessLocks(rows, hides=False)
    except OSError:
        return ProcessLocks(rows, hides=True)
    for fd in fds:
        try:
            lock = _lock_of(process, fd, files)
        except _GONE:
            continue
        except OSError:
            hides = True
            continue
        if lock is not None and lock.file in files:
            rows[lock.file] = rows.get(lock.file, NOTHING) | lock.row
    return ProcessLocks(rows, hides)


def read(path: str) -> str:
    with open(path, errors="replace") as file:  # noqa: PTH123 - /proc, hot loop
        return file.read()


def _lock_of(process: str, fd: str, files: Collection[Identity]) -> _Lock | None:
    """The lock of a descriptor, its file named as `stat` would name it."""
    lock = _lock_in(read(f"{process}/fdinfo/{fd}"))
    if lock is None or lock.file in files or not _may_be_another(lock.file, files):
        return lock
    if _file_system(process, lock.file.device) not in _WORTH_ASKING:
        return lock
    status = os.stat(f"{process}/fd/{fd}")  # noqa: PTH116 - a link, not a path
    return replace(lock, file=Identity.of(status))


def _lock_in(fdinfo: str) -> _Lock | None:
    """The lock bytes among the locks of a descriptor; the kernel joins neighbours."""
    row, lock = NOTHING, None
    for major, minor, inode, first, last in _OFD_LOCK.findall(fdinfo):
        held = range(int(first), 1 << 63 if last == "EOF" else int(last) + 1)
        row |= LockRow(_in_range(USES, held), _in_range(UNSHARED, held))
        device = os.makedev(int(major, 16), int(minor, 16))
        lock = _Lock(row, Identity(device, int(inode)))
    return None if row == NOTHING else lock


def _in_range(base: int, held: range) -> Permission:
    found = Permission.NONE
    for index, one in enumerate(Permission):
        if base + index in held:
            found |= one
    return found


def _may_be_another(file: Identity, files: Collection[Identity]) -> bool:
    """True if `stat` may name it as one of these: by another device, or as one."""
    return any(other.inode in (file.inode, 0) for other in files)


def _file_system(process: str, device: int) -> str:
    """The kind of a file system that the process has mounted."""
    numbers = f"{os.major(device)}:{os.minor(device)}"
    for line in read(f"{process}/mountinfo").splitlines():
        fields = line.split(" ")
        if fields[2] == numbers:
            return fields[fields.index("-") + 1]
    raise OSError(errno.ENODEV, "mounted where it cannot be seen", numbers)
