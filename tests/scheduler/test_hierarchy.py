"""The hierarchy under many jobs at once: nobody exceeds any level, nothing is wasted.

Time is simulated. A job always has one more request; it books, waits as long as it
is told, goes, and needs a moment for the work. Limits change in the middle, and
whoever waits then asks again, as a wake-up makes real workers do.
"""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from longshored.block.bucket import EARLY_SECONDS, IDLE_SECONDS, PEAK
from longshored.job.model import Group, Job, Options, RateLimit
from longshored.scheduler.throttle import UNLIMITED, Booking, Throttle, Throttles
from longshored.units import KiB, MiB
from tests.support.clock import MONDAY
from tests.support.drivers import KIND, node, spec

# What the simulated disk moves a second, for each job by itself.
DISK = 200e6
PERIOD = 1.0

Rate = int | None


def speed(rate: Rate) -> RateLimit:
    return RateLimit(speed_bytes_per_second=rate)


@dataclass
class Worker:
    """One job, and what it is at."""

    job: Job
    throttle: Throttle
    booking: Booking | None = None
    length: int = 0
    token: int = 0  # of its newest entry in the line; older ones are void
    went: list[tuple[float, int]] = field(default_factory=list)

    def bytes_in(self, start: float, end: float) -> int:
        return sum(length for when, length in self.went if start <= when < end)


class World:
    """Workers under one hierarchy, with the time they live in."""

    def __init__(self, throttles: Throttles, jobs: list[Job]) -> None:
        self.now = 0.0
        self.workers = [Worker(job, throttles.join(job)) for job in jobs]
        self._tokens = itertools.count()
        self._line: list[tuple[float, int, Worker]] = []
        for worker in self.workers:
            self._push(0.0, worker)

    def run(self, until: float) -> None:
        while self._line[0][0] < until:
            self.now, token, worker = heapq.heappop(self._line)
            if token == worker.token:
                self._step(worker)
        self.now = until

    def change(self, what: Callable[[float], None]) -> int:
        """Change limits; what was under way by then comes back, in bytes."""
        what(self.now)
        waiting = [worker for worker in self.workers if worker.booking is not None]
        for worker in waiting:
            self._push(self.now, worker)
        return sum(worker.length for worker in self.workers)

    def _step(self, worker: Worker) -> None:
        if worker.booking is None:
            worker.length = worker.throttle.chunk(MiB)
            worker.booking = worker.throttle.book(worker.length, self.now)
        wait = worker.throttle.delay(worker.booking, self.now).seconds
        if wait:
            self._push(self.now + wait, worker)
            return
        worker.went.append((self.now, worker.length))
        worker.booking = None
        self._push(self.now + worker.length / DISK, worker)

    def _push(self, when: float, worker: Worker) -> None:
        worker.token = next(self._tokens)
        heapq.heappush(self._line, (when, worker.token, worker))


@dataclass(frozen=True)
class Plan:
    """The limits of one period."""

    daemon: Rate
    devices: dict[str, Rate]
    groups: dict[str, Rate]
    own: dict[int, Rate]


def job(number: int, device: str, group: str | None, plan: Plan) -> Job:
    return Job(
        number=number,
        uid="u",
        job_id=f"j{number}",
        kind=KIND,
        spec=spec("a"),
        create_time=MONDAY,
        nodes=(node("a", device=device),),
        options=Options(rate=speed(plan.own[number])),
        group=None if group is None else Group(group, speed(plan.groups[group])),
    )


rates = st.sampled_from([None, None, 256 * KiB, MiB, 8 * MiB, 64 * MiB])
DEVICES = ("8:0", "8:16")
GROUPS = ("g", "h")
JOBS = 5

plans = st.builds(
    Plan,
    daemon=rates,
    devices=st.fixed_dictionaries(dict.fromkeys(DEVICES, rates)),
    groups=st.fixed_dictionaries(dict.fromkeys(GROUPS, rates)),
    own=st.fixed_dictionaries(dict.fromkeys(range(JOBS), rates)),
)
places = st.lists(
    st.tuples(st.sampled_from(DEVICES), st.sampled_from([None, *GROUPS])),
    min_size=JOBS,
    max_size=JOBS,
)
Places = list[tuple[str, str | None]]


def levels(plan: Plan, places: Places) -> list[tuple[int, list[int]]]:
    """Every limit of a plan, with the jobs under it."""
    found: list[tuple[Rate, list[int]]] = [(plan.daemon, list(range(JOBS)))]
    for name, rate in plan.devices.items():
        found.append(
            (rate, [n for n, (device, _) in enumerate(places) if device == name])
        )
    for name, rate in plan.groups.items():
        found.append(
            (rate, [n for n, (_, group) in enumerate(places) if group == name])
        )
    found.extend((rate, [number]) for number, rate in plan.own.items())
    return [(rate, under) for rate, under in found if rate is not None]


def changed(throttles: Throttles, world: World, places: Places, plan: Plan) -> int:
    def all_of_it(now: float) -> None:
        throttles.limit_daemon(speed(plan.daemon), now)
        for name, rate in plan.devices.items():
            throttles.limit_device(name, speed(rate), now)
        for number, worker in enumerate(world.workers):
            worker.throttle.follow(job(number, *places[number], plan), now)

    return world.change(all_of_it)


@settings(max_examples=40, deadline=None)
@given(places, st.lists(plans, min_size=1, max_size=3))
def test_nobody_exceeds_any_level(places: Places, periods: list[Plan]) -> None:
    throttles = Throttles(UNLIMITED, UNLIMITED)
    jobs = [job(n, *place, periods[0]) for n, place in enumerate(places)]
    world = World(throttles, jobs)
    for plan in periods:
        start = world.now
        under_way = changed(throttles, world, places, plan)
        world.run(start + PERIOD)
        for rate, under in levels(plan, places):
            went = sum(world.workers[n].bytes_in(start, world.now) for n in under)
            # One request of each that booked before, and one that booked last.
            ahead = under_way + len(under) * 64 * KiB
            most = PEAK * rate * (PERIOD + EARLY_SECONDS + IDLE_SECONDS) + ahead
            assert went <= most, (rate, under)


def test_two_jobs_on_a_device_share_its_limit_also_after_a_change() -> None:
    throttles = Throttles(UNLIMITED, UNLIMITED)
    plan = Plan(None, {}, {}, {0: None, 1: None})
    world = World(throttles, [job(n, "8:0", None, plan) for n in (0, 1)])
    for rate in (8 * MiB, 2 * MiB, 32 * MiB):
        start = world.now
        world.change(partial(throttles.limit_device, "8:0", speed(rate)))
        world.run(start + 5)
        # The first moments still hold what had booked under the old limit.
        one, other = (w.bytes_in(start + 1, start + 5) for w in world.workers)
        assert abs(one + other - 4 * rate) < 0.03 * 4 * rate
        assert abs(one - other) < 0.03 * 4 * rate


def test_what_one_job_may_not_use_is_left_to_the_other() -> None:
    throttles = Throttles(speed(10 * MiB), UNLIMITED)
    plan = Plan(None, {}, {}, {0: MiB, 1: None})
    world = World(throttles, [job(n, "8:0", None, plan) for n in (0, 1)])
    world.run(5)
    slow, fast = (w.bytes_in(1, 5) for w in world.workers)
    assert abs(slow - 4 * MiB) < 0.05 * 4 * MiB
    assert abs(fast - 36 * MiB) < 0.05 * 36 * MiB
