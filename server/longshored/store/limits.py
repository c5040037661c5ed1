"""Limits of the daemon and of devices as calls have set them: rows and values."""

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..clock import Instant
from ..job.model import RateLimit


@dataclass(frozen=True, slots=True)
class SetLimit:
    """What was set for one level, by whom and when. A None is not set."""

    rate: RateLimit
    actor: str
    time: Instant


_ALL = """
SELECT device, speed_bytes_per_second, burst_bytes, iops, burst_operations,
       actor, set_time
FROM rate_limits
"""

_PUT = """
INSERT OR REPLACE INTO rate_limits (
    device, speed_bytes_per_second, burst_bytes, iops, burst_operations,
    actor, set_time
) VALUES (?, ?, ?, ?, ?, ?, ?)
"""

_DROP = "DELETE FROM rate_limits WHERE device = ?"


def read_limits(connection: sqlite3.Connection) -> dict[str, SetLimit]:
    """What is set, by device; '' is the daemon."""
    return {
        device: SetLimit(RateLimit(*rate), actor, time)
        for device, *rate, actor, time in connection.execute(_ALL)
    }


def write_limits(
    connection: sqlite3.Connection, changes: Mapping[str, SetLimit | None]
) -> None:
    """Inside the transaction that is open."""
    connection.executemany(_DROP, _dropped(changes))
    connection.executemany(_PUT, _put(changes))


def _dropped(changes: Mapping[str, SetLimit | None]) -> Iterable[tuple[str]]:
    return ((device,) for device, limit in changes.items() if limit is None)


def _put(changes: Mapping[str, SetLimit | None]) -> Iterable[tuple[object, ...]]:
    for device, limit in changes.items():
        if limit is not None:
            rate = limit.rate
            yield (
                device,
                rate.speed_bytes_per_second,
                rate.burst_bytes,
                rate.iops,
                rate.burst_operations,
                limit.actor,
                limit.time,
            )
