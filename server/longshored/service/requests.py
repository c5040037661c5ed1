"""Requests of the JobService as values: what CreateJob and its kin ask for, checked."""

from collections.abc import Callable
from dataclasses import dataclass

from longshore.v1 import job_service_pb2 as pb
from longshore.v1 import system_service_pb2

from ..errors import field_invalid
from ..job.model import CompletionMode, RateLimit
from ..job.replace import replace
from ..scheduler.newjob import NewGroup, NewJob, OnConflict
from . import checks, enums
from .translate_options import changed_rate, options_from_proto, rate_from_proto
from .translate_spec import spec_from_proto

_ON_CONFLICT = {
    pb.ON_CONFLICT_UNSPECIFIED: OnConflict.FAIL,
    pb.ON_CONFLICT_FAIL: OnConflict.FAIL,
    pb.ON_CONFLICT_QUEUE: OnConflict.QUEUE,
    pb.ON_CONFLICT_RETURN_EXISTING: OnConflict.RETURN_EXISTING,
}

Asked = pb.CreateJobRequest | pb.JobGroupMember


@dataclass(frozen=True, slots=True)
class AskedGroup:
    """A group as asked for."""

    group: NewGroup
    members: tuple[NewJob, ...]
    on_conflict: OnConflict


def new_job(request: pb.CreateJobRequest, where: str = "") -> NewJob:
    """The job asked for; raises for the first field that is wrong."""
    conflict = on_conflict(f"{where}on_conflict", request.on_conflict)
    return replace(_new_job(request, where), on_conflict=conflict)


def _new_job(request: Asked, where: str) -> NewJob:
    job_id = checks.job_id(f"{where}job_id", request.job_id, required=False)
    kind, spec = spec_from_proto(request.info, f"{where}info")
    return NewJob(
        spec=spec,
        kind=kind,
        job_id=job_id,
        options=options_from_proto(request.options, f"{where}options"),
        labels=checks.labels(f"{where}labels", request.labels),
        after=checks.job_ids(f"{where}after", request.after, checks.MOST_AFTER),
    )


def new_group(request: pb.CreateJobGroupRequest) -> AskedGroup:
    if not request.members:
        raise field_invalid("members", "Required: at least one job")
    checks.at_most("members", len(request.members), checks.MOST_MEMBERS)
    options = request.options
    chosen = on_conflict("options.on_conflict", options.on_conflict)
    if chosen is OnConflict.RETURN_EXISTING:
        raise field_invalid("options.on_conflict", "A group must be made or refused")
    finalize = options.auto_finalize if options.HasField("auto_finalize") else True
    return AskedGroup(
        group=NewGroup(
            group_id=checks.job_id("group_id", request.group_id, required=False),
            rate=rate_from_proto(options, "options"),
        ),
        members=tuple(
            _member(member, f"members[{index}].", chosen, auto_finalize=finalize)
            for index, member in enumerate(request.members)
        ),
        on_conflict=chosen,
    )


def _member(
    member: pb.JobGroupMember, where: str, chosen: OnConflict, *, auto_finalize: bool
) -> NewJob:
    if member.options.HasField("auto_finalize"):
        raise field_invalid(
            f"{where}options.auto_finalize", "It is the group's: options.auto_finalize"
        )
    new = _new_job(member, where)
    options = new.options
    if options.auto_finalize is not auto_finalize:
        options = replace(options, auto_finalize=auto_finalize)
    return replace(new, options=options, on_conflict=chosen)


def on_conflict(field: str, value: pb.OnConflict.ValueType) -> OnConflict:
    if value not in _ON_CONFLICT:
        allowed = ", ".join(member.name for member in OnConflict)
        raise field_invalid(field, f"Must be one of {allowed}; {value} is not known")
    return _ON_CONFLICT[value]


def expected_revision(value: int) -> int | None:
    """The revision that the job must have; None: any."""
    return checks.not_negative("expected_revision", value) or None


def completion_mode(value: pb.CompletionMode.ValueType) -> CompletionMode:
    return enums.member("mode", enums.COMPLETION_MODES, value, CompletionMode.SWITCH)


RateRequest = pb.UpdateJobGroupRequest | system_service_pb2.UpdateRateLimitsRequest


def rate_change(request: RateRequest) -> Callable[[RateLimit], RateLimit]:
    """What a request makes of a limit."""
    if not request.HasField("rate_limit"):
        raise field_invalid("rate_limit", "Required: the new limit")
    mask = request.update_mask if request.HasField("update_mask") else None
    return lambda before: changed_rate(before, request.rate_limit, mask)


def canonical(new: NewJob) -> str:
    """The request as text: equal requests have equal texts, however they were sent.

    A release that adds a field changes the text. A call repeated across such an
    upgrade is then refused as a different one; it never makes a second job.
    """
    labels = dict(sorted(new.labels.items()))
    return repr(replace(new, labels=labels))


def canonical_group(asked: AskedGroup) -> str:
    members = "; ".join(canonical(member) for member in asked.members)
    return f"{asked.group!r}: {members}"
