"""Frames of a watch as bytes: made once, written to every stream that wants them.

Messages are put together from parts that are serialised already. That is legal
protobuf: a message is its fields, one after another.
"""

from collections.abc import Iterable

from longshore.v1 import watch_pb2

from . import wiretime

Frame = bytes

_LENGTH_DELIMITED = 2


def field(number: int, body: bytes) -> bytes:
    """One message, string or bytes field, with its tag and length."""
    size = len(body)
    length = _SHORT[size] if size < len(_SHORT) else _varint(size)
    return _SHORT[number << 3 | _LENGTH_DELIMITED] + length + body


def number(field_number: int, value: int) -> bytes:
    """One integer or enum field that is not negative; nothing for 0."""
    if not value:
        return b""
    varint = _SHORT[value] if value < len(_SHORT) else _varint(value)
    return _SHORT[field_number << 3] + varint


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


# Of every tag, and of the length of nearly every job.
_SHORT = [_varint(value) for value in range(2048)]


class Frames:
    """Makes the frames of one history."""

    def __init__(self, history_id: str) -> None:
        self.history_id = history_id

    def cursor(self, revision: int) -> watch_pb2.Cursor:
        return watch_pb2.Cursor(history_id=self.history_id, revision=revision)

    def opened(
        self, revision: int | None, heartbeat: float, progress: float, oldest: int
    ) -> Frame:
        frame = watch_pb2.WatchJobsResponse(
            opened=watch_pb2.WatchOpened(
                heartbeat_interval=wiretime.duration(heartbeat),
                progress_interval=wiretime.duration(progress),
                oldest_revision=oldest,
            )
        )
        if revision is not None:
            frame.cursor.CopyFrom(self.cursor(revision))
        return frame.SerializeToString()

    def snapshot(self, jobs: Iterable[bytes]) -> Frame:
        """A chunk of a snapshot; without a cursor: a broken snapshot starts over."""
        chunk = b"".join(field(_JOBS, job) for job in jobs)
        return field(_SNAPSHOT, chunk)

    def snapshot_end(self, revision: int, count: int) -> Frame:
        end = watch_pb2.SnapshotEnd(job_count=count)
        return self._at(revision) + field(_SNAPSHOT_END, end.SerializeToString())

    def events(self, revision: int, events: Iterable[bytes]) -> Frame:
        """Changes up to `revision`; each as `event` made it."""
        return self._at(revision) + field(_EVENTS_FRAME, b"".join(events))

    def progress(self, revision: int, samples: Iterable[bytes]) -> Frame:
        """Samples, each a serialised ProgressSample."""
        batch = b"".join(field(_SAMPLES, sample) for sample in samples)
        return self._at(revision) + field(_PROGRESS, batch)

    def bookmark(self, revision: int) -> Frame:
        return self._at(revision) + field(_BOOKMARK, b"")

    def closing(
        self,
        revision: int | None,
        reason: watch_pb2.WatchCloseReason.ValueType,
        retry_delay: float,
    ) -> Frame:
        frame = watch_pb2.WatchJobsResponse(
            closing=watch_pb2.WatchClosing(
                reason=reason, retry_delay=wiretime.duration(retry_delay)
            )
        )
        if revision is not None:
            frame.cursor.CopyFrom(self.cursor(revision))
        return frame.SerializeToString()

    def _at(self, revision: int) -> bytes:
        return field(_CURSOR, self.cursor(revision).SerializeToString())


def event(body: bytes) -> bytes:
    """A serialised JobEvent as an element of a batch."""
    return field(_EVENTS, body)


def _number(message: type, name: str) -> int:
    number: int = message.DESCRIPTOR.fields_by_name[name].number  # type: ignore[attr-defined]  # a generated message class
    return number


_CURSOR = _number(watch_pb2.WatchJobsResponse, "cursor")
_SNAPSHOT = _number(watch_pb2.WatchJobsResponse, "snapshot")
_SNAPSHOT_END = _number(watch_pb2.WatchJobsResponse, "snapshot_end")
_EVENTS_FRAME = _number(watch_pb2.WatchJobsResponse, "events")
_PROGRESS = _number(watch_pb2.WatchJobsResponse, "progress")
_BOOKMARK = _number(watch_pb2.WatchJobsResponse, "bookmark")
_JOBS = _number(watch_pb2.SnapshotChunk, "jobs")
_EVENTS = _number(watch_pb2.JobEventBatch, "events")
_SAMPLES = _number(watch_pb2.ProgressBatch, "samples")
