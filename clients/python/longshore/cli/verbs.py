"""Commands that ask something of jobs: one function a verb."""

from collections.abc import Callable

from google.protobuf.field_mask_pb2 import FieldMask

from ..client import JobHandle
from ..units import parse_duration, parse_rate, parse_size
from ..v1 import job_options_pb2, job_pb2, job_service_pb2
from . import output, queries
from .connect import client, find
from .exits import CommandError, Exit
from .parser import Arguments


def each(args: Arguments, ask: Callable[[JobHandle], job_pb2.Job]) -> Exit:
    """Ask every job named; print what became of it."""
    with client(args) as daemon:
        for word in args["job"]:
            job = ask(find(daemon, word))
            show(args, job)
    return Exit.DONE


def show(args: Arguments, job: job_pb2.Job) -> None:
    from . import words

    output.show_one(
        job,
        output="name" if args.quiet else args.output,
        lines=[f"{job.job_id}  {words.state(job)}  {words.remark(job)}".rstrip()],
        name=job.job_id,
    )


def pause(args: Arguments) -> Exit:
    return each(args, lambda handle: handle.pause(args["comment"]))


def resume(args: Arguments) -> Exit:
    return each(args, JobHandle.resume)


def cancel(args: Arguments) -> Exit:
    def ask(handle: JobHandle) -> job_pb2.Job:
        job = handle.cancel(args["comment"], force=args["force"])
        return handle.wait(raise_on_failure=False) if args["wait"] else job

    return each(args, ask)


def complete(args: Arguments) -> Exit:
    mode = (
        job_service_pb2.COMPLETION_MODE_KEEP_COPY
        if args["keep_copy"]
        else job_service_pb2.COMPLETION_MODE_SWITCH
    )
    return each(args, lambda handle: handle.complete(mode))


def finalize(args: Arguments) -> Exit:
    return each(args, JobHandle.finalize)


def dismiss(args: Arguments) -> Exit:
    return each(args, JobHandle.dismiss)


def change(args: Arguments) -> Exit:
    request = job_service_pb2.UpdateJobRequest(
        options=job_options_pb2.JobOptions(), update_mask=FieldMask()
    )
    for text in args["options"]:
        put(request, text)
    with client(args) as daemon:
        handle = find(daemon, args["job"])
        job = handle.update(request.options, paths=request.update_mask.paths)
    output.show_one(
        job,
        output="name" if args.quiet else args.output,
        lines=queries.job_lines(job),
        name=job.job_id,
    )
    return Exit.DONE


_OPTIONS: dict[str, tuple[str, Callable[[str], int]]] = {
    "rate": ("speed_bytes_per_second", parse_rate),
    "burst": ("burst_bytes", parse_size),
    "iops": ("iops", int),
    "priority": ("priority", int),
}


def put(request: job_service_pb2.UpdateJobRequest, text: str) -> None:
    """One NAME=VALUE into the request; the value "none" takes the option away."""
    name, equals, value = text.partition("=")
    if not equals:
        raise CommandError(f"an option is NAME=VALUE, not {text!r}")
    try:
        request.update_mask.paths.append(_put(request.options, name, value))
    except ValueError as error:
        raise CommandError(f"{name}: {error}") from error


def _put(options: job_options_pb2.JobOptions, name: str, value: str) -> str:
    is_set = value != "none"
    if name in _OPTIONS:
        field, parse = _OPTIONS[name]
        if is_set:
            setattr(options, field, parse(value))
        return field
    if name == "auto-finalize":
        if value not in ("true", "false"):
            raise ValueError(f"true or false, not {value!r}")
        options.auto_finalize = value == "true"
        return "auto_finalize"
    if name == "auto-dismiss":
        if is_set:
            options.auto_dismiss_delay.FromNanoseconds(int(parse_duration(value) * 1e9))
        return "auto_dismiss_delay"
    known = ", ".join([*_OPTIONS, "auto-finalize", "auto-dismiss"])
    raise CommandError(f"no option {name!r}; there are {known}")
