"""A daemon that goes away while it is waited for, and comes back: each is said once.

A restart is waited through, and silence meanwhile would look stuck.
"""

from collections.abc import Iterator
from typing import Any, Unpack

from ..client import Client
from ..errors import (
    ConnectionFailed,
    DeadlineExceeded,
    LongshoreError,
    Unavailable,
)
from ..steps import Call, Plan, T
from ..stream import Watch
from ..v1 import watch_pb2
from ..watch import How, Value, Watcher
from .ladder import Say


class Notice:
    """What is said; is told of every answer, and of every error that is borne."""

    def __init__(self, say: Say, *, is_quiet: bool) -> None:
        self._say = say
        self._is_quiet = is_quiet
        self._is_away = False

    def failed(self, error: LongshoreError) -> None:
        is_away = isinstance(error, ConnectionFailed | DeadlineExceeded | Unavailable)
        if is_away and not self._is_away:
            self._turn("the connection to the daemon was lost; trying again")

    def heard(self) -> None:
        if self._is_away:
            self._turn("the daemon is back")

    def _turn(self, text: str) -> None:
        self._is_away = not self._is_away
        if not self._is_quiet:
            self._say(text)


class NoticingWatcher(Watcher):
    """Tells a notice how its streams go."""

    notice: Notice

    def frame(self, frame: watch_pb2.WatchJobsResponse) -> Iterator[Value]:
        self.notice.heard()
        return super().frame(frame)

    def failed(self, error: LongshoreError, lived: float) -> float:
        delay = super().failed(error, lived)
        self.notice.failed(error)
        return delay


class Daemon(Client):
    """The client of the commands: its watches may tell a notice."""

    def noticed(
        self, notice: Notice, select: watch_pb2.JobSelector, **how: Unpack[How]
    ) -> Watch:
        watcher = NoticingWatcher(select, **how)
        watcher.notice = notice
        watch = Watch(self._open_stream, watcher)
        with self._lock:
            self._watches.add(watch)
        return watch


def noticed(plan: Plan[T], notice: Notice) -> Plan[T]:
    """The same plan, that tells a notice how its calls go."""
    answer: Any = None
    error: LongshoreError | None = None
    while True:
        try:
            step = plan.throw(error) if error else plan.send(answer)
        except StopIteration as end:
            result: T = end.value
            return result
        if error is not None:
            notice.failed(error)
        answer, error = None, None
        try:
            answer = yield step
        except LongshoreError as trouble:
            error = trouble
        else:
            if isinstance(step, Call):
                notice.heard()
