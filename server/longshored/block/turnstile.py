"""Turnstile: the gate of one job, where its threads wait for their turn."""

import threading
from collections.abc import Callable

from .levels import GO, Booking, Delay, Levels


class Turnstile:
    """Books, then waits outside the lock until every level lets the request go.

    `wait` returns after so many seconds, or earlier when a rate has changed, or
    raises what ends the job; then the place is given back.
    """

    def __init__(
        self,
        levels: Levels,
        lock: threading.Lock,
        now: Callable[[], float],
        wait: Callable[[float], None],
    ) -> None:
        # Set once. The lock is the daemon's one lock over all buckets.
        self._levels = levels
        self._lock = lock
        self._now = now
        self._wait = wait
        # Written by the threads that wait, for whoever shows it.
        self.last_delay: Delay = GO

    def enter(self, length: int) -> None:
        with self._lock:
            booking = self._levels.book(length, self._now())
        try:
            while (delay := self._delay(booking)) is not GO:
                self._wait(delay.seconds)
        except BaseException:
            with self._lock:
                self._levels.refund(booking)
            raise

    def chunk_size(self) -> int:
        """The request that suits the limits of this moment."""
        with self._lock:
            return self._levels.chunk_size()

    def _delay(self, booking: Booking) -> Delay:
        with self._lock:
            delay = self._levels.delay(booking, self._now())
        self.last_delay = delay
        return delay
