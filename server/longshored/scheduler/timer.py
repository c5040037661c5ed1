"""One thread that rings when the next thing is due by the clock on the wall."""

import threading
from collections.abc import Callable

from ..clock import SECOND, Clock, Instant

# The clock on the wall may be set: a look now and then bounds what that costs.
LONGEST_SECONDS = 60.0


class Timer:
    def __init__(self, clock: Clock, ring: Callable[[], None]) -> None:
        # Set once.
        self._clock = clock
        self._ring = ring
        self._thread = threading.Thread(target=self._serve, name="timer", daemon=True)
        # Guarded by _lock.
        self._lock = threading.Lock()
        self._wakeup = threading.Event()
        self._due: Instant | None = None
        self._stopping = False

    def start(self) -> None:
        self._thread.start()

    def set(self, due: Instant | None) -> None:
        """Ring at this time; what was set before is forgotten."""
        with self._lock:
            is_sooner = due is not None and (self._due is None or due < self._due)
            self._due = due
            if is_sooner:
                self._wake_locked()

    def stop(self) -> None:
        with self._lock:
            self._stopping = True
            self._wake_locked()
        if self._thread.is_alive():
            self._thread.join()

    def _wake_locked(self) -> None:
        sleeping, self._wakeup = self._wakeup, threading.Event()
        sleeping.set()

    def _serve(self) -> None:
        while True:
            with self._lock:
                if self._stopping:
                    return
                wakeup, seconds = self._wakeup, self._left_locked()
                if seconds <= 0:
                    self._due = None
            if seconds <= 0:
                self._ring()
            else:
                self._clock.wait(wakeup, seconds)

    def _left_locked(self) -> float:
        if self._due is None:
            return LONGEST_SECONDS
        return min(LONGEST_SECONDS, (self._due - self._clock.wall()) / SECOND)
