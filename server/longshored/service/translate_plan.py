"""The plan of a job: value -> contract."""

from collections.abc import Iterator

from longshore.v1 import image_pb2, job_plan_pb2, job_progress_pb2, node_pb2

from ..errors import Kind, ServiceError
from ..job.model import Pending, PendingReason
from ..job.nodes import Node
from ..scheduler.newjob import NewJob, Planned
from . import status, wiretime
from .translate_image import file_uri
from .translate_job import node_to_proto

# What may not come to pass: CreateJob makes the job all the same.
_RISKS = frozenset({Kind.NO_SPACE})


def plan_to_proto(new: NewJob, planned: Planned) -> job_plan_pb2.JobPlan:
    plan = planned.plan
    obstacles = list(_obstacles(planned))
    is_possible = all(one.kind in _RISKS for one in obstacles)
    return job_plan_pb2.JobPlan(
        job_type=new.kind,
        read_bytes=plan.read,
        write_bytes=plan.write,
        zero_bytes=plan.zero,
        reflink_bytes=plan.reflink,
        space_needed_bytes=plan.space_needed,
        space_available_bytes=plan.space_available or 0,
        chain=[
            image_pb2.ImageLink(uri=file_uri(link.uri), format=link.format, depth=depth)
            for depth, link in enumerate(plan.chain)
        ],
        holds=[_hold(node, planned) for node in plan.nodes],
        queue_position=planned.queue_position if is_possible else None,
        estimate=_estimate(new, plan.read + plan.reflink),
        cancel_effect=plan.cancel_leaves,
        obstacles=map(status.of_error, obstacles),
    )


def _estimate(new: NewJob, length: int) -> job_progress_pb2.JobEta | None:
    """What the job's own limit makes of it; without one nothing is known before."""
    speed = new.options.rate.speed_bytes_per_second
    if speed is None:
        return None
    span = wiretime.duration(length / speed)
    return job_progress_pb2.JobEta(
        low=span, high=span, basis=job_progress_pb2.ETA_BASIS_RATE_LIMIT
    )


def _hold(node: Node, planned: Planned) -> job_plan_pb2.PlannedHold:
    uri = file_uri(node.uri)
    jobs = [
        node_pb2.Holder(uri=uri, job_id=blocker.job_id)
        for blocker in planned.blockers
        if blocker.job_id is not None and blocker.node_uri == node.uri
    ]
    processes = [
        node_pb2.Holder(uri=uri, process=_process(busy))
        for busy in planned.plan.obstacles
        if busy.kind is Kind.TARGET_BUSY and busy.facts.get("uri") == node.uri
    ]
    return job_plan_pb2.PlannedHold(
        node=node_to_proto(node), conflicts=[*jobs, *processes]
    )


def _process(busy: ServiceError) -> node_pb2.ForeignProcess:
    """Who the driver found in the way; that may be hidden from us."""
    pid, command = busy.facts.get("pid"), busy.facts.get("command")
    return node_pb2.ForeignProcess(pid=int(pid or 0), command=str(command or "")[:256])


def _obstacles(planned: Planned) -> Iterator[ServiceError]:
    """What CreateJob would answer: the driver's word, then who holds what."""
    yield from planned.plan.obstacles
    for blocker in planned.blockers:
        if blocker.reason is PendingReason.HOLD:
            yield _busy(blocker)


def _busy(blocker: Pending) -> ServiceError:
    return ServiceError(
        Kind.TARGET_BUSY,
        blocker.message,
        target=blocker.node_uri,
        blocking_job_id=blocker.job_id,
        pid=blocker.pid,
        command=blocker.command,
    )
