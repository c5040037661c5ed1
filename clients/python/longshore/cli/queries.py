"""Commands that look at jobs and change nothing."""

import difflib
import itertools
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from ..client import Client, JobHandle
from ..enums import JobState
from ..units import format_rate
from ..v1 import job_pb2, job_progress_pb2, watch_pb2
from ..watch import selector
from . import output, several, words
from .arguments import Arguments
from .connect import Daemon
from .exits import CommandError, Exit
from .failures import of_job
from .lookup import ACTIVE, PAGE, short_id
from .output import Printer
from .policies import window_text
from .table import Column, Cut

# A table for people; more is asked for with -n.
SHOWN = 100


def columns(now: float) -> list[Column]:
    def age(job: job_pb2.Job) -> str:
        if not job.HasField("create_time"):
            return words.NONE
        return words.age(now - job.create_time.ToNanoseconds() / 1e9)

    return [
        Column("JOB", lambda job: job.job_id, short=short_id),
        Column("KIND", lambda job: job.job_type, drop=5),
        Column("STATE", words.state, color=words.state_color),
        Column("DONE", words.percent, is_number=True),
        Column("RATE", words.rate, is_number=True, drop=3),
        Column("ETA", words.eta_middle, drop=2),
        Column("AGE", age, is_number=True, drop=4),
        Column("NUMBER", lambda job: str(job.number), is_number=True, is_wide=True),
        Column("OWNER", lambda job: job.owner, is_wide=True),
        Column("GROUP", lambda job: job.group_id, is_wide=True),
        Column("LABELS", labels, is_wide=True),
        Column("TARGET", words.target, drop=1, cut=Cut.LEFT),
        Column("WHY", words.remark, cut=Cut.RIGHT),
    ]


def labels(job: job_pb2.Job) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted(job.labels.items()))


def chosen(names: str, known: list[Column]) -> list[Column]:
    """The columns by their titles, in the order given."""
    by_title = {column.title: column for column in known}
    titles = [name.strip().upper() for name in names.split(",")]
    if wrong := [title for title in titles if title not in by_title]:
        there = ", ".join(by_title).lower()
        raise CommandError(f"no column {wrong[0].lower()!r}; there are {there}")
    return [replace(by_title[title], is_asked=True, drop=0) for title in titles]


def select(daemon: Client, args: Arguments) -> watch_pb2.JobSelector:
    return selector(
        job_types=tuple(kinds(daemon, by_comma(args["kind"]))),
        labels=dict(args["label"]),
        group_ids=tuple(args["group"]),
    )


def kinds(daemon: Client, asked: list[str]) -> list[str]:
    """Kinds as they are asked for: one that there is not would find nothing."""
    if not asked:
        return []
    found = daemon.capabilities().kinds
    known = {kind.job_type for kind in found}
    known |= {f"{name.partition('.')[0]}.*" for name in known}
    # A daemon that names no kinds leaves nothing to compare with.
    for name in asked if known else ():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, 0.5)
            meant = f"; did you mean {near[0]}?" if near else "."
            served = ", ".join(kind.job_type for kind in found if kind.served)
            raise CommandError(
                f"no kind {name!r}{meant} This daemon serves {served}; all that there "
                "are: longshore capabilities -o wide"
            )
    return asked


def chosen_jobs(
    daemon: Client, args: Arguments, among: Sequence[JobState]
) -> list[str]:
    """The jobs that are named, or those in such states that a selection finds."""
    is_selected = any(args[name] for name in ("label", "kind", "group", "state", "all"))
    if args["job"] and is_selected:
        raise CommandError("name jobs, or select them: not both")
    if args["job"]:
        named: list[str] = args["job"]
        return named
    if not is_selected:
        raise CommandError("which jobs? Name them, select them (-l, --state), or --all")
    wanted = states(args["state"]) or among
    if beside := [one for one in wanted if one not in among]:
        name = words.state_name(beside[0]).lower()
        raise CommandError(f"this cannot be asked of jobs that are {name}")
    found = daemon.list(states=wanted, select=select(daemon, args), page_size=PAGE)
    if not (named := [job.job_id for job in found]):
        raise CommandError("no such job; see: longshore list")
    return named


def states(texts: Iterable[str]) -> list[JobState]:
    return [state(name) for name in by_comma(texts)]


def by_comma(texts: Iterable[str]) -> list[str]:
    """The words of an option that may be repeated, or hold several by comma."""
    return [word.strip() for text in texts for word in text.split(",")]


def state(name: str) -> JobState:
    known = [value.removeprefix("JOB_STATE_") for value in job_pb2.JobState.keys()[1:]]
    if name.upper() not in known:
        raise CommandError(f"no state {name!r}; there are {', '.join(known).lower()}")
    return job_pb2.JobState.Value(f"JOB_STATE_{name.upper()}")


def listing(args: Arguments) -> Exit:
    printer = Printer.of(args)
    limit = args["limit"]
    if limit is not None and limit < 0:
        raise CommandError(f"-n {limit} is less than none")
    is_cut = limit is None and printer.form in ("table", "wide")
    most = SHOWN if is_cut else limit or None
    shown = columns(time.time())
    if args["columns"] is not None:
        shown = chosen(args["columns"], shown)
    with Daemon(args) as daemon:
        found = daemon.list(
            states=ACTIVE if args["active"] else states(args["state"]),
            select=select(daemon, args),
            page_size=PAGE if most is None else min(most + 1, PAGE),
        )
        printer.list(
            itertools.islice(found, most),
            shown,
            name=lambda job: job.job_id,
            headers=not args["no_headers"],
        )
        if is_cut and next(found, None) is not None:
            sys.stderr.write(f"the newest {SHOWN}; -n 0 for all\n")
    return Exit.DONE


def get(args: Arguments) -> Exit:
    return several.each(args, JobHandle.get, job_lines)


def job_lines(job: job_pb2.Job) -> list[str]:
    progress = job.progress
    limit = job.options.speed_bytes_per_second
    eta = words.eta(job)
    facts = output.pairs(
        [
            ("job", job.job_id),
            ("kind", job.job_type),
            ("state", words.state(job)),
            ("why", of_job(job) if job.HasField("error") else words.remark(job)),
            ("done", f"{words.percent(job)} ({words.amount(progress)})"),
            ("rate", words.rate(job).replace(words.NONE, "")),
            ("limit", format_rate(limit) if limit else ""),
            ("limited by", words.limited_by(job)),
            ("not before", not_before(job)),
            ("windows", ", ".join(map(window_text, job.options.windows))),
            ("eta", "" if eta == words.NONE else eta),
            ("elapsed", elapsed(progress)),
            *moved(progress),
            ("time went", words.ledger(progress)),
            ("owner", job.owner),
            ("trace", job.trace_id),
            ("number", str(job.number)),
            ("labels", labels(job)),
            ("group", job.group_id),
            ("after", ", ".join(job.after)),
            ("allowed", ", ".join(words.action(number) for number in job.actions)),
        ]
    )
    nodes = output.pairs(
        (words.name_of_role(node.role), words.place(node.uri)) for node in job.nodes
    )
    warnings = [f"warning: {warning.message}" for warning in job.warnings]
    return [
        *facts,
        *warnings,
        *headed("nodes", nodes),
        *headed("history", list(history(job))),
    ]


def not_before(job: job_pb2.Job) -> str:
    """When it may start; of a job that has started, nothing."""
    is_set = job.options.HasField("earliest_start_time")
    if not is_set or job.HasField("start_time"):
        return ""
    return words.zoned_time(job.options.earliest_start_time)


def elapsed(progress: job_progress_pb2.JobProgress) -> str:
    return words.duration(progress.elapsed) if progress.HasField("elapsed") else ""


def moved(progress: job_progress_pb2.JobProgress) -> Iterator[tuple[str, str]]:
    for name, count in (
        ("copied", progress.written_bytes),
        ("reflinked", progress.reflinked_bytes),
        ("zeroed", progress.zeroed_bytes),
        ("left out", progress.skipped_bytes),
    ):
        if count:
            yield name, words.size(count)


def headed(title: str, lines: list[str]) -> list[str]:
    return [title, *indented(lines)] if lines else []


def indented(lines: list[str]) -> list[str]:
    return [f"  {line}" for line in lines]


def history(job: job_pb2.Job) -> Iterator[str]:
    for step in job.history:
        when = words.clock_time(step.transition_time)
        actor = f" ({step.actor})" if step.actor else ""
        reason = words.short_sizes(step.reason)
        yield f"{when}  {words.state_name(step.state):<9}  {reason}{actor}"
