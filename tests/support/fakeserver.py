"""A daemon for client tests that misbehaves when told to: it drops, delays, compacts,
forgets, restarts and lies. Everything that it keeps is in memory and survives a
restart, as a real store does.

It runs on a loop and a thread of its own; a test speaks to it from its own thread.
"""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import grpc
from google.protobuf.duration_pb2 import Duration

from longshore.v1 import (
    image_service_pb2,
    job_pb2,
    job_service_pb2,
    system_service_pb2,
    watch_pb2,
)
from tests.support.refusals import Code, Frame, Refusal, closing, missing

T = TypeVar("T")

# How long a test waits for what must come; never how long it takes.
PATIENCE = 10.0

HISTORY = "history-1"


class Lost(Exception):
    """The call is carried out, and its answer does not arrive."""


Fault = Refusal | Lost


class FakeServer:
    """`jobs`, `events` and `answers` may be read and set from the test's thread."""

    def __init__(self, directory: Path) -> None:
        self.address = f"unix:{directory / 'fake.sock'}"
        self.history = HISTORY
        self.head = 0
        self.oldest = 0
        self.heartbeat = 15.0
        self.jobs: dict[str, job_pb2.Job] = {}
        self.events: list[watch_pb2.JobEvent] = []
        # Method -> what to answer; a callable is given the request.
        self.answers: dict[str, Any] = {}
        # Method -> what goes wrong at the next calls, one each.
        self.faults: dict[str, deque[Fault]] = {}
        # What was called, in order.
        self.calls: list[tuple[str, Any]] = []
        self.metadata: list[tuple[str, str]] = []
        # For the next watches: frames instead of the truth, or after how many of the
        # true ones the line is cut.
        self.scripts: deque[list[Frame | Refusal]] = deque()
        self.cuts: deque[int] = deque()
        # Say each change twice, as a server may that lost count.
        self.stutters = False
        self.watchers = 0
        self.bookmarks = 0
        self._changed = threading.Condition()
        self._news = asyncio.Event()
        self._server: Any = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fake")

    # The life of it

    def start(self) -> "FakeServer":
        if not self._thread.is_alive():
            self._thread.start()
        self.on_loop(self._start())
        return self

    def stop(self) -> None:
        """As a crash: open calls break off. `start` brings it back."""
        self.on_loop(self._stop())

    def end(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    async def _start(self) -> None:
        server = grpc.aio.server(options=(("grpc.so_reuseport", 0),))
        for service in (
            job_service_pb2.DESCRIPTOR.services_by_name["JobService"],
            image_service_pb2.DESCRIPTOR.services_by_name["ImageService"],
            system_service_pb2.DESCRIPTOR.services_by_name["SystemService"],
        ):
            server.add_generic_rpc_handlers((self._handlers(service),))
        server.add_insecure_port(self.address)
        await server.start()
        self._server = server

    async def _stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.stop(None)

    def on_loop(self, work: Coroutine[Any, Any, T]) -> T:
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(PATIENCE)

    # What a test does with it

    def put(self, job_id: str, state: str = "RUNNING", **more: Any) -> job_pb2.Job:
        """Make or change a job: one revision, one event."""
        job = job_pb2.Job(
            job_id=job_id,
            job_type="block.pull",
            state=job_pb2.JobState.Value(f"JOB_STATE_{state}"),
            **more,
        )
        if state in ("SUCCEEDED", "FAILED", "CANCELLED"):
            job.end_time.FromSeconds(1_000_000)
        self.on_loop(self._put(job))
        return self.jobs[job_id]

    def remove(self, job_id: str) -> None:
        self.on_loop(self._remove(job_id))

    def compact(self) -> None:
        """Forget all changes up to now."""
        self.oldest = self.head

    def restore(self) -> None:
        """As from a backup: another history, the same jobs."""
        self.history += "x"
        self.events.clear()

    def fail(self, method: str, *faults: Fault) -> None:
        self.faults.setdefault(method, deque()).extend(faults)

    def called(self, method: str) -> list[Any]:
        return [request for name, request in self.calls if name == method]

    def wait_for(self, is_so: Callable[["FakeServer"], bool]) -> None:
        """Until something holds; everything that happens here wakes it."""
        with self._changed:
            assert self._changed.wait_for(lambda: is_so(self), PATIENCE)

    def wake(self) -> None:
        """Let watches look again: something was set from outside."""
        self.on_loop(self._wake())

    async def _wake(self) -> None:
        self._tell()

    async def _put(self, job: job_pb2.Job) -> None:
        before = self.jobs.get(job.job_id)
        kind = (
            watch_pb2.JOB_EVENT_KIND_CREATED
            if before is None
            else watch_pb2.JOB_EVENT_KIND_UPDATED
        )
        self._record(kind, job, before)
        self.jobs[job.job_id] = job
        self._tell()

    async def _remove(self, job_id: str) -> None:
        job = self.jobs.pop(job_id)
        last = job_pb2.Job()
        last.CopyFrom(job)
        self._record(watch_pb2.JOB_EVENT_KIND_REMOVED, last, job)
        self._tell()

    def _record(
        self,
        kind: watch_pb2.JobEventKind.ValueType,
        job: job_pb2.Job,
        before: job_pb2.Job | None,
    ) -> None:
        self.head += 1
        job.revision = self.head
        job.number = job.number or len(self.jobs) + 1
        event = watch_pb2.JobEvent(kind=kind, revision=self.head)
        event.job.CopyFrom(job)
        if before is not None:
            event.previous_state = before.state
        self.events.append(event)

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()
        with self._changed:
            self._changed.notify_all()

    # Calls

    def _handlers(self, service: Any) -> grpc.GenericRpcHandler:
        table = {}
        for method in service.methods:
            request = method.input_type._concrete_class
            if method.server_streaming:
                table[method.name] = grpc.unary_stream_rpc_method_handler(
                    self._watch, request.FromString, lambda frame: frame
                )
            else:
                table[method.name] = grpc.unary_unary_rpc_method_handler(
                    self._unary(method), request.FromString, bytes
                )
        return grpc.method_handlers_generic_handler(service.full_name, table)

    def _unary(self, method: Any) -> Callable[[Any, Any], Awaitable[bytes]]:
        async def serve(request: Any, context: Any) -> bytes:
            self._note(method.name, request, context)
            faults = self.faults.get(method.name)
            fault = faults.popleft() if faults else None
            if isinstance(fault, Refusal):
                await fault.abort(context)
            try:
                answer = await self._answer(method, request)
            except Refusal as refusal:
                await refusal.abort(context)
            if isinstance(fault, Lost):
                await context.abort(Code.UNAVAILABLE, "the answer was lost")
            packed: bytes = answer.SerializeToString()
            return packed

        return serve

    def _note(self, method: str, request: Any, context: Any) -> None:
        self.calls.append((method, request))
        self.metadata = list(context.invocation_metadata())
        with self._changed:
            self._changed.notify_all()

    async def _answer(self, method: Any, request: Any) -> Any:
        answer = self.answers.get(method.name)
        if callable(answer):
            answer = answer(request)
        if answer is not None:
            return answer
        if method.name == "WaitJob":
            return await self._wait(request)
        if method.name == "GetJob":
            return job_service_pb2.GetJobResponse(job=self._job(request.job_id))
        if method.name == "ListJobs":
            newest = reversed(self.jobs.values())
            found = (
                j for j in newest if not request.states or j.state in request.states
            )
            return job_service_pb2.ListJobsResponse(jobs=found)
        return method.output_type._concrete_class()

    def _job(self, job_id: str) -> job_pb2.Job:
        if job_id not in self.jobs:
            raise missing(job_id)
        return self.jobs[job_id]

    async def _wait(
        self, request: job_service_pb2.WaitJobRequest
    ) -> job_service_pb2.WaitJobResponse:
        deadline = self._loop.time() + request.timeout.ToTimedelta().total_seconds()
        while True:
            news = self._news
            job = self._job(request.job_id)
            if job.HasField("end_time") or job.state in request.states:
                return job_service_pb2.WaitJobResponse(job=job, reached=True)
            try:
                async with asyncio.timeout_at(deadline):
                    await news.wait()
            except TimeoutError:
                return job_service_pb2.WaitJobResponse(job=job)

    # The watch

    async def _watch(self, request: Any, context: Any) -> AsyncIterator[bytes]:
        self._note("WatchJobs", request, context)
        self.watchers += 1
        try:
            left = self.cuts.popleft() if self.cuts else -1
            if left == 0:
                await context.abort(Code.UNAVAILABLE, "cut before the first frame")
            frames = self._script() if self.scripts else self._truth(request)
            async for frame in frames:
                yield frame.SerializeToString()
                left -= 1
                if left == 0:
                    await context.abort(Code.UNAVAILABLE, "cut")
        except Refusal as refusal:
            await refusal.abort(context)
        finally:
            self.watchers -= 1
            with self._changed:
                self._changed.notify_all()

    async def _script(self) -> AsyncIterator[Frame]:
        """What a test has written; at its end, silence."""
        for frame in self.scripts.popleft():
            if isinstance(frame, Refusal):
                raise frame
            yield frame
        if not self.scripts:
            await asyncio.Event().wait()

    async def _truth(self, request: watch_pb2.WatchJobsRequest) -> AsyncIterator[Frame]:
        last = self._first(request)
        opened = Frame(opened=watch_pb2.WatchOpened(heartbeat_interval=self._beat()))
        if last is None:
            yield opened
            last = self.head
            for job in [job for job in self.jobs.values() if chosen(request, job)]:
                yield Frame(snapshot=watch_pb2.SnapshotChunk(jobs=[job]))
            end = watch_pb2.SnapshotEnd(job_count=len(self.jobs))
            yield Frame(cursor=self.cursor(last), snapshot_end=end)
        else:
            opened.cursor.CopyFrom(self.cursor(last))
            yield opened
        async for frame in self._changes(request, last):
            yield frame

    async def _changes(
        self, request: watch_pb2.WatchJobsRequest, last: int
    ) -> AsyncIterator[Frame]:
        while True:
            news = self._news
            if last < self.oldest:
                raise compacted(self)
            for event in [one for one in self.events if one.revision > last]:
                last = event.revision
                if not chosen(request, event.job):
                    continue
                batch = watch_pb2.JobEventBatch(events=[event] * (1 + self.stutters))
                yield Frame(cursor=self.cursor(last), events=batch)
            if request.stop_when_finished and self._all_ended(request):
                yield closing("FINISHED", self.cursor(last))
                return
            try:
                async with asyncio.timeout(self.heartbeat):
                    await news.wait()
            except TimeoutError:
                yield Frame(cursor=self.cursor(last), bookmark=watch_pb2.Bookmark())
                self.bookmarks += 1
                with self._changed:
                    self._changed.notify_all()

    def _first(self, request: watch_pb2.WatchJobsRequest) -> int | None:
        match request.WhichOneof("start"):
            case "resume_after":
                if request.resume_after.history_id != self.history:
                    raise Refusal(Code.OUT_OF_RANGE, "HISTORY_CHANGED")
                if request.resume_after.revision < self.oldest:
                    raise compacted(self)
                return request.resume_after.revision
            case "from_now":
                return self.head
            case _:
                return None

    def _all_ended(self, request: watch_pb2.WatchJobsRequest) -> bool:
        return all(
            job.HasField("end_time")
            for job in self.jobs.values()
            if chosen(request, job)
        )

    def _beat(self) -> Duration:
        whole = int(self.heartbeat)
        return Duration(seconds=whole, nanos=round((self.heartbeat - whole) * 1e9))

    def cursor(self, revision: int) -> watch_pb2.Cursor:
        return watch_pb2.Cursor(history_id=self.history, revision=revision)


def chosen(request: watch_pb2.WatchJobsRequest, job: job_pb2.Job) -> bool:
    ids = request.selector.job_ids
    return not ids or job.job_id in ids


def compacted(server: FakeServer) -> Refusal:
    return Refusal(
        Code.OUT_OF_RANGE,
        "REVISION_COMPACTED",
        "The history is gone",
        {"oldestRevision": str(server.oldest), "headRevision": str(server.head)},
    )
