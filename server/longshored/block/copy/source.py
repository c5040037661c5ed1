"""Where bytes to be copied come from: straight from the file of a link, or through
the chain where only the links themselves know how to read them."""

import os
from collections.abc import Sequence
from typing import Protocol

from .plan import Copy


class Readable(Protocol):
    """The part of a node that reading needs."""

    @property
    def size(self) -> int: ...
    def readinto(self, offset: int, buffer: memoryview) -> None: ...


class Source:
    """The files of a chain by depth, and the overlay that shows all of it."""

    def __init__(self, files: Sequence[Readable], through: Readable) -> None:
        self._files = tuple(files)
        self._through = through

    def read(self, copy: Copy, inside: int, buffer: memoryview) -> None:
        """Fill the buffer with the bytes of a copy from `inside` on, or raise."""
        if copy.host_offset is None:
            self._through.readinto(copy.start + inside, buffer)
            return
        file = self._files[copy.depth]
        offset = copy.host_offset + inside
        if offset + len(buffer) > file.size:
            # The last cluster of a qcow2 file may be cut short: its own node
            # knows what is behind.
            self._through.readinto(copy.start + inside, buffer)
            return
        file.readinto(offset, buffer)


def expect_sequential(fd: int) -> None:
    """Tell the kernel to read further ahead than it does on its own."""
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
