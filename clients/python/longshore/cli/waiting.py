"""Waiting for a job on a terminal, in a pipe, or for a program."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

from ..client import JobHandle
from ..enums import JobState
from ..steps import UNREACHABLE_SECONDS
from ..stream import Watch
from ..units import format_size
from ..v1 import job_pb2
from ..watch import Event, Progress, Resynced, Snapshot
from . import queries, several, words
from .arguments import Arguments
from .connect import Daemon
from .display import Display, display
from .exits import CommandError, Exit
from .failures import of_job
from .ladder import GOES_ON, Ladder
from .lookup import find
from .output import Printer, Put, say

# How often the daemon is asked to tell progress.
SAMPLE_SECONDS = 0.25


def pulled(daemon: Daemon, handle: JobHandle, args: Arguments) -> Exit:
    """Wait for a job that this command has made; Ctrl-C cancels it."""
    with Printer.of(args).sheet(1) as put:
        return follow(
            daemon, handle, args, put, seconds=args["timeout"], ladder=Ladder(handle)
        )


def follow(
    daemon: Daemon,
    handle: JobHandle,
    args: Arguments,
    put: Put,
    *,
    seconds: float | None,
    ladder: Ladder | None = None,
) -> Exit:
    """Show a job until it has ended; the exit code says how."""
    shown = display(args)
    watch = handle.watch(progress_interval=SAMPLE_SECONDS, patience=UNREACHABLE_SECONDS)
    climb = ladder.stands(shown.say, watch.close) if ladder else nullcontext()
    notice = daemon.notice.said_by(shown.say)
    try:
        with notice, climb, alarm(seconds, watch) as is_late:
            last = last_word(watch, shown)
    except KeyboardInterrupt:
        return left(handle, args)
    finally:
        shown.close()
    if last is not None and last.HasField("end_time"):
        return ended(last, args, put)
    fate = GOES_ON if ladder is None else ladder.fate
    if ladder is not None and ladder.is_left:
        return gave_up(handle, Exit.DETACHED, fate)
    if is_late():
        return gave_up(handle, Exit.TIMEOUT, fate)
    raise CommandError(
        f"job {handle.job_id} is not there any more; nobody knows how it ended",
        Exit.FAILED,
    )


def last_word(watch: Watch, shown: Display) -> job_pb2.Job | None:
    """The job as it was last seen, if it was seen at all."""
    job: job_pb2.Job | None = None
    for job in jobs(watch):
        shown.update(job)
    return job


def jobs(watch: Watch) -> Iterator[job_pb2.Job]:
    """The one job of a watch, after each change and each sample."""
    job: job_pb2.Job | None = None
    for value in watch:
        match value:
            case Event():
                job = newest(value.job, job)
            case Progress() if job is not None:
                job.progress.CopyFrom(value.progress)
            case Snapshot() | Resynced():
                job = value.jobs[0] if value.jobs else job
            case _:
                pass
        if job is not None:
            yield job


def newest(job: job_pb2.Job, before: job_pb2.Job | None) -> job_pb2.Job:
    """A job after a change, with progress that is not older than what was seen.

    The progress in a change is the last durable one; only in the end it is exact.
    """
    if before is None or job.HasField("end_time"):
        return job
    seen, told = before.progress.sample_time, job.progress.sample_time
    if seen.ToNanoseconds() > told.ToNanoseconds():
        job.progress.CopyFrom(before.progress)
    return job


@contextmanager
def alarm(seconds: float | None, watch: Watch) -> Iterator[Callable[[], bool]]:
    """Ends the watch after so long. Yields a question: has it?"""
    rung = threading.Event()

    def ring() -> None:
        rung.set()
        watch.close()

    timer = None
    if seconds is not None:
        timer = threading.Timer(seconds, ring)
        timer.daemon = True
        timer.start()
    try:
        yield rung.is_set
    finally:
        if timer is not None:
            timer.cancel()


def left(handle: JobHandle, args: Arguments) -> Exit:
    """Ctrl-C of a command that only waits, perhaps for more than this one."""
    named: list[str] = args.values.get("job", [])
    if len(named) < 2:
        return gave_up(handle, Exit.DETACHED, GOES_ON)
    say(f"stopped waiting; the jobs go on: longshore wait {' '.join(named)}")
    return Exit.DETACHED


def gave_up(handle: JobHandle, code: Exit, fate: str) -> Exit:
    why = "stopped waiting" if code is Exit.DETACHED else "waited long enough"
    say(f"{why}; {fate}: longshore wait {handle.job_id}")
    return code


def ended(job: job_pb2.Job, args: Arguments, put: Put) -> Exit:
    """Print the job for programs, its end for people; the code is for both."""
    if Printer.of(args).is_document:
        put(job, [], job.job_id)
    return verdict(job, is_quiet=args.quiet)


def verdict(job: job_pb2.Job, *, is_quiet: bool = False) -> Exit:
    """The exit code of a job that has ended; says why it failed."""
    match job.state:
        case job_pb2.JOB_STATE_SUCCEEDED:
            for warning in job.warnings:
                say(f"warning: {warning.message}")
            if not is_quiet:
                say(f"job {job.job_id} succeeded{summary(job)}")
            return Exit.WARNINGS if job.warnings else Exit.DONE
        case job_pb2.JOB_STATE_CANCELLED:
            say(f"job {job.job_id} was cancelled: {job.error.message}")
            return Exit.CANCELLED
        case _:
            say(f"job {job.job_id} failed: {of_job(job)}")
            return Exit.FAILED


def summary(job: job_pb2.Job) -> str:
    if words.is_alone(job):
        return f": {words.NOTHING_TO_PULL}"
    progress = job.progress
    moved = [
        f"{format_size(count)} {done}"
        for count, done in (
            (progress.written_bytes, "copied"),
            (progress.reflinked_bytes, "reflinked"),
            (progress.zeroed_bytes, "zeroed"),
        )
        if count
    ]
    time = f" in {words.duration(progress.elapsed)}"
    return f"{time}: {', '.join(moved)}" if moved else time


def wait(args: Arguments) -> Exit:
    """The command: until the end, or until one of the states asked for."""
    wanted = queries.states(args["state"])
    left = countdown(args["timeout"])
    with Daemon(args) as daemon:

        def one(word: str, put: Put) -> Exit:
            handle = find(daemon, word)
            if wanted:
                return reach(handle, wanted, args, put, left())
            job, seconds = handle.get(), left()
            # Of those that come after the time is up, what is known still counts.
            if seconds == 0 and job.HasField("end_time"):
                return ended(job, args, put)
            return follow(daemon, handle, args, put, seconds=seconds)

        return several.every(args, args["job"], one)


def countdown(seconds: float | None) -> Callable[[], float | None]:
    """How much of the time is left, asked again and again."""
    end = None if seconds is None else time.monotonic() + seconds
    return lambda: None if end is None else max(0.0, end - time.monotonic())


def reach(
    handle: JobHandle,
    wanted: list[JobState],
    args: Arguments,
    put: Put,
    seconds: float | None,
) -> Exit:
    """Wait for one of the states; a job that can not be in them any more fails."""
    job = handle.wait(seconds, states=wanted, raise_on_failure=False)
    if job.state not in wanted:
        names = " or ".join(queries.by_comma(args["state"]))
        raise CommandError(
            f"job {job.job_id} ended {words.state(job)} and was never {names}",
            verdict(job) or Exit.FAILED,
        )
    if Printer.of(args).is_data:
        put(job, [], job.job_id)
    return Exit.DONE
