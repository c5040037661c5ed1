"""Commands that ask something of jobs: one function a verb."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from ..client import JobHandle
from ..enums import JobState
from ..units import format_size, parse_duration, parse_rate, parse_size
from ..v1 import job_options_pb2, job_pb2, job_service_pb2
from . import queries, several, words
from .arguments import Arguments
from .connect import Daemon
from .exits import CommandError, Exit
from .lookup import ACTIVE, ENDED, find
from .options import ON_ERROR
from .output import Printer, say
from .policies import error_policy, instant, on_error, window, window_text


def each(args: Arguments, verb: str, ask: Callable[[JobHandle], job_pb2.Job]) -> Exit:
    return several.each(args, ask, lambda job: [line_of(job, verb)])


def each_chosen(
    args: Arguments,
    verb: str,
    ask: Callable[[JobHandle], job_pb2.Job],
    among: Sequence[JobState],
) -> Exit:
    """The same for jobs that are named, or that a selection finds among such states."""
    with Daemon(args) as daemon:
        named = queries.chosen_jobs(daemon, args, among)
        if not args["job"] and not args.quiet:
            say(f"{verb} of {len(named)} job{'s' * (len(named) > 1)}")
        # What a selection has found is meant as it is: a job that has gone meanwhile is
        # no word for another one.
        handle_of = partial(find, daemon) if args["job"] else daemon.job
        return several.asked(
            args, named, handle_of, ask, lambda job: [line_of(job, verb)]
        )


def line_of(job: job_pb2.Job, verb: str) -> str:
    """What is so of a job now that a verb was accepted."""
    state = words.state(job) if job.state else ""
    return "  ".join(filter(None, [job.job_id, state, outcome(job, verb)]))


def outcome(job: job_pb2.Job, verb: str) -> str:
    """What was asked and is not reached yet, else what is reached."""
    if verb == "dismiss":
        return "dismissed"
    if any(words.action(wish.action) == verb for wish in job.wanted):
        return f"{verb} asked"
    remark = words.remark(job)
    match verb:
        case "pause":
            return _paused(job)
        case "resume" if job.state == job_pb2.JOB_STATE_RUNNING:
            return "not paused"
        case "resume":
            return f"resumed; {remark}" if remark else "resumed"
        case "finalize" if job.state == job_pb2.JOB_STATE_SUCCEEDED:
            return "finalized"
        case _:
            return remark


def _paused(job: job_pb2.Job) -> str:
    # Without a comment the daemon's reason is this very word.
    reasons = [pause.reason for pause in job.pauses if pause.reason != "paused"]
    return f"paused: {'; '.join(reasons)}" if reasons else "paused"


def pause(args: Arguments) -> Exit:
    return each(args, "pause", lambda handle: handle.pause(args["comment"]))


def resume(args: Arguments) -> Exit:
    return each(args, "resume", JobHandle.resume)


def cancel(args: Arguments) -> Exit:
    return each_chosen(
        args,
        "cancel",
        lambda handle: handle.cancel(
            args["comment"], wait=args["wait"], force=args["force"]
        ),
        ACTIVE,
    )


def complete(args: Arguments) -> Exit:
    mode = (
        job_service_pb2.COMPLETION_MODE_KEEP_COPY
        if args["keep_copy"]
        else job_service_pb2.COMPLETION_MODE_SWITCH
    )
    return each(args, "complete", lambda handle: handle.complete(mode))


def finalize(args: Arguments) -> Exit:
    return each(args, "finalize", JobHandle.finalize)


def dismiss(args: Arguments) -> Exit:
    return each_chosen(args, "dismiss", JobHandle.dismiss, ENDED)


def change(args: Arguments) -> Exit:
    options = job_options_pb2.JobOptions()
    paths = asked(options, args["options"], OPTIONS)
    with Daemon(args) as daemon:
        job = find(daemon, args["job"]).update(options, paths=paths)
    line = f"{job.job_id}  {words.state(job)}  {' '.join(values(job.options, paths))}"
    Printer.of(args).one(job, [line], name=job.job_id)
    return Exit.DONE


def values(options: Any, paths: Iterable[str]) -> Iterator[str]:
    """What the options are now that were asked for."""
    given = {field.name: value for field, value in options.ListFields()}
    for name, ((field, *_), _) in OPTIONS.items():
        if field in paths:
            yield from (f"{name}={text}" for text in _shown(name, given.get(field)))


def _shown(name: str, value: Any) -> list[str]:
    """The words that set it; a window is a word of its own."""
    if name == "on-error":
        return [ON_ERROR[0] if value is None else on_error(value)]
    if value is None:
        return ["none"]
    if name == "window":
        return [window_text(one) for one in value]
    if isinstance(value, Timestamp):
        return [value.ToJsonString()]
    if isinstance(value, Duration):
        return [words.duration(value).replace(" ", "")]
    if name in ("rate", "burst"):
        return [format_size(value).replace(" ", "")]
    return [str(value).lower()]


def asked(options: Any, texts: Iterable[str], known: "Known") -> list[str]:
    """Every NAME=VALUE into a message; answers the fields that they are."""
    fields = [field for text in texts for field in _put(options, text, known)]
    return list(dict.fromkeys(fields))


def _put(options: Any, text: str, known: "Known") -> tuple[str, ...]:
    name, equals, value = text.partition("=")
    if not equals:
        raise CommandError(f"an option is NAME=VALUE, not {text!r}")
    if name not in known:
        raise CommandError(f"no option {name!r}; there are {', '.join(known)}")
    fields, set_to = known[name]
    if value != "none":
        try:
            for field in fields:
                set_to(options, field, value)
        except ValueError as error:
            raise CommandError(f"{name}: {error}") from error
    return fields


Set = Callable[[Any, str, str], None]
Known = Mapping[str, tuple[tuple[str, ...], Set]]
"""Options by name: the fields that each is, and how they are set."""

# Of those that take one of a few words.
VALUES = {"on-error": ON_ERROR, "auto-finalize": ("true", "false")}


def _number(parse: Callable[[str], int]) -> Set:
    def set_to(options: Any, field: str, value: str) -> None:
        setattr(options, field, parse(value))

    return set_to


def _truth(options: Any, field: str, value: str) -> None:
    if value not in VALUES["auto-finalize"]:
        raise ValueError(f"true or false, not {value!r}")
    setattr(options, field, value == "true")


def _span(options: Any, field: str, value: str) -> None:
    getattr(options, field).FromNanoseconds(int(parse_duration(value) * 1e9))


def _policy(options: Any, field: str, value: str) -> None:
    getattr(options, field).CopyFrom(error_policy(value))


def _window(options: Any, field: str, value: str) -> None:
    getattr(options, field).append(window(value))


def _instant(options: Any, field: str, value: str) -> None:
    getattr(options, field).FromDatetime(instant(value, datetime.now(UTC)))


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError as error:
        raise ValueError(f"not a whole number: {text!r}") from error


RATES: Known = {
    "rate": (("speed_bytes_per_second",), _number(parse_rate)),
    "burst": (("burst_bytes",), _number(parse_size)),
    "iops": (("iops",), _number(_integer)),
    "burst-iops": (("burst_operations",), _number(_integer)),
}
OPTIONS: Known = {
    **RATES,
    "priority": (("priority",), _number(_integer)),
    "not-before": (("earliest_start_time",), _instant),
    "on-error": (("source_error_policy", "target_error_policy"), _policy),
    "window": (("windows",), _window),
    "auto-finalize": (("auto_finalize",), _truth),
    "auto-dismiss": (("auto_dismiss_delay",), _span),
}
