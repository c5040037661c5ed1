"""The live list of jobs that have not ended: on a terminal drawn again and again."""

import sys
import threading
import time

from ..errors import LongshoreError
from ..steps import UNREACHABLE_SECONDS
from ..stream import Watch
from ..v1 import job_pb2, watch_pb2
from ..watch import Event, Progress, Resynced, Snapshot, Value
from . import output, queries, terminal, words
from .arguments import Arguments
from .away import LOST, Notice
from .connect import Daemon
from .exits import Exit
from .lookup import ACTIVE, PAGE
from .table import table
from .waiting import newest

# Faster is not read; slower looks stuck.
DRAW_SECONDS = 0.5
# Until there is something to draw.
GLANCE_SECONDS = 0.05
LEAVING = ("q", "Q", terminal.END)

HOME = "\x1b[H"
CLEAR_LINE = "\x1b[K"
CLEAR_BELOW = "\x1b[J"
# The screen of its own that full-screen programs use: leaving brings the shell back.
ENTER = "\x1b[?1049h\x1b[?25l"
LEAVE = "\x1b[?25h\x1b[?1049l"


class Board:
    """The jobs that have not ended, as a watch tells of them."""

    def __init__(self) -> None:
        # Guarded by _lock: one thread reads the watch, another draws.
        self._lock = threading.Lock()
        self._jobs: dict[str, job_pb2.Job] = {}
        # Until the jobs have been told it is not known that there are none.
        self.is_known = False

    def take(self, value: Value) -> None:
        with self._lock:
            match value:
                case Snapshot() | Resynced():
                    self._jobs = {job.job_id: job for job in value.jobs}
                    self.is_known = True
                case Event():
                    before = self._jobs.get(value.job.job_id)
                    self._jobs[value.job.job_id] = newest(value.job, before)
                    if value.kind == "REMOVED":
                        del self._jobs[value.job.job_id]
                case Progress() if value.job_id in self._jobs:
                    self._jobs[value.job_id].progress.CopyFrom(value.progress)
                case _:
                    pass
            self._jobs = {
                job_id: job
                for job_id, job in self._jobs.items()
                if not job.HasField("end_time")
            }

    def jobs(self) -> list[job_pb2.Job]:
        """Copies, the working ones first."""
        with self._lock:
            return sorted(map(_copy, self._jobs.values()), key=_order)


def _copy(job: job_pb2.Job) -> job_pb2.Job:
    copied = job_pb2.Job()
    copied.CopyFrom(job)
    return copied


def _order(job: job_pb2.Job) -> tuple[bool, int]:
    return (job.state == job_pb2.JOB_STATE_QUEUED, job.number)


def top(args: Arguments) -> Exit:
    board = Board()
    with Daemon(args) as daemon:
        daemon.capabilities()
        select = queries.select(daemon, args)
        if args["once"] or not terminal.is_smart(sys.stdout):
            return once(daemon, select, args)
        with (
            daemon.watch(select, patience=UNREACHABLE_SECONDS) as values,
            daemon.notice.said_by(_unsaid),
        ):
            return live(board, values, args, daemon.notice)


def once(daemon: Daemon, select: watch_pb2.JobSelector, args: Arguments) -> Exit:
    """What a pipe gets: the list as it is now."""
    jobs = sorted(daemon.list(states=ACTIVE, select=select, page_size=PAGE), key=_order)
    printer = output.Printer.of(args)
    if not printer.is_data and printer.form != "name":
        output.write([summary(jobs)])
    printer.list(jobs, queries.columns(time.time()), name=lambda job: job.job_id)
    return Exit.DONE


def live(board: Board, values: Watch, args: Arguments, notice: Notice) -> Exit:
    reader = Reader(board, values)
    reader.start()
    sys.stdout.write(ENTER)
    try:
        with terminal.keys(sys.stdin) as key:
            while reader.is_alive():
                if board.is_known:
                    draw(board.jobs(), args, LOST if notice.is_away else "")
                if key(DRAW_SECONDS if board.is_known else GLANCE_SECONDS) in LEAVING:
                    break
    except KeyboardInterrupt:
        return Exit.DONE
    finally:
        sys.stdout.write(LEAVE)
        sys.stdout.flush()
    if reader.error is not None:
        raise reader.error
    return Exit.DONE


class Reader(threading.Thread):
    """Reads the watch onto the board."""

    def __init__(self, board: Board, values: Watch) -> None:
        super().__init__(daemon=True)
        self._board = board
        self._values = values
        self.error: LongshoreError | None = None

    def run(self) -> None:
        try:
            for value in self._values:
                self._board.take(value)
        except LongshoreError as error:
            self.error = error


def _unsaid(_: str) -> None:
    """It is drawn, for as long as it is true."""


def draw(jobs: list[job_pb2.Job], args: Arguments, trouble: str) -> None:
    lines = table(
        jobs,
        [column for column in queries.columns(time.time()) if not column.is_wide],
        width=terminal.width(sys.stdout),
        color=terminal.wants_color(sys.stdout, args.color),
    )
    head = f"{summary(jobs)}: {trouble}" if trouble else f"{summary(jobs)}  (q ends)"
    whole = [head, "", *lines] if jobs else [head]
    shown = fitting(whole, terminal.height(sys.stdout))
    text = "\n".join(f"{line}{CLEAR_LINE}" for line in shown)
    sys.stdout.write(f"{HOME}{text}{CLEAR_BELOW}")
    sys.stdout.flush()


def fitting(lines: list[str], height: int | None) -> list[str]:
    if height is None or len(lines) <= height:
        return lines
    kept = lines[: max(height - 1, 0)]
    return [*kept, f"… and {len(lines) - len(kept)} more"]


def summary(jobs: list[job_pb2.Job]) -> str:
    counts: dict[str, int] = {}
    for job in jobs:
        name = words.state(job).lower()
        counts[name] = counts.get(name, 0) + 1
    parts = [f"{number} {name}" for name, number in counts.items()]
    return ", ".join(parts) or "no jobs"
