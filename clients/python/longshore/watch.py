"""A watch that goes on by itself: which request to send, what a frame means, when to
come back. No I/O: `client` and `aio` feed it frames and errors.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

from .enums import JobEventKind, JobState
from .errors import (
    ConnectionFailed,
    DeadlineExceeded,
    HistoryGone,
    HistoryLost,
    LimitReached,
    LongshoreError,
    Unavailable,
)
from .steps import span
from .v1 import job_pb2, job_progress_pb2, watch_pb2

# Reconnecting: full jitter between 0 and a ceiling that doubles (s).
BACKOFF_SECONDS = 0.1
BACKOFF_MAX_SECONDS = 10.0
# A stream that lived so long starts the backoff afresh.
HEALTHY_SECONDS = 30.0
# Silence for so many heartbeats: the stream is dead.
HEARTBEATS_MISSED = 3
# Until `opened` has said what the heartbeat is.
FIRST_FRAME_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Event:
    """One durable change of one job. `kind` is CREATED, UPDATED or REMOVED."""

    kind: str
    revision: int
    job: job_pb2.Job
    previous_state: JobState


@dataclass(frozen=True, slots=True)
class Progress:
    """The newest progress of one job; not history, may skip values."""

    job_id: str
    progress: job_progress_pb2.JobProgress


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Every job that matches, at the start of the watch."""

    jobs: tuple[job_pb2.Job, ...]


@dataclass(frozen=True, slots=True)
class Resynced:
    """History was lost; these are the jobs now. What is not here is gone."""

    jobs: tuple[job_pb2.Job, ...]


Value = Event | Progress | Snapshot | Resynced


class Finished(Exception):
    """The server has said all there is to say."""


@dataclass(slots=True)
class Watcher:
    """The state of one watch across its streams.

    `cursor` names everything that was handed out: save it to resume later.
    """

    selector: watch_pb2.JobSelector
    cursor: watch_pb2.Cursor | None = None
    from_now: bool = False
    strict: bool = False
    omit_progress: bool = False
    progress_interval: float | None = None
    stop_when_finished: bool = False
    silence: float = FIRST_FRAME_SECONDS  # seconds without a frame = dead
    _resyncing: bool = False
    _failures: int = 0
    _gathered: list[job_pb2.Job] = field(default_factory=list)

    def request(self) -> watch_pb2.WatchJobsRequest:
        """What to send to open the next stream."""
        self._gathered = []
        self.silence = FIRST_FRAME_SECONDS
        request = watch_pb2.WatchJobsRequest(
            selector=self.selector,
            omit_progress=self.omit_progress,
            stop_when_finished=self.stop_when_finished,
        )
        if self.progress_interval is not None:
            request.progress_interval.CopyFrom(span(self.progress_interval))
        if self.cursor is not None:
            request.resume_after.CopyFrom(self.cursor)
        elif self.from_now:
            request.from_now.SetInParent()
        return request

    def frame(self, frame: watch_pb2.WatchJobsResponse) -> Iterator[Value]:
        """What a frame says to the user. Raises Finished at the planned end.

        The cursor moves when the values of the frame have been taken, so that
        leaving in between repeats a value rather than losing one.
        """
        match frame.WhichOneof("frame"):
            case "opened":
                beat = frame.opened.heartbeat_interval.ToTimedelta().total_seconds()
                self.silence = HEARTBEATS_MISSED * max(beat, 1.0)
            case "snapshot":
                self._gathered.extend(frame.snapshot.jobs)
            case "snapshot_end":
                yield self._whole()
            case "events":
                yield from self._events(frame.events)
            case "progress":
                for sample in frame.progress.samples:
                    yield Progress(sample.job_id, sample.progress)
            case "closing":
                self._take(frame)
                if frame.closing.reason == watch_pb2.WATCH_CLOSE_REASON_FINISHED:
                    raise Finished
            case _:
                # A bookmark, or a kind of frame that is newer than this client.
                pass
        self._take(frame)

    def _take(self, frame: watch_pb2.WatchJobsResponse) -> None:
        if frame.HasField("cursor") and self._is_news(frame.cursor.revision):
            self.cursor = frame.cursor

    def _is_news(self, revision: int) -> bool:
        return self.cursor is None or revision > self.cursor.revision

    def _whole(self) -> Value:
        jobs = tuple(self._gathered)
        self._gathered = []
        lost, self._resyncing = self._resyncing, False
        return Resynced(jobs) if lost else Snapshot(jobs)

    def _events(self, batch: watch_pb2.JobEventBatch) -> Iterator[Event]:
        for event in batch.events:
            if not self._is_news(event.revision):
                continue
            yield Event(
                kind_name(event.kind), event.revision, event.job, event.previous_state
            )
            history = self.cursor.history_id if self.cursor is not None else ""
            self.cursor = watch_pb2.Cursor(history_id=history, revision=event.revision)

    def closed(self, lived: float) -> float:
        """The stream ended well or the line broke: seconds until the next one."""
        if lived >= HEALTHY_SECONDS:
            self._failures = 0
        ceiling = min(BACKOFF_MAX_SECONDS, BACKOFF_SECONDS * 2.0**self._failures)
        self._failures += 1
        return random.uniform(0, ceiling)  # noqa: S311 - jitter, not a secret

    def failed(self, error: LongshoreError, lived: float) -> float:
        """Seconds until the next stream, or the error again if none would help.

        Raises HistoryLost on lost history if the watch is strict.
        """
        if isinstance(error, HistoryGone):
            if self.strict:
                raise HistoryLost(str(error)) from error
            self.cursor, self.from_now, self._resyncing = None, False, True
            return 0.0
        if isinstance(error, LimitReached) and error.retry_delay is not None:
            return error.retry_delay
        if isinstance(error, ConnectionFailed | Unavailable | DeadlineExceeded):
            return self.closed(lived)
        raise error


def kind_name(kind: JobEventKind) -> str:
    """CREATED, UPDATED, REMOVED; the number of a kind newer than this client."""
    try:
        name = watch_pb2.JobEventKind.Name(kind)
    except ValueError:
        return str(int(kind))
    return name.removeprefix("JOB_EVENT_KIND_")


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
