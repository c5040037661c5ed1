"""Which jobs at work have windows, and when each opens or closes next. Pure."""

from ..clock import SECOND, Instant
from ..job import life
from ..job.model import Holder, Job, Pause
from ..job.states import State
from . import windows
from .line import Line

# Where a window that closes stops someone. The queue looks at windows itself.
_AT_WORK = frozenset({State.RUNNING, State.PAUSED, State.READY, State.STANDBY})

AT_ONCE: Instant = 0


class Shifts:
    """Jobs at work that have windows, in the order in which those change."""

    def __init__(self) -> None:
        self._jobs: dict[int, Job] = {}
        self._line: Line[int] = Line()

    def see(self, number: int, job: Job | None) -> None:
        """Take notice of a job as it is now."""
        old = self._jobs.get(number)
        if job is None or job.state not in _AT_WORK or not _has_shifts(job):
            if old is not None:
                del self._jobs[number]
                self._line.discard(number)
            return
        self._jobs[number] = job
        if old is None or old.options.windows != job.options.windows:
            self._line.push(number, AT_ONCE)

    def next_time(self) -> Instant | None:
        return self._line.first()

    def due(self, now: Instant) -> list[int]:
        """Jobs whose windows have changed, as `turned` wants them."""
        found = []
        while (first := self._line.first()) is not None and first <= now:
            number = self._line.pop()
            self._line.push(number, _next_change(self._jobs[number], now))
            found.append(number)
        return found


def turned(job: Job, now: Instant) -> Job:
    """Held by its windows while they are closed, let go when one opens."""
    if windows.is_open(job.options.windows, now):
        return life.let_go(job, (Holder.WINDOW,))
    reason = "outside its time windows"
    return life.hold(job, Pause(Holder.WINDOW, reason, now, life.SYSTEM))


def _has_shifts(job: Job) -> bool:
    # Windows that were taken away while one was closed must still be let go of.
    held = any(pause.holder is Holder.WINDOW for pause in job.pauses)
    return bool(job.options.windows) or held


def _next_change(job: Job, now: Instant) -> Instant:
    """When to look again; in a week at the latest, since summer time may move it."""
    options = job.options
    if windows.is_open(options.windows, now):
        change = windows.next_close(options.windows, now)
    elif (change := windows.next_open(options.windows, now)) is None:
        change = now + windows.ZONE_LOOK_SECONDS * SECOND
    return now + 7 * 24 * 3600 * SECOND if change is None else change
