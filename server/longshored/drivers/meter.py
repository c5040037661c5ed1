"""What a running job reports of itself: counted by its threads, read by watchers."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from ..clock import Clock
from ..job.progress import LimitedBy, Phase, Progress, RateMeter
from ..job.ranges import RangeSet

NOTHING_YET = Progress()


class Meter:
    """Progress as the union of the ranges done, and where the time went."""

    def __init__(self, clock: Clock, start: Progress = NOTHING_YET) -> None:
        # Set once.
        self._clock = clock
        # Guarded by _lock.
        self._lock = threading.Lock()
        self._done = RangeSet()
        self._rate = RateMeter()
        self._progress = start
        self._spent = start.ledger
        self._began = clock.now() - start.elapsed
        self._rate.feed(clock.now(), 0)

    def expect(self, total: int, *, is_final: bool = True) -> None:
        """Say how much there is to do in all; what is done counts from the ranges."""
        with self._lock:
            self._progress = replace(
                self._progress, total=total, total_is_final=is_final
            )

    def phase(self, name: str, index: int, count: int) -> None:
        with self._lock:
            self._progress = replace(self._progress, phase=Phase(name, index, count))

    def done(self, start: int, length: int) -> None:
        """A range is done; twice counts once."""
        with self._lock:
            self._done.add(start, length)

    def count(
        self, *, read: int = 0, written: int = 0, zeroed: int = 0, skipped: int = 0
    ) -> None:
        """Bytes that crossed the disk, or did not have to."""
        with self._lock:
            before = self._progress
            self._progress = replace(
                before,
                read=before.read + read,
                written=before.written + written,
                zeroed=before.zeroed + zeroed,
                skipped=before.skipped + skipped,
            )

    def limited_by(self, what: LimitedBy) -> None:
        if self._progress.limited_by is not what:
            with self._lock:
                self._progress = replace(self._progress, limited_by=what)

    @contextmanager
    def time(self, account: str) -> Iterator[None]:
        """Book the time inside the block to an account of the Ledger."""
        began = self._clock.now()
        try:
            yield
        finally:
            self.spend(account, self._clock.now() - began)

    def spend(self, account: str, seconds: float) -> None:
        with self._lock:
            before: float = getattr(self._spent, account)
            self._spent = replace(self._spent, **{account: before + seconds})

    def sample(self) -> Progress:
        """The newest value; feeding the rate is part of looking."""
        with self._lock:
            now = self._clock.now()
            current = min(self._done.total, self._progress.total)
            self._rate.feed(now, current)
            self._progress = replace(
                self._progress,
                current=current,
                rate=self._rate.rate,
                estimate=self._rate.estimate(self._progress.total - current),
                elapsed=now - self._began,
                ledger=self._spent,
                sample_time=self._clock.wall(),
            )
            return self._progress
