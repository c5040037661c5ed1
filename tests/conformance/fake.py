"""The fake server of the scenarios: what that of the client's tests does, and pages,
jobs that are made once, calls that hang, messages of a newer contract.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from longshore.v1 import job_pb2, job_service_pb2, watch_pb2
from tests.support.fakeserver import FakeServer, chosen
from tests.support.refusals import Code, Refusal

# A field that no contract has yet, as bytes: number 9999, a text.
UNKNOWN_FIELD = b"\xfa\xf0\x04\x06future"


class ScriptedServer(FakeServer):
    """`hangs` holds methods that are never answered; `by_request` which job a request
    id has made; `begun` counts watches whose first frame has gone out.
    """

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.hangs: set[str] = set()
        self.begun = 0
        self.by_request: dict[str, str] = {}

    def put_job(self, job: job_pb2.Job) -> None:
        """Make or change a job as it stands here: one revision, one event."""
        self.on_loop(self._put(job))

    async def _watch(self, request: Any, context: Any) -> AsyncGenerator[bytes, None]:
        is_first = True
        told: Any = super()._watch(request, context)
        async with aclosing(told) as frames:
            async for frame in frames:
                yield frame
                if is_first:
                    is_first = False
                    self.begun += 1
                    self._tell()

    async def _answer(self, method: Any, request: Any) -> Any:
        if method.name in self.hangs:
            await asyncio.Event().wait()
        if method.name not in self.answers:
            match method.name:
                case "ListJobs":
                    return self._page(request)
                case "CreateJob":
                    return await self._create(request)
                case _:
                    pass
        return await super()._answer(method, request)

    def _page(
        self, request: job_service_pb2.ListJobsRequest
    ) -> job_service_pb2.ListJobsResponse:
        """Of the jobs of a page those that are wanted: it may be empty."""
        begin = int(request.page_token or 0)
        end = begin + (request.page_size or 100)
        jobs = list(reversed(self.jobs.values()))
        return job_service_pb2.ListJobsResponse(
            jobs=[job for job in jobs[begin:end] if _wanted(request, job)],
            next_page_token=str(end) if end < len(jobs) else "",
            cursor=self.cursor(self.head),
        )

    async def _create(
        self, request: job_service_pb2.CreateJobRequest
    ) -> job_service_pb2.CreateJobResponse:
        if not request.request_id:
            raise Refusal(Code.INVALID_ARGUMENT, "FIELD_INVALID", "no request_id")
        known = self.by_request.get(request.request_id)
        job_id = known or request.job_id or f"job-{len(self.jobs) + 1}"
        if known is None:
            self.by_request[request.request_id] = job_id
            job = job_pb2.Job(
                job_id=job_id,
                job_type="block.pull",
                info=request.info,
                labels=request.labels,
                state=job_pb2.JOB_STATE_QUEUED,
            )
            await self._put(job)
        return job_service_pb2.CreateJobResponse(
            job=self.jobs[job_id], replayed=known is not None
        )


def _wanted(request: job_service_pb2.ListJobsRequest, job: job_pb2.Job) -> bool:
    if request.states and job.state not in request.states:
        return False
    return chosen(watch_pb2.WatchJobsRequest(selector=request.selector), job)


def from_the_future(message: Message) -> None:
    """Give it a field that no contract has yet."""
    message.MergeFromString(UNKNOWN_FIELD)


def many(count: int, width: int = 4) -> Iterable[str]:
    """Names that sort as they count."""
    return (f"job-{number:0{width}d}" for number in range(1, count + 1))
