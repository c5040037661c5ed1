"""How a job's way is shown while it is waited for: lines, JSON, or nothing. The live
bar is in `bar`.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Protocol, TextIO

from ..v1 import job_pb2
from . import output, terminal, words
from .arguments import Arguments

# Plain lines: one per 10 % or per 30 s, whichever comes first.
PLAIN_PERCENT = 10
PLAIN_SECONDS = 30.0


class Display(Protocol):
    """Shows one job's way; `say` puts a line of words between."""

    def update(self, job: job_pb2.Job) -> None: ...

    def say(self, text: str) -> None: ...

    def close(self) -> None: ...


class Silent:
    """Only words."""

    def update(self, job: job_pb2.Job) -> None:
        pass

    def say(self, text: str) -> None:
        output.say(text)

    def close(self) -> None:
        pass


class Plain(Silent):
    """Lines that can be read in a log."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._said = (-1, "", "")
        self._when = float("-inf")

    def update(self, job: job_pb2.Job) -> None:
        progress = job.progress
        total = progress.total
        tenth = progress.current * (100 // PLAIN_PERCENT) // total if total else 0
        news = (tenth, words.state(job), words.remark(job))
        if news == self._said and self._now() - self._when < PLAIN_SECONDS:
            return
        self._said, self._when = news, self._now()
        sys.stderr.write("  ".join(line(job)) + "\n")
        sys.stderr.flush()


def line(job: job_pb2.Job) -> list[str]:
    parts = [job.job_id, words.state(job)]
    if job.progress.HasField("total"):
        parts += [words.percent(job), words.amount(job.progress)]
    if (rate := words.rate(job)) != words.NONE:
        parts.append(rate)
    if (eta := words.eta(job)) != words.NONE:
        parts.append(f"eta {eta}")
    if remark := words.remark(job):
        parts.append(remark)
    return parts


class JsonLines(Silent):
    """Every change and sample as a line of JSON."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def update(self, job: job_pb2.Job) -> None:
        self._stream.write(json.dumps(output.plain(job)) + "\n")
        self._stream.flush()


def display(args: Arguments) -> Display:
    mode: str = args["progress"]
    if mode == "auto":
        mode = _choose(args)
    match mode:
        case "tty":
            return _live(args)
        case "plain":
            return Plain()
        case "json":
            # Data for whoever asked for data; else it is progress, as the bar is.
            return JsonLines(sys.stdout if args.output == "jsonl" else sys.stderr)
        case _:
            return Silent()


def _live(args: Arguments) -> Display:
    """The bar, if rich is there to draw it."""
    try:
        from .bar import Bar
    except ImportError:
        plain = Plain()
        plain.say("a live bar is drawn by rich: pip install rich")
        return plain
    return Bar(args.color, live=True)


def _choose(args: Arguments) -> str:
    if args.output == "jsonl":
        return "json"
    if args.quiet:
        return "none"
    return "tty" if terminal.is_smart(sys.stderr) else "plain"
