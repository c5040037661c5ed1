"""A clock that stands still until a test moves it."""

import threading

from longshored.clock import SECOND, Instant

# How often a waiter looks, in real seconds, whether the fake time has come.
_LOOK = 0.002

# Monday, 1 January 2024, 00:00 UTC.
MONDAY: Instant = 1_704_067_200 * SECOND


class FakeClock:
    """Both clocks move only by `advance`; whoever waits then wakes by itself."""

    def __init__(self, wall: Instant = MONDAY) -> None:
        # Guarded by _lock; _asleep tells of those who begin to wait.
        self._lock = threading.Lock()
        self._asleep = threading.Condition(self._lock)
        self._sleepers: list[float] = []
        self._now = 0.0
        self._begin = wall

    def now(self) -> float:
        with self._lock:
            return self._now

    def wall(self) -> Instant:
        return self._begin + round(self.now() * SECOND)

    def wait(self, wakeup: threading.Event, seconds: float) -> bool:
        until = self.now() + seconds
        with self._lock:
            self._sleepers.append(seconds)
            self._asleep.notify_all()
        try:
            while not wakeup.wait(_LOOK):
                if self.now() >= until:
                    return False
            return True
        finally:
            with self._lock:
                self._sleepers.remove(seconds)

    def wait_for_sleeper(self, seconds: float, patience: float = 20.0) -> None:
        """Wait, in real time, until somebody waits for just so long."""
        with self._lock:
            assert self._asleep.wait_for(lambda: seconds in self._sleepers, patience)

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._now += seconds


class SteppingClock(FakeClock):
    """Time passes exactly by what is waited, for one waiter and no real time."""

    def wait(self, wakeup: threading.Event, seconds: float) -> bool:
        if not wakeup.is_set():
            self.advance(seconds)
        return wakeup.is_set()
