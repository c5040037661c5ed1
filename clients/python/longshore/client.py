"""The blocking client. `aio` is its twin for asyncio; what they do is in `steps`."""

import threading
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Self

import grpc

from . import channels, requests, steps
from .address import check_address, default_address
from .enums import CompletionMode, JobState
from .errors import LongshoreError, from_call
from .steps import Call, Plan, Sleep, T
from .v1 import (
    image_pb2,
    image_service_pb2,
    job_info_pb2,
    job_pb2,
    job_plan_pb2,
    job_service_pb2,
    system_service_pb2,
    watch_pb2,
)
from .watch import Finished, Value, Watcher, selector


class Client:
    """One daemon. Threads may share it; close it, or use it as a context manager.

    `address` is `unix:PATH` or `HOST:PORT`; without one, LONGSHORE_ADDRESS or the
    usual socket. Raises ValueError for an address that is none.
    """

    def __init__(self, address: str | None = None) -> None:
        self.address = check_address(address or default_address())
        self._control = grpc.insecure_channel(self.address, options=channels.CONTROL)
        self._watch: grpc.Channel | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._control.close()
        if self._watch is not None:
            self._watch.close()

    def stub(self, service: str = "JobService") -> Any:
        """The generated stub, for what this wrapper does not offer."""
        return channels.STUBS[service](self._control)

    # Jobs

    def job(self, job_id: str) -> "JobHandle":
        """A handle on a job; asks nothing of the daemon yet."""
        return JobHandle(self, job_id)

    def create(
        self, info: job_info_pb2.JobInfo, submit: requests.Submit = requests.PLAINLY
    ) -> "JobHandle":
        """Start a job of any kind. Sent again when an answer is lost, made once."""
        answer = self.run(steps.create(submit.request(info)))
        return JobHandle(
            self, answer.job.job_id, answer.job, is_new=not answer.replayed
        )

    def pull(
        self,
        top: requests.ImageName,
        *,
        base: requests.ImageName | None = None,
        backing_chain: Iterable[requests.ImageName] = (),
        submit: requests.Submit = requests.PLAINLY,
    ) -> "JobHandle":
        """Populate `top` from its backing chain, wholly or down to `base`."""
        return self.create(requests.pull_info(top, base, backing_chain), submit)

    def create_group(
        self, request: job_service_pb2.CreateJobGroupRequest
    ) -> list["JobHandle"]:
        """Start jobs that become visible together or not at all."""
        if not request.request_id:
            request.request_id = steps.request_id()
        call = steps.job_call("CreateJobGroup", request, seconds=steps.CREATE_SECONDS)
        answer = self.run(steps.ask(call))
        return [JobHandle(self, job.job_id, job) for job in answer.jobs]

    def plan(
        self, info: job_info_pb2.JobInfo, submit: requests.Submit = requests.PLAINLY
    ) -> job_plan_pb2.JobPlan:
        """What a job would do; nothing happens."""
        request = job_service_pb2.PlanJobRequest(request=submit.request(info))
        call = steps.job_call("PlanJob", request, seconds=steps.CREATE_SECONDS)
        plan: job_plan_pb2.JobPlan = self.run(steps.ask(call)).plan
        return plan

    def list(
        self,
        *,
        states: Iterable[JobState] = (),
        page_size: int = 0,
        select: watch_pb2.JobSelector | None = None,
    ) -> Iterator[job_pb2.Job]:
        """Jobs, newest first; pages are fetched as they are needed."""
        request = job_service_pb2.ListJobsRequest(
            page_size=page_size, selector=select, states=states
        )
        while True:
            answer = self.run(steps.ask(steps.job_call("ListJobs", request)))
            yield from answer.jobs
            if not answer.next_page_token:
                return
            request.page_token = answer.next_page_token

    def watch(self, select: watch_pb2.JobSelector | None = None, **how: Any) -> "Watch":
        """Every change from now on, or from a cursor; see `watch.Watcher` for `how`."""
        return Watch(self, Watcher(select or selector(), **how))

    # Images and the daemon itself

    def image(
        self,
        name: requests.ImageName,
        *,
        backing_chain: Iterable[requests.ImageName] = (),
    ) -> image_pb2.Image:
        request = image_service_pb2.GetImageRequest(
            image=requests.image(name),
            backing_chain=[requests.image(link) for link in backing_chain],
        )
        found: image_pb2.Image = self.run(
            steps.ask(steps.image_call("GetImage", request))
        ).image
        return found

    def map(
        self,
        name: requests.ImageName,
        *,
        backing_chain: Iterable[requests.ImageName] = (),
    ) -> Iterator[image_pb2.MapExtent]:
        """The extents of an image through its chain, in order."""
        request = image_service_pb2.MapImageRequest(
            image=requests.image(name),
            backing_chain=[requests.image(link) for link in backing_chain],
        )
        while True:
            answer = self.run(steps.ask(steps.image_call("MapImage", request)))
            yield from answer.extents
            if not answer.next_page_token:
                return
            request.page_token = answer.next_page_token

    def create_image(
        self, request: image_service_pb2.CreateImageRequest
    ) -> image_pb2.Image:
        """Make an empty image or an overlay. Not sent twice: it may exist then."""
        call: Call[Any] = steps.image_call("CreateImage", request, is_safe=False)
        made: image_pb2.Image = self.run(steps.ask(call)).image
        return made

    def capabilities(self) -> system_service_pb2.GetCapabilitiesResponse:
        request = system_service_pb2.GetCapabilitiesRequest()
        call: Call[Any] = Call("SystemService", "GetCapabilities", request)
        answer: system_service_pb2.GetCapabilitiesResponse = self.run(steps.ask(call))
        return answer

    # The engine

    def run(self, plan: Plan[T]) -> T:
        """Drive a plan to its result."""
        answer: Any = None
        error: LongshoreError | None = None
        while True:
            try:
                step = plan.throw(error) if error else plan.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            answer, error = self._do(step)

    def _do(self, step: Call[Any] | Sleep) -> tuple[Any, LongshoreError | None]:
        if isinstance(step, Sleep):
            time.sleep(step.seconds)
            return None, None
        method = getattr(self.stub(step.service), step.method)
        try:
            answer = method(
                step.request, timeout=step.seconds, metadata=channels.METADATA
            )
        except grpc.RpcError as error:
            return None, from_call(error)
        return answer, None

    def open_stream(self, request: watch_pb2.WatchJobsRequest) -> Any:
        with self._lock:
            if self._watch is None:
                self._watch = grpc.insecure_channel(
                    self.address, options=channels.WATCH
                )
        stub = channels.STUBS["JobService"](self._watch)
        return stub.WatchJobs(request, metadata=channels.METADATA)


class JobHandle:
    """A job by its id. `job` is what the last answer said, None before any."""

    def __init__(
        self,
        client: Client,
        job_id: str,
        job: job_pb2.Job | None = None,
        *,
        is_new: bool = False,
    ) -> None:
        self.client = client
        self.job_id = job_id
        self.job = job
        self.is_new = is_new

    def _verb(self, method: str, request: Any) -> job_pb2.Job:
        self.job = self.client.run(steps.verb(method, request))
        return self.job

    def get(self) -> job_pb2.Job:
        return self._verb("GetJob", job_service_pb2.GetJobRequest(job_id=self.job_id))

    def wait(
        self,
        timeout: float | None = None,
        *,
        states: Iterable[JobState] = (),
        raise_on_failure: bool = True,
    ) -> job_pb2.Job:
        """See `steps.wait`. A timeout never cancels the job."""
        self.job = self.client.run(
            steps.wait(
                self.job_id,
                now=time.monotonic,
                timeout=timeout,
                states=states,
                raise_on_failure=raise_on_failure,
            )
        )
        return self.job

    def pause(self, comment: str = "") -> job_pb2.Job:
        request = job_service_pb2.PauseJobRequest(job_id=self.job_id, comment=comment)
        return self._verb("PauseJob", request)

    def resume(self) -> job_pb2.Job:
        request = job_service_pb2.ResumeJobRequest(job_id=self.job_id)
        return self._verb("ResumeJob", request)

    def cancel(self, comment: str = "", *, force: bool = False) -> job_pb2.Job:
        """Ask for the end; `wait(raise_on_failure=False)` tells when it has come."""
        request = job_service_pb2.CancelJobRequest(
            job_id=self.job_id, comment=comment, force=force
        )
        return self._verb("CancelJob", request)

    def complete(
        self,
        mode: CompletionMode = job_service_pb2.COMPLETION_MODE_SWITCH,
    ) -> job_pb2.Job:
        request = job_service_pb2.CompleteJobRequest(job_id=self.job_id, mode=mode)
        return self._verb("CompleteJob", request)

    def finalize(self) -> job_pb2.Job:
        request = job_service_pb2.FinalizeJobRequest(job_id=self.job_id)
        return self._verb("FinalizeJob", request)

    def dismiss(self, *, allow_missing: bool = False) -> job_pb2.Job:
        request = job_service_pb2.DismissJobRequest(
            job_id=self.job_id, allow_missing=allow_missing
        )
        return self._verb("DismissJob", request)

    def set_speed(self, bytes_per_second: int | None) -> job_pb2.Job:
        """Change the rate limit now; None takes it away."""
        request = requests.set_speed(self.job_id, bytes_per_second)
        return self._verb("UpdateJob", request)

    def update(self, request: job_service_pb2.UpdateJobRequest) -> job_pb2.Job:
        request.job_id = self.job_id
        return self._verb("UpdateJob", request)

    def watch(self, **how: Any) -> "Watch":
        """This job's changes, to its end."""
        how.setdefault("stop_when_finished", True)
        return self.client.watch(selector(job_ids=(self.job_id,)), **how)


class Watch:
    """An iterator of values that resumes by itself; leaving it cancels the call.

    Use it as a context manager, or iterate to the end: `with client.watch() as w`.
    """

    def __init__(self, client: Client, watcher: Watcher) -> None:
        self._client = client
        self._watcher = watcher
        self._call: Any = None
        self._values = self._run()
        self._closed = threading.Event()

    @property
    def cursor(self) -> watch_pb2.Cursor | None:
        """Up to here everything was handed out: save it to resume later."""
        return self._watcher.cursor

    def __iter__(self) -> Iterator[Value]:
        try:
            yield from self._values
        finally:
            self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the watch; from any thread, at any time."""
        self._closed.set()
        if self._call is not None:
            self._call.cancel()

    def _run(self) -> Iterator[Value]:
        while not self._closed.is_set():
            began = time.monotonic()
            try:
                yield from self._stream()
                delay = self._watcher.closed(time.monotonic() - began)
            except Finished:
                return
            except LongshoreError as error:
                delay = self._watcher.failed(error, time.monotonic() - began)
            self._closed.wait(delay)

    def _stream(self) -> Iterator[Value]:
        """One stream to its end. Silence cancels it, which ends it as an error."""
        self._call = self._client.open_stream(self._watcher.request())
        watchdog = Watchdog(self._call.cancel)
        try:
            watchdog.feed(self._watcher.silence)
            for frame in self._call:
                watchdog.feed(self._watcher.silence)
                yield from self._watcher.frame(frame)
        except grpc.RpcError as error:
            if not self._closed.is_set():
                raise from_call(error) from error
        finally:
            watchdog.stop()
            self._call.cancel()


class Watchdog:
    """Calls `bite` when it has not been fed for the time that the last meal gave."""

    def __init__(self, bite: Any) -> None:
        self._bite = bite
        self._fed = threading.Condition()
        self._until = float("inf")
        self._stopped = False
        self._thread = threading.Thread(target=self._guard, daemon=True)
        self._thread.start()

    def feed(self, seconds: float) -> None:
        # No wake-up: the guard looks again when the earlier meal has run out.
        first = self._until == float("inf")
        self._until = time.monotonic() + seconds
        if first:
            with self._fed:
                self._fed.notify()

    def stop(self) -> None:
        with self._fed:
            self._stopped = True
            self._fed.notify()

    def _guard(self) -> None:
        with self._fed:
            while not self._stopped:
                left = self._until - time.monotonic()
                if left <= 0:
                    self._bite()
                    return
                self._fed.wait(None if left == float("inf") else left)
