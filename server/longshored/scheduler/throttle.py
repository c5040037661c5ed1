"""The limits over a job: daemon, device, group, job; each shared by all below it.

A request books a place in the line of every level that has a limit and waits
for the slowest. The buckets know how long; who waits is `control`. A level may
change while requests wait in its line: they are told to look again.
"""

import threading
from collections import Counter
from dataclasses import dataclass

from ..block.bucket import LARGEST_CHUNK, Bucket, Ticket, chunk_size
from ..job.model import Group, Job, RateLimit
from ..job.progress import LimitedBy

UNLIMITED = RateLimit()


class Level:
    """One place in the hierarchy: bytes and operations, average and burst."""

    def __init__(self, name: LimitedBy, limit: RateLimit = UNLIMITED) -> None:
        self.name = name
        self.limit = limit
        self.bytes = Bucket(limit.speed_bytes_per_second, limit.burst_bytes)
        self.operations = Bucket(limit.iops, limit.burst_operations)

    @property
    def is_limited(self) -> bool:
        return self.bytes.rate is not None or self.operations.rate is not None

    def set(self, limit: RateLimit, now: float) -> None:
        if limit == self.limit:
            return
        self.limit = limit
        self.bytes.set(limit.speed_bytes_per_second, limit.burst_bytes, now)
        self.operations.set(limit.iops, limit.burst_operations, now)


@dataclass(frozen=True, slots=True)
class Place:
    """A request's place in the line of one bucket."""

    level: LimitedBy
    bucket: Bucket
    count: int
    ticket: Ticket


Booking = tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class Delay:
    """How long a request has to wait yet, and for which level."""

    seconds: float
    level: LimitedBy


GO = Delay(0.0, LimitedBy.NOTHING)


class Throttle:
    """All levels over one job. The lock is that of every job's: levels are shared."""

    def __init__(
        self,
        shared: tuple[Level, ...],
        group: Level | None,
        own: Level,
        lock: threading.Lock,
    ) -> None:
        # Set once.
        self._group = group
        self._own = own
        self._levels = (*shared, *([] if group is None else [group]), own)
        self._lock = lock

    @property
    def is_open(self) -> bool:
        """No level has a limit now. Looked at without the lock: a glance that is
        late by one request does no harm."""
        return not any(level.is_limited for level in self._levels)

    @property
    def limits(self) -> tuple[RateLimit, ...]:
        """What holds for the job now, from the daemon's down to its own."""
        with self._lock:
            return tuple(level.limit for level in self._levels)

    def book(self, length: int, now: float) -> Booking:
        with self._lock:
            return tuple(
                Place(level.name, bucket, count, bucket.book(count, now))
                for level in self._levels
                for bucket, count in ((level.bytes, length), (level.operations, 1))
                if bucket.rate is not None
            )

    def delay(self, booking: Booking, now: float) -> Delay:
        """The longest wait and the level it is for; none for no wait."""
        with self._lock:
            longest = GO
            for place in booking:
                seconds = place.bucket.wait(place.ticket, now)
                if seconds > longest.seconds:
                    longest = Delay(seconds, place.level)
            return longest

    def refund(self, booking: Booking) -> None:
        with self._lock:
            for place in booking:
                place.bucket.refund(place.ticket, place.count)

    def chunk(self, largest: int) -> int:
        """What keeps the slowest level smooth."""
        if self.is_open:
            return min(largest, LARGEST_CHUNK)
        with self._lock:
            rates = [level.bytes.rate for level in self._levels if level.bytes.rate]
        return min(largest, chunk_size(min(rates, default=None)))

    def follow(self, job: Job, now: float) -> None:
        """Take over what the job says of its own limit and of its group's."""
        with self._lock:
            self._own.set(job.options.rate, now)
            if self._group is not None and job.group is not None:
                self._group.set(job.group.rate, now)


class Throttles:
    """The levels that jobs share: one of the daemon, one a device, one a group."""

    def __init__(self, daemon: RateLimit, device: RateLimit) -> None:
        # Set once.
        self._daemon = Level(LimitedBy.DAEMON, daemon)
        # Guarded by _lock, and so is every level.
        self._lock = threading.Lock()
        self._device_rate = device
        self._devices: dict[str, Level] = {}
        self._groups: dict[str, Level] = {}
        self._members: Counter[str] = Counter()

    def join(self, job: Job) -> Throttle:
        """The throttle of a job that is about to run. Each device is charged once."""
        devices = sorted({node.device for node in job.nodes if node.device})
        with self._lock:
            shared = (self._daemon, *map(self._device_locked, devices))
            group = None if job.group is None else self._group_locked(job.group)
        own = Level(LimitedBy.JOB_RATE, job.options.rate)
        return Throttle(shared, group, own, self._lock)

    def leave(self, job: Job) -> None:
        """The job is over; the last of a group takes the group's level with it."""
        if job.group is None:
            return
        group_id = job.group.group_id
        with self._lock:
            self._members[group_id] -= 1
            if not self._members[group_id]:
                del self._members[group_id], self._groups[group_id]

    def limit_daemon(self, limit: RateLimit, now: float) -> None:
        with self._lock:
            self._daemon.set(limit, now)

    def limit_device(self, device: str, limit: RateLimit, now: float) -> None:
        with self._lock:
            self._device_locked(device).set(limit, now)

    def limit_new_devices(self, limit: RateLimit) -> None:
        """What a device begins with that no job has run on yet."""
        with self._lock:
            self._device_rate = limit

    def devices(self) -> list[str]:
        """Those that jobs have run on, or that were limited."""
        with self._lock:
            return sorted(self._devices)

    def _device_locked(self, name: str) -> Level:
        if name not in self._devices:
            self._devices[name] = Level(LimitedBy.DEVICE, self._device_rate)
        return self._devices[name]

    def _group_locked(self, group: Group) -> Level:
        self._members[group.group_id] += 1
        if group.group_id not in self._groups:
            self._groups[group.group_id] = Level(LimitedBy.GROUP, group.rate)
        return self._groups[group.group_id]
