"""Time as an argument: the one place that reads the machine's clocks."""

import threading
import time
from typing import Protocol

Instant = int
"""A point in time: nanoseconds since the Unix epoch, UTC."""

SECOND = 1_000_000_000
"""Nanoseconds in a second, for arithmetic on Instants."""


class Clock(Protocol):
    def now(self) -> float:
        """Seconds on a clock that never goes back; only differences mean anything."""

    def wall(self) -> Instant:
        """The time of day, to be shown and stored."""

    def wait(self, wakeup: threading.Event, seconds: float) -> bool:
        """Wait for the event, at most so long; True if it was set."""


class SystemClock:
    def now(self) -> float:
        return time.monotonic()

    def wall(self) -> Instant:
        return time.time_ns()

    def wait(self, wakeup: threading.Event, seconds: float) -> bool:
        return wakeup.wait(seconds)
