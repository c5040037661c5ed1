"""Every world that the functions of a job's life can reach, and the ways between.

A world is the jobs of one group (a lone job is a group of one). From each world
every verb, every report that a scheduler may send and a crash are tried, all
with the real functions. Two worlds are one if their jobs agree in all that the
functions look at.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache, partial

from longshored.errors import Kind, ServiceError
from longshored.job import group, life
from longshored.job.model import (
    Ask,
    CompletionMode,
    Failure,
    Group,
    Holder,
    Job,
    Options,
    Pause,
    Pending,
    PendingReason,
    Worker,
)
from longshored.job.states import State
from tests.job.jobs import a_job

World = tuple[Job, ...]
Step = Callable[[Job], Job]

NOW = 5
ASK = Ask("user", NOW)
BROKEN = Failure(Kind.IO_ERROR, "The disk said no")
WORK = frozenset({State.RUNNING, State.READY})
REST = frozenset({State.PAUSED, State.STANDBY})


def verbs(job: Job) -> Iterator[tuple[str, Step]]:
    yield "pause", lambda j: life.pause(j, ASK)
    yield "resume", lambda j: life.resume(j, ASK)
    yield "cancel", lambda j: life.cancel(j, ASK)
    yield "complete", lambda j: life.complete(j, ASK, CompletionMode.SWITCH)
    yield "finalize", lambda j: life.finalize(j, ASK)
    other = replace(job.options, auto_finalize=not job.options.auto_finalize)
    yield "update", lambda j: life.update(j, other)


def reports(job: Job, holders: tuple[Holder, ...]) -> Iterator[tuple[str, Step]]:
    """What a worker may find, or the scheduler for it, with this job as it is."""
    match job.state:
        case State.QUEUED:
            if not job.pauses:
                worker = Worker("w", 1, 1)
                yield "started", lambda j: life.started(j, worker, NOW)
            yield "failed", lambda j: life.failed(j, BROKEN, NOW)
        case State.RUNNING | State.READY:
            if job.pauses:
                yield "parked", lambda j: life.parked(j, NOW)
            if job.state is State.RUNNING:
                yield "converged", lambda j: life.converged(j, NOW)
                yield "requeued", lambda j: life.requeued(j, TAKEN, NOW)
            else:
                yield "diverged", lambda j: life.diverged(j, NOW)
            if job.state is State.RUNNING or job.wanted.complete:
                yield "worked", lambda j: life.worked(j, NOW)
            yield "failed", lambda j: life.failed(j, BROKEN, NOW)
        case State.PAUSED | State.STANDBY:
            if not job.pauses:
                yield "unparked", lambda j: life.unparked(j, NOW)
        case State.ABORTING:
            yield "ended", lambda j: life.ended(j, NOW)
        case _:
            pass
    if job.state in WORK | REST:
        for holder in holders:
            pause = Pause(holder, "held", NOW, life.SYSTEM)
            yield f"hold {holder.value}", partial(life.hold, pause=pause)
            yield f"let go {holder.value}", partial(life.let_go, holders=(holder,))


TAKEN = Pending(PendingReason.HOLD, "a foreign process has the image", pid=1)


def together(world: World) -> Iterator[tuple[str, World]]:
    """What happens to all members at once."""
    if any(not job.is_final for job in world):
        yield "crash", tuple(j if j.is_final else life.adopt(j, NOW) for j in world)
    alive = [job for job in world if not job.is_final]
    if alive and all(job.is_finalizing for job in alive):
        yield "finalized", tuple(j if j.is_final else _succeeded(j) for j in world)
        for first in alive:
            yield "finalizing failed", _fallen(world, first)


def _succeeded(job: Job) -> Job:
    return life.succeeded(job, NOW)


def _fallen(world: World, first: Job) -> World:
    """Nothing of the group is visible yet: the scheduler unwinds all of it."""
    fellow = Failure(Kind.GROUP_MEMBER_FAILED, "another fell")
    return tuple(
        job
        if job.is_final
        else life.failed(job, BROKEN if job is first else fellow, NOW)
        for job in world
    )


@dataclass
class Map:
    """All worlds by their key, and what leads where."""

    worlds: dict[object, World] = field(default_factory=dict)
    ways: dict[object, set[tuple[str, object]]] = field(default_factory=dict)
    moves: set[tuple[State, State]] = field(default_factory=set)
    reopened: list[tuple[str, Job]] = field(default_factory=list)


@cache
def explore(size: int, *, holders: tuple[Holder, ...] = ()) -> Map:
    found = Map()
    todo: deque[World] = deque()

    def meet(world: World) -> object:
        seen = key(world)
        if seen not in found.worlds:
            found.worlds[seen] = world
            todo.append(world)
        return seen

    for world in beginnings(size):
        meet(world)
    while todo:
        world = todo.popleft()
        ways = found.ways.setdefault(key(world), set())
        for name, after in successors(world, holders):
            found.moves |= _moves(world, after)
            found.reopened += _reopened(name, world, after)
            ways.add((name, meet(after)))
    return found


def beginnings(size: int) -> Iterator[World]:
    of = Group("g") if size > 1 else None
    for auto in (True, False):
        draft = a_job(group=of, options=Options(auto_finalize=auto))
        yield tuple(
            life.create(replace(draft, number=n, job_id=f"job-{n}"), NOW)
            for n in range(1, size + 1)
        )


def successors(
    world: World, holders: tuple[Holder, ...]
) -> Iterator[tuple[str, World]]:
    for index, job in enumerate(world):
        for name, step in [*verbs(job), *reports(job, holders)]:
            try:
                changed = step(job)
            except ServiceError as refusal:
                assert refusal.kind is Kind.ACTION_NOT_ALLOWED  # noqa: PT017
                continue
            yield name, _settled((*world[:index], changed, *world[index + 1 :]))
    for name, after in together(world):
        yield name, _settled(after)


def _settled(world: World) -> World:
    return tuple(group.settle(world, NOW))


def _moves(before: World, after: World) -> set[tuple[State, State]]:
    """Each single move, from the histories: settling may make two at once."""
    return {
        (old.state, new.state)
        for a, b in zip(before, after, strict=True)
        for old, new in zip(
            b.history[len(a.history) - 1 :], b.history[len(a.history) :], strict=False
        )
    }


def _reopened(name: str, before: World, after: World) -> list[tuple[str, Job]]:
    """Ended jobs that the step changed: there must be none."""
    pairs = zip(before, after, strict=True)
    return [(name, new) for old, new in pairs if old.is_final and new != old]


def key(world: World) -> object:
    """All that the functions look at. Members have no order."""
    return tuple(sorted(_key(job) for job in world))


def _key(job: Job) -> tuple[object, ...]:
    return (
        job.state.value,
        job.wanted.cancel is not None,
        job.wanted.finalize is not None,
        job.wanted.complete is not None,
        " ".join(sorted(held.holder.value for held in job.pauses)),
        job.options.auto_finalize,
        job.failure.kind.value if job.failure else "",
        job.worker is not None,
        job.pending is not None,
    )


def reaching(found: Map, goals: set[object], *, without: str = "") -> set[object]:
    """The keys from which some goal can be reached, by ways of other names."""
    back: dict[object, set[object]] = {}
    for start, ways in found.ways.items():
        for name, end in ways:
            if name != without:
                back.setdefault(end, set()).add(start)
    reached, todo = set(goals), list(goals)
    while todo:
        for before in back.get(todo.pop(), ()):
            if before not in reached:
                reached.add(before)
                todo.append(before)
    return reached
