"""What a running job reports of itself: counted by its threads, read by watchers."""

import threading
from dataclasses import asdict, replace

from ..clock import SECOND, Clock, Instant
from ..job.progress import Ledger, LimitedBy, Phase, Progress, RateMeter, at_rest
from ..job.ranges import RangeSet

NOTHING_YET = Progress()


class Meter:
    """Progress as the union of the ranges done, and where the time went.

    What every request counts is added up in place; a value is made when one is asked
    for. `since` is when the job first started, maybe in an earlier life of the daemon.
    """

    def __init__(
        self,
        clock: Clock,
        start: Progress = NOTHING_YET,
        since: Instant | None = None,
    ) -> None:
        # Set once.
        self._clock = clock
        self._since = clock.wall() if since is None else since
        # Guarded by _lock.
        self._lock = threading.Lock()
        self._done = RangeSet()
        self._before = start.current
        self._progress = start
        self._limited_by = LimitedBy.NOTHING
        self._spent: dict[str, float] = asdict(start.ledger)
        self._read, self._written = start.read, start.written
        self._zeroed, self._reflinked = start.zeroed, start.reflinked
        self._skipped = start.skipped
        self._rests = False
        self._paused_at: float | None = None
        self._rate = self._new_rate_locked()

    def expect(self, total: int, *, before: int = 0, is_final: bool = True) -> None:
        """Say how much there is to do in all, and how much earlier attempts did of it;
        the rest counts from the ranges."""
        with self._lock:
            self._rate = self._new_rate_locked()  # to look what there is took its time
            self._before = before
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
        self,
        *,
        read: int = 0,
        written: int = 0,
        zeroed: int = 0,
        reflinked: int = 0,
        skipped: int = 0,
    ) -> None:
        """Bytes that crossed the disk, or did not have to."""
        with self._lock:
            self._read += read
            self._written += written
            self._zeroed += zeroed
            self._reflinked += reflinked
            self._skipped += skipped

    def limited_by(self, what: LimitedBy) -> None:
        # One assignment: the last one to say so is right, whoever else is at it.
        self._limited_by = what

    def spend(self, account: str, seconds: float) -> None:
        """Book time to an account of the Ledger."""
        with self._lock:
            self._spent[account] += seconds

    def rest(self, *, is_paused: bool = False) -> None:
        """The job does not work: there is no rate until it goes on, and if it is
        paused its time counts as that."""
        with self._lock:
            if self._rests:
                return
            self._rests = True
            if is_paused:
                self._paused_at = self._clock.now()

    def go_on(self) -> None:
        """It works again. Its rate begins anew: the time it stood is no part of it."""
        with self._lock:
            if not self._rests:
                return
            self._rests = False
            self._spent["paused"] += self._pause_locked()
            self._paused_at = None
            self._limited_by = LimitedBy.NOTHING
            self._rate = self._new_rate_locked()

    def limits_changed(self) -> None:
        """What it did under the old limits says nothing of its rate."""
        with self._lock:
            self._rate = self._new_rate_locked()

    def sample(self) -> Progress:
        """The newest value; feeding the rate is part of looking."""
        with self._lock:
            now, wall = self._clock.now(), self._clock.wall()
            paused = self._spent["paused"] + self._pause_locked()
            current = min(self._before + self._done.total, self._progress.total)
            # What earlier attempts did is not fed: it did not move just now.
            self._rate.feed(now, self._done.total)
            progress = replace(
                self._progress,
                current=current,
                rate=self._rate.rate,
                estimate=self._rate.estimate(self._progress.total - current),
                # The time of day may go back; what was shown does not.
                elapsed=max(self._progress.elapsed, (wall - self._since) / SECOND),
                ledger=Ledger(**self._spent | {"paused": paused}),
                limited_by=self._limited_by,
                read=self._read,
                written=self._written,
                zeroed=self._zeroed,
                reflinked=self._reflinked,
                skipped=self._skipped,
                sample_time=wall,
            )
            self._progress = at_rest(progress) if self._rests else progress
            return self._progress

    def _new_rate_locked(self) -> RateMeter:
        rate = RateMeter()
        rate.feed(self._clock.now(), self._done.total)
        return rate

    def _pause_locked(self) -> float:
        """How long the pause under way has lasted."""
        return 0.0 if self._paused_at is None else self._clock.now() - self._paused_at
