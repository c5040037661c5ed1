"""Commands that stay: the watch and the live list."""

import json
import sys
import time
from collections.abc import Iterable
from typing import Any

from ..v1 import job_pb2, watch_pb2
from ..watch import Event, Progress, Resynced, Snapshot, Value
from . import output, queries, words
from .connect import client, find
from .exits import CommandError, Exit
from .parser import Arguments


def watch(args: Arguments) -> Exit:
    with client(args) as daemon:
        select = queries.select(args)
        if args["job"] is not None:
            select.job_ids.append(find(daemon, args["job"]).job_id)
        how: dict[str, Any] = {"omit_progress": args["no_progress"]}
        how |= start(args["since"])
        how["stop_when_finished"] = args["job"] is not None
        with daemon.watch(select, **how) as values:
            for value in values:
                say(value, values.cursor, args.output)
    return Exit.DONE


def start(since: str | None) -> dict[str, Any]:
    """Where a watch begins: at a snapshot, now, or after a cursor."""
    if since is None:
        return {}
    if since == "now":
        return {"from_now": True}
    history, colon, revision = since.rpartition(":")
    if not colon or not revision.isdigit():
        raise CommandError(f"--since wants HISTORY:REVISION or now, not {since!r}")
    cursor = watch_pb2.Cursor(history_id=history, revision=int(revision))
    return {"cursor": cursor}


def say(value: Value, cursor: watch_pb2.Cursor | None, form: str) -> None:
    if form in ("json", "jsonl"):
        lines = [json.dumps(as_json(value, cursor))]
    else:
        lines = list(as_lines(value))
    output.write(lines)


def as_json(value: Value, cursor: watch_pb2.Cursor | None) -> dict[str, Any]:
    place = f"{cursor.history_id}:{cursor.revision}" if cursor is not None else None
    match value:
        case Event():
            return {
                "type": value.kind,
                "cursor": place,
                "revision": str(value.revision),
                "job": output.plain(value.job),
            }
        case Progress():
            return {
                "type": "PROGRESS",
                "job_id": value.job_id,
                "progress": output.plain(value.progress),
            }
        case Snapshot() | Resynced():
            return {
                "type": type(value).__name__.upper(),
                "cursor": place,
                "jobs": [output.plain(job) for job in value.jobs],
            }


def as_lines(value: Value) -> list[str]:
    match value:
        case Event():
            what = value.kind.lower()
            return [f"{value.revision:>8}  {what:<8}  {job_line(value.job)}"]
        case Progress():
            progress = value.progress
            return [
                f"{'':>8}  progress  {value.job_id}  {words.percent(progress)}  "
                f"{words.amount(progress)}  {words.rate(progress)}"
            ]
        case Snapshot():
            return standing(value.jobs)
        case Resynced():
            return ["history was lost; these are the jobs now:", *standing(value.jobs)]


def standing(jobs: Iterable[job_pb2.Job]) -> list[str]:
    return [f"{job.revision:>8}  is        {job_line(job)}" for job in jobs]


def job_line(job: job_pb2.Job) -> str:
    return f"{job.job_id}  {words.state(job)}  {words.remark(job)}".rstrip()


def top(args: Arguments) -> Exit:
    """Redraw the list of jobs that have not ended, once a second at most."""
    board: dict[str, job_pb2.Job] = {}
    with client(args) as daemon, daemon.watch(queries.select(args)) as values:
        for value in values:
            take(board, value)
            if isinstance(value, Progress | Snapshot | Resynced | Event):
                draw(board, args)
            if args["once"] and not isinstance(value, Progress):
                break
    return Exit.DONE


def take(board: dict[str, job_pb2.Job], value: Value) -> None:
    """Keep the board: only jobs that have not ended stand on it."""
    match value:
        case Snapshot(jobs) | Resynced(jobs):
            board.clear()
            board.update({job.job_id: job for job in jobs if not ended(job)})
        case Event():
            board[value.job.job_id] = value.job
            if ended(value.job) or value.kind == "REMOVED":
                del board[value.job.job_id]
        case Progress():
            if value.job_id in board:
                board[value.job_id].progress.CopyFrom(value.progress)


def ended(job: job_pb2.Job) -> bool:
    return job.HasField("end_time")


def draw(board: dict[str, job_pb2.Job], args: Arguments) -> None:
    jobs = sorted(board.values(), key=lambda job: (job.state, job.number))
    if sys.stdout.isatty() and not args["once"]:
        sys.stdout.write("\x1b[H\x1b[J")  # home, clear to the end
    counts: dict[str, int] = {}
    for job in jobs:
        counts[words.state(job)] = counts.get(words.state(job), 0) + 1
    summary = ", ".join(f"{number} {name.lower()}" for name, number in counts.items())
    output.write([summary or "no jobs"])
    output.write(output.table(jobs, queries.columns(time.time())[:-1]))
