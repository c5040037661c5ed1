"""Host space of an overlay, handed to the workers in order and without gaps."""

import threading
from collections.abc import Callable

from ...errors import Kind, ServiceError
from ...units import MiB, round_up

# Reserved in one step. Larger steps gain nothing (bench/pull.py); on a disk that
# is nearly full, smaller ones use more of what is left.
STEP = 64 * MiB
# Free space inside the file is used from this length on: what a killed attempt has
# left, but not every hole between two clusters of the guest.
LEAST = 1 * MiB


class Space:
    """Cuts reserved space into pieces. What a worker drops is a hole: free space.

    `reserve` is told how many bytes are wanted, and how many are the least that helps.
    """

    def __init__(self, reserve: Callable[[int, int], range], cluster: int) -> None:
        # Set once.
        self._reserve = reserve
        self._cluster = cluster
        # Guarded by _lock, the reserving too: its owner serves one thread.
        self._lock = threading.Lock()
        self._at = 0
        self._end = 0
        self._wanted = 0

    def expect(self, length: int) -> None:
        """How much will be asked for at most: no more than that is reserved."""
        with self._lock:
            self._wanted = length

    def take(self, length: int) -> int:
        """The offset of so many bytes side by side; raises NO_SPACE."""
        length = round_up(length, self._cluster)
        with self._lock:
            if self._end - self._at < length:
                self._grow_locked(length)
            offset = self._at
            self._at += length
            self._wanted -= length
            return offset

    def put_back(self, offset: int, length: int) -> None:
        """What came from `take` is not needed. It is cut again if it came last."""
        length = round_up(length, self._cluster)
        with self._lock:
            self._wanted += length
            if offset + length == self._at:
                self._at = offset

    def _grow_locked(self, length: int) -> None:
        step = max(length, min(STEP, round_up(self._wanted, self._cluster)))
        try:
            run = self._reserve(step, max(length, min(step, LEAST)))
        except ServiceError as error:
            if error.kind is not Kind.NO_SPACE or step == length:
                raise
            run = self._reserve(length, length)
        if run.start != self._end:
            self._at = run.start
        self._end = run.stop
