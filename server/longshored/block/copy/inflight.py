"""How much may be on its way to the disk: who writes more waits for what is oldest.

A buffered write returns at once, and the queue that it joins is as long as memory
is large. Whoever needs the disk then, a flush or the record of a pause, waits for
all of it, and a device gains nothing by more than some milliseconds of work.
"""

import threading
from collections import deque
from collections.abc import Callable

from ...units import MiB
from ..fallocate import UNSUPPORTED

# More is no faster, half as much is slower by 3 % (bench/pull.py at 2.3 GB/s). On a
# disk of 100 MB/s it is what a pause waits for: 0.2 s.
MOST = 16 * MiB

WriteBack = Callable[[int, int], None]


class InFlight:
    """The ranges of one file that were written last. Used by every worker at once."""

    def __init__(self, write_back: WriteBack, most: int = MOST) -> None:
        # Set once.
        self._write_back = write_back
        self._most = most
        # Guarded by _lock.
        self._lock = threading.Lock()
        self._ranges: deque[tuple[int, int]] = deque()
        self._length = 0

    def add(self, offset: int, length: int) -> None:
        """A range was written. OSError: there is no way to wait here."""
        for old in self._push(offset, length):
            self._wait(*old)

    def _push(self, offset: int, length: int) -> list[tuple[int, int]]:
        """Add a range; those that must be over now."""
        with self._lock:
            self._ranges.append((offset, length))
            self._length += length
            old = []
            while self._length > self._most:
                old.append(self._ranges.popleft())
                self._length -= old[-1][1]
            return old

    def _wait(self, offset: int, length: int) -> None:
        try:
            self._write_back(offset, length)
        except OSError as error:
            if error.errno in UNSUPPORTED:
                raise
            # A failure of the disk is told by the flush, to whom it is final.
