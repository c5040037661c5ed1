"""The client for asyncio: `client.Client` with await. What they do is in `steps`."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from types import TracebackType
from typing import Any, Self

import grpc

from . import channels, requests, steps
from .address import check_address, default_address
from .enums import CompletionMode, JobState
from .errors import ConnectionFailed, LongshoreError, from_call
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


class AsyncClient:
    """One daemon, for one event loop. See `client.Client`."""

    def __init__(self, address: str | None = None) -> None:
        self.address = check_address(address or default_address())
        self._control = grpc.aio.insecure_channel(
            self.address, options=channels.CONTROL
        )
        self._watch: grpc.aio.Channel | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._control.close()
        if self._watch is not None:
            await self._watch.close()

    def stub(self, service: str = "JobService") -> Any:
        """The generated stub, for what this wrapper does not offer."""
        return channels.STUBS[service](self._control)

    def job(self, job_id: str) -> "AsyncJob":
        return AsyncJob(self, job_id)

    async def create(
        self, info: job_info_pb2.JobInfo, submit: requests.Submit = requests.PLAINLY
    ) -> "AsyncJob":
        answer = await self.run(steps.create(submit.request(info)))
        return AsyncJob(self, answer.job.job_id, answer.job)

    async def pull(
        self,
        top: requests.ImageName,
        *,
        base: requests.ImageName | None = None,
        backing_chain: Iterable[requests.ImageName] = (),
        submit: requests.Submit = requests.PLAINLY,
    ) -> "AsyncJob":
        return await self.create(requests.pull_info(top, base, backing_chain), submit)

    async def plan(
        self, info: job_info_pb2.JobInfo, submit: requests.Submit = requests.PLAINLY
    ) -> job_plan_pb2.JobPlan:
        request = job_service_pb2.PlanJobRequest(request=submit.request(info))
        call = steps.job_call("PlanJob", request, seconds=steps.CREATE_SECONDS)
        plan: job_plan_pb2.JobPlan = (await self.run(steps.ask(call))).plan
        return plan

    async def list(
        self,
        *,
        states: Iterable[JobState] = (),
        page_size: int = 0,
        select: watch_pb2.JobSelector | None = None,
    ) -> AsyncIterator[job_pb2.Job]:
        request = job_service_pb2.ListJobsRequest(
            page_size=page_size, selector=select, states=states
        )
        while True:
            answer = await self.run(steps.ask(steps.job_call("ListJobs", request)))
            for job in answer.jobs:
                yield job
            if not answer.next_page_token:
                return
            request.page_token = answer.next_page_token

    def watch(
        self, select: watch_pb2.JobSelector | None = None, **how: Any
    ) -> "AsyncWatch":
        return AsyncWatch(self, Watcher(select or selector(), **how))

    async def image(self, name: requests.ImageName) -> image_pb2.Image:
        request = image_service_pb2.GetImageRequest(image=requests.image(name))
        answer = await self.run(steps.ask(steps.image_call("GetImage", request)))
        found: image_pb2.Image = answer.image
        return found

    async def create_image(
        self, request: image_service_pb2.CreateImageRequest
    ) -> image_pb2.Image:
        call: Call[Any] = steps.image_call("CreateImage", request, is_safe=False)
        made: image_pb2.Image = (await self.run(steps.ask(call))).image
        return made

    async def capabilities(self) -> system_service_pb2.GetCapabilitiesResponse:
        request = system_service_pb2.GetCapabilitiesRequest()
        call: Call[Any] = Call("SystemService", "GetCapabilities", request)
        answer: system_service_pb2.GetCapabilitiesResponse = await self.run(
            steps.ask(call)
        )
        return answer

    async def run(self, plan: Plan[T]) -> T:
        """Drive a plan to its result."""
        answer: Any = None
        error: LongshoreError | None = None
        while True:
            try:
                step = plan.throw(error) if error else plan.send(answer)
            except StopIteration as end:
                result: T = end.value
                return result
            answer, error = await self._do(step)

    async def _do(self, step: Call[Any] | Sleep) -> tuple[Any, LongshoreError | None]:
        if isinstance(step, Sleep):
            await asyncio.sleep(step.seconds)
            return None, None
        method = getattr(self.stub(step.service), step.method)
        try:
            answer = await method(
                step.request, timeout=step.seconds, metadata=channels.METADATA
            )
        except grpc.RpcError as error:
            return None, from_call(error)
        return answer, None

    def open_stream(self, request: watch_pb2.WatchJobsRequest) -> Any:
        if self._watch is None:
            self._watch = grpc.aio.insecure_channel(
                self.address, options=channels.WATCH
            )
        stub = channels.STUBS["JobService"](self._watch)
        return stub.WatchJobs(request, metadata=channels.METADATA)


class AsyncJob:
    """A job by its id. `job` is what the last answer said, None before any."""

    def __init__(
        self, client: AsyncClient, job_id: str, job: job_pb2.Job | None = None
    ) -> None:
        self.client = client
        self.job_id = job_id
        self.job = job

    async def _verb(self, method: str, request: Any) -> job_pb2.Job:
        self.job = await self.client.run(steps.verb(method, request))
        return self.job

    async def get(self) -> job_pb2.Job:
        request = job_service_pb2.GetJobRequest(job_id=self.job_id)
        return await self._verb("GetJob", request)

    async def wait(
        self,
        timeout: float | None = None,
        *,
        states: Iterable[JobState] = (),
        raise_on_failure: bool = True,
    ) -> job_pb2.Job:
        """See `steps.wait`. A timeout never cancels the job."""
        plan = steps.wait(
            self.job_id,
            now=time.monotonic,
            timeout=timeout,
            states=states,
            raise_on_failure=raise_on_failure,
        )
        self.job = await self.client.run(plan)
        return self.job

    async def pause(self, comment: str = "") -> job_pb2.Job:
        request = job_service_pb2.PauseJobRequest(job_id=self.job_id, comment=comment)
        return await self._verb("PauseJob", request)

    async def resume(self) -> job_pb2.Job:
        request = job_service_pb2.ResumeJobRequest(job_id=self.job_id)
        return await self._verb("ResumeJob", request)

    async def cancel(self, comment: str = "", *, force: bool = False) -> job_pb2.Job:
        request = job_service_pb2.CancelJobRequest(
            job_id=self.job_id, comment=comment, force=force
        )
        return await self._verb("CancelJob", request)

    async def complete(
        self,
        mode: CompletionMode = job_service_pb2.COMPLETION_MODE_SWITCH,
    ) -> job_pb2.Job:
        request = job_service_pb2.CompleteJobRequest(job_id=self.job_id, mode=mode)
        return await self._verb("CompleteJob", request)

    async def finalize(self) -> job_pb2.Job:
        request = job_service_pb2.FinalizeJobRequest(job_id=self.job_id)
        return await self._verb("FinalizeJob", request)

    async def dismiss(self, *, allow_missing: bool = False) -> job_pb2.Job:
        request = job_service_pb2.DismissJobRequest(
            job_id=self.job_id, allow_missing=allow_missing
        )
        return await self._verb("DismissJob", request)

    async def set_speed(self, bytes_per_second: int | None) -> job_pb2.Job:
        request = requests.set_speed(self.job_id, bytes_per_second)
        return await self._verb("UpdateJob", request)

    def watch(self, **how: Any) -> "AsyncWatch":
        """This job's changes, to its end."""
        how.setdefault("stop_when_finished", True)
        return self.client.watch(selector(job_ids=(self.job_id,)), **how)


class AsyncWatch:
    """An iterator of values that resumes by itself.

    `async with client.watch() as values: async for value in values` ends the call
    when the block is left, however it is left.
    """

    def __init__(self, client: AsyncClient, watcher: Watcher) -> None:
        self._client = client
        self._watcher = watcher
        self._call: Any = None
        self._values = self._run()

    @property
    def cursor(self) -> watch_pb2.Cursor | None:
        """Up to here everything was handed out: save it to resume later."""
        return self._watcher.cursor

    def __aiter__(self) -> AsyncIterator[Value]:
        return self._values

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        if self._call is not None:
            self._call.cancel()
        await self._values.aclose()

    async def _run(self) -> AsyncGenerator[Value, None]:
        while True:
            began = time.monotonic()
            try:
                async for value in self._stream():
                    yield value
                delay = self._watcher.closed(time.monotonic() - began)
            except Finished:
                return
            except LongshoreError as error:
                delay = self._watcher.failed(error, time.monotonic() - began)
            await asyncio.sleep(delay)

    async def _stream(self) -> AsyncGenerator[Value, None]:
        """One stream to its end; silence ends it as an error."""
        self._call = self._client.open_stream(self._watcher.request())
        try:
            while (frame := await self._read()) is not grpc.aio.EOF:
                for value in self._watcher.frame(frame):
                    yield value
        except grpc.RpcError as error:
            raise from_call(error) from error
        finally:
            self._call.cancel()

    async def _read(self) -> Any:
        try:
            async with asyncio.timeout(self._watcher.silence):
                return await self._call.read()
        except TimeoutError as silence:
            raise ConnectionFailed("the watch has gone silent") from silence
