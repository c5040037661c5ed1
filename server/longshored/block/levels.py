"""Levels: buckets one above the other, all of which a request must pass.

daemon → device → group → job, each with bytes and operations per second. A level
is shared by all the jobs under it; one lock guards all the buckets of a daemon.
"""

from dataclasses import dataclass
from enum import Enum

from .bucket import Bucket, Ticket, chunk_size


class Scope(Enum):
    """Whose limit a level is."""

    DAEMON = "daemon"
    DEVICE = "device"
    GROUP = "group"
    JOB = "job"


@dataclass(frozen=True, slots=True)
class Rates:
    """The limits of one level; None is unlimited. Bursts None: a few ms' worth."""

    bytes_per_second: float | None = None
    burst_bytes: float | None = None
    operations_per_second: float | None = None
    burst_operations: float | None = None


UNLIMITED = Rates()


class Level:
    """The two buckets of one daemon, device, group or job."""

    def __init__(self, scope: Scope, rates: Rates = UNLIMITED) -> None:
        self.scope = scope
        self.bytes = Bucket(rates.bytes_per_second, rates.burst_bytes)
        self.operations = Bucket(rates.operations_per_second, _burst_operations(rates))

    def set(self, rates: Rates, now: float) -> None:
        """Change the limits; requests that wait must ask again."""
        self.bytes.set(rates.bytes_per_second, rates.burst_bytes, now)
        self.operations.set(rates.operations_per_second, _burst_operations(rates), now)


@dataclass(frozen=True, slots=True)
class Delay:
    """How long to wait, and which level is the reason (None: no wait)."""

    seconds: float
    limited_by: Scope | None


GO = Delay(0.0, None)


@dataclass(frozen=True, slots=True)
class Booking:
    """The tickets of one request, level by level: bytes and operations."""

    length: int
    tickets: tuple[tuple[Ticket, Ticket], ...]


@dataclass(frozen=True, slots=True)
class Levels:
    """All levels above one job, the job's own included."""

    levels: tuple[Level, ...]

    def book(self, length: int, now: float) -> Booking:
        """Take a place in every line for one request of so many bytes."""
        return Booking(
            length,
            tuple(
                (level.bytes.book(length, now), level.operations.book(1, now))
                for level in self.levels
            ),
        )

    def delay(self, booking: Booking, now: float) -> Delay:
        """The longest wait that any level demands."""
        longest = GO
        for level, (last_byte, operation) in zip(
            self.levels, booking.tickets, strict=True
        ):
            seconds = max(
                level.bytes.wait(last_byte, now), level.operations.wait(operation, now)
            )
            if seconds > longest.seconds:
                longest = Delay(seconds, level.scope)
        return longest

    def refund(self, booking: Booking) -> None:
        """Give every place back."""
        for level in self.levels:
            level.bytes.refund(booking.length)
            level.operations.refund(1)

    def chunk_size(self) -> int:
        """The request that suits the tightest level."""
        return min(
            (chunk_size(level.bytes.rate) for level in self.levels),
            default=chunk_size(None),
        )


def _burst_operations(rates: Rates) -> float | None:
    # Less than one whole operation could never be saved up.
    rate = rates.operations_per_second
    return 1.0 if rates.burst_operations is None and rate else rates.burst_operations
