"""QEMU's lock bytes: how a running VM and this daemon keep out of each other's way.

Each permission has two bytes on the image file: 100 + n says "I use it", 200 + n
says "I do not share it with others". Every holder takes read locks (OFD), which
never collide; a collision is found by asking whether a write lock would be
refused. Lock first, ask second: of two racers both may fail, never both succeed.
Bytes 104 and 204 belonged to old QEMU versions and are left alone.
"""

import errno
import fcntl
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntFlag

from ..errors import Kind, ServiceError
from .ioerror import io_error

USES = 100
UNSHARED = 200


class Permission(IntFlag):
    """What a holder does with an image, or does not let others do."""

    NONE = 0
    CONSISTENT_READ = 0x1
    WRITE = 0x2
    WRITE_UNCHANGED = 0x4
    RESIZE = 0x8


@dataclass(frozen=True, slots=True)
class LockRow:
    """What is used and what is not shared: one row of QEMU's table."""

    uses: Permission
    unshared: Permission

    def __or__(self, other: "LockRow") -> "LockRow":
        return LockRow(self.uses | other.uses, self.unshared | other.unshared)

    def offsets(self) -> frozenset[int]:
        """The bytes of the file that stand for this row."""
        return frozenset(_bytes(USES, self.uses)) | frozenset(
            _bytes(UNSHARED, self.unshared)
        )


_WRITES = Permission.WRITE | Permission.RESIZE

NOTHING = LockRow(Permission.NONE, Permission.NONE)
READER = LockRow(Permission.CONSISTENT_READ, _WRITES)
WRITER = LockRow(Permission.CONSISTENT_READ | _WRITES, _WRITES)
PULL_TOP = WRITER | LockRow(Permission.WRITE_UNCHANGED, Permission.NONE)


@dataclass(frozen=True, slots=True)
class Clash:
    """One permission that somebody else stands in the way of.

    With `shared`, the other uses what we will not share; else the other does not
    share what we want to use.
    """

    permission: Permission
    shared: bool

    @property
    def byte(self) -> int:
        """Where the other's lock lies."""
        return (USES if self.shared else UNSHARED) + _index(self.permission)

    def __str__(self) -> str:
        name = str(self.permission.name).lower().replace("_", " ")
        return f"shared {name}" if self.shared else name


class ImageLock:
    """The lock bytes that one descriptor holds. Closing its file drops them all.

    The descriptor may be read-only. One thread at a time.
    """

    def __init__(self, fd: int, uri: str) -> None:
        self.fd = fd
        self.uri = uri
        self.held = NOTHING

    def take(self, row: LockRow) -> tuple[Clash, ...]:
        """Add a row to what is held; on a clash nothing has changed."""
        fresh = (self.held | row).offsets() - self.held.offsets()
        try:
            for byte in sorted(fresh):
                self._set(fcntl.F_RDLCK, byte)
            clashes = self.probe(row)
        except ServiceError:
            self._drop(fresh)
            raise
        if clashes:
            self._drop(fresh)
        else:
            self.held |= row
        return clashes

    def probe(self, row: LockRow) -> tuple[Clash, ...]:
        """Who-knows-whose locks that stand in the way of a row. Takes nothing."""
        wanted = [Clash(one, shared=False) for one in row.uses]
        kept = [Clash(one, shared=True) for one in row.unshared]
        return tuple(c for c in wanted + kept if self._held_elsewhere(c.byte))

    def narrow(self, row: LockRow) -> None:
        """Give back all but this row, which must be held. This cannot clash."""
        assert (self.held | row) == self.held, "narrowing cannot add"
        self._drop(self.held.offsets() - row.offsets())
        self.held = row

    def release(self) -> None:
        """Give everything back."""
        self.narrow(NOTHING)

    def _drop(self, offsets: frozenset[int]) -> None:
        for byte in sorted(offsets, reverse=True):
            self._set(fcntl.F_UNLCK, byte)

    def _set(self, kind: int, byte: int) -> None:
        try:
            self._ask(fcntl.F_OFD_SETLK, kind, byte)
        except OSError as error:
            raise self._error(error) from error

    def _held_elsewhere(self, byte: int) -> bool:
        try:
            found = self._ask(fcntl.F_OFD_GETLK, fcntl.F_WRLCK, byte)
        except OSError as error:
            raise self._error(error) from error
        return found != fcntl.F_UNLCK

    def _ask(self, command: int, kind: int, byte: int) -> int:
        """One fcntl with a `struct flock`; the type field of the answer."""
        flock = struct.pack(_FLOCK, kind, os.SEEK_SET, byte, 1, 0)
        answer: int = struct.unpack(_FLOCK, fcntl.fcntl(self.fd, command, flock))[0]
        return answer

    def _error(self, error: OSError) -> ServiceError:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            # Nobody who speaks this protocol takes write locks.
            message = "Another program holds a write lock over the lock bytes"
            return ServiceError(Kind.TARGET_BUSY, message, uri=self.uri)
        return io_error(error, "lock", self.uri, 0)


# struct flock on 64-bit Linux: type, whence, (pad), start, length, pid, (pad).
_FLOCK = "hhqqi4x"


def _index(permission: Permission) -> int:
    return permission.value.bit_length() - 1


def _bytes(base: int, permissions: Permission) -> Iterator[int]:
    return (base + _index(one) for one in permissions)
