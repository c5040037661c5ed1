"""Progress for watches: newest sample per job, at most one per interval, in batches.

All watches of one interval tick together. Whoever has seen the same samples
before gets the same bytes.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple, Protocol

from longshore.v1 import watch_pb2

from ..job.progress import Progress
from .frames import Frame
from .translate_progress import progress_fields
from .watchlog import Topic, WatchLog
from .wiretime import Fields

_KEPT = 32

Samples = Mapping[int, tuple[str, Progress]]


class Board(Protocol):
    """The newest samples of running jobs, as the scheduler keeps them."""

    def since(self, version: int) -> tuple[int, Samples]:
        """The version now, and by job number what is newer than `version`."""


class Ticking(Protocol):
    def tick(self) -> None:
        """There is newer progress, and it is time to show it."""


class Batch(NamedTuple):
    """What a watch shows next, if anything, and the version that it has seen then."""

    frame: Frame | None
    version: int


class ProgressFeed:
    """Lives on the loop."""

    def __init__(self, board: Board, log: WatchLog) -> None:
        self._board = board
        self._log = log
        self._tickers: dict[float, _Ticker] = {}
        self._made: OrderedDict[tuple[bytes, int, int, int], Batch] = OrderedDict()

    def follow(self, interval: float, watch: Ticking) -> None:
        ticker = self._tickers.get(interval)
        if ticker is None:
            ticker = self._tickers[interval] = _Ticker(self._board, interval)
        ticker.watches.add(watch)
        ticker.start()

    def leave(self, interval: float, watch: Ticking) -> None:
        ticker = self._tickers[interval]
        ticker.watches.discard(watch)
        if not ticker.watches:
            ticker.stop()
            del self._tickers[interval]

    def newer(self, topic: Topic, seen: int) -> Batch:
        """Newer samples of a topic, for a watch that has sent every change up to head.

        A job is left out once its end is in the log: no progress follows that (W14).
        """
        version, samples = self._board.since(seen)
        key = (topic.key, seen, version, self._log.head)
        if (known := self._made.get(key)) is not None:
            return known
        batch = Batch(self._frame(topic, samples), version)
        self._made[key] = batch
        if len(self._made) > _KEPT:
            self._made.popitem(last=False)
        return batch

    def _frame(self, topic: Topic, samples: Samples) -> Frame | None:
        bodies = [
            _body(job_id, progress)
            for number, (job_id, progress) in samples.items()
            if self._log.is_open(number, topic)
        ]
        if not bodies:
            return None
        return self._log.frames.progress(self._log.head, bodies)


def _body(job_id: str, progress: Progress) -> bytes:
    fields: Fields = {"job_id": job_id, "progress": progress_fields(progress)}
    return watch_pb2.ProgressSample(**fields).SerializeToString()


class _Ticker:
    """One timer for all watches of one interval; quiet while nothing moves."""

    def __init__(self, board: Board, interval: float) -> None:
        self.watches: set[Ticking] = set()
        self._board = board
        self._interval = interval
        self._seen = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._interval, self._fire)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _fire(self) -> None:
        self._timer = None
        self.start()
        version, samples = self._board.since(self._seen)
        self._seen = version
        if samples:
            for watch in tuple(self.watches):
                watch.tick()
