"""Who may fill the page cache now: a few writers for each disk, whatever the pulls.

A buffered write is a copy by the processor. More of them at once than there are
processors bring no byte sooner to the disk, and make the rest of the daemon late: its
event loop waits in the same line. What waits for a disk instead takes no turn.
"""

import os
import threading
from weakref import WeakValueDictionary

# One disk is kept busy by two; more than four threads crowd the interpreter's lock.
_FEWEST, _MOST = 2, 4


class Turns:
    """The turns of every disk. One for all that copy; safe for threads."""

    def __init__(self, each: int | None = None) -> None:
        """`each`: how many writers at once; else as many as there are processors."""
        # Set once.
        cpus = len(os.sched_getaffinity(0))
        self._each = each or max(_FEWEST, min(_MOST, cpus))
        # Guarded by _lock.
        self._lock = threading.Lock()
        self._of: WeakValueDictionary[int, threading.Semaphore] = WeakValueDictionary()

    def of(self, device: int) -> threading.Semaphore:
        """The turns of one disk, as st_dev or st_rdev names it."""
        with self._lock:
            turns = self._of.get(device)
            if turns is None:
                turns = self._of[device] = threading.Semaphore(self._each)
            return turns
