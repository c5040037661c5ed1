"""Which queued job starts now, and why each of the others does not. Pure.

`see` is told of every change of every job that has not ended; `decide` answers.
A queued job stands at one spot: behind another job, in line for a slot, or
waiting for a time. Only what could let it move makes it looked at again, so a
long queue costs nothing while all slots are busy.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache

from ..clock import SECOND, Instant
from ..job.model import Job, Pending, PendingReason
from ..job.states import State
from . import windows
from .holds import END_OF_LINE, Blocker, Holds, Nodes
from .line import Line
from .slots import Slots, devices_of

# A foreign process is asked for again so often: soon at first, then seldom.
FIRST_RECHECK_SECONDS = 1.0
SLOWEST_RECHECK_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Start:
    number: int


@dataclass(frozen=True, slots=True)
class Wait:
    number: int
    pending: Pending


@dataclass(frozen=True, slots=True)
class Recheck:
    """Look again whether a foreign process still has the job's images."""

    number: int


Decision = Start | Wait | Recheck


def is_foreign(pending: Pending | None) -> bool:
    """The job waits for a process that is not ours."""
    return (
        pending is not None
        and pending.reason is PendingReason.HOLD
        and pending.job_id is None
    )


def awaits_look(job: Job) -> bool:
    """Its images must be looked at before it may start."""
    return job.is_unseen or is_foreign(job.pending)


class Queue:
    """Every job that has not ended, as far as starting goes."""

    def __init__(self, slots: int, slots_per_device: int) -> None:
        # Set once.
        self.slots = Slots(slots, slots_per_device)
        self.holds = Holds()
        # What is there.
        self._jobs: dict[int, Job] = {}
        self._numbers: dict[str, int] = {}
        self._groups: dict[str, set[int]] = {}
        self._late: dict[str, set[int]] = {}  # by group: members that come after others
        self._owners: Counter[str] = Counter()
        self._held: set[int] = set()
        # Spots. Each queued job is at one; `_leave` takes it away from there.
        self._leave: dict[int, Callable[[int], None]] = {}
        self._fresh: Line[int] = Line()
        self._ready: Line[tuple[int, int]] = Line()
        self._devices: dict[str, Line[tuple[int, int]]] = {}
        self._timed: Line[int] = Line()
        self._resting: set[int] = set()
        self._behind: dict[int, set[int]] = {}
        self._after: dict[str, set[int]] = {}
        # Foreign processes: when to look again, and how often it was in vain.
        self._recheck_at: dict[int, Instant] = {}
        self._tries: Counter[int] = Counter()

    def __len__(self) -> int:
        return len(self._jobs)

    @property
    def queued(self) -> int:
        return len(self._leave)

    def count_of(self, owner: str) -> int:
        return self._owners[owner]

    def job(self, number: int) -> Job | None:
        return self._jobs.get(number)

    def holds_nodes(self, number: int) -> bool:
        """It has its nodes; else it has none of them, and may be in line."""
        return number in self._held

    def numbers(self) -> list[int]:
        return list(self._jobs)

    def number(self, job_id: str) -> int | None:
        return self._numbers.get(job_id)

    def group(self, group_id: str) -> list[int]:
        return sorted(self._groups.get(group_id, ()))

    def followers(self, job_id: str) -> list[int]:
        """Queued jobs that come after this one."""
        return sorted(
            number
            for number in self._after.get(job_id, ())
            if job_id in self._jobs[number].after
        )

    def next_time(self) -> Instant | None:
        """When the clock alone could let a job move."""
        return self._timed.first()

    def position(self, priority: int, nodes: Nodes) -> int:
        """How many queued jobs would start before a new one; 0: it would start now."""
        is_free = not self.slots.are_full and all(
            self.slots.has(node.device) for node in nodes if node.device
        )
        if is_free and self.holds.blocker(nodes, END_OF_LINE) is None:
            return 0
        return 1 + sum(
            job.options.priority >= priority
            for job in self._jobs.values()
            if job.state is State.QUEUED
        )

    # What happens.

    def see(self, number: int, job: Job | None) -> None:
        """Take notice of a job as it is now; None or final: it is gone."""
        old = self._jobs.get(number)
        if job is None or job.is_final:
            if old is not None:
                self._forget(number, old)
            return
        self._jobs[number] = job
        if old is None:
            self._enter(number, job)
        if old is None or old.state is not job.state:
            self.slots.see(number, job)
            self._take_holds(number, job, old)
        if job.state is not State.QUEUED:
            self._take_away(number)
        elif old is None or _moves(old, job):
            for member in self._gang(job):
                self._freshen(member)

    def defer(self, number: int, now: Instant) -> None:
        """A foreign process has what the job needs: look again after a while."""
        tries = self._tries[number]
        self._tries[number] += 1
        pause = min(SLOWEST_RECHECK_SECONDS, FIRST_RECHECK_SECONDS * 2**tries)
        self._recheck_at[number] = now + round(pause * SECOND)
        self._freshen(number)

    def _enter(self, number: int, job: Job) -> None:
        self._numbers[job.job_id] = number
        self._owners[job.owner] += 1
        if job.group is not None:
            self._groups.setdefault(job.group.group_id, set()).add(number)
            if job.after:
                self._late.setdefault(job.group.group_id, set()).add(number)
        for job_id in job.after:
            self._after.setdefault(job_id, set()).add(number)

    def _forget(self, number: int, job: Job) -> None:
        self._take_away(number)
        del self._jobs[number], self._numbers[job.job_id]
        self._owners[job.owner] -= 1
        if not self._owners[job.owner]:
            del self._owners[job.owner]
        self.slots.free(number)
        self._let_go(number)
        self._recheck_at.pop(number, None)
        self._tries.pop(number, None)
        if job.group is not None:
            _drop(self._groups, job.group.group_id, number)
            _drop(self._late, job.group.group_id, number)
        for job_id in job.after:
            _drop(self._after, job_id, number)
        for follower in self.followers(job.job_id):
            for member in self._gang(self._jobs[follower]):
                self._freshen(member)

    # Holds.

    def _take_holds(self, number: int, job: Job, old: Job | None) -> None:
        """Hold what the job, and its group with it, is due to hold; or let go."""
        gang = self._gang(job)
        begun = any(_has_begun(self._jobs[number]) for number in gang)
        # What waits for other jobs takes its holds when it starts: they may need them.
        is_late = bool(self._latecomers(number, job))
        # One that comes changes nothing for the others, unless they wait with it.
        due = gang if old is not None or _has_begun(job) or job.after else [number]
        for number in due:
            queues = self._jobs[number].on_conflict_queue
            if begun or not (is_late or queues):
                if number not in self._held:
                    self._held.add(number)
                    self.holds.hold(number, self._jobs[number].nodes)
            elif number in self._held:
                self._let_go(number)

    def _let_go(self, number: int) -> None:
        """Neither hold nor claim; who waited for that is looked at again."""
        self._held.discard(number)
        self.holds.drop(number)
        for waiting in sorted(self._behind.pop(number, ())):
            self._freshen(waiting)

    def _gang(self, job: Job) -> list[int]:
        """Jobs that take their holds together: a group, or just this one."""
        if job.group is None:
            return [self._numbers[job.job_id]]
        return self.group(job.group.group_id)

    def _latecomers(self, number: int, job: Job) -> Iterable[int]:
        """Those of its gang that come after other jobs."""
        if job.group is None:
            return (number,) if job.after else ()
        return sorted(self._late.get(job.group.group_id, ()))

    # Spots.

    def _put_at(self, number: int, leave: Callable[[int], None]) -> None:
        self._leave[number] = leave

    def _take_away(self, number: int) -> None:
        leave = self._leave.pop(number, None)
        if leave is not None:
            leave(number)

    def _freshen(self, number: int) -> None:
        """Look at this job in the next decide()."""
        if number in self._fresh:
            # As members of a group are that comes: each speaks for all of them.
            return
        job = self._jobs.get(number)
        if job is None or job.state is not State.QUEUED:
            return
        self._take_away(number)
        self._fresh.push(number, number)
        self._put_at(number, self._fresh.discard)

    # Decisions.

    def decide(self, now: Instant) -> Iterator[Decision]:
        """What to do now. Carry out each, through `see`, before asking for the next."""
        while (due := self._timed.first()) is not None and due <= now:
            self._freshen(self._timed.pop())
        while (number := self._next()) is not None:
            self._leave.pop(number, None)
            decision = self._place(self._jobs[number], number, now)
            if decision is not None:
                yield decision

    def _next(self) -> int | None:
        """Whom to look at: who stands in line for a free slot, before a fresh job that
        would stand behind him.
        """
        line = self._first_line()
        fresh = self._fresh.first()
        if fresh is not None and (line is None or self._order(fresh) < _head(line)):
            return self._fresh.pop()
        return None if line is None else line.pop()

    def _order(self, number: int) -> tuple[int, int]:
        """The place in a line for slots."""
        return -self._jobs[number].options.priority, number

    def _first_line(self) -> Line[tuple[int, int]] | None:
        """The line whose head may start before all others."""
        if self.slots.are_full:
            return None
        free = [line for name, line in self._devices.items() if self.slots.has(name)]
        best: Line[tuple[int, int]] | None = None
        for line in (self._ready, *free):
            head = line.first()
            if head is not None and (best is None or head < _head(best)):
                best = line
        return best

    def _place(self, job: Job, number: int, now: Instant) -> Decision | None:
        """Find the job its spot. A decision, if anything is to be done about it."""
        pending = self._not_yet(job, number, now)
        if pending is not None:
            # It does not want its nodes now, so it stands in nobody's way.
            if number not in self._held:
                self._let_go(number)
            return _news(job, number, pending)
        if awaits_look(job):
            return self._await_foreign(job, number, now)
        unknown = self._unknown_sibling(job, number)
        if unknown is not None:
            return _news(job, number, unknown)
        blocker = self._blocker(job, number)
        if blocker is not None:
            self._claim(job, number)
            waiting = self._behind.setdefault(blocker.number, set())
            waiting.add(number)
            self._put_at(number, waiting.discard)
            return _news(job, number, self.held_by(blocker))
        full = self._full_slots(job, number)
        if full is not None:
            self._claim(job, number)
            return _news(job, number, full)
        return Start(number)

    def _not_yet(self, job: Job, number: int, now: Instant) -> Pending | None:
        """What the job itself waits for, whoever else there is."""
        if job.pauses:
            self._rest(number)
            reasons = "; ".join(pause.reason for pause in job.pauses)
            return Pending(PendingReason.PAUSED, f"Paused: {reasons}")
        if (predecessor := self._predecessor(job, number)) is not None:
            self._rest(number)
            return predecessor
        start = job.options.earliest_start_time
        if start is not None and start > now:
            return self._until(number, start, PendingReason.START_TIME, "Starts later")
        if not windows.is_open(job.options.windows, now):
            opens = windows.next_open(job.options.windows, now)
            message = "Outside its time windows"
            if opens is None:
                opens = now + windows.ZONE_LOOK_SECONDS * SECOND
                message = "Its windows are of a time zone that is not known here"
            return self._until(number, opens, PendingReason.WINDOW, message)
        return None

    def _predecessor(self, job: Job, number: int) -> Pending | None:
        """The job that it, or another of its group, comes after."""
        for member in self._latecomers(number, job):
            late = self._jobs[member]
            for job_id in late.after:
                if job_id in self._numbers:
                    message = f"Comes after job {job_id}, which has not ended"
                    if member != number:
                        fellow = f"Job {late.job_id} of its group comes after"
                        message = f"{fellow} job {job_id}, which has not ended"
                    return Pending(PendingReason.PREDECESSOR, message, job_id)
        return None

    def _rest(self, number: int) -> None:
        self._resting.add(number)
        self._put_at(number, self._resting.discard)

    def _until(
        self, number: int, time: Instant, reason: PendingReason, message: str
    ) -> Pending:
        self._timed.push(number, time)
        self._put_at(number, self._timed.discard)
        return Pending(reason, message, until=time)

    def _await_foreign(self, job: Job, number: int, now: Instant) -> Decision | None:
        if number not in self._held:
            self._let_go(number)
        due = self._recheck_at.get(number, now)
        # What it says of itself may be old: it was paused meanwhile, or started later.
        if due > now and is_foreign(job.pending):
            self._timed.push(number, due)
            self._put_at(number, self._timed.discard)
            return None
        self._rest(number)
        return Recheck(number)

    def _unknown_sibling(self, job: Job, number: int) -> Pending | None:
        """A group waits as one: also for a process that has what one member needs."""
        for member in self._gang(job):
            sibling = self._jobs[member]
            if member != number and awaits_look(sibling):
                self._rest(number)
                message = f"Job {sibling.job_id} of its group waits for a process"
                return Pending(PendingReason.HOLD, message, sibling.job_id)
        return None

    def _blocker(self, job: Job, number: int) -> Blocker | None:
        gang = self._gang(job)
        missing = [member for member in gang if member not in self._held]
        if not missing:
            return None
        nodes: Nodes = tuple(n for member in missing for n in self._jobs[member].nodes)
        return self.holds.blocker(nodes, number, gang)

    def _claim(self, job: Job, number: int) -> None:
        if number not in self._held:
            self.holds.claim(number, job.nodes)

    def held_by(self, blocker: Blocker) -> Pending:
        job_id = self._jobs[blocker.number].job_id
        verb = "held" if self.holds_nodes(blocker.number) else "awaited"
        uri = blocker.clash.wanted.uri
        message = f"{uri} is {verb} by job {job_id}"
        return Pending(PendingReason.HOLD, message, job_id, node_uri=uri)

    def no_worker(self, job: Job) -> Pending | None:
        """Why a job that may start does not; None if there is a worker for it."""
        device = self._full_device(job)
        if device is not None:
            return _busy_workers(f" on device {device}", "jobs.slots_per_device")
        return _busy_workers("", "jobs.slots") if self.slots.are_full else None

    def _full_device(self, job: Job) -> str | None:
        devices = sorted(devices_of(job))
        return next((one for one in devices if not self.slots.has(one)), None)

    def _full_slots(self, job: Job, number: int) -> Pending | None:
        """Stand in line for a worker, unless there is one."""
        pending = self.no_worker(job)
        if pending is not None:
            device = self._full_device(job)
            line = self._ready
            if device is not None:
                line = self._devices.setdefault(device, Line())
            line.push(number, self._order(number))
            self._put_at(number, line.discard)
        return pending


@cache
def _busy_workers(where: str, setting: str) -> Pending:
    text = f"Every worker{where} is busy; {setting} says how many there are"
    return Pending(PendingReason.SLOT, text)


def _moves(old: Job, new: Job) -> bool:
    """Did a queued job change in what decides its spot?"""
    return (
        old.state is not new.state
        or old.pauses != new.pauses
        or old.options != new.options
        or old.nodes != new.nodes
        or awaits_look(old) is not awaits_look(new)
    )


def _has_begun(job: Job) -> bool:
    return job.state is not State.QUEUED or job.start_time is not None


def _news(job: Job, number: int, pending: Pending) -> Decision | None:
    return None if job.pending == pending else Wait(number, pending)


def _head(line: Line[tuple[int, int]]) -> tuple[int, int]:
    head = line.first()
    assert head is not None, "only a line with someone in it was chosen"
    return head


def _drop(sets: dict[str, set[int]], key: str, number: int) -> None:
    members = sets.get(key)
    if members is not None:
        members.discard(number)
        if not members:
            del sets[key]
