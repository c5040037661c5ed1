"""Limits of the daemon and of devices: configured, and changed live by calls.

What a call sets is durable before it acts, and then acts at once: requests that
wait in the lines of a level look again. Field by field it goes before what is
configured, until it is taken away.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from ..clock import Clock
from ..job.model import RateLimit
from ..job.replace import replace
from ..store.journal import Journal
from ..store.limits import SetLimit
from ..store.reader import Reader
from ..store.transaction import Transaction
from .newjob import Caller, check_rate, invalid
from .throttle import UNLIMITED, Throttles

DAEMON = ""
"""Stands where devices stand, for the daemon as a whole."""

Change = Callable[[RateLimit], RateLimit]


@dataclass(frozen=True, slots=True)
class SharedLimit:
    """The limit of one level, and where it comes from."""

    device: str
    configured: RateLimit
    given: SetLimit | None = None

    @property
    def rate(self) -> RateLimit:
        """What holds. A burst without its rate, left by new settings, is nothing."""
        both = _laid_over(self.configured, self.given)
        if both.speed_bytes_per_second is None:
            both = replace(both, burst_bytes=None)
        return both if both.iops is not None else replace(both, burst_operations=None)

    def changed(self, change: Change, actor: str, now: int) -> "SharedLimit":
        """With what was given changed; raises FIELD_INVALID if that cannot hold."""
        before = UNLIMITED if self.given is None else self.given.rate
        after = change(before)
        if after == before:
            return self
        given = None if after == UNLIMITED else SetLimit(after, actor, now)
        both = _laid_over(self.configured, given)
        if violations := tuple(check_rate(both, "rate_limit")):
            raise invalid(violations)
        return replace(self, given=given)


def _laid_over(configured: RateLimit, given: SetLimit | None) -> RateLimit:
    if given is None:
        return configured
    set_fields = {
        field.name: value
        for field in fields(RateLimit)
        if (value := getattr(given.rate, field.name)) is not None
    }
    return replace(configured, **set_fields)


class SharedLimits:
    """Every limit above groups. Calls block until what they set is durable."""

    def __init__(
        self,
        *,
        daemon: RateLimit,
        device: RateLimit,
        journal: Journal,
        reader: Reader,
        throttles: Throttles,
        clock: Clock,
        wake: Callable[[], None],
    ) -> None:
        """`wake` makes every waiting request look at its delay again."""
        # Set once.
        self._journal = journal
        self._reader = reader
        self._throttles = throttles
        self._clock = clock
        self._wake = wake
        # Held while one change is stored and taken over, so that what acts is what
        # was stored last. Replaced as a whole, each; read without the lock.
        self._lock = threading.Lock()
        self._configured_daemon = daemon
        self._configured_device = device
        self._given: Mapping[str, SetLimit] = {}

    def load(self) -> None:
        """Take over what earlier lives of the daemon were given."""
        self._given = self._reader.limits()
        for device in self._given:
            self._act(self.get(device))

    def configure(self, *, daemon: RateLimit, device: RateLimit) -> None:
        """Take over other settings; they act at once, below what calls have set."""
        with self._lock:
            self._configured_daemon = daemon
            self._configured_device = device
            self._throttles.limit_new_devices(device)
            for limit in self.all():
                self._act(limit)
            self._wake()

    def get(self, device: str) -> SharedLimit:
        configured = (
            self._configured_daemon if device == DAEMON else self._configured_device
        )
        return SharedLimit(device, configured, self._given.get(device))

    def all(self) -> list[SharedLimit]:
        """The daemon's, and of every device that jobs ran on or that was given one."""
        devices = {*self._throttles.devices(), *self._given} - {DAEMON}
        return [self.get(device) for device in (DAEMON, *sorted(devices))]

    def update(self, device: str, change: Change, caller: Caller) -> SharedLimit:
        with self._lock:
            before = self.get(device)
            limit = before.changed(change, caller.name, self._clock.wall())
            if limit != before:
                self._journal.run(_stored(limit))
                self._take_over(limit)
        return limit

    def _take_over(self, limit: SharedLimit) -> None:
        given = {**self._given}
        given.pop(limit.device, None)
        if limit.given is not None:
            given[limit.device] = limit.given
        self._given = given
        self._act(limit)
        self._wake()

    def _act(self, limit: SharedLimit) -> None:
        now = self._clock.now()
        if limit.device == DAEMON:
            self._throttles.limit_daemon(limit.rate, now)
        else:
            self._throttles.limit_device(limit.device, limit.rate, now)


def _stored(limit: SharedLimit) -> Callable[[Transaction], None]:
    def store(tx: Transaction) -> None:
        tx.set_limit(limit.device, limit.given)

    return store
