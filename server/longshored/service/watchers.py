"""Who watches: the limits on their number, and the pace of a stream."""

import random
from collections import Counter
from dataclasses import dataclass
from typing import NamedTuple

from google.protobuf import duration_pb2

from ..errors import Kind, ServiceError
from . import wiretime


class Clamp(NamedTuple):
    lowest: float
    usual: float
    highest: float

    def of(self, asked: float | None) -> float:
        if asked is None:
            return self.usual
        return min(max(asked, self.lowest), self.highest)


_HEARTBEAT = Clamp(1.0, 15.0, 60.0)
_PROGRESS = Clamp(0.1, 1.0, 60.0)


@dataclass(frozen=True, slots=True)
class Pace:
    """Times of a stream, seconds. The defaults are the contract; tests are faster."""

    heartbeat: Clamp = _HEARTBEAT
    jitter: float = 0.1
    progress: Clamp = _PROGRESS
    # A write that does not end in this time: the reader is gone (W20).
    write_timeout: float = 60.0
    # A large snapshot is read as its reader takes it, and as long as it is read the log
    # of the store grows: so much time it has, and more for what is taken by then.
    snapshot_timeout: float = 60.0
    slowest_bytes: float = 256 * 1024.0  # a second
    # Random between these: streams spread out, and are authorised anew (W21).
    shortest_age: float = 25 * 60.0
    longest_age: float = 35 * 60.0
    retry_delay: float = 1.0


@dataclass(frozen=True, slots=True)
class Tempo:
    """The times of one stream, chosen when it opens."""

    heartbeat: float
    progress: float
    age: float


def choose_tempo(
    pace: Pace,
    chance: random.Random,
    heartbeat: duration_pb2.Duration | None,
    progress: duration_pb2.Duration | None,
) -> Tempo:
    beat = pace.heartbeat.of(_asked("heartbeat_interval", heartbeat))
    return Tempo(
        heartbeat=beat * chance.uniform(1 - pace.jitter, 1 + pace.jitter),
        progress=pace.progress.of(_asked("progress_interval", progress)),
        age=chance.uniform(pace.shortest_age, pace.longest_age),
    )


def _asked(field: str, value: duration_pb2.Duration | None) -> float | None:
    return None if value is None else wiretime.span(field, value)


class Watchers:
    """Counts open watches. HTTP/2's own stream limit would make clients hang (W23).

    A client is one connection; a caller may have many. No limit of its own: 0.
    """

    def __init__(
        self, *, most: int, most_per_client: int, most_per_caller: int = 0
    ) -> None:
        self.most = most
        self.most_per_client = most_per_client
        self.most_per_caller = most_per_caller
        self.total = 0
        self._clients: Counter[str] = Counter()
        self._callers: Counter[str] = Counter()

    def enter(self, client: str, caller: str) -> None:
        if self.total >= self.most:
            raise _too_many("watch_count", self.most)
        if self._clients[client] >= self.most_per_client:
            raise _too_many("client_watch_count", self.most_per_client)
        if self.most_per_caller and self._callers[caller] >= self.most_per_caller:
            raise _too_many("caller_watch_count", self.most_per_caller)
        self.total += 1
        self._clients[client] += 1
        self._callers[caller] += 1

    def leave(self, client: str, caller: str) -> None:
        self.total -= 1
        for count, key in ((self._clients, client), (self._callers, caller)):
            count[key] -= 1
            if not count[key]:
                del count[key]


def _too_many(name: str, limit: int) -> ServiceError:
    return ServiceError(
        Kind.WATCH_LIMIT,
        f"{limit:,} watches are open already, which is the limit {name}",
        limit_name=name,
        limit=limit,
    )
