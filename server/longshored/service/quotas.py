"""How often one caller may call: a bucket for each, and no waiting."""

from ..block.bucket import Bucket
from ..clock import Clock
from ..errors import Kind, ServiceError

# What may come at once after an idle moment: the calls of so many seconds.
_BURST_SECONDS = 1.0


class CallRates:
    """Lives on the loop. Callers are those that the rules know, so few."""

    def __init__(self, clock: Clock, calls_per_second: int) -> None:
        # Set once.
        self._clock = clock
        # Only on the loop. 0: no limit.
        self._rate = calls_per_second
        self._buckets: dict[str, Bucket] = {}

    def set(self, calls_per_second: int) -> None:
        if calls_per_second != self._rate:
            self._rate = calls_per_second
            self._buckets.clear()

    def take(self, caller: str) -> None:
        """Count a call; raises RATE_LIMIT, which says when one may come again."""
        if not self._rate:
            return
        now = self._clock.now()
        bucket = self._buckets.get(caller)
        if bucket is None:
            bucket = self._new(now)
            self._buckets[caller] = bucket
        ticket = bucket.book(1, now)
        if wait := bucket.wait(ticket, now):
            bucket.refund(ticket, 1)
            raise ServiceError(
                Kind.RATE_LIMIT,
                f"{caller} makes more than {self._rate:,} calls a second",
                retry_delay=wait,
                caller=caller,
                limit_name="caller_calls_per_second",
                limit=self._rate,
            )

    def _new(self, now: float) -> Bucket:
        """A full one."""
        burst = max(1.0, self._rate * _BURST_SECONDS)
        bucket = Bucket(float(self._rate), burst)
        bucket.wait(bucket.book(0, now - _BURST_SECONDS), now)
        return bucket
