"""RawNode: a regular file or block device, byte for byte."""

import errno
import fcntl
import os
import stat
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from ..errors import Kind, ServiceError
from ..units import SECTOR, MiB, pieces, round_down, round_up
from .extent import Data, Extent
from .fallocate import Fallocate, try_fallocate
from .ioerror import io_error
from .node import Buffer, Identity, Limits, Mode

# Zeros written by hand where nothing better is offered. One request of this
# size takes a few milliseconds on a slow disk, so a cancel does not wait.
_ZEROS = bytes(1 * MiB)

_BLKGETSIZE64 = 0x80081272
_BLKSSZGET = 0x1268


@dataclass(frozen=True, slots=True)
class _Facts:
    """What fstat and the device's own words say when the node is opened."""

    identity: Identity
    size: int
    is_device: bool
    block: int  # what the kernel accepts for zeroing: 1 on files


class RawNode:
    """Bytes of a file. Writing past the end lets a regular file grow."""

    limits = Limits()

    def __init__(self, fd: int, uri: str, mode: Mode, facts: _Facts) -> None:
        # Set once.
        self.uri = uri
        self.mode = mode
        self.identity = facts.identity
        self.is_device = facts.is_device
        self._block = facts.block
        # Set once, and to -1 by close.
        self.fd = fd
        # Guarded by _lock: the size only changes by growing or truncate.
        self._lock = threading.Lock()
        self._size = facts.size
        # Set at most once, by the flush that failed; read without the lock.
        self._taint: ServiceError | None = None
        # The run of data found last, where it cannot change; replaced as a whole.
        self._found = (0, 0)

    @property
    def size(self) -> int:
        return self._size

    def readinto(self, offset: int, buffer: memoryview) -> None:
        self._check_usable()
        done = 0
        while done < len(buffer):
            try:
                step = os.preadv(self.fd, [buffer[done:]], offset + done)
            except OSError as error:
                raise io_error(error, "read", self.uri, offset + done) from error
            if step == 0:
                raise self._shrunk(offset + done)
            done += step

    def pwrite(self, offset: int, data: Buffer) -> None:
        self._check_usable()
        view = memoryview(data).cast("B")
        done = 0
        while done < len(view):
            try:
                done += os.pwrite(self.fd, view[done:], offset + done)
            except OSError as error:
                raise io_error(error, "write", self.uri, offset + done) from error
        self._note_end(offset + len(view))

    def write_zeroes(self, offset: int, length: int, *, unmap: bool = True) -> None:
        self._check_usable()
        if not length:
            return
        end = offset + length
        # A device zeroes whole blocks only; a file takes any range.
        first = min(round_up(offset, self._block), end)
        last = max(round_down(end, self._block), first)
        self._write_zero_bytes(offset, first)
        try:
            zeroed = first == last or self._zero_range(first, last - first, unmap)
        except OSError as error:
            raise io_error(error, "write zeroes", self.uri, offset) from error
        if not zeroed:
            self._write_zero_bytes(first, last)
        self._write_zero_bytes(last, end)

    def discard(self, offset: int, length: int) -> None:
        self._check_usable()
        first = round_up(offset, self._block)
        last = round_down(offset + length, self._block)
        if first >= last:
            return
        punch = Fallocate.PUNCH_HOLE | Fallocate.KEEP_SIZE
        try:
            # Advice: a file system that cannot follow it has done no wrong.
            try_fallocate(self.fd, punch, first, last - first)
        except OSError as error:
            raise io_error(error, "discard", self.uri, offset) from error

    def extents(self, offset: int = 0, length: int | None = None) -> Iterator[Extent]:
        end = self.size if length is None else offset + length
        while offset < end:
            self._check_usable()
            data, hole = self._next_data(offset, end)
            if offset < data:
                yield Extent(offset, data - offset, Data.ZERO)
            if data < hole:
                yield Extent(data, hole - data, Data.RAW, host_offset=data)
            offset = hole

    def flush(self) -> None:
        self._check_usable()
        if self.mode is Mode.READ:
            return
        try:
            os.fdatasync(self.fd)
        except OSError as error:
            # The kernel reports lost pages once and then forgets them: a second
            # fdatasync would say that all is well. So nobody may ask again.
            self._taint = io_error(error, "flush", self.uri, 0)
            raise self._taint from error

    def close(self) -> None:
        fd, self.fd = self.fd, -1
        if fd < 0:
            return
        try:
            os.close(fd)
        except OSError as error:
            if self.mode is Mode.WRITE:
                raise io_error(error, "close", self.uri, 0) from error

    # Beyond the node's promise: what formats and the copy engine need of a file.

    def truncate(self, size: int) -> None:
        """Set the length of a regular file."""
        self._check_usable()
        with self._lock:
            try:
                os.ftruncate(self.fd, size)
            except OSError as error:
                raise io_error(error, "truncate", self.uri, size) from error
            self._size = size

    def allocate(self, offset: int, length: int) -> None:
        """Reserve space now, so that a full disk shows before the data comes.

        The file grows to the end of the range. Where the file system cannot
        reserve, it only grows.
        """
        self._check_usable()
        try:
            reserved = try_fallocate(self.fd, Fallocate.ALLOCATE, offset, length)
        except OSError as error:
            raise io_error(error, "allocate", self.uri, offset) from error
        if reserved:
            self._note_end(offset + length)
        else:
            self._grow_to(offset + length)

    def allocated(self) -> int:
        """Bytes that the file takes on its disk; a device takes all of it."""
        return self.size if self.is_device else os.fstat(self.fd).st_blocks * SECTOR

    def open_direct(self) -> int | None:
        """A new O_DIRECT descriptor of the same inode, or None if it offers none.

        The caller closes it. It holds no locks, and closing it drops none.
        """
        try:
            return self._open_again(os.O_DIRECT)
        except OSError as error:
            if error.errno in (errno.EINVAL, errno.EOPNOTSUPP):
                return None
            raise io_error(error, "open for direct I/O", self.uri, 0) from error

    def open_again(self) -> int:
        """A new descriptor of the same inode, with errors of its own to be told.

        The same goes for it as for the one of `open_direct`.
        """
        try:
            return self._open_again(0)
        except OSError as error:
            raise io_error(error, "open again", self.uri, 0) from error

    def _open_again(self, flags: int) -> int:
        access = os.O_RDWR if self.mode is Mode.WRITE else os.O_RDONLY
        return os.open(f"/proc/self/fd/{self.fd}", access | flags | os.O_CLOEXEC)

    def _check_usable(self) -> None:
        if self.fd < 0:
            closed = OSError(errno.EBADF, "the image is closed")
            raise io_error(closed, "use", self.uri, 0)
        if self._taint is not None:
            raise ServiceError(
                Kind.IO_ERROR,
                "An earlier flush of this image failed, what it holds is not known",
                operation="flush",
                uri=self.uri,
                errno=self._taint.facts.get("errno"),
            ) from self._taint

    def _shrunk(self, offset: int) -> ServiceError:
        return ServiceError(
            Kind.IO_ERROR,
            "The file ends before the place asked for; it was cut while it was open",
            operation="read",
            uri=self.uri,
            offset=offset,
            expected_size=self.size,
        )

    def _note_end(self, end: int) -> None:
        if end > self._size:
            with self._lock:
                self._size = max(self._size, end)

    def _grow_to(self, end: int) -> None:
        """Let the file end there at the earliest, its last byte being a zero.

        Not by truncate: another thread may have written past that end by now.
        """
        if end > self._size:
            self.pwrite(end - 1, b"\0")

    def _zero_range(self, offset: int, length: int, unmap: bool) -> bool:
        """Zero a range without writing it; False if this file cannot."""
        punch = Fallocate.PUNCH_HOLE | Fallocate.KEEP_SIZE
        if unmap and try_fallocate(self.fd, punch, offset, length):
            self._grow_to(offset + length)
            return True
        if try_fallocate(self.fd, Fallocate.ZERO_RANGE, offset, length):
            self._note_end(offset + length)
            return True
        return False

    def _write_zero_bytes(self, start: int, end: int) -> None:
        for offset, length in pieces(start, end - start, len(_ZEROS)):
            self.pwrite(offset, memoryview(_ZEROS)[:length])

    def _next_data(self, offset: int, end: int) -> tuple[int, int]:
        """Where the next data at or after `offset` starts and ends, up to `end`.

        The end of a long run is dear where the file system walks through all pages
        to find it (tmpfs, NFS), and who plans a pull asks for it piece by piece.
        """
        start, stop = self._found
        if start <= offset < stop:
            return offset, min(stop, end)
        try:
            data = os.lseek(self.fd, offset, os.SEEK_DATA)
            hole = os.lseek(self.fd, data, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:  # a hole up to the end of the file
                return self._hole_to(end, offset)
            if error.errno in (errno.EINVAL, errno.EOPNOTSUPP):
                return offset, end  # cannot tell: all of it counts as data
            raise io_error(error, "map", self.uri, offset) from error
        if self.mode is Mode.READ:
            self._found = (data, hole)
        return min(data, end), min(hole, end)

    def _hole_to(self, end: int, offset: int) -> tuple[int, int]:
        # Past the end of a file the answer is the same as in a hole, so a file
        # that was cut would read as zeros here.
        if not self.is_device and os.fstat(self.fd).st_size < end:
            raise self._shrunk(offset)
        return end, end


def open_raw(fd: int, uri: str, mode: Mode) -> RawNode:
    """A node on an open descriptor, which it owns from now on if this succeeds."""
    try:
        facts = _facts(fd)
    except OSError as error:
        raise io_error(error, "open", uri, 0) from error
    return RawNode(fd, uri, mode, facts)


def _facts(fd: int) -> _Facts:
    status = os.fstat(fd)
    identity = Identity.of(status)
    if not stat.S_ISBLK(status.st_mode):
        return _Facts(identity, status.st_size, False, 1)
    (size,) = struct.unpack("Q", fcntl.ioctl(fd, _BLKGETSIZE64, bytes(8)))
    (block,) = struct.unpack("i", fcntl.ioctl(fd, _BLKSSZGET, bytes(4)))
    return _Facts(identity, size, True, block)
