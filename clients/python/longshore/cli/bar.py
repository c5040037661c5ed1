"""The live bar of one job on a terminal: bytes, rate, ETA, what limits it.

rich draws it and keeps it in its place. What it says is ours, and what is left out
where there is no room: the line always fits, and what says least goes first.
"""

import sys
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..v1 import job_pb2
from . import words
from .table import GAP, one_line
from .terminal import is_smart, paint, wants_color, width

WIDEST = 30
NARROWEST = 10
# Where the width of the terminal is not known.
USUAL_WIDTH = 80


class Bar:
    """The last line stays when it is closed.

    Where nothing can be drawn over, only that line is written; `live` draws anyway.
    """

    def __init__(
        self, color: str, stream: TextIO | None = None, *, live: bool = False
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._console = Console(
            file=self._stream,
            force_terminal=live or is_smart(self._stream),
            color_system="standard" if wants_color(self._stream, color) else None,
            no_color=False,  # NO_COLOR has been heeded above
        )
        # stdout is data, and must not be drawn into the bar.
        self._live = Live(
            console=self._console,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def update(self, job: job_pb2.Job) -> None:
        # The last column stays free: in some terminals a line that fills it wraps.
        self._console.width = max(1, (width(self._stream) or USUAL_WIDTH) - 1)
        self._live.start()
        self._live.update(Line(job), refresh=True)

    def say(self, text: str) -> None:
        self._console.print(Text(f"longshore: {text}"), soft_wrap=True)

    def close(self) -> None:
        if self._live.is_started:
            self._live.stop()
            if not self._console.is_terminal:
                self._console.line()


class Line:
    """A bar and as many words as there is room for."""

    def __init__(self, job: job_pb2.Job) -> None:
        self._job = job

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> RenderResult:
        state = f"{words.state(self._job):<9}"
        shown = Text.from_ansi(paint(state, words.state_color(self._job)))
        # By the room alone: a bar whose length depends on the words would jitter.
        length = max(NARROWEST, min(WIDEST, options.max_width // 5))
        room = options.max_width - len(GAP.join([state, "-" * length, ""]))
        texts = _fitting(self._job, room)
        # Why a job stands still is worth more than a bar that does not move.
        drawn = [_bar(self._job, length)] if cell_len(GAP.join(texts)) <= room else []
        said = [Text(text, no_wrap=True, overflow="ellipsis") for text in texts]
        yield _row(shown, *drawn, *said)


def _row(*cells: RenderableType) -> Table:
    """Where it is too long the texts give way, the state last."""
    row = Table.grid(padding=(0, len(GAP)))
    for cell in cells:
        row.add_column(no_wrap=cell is cells[0])
    row.add_row(*cells)
    return row


def _fitting(job: job_pb2.Job, room: int) -> list[str]:
    """The most important of the texts, though it alone may be too long."""
    texts = _texts(job)

    def is_tight() -> bool:
        return cell_len(GAP.join(texts)) > room

    if is_tight():
        # The middle of the estimate says most of it.
        eta, middle = words.eta(job), words.eta_middle(job)
        texts = [text.replace(eta, middle) for text in texts]
    while len(texts) > 1 and is_tight():
        texts.pop()
    return texts


def _texts(job: job_pb2.Job) -> list[str]:
    """What to say, the most important first."""
    texts = [words.percent(job), words.amount(job.progress)]
    if remark := words.remark(job):
        return [one_line(remark), *texts]
    if (rate := words.rate(job)) != words.NONE:
        texts.append(rate)
    if (eta := words.eta(job)) != words.NONE:
        texts.append(f"eta {eta}")
    if limit := words.limited_by(job):
        texts.append(f"limit: {limit}")
    return texts


def _bar(job: job_pb2.Job, length: int) -> ProgressBar:
    """Empty where it is not known how much there is to do."""
    progress = job.progress
    is_known = progress.HasField("total")
    return ProgressBar(
        total=progress.total if is_known else 1,
        completed=progress.current if is_known else 0,
        width=length,
        style="bright_black",
        complete_style="cyan",
        finished_style="green",
    )
