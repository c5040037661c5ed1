"""JobService: translate, ask the scheduler or the store, translate back."""

from collections.abc import Awaitable
from functools import partial
from typing import Protocol

from longshore.v1 import job_service_pb2 as pb
from longshore.v1 import watch_pb2

from ..errors import Kind, ServiceError, field_invalid
from ..job.model import CompletionMode, Job
from ..job.replace import replace
from ..job.states import Verb
from ..scheduler.newjob import Caller
from ..scheduler.scheduler import Scheduler
from ..store.reader import Reader
from . import checks, enums, frames, requests, traces, wiretime
from .callers import Origin
from .calls import Made
from .crossing import Crossing
from .jobwire import JobWire
from .pages import Pages, Place
from .selector import Selection, selection
from .translate_options import changed_options
from .translate_plan import plan_to_proto
from .wait import LONGEST_WAIT, Until, Waiting
from .watch import Watch, WatchHub, Write
from .watchers import Watchers

DEFAULT_PAGE = 100
LARGEST_PAGE = 500
_PAGE_BYTES = 1024 * 1024


class JobService:
    """The methods of the contract without a transport. Lives on the loop."""

    def __init__(
        self,
        *,
        scheduler: Scheduler,
        reader: Reader,
        wire: JobWire,
        hub: WatchHub,
        watchers: Watchers,
        pages: Pages,
        verbs: Crossing,
        reads: Crossing,
    ) -> None:
        # Set once.
        self._scheduler = scheduler
        self._reader = reader
        self._wire = wire
        self._hub = hub
        self._watchers = watchers
        self._pages = pages
        self._verbs = verbs
        self._reads = reads

    # Making jobs.

    async def CreateJob(self, request: pb.CreateJobRequest, caller: Caller) -> Made:
        new = requests.new_job(request)
        request_id = checks.request_id(request.request_id)
        created = await self._verbs.begin(
            self._scheduler.creating,
            new,
            caller,
            request_id=request_id,
            body=requests.canonical(new) if request_id else "",
            traceparent=traces.current(),
            validate_only=request.validate_only,
        )
        rest = pb.CreateJobResponse(
            replayed=created.replayed, existing=created.existing
        )
        # The same bytes that watches and lists are given.
        job = frames.field(_CREATED_JOB, self._wire.changed(created.job))
        return Made(job + rest.SerializeToString(), created.job.job_id)

    async def CreateJobGroup(
        self, request: pb.CreateJobGroupRequest, caller: Caller
    ) -> Made:
        asked = requests.new_group(request)
        request_id = checks.request_id(request.request_id)
        jobs, replayed = await self._verbs.call(
            self._scheduler.create_group,
            asked.members,
            caller,
            group=asked.group,
            request_id=request_id,
            body=requests.canonical_group(asked) if request_id else "",
            traceparent=traces.current(),
            validate_only=request.validate_only,
        )
        group = jobs[0].group
        group_id = "" if group is None else group.group_id
        rest = pb.CreateJobGroupResponse(group_id=group_id, replayed=replayed)
        made = [frames.field(_GROUP_JOBS, self._wire.changed(job)) for job in jobs]
        return Made(b"".join(made) + rest.SerializeToString(), group_id)

    async def PlanJob(
        self, request: pb.PlanJobRequest, caller: Caller
    ) -> pb.PlanJobResponse:
        new = requests.new_job(request.request, "request.")
        planned = await self._verbs.call(self._scheduler.plan, new, caller)
        return pb.PlanJobResponse(plan=plan_to_proto(new, planned))

    # Looking at jobs.

    async def GetJob(
        self, request: pb.GetJobRequest, caller: Caller
    ) -> pb.GetJobResponse:
        job = await self._get(checks.job_id("job_id", request.job_id))
        return pb.GetJobResponse(job=self._wire.message(self._with_progress(job)))

    async def ListJobs(self, request: pb.ListJobsRequest, caller: Caller) -> bytes:
        checks.not_negative("page_size", request.page_size)
        chosen = selection(request.selector, enums.states("states", request.states))
        size = min(request.page_size or DEFAULT_PAGE, LARGEST_PAGE)
        self._hub.log.catch_up()
        place = None
        if request.page_token:
            place = self._pages.open(request.page_token, chosen.key)
        head = self._hub.log.head if place is None else place.revision
        after = None if place is None else place.after
        return await self._reads.call(self._page, chosen, head, after, size)

    def _page(
        self, chosen: Selection, head: int, after: int | None, size: int
    ) -> bytes:
        """A serialised ListJobsResponse: jobs as they are kept, not built anew."""
        jobs = self._reader.list_stored(chosen.query, after=after, limit=size + 1)
        parts: list[bytes] = []
        shown = 0
        for stored in jobs[:size]:
            body = self._wire.stored(stored, self._scheduler.progress(stored.number))
            if parts and shown + len(body) > _PAGE_BYTES:
                break
            parts.append(frames.field(_JOBS, body))
            shown += len(body)
        rest = pb.ListJobsResponse(cursor=self._hub.log.frames.cursor(head))
        if len(parts) < len(jobs):
            place = Place(head, jobs[len(parts) - 1].number)
            rest.next_page_token = self._pages.seal(place, chosen.key)
        return b"".join(parts) + rest.SerializeToString()

    def _with_progress(self, job: Job) -> Job:
        """The job with what its worker says now; the store holds an older word."""
        progress = None if job.is_final else self._scheduler.progress(job.number)
        return job if progress is None else replace(job, progress=progress)

    async def WaitJob(
        self, request: pb.WaitJobRequest, caller: Caller
    ) -> pb.WaitJobResponse:
        job_id = checks.job_id("job_id", request.job_id)
        until = Until(
            enums.states("states", request.states),
            checks.not_negative("after_revision", request.after_revision),
        )
        timeout = LONGEST_WAIT
        if request.HasField("timeout"):
            timeout = min(timeout, wiretime.span("timeout", request.timeout))
        waiting = Waiting(self._hub.log, job_id, partial(self._get, job_id))
        job, reached = await waiting.wait(until, timeout)
        message = self._wire.message(self._with_progress(job))
        return pb.WaitJobResponse(job=message, reached=reached)

    def WatchJobs(
        self, request: watch_pb2.WatchJobsRequest, origin: Origin, write: Write
    ) -> Awaitable[None]:
        """Not a coroutine of its own: each costs memory as long as its stream lives."""
        watch = Watch(self._hub, self._hub.wish(request), write)
        who = (origin.peer, origin.caller.name)
        self._watchers.enter(*who)
        return watch.run(partial(self._watchers.leave, *who))

    # Steering jobs.

    async def UpdateJob(
        self, request: pb.UpdateJobRequest, caller: Caller
    ) -> pb.UpdateJobResponse:
        if not request.HasField("options"):
            raise field_invalid("options", "Required: the options to change")
        mask = request.update_mask if request.HasField("update_mask") else None
        job = await self._verbs.call(
            self._scheduler.update,
            checks.job_id("job_id", request.job_id),
            lambda before: changed_options(before, request.options, mask),
            caller,
            expected_revision=requests.expected_revision(request.expected_revision),
        )
        return pb.UpdateJobResponse(job=self._wire.message(job))

    async def UpdateJobGroup(
        self, request: pb.UpdateJobGroupRequest, caller: Caller
    ) -> pb.UpdateJobGroupResponse:
        jobs = await self._verbs.call(
            self._scheduler.update_group,
            checks.job_id("group_id", request.group_id),
            requests.rate_change(request),
        )
        messages = [self._wire.message(job) for job in jobs]
        return pb.UpdateJobGroupResponse(
            rate_limit=messages[0].group_rate_limit, jobs=messages
        )

    async def PauseJob(
        self, request: pb.PauseJobRequest, caller: Caller
    ) -> pb.PauseJobResponse:
        comment = checks.comment(request.comment)
        job = await self._apply(Verb.PAUSE, request, caller, comment=comment)
        return pb.PauseJobResponse(job=self._wire.message(job))

    async def ResumeJob(
        self, request: pb.ResumeJobRequest, caller: Caller
    ) -> pb.ResumeJobResponse:
        job = await self._apply(Verb.RESUME, request, caller)
        return pb.ResumeJobResponse(job=self._wire.message(job))

    async def CancelJob(
        self, request: pb.CancelJobRequest, caller: Caller
    ) -> pb.CancelJobResponse:
        comment = checks.comment(request.comment)
        job = await self._apply(
            Verb.CANCEL, request, caller, comment=comment, force=request.force
        )
        return pb.CancelJobResponse(job=self._wire.message(job))

    async def CompleteJob(
        self, request: pb.CompleteJobRequest, caller: Caller
    ) -> pb.CompleteJobResponse:
        mode = requests.completion_mode(request.mode)
        job = await self._apply(Verb.COMPLETE, request, caller, mode=mode)
        return pb.CompleteJobResponse(job=self._wire.message(job))

    async def FinalizeJob(
        self, request: pb.FinalizeJobRequest, caller: Caller
    ) -> pb.FinalizeJobResponse:
        job = await self._apply(Verb.FINALIZE, request, caller)
        return pb.FinalizeJobResponse(job=self._wire.message(job))

    async def DismissJob(
        self, request: pb.DismissJobRequest, caller: Caller
    ) -> pb.DismissJobResponse:
        try:
            job = await self._apply(Verb.DISMISS, request, caller)
        except ServiceError as error:
            if request.allow_missing and error.kind is Kind.JOB_NOT_FOUND:
                return pb.DismissJobResponse()
            raise
        return pb.DismissJobResponse(job=self._wire.message(job))

    async def _apply(
        self,
        verb: Verb,
        request: "VerbRequest",
        caller: Caller,
        *,
        comment: str = "",
        force: bool = False,
        mode: CompletionMode = CompletionMode.SWITCH,
    ) -> Job:
        return await self._verbs.call(
            self._scheduler.apply,
            verb,
            checks.job_id("job_id", request.job_id),
            caller,
            expected_revision=requests.expected_revision(request.expected_revision),
            comment=comment,
            force=force,
            mode=mode,
        )

    async def _get(self, job_id: str) -> Job:
        return await self._reads.call(self._reader.get, job_id)


class VerbRequest(Protocol):
    """What the requests of all verbs have."""

    job_id: str
    expected_revision: int


_CREATED_JOB = pb.CreateJobResponse.DESCRIPTOR.fields_by_name["job"].number
_GROUP_JOBS = pb.CreateJobGroupResponse.DESCRIPTOR.fields_by_name["jobs"].number
_JOBS = pb.ListJobsResponse.DESCRIPTOR.fields_by_name["jobs"].number
