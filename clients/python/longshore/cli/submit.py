"""Commands that start jobs, and the plan of one."""

import sys
from typing import Any

from .. import requests
from ..units import format_size
from ..v1 import job_info_pb2, job_options_pb2, job_plan_pb2, job_service_pb2
from . import output, words
from .connect import client, image
from .exits import CommandError, Exit
from .parser import Arguments
from .waiting import follow

_ON_CONFLICT = {
    "fail": job_service_pb2.ON_CONFLICT_FAIL,
    "queue": job_service_pb2.ON_CONFLICT_QUEUE,
    "return": job_service_pb2.ON_CONFLICT_RETURN_EXISTING,
}


def pull(args: Arguments) -> Exit:
    info = pull_info(args)
    submit = requests.Submit(
        job_id=args["job_id"],
        options=options(args),
        labels=dict(args["label"]),
        request_id=args["request_id"],
        on_conflict=_ON_CONFLICT[args["on_conflict"]],
        after=tuple(args["after"]),
    )
    with client(args) as daemon:
        handle = daemon.create(info, submit)
        # The id comes first, before any waiting: whatever happens, it is known.
        sys.stdout.write(f"{handle.job_id}\n")
        sys.stdout.flush()
        if not args["wait"]:
            return Exit.DONE
        return follow(daemon, handle, args)


def plan(args: Arguments) -> Exit:
    with client(args) as daemon:
        answer = daemon.plan(pull_info(args))
    output.show_one(
        answer, output=args.output, lines=plan_lines(answer), name=answer.job_type
    )
    return Exit.CONFLICT if answer.obstacles else Exit.DONE


def pull_info(args: Arguments) -> job_info_pb2.JobInfo:
    base = args["base"]
    return requests.pull_info(
        image(args["top"], args["format"]),
        None if base is None else image(base, args["base_format"]),
        [link(text) for text in args["link"]],
    )


def link(text: str) -> Any:
    declared, colon, path = text.partition(":")
    if not colon or declared not in ("raw", "qcow2"):
        raise CommandError(f"--link wants raw:PATH or qcow2:PATH, not {text!r}")
    return image(path, declared)


def options(args: Arguments) -> job_options_pb2.JobOptions:
    made = job_options_pb2.JobOptions()
    for name, value in (
        ("speed_bytes_per_second", args["rate"]),
        ("burst_bytes", args["burst"]),
        ("iops", args["iops"]),
        ("priority", args["priority"]),
    ):
        if value is not None:
            setattr(made, name, value)
    if args["manual_finalize"]:
        made.auto_finalize = False
    if args["auto_dismiss"] is not None:
        made.auto_dismiss_delay.FromNanoseconds(int(args["auto_dismiss"] * 1e9))
    if args["on_error"] is not None:
        name = "ERROR_ACTION_" + args["on_error"].upper().replace("-", "_")
        action = job_options_pb2.ErrorAction.Value(name)
        made.source_error_policy.action = action
        made.target_error_policy.action = action
    return made


def plan_lines(plan: job_plan_pb2.JobPlan) -> list[str]:
    holds = [
        f"{words.name_of_role(held.node.role)} {held.node.uri}: "
        f"takes {words.permissions(held.node.hold.taken)}"
        for held in plan.holds
    ]
    blockers = [
        f"busy: {words.holder(holder)}"
        for held in plan.holds
        for holder in held.conflicts
    ]
    obstacles = [f"obstacle: {status.message}" for status in plan.obstacles]
    available = plan.space_available_bytes
    facts = output.pairs(
        [
            ("kind", plan.job_type),
            ("read", format_size(plan.read_bytes)),
            ("write", format_size(plan.write_bytes)),
            ("zero", format_size(plan.zero_bytes)),
            (
                "space",
                f"{format_size(plan.space_needed_bytes)} needed, "
                f"{format_size(available)} available",
            ),
            ("on cancel", plan.cancel_effect),
        ]
    )
    return [*facts, *holds, *blockers, *obstacles]
