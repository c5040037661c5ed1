"""Bucket: how long must this request wait. No clock, no sleep, no lock inside.

The bucket counts what was booked and what was earned. A request books its bytes
and gets a ticket, its place in the line of all bytes; it may go when as much is
earned. So requests of many threads go in the order in which they booked, and a
new rate moves every ticket that still waits.

Threads wake late, all of them at once if the machine is busy. Two bounds make up
for that without a burst: time that was missed is earned all the same, but what
goes is spaced at a peak rate a little above the limit, so that the missed bytes
are spread over the next moments.
"""

from ..units import KiB, MiB, round_down

Ticket = int
"""A place in the line: the count of bytes (or operations) at its end."""

# The fullest window of 100 ms holds at most what the peak rate lets through, what
# may go early, and the requests that went before it and were over late, of which
# three are not rare where three threads copy: 104 + 1 + 4 ms worth, below 1.1 times its
# share. The 4 % also are the part of the time that may be lost and made good.
PEAK = 1.04
EARLY_SECONDS = 0.001
CHUNK_SECONDS = 0.0015

# The longest stall of threads that wait in the line that is made good.
STALL_SECONDS = 1.0
# What time without anybody in the line may earn. It must cover a slow request, or
# a single thread would pay for it twice, and the flush of a batch at 1 GB/s; and be
# small in ten seconds.
IDLE_SECONDS = 0.03

# One page is the least that is worth a request; past 1 MiB a request gains no
# more speed and delays a pause.
SMALLEST_CHUNK = 4 * KiB
LARGEST_CHUNK = 1 * MiB

# Less than this part of a byte, or of a second, is the rounding of floating point.
_ROUNDING = 1e-6


class Bucket:
    """`rate` is per second; None is unlimited. `burst` is in the same unit.

    A burst is what an idle moment saves up to go at once, and then there is no
    peak rate. Without one the flow is as smooth as it can be.
    """

    def __init__(self, rate: float | None = None, burst: float | None = None) -> None:
        self._rate = rate
        self._burst = burst
        self._booked = 0
        # What is earned, less what is booked: a small number stays exact where
        # two large ones would not.
        self._lead = 0.0
        self._seen: float | None = None
        # What was booked and has not gone; and when, at the peak rate, all that
        # has gone is through.
        self._waiting: dict[Ticket, int] = {}
        self._through = 0.0

    @property
    def rate(self) -> float | None:
        return self._rate

    def set(self, rate: float | None, burst: float | None, now: float) -> None:
        """Change the rate; what was earned until now was earned at the old one."""
        self._earn(now)
        if self._rate is not None and rate is not None:
            # The bytes that are not yet through take their time at the new rate.
            self._through = now + (self._through - now) * self._rate / rate
        self._rate, self._burst = rate, burst

    def book(self, count: int, now: float) -> Ticket:
        """Take a place in the line for so many bytes; wait or refund must follow."""
        self._earn(now)
        self._booked += count
        self._lead -= count
        ticket = self._booked
        self._waiting[ticket] = self._waiting.get(ticket, 0) + count
        return ticket

    def refund(self, ticket: Ticket, count: int) -> None:
        """Give back a place whose request will not happen: who is behind moves up."""
        self._lead += count
        if self._waiting.pop(ticket, None) is None and self._rate is not None:
            self._through -= count / (self._rate * PEAK)

    def wait(self, ticket: Ticket, now: float) -> float:
        """The seconds until the request of this ticket may go; 0: it goes now."""
        self._earn(now)
        wait = self._missing(ticket, now)
        if not wait:
            self._go(ticket, now)
        return wait

    def _missing(self, ticket: Ticket, now: float) -> float:
        """Seconds until enough is earned, and until what has gone is through."""
        if self._rate is None or ticket not in self._waiting:
            return 0.0
        unearned = (ticket - self._booked) - self._lead
        seconds = _above_rounding(unearned) / self._rate
        if self._burst is None:
            crowded = self._through - EARLY_SECONDS - now
            seconds = max(seconds, crowded)
        return _above_rounding(seconds)

    def _go(self, ticket: Ticket, now: float) -> None:
        count = self._waiting.pop(ticket, 0)
        if self._rate is not None:
            start = max(self._through, now - EARLY_SECONDS)
            self._through = start + count / (self._rate * PEAK)

    def _earn(self, now: float) -> None:
        seconds = 0.0 if self._seen is None else max(0.0, now - self._seen)
        self._seen = now if self._seen is None else max(self._seen, now)
        if self._rate is None:
            self._lead = 0.0  # a limit set later starts from here
            return
        earned = self._lead + seconds * self._rate
        self._lead = max(self._lead, min(earned, self._most_saved(self._rate)))

    def _most_saved(self, rate: float) -> float:
        if self._burst is not None:
            return self._burst
        return rate * (STALL_SECONDS if self._waiting else IDLE_SECONDS)


def _above_rounding(amount: float) -> float:
    return amount if amount > _ROUNDING else 0.0


def chunk_size(rate: float | None) -> int:
    """The request that suits a rate: small limits stay smooth, large ones fast."""
    if rate is None:
        return LARGEST_CHUNK
    wanted = round_down(int(rate * CHUNK_SECONDS), SMALLEST_CHUNK)
    return max(SMALLEST_CHUNK, min(LARGEST_CHUNK, wanted))
