"""What the qcow2 writer asks of the file that holds an image.

The raw node is one; tests put a recorder in its place that loses what was not
flushed.
"""

from typing import Protocol

from ..node import Buffer


class HostFile(Protocol):
    @property
    def uri(self) -> str: ...
    @property
    def size(self) -> int: ...
    @property
    def is_device(self) -> bool:
        """A block device has the size it has; a file grows and shrinks."""

    def readinto(self, offset: int, buffer: memoryview) -> None: ...
    def pwrite(self, offset: int, data: Buffer) -> None: ...
    def flush(self) -> None: ...
    def truncate(self, size: int) -> None: ...
    def allocate(self, offset: int, length: int) -> None: ...
    def discard(self, offset: int, length: int) -> None:
        """The bytes are needed by nobody: their space may go back to the disk."""


def read_padded(host: HostFile, offset: int, length: int) -> bytearray:
    """Bytes of the file, zeros past its end: the last cluster may be cut short."""
    buffer = bytearray(length)
    inside = min(length, host.size - offset)
    if inside > 0:
        host.readinto(offset, memoryview(buffer)[:inside])
    return buffer
