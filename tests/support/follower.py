"""A client that follows every change of a daemon, and proves that it missed none.

It knows the rules of a watch and nothing else: resume after the last cursor
processed, start over with a snapshot when the history is gone.
"""

import grpc

from longshore.v1 import job_pb2, watch_pb2
from tests.support.calls import Frame, Refusal, Watching
from tests.support.daemon import Stubs


class Follower:
    """What it holds is the jobs by name, and how it came to know them."""

    def __init__(self) -> None:
        self.jobs: dict[str, job_pb2.Job] = {}
        self.cursor: watch_pb2.Cursor | None = None
        self.resyncs = 0
        self.streams = 0
        self.changes = 0
        self._watch: Watching | None = None
        self._shown: dict[str, job_pb2.Job] = {}

    def connect(self, stubs: Stubs) -> None:
        """Open a stream where the last one broke off, or with a snapshot."""
        self.disconnect()
        request = watch_pb2.WatchJobsRequest()
        if self.cursor is not None:
            request.resume_after.CopyFrom(self.cursor)
        self.streams += 1
        self._shown = {}
        self._watch = Watching(stubs, request)

    def disconnect(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None

    def read(self, stubs: Stubs, frames: int) -> None:
        """Process so many frames, starting over if the history is gone."""
        for _ in range(frames):
            self._step(stubs)

    def read_until(self, stubs: Stubs, revision: int) -> None:
        """Process frames until everything up to a revision is known."""
        while self.cursor is None or self.cursor.revision < revision:
            self._step(stubs)

    def _step(self, stubs: Stubs) -> None:
        if self._watch is None:
            self.connect(stubs)
        assert self._watch is not None
        try:
            self._process(self._watch.next())
        except grpc.RpcError as error:
            self._recover(Refusal(error))

    def _recover(self, told: Refusal) -> None:
        self.disconnect()
        if told.code is grpc.StatusCode.OUT_OF_RANGE:
            assert told.reason == "REVISION_COMPACTED", told.message
            self.cursor = None
            self.resyncs += 1
        else:
            assert told.code is grpc.StatusCode.UNAVAILABLE, told.message

    def _process(self, frame: Frame) -> None:
        match frame.WhichOneof("frame"):
            case "snapshot":
                self._shown.update({job.job_id: job for job in frame.snapshot.jobs})
            case "snapshot_end":
                self.jobs = self._shown
            case "events":
                for event in frame.events.events:
                    self._apply(event)
            case "closing":
                self.disconnect()
            case _:
                pass  # opened, progress, bookmark: they only move the cursor
        if frame.HasField("cursor"):
            self._move(frame.cursor)

    def _apply(self, event: watch_pb2.JobEvent) -> None:
        assert self.cursor is not None, "events come after the snapshot"
        assert event.revision == self.cursor.revision + 1, "a gap, or a repetition"
        self.cursor.revision = event.revision
        self.changes += 1
        if event.kind == watch_pb2.JOB_EVENT_KIND_REMOVED:
            del self.jobs[event.job.job_id]
        else:
            self.jobs[event.job.job_id] = event.job

    def _move(self, cursor: watch_pb2.Cursor) -> None:
        assert self.cursor is None or cursor.revision >= self.cursor.revision
        self.cursor = watch_pb2.Cursor(
            history_id=cursor.history_id, revision=cursor.revision
        )
