"""A watch that goes on by itself: which request to send, what a frame means, when to
come back. No I/O: `stream` and `aiostream` feed it frames and errors.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypedDict

from google.protobuf.timestamp_pb2 import Timestamp

from .enums import JobEventKind, JobState
from .errors import (
    ConnectionFailed,
    DeadlineExceeded,
    HistoryGone,
    HistoryLost,
    LimitReached,
    LongshoreError,
    ServiceError,
    Unavailable,
    seconds,
)
from .listener import NOBODY, Listener
from .steps import span
from .v1 import job_pb2, job_progress_pb2, watch_pb2

# Reconnecting: full jitter between 0 and a ceiling that doubles (s).
BACKOFF_SECONDS = 0.1
BACKOFF_MAX_SECONDS = 10.0
# A stream that lived so long starts the backoff afresh.
HEALTHY_SECONDS = 30.0
# Silence for so many heartbeats: the stream is dead.
HEARTBEATS_MISSED = 3
# A daemon beats once a second at most; what claims more is not believed (s).
HEARTBEAT_MIN_SECONDS = 0.1
# Until `opened` has said what the heartbeat is.
FIRST_FRAME_SECONDS = 30.0
# 0.1 s doubled so often is past the longest backoff.
_DOUBLINGS = 7


@dataclass(slots=True)
class Event:
    """One durable change of one job, a value: nobody changes it.

    `change` is the daemon's word; the rest is read from it when it is asked for, since
    a watch may tell hundreds of thousands in a second. `cursor` includes this change:
    saved together with what the change caused, it makes every change take effect
    exactly once, even across a crash.
    """

    change: watch_pb2.JobEvent
    cursor: watch_pb2.Cursor

    @property
    def kind(self) -> str:
        """CREATED, UPDATED or REMOVED."""
        return kind_name(self.change.kind)

    @property
    def revision(self) -> int:
        return self.change.revision

    @property
    def job(self) -> job_pb2.Job:
        return self.change.job

    @property
    def previous_state(self) -> JobState:
        return self.change.previous_state

    @property
    def event_time(self) -> Timestamp:
        return self.change.event_time


@dataclass(frozen=True, slots=True)
class Progress:
    """The newest progress of one job; not history, may skip values."""

    job_id: str
    progress: job_progress_pb2.JobProgress


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every job that matches, at the start of the watch."""

    jobs: tuple[job_pb2.Job, ...]
    cursor: watch_pb2.Cursor


@dataclass(frozen=True, slots=True)
class Resynced:
    """History was lost; these are the jobs now. What is not here is gone."""

    jobs: tuple[job_pb2.Job, ...]
    cursor: watch_pb2.Cursor


Value = Event | Progress | Snapshot | Resynced


class Finished(Exception):
    """The server has said all there is to say."""


class How(TypedDict, total=False):
    """How to watch; all of it may be left out.

    cursor              resume after it; without, begin with a Snapshot
    from_now            begin with the next change instead, without a Snapshot
    strict              lost history raises HistoryLost; else it is a Resynced
    omit_progress       durable changes only
    progress_interval   seconds between samples of one job (the daemon's: 1)
    heartbeat_interval  seconds of silence after which the daemon shows that it
                        lives (its own: 15); three of them missed, a new stream
    stop_when_finished  end once every job selected has ended
    patience            raise when the daemon has been away for so many seconds;
                        without, come back for ever
    """

    cursor: watch_pb2.Cursor | None
    from_now: bool
    strict: bool
    omit_progress: bool
    progress_interval: float | None
    heartbeat_interval: float | None
    stop_when_finished: bool
    patience: float | None


@dataclass(slots=True)
class Watcher:
    """The state of one watch across its streams. The public fields are those of `How`,
    and the `listener` hears of streams that end in an error and are begun anew.

    `cursor` moves when a value has been taken and the next one is asked for, so that
    leaving in between repeats a value rather than losing one.
    """

    selector: watch_pb2.JobSelector
    listener: Listener = NOBODY
    cursor: watch_pb2.Cursor | None = None
    from_now: bool = False
    strict: bool = False
    omit_progress: bool = False
    progress_interval: float | None = None
    heartbeat_interval: float | None = None
    stop_when_finished: bool = False
    patience: float | None = None
    chance: Callable[[], float] = random.random  # for the jitter, from 0 to 1
    silence: float = FIRST_FRAME_SECONDS  # seconds without a frame = dead
    _resyncing: bool = False
    _failures: int = 0
    _heard: bool = False  # a frame has come on this stream
    _away: float = 0.0  # seconds since streams bring no frame any more
    _retry_delay: float = 0.0  # as the last planned end asked for
    _gathered: list[job_pb2.Job] = field(default_factory=list)

    def request(self) -> watch_pb2.WatchJobsRequest:
        """What to send to open the next stream."""
        self._gathered = []
        self._retry_delay = 0.0
        self._heard = False
        self.silence = FIRST_FRAME_SECONDS
        request = watch_pb2.WatchJobsRequest(
            selector=self.selector,
            omit_progress=self.omit_progress,
            stop_when_finished=self.stop_when_finished,
        )
        if self.progress_interval is not None:
            request.progress_interval.CopyFrom(span(self.progress_interval))
        if self.heartbeat_interval is not None:
            request.heartbeat_interval.CopyFrom(span(self.heartbeat_interval))
        if self.cursor is not None:
            request.resume_after.CopyFrom(self.cursor)
        elif self.from_now:
            request.from_now.SetInParent()
        return request

    # Frames

    def frame(self, frame: watch_pb2.WatchJobsResponse) -> Iterator[Value]:
        """What a frame says to the user. Raises Finished at the planned end."""
        self._heard, self._away = True, 0.0
        self.listener.heard()
        match frame.WhichOneof("frame"):
            case "opened":
                self.silence = _silence(frame.opened)
            case "snapshot":
                self._gathered.extend(frame.snapshot.jobs)
            case "snapshot_end":
                yield self._whole(frame.cursor)
            case "events":
                yield from self._events(frame)
            case "progress":
                for sample in frame.progress.samples:
                    yield Progress(sample.job_id, sample.progress)
            case "closing":
                self._close(frame)
            case _:
                # A bookmark, or a kind of frame that is newer than this client.
                pass
        self._take(frame)

    def _take(self, frame: watch_pb2.WatchJobsResponse) -> None:
        if frame.HasField("cursor") and self._is_news(frame.cursor.revision):
            self.cursor = frame.cursor

    def _is_news(self, revision: int) -> bool:
        return self.cursor is None or revision > self.cursor.revision

    def _whole(self, cursor: watch_pb2.Cursor) -> Value:
        jobs = tuple(self._gathered)
        self._gathered = []
        lost, self._resyncing = self._resyncing, False
        return Resynced(jobs, cursor) if lost else Snapshot(jobs, cursor)

    def _events(self, frame: watch_pb2.WatchJobsResponse) -> Iterator[Event]:
        history_id = frame.cursor.history_id
        last = -1 if self.cursor is None else self.cursor.revision
        for change in frame.events.events:
            revision = change.revision
            if revision <= last:
                continue
            cursor = watch_pb2.Cursor(history_id=history_id, revision=revision)
            yield Event(change, cursor)
            self.cursor, last = cursor, revision

    def _close(self, frame: watch_pb2.WatchJobsResponse) -> None:
        self._retry_delay = max(0.0, seconds(frame.closing.retry_delay))
        if frame.closing.reason == watch_pb2.WATCH_CLOSE_REASON_FINISHED:
            self._take(frame)
            raise Finished

    # Ends of streams

    def closed(self, lived: float) -> float:
        """The stream ended without an error: seconds until the next one."""
        ended = ConnectionFailed("the daemon ends every watch that is opened")
        return self._again(ended, lived)

    def failed(self, error: LongshoreError, lived: float) -> float:
        """Seconds until the next stream, or the error again if none would help.

        Raises HistoryLost on lost history if the watch is strict.
        """
        if _is_history_gone(error) and self.cursor is not None:
            if self.strict:
                raise HistoryLost(str(error)) from error
            self.cursor, self.from_now, self._resyncing = None, False, True
            return 0.0
        if isinstance(error, LimitReached) and error.retry_delay is not None:
            self._retry_delay = error.retry_delay
        elif not isinstance(error, ConnectionFailed | Unavailable | DeadlineExceeded):
            raise error
        delay = self._again(error, lived)
        self.listener.failed(error)
        return delay

    def _again(self, error: LongshoreError, lived: float) -> float:
        if lived >= HEALTHY_SECONDS:
            self._failures = 0
        ceiling = min(BACKOFF_MAX_SECONDS, BACKOFF_SECONDS * 2.0**self._failures)
        self._failures = min(self._failures + 1, _DOUBLINGS)
        delay = self._retry_delay + ceiling * self.chance()
        self._away += delay if self._heard else lived + delay
        if self.patience is not None and self._away > self.patience:
            raise error
        return delay


def _silence(opened: watch_pb2.WatchOpened) -> float:
    beat = seconds(opened.heartbeat_interval)
    if beat <= 0:
        return FIRST_FRAME_SECONDS
    return HEARTBEATS_MISSED * max(beat, HEARTBEAT_MIN_SECONDS)


def _is_history_gone(error: LongshoreError) -> bool:
    """By the code: a newer daemon may have more reasons for it."""
    if isinstance(error, ServiceError):
        return isinstance(error, HistoryGone) or error.code.name == "OUT_OF_RANGE"
    return False


_KIND_NAMES = {
    number: name.removeprefix("JOB_EVENT_KIND_")
    for name, number in watch_pb2.JobEventKind.items()
}


def kind_name(kind: JobEventKind) -> str:
    """CREATED, UPDATED, REMOVED; the number of a kind newer than this client."""
    return _KIND_NAMES.get(kind) or str(int(kind))


def selector(
    *,
    job_ids: tuple[str, ...] = (),
    job_types: tuple[str, ...] = (),
    domain_ids: tuple[str, ...] = (),
    labels: dict[str, str] | None = None,
    group_ids: tuple[str, ...] = (),
) -> watch_pb2.JobSelector:
    """Which jobs: fields are joined by and, the values of one by or."""
    return watch_pb2.JobSelector(
        job_ids=job_ids,
        job_types=job_types,
        domain_ids=domain_ids,
        labels=labels or {},
        group_ids=group_ids,
    )
