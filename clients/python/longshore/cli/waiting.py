"""Waiting for a job on a terminal, in a pipe, or for a program; and Ctrl-C meanwhile.

The ladder: the first Ctrl-C asks the job to end, and the wait goes on to its end;
the third leaves at once, and the job goes on by itself.
"""

import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

from ..client import Client, JobHandle, Watch
from ..errors import LongshoreError, ServiceError
from ..v1 import job_pb2
from ..watch import Event, Progress, Resynced, Snapshot
from . import output, queries, words
from .connect import client, find
from .exits import Exit
from .parser import Arguments

# Plain lines: one per 10 % or per 30 s, whichever comes first.
PLAIN_PERCENT = 10
PLAIN_SECONDS = 30.0
# How often the daemon is asked to tell progress.
SAMPLE_SECONDS = 0.25


class Display(Protocol):
    """Shows one job's way on stderr."""

    def update(self, job: job_pb2.Job) -> None: ...

    def close(self) -> None: ...


class Silent:
    def update(self, job: job_pb2.Job) -> None:
        pass

    def close(self) -> None:
        pass


class Plain:
    """Lines that can be read in a log."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._said = (-1, "", float("-inf"))

    def update(self, job: job_pb2.Job) -> None:
        progress = job.progress
        total = progress.total
        tenth = progress.current * (100 // PLAIN_PERCENT) // total if total else 0
        state = words.state(job)
        last_tenth, last_state, last_time = self._said
        is_due = self._now() - last_time >= PLAIN_SECONDS
        if (tenth, state) == (last_tenth, last_state) and not is_due:
            return
        self._said = (tenth, state, self._now())
        parts = [job.job_id, state, words.percent(progress), words.amount(progress)]
        if progress.rate_per_second:
            parts += [words.rate(progress), f"eta {words.eta(progress)}"]
        sys.stderr.write("  ".join(parts) + "\n")

    def close(self) -> None:
        sys.stderr.flush()


class JsonLines:
    """Every change and sample as a line of JSON on stdout."""

    def update(self, job: job_pb2.Job) -> None:
        sys.stdout.write(json.dumps(output.plain(job)) + "\n")
        sys.stdout.flush()

    def close(self) -> None:
        pass


def display(args: Arguments) -> Display:
    mode = args["progress"]
    if mode == "auto" and args.output == "jsonl":
        mode = "json"
    if mode == "auto":
        mode = "tty" if sys.stderr.isatty() and not args.quiet else "plain"
    if args.quiet and mode == "plain":
        mode = "none"
    match mode:
        case "tty":
            from .bar import Bar

            return Bar(args.color)
        case "plain":
            return Plain()
        case "json":
            return JsonLines()
        case _:
            return Silent()


def follow(daemon: Client, handle: JobHandle, args: Arguments) -> Exit:
    """Show a job until it has ended; the exit code says how."""
    shown = display(args)
    deadline = None if args["timeout"] is None else time.monotonic() + args["timeout"]
    try:
        with (
            handle.watch(progress_interval=SAMPLE_SECONDS) as watch,
            ladder(handle, watch) as left,
        ):
            last = last_word(watch, shown, deadline)
    finally:
        shown.close()
    if last is None or not last.HasField("end_time"):
        return gave_up(handle, is_interrupted=left())
    return verdict(last)


def last_word(
    watch: Watch, shown: Display, deadline: float | None
) -> job_pb2.Job | None:
    """The job as it was last seen; it has ended unless the time was over."""
    job: job_pb2.Job | None = None
    timer = Timer(watch.close, deadline)
    try:
        for job in jobs(watch):
            shown.update(job)
    finally:
        timer.stop()
    return job


def jobs(watch: Watch) -> Iterator[job_pb2.Job]:
    """The job after each change and each sample."""
    job = job_pb2.Job()
    for value in watch:
        match value:
            case Event():
                job = value.job
            case Progress():
                job.progress.CopyFrom(value.progress)
            case Snapshot() | Resynced():
                job = value.jobs[0] if value.jobs else job
        yield job


class Timer:
    """Calls back at the deadline, from a thread of its own."""

    def __init__(self, ring: Callable[[], None], deadline: float | None) -> None:
        import threading

        self._timer = (
            None
            if deadline is None
            else threading.Timer(max(0.0, deadline - time.monotonic()), ring)
        )
        if self._timer is not None:
            self._timer.daemon = True
            self._timer.start()

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


@contextmanager
def ladder(handle: JobHandle, watch: Watch) -> Iterator[Callable[[], bool]]:
    """Ctrl-C while waiting. Yields a question: was the wait left by it?"""
    count = 0

    def interrupted(number: int, frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        if count == 1:
            say("cancelling; Ctrl-C twice more leaves the job to itself")
            ask_cancel(handle)
        elif count >= 3:
            watch.close()

    before = signal.signal(signal.SIGINT, interrupted)
    try:
        yield lambda: count >= 3
    finally:
        signal.signal(signal.SIGINT, before)


def ask_cancel(handle: JobHandle) -> None:
    """From a signal handler: in a thread, for the call must not block the ladder."""
    import threading

    def ask() -> None:
        try:
            handle.cancel("Ctrl-C")
        except (LongshoreError, ServiceError) as error:
            say(f"cannot cancel: {error}")

    threading.Thread(target=ask, daemon=True).start()


def say(text: str) -> None:
    sys.stderr.write(f"longshore: {text}\n")
    sys.stderr.flush()


def gave_up(handle: JobHandle, *, is_interrupted: bool) -> Exit:
    say(f"the job goes on: longshore wait {handle.job_id}")
    return Exit.DETACHED if is_interrupted else Exit.TIMEOUT


def verdict(job: job_pb2.Job) -> Exit:
    """The exit code of a job that has ended; says why it failed."""
    match job.state:
        case job_pb2.JOB_STATE_SUCCEEDED:
            for warning in job.warnings:
                say(f"warning: {warning.message}")
            return Exit.WARNINGS if job.warnings else Exit.DONE
        case job_pb2.JOB_STATE_CANCELLED:
            say(f"job {job.job_id} was cancelled: {job.error.message}")
            return Exit.CANCELLED
        case _:
            say(f"job {job.job_id} failed: {job.error.message}")
            return Exit.FAILED


def wait(args: Arguments) -> Exit:
    """The command: until the end, or until one of the states asked for."""
    with client(args) as daemon:
        handle = find(daemon, args["job"])
        if not args["state"]:
            return follow(daemon, handle, args)
        job = handle.wait(
            args["timeout"],
            states=queries.states(args["state"]),
            raise_on_failure=False,
        )
        wanted = queries.states(args["state"])
        return Exit.DONE if job.state in wanted else verdict(job)
