"""Which calls there are: one plan for each thing that both clients offer. Pure."""

from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from . import requests
from .enums import CompletionMode, JobState
from .steps import CREATE_SECONDS, UNARY_SECONDS, Call, Plan, Wait, ask, wait
from .v1 import (
    image_pb2,
    image_service_pb2,
    job_info_pb2,
    job_options_pb2,
    job_pb2,
    job_plan_pb2,
    job_service_pb2,
    rate_limit_pb2,
    system_service_pb2,
    watch_pb2,
)

Item = TypeVar("Item")
Now = Callable[[], float]


# Jobs


def create(
    info: job_info_pb2.JobInfo, submit: requests.Submit
) -> Plan[job_service_pb2.CreateJobResponse]:
    request = submit.request(info)
    # The request id in it makes one job of however many calls.
    answer: job_service_pb2.CreateJobResponse = yield from ask(
        Call("JobService", "CreateJob", request, request, CREATE_SECONDS)
    )
    return answer


def create_group(
    request: job_service_pb2.CreateJobGroupRequest,
) -> Plan[job_service_pb2.CreateJobGroupResponse]:
    sent = requests.with_request_id(request)
    answer: job_service_pb2.CreateJobGroupResponse = yield from ask(
        Call("JobService", "CreateJobGroup", sent, sent, CREATE_SECONDS)
    )
    return answer


def plan(
    info: job_info_pb2.JobInfo, submit: requests.Submit
) -> Plan[job_plan_pb2.JobPlan]:
    request = job_service_pb2.PlanJobRequest(request=submit.request(info))
    answer = yield from ask(
        Call("JobService", "PlanJob", request, request, CREATE_SECONDS)
    )
    found: job_plan_pb2.JobPlan = answer.plan
    return found


def update_group(
    group_id: str, limit: rate_limit_pb2.RateLimit, paths: Iterable[str] | None
) -> Plan[job_service_pb2.UpdateJobGroupResponse]:
    request = job_service_pb2.UpdateJobGroupRequest(
        group_id=group_id, rate_limit=limit, update_mask=_mask(paths)
    )
    answer: job_service_pb2.UpdateJobGroupResponse = yield from ask(
        Call("JobService", "UpdateJobGroup", request, request, UNARY_SECONDS)
    )
    return answer


def get(job_id: str) -> Plan[job_pb2.Job]:
    return _job("GetJob", job_service_pb2.GetJobRequest(job_id=job_id))


def pause(job_id: str, comment: str, expected_revision: int) -> Plan[job_pb2.Job]:
    request = job_service_pb2.PauseJobRequest(
        job_id=job_id, comment=comment, expected_revision=expected_revision
    )
    return _job("PauseJob", request)


def resume(job_id: str, expected_revision: int) -> Plan[job_pb2.Job]:
    request = job_service_pb2.ResumeJobRequest(
        job_id=job_id, expected_revision=expected_revision
    )
    return _job("ResumeJob", request)


def cancel(
    request: job_service_pb2.CancelJobRequest, *, until_ended: bool, now: Now
) -> Plan[job_pb2.Job]:
    job = yield from _job("CancelJob", request)
    if not until_ended:
        return job
    return (yield from wait(Wait(request.job_id, raise_on_failure=False), now))


def complete(
    job_id: str, mode: CompletionMode, expected_revision: int
) -> Plan[job_pb2.Job]:
    request = job_service_pb2.CompleteJobRequest(
        job_id=job_id, mode=mode, expected_revision=expected_revision
    )
    return _job("CompleteJob", request)


def finalize(job_id: str, expected_revision: int) -> Plan[job_pb2.Job]:
    request = job_service_pb2.FinalizeJobRequest(
        job_id=job_id, expected_revision=expected_revision
    )
    return _job("FinalizeJob", request)


def dismiss(
    job_id: str, *, allow_missing: bool, expected_revision: int
) -> Plan[job_pb2.Job]:
    request = job_service_pb2.DismissJobRequest(
        job_id=job_id,
        allow_missing=allow_missing,
        expected_revision=expected_revision,
    )
    # If the first answer was lost the job may be gone by now, as it should be.
    repeat = job_service_pb2.DismissJobRequest()
    repeat.CopyFrom(request)
    repeat.allow_missing = True
    return _job("DismissJob", request, repeat)


def update(
    job_id: str,
    options: job_options_pb2.JobOptions,
    paths: Iterable[str] | None,
    expected_revision: int,
) -> Plan[job_pb2.Job]:
    request = job_service_pb2.UpdateJobRequest(
        job_id=job_id,
        options=options,
        update_mask=_mask(paths),
        expected_revision=expected_revision,
    )
    return _job("UpdateJob", request)


def set_speed(job_id: str, bytes_per_second: int | None) -> Plan[job_pb2.Job]:
    """None takes the limit away: the field is named in the mask and left unset."""
    options = job_options_pb2.JobOptions(speed_bytes_per_second=bytes_per_second)
    return update(job_id, options, ["speed_bytes_per_second"], 0)


def _mask(paths: Iterable[str] | None) -> FieldMask | None:
    return None if paths is None else FieldMask(paths=paths)


def _job(
    method: str, request: Message, repeat: Message | None = None
) -> Plan[job_pb2.Job]:
    """A call whose answer is {Job job}.

    All of them may be repeated, but not one that expects a revision: it would
    meet the revision that it made itself.
    """
    if not getattr(request, "expected_revision", 0):
        repeat = repeat or request
    answer = yield from ask(Call("JobService", method, request, repeat, UNARY_SECONDS))
    job: job_pb2.Job = answer.job
    return job


# Images and the daemon itself


def image(
    name: requests.ImageName, backing_chain: Iterable[requests.ImageName]
) -> Plan[image_pb2.Image]:
    request = image_service_pb2.GetImageRequest(
        image=requests.image(name),
        backing_chain=[requests.image(link) for link in backing_chain],
    )
    answer = yield from ask(
        Call("ImageService", "GetImage", request, request, CREATE_SECONDS)
    )
    found: image_pb2.Image = answer.image
    return found


def create_image(
    request: image_service_pb2.CreateImageRequest,
) -> Plan[image_pb2.Image]:
    """Not repeated: the second call would find the image of the first."""
    answer = yield from ask(
        Call("ImageService", "CreateImage", request, None, CREATE_SECONDS)
    )
    made: image_pb2.Image = answer.image
    return made


def capabilities() -> Plan[system_service_pb2.GetCapabilitiesResponse]:
    request = system_service_pb2.GetCapabilitiesRequest()
    answer: system_service_pb2.GetCapabilitiesResponse = yield from ask(
        Call("SystemService", "GetCapabilities", request, request)
    )
    return answer


def rate_limits(
    scope: requests.Scope | None,
) -> Plan[list[rate_limit_pb2.SharedRateLimit]]:
    request = system_service_pb2.GetRateLimitsRequest(
        scope=None if scope is None else requests.scope(scope)
    )
    answer = yield from ask(Call("SystemService", "GetRateLimits", request, request))
    return list(answer.rate_limits)


def limit(
    scope: requests.Scope,
    rate_limit: rate_limit_pb2.RateLimit,
    paths: Iterable[str] | None,
) -> Plan[rate_limit_pb2.SharedRateLimit]:
    request = system_service_pb2.UpdateRateLimitsRequest(
        scope=requests.scope(scope), rate_limit=rate_limit, update_mask=_mask(paths)
    )
    answer = yield from ask(Call("SystemService", "UpdateRateLimits", request, request))
    now: rate_limit_pb2.SharedRateLimit = answer.rate_limit
    return now


# Lists


class Pages(Generic[Item]):
    """A list that comes page by page: run `next_page` until there `is_more`."""

    def __init__(self, service: str, method: str, field: str, request: Any) -> None:
        self.is_more = True
        self._service = service
        self._method = method
        self._field = field
        self._request = request

    def next_page(self) -> Plan[list[Item]]:
        """Its items; a page may be empty and yet not be the last."""
        answer = yield from ask(
            Call(
                self._service,
                self._method,
                self._request,
                self._request,
                CREATE_SECONDS,
            )
        )
        self._request.page_token = answer.next_page_token
        self.is_more = bool(answer.next_page_token)
        return list(getattr(answer, self._field))


def jobs(
    states: Iterable[JobState],
    page_size: int,
    select: watch_pb2.JobSelector | None,
) -> Pages[job_pb2.Job]:
    request = job_service_pb2.ListJobsRequest(
        page_size=page_size, selector=select, states=states
    )
    return Pages("JobService", "ListJobs", "jobs", request)


def extents(
    name: requests.ImageName, backing_chain: Iterable[requests.ImageName]
) -> Pages[image_pb2.MapExtent]:
    request = image_service_pb2.MapImageRequest(
        image=requests.image(name),
        backing_chain=[requests.image(link) for link in backing_chain],
    )
    return Pages("ImageService", "MapImage", "extents", request)
