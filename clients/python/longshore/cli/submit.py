"""Commands that start jobs, and the plan of one."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

from .. import requests
from ..client import Client, JobHandle
from ..errors import NoSpace, ServiceError, TargetBusy, from_status
from ..units import format_size
from ..v1 import (
    image_pb2,
    job_info_pb2,
    job_options_pb2,
    job_plan_pb2,
    job_service_pb2,
)
from . import output, words
from .arguments import Arguments
from .connect import Daemon, image, links
from .exits import CommandError, Exit
from .lookup import predecessor
from .output import Printer, say
from .policies import error_policy, instant, window
from .waiting import pulled

_ON_CONFLICT = {
    "fail": job_service_pb2.ON_CONFLICT_FAIL,
    "queue": job_service_pb2.ON_CONFLICT_QUEUE,
    "return": job_service_pb2.ON_CONFLICT_RETURN_EXISTING,
}


def pull(args: Arguments) -> Exit:
    if args["timeout"] is not None and not args["wait"]:
        raise CommandError("--timeout is how long to wait: it goes with --wait")
    submit = requests.Submit(
        job_id=args["job_id"],
        options=options(args),
        labels=dict(args["label"]),
        request_id=args["request_id"],
        on_conflict=_ON_CONFLICT[args["on_conflict"]],
    )
    with Daemon(args) as daemon:
        after = tuple(predecessor(daemon, word) for word in args["after"])
        submit = replace(submit, after=after)
        handle = daemon.create(pull_info(daemon, args), submit)
        announce(args, handle)
        if not args["wait"]:
            return Exit.DONE
        return pulled(daemon, handle, args)


def announce(args: Arguments, handle: JobHandle) -> None:
    """The id comes first, before any waiting: whatever happens, it is known."""
    printer = Printer.of(args)
    if args["wait"] and printer.is_document:
        # The one document on stdout is the job as it has ended.
        say(f"job {handle.job_id}")
    elif printer.is_data and handle.job is not None:
        printer.one(handle.job, (), name=handle.job_id)
    else:
        output.write([handle.job_id])
    if args.quiet:
        return
    if not handle.is_new:
        say("this job was there already")
    # The end of the job says it, if that is waited for.
    if handle.job is not None and words.is_alone(handle.job) and not args["wait"]:
        say(words.NOTHING_TO_PULL)


def plan(args: Arguments) -> Exit:
    with Daemon(args) as daemon:
        answer = daemon.plan(pull_info(daemon, args))
    Printer.of(args).one(answer, plan_lines(answer), name=answer.job_type)
    return Exit.CONFLICT if answer.obstacles else Exit.DONE


def pull_info(daemon: Client, args: Arguments) -> job_info_pb2.JobInfo:
    top = image(args["top"], args["format"])
    below = links(args)
    base = None
    if args["base"] is not None:
        base = image(args["base"], args["base_format"] or "")
        base.format = base.format or declared(daemon, top, below, base)
    return requests.pull_info(
        top, base, below, allow_snapshot_loss=args["allow_snapshot_loss"]
    )


def declared(
    daemon: Client,
    top: image_pb2.ImageRef,
    below: list[image_pb2.ImageRef],
    base: image_pb2.ImageRef,
) -> str:
    """The format of an image of the chain, as the header above it declares it."""
    path = words.place(base.uri)
    chain = daemon.image(top, backing_chain=below).chain
    for link in chain:
        if words.place(link.uri) == path:
            return link.format
    there = ", ".join(words.place(link.uri) for link in chain[1:]) or "nothing"
    raise CommandError(
        f"{path} is not behind {words.place(top.uri)}, but {there}; if it is the same "
        "by another name, give --base-format"
    )


def options(args: Arguments) -> job_options_pb2.JobOptions:
    made = job_options_pb2.JobOptions()
    for name, value in (
        ("speed_bytes_per_second", args["rate"]),
        ("burst_bytes", args["burst"]),
        ("iops", args["iops"]),
        ("burst_operations", args["burst_iops"]),
        ("priority", args["priority"]),
    ):
        if value is not None:
            setattr(made, name, value)
    if args["manual_finalize"]:
        made.auto_finalize = False
    if args["auto_dismiss"] is not None:
        made.auto_dismiss_delay.FromNanoseconds(int(args["auto_dismiss"] * 1e9))
    if args["not_before"] is not None:
        start = instant(args["not_before"], datetime.now(UTC))
        made.earliest_start_time.FromDatetime(start)
    if args["on_error"] is not None:
        policy = error_policy(args["on_error"])
        made.source_error_policy.CopyFrom(policy)
        made.target_error_policy.CopyFrom(policy)
    made.windows.extend(map(window, args["window"]))
    return made


def plan_lines(plan: job_plan_pb2.JobPlan) -> Iterator[str]:
    available = format_size(plan.space_available_bytes)
    yield from output.pairs(
        [
            ("kind", plan.job_type),
            ("read", words.size(plan.read_bytes)),
            ("write", words.size(plan.write_bytes)),
            ("zero", words.size(plan.zero_bytes)),
            ("reflink", words.size(plan.reflink_bytes) if plan.reflink_bytes else ""),
            (
                "space",
                f"{format_size(plan.space_needed_bytes)} needed, {available} available",
            ),
            ("takes", words.span(plan.estimate) if plan.HasField("estimate") else ""),
            ("starts", starts(plan)),
            ("but", words.NOTHING_TO_PULL if is_alone(plan) else ""),
            ("on cancel", plan.cancel_effect),
        ]
    )
    for held in plan.holds:
        role = words.name_of_role(held.node.role)
        taken = words.permissions(held.node.hold.taken)
        yield f"holds {words.place(held.node.uri)} as {role}: takes {taken}"
        for holder in held.conflicts:
            yield f"  in the way: {words.holder(holder)}"
    for status in plan.obstacles:
        yield f"obstacle: {words.short_sizes(status.message)}"


def is_alone(plan: job_plan_pb2.JobPlan) -> bool:
    return plan.job_type == "block.pull" and len(plan.chain) == 1


def starts(plan: job_plan_pb2.JobPlan) -> str:
    found = [from_status(status) for status in plan.obstacles]
    if not plan.HasField("queue_position"):
        return _never(found) if found else ""
    place = plan.queue_position
    when = "at once" if place == 0 else f"after {place} others"
    is_tight = any(isinstance(obstacle, NoSpace) for obstacle in found)
    return f"{when}, but may lack space" if is_tight else when


def _never(found: list[ServiceError | None]) -> str:
    """Of a job that would be refused now; one that only has to wait may queue."""
    if all(isinstance(obstacle, TargetBusy | NoSpace) for obstacle in found):
        return "refused now; with --on-conflict queue as soon as nobody is in the way"
    return "never, as things are"
