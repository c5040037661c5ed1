"""Who copies what next: a plan cut into shares, and what comes back undone.

A batch ends by bytes, by time, by the number of runs, or because someone closed
it. Nothing is lost at its end: what came back is handed out first in the next.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from ...units import GiB, round_down
from .plan import Copy, Request, Zero

Share = tuple[Copy, ...]


@dataclass(slots=True)
class Begun:
    """A cluster that takes several requests, because the limit is so low.

    `filled` bytes of it are done; they lie at `host`, or were all zeros so far.
    """

    copy: Copy
    host: int | None = None
    filled: int = 0


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """When a batch is full: what a crash may cost, and what publishing may hold."""

    length: int = 1 * GiB
    seconds: float = 2.0
    runs: int = 32_768  # some MiB of placements at the most


class Feed:
    """Hands out the work of one plan, to several threads."""

    def __init__(
        self, requests: Iterable[Request], cluster: int, now: Callable[[], float]
    ) -> None:
        # Set once.
        self.cluster = cluster
        self._now = now
        # Guarded by _lock.
        self._lock = threading.Lock()
        self._requests: Iterator[Request] = iter(requests)
        self._ahead: Request | None = next(self._requests, None)
        self._returned: deque[Copy] = deque()
        self._alone: deque[Copy] = deque()
        self._begun: deque[Begun] = deque()
        self._zeros: list[Zero] = []
        self._limits = BatchLimits()
        self._deadline = 0.0
        self._left = 0
        self._runs_left = 0
        self._open = False
        # How deep in the chain the copy lies that was handed out last; 0: none yet.
        # Written under _lock, read without.
        self.depth = 0

    @property
    def is_done(self) -> bool:
        """True if nothing is left, neither planned nor returned."""
        with self._lock:
            return self._ahead is None and not (
                self._returned or self._alone or self._begun or self._zeros
            )

    def open(self, limits: BatchLimits) -> None:
        """Begin a batch."""
        with self._lock:
            self._limits = limits
            self._deadline = self._now() + limits.seconds
            self._left = limits.length
            self._runs_left = limits.runs
            self._open = True

    def close(self) -> None:
        """End the batch: from now on nobody gets anything."""
        with self._lock:
            self._open = False

    def take_begun(self) -> Begun | None:
        """A cluster that somebody began and did not finish."""
        with self._lock:
            if not (self._is_open_locked() and self._begun):
                return None
            self._left -= self._begun[0].copy.length
            return self._begun.popleft()

    def take(self, largest: int) -> Share:
        """Up to `largest` bytes, but at least a cluster; empty: the batch is over.

        Whole clusters, except that the last copy may end inside one.
        """
        with self._lock:
            if not self._is_open_locked():
                return ()
            if self._alone:
                share = [self._alone.popleft()]
            else:
                largest = max(min(largest, self._left), self.cluster)
                share = self._gather_locked(largest)
            self._left -= sum(copy.length for copy in share)
            self._runs_left -= len(share)
            if share:
                self.depth = share[-1].depth or self.depth
            return tuple(share)

    def take_zeros(self) -> list[Zero]:
        """The zeros that the plan passed; they need no worker."""
        with self._lock:
            zeros, self._zeros = self._zeros, []
            return zeros

    def give_back(self, copies: Iterable[Copy]) -> None:
        """Not done; somebody else may try."""
        with self._lock:
            self._returned.extend(copies)

    def give_back_begun(self, begun: Begun) -> None:
        with self._lock:
            self._begun.append(begun)

    def give_back_alone(self, copies: Iterable[Copy]) -> None:
        """Not done; each must be tried apart, to see which one it is that fails."""
        with self._lock:
            self._alone.extend(copies)

    def _is_open_locked(self) -> bool:
        self._open = (
            self._open
            and self._left > 0
            and self._runs_left > 0
            and self._now() < self._deadline
        )
        return self._open

    def _gather_locked(self, largest: int) -> list[Copy]:
        share: list[Copy] = []
        room = largest
        while room >= self.cluster:
            copy = self._next_locked(round_down(room, self.cluster))
            if copy is None:
                break
            share.append(copy)
            room -= copy.length
            if copy.length % self.cluster:
                # Whatever comes next must start at a host cluster of its own.
                break
        return share

    def _next_locked(self, largest: int) -> Copy | None:
        """The next copy, cut to `largest`; the rest of it stays."""
        if self._returned:
            copy = self._returned.popleft()
            copy, rest = _cut(copy, largest)
            if rest is not None:
                self._returned.appendleft(rest)
            return copy
        self._pass_zeros_locked()
        if not isinstance(self._ahead, Copy):
            return None
        copy, self._ahead = _cut(self._ahead, largest)
        if self._ahead is None:
            self._ahead = next(self._requests, None)
        return copy

    def _pass_zeros_locked(self) -> None:
        while isinstance(self._ahead, Zero) and self._runs_left > 0:
            self._zeros.append(self._ahead)
            self._runs_left -= 1
            self._ahead = next(self._requests, None)


def _cut(copy: Copy, largest: int) -> tuple[Copy, Copy | None]:
    return (copy, None) if copy.length <= largest else copy.split(largest)
