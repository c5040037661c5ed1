"""Values of a job in words for people. Pure; `now` is an argument."""

import re
import time
from urllib.parse import unquote

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from ..errors import seconds
from ..units import format_duration, format_rate, format_size
from ..v1 import image_pb2, job_info_pb2, job_pb2, job_progress_pb2, node_pb2
from .terminal import GREEN, RED, YELLOW

NONE = "—"

_COLORS = {
    job_pb2.JOB_STATE_SUCCEEDED: GREEN,
    job_pb2.JOB_STATE_FAILED: RED,
    job_pb2.JOB_STATE_CANCELLED: YELLOW,
    job_pb2.JOB_STATE_PAUSED: YELLOW,
    job_pb2.JOB_STATE_STANDBY: YELLOW,
    job_pb2.JOB_STATE_ABORTING: YELLOW,
}


def name_of(wrapper: object, number: int, prefix: str) -> str:
    """An enum value in lower case words; the bare number if it is newer than us."""
    try:
        name: str = wrapper.Name(number)  # type: ignore[attr-defined]
    except ValueError:
        return str(number)
    return name.removeprefix(prefix).lower().replace("_", "-")


def state_name(number: int) -> str:
    return name_of(job_pb2.JobState, number, "JOB_STATE_").upper()


def state(job: job_pb2.Job) -> str:
    return state_name(job.state)


def state_color(job: job_pb2.Job) -> str:
    return _COLORS.get(job.state, "")


def action(number: int) -> str:
    return name_of(job_pb2.JobAction, number, "JOB_ACTION_")


def permissions(numbers: object) -> str:
    names = [
        name_of(node_pb2.Permission, number, "PERMISSION_")
        for number in numbers  # type: ignore[attr-defined]
    ]
    return ", ".join(names) or "none"


def place(uri: str) -> str:
    """The path of a file URI, anything else as it is."""
    return unquote(uri.removeprefix("file://")) if uri.startswith("file:///") else uri


def size(count: int) -> str:
    """As `qemu-img info` has it: 1.5 GiB (1610612736 bytes)."""
    short = format_size(count)
    return short if count < 1024 else f"{short} ({count} bytes)"


_BYTES = re.compile(r"\b[0-9]{4,18} bytes\b")


def short_sizes(text: str) -> str:
    """A message of the daemon with its bytes as people count them."""
    return _BYTES.sub(lambda found: format_size(int(found[0].split()[0])), text)


# Where all work of a job's own is done. Others may have counted all of it and still
# fail: 100 % would be a promise.
_COMPLETE = {
    job_pb2.JOB_STATE_SUCCEEDED,
    job_pb2.JOB_STATE_PENDING,
    job_pb2.JOB_STATE_WAITING,
    job_pb2.JOB_STATE_READY,
    job_pb2.JOB_STATE_STANDBY,
}


def percent(job: job_pb2.Job) -> str:
    """Rounded down: 100 % is said only of what is complete."""
    return percent_of(job.progress, 100 if job.state in _COMPLETE else 99)


def percent_of(progress: job_progress_pb2.JobProgress, most: int = 100) -> str:
    """The same of a sample, which does not say what state its job is in."""
    if not progress.HasField("total"):
        return NONE
    share = 100 * progress.current // progress.total if progress.total else 100
    return f"{min(share, most)} %"


def counted(progress: job_progress_pb2.JobProgress, count: int) -> str:
    """A count in the unit of the progress."""
    if progress.unit in (
        job_progress_pb2.PROGRESS_UNIT_UNSPECIFIED,
        job_progress_pb2.PROGRESS_UNIT_BYTES,
    ):
        return format_size(count)
    return str(count)


def amount(progress: job_progress_pb2.JobProgress) -> str:
    done = counted(progress, progress.current)
    if not progress.HasField("total"):
        return done
    return f"{done} / {counted(progress, progress.total)}"


def rate(job: job_pb2.Job) -> str:
    """How fast it is now; of a job that has ended, nothing."""
    progress = job.progress
    if job.HasField("end_time") or not progress.rate_per_second:
        return NONE
    if progress.unit == job_progress_pb2.PROGRESS_UNIT_BYTES:
        return format_rate(progress.rate_per_second)
    return f"{progress.rate_per_second:.3g}/s"


def eta(job: job_pb2.Job) -> str:
    """~12m (9m to 20m): a range, for that is what is known."""
    if job.HasField("end_time") or not job.progress.HasField("eta"):
        return NONE
    return span(job.progress.eta)


def eta_middle(job: job_pb2.Job) -> str:
    """The same in short: ~12m."""
    return eta(job).partition(" (")[0]


def span(eta: job_progress_pb2.JobEta) -> str:
    low, high = seconds(eta.low), seconds(eta.high)
    return _span(
        *(format_duration(max(1, round(s))) for s in (low, high, (low + high) / 2))
    )


def _span(low: str, high: str, middle: str) -> str:
    return f"~{middle}" if low == high else f"~{middle} ({low} to {high})"


def duration(span: Duration) -> str:
    return format_duration(max(0.0, seconds(span)))


def clock_time(when: Timestamp) -> str:
    """Local time."""
    return time.strftime(
        "%Y-%m-%d %H:%M:%S", time.localtime(when.ToNanoseconds() / 1e9)
    )


def zoned_time(when: Timestamp) -> str:
    """Local time and its zone, for times that somebody has to set a clock by."""
    local = time.localtime(when.ToNanoseconds() / 1e9)
    return f"{clock_time(when)} {local.tm_zone}"


def limited_by(job: job_pb2.Job) -> str:
    if job.HasField("end_time") or not job.progress.limited_by:
        return ""
    limit = job.progress.limited_by
    return name_of(job_progress_pb2.LimitedBy, limit, "LIMITED_BY_")


def ledger(progress: job_progress_pb2.JobProgress) -> str:
    """Where the time went, the longest first: throttled 90 %, writing 8 %."""
    times = {
        field.name.replace("_", " "): seconds(value)
        for field, value in progress.ledger.ListFields()
    }
    whole = sum(times.values())
    shares = sorted(times.items(), key=lambda item: -item[1])
    return ", ".join(
        f"{name} {100 * time / whole:.0f} %"
        for name, time in shares
        if time >= whole / 100 > 0
    )


def age(seconds: float) -> str:
    """How long ago, for tables."""
    return format_duration(max(0, int(seconds)))


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
                return place(node.uri)
    return place(job.nodes[0].uri) if job.nodes else _asked_for(job.info)


def _asked_for(info: job_info_pb2.JobInfo) -> str:
    """Before a job has nodes: the image that its spec names first."""
    kind = info.WhichOneof("subsystem")
    subsystem = getattr(info, kind) if kind else None
    leaf = subsystem.WhichOneof("kind") if subsystem is not None else None
    if leaf is None:
        return NONE
    for _, value in getattr(subsystem, leaf).spec.ListFields():
        if isinstance(value, image_pb2.ImageRef):
            return place(value.uri)
    return NONE


NOTHING_TO_PULL = "nothing to pull: the image has no backing file"


def is_alone(job: job_pb2.Job) -> bool:
    """A pull of an image that has no backing file: it does nothing, and succeeds."""
    roles = [node.role for node in job.nodes]
    return job.job_type == "block.pull" and roles == [node_pb2.NODE_ROLE_TOP]


def remark(job: job_pb2.Job) -> str:
    """Why a job is not running, or why it ended, in a few words."""
    if job.HasField("end_time"):
        return short_sizes(job.error.message)
    if asked := wishes(job):
        return f"{', '.join(asked)} asked"
    if job.HasField("pending"):
        return pending(job.pending)
    # A cancel goes past the pauses, and is what it is about now.
    if job.pauses and job.state != job_pb2.JOB_STATE_ABORTING:
        return short_sizes("; ".join(pause.reason for pause in job.pauses))
    if job.state == job_pb2.JOB_STATE_PENDING and job.options.auto_finalize:
        return ""
    return _WAITS.get(job.state, job.error.message)


_WAITS = {
    job_pb2.JOB_STATE_PENDING: "waits to be finalized",
    job_pb2.JOB_STATE_READY: "waits to be completed",
    job_pb2.JOB_STATE_WAITING: "waits for the other jobs of its group",
}


def wishes(job: job_pb2.Job) -> list[str]:
    """What somebody asked and is not reached yet; of a cancel its comment says more."""
    unsaid = {job_pb2.JOB_ACTION_CANCEL}
    if job.options.auto_finalize:
        unsaid.add(job_pb2.JOB_ACTION_FINALIZE)
    return [action(wish.action) for wish in job.wanted if wish.action not in unsaid]


def pending(why: job_pb2.JobPending) -> str:
    if not why.HasField("until_time"):
        return _blocked(why)
    return f"{_blocked(why)}: not before {zoned_time(why.until_time)}"


def _blocked(why: job_pb2.JobPending) -> str:
    match why.WhichOneof("blocker"):
        case "blocking_job_id" if why.blocking_job_id not in why.message:
            return f"{why.message} (job {why.blocking_job_id})"
        case "blocking_process" if str(why.blocking_process.pid) not in why.message:
            return f"{why.message} ({process(why.blocking_process)})"
        case _:
            return why.message


def process(found: node_pb2.ForeignProcess) -> str:
    if not found.pid:
        return "a process that could not be found out"
    return f"pid {found.pid} ({found.command})" if found.command else f"pid {found.pid}"


def name_of_role(number: int) -> str:
    return name_of(node_pb2.NodeRole, number, "NODE_ROLE_")


def holder(held: node_pb2.Holder) -> str:
    """Who holds an image: a job, or a process that is not ours."""
    match held.WhichOneof("holder"):
        case "process":
            return process(held.process)
        case "job_id":
            return f"job {held.job_id}"
        case _:
            return "someone"
