"""Why a job is where it is, what holds it, and what can be done about it."""

import shlex
from collections.abc import Iterator
from functools import partial

from ..client import Client, JobHandle
from ..errors import NotFound
from ..v1 import job_pb2
from . import output, several, words
from .arguments import Arguments
from .connect import Daemon
from .exits import Exit
from .failures import of_job
from .lookup import find
from .queries import indented


def explain(args: Arguments) -> Exit:
    with Daemon(args) as daemon:

        def lines(job: job_pb2.Job) -> list[str]:
            return list(explanation(job, blocking(daemon, job)))

        return several.asked(
            args, args["job"], partial(find, daemon), JobHandle.get, lines
        )


def blocking(daemon: Client, job: job_pb2.Job) -> job_pb2.Job | None:
    """The job that is in the way, if there is one."""
    if not job.pending.blocking_job_id:
        return None
    try:
        return daemon.job(job.pending.blocking_job_id).get()
    except NotFound:
        return None


def explanation(job: job_pb2.Job, blocker: job_pb2.Job | None) -> Iterator[str]:
    """Why it is where it is, what holds it, and what may be asked of it."""
    yield f"{job.job_id} ({job.job_type}) is {words.state(job)}{since(job)}"
    yield from indented(output.pairs(reasons(job, blocker)))
    is_over = job.HasField("end_time")
    for node in () if is_over else job.nodes:
        verb = "holds" if node.hold.active else "will hold"
        yield (
            f"  {verb} {words.place(node.uri)} as {words.name_of_role(node.role)}: "
            f"takes {words.permissions(node.hold.taken)}; "
            f"shares {words.permissions(node.hold.shared)}"
        )
    allowed = [words.action(number) for number in job.actions]
    yield f"  you may: {', '.join(allowed) or 'nothing'}"
    if hint := advice(job):
        yield f"  next: {hint}"


def since(job: job_pb2.Job) -> str:
    if not job.history:
        return ""
    return f" since {words.clock_time(job.history[-1].transition_time)}"


def reasons(job: job_pb2.Job, blocker: job_pb2.Job | None) -> Iterator[tuple[str, str]]:
    if job.HasField("pending"):
        yield from waits(job)
    elif last := _last(job):
        reason = words.short_sizes(last.reason)
        yield "because", f"{reason} ({last.actor})" if last.actor else reason
    if blocker is not None:
        done = words.percent(blocker)
        eta = words.eta(blocker)
        yield "behind", f"{blocker.job_id} {words.state(blocker)} {done}, eta {eta}"
    for pause in job.pauses:
        reason = words.short_sizes(pause.reason)
        yield "paused", f"{reason} (by {pause.actor})" if pause.actor else reason
    for wish in job.wanted:
        yield "asked", f"{words.action(wish.action)} (by {wish.actor})"
    yield "limited by", words.limited_by(job)
    yield "time went", words.ledger(job.progress)
    yield "error", of_job(job)


def waits(job: job_pb2.Job) -> Iterator[tuple[str, str]]:
    """What a queued job waits for; whoever paused it is named for itself."""
    if job.pending.reason == job_pb2.PENDING_REASON_PAUSED and job.pauses:
        return
    waits = words.pending(job.pending)
    yield "waits", waits
    node = words.place(job.pending.node_uri)
    yield "for", "" if node in waits else node


def _last(job: job_pb2.Job) -> job_pb2.JobTransition | None:
    """Why it is in its state, if nothing else says it: neither its pauses nor error."""
    said = {pause.reason for pause in job.pauses} | {job.error.message}
    last = job.history[-1] if job.history else job_pb2.JobTransition()
    return None if last.reason in ("", *said) else last


# Whose pauses a resume ends; the others end by themselves.
_RESUMED = (job_pb2.PAUSE_HOLDER_USER, job_pb2.PAUSE_HOLDER_ERROR_POLICY)


def is_paused(job: job_pb2.Job) -> bool:
    """It stands still until somebody resumes it."""
    is_held = any(pause.holder in _RESUMED for pause in job.pauses)
    return is_held and job_pb2.JOB_ACTION_RESUME in job.actions


def advice(job: job_pb2.Job) -> str:
    """The command that most people want next."""
    job_id = job.job_id
    match job.state:
        case job_pb2.JOB_STATE_QUEUED if job.pending.blocking_job_id:
            return f"longshore explain {job.pending.blocking_job_id}"
        case job_pb2.JOB_STATE_QUEUED if is_paused(job):
            return f"longshore resume {job_id}"
        case job_pb2.JOB_STATE_PAUSED if job_pb2.JOB_ACTION_RESUME in job.actions:
            return f"longshore resume {job_id}"
        case job_pb2.JOB_STATE_READY:
            return f"longshore complete {job_id}"
        case job_pb2.JOB_STATE_PENDING:
            return f"longshore finalize {job_id}"
        case _ if not job.HasField("end_time"):
            return f"longshore wait {job_id}"
        case job_pb2.JOB_STATE_FAILED:
            return f"when the cause is gone, the same again: {again(job)}"
        case _:
            return ""


def again(job: job_pb2.Job) -> str:
    """The command that makes a job like it; how it was run is left to the user."""
    if job.info.block.WhichOneof("kind") != "pull":
        return f"a new {job.job_type}"
    spec = job.info.block.pull.spec
    typed = ["longshore", "pull", words.place(spec.top.uri)]
    if spec.HasField("base"):
        typed += ["--base", words.place(spec.base.uri)]
        typed += ["--base-format", spec.base.format] if spec.base.format else []
    for link in spec.backing_chain:
        typed += ["--link", f"{link.format or 'qcow2'}:{words.place(link.uri)}"]
    if spec.allow_snapshot_loss:
        typed.append("--allow-snapshot-loss")
    return shlex.join(typed)
