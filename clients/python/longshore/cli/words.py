"""Values of a job in words for people. Pure; `now` is an argument."""

from ..units import format_duration, format_rate, format_size
from ..v1 import job_pb2, job_progress_pb2, node_pb2

NONE = "—"


def name_of(wrapper: object, number: int, prefix: str) -> str:
    """An enum value in lower case words; the bare number if it is newer than us."""
    try:
        name: str = wrapper.Name(number)  # type: ignore[attr-defined]
    except ValueError:
        return str(number)
    return name.removeprefix(prefix).lower().replace("_", "-")


def state(job: job_pb2.Job) -> str:
    return name_of(job_pb2.JobState, job.state, "JOB_STATE_").upper()


def action(number: int) -> str:
    return name_of(job_pb2.JobAction, number, "JOB_ACTION_")


def permissions(numbers: object) -> str:
    names = [
        name_of(node_pb2.Permission, number, "PERMISSION_")
        for number in numbers  # type: ignore[attr-defined]
    ]
    return ", ".join(names) or "none"


def percent(progress: job_progress_pb2.JobProgress) -> str:
    """Rounded down: 100 % is said only of what is complete."""
    if not progress.HasField("total"):
        return NONE
    if progress.total == 0:
        return "100 %"
    return f"{100 * progress.current // progress.total} %"


def amount(progress: job_progress_pb2.JobProgress) -> str:
    if not progress.HasField("total"):
        return format_size(progress.current)
    return f"{format_size(progress.current)} / {format_size(progress.total)}"


def rate(progress: job_progress_pb2.JobProgress) -> str:
    return format_rate(progress.rate_per_second) if progress.rate_per_second else NONE


def eta(progress: job_progress_pb2.JobProgress) -> str:
    """~12m (9m to 20m): a range, for that is what is known."""
    if not progress.HasField("eta"):
        return NONE
    low = progress.eta.low.ToTimedelta().total_seconds()
    high = progress.eta.high.ToTimedelta().total_seconds()
    middle = format_duration((low + high) / 2)
    if format_duration(low) == format_duration(high):
        return f"~{middle}"
    return f"~{middle} ({format_duration(low)} to {format_duration(high)})"


def limited_by(progress: job_progress_pb2.JobProgress) -> str:
    if not progress.limited_by:
        return ""
    return name_of(job_progress_pb2.LimitedBy, progress.limited_by, "LIMITED_BY_")


def age(seconds: float) -> str:
    """How long ago, for tables."""
    return format_duration(max(0.0, seconds))


def target(job: job_pb2.Job) -> str:
    """What a job is about: the node that changes."""
    roles = (
        node_pb2.NODE_ROLE_TOP,
        node_pb2.NODE_ROLE_TARGET,
        node_pb2.NODE_ROLE_SOURCE,
    )
    for role in roles:
        for node in job.nodes:
            if node.role == role:
                return node.uri
    return job.nodes[0].uri if job.nodes else NONE


def remark(job: job_pb2.Job) -> str:
    """Why a job is not running, or why it ended, in a few words."""
    if job.HasField("pending"):
        return pending(job.pending)
    if job.pauses:
        return "; ".join(pause.reason for pause in job.pauses)
    return job.error.message


def pending(why: job_pb2.JobPending) -> str:
    match why.WhichOneof("blocker"):
        case "blocking_job_id":
            return f"{why.message} (job {why.blocking_job_id})"
        case "blocking_process":
            process = why.blocking_process
            return f"{why.message} (pid {process.pid}, {process.command})"
        case _:
            return why.message


def name_of_role(number: int) -> str:
    return name_of(node_pb2.NodeRole, number, "NODE_ROLE_")


def holder(held: node_pb2.Holder) -> str:
    """Who holds an image: a job, or a process that is not ours."""
    if held.WhichOneof("holder") == "process":
        return f"pid {held.process.pid} ({held.process.command})"
    return f"job {held.job_id}"
