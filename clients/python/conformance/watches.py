"""The ops of watches: step by step, in a loop of the language, on a thread."""

import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

from longshore import Event, Progress, Resynced, Snapshot
from longshore.v1 import watch_pb2
from longshore.watch import Value

from .words import message, parsed, shown, state_name, type_of

Fields = dict[str, Any]
Leave = Callable[[], object]
Weigh = Callable[[Any], int]

_DURABLE = ("event", "snapshot", "resynced")
_HOW = (
    "from_now",
    "strict",
    "omit_progress",
    "progress_interval",
    "heartbeat_interval",
    "stop_when_finished",
    "patience",
)


class Opened:
    """A watch and the one iterator over it."""

    def __init__(self, watch: Any) -> None:
        self.watch = watch
        self.values: Iterator[Value] = iter(watch)
        self.ended = False

    def next(self, count: int, only: Iterable[str]) -> list[Fields]:
        chosen = (value for value in self.values if type_of(value) in only)
        found = [shown(value) for value in islice(chosen, count)]
        self.ended = len(found) < count
        return found

    def close(self) -> None:
        self.watch.close()


class Recorder:
    """Reads a watch to its end on a thread, and keeps what is durable."""

    def __init__(self, watch: Any) -> None:
        self.watch = watch
        self._thread = threading.Thread(target=self._read, daemon=True)
        # Guarded by _news.
        self._news = threading.Condition()
        self._events: list[Fields] = []
        self._seen = 0
        self._resynced = 0
        self._error: Exception | None = None
        self._thread.start()

    def until(self, revision: int) -> Fields:
        with self._news:
            self._news.wait_for(lambda: self._error or self._seen >= revision)
            if self._error is not None:
                raise self._error
            return {"events": list(self._events), "resynced": self._resynced}

    def close(self) -> None:
        self.watch.close()
        self._thread.join()

    def _read(self) -> None:
        try:
            for value in self.watch:
                with self._news:
                    self._keep(value)
                    self._news.notify_all()
        except Exception as error:  # noqa: BLE001 - told to who asks
            with self._news:
                self._error = error
                self._news.notify_all()

    def _keep(self, value: Value) -> None:
        match value:
            case Event():
                self._events.append(_row(value.kind, value.revision, value.job))
                self._seen = value.revision
            case Snapshot() | Resynced():
                for job in value.jobs:
                    self._events.append(_row("SNAPSHOT", job.revision, job))
                self._resynced += isinstance(value, Resynced)
                self._seen = value.cursor.revision
            case Progress():
                pass


def _row(kind: str, revision: int, job: Any) -> Fields:
    return {
        "kind": kind,
        "job_id": job.job_id,
        "revision": str(revision),
        "state": state_name(job.state),
    }


class Watches:
    """Watches by name."""

    def __init__(self, clients: dict[str, Any]) -> None:
        self._clients = clients
        self._open: dict[str, Opened | Recorder] = {}

    def op_watch_open(self, fields: Fields) -> Fields:
        self._open[fields["watch"]] = Opened(self._begin(fields))
        return {}

    def op_watch_next(self, fields: Fields) -> Fields:
        watch = self._opened(fields)
        values = watch.next(fields["count"], fields.get("only", _DURABLE))
        return {"values": values, "ended": watch.ended}

    def op_watch_cursor(self, fields: Fields) -> Fields:
        cursor = self._opened(fields).watch.cursor
        return {"cursor": None if cursor is None else message(cursor)}

    def op_watch_close(self, fields: Fields) -> Fields:
        self._open.pop(fields["watch"]).close()
        return {}

    def op_watch_take(self, fields: Fields) -> Fields:
        found = []
        for value in self._begin(fields):
            if type_of(value) in _DURABLE:
                found.append(shown(value))
            if len(found) == fields["count"]:
                break
        return {"values": found}

    def op_watch_record(self, fields: Fields) -> Fields:
        self._open[fields["watch"]] = Recorder(self._begin(fields))
        return {}

    def op_watch_recorded(self, fields: Fields) -> Fields:
        recorder = self._open[fields["watch"]]
        assert isinstance(recorder, Recorder)
        return recorder.until(int(fields["until_revision"]))

    def op_drain(self, fields: Fields) -> Fields:
        if fields["raw"]:
            call = self._raw(fields)
            return self._drained(call, call.cancel, _events_of_a_frame, fields)
        watch = self._begin({**fields, "omit_progress": True})
        return self._drained(watch, watch.close, _events_of_a_value, fields)

    def _drained(
        self, values: Any, leave: Leave, weigh: Weigh, fields: Fields
    ) -> Fields:
        """What asyncio reads it reads in its own loop, to the end."""
        in_its_loop = getattr(values, "count_in_loop", None)
        try:
            if in_its_loop is not None:
                return {"events": in_its_loop(weigh, fields["count"])}
            seen = 0
            for value in values:
                seen += weigh(value)
                if seen >= fields["count"]:
                    break
            return {"events": seen}
        finally:
            leave()

    def _opened(self, fields: Fields) -> Opened:
        watch = self._open[fields["watch"]]
        assert isinstance(watch, Opened)
        return watch

    def _begin(self, fields: Fields) -> Any:
        how = {key: fields[key] for key in _HOW if key in fields}
        if "cursor" in fields:
            how["cursor"] = parsed(fields["cursor"], watch_pb2.Cursor)
        client = self._clients[fields["client"]]
        if "job_id" in fields:
            return client.job(fields["job_id"]).watch(**how)
        return client.watch(parsed(fields.get("select"), watch_pb2.JobSelector), **how)

    def _raw(self, fields: Fields) -> Any:
        request = watch_pb2.WatchJobsRequest(
            selector=parsed(fields.get("select"), watch_pb2.JobSelector),
            omit_progress=True,
        )
        if "cursor" in fields:
            request.resume_after.CopyFrom(parsed(fields["cursor"], watch_pb2.Cursor))
        return self._clients[fields["client"]].stub().WatchJobs(request)


def _events_of_a_value(value: Value) -> int:
    return isinstance(value, Event)


def _events_of_a_frame(frame: watch_pb2.WatchJobsResponse) -> int:
    """Looks at what the wrapper hands out: without, protobuf makes no objects of it."""
    for event in frame.events.events:
        _ = event.kind, event.revision, event.job, event.event_time
    return len(frame.events.events)
