"""Bucket: how long must this request wait. No clock, no sleep, no lock inside.

The bucket counts what was booked and what was earned. Earning runs at the rate,
and may lead what is booked by at most the burst. A request books its bytes and
gets a ticket, its place in the line of all bytes; it may go when as much is
earned. So requests of many threads go in the order in which they booked, and a
new rate moves every ticket that still waits.
"""

from ..units import KiB, MiB, round_down

Ticket = int
"""A place in the line: the count of bytes (or operations) at its end."""

# What an idle moment may save up, and how much one request carries, in seconds
# of the rate. The fullest window of 100 ms holds at most the window, the burst
# and one request: 100 + 4 + 5 ms worth, which keeps it below 1.1 times its
# share. A smaller burst would lose rate whenever a thread wakes late.
DEFAULT_BURST_SECONDS = 0.004
CHUNK_SECONDS = 0.005

# One page is the least that is worth a request; past 1 MiB a request gains no
# more speed and delays a pause.
SMALLEST_CHUNK = 4 * KiB
LARGEST_CHUNK = 1 * MiB

# Less than this part of a byte is the rounding of floating point, not a debt.
_NOTHING = 1e-6


class Bucket:
    """`rate` is per second; None is unlimited. `burst` is in the same unit.

    Without a burst it is a few milliseconds' worth of the rate.
    """

    def __init__(self, rate: float | None = None, burst: float | None = None) -> None:
        self._rate = rate
        self._burst = burst
        self._booked = 0
        # What is earned, less what is booked: a small number stays exact where
        # two large ones would not.
        self._lead = 0.0
        self._seen: float | None = None

    @property
    def rate(self) -> float | None:
        return self._rate

    @property
    def burst(self) -> float:
        if self._rate is None:
            return 0.0
        default = self._rate * DEFAULT_BURST_SECONDS
        return default if self._burst is None else self._burst

    def set(self, rate: float | None, burst: float | None, now: float) -> None:
        """Change the rate; what was earned until now was earned at the old one."""
        self._earn(now)
        self._rate, self._burst = rate, burst

    def book(self, count: int, now: float) -> Ticket:
        """Take a place in the line for so many bytes."""
        self._earn(now)
        self._booked += count
        self._lead -= count
        return self._booked

    def refund(self, count: int) -> None:
        """Give back a place whose request will not happen: who is behind moves up."""
        self._lead += count

    def wait(self, ticket: Ticket, now: float) -> float:
        """The seconds until the request of this ticket may go; 0 if it may now."""
        self._earn(now)
        missing = (ticket - self._booked) - self._lead
        if self._rate is None or missing < _NOTHING:
            return 0.0
        return missing / self._rate

    def _earn(self, now: float) -> None:
        seconds = 0.0 if self._seen is None else max(0.0, now - self._seen)
        self._seen = now if self._seen is None else max(self._seen, now)
        if self._rate is None:
            self._lead = 0.0  # a limit set later starts from here
        else:
            self._lead = min(self._lead + seconds * self._rate, self.burst)


def chunk_size(rate: float | None) -> int:
    """The request that suits a rate: small limits stay smooth, large ones fast."""
    if rate is None:
        return LARGEST_CHUNK
    wanted = round_down(int(rate * CHUNK_SECONDS), SMALLEST_CHUNK)
    return max(SMALLEST_CHUNK, min(LARGEST_CHUNK, wanted))
