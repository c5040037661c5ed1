"""MemoryNode: a whole node in RAM, with holes. For tests, benches and scratch."""

import threading
from collections.abc import Iterator

from ..errors import Kind, ServiceError
from ..units import KiB
from .extent import Data, Extent, merge
from .iszero import is_zero
from .node import Buffer, Limits, Mode


class MemoryNode:
    """Bytes in blocks; a block that was never written, or unmapped, is a hole.

    As with a file, writing past the end makes the node grow.
    """

    limits = Limits()

    def __init__(
        self,
        size: int,
        *,
        uri: str = "memory:",
        mode: Mode = Mode.WRITE,
        block: int = 4 * KiB,
    ) -> None:
        # Set once.
        self.uri = uri
        self.mode = mode
        self._block = block
        # Guarded by _lock.
        self._lock = threading.Lock()
        self._size = size
        self._blocks: dict[int, bytearray] = {}
        self._closed = False

    @property
    def size(self) -> int:
        return self._size

    def readinto(self, offset: int, buffer: memoryview) -> None:
        with self._lock:
            self._check_open_locked("read", offset)
            if offset + len(buffer) > self._size:
                raise self._error("read", offset, "The read passes the end")
            done = 0
            for index, start, length in self._parts(offset, len(buffer)):
                block = self._blocks.get(index)
                view = buffer[done : done + length]
                view[:] = block[start : start + length] if block else bytes(length)
                done += length

    def pwrite(self, offset: int, data: Buffer) -> None:
        view = memoryview(data).cast("B")
        with self._lock:
            self._check_open_locked("write", offset)
            done = 0
            for index, start, length in self._parts(offset, len(view)):
                block = self._blocks.setdefault(index, bytearray(self._block))
                block[start : start + length] = view[done : done + length]
                done += length
            self._size = max(self._size, offset + len(view))

    def write_zeroes(self, offset: int, length: int, *, unmap: bool = True) -> None:
        with self._lock:
            self._check_open_locked("write zeroes", offset)
            for index, start, count in self._parts(offset, length):
                whole = count == self._block
                if unmap and (whole or index not in self._blocks):
                    self._blocks.pop(index, None)
                else:
                    block = self._blocks.setdefault(index, bytearray(self._block))
                    block[start : start + count] = bytes(count)
            self._size = max(self._size, offset + length)

    def discard(self, offset: int, length: int) -> None:
        self.write_zeroes(offset, length)

    def extents(self, offset: int = 0, length: int | None = None) -> Iterator[Extent]:
        with self._lock:
            self._check_open_locked("map", offset)
            count = self._size - offset if length is None else length
            found = [
                self._extent_locked(index, start, step)
                for index, start, step in self._parts(offset, count)
            ]
        yield from merge(found)

    def flush(self) -> None:
        with self._lock:
            self._check_open_locked("flush", 0)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._blocks.clear()

    def truncate(self, size: int) -> None:
        """Cut or grow; what is cut off reads as zeros when it comes back."""
        if size < self._size:
            self.write_zeroes(size, self._size - size)
        with self._lock:
            self._size = size

    def allocated(self) -> int:
        """Bytes held in blocks."""
        return len(self._blocks) * self._block

    def _parts(self, offset: int, length: int) -> Iterator[tuple[int, int, int]]:
        """Cut a range at the blocks: (block, start inside it, length)."""
        end = offset + length
        while offset < end:
            index, start = divmod(offset, self._block)
            step = min(self._block - start, end - offset)
            yield index, start, step
            offset += step

    def _extent_locked(self, index: int, start: int, length: int) -> Extent:
        at = index * self._block + start
        block = self._blocks.get(index)
        if block is None or is_zero(memoryview(block)[start : start + length]):
            return Extent(at, length, Data.ZERO)
        return Extent(at, length, Data.RAW, host_offset=at)

    def _check_open_locked(self, operation: str, offset: int) -> None:
        if self._closed:
            raise self._error(operation, offset, "The image is closed")

    def _error(self, operation: str, offset: int, text: str) -> ServiceError:
        return ServiceError(
            Kind.IO_ERROR, text, operation=operation, uri=self.uri, offset=offset
        )
