"""The live bar of one job on a terminal: bytes, rate, ETA, what limits it."""

import os

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ..v1 import job_pb2
from . import words

BAR_WIDTH = 30


class Bar:
    """One line that is drawn over and over; the last one stays."""

    def __init__(self, color: str) -> None:
        is_plain = color == "never" or (
            color == "auto" and ("NO_COLOR" in os.environ or _is_dumb())
        )
        console = Console(
            stderr=True,
            no_color=is_plain,
            force_terminal=True if color == "always" else None,
            highlight=False,
        )
        self._live = Live(console=console, auto_refresh=False, transient=False)
        self._live.start()

    def update(self, job: job_pb2.Job) -> None:
        self._live.update(line(job), refresh=True)

    def close(self) -> None:
        self._live.stop()


def _is_dumb() -> bool:
    return os.environ.get("TERM", "dumb") == "dumb"


def line(job: job_pb2.Job) -> Table:
    progress = job.progress
    row = Table.grid(padding=(0, 1))
    total = progress.total if progress.HasField("total") else None
    limit = words.limited_by(progress)
    row.add_row(
        Text(words.state(job).lower()),
        ProgressBar(total=total or 1, completed=progress.current, width=BAR_WIDTH),
        Text(words.percent(progress)),
        Text(words.amount(progress)),
        Text(words.rate(progress)),
        Text(f"eta {words.eta(progress)}" if progress.HasField("eta") else ""),
        Text(f"limited by {limit}" if limit else words.remark(job)),
    )
    return row
