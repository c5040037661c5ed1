"""Requests as tests write them, and watches that tests read frame by frame."""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2
from grpc_status import (  # type: ignore[import-untyped]  # ships no types
    rpc_status,
)

from longshore.v1 import job_pb2, watch_pb2
from longshore.v1 import job_service_pb2 as pb
from tests.support.daemon import PATIENCE, Stubs

Frame = watch_pb2.WatchJobsResponse


def pull(name: str = "disk", **fields: Any) -> pb.CreateJobRequest:
    """CreateJob for a pull of an image that only scripts know."""
    request = pb.CreateJobRequest(**fields)
    request.info.block.pull.spec.top.uri = f"/images/{name}.qcow2"
    request.info.block.pull.spec.top.format = "qcow2"
    return request


def create(stubs: Stubs, name: str = "disk", **fields: Any) -> job_pb2.Job:
    return stubs.jobs.CreateJob(pull(name, **fields), timeout=PATIENCE).job


def finished(stubs: Stubs, job_id: str) -> job_pb2.Job:
    """The job once it has ended."""
    return wait(stubs, job_id)


def wait(stubs: Stubs, job_id: str, *states: job_pb2.JobState.ValueType) -> job_pb2.Job:
    """The job once it has ended or is in one of the states."""
    request = pb.WaitJobRequest(job_id=job_id, states=states)
    request.timeout.FromSeconds(int(PATIENCE))
    answer = stubs.jobs.WaitJob(request, timeout=PATIENCE + 5)
    assert answer.reached, f"still {job_pb2.JobState.Name(answer.job.state)}"
    return answer.job


def seconds(value: float) -> duration_pb2.Duration:
    duration = duration_pb2.Duration()
    duration.FromNanoseconds(round(value * 1e9))
    return duration


class Refusal:
    """What a refused call tells: code, message and details."""

    def __init__(self, error: grpc.RpcError) -> None:
        self.code = error.code()
        self.message = error.details() or ""
        self.status = rpc_status.from_call(error)
        self.trailers = {
            datum.key: datum.value for datum in error.trailing_metadata() or ()
        }
        self.info = error_details_pb2.ErrorInfo()
        for detail in self.status.details if self.status else ():
            detail.Unpack(self.info)

    @property
    def reason(self) -> str:
        return str(self.info.reason)

    def detail(self, kind: Any) -> Any:
        """The detail of a type; fails if there is none."""
        found = kind()
        assert any(one.Unpack(found) for one in self.status.details), self.status
        return found


def refusal(call: Callable[[], object]) -> Refusal:
    """Make a call that must be refused."""
    try:
        call()
    except grpc.RpcError as error:
        return Refusal(error)
    raise AssertionError("the call was not refused")


class Watching:
    """An open watch; frames are taken one by one, each within PATIENCE."""

    def __init__(self, stubs: Stubs, request: watch_pb2.WatchJobsRequest) -> None:
        self._call = stubs.jobs.WatchJobs(request)
        self._frames: queue.Queue[Frame | grpc.RpcError | None] = queue.Queue()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            for frame in self._call:
                self._frames.put(frame)
        except grpc.RpcError as error:
            self._frames.put(error)
            return
        self._frames.put(None)

    def next(self) -> Frame:
        """The next frame of any kind."""
        item = self._frames.get(timeout=PATIENCE)
        if isinstance(item, grpc.RpcError):
            raise item
        assert item is not None, "the stream has ended"
        return item

    def next_of(self, kind: str) -> Frame:
        """The next frame of a kind; others are passed over."""
        while True:
            frame = self.next()
            if frame.WhichOneof("frame") == kind:
                return frame

    def events(self, count: int) -> list[watch_pb2.JobEvent]:
        """So many events, however they are batched."""
        found: list[watch_pb2.JobEvent] = []
        while len(found) < count:
            found.extend(self.next_of("events").events.events)
        return found

    def events_until(self, holds: Callable[[Any], bool]) -> list[watch_pb2.JobEvent]:
        """Events up to and with the first for which something holds."""
        found: list[watch_pb2.JobEvent] = []
        while not (found and holds(found[-1])):
            found.extend(self.next_of("events").events.events)
        return found

    def is_at_end(self) -> bool:
        """Whether the stream has ended with OK and nothing is left of it."""
        return self._frames.get(timeout=PATIENCE) is None

    def ended(self) -> Refusal:
        """How the stream was ended by an error; frames before it are passed over."""
        return refusal(self._exhaust)

    def _exhaust(self) -> None:
        while True:
            item = self._frames.get(timeout=PATIENCE)
            if isinstance(item, grpc.RpcError):
                raise item
            assert item is not None, "the stream has ended well"

    def close(self) -> None:
        self._call.cancel()
        self._thread.join(PATIENCE)


@contextmanager
def watching(stubs: Stubs, **fields: Any) -> Iterator[Watching]:
    watch = Watching(stubs, watch_pb2.WatchJobsRequest(**fields))
    try:
        yield watch
    finally:
        watch.close()


def from_now() -> watch_pb2.WatchJobsRequest.FromNow:
    return watch_pb2.WatchJobsRequest.FromNow()
