"""How far a job is: the sample that watchers see; rate and ETA from samples."""

import math
from dataclasses import dataclass
from enum import Enum

from ..clock import Instant
from .replace import replace


class Unit(Enum):
    BYTES = "bytes"
    ITEMS = "items"


class LimitedBy(Enum):
    """What holds a job back at the moment."""

    NOTHING = "nothing"
    SOURCE = "source"
    TARGET = "target"
    JOB_RATE = "job-rate"
    GROUP = "group"
    DEVICE = "device"
    DAEMON = "daemon"
    WINDOW = "window"


@dataclass(frozen=True, slots=True)
class Ledger:
    """Where a job's time went, seconds each. Workers side by side add up."""

    queued: float = 0.0
    hold_wait: float = 0.0
    throttled: float = 0.0
    reading: float = 0.0
    writing: float = 0.0
    flushing: float = 0.0
    paused: float = 0.0


@dataclass(frozen=True, slots=True)
class Phase:
    name: str = ""
    index: int = 0  # from 1; 0 = no phases
    count: int = 0


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds that are left, as a range, and what it rests on."""

    low: float
    high: float
    basis: str


@dataclass(frozen=True, slots=True)
class Progress:
    """A sample. `current` is a union of ranges done: never above `total`.

    The byte counters say what the work cost: `read` and `written` crossed the
    disk, `zeroed` became zero clusters or holes, `reflinked` share the blocks of the
    source, `skipped` needed nothing.
    """

    unit: Unit = Unit.BYTES
    current: int = 0
    total: int = 0
    total_is_final: bool = False
    phase: Phase = Phase()
    rate: float = 0.0  # units a second, smoothed
    estimate: Estimate | None = None
    elapsed: float = 0.0
    ledger: Ledger = Ledger()
    limited_by: LimitedBy = LimitedBy.NOTHING
    read: int = 0
    written: int = 0
    zeroed: int = 0
    reflinked: int = 0
    skipped: int = 0
    sample_time: Instant = 0

    @property
    def fraction(self) -> float | None:
        """0.0 to 1.0, or None while the total is unknown."""
        return self.current / self.total if self.total else None


def at_rest(progress: Progress) -> Progress:
    """Nothing moves: no rate, nothing to expect from it, nothing that limits it."""
    resting = replace(progress, rate=0.0, estimate=None, limited_by=LimitedBy.NOTHING)
    return progress if resting == progress else resting


def short_of_all(progress: Progress) -> Progress:
    """As a job shows it that did not succeed. All may have been copied, but nobody can
    see the result: the last unit stays undone, so that nothing that divides the two
    says 100 % of a failed job."""
    if not 0 < progress.total <= progress.current:
        return progress
    return replace(progress, current=progress.total - 1)


# A rate looks back about so long: a shorter memory makes the ETA jump with every
# flush, a longer one answers a changed speed too late.
RATE_MEMORY_SECONDS = 5.0

# The spread is one between such spans: a limit lets requests through one by one, and
# between two looks there may have been two or none.
SPREAD_SECONDS = 1.0


# Nobody waits for what is farther off: it does not move.
LONGEST_ESTIMATE_SECONDS = 90 * 86_400


class RateMeter:
    """A smoothed rate from (time, amount) samples; knows its own spread.

    The memory is exponential in time, not in samples, so it does not matter
    how often it is fed. What is older than the first sample has no weight: young, it
    is the mean of all that it has seen.
    """

    def __init__(self) -> None:
        self._seen: tuple[float, int] | None = None
        self._moved = self._lasted = 0.0  # both fade alike
        self._span_moved = self._span_lasted = 0.0
        self.spread = 0.0  # mean absolute deviation, units a second

    @property
    def rate(self) -> float:
        return self._moved / self._lasted if self._lasted else 0.0

    def feed(self, now: float, amount: int) -> None:
        if self._seen is None:
            self._seen = (now, amount)
            return
        before, last = self._seen
        gap, moved = now - before, max(0, amount - last)
        if gap <= 0:
            return
        self._seen = (now, amount)
        kept = math.exp(-gap / RATE_MEMORY_SECONDS)
        self._moved = self._moved * kept + moved
        self._lasted = self._lasted * kept + gap
        self._feed_spread(gap, moved)

    def _feed_spread(self, gap: float, moved: int) -> None:
        self._span_lasted += gap
        self._span_moved += moved
        if self._span_lasted < SPREAD_SECONDS:
            return
        deviation = abs(self._span_moved / self._span_lasted - self.rate)
        weight = min(1.0, self._span_lasted / RATE_MEMORY_SECONDS)
        self.spread += weight * (deviation - self.spread)
        self._span_lasted = self._span_moved = 0.0

    def estimate(self, left: int) -> Estimate | None:
        """Seconds for what is left, or None while nothing has moved, or so slowly that
        it says nothing: the rate of what stands still fades and is never zero."""
        if left > self.rate * LONGEST_ESTIMATE_SECONDS or not self.rate:
            return None
        slow = max(self.rate - self.spread, self.rate / 4)
        fast = self.rate + self.spread
        return Estimate(left / fast, left / slow, "recent rate")
