"""The live bar of one job on a terminal: bytes, rate, ETA, what limits it.

One line, drawn over and over, that always fits: what says least goes first.
"""

import sys
from typing import TextIO

from ..v1 import job_pb2
from . import words
from .table import Cut, shorten
from .terminal import is_smart, paint, wants_color, width

WIDEST = 30
NARROWEST = 10
# Where the width of the terminal is not known.
USUAL_WIDTH = 80

GAP = "  "


class Bar:
    """The last line stays when it is closed.

    Where nothing can be drawn over, only that line is written; `live` draws anyway.
    """

    def __init__(
        self, color: str, stream: TextIO | None = None, *, live: bool = False
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._color = wants_color(self._stream, color)
        self._live = live or is_smart(self._stream)
        self._line = ""

    def update(self, job: job_pb2.Job) -> None:
        # The last column stays free: a line that fills it would wrap.
        room = (width(self._stream) or USUAL_WIDTH) - 1
        self._line = line(job, room, color=self._color)
        if self._live:
            self._write(f"\r{self._line}\x1b[K")

    def say(self, text: str) -> None:
        if self._live:
            self._write(f"\r\x1b[Klongshore: {text}\n{self._line}")
        else:
            self._write(f"longshore: {text}\n")

    def close(self) -> None:
        if self._line:
            self._write("\n" if self._live else f"{self._line}\n")
            self._line = ""

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def line(job: job_pb2.Job, room: int, *, color: bool = False) -> str:
    """A bar and as many words as there is room for."""
    state = f"{words.state(job):<9}"
    texts = _texts(job)

    # By the room alone: a bar whose length depends on the words would jitter.
    length = max(NARROWEST, min(WIDEST, room // 5))

    def is_tight() -> bool:
        return len(GAP.join([state, "-" * length, *texts])) > room

    if is_tight():
        # The middle of the estimate says most of it.
        eta, middle = words.eta(job), words.eta_middle(job)
        texts = [text.replace(eta, middle) for text in texts]
    while len(texts) > 1 and is_tight():
        texts.pop()
    shown = paint(state, words.state_color(job)) if color else state
    if is_tight():
        # Why a job stands still is worth more than a bar that does not move.
        rest = max(1, room - len(state) - len(GAP))
        return GAP.join([shown, shorten(texts[0], rest, Cut.RIGHT)])
    return GAP.join([shown, _bar(job, length, color=color), *texts])


def _texts(job: job_pb2.Job) -> list[str]:
    """What to say, the most important first."""
    texts = [words.percent(job.progress), words.amount(job.progress)]
    if remark := words.remark(job):
        return [remark, *texts]
    if (rate := words.rate(job)) != words.NONE:
        texts.append(rate)
    if (eta := words.eta(job)) != words.NONE:
        texts.append(f"eta {eta}")
    if limit := words.limited_by(job):
        texts.append(f"limit: {limit}")
    return texts


def _bar(job: job_pb2.Job, length: int, *, color: bool) -> str:
    progress = job.progress
    done = 0
    if progress.HasField("total"):
        done = (
            length * min(progress.current, progress.total) // progress.total
            if progress.total
            else length
        )
    full = "━" * done
    return (paint(full, "36") if color and full else full) + "╌" * (length - done)
