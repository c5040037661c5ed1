"""Commands that look at jobs and change nothing."""

import itertools
import time
from collections.abc import Iterator

from ..enums import JobState
from ..units import format_rate, format_size
from ..v1 import job_pb2, watch_pb2
from ..watch import selector
from . import output, words
from .connect import client, find
from .exits import CommandError, Exit
from .parser import Arguments


def columns(now: float) -> list[output.Column]:
    def age(job: job_pb2.Job) -> str:
        return words.age(now - job.create_time.ToNanoseconds() / 1e9)

    return [
        output.Column("JOB", lambda job: job.job_id),
        output.Column("KIND", lambda job: job.job_type),
        output.Column("STATE", words.state),
        output.Column("DONE", lambda job: words.percent(job.progress), is_number=True),
        output.Column("RATE", lambda job: words.rate(job.progress), is_number=True),
        output.Column("ETA", lambda job: words.eta(job.progress)),
        output.Column("AGE", age, is_number=True),
        output.Column("NUMBER", lambda job: str(job.number), True, True),
        output.Column("OWNER", lambda job: job.owner, is_wide=True),
        output.Column("TARGET", words.target),
        output.Column("WHY", words.remark),
    ]


def select(args: Arguments) -> watch_pb2.JobSelector:
    return selector(
        job_types=tuple(args["kind"]),
        labels=dict(args["label"]),
        group_ids=tuple(args["group"]),
    )


def states(names: list[str]) -> list[JobState]:
    return [state(name) for name in names]


def state(name: str) -> JobState:
    known = [value.removeprefix("JOB_STATE_") for value in job_pb2.JobState.keys()[1:]]
    if name.upper() not in known:
        raise CommandError(f"no state {name!r}; there are {', '.join(known).lower()}")
    return job_pb2.JobState.Value(f"JOB_STATE_{name.upper()}")


def listing(args: Arguments) -> Exit:
    limit = args["limit"]
    with client(args) as daemon:
        jobs: Iterator[job_pb2.Job] = daemon.list(
            states=states(args["state"]),
            select=select(args),
            page_size=min(limit or 0, 500),
        )
        output.show(
            itertools.islice(jobs, limit),
            columns(time.time()),
            output="name" if args.quiet else args.output,
            name=lambda job: job.job_id,
            headers=not args["no_headers"],
        )
    return Exit.DONE


def get(args: Arguments) -> Exit:
    with client(args) as daemon:
        for word in args["job"]:
            job = find(daemon, word).get()
            output.show_one(
                job,
                output="name" if args.quiet else args.output,
                lines=job_lines(job),
                name=job.job_id,
            )
    return Exit.DONE


def job_lines(job: job_pb2.Job) -> list[str]:
    progress = job.progress
    limit = job.options.speed_bytes_per_second
    facts = output.pairs(
        [
            ("job", f"{job.job_id} ({job.number})"),
            ("kind", job.job_type),
            ("state", words.state(job)),
            ("why", words.remark(job)),
            ("done", f"{words.amount(progress)} ({words.percent(progress)})"),
            ("rate", words.rate(progress)),
            ("limit", format_rate(limit) if limit else ""),
            ("limited by", words.limited_by(progress)),
            ("eta", words.eta(progress) if progress.HasField("eta") else ""),
            ("owner", job.owner),
            ("labels", ", ".join(f"{k}={v}" for k, v in sorted(job.labels.items()))),
            ("group", job.group_id),
            ("allowed", ", ".join(words.action(number) for number in job.actions)),
            ("copied", format_size(progress.written_bytes)),
            ("zeroed", format_size(progress.zeroed_bytes)),
        ]
    )
    nodes = [f"{words.name_of_role(node.role)}: {node.uri}" for node in job.nodes]
    history = [
        f"{step.transition_time.ToJsonString()}  "
        f"{words.name_of(job_pb2.JobState, step.state, 'JOB_STATE_'):<9}  "
        f"{step.reason} ({step.actor})"
        for step in job.history
    ]
    return [*facts, *nodes, *history]


def explain(args: Arguments) -> Exit:
    with client(args) as daemon:
        job = find(daemon, args["job"]).get()
    output.show_one(
        job, output=args.output, lines=list(explanation(job)), name=job.job_id
    )
    return Exit.DONE


def explanation(job: job_pb2.Job) -> Iterator[str]:
    """Why it is where it is, what holds it, and what may be asked of it."""
    last = job.history[-1] if job.history else None
    since = f" since {last.transition_time.ToJsonString()}" if last else ""
    yield f"{job.job_id} ({job.job_type}) is {words.state(job)}{since}"
    if last and last.reason:
        yield f"  because: {last.reason} ({last.actor})"
    if job.HasField("pending"):
        yield f"  waits: {words.pending(job.pending)}"
    for pause in job.pauses:
        yield f"  held: {pause.reason} (by {pause.actor})"
    for wish in job.wanted:
        yield f"  asked: {words.action(wish.action)} (by {wish.actor})"
    if limit := words.limited_by(job.progress):
        yield f"  limited by: {limit}"
    for node in job.nodes:
        yield (
            f"  holds {node.uri} as {words.name_of_role(node.role)}: takes "
            f"{words.permissions(node.hold.taken)}; shares "
            f"{words.permissions(node.hold.shared)}"
        )
    if job.HasField("error"):
        yield f"  error: {job.error.message}"
    allowed = [words.action(number) for number in job.actions]
    yield "  you may: " + (", ".join(allowed) or "nothing")
    for name in allowed[:1]:
        yield f"  next: longshore {name} {job.job_id}"
