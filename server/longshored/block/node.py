"""The promise that every opened image keeps."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from .extent import Extent

Buffer = bytes | bytearray | memoryview


class Mode(Enum):
    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a node asks of its callers: alignment of offsets, and largest request."""

    alignment: int = 1
    max_request: int = 1 << 30


@dataclass(frozen=True, slots=True)
class Identity:
    """What a file is, whatever its path: two names of one inode are one node."""

    device: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Identity":
        # Two device nodes of one disk are two inodes, but one st_rdev.
        if stat.S_ISBLK(status.st_mode):
            return cls(status.st_rdev, 0)
        return cls(status.st_dev, status.st_ino)

    def __str__(self) -> str:
        return f"{self.device:x}:{self.inode}"


class BlockNode(Protocol):
    """An opened image. Offsets and lengths are bytes; every call is complete or raises.

    A range outside [0, size) or a write on a node opened for reading is a bug
    of the caller (the guard filter asserts it). I/O failures raise
    ServiceError(IO_ERROR or NO_SPACE) with errno, operation, uri and offset.
    A node may be used by several threads at once.
    """

    @property
    def uri(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def mode(self) -> Mode: ...
    @property
    def limits(self) -> Limits: ...

    def readinto(self, offset: int, buffer: memoryview) -> None:
        """Fill the buffer with the guest bytes from `offset` on (through backing)."""

    def pwrite(self, offset: int, data: Buffer) -> None: ...
    def write_zeroes(self, offset: int, length: int, *, unmap: bool = True) -> None: ...
    def discard(self, offset: int, length: int) -> None: ...

    def extents(self, offset: int = 0, length: int | None = None) -> Iterator[Extent]:
        """What this layer alone holds, in order, without gaps."""

    def flush(self) -> None:
        """Return once all that was written is durable. An error is final: no retry."""

    def close(self) -> None: ...


def pread(node: BlockNode, offset: int, length: int) -> bytes:
    """The guest bytes of a range, as a new bytes object."""
    buffer = bytearray(length)
    node.readinto(offset, memoryview(buffer))
    return bytes(buffer)
