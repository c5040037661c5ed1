"""The watch: every change, as lines for people or for programs."""

import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..steps import UNREACHABLE_SECONDS
from ..stream import Watch
from ..v1 import job_pb2, watch_pb2
from ..watch import Event, How, Progress, Resynced, Snapshot, Value
from . import output, queries, terminal, waiting, words
from .arguments import Arguments
from .connect import Daemon
from .exits import CommandError, Exit
from .lookup import find, short_id
from .yaml import emit


def watch(args: Arguments) -> Exit:
    """Of one job: to its end, and the exit code says how it ended."""
    how = start(args["since"])
    how["omit_progress"] = args["no_progress"]
    how["patience"] = UNREACHABLE_SECONDS
    with Daemon(args) as daemon, opened(daemon, args, how) as values:
        try:
            last = show(values, args)
        except KeyboardInterrupt:
            return left(values)
    if args["job"] is None or last is None:
        return Exit.DONE
    return waiting.verdict(last, is_quiet=True)


def opened(daemon: Daemon, args: Arguments, how: How) -> Watch:
    select = queries.select(daemon, args)
    if args["job"] is None:
        # A watch would wait for a daemon that has never been there.
        daemon.capabilities()
    else:
        select.job_ids.append(find(daemon, args["job"]).get().job_id)
        how["stop_when_finished"] = True
    return daemon.watch(select, **how)


def start(since: str | None) -> How:
    """Where a watch begins: at a snapshot, now, or after a cursor."""
    if since is None:
        return {}
    if since == "now":
        return {"from_now": True}
    history, _, revision = since.rpartition(":")
    is_number = revision.isascii() and revision.isdecimal() and len(revision) < 19
    if not history or not is_number:
        raise CommandError(f"--since wants HISTORY:REVISION or now, not {since!r}")
    return {"cursor": watch_pb2.Cursor(history_id=history, revision=int(revision))}


def show(values: Watch, args: Arguments) -> job_pb2.Job | None:
    """Print to the end; the job that was spoken of last."""
    last: job_pb2.Job | None = None
    for value in values:
        match value:
            case Event():
                last = value.job
            case Snapshot() | Resynced() if value.jobs:
                last = value.jobs[-1]
            case _:
                pass
        say(value, args.output)
    return last


# A line of progress with a whole id takes so much.
WHOLE = 100


def is_narrow(form: str) -> bool:
    width = terminal.width(sys.stdout)
    return form != "wide" and width is not None and width < WHOLE


def left(values: Watch) -> Exit:
    if values.cursor is not None:
        cursor = written(values.cursor)
        sys.stderr.write(f"\nto go on from here: longshore watch --since {cursor}\n")
    return Exit.DETACHED


def written(cursor: watch_pb2.Cursor) -> str:
    return f"{cursor.history_id}:{cursor.revision}"


def say(value: Value, form: str) -> None:
    if form in ("json", "jsonl"):
        output.write([json.dumps(as_data(value))])
    elif form == "yaml":
        output.write(["---", emit(as_data(value))])
    elif form == "name":
        output.write(names(value))
    else:
        name = short_id if is_narrow(form) else str
        output.write(as_lines(value, name, time.time()))


def names(value: Value) -> list[str]:
    match value:
        case Event():
            return [value.job.job_id]
        case Snapshot() | Resynced():
            return [job.job_id for job in value.jobs]
        case Progress():
            return []


def as_data(value: Value) -> dict[str, Any]:
    match value:
        case Event():
            return {
                "type": value.kind,
                "cursor": written(value.cursor),
                "previousState": full_name(value.previous_state),
                "eventTime": value.event_time.ToJsonString(),
                "job": output.plain(value.job),
            }
        case Progress():
            return {
                "type": "PROGRESS",
                "jobId": value.job_id,
                "progress": output.plain(value.progress),
            }
        case Snapshot() | Resynced():
            return {
                "type": type(value).__name__.upper(),
                "cursor": written(value.cursor),
                "jobs": [output.plain(job) for job in value.jobs],
            }


def full_name(state: int) -> str | int:
    """As ProtoJSON has it: a state that is newer than us is its number."""
    known = job_pb2.JobState.DESCRIPTOR.values_by_number
    return known[state].name if state in known else state


Name = Callable[[str], str]
"""How an id is shown."""


def as_lines(value: Value, name: Name, now: float) -> list[str]:
    match value:
        case Event():
            when = clock(value.event_time.ToNanoseconds() / 1e9)
            return [f"{when}  {value.kind.lower():<8}  {job_line(value.job, name)}"]
        case Progress():
            sample = job_pb2.Job(progress=value.progress)
            done = words.percent_of(value.progress)
            when = clock(value.progress.sample_time.ToNanoseconds() / 1e9)
            return [
                f"{when}  progress  {name(value.job_id)}  {done}  "
                f"{words.amount(value.progress)}  {words.rate(sample)}"
            ]
        case Snapshot():
            return standing(value.jobs, name, now)
        case Resynced():
            lost = "history was lost; these are the jobs now:"
            return [lost, *standing(value.jobs, name, now)]


def standing(jobs: Sequence[job_pb2.Job], name: Name, now: float) -> list[str]:
    """What the changes that follow are changes of, and what the columns are."""
    width = max(len("JOB"), *(len(name(job.job_id)) for job in jobs), 0)
    header = f"{'TIME':8}  {'WHAT':8}  {'JOB':<{width}}  STATE"
    lines = (stand(job, f"{name(job.job_id):<{width}}") for job in jobs)
    return [header, *(f"{clock(now)}  is        {line}" for line in lines)]


def stand(job: job_pb2.Job, name: str) -> str:
    done = words.percent(job)
    shown = [
        name,
        f"{words.state(job):<9}",
        "" if done == words.NONE else done,
        words.remark(job),
    ]
    return "  ".join(filter(None, shown)).rstrip()


def clock(seconds: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))


def job_line(job: job_pb2.Job, name: Name) -> str:
    return f"{name(job.job_id)}  {words.state(job):<9}  {words.remark(job)}".rstrip()
