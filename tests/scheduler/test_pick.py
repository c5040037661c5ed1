"""The queue: who starts, why the others do not, and what it costs to ask."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations

from hypothesis import example, given
from hypothesis import strategies as st

from longshored.clock import SECOND
from longshored.job import life
from longshored.job.model import (
    Ask,
    Group,
    Job,
    Options,
    Pending,
    PendingReason,
    Window,
    Worker,
)
from longshored.job.nodes import Node
from longshored.job.states import State
from longshored.scheduler.pick import Queue, Recheck, Start, Wait
from tests.support.clock import MONDAY
from tests.support.drivers import KIND, node, spec

NOW = MONDAY
R = PendingReason


class Desk:
    """A queue, and who carries out what it decides."""

    def __init__(self, slots: int = 10, slots_per_device: int = 10) -> None:
        self.queue = Queue(slots, slots_per_device)
        self.jobs: dict[int, Job] = {}
        self.started: list[int] = []
        self.rechecked: list[int] = []
        self.decisions = 0

    def add(
        self,
        number: int,
        *nodes: Node,
        queued: bool = True,
        after: tuple[str, ...] = (),
        group: str = "",
        options: Options = Options(),  # noqa: B008 - frozen
        pending: Pending | None = None,
    ) -> None:
        self.see(
            Job(
                number=number,
                uid=str(number),
                job_id=f"j{number}",
                kind=KIND,
                spec=spec(str(number)),
                create_time=NOW,
                nodes=nodes,
                on_conflict_queue=queued,
                after=after,
                group=Group(group) if group else None,
                options=options,
                pending=pending,
            )
        )

    def see(self, job: Job) -> None:
        self.jobs[job.number] = job
        self.queue.see(job.number, job)

    def change(self, number: int, **values: object) -> None:
        self.see(replace(self.jobs[number], **values))  # type: ignore[arg-type]

    def end(self, number: int) -> None:
        self.queue.see(number, None)
        del self.jobs[number]

    def decide(self, now: int = NOW) -> list[int]:
        """Who starts now."""
        before = len(self.started)
        for decision in self.queue.decide(now):
            self.decisions += 1
            match decision:
                case Start(number):
                    worker = Worker("w", 1, 1)
                    self.started.append(number)
                    self.see(life.started(self.jobs[number], worker, now))
                case Wait(number, pending):
                    self.see(life.waits(self.jobs[number], pending))
                case Recheck(number):
                    self.rechecked.append(number)
        return self.started[before:]

    def why(self, number: int) -> Pending:
        pending = self.jobs[number].pending
        assert pending is not None
        return pending


def test_what_nothing_keeps_starts_in_the_order_it_came() -> None:
    desk = Desk()
    for number in (3, 1, 2):
        desk.add(number)
    assert desk.decide() == [1, 2, 3]


def test_a_higher_priority_goes_first() -> None:
    desk = Desk(slots=1)
    desk.add(1)
    desk.add(2)
    desk.add(3, options=Options(priority=5))
    assert desk.decide() == [1]
    desk.end(1)
    assert desk.decide() == [3]


def test_a_job_that_waits_for_a_slot_says_so() -> None:
    desk = Desk(slots=1)
    desk.add(1)
    desk.add(2)
    desk.decide()
    assert desk.why(2).reason is R.SLOT


def test_who_waits_for_a_slot_is_not_overtaken_by_who_comes_as_it_is_freed() -> None:
    desk = Desk(slots=1)
    for number in (1, 2):
        desk.add(number)
    desk.decide()
    desk.end(1)
    desk.add(3)
    assert desk.decide() == [2]
    desk.end(2)
    desk.add(4)
    assert desk.decide() == [3]


def test_a_higher_priority_that_comes_as_a_slot_is_freed_goes_first() -> None:
    desk = Desk(slots=1)
    for number in (1, 2):
        desk.add(number)
    desk.decide()
    desk.end(1)
    desk.add(3, options=Options(priority=1))
    assert desk.decide() == [3]


def test_slots_of_a_device_are_counted_apart() -> None:
    desk = Desk(slots_per_device=1)
    desk.add(1, node("a", device="8:0"))
    desk.add(2, node("b", device="8:0"))
    desk.add(3, node("c", device="8:16"))
    assert desk.decide() == [1, 3]
    assert "8:0" in desk.why(2).message
    desk.end(1)
    assert desk.decide() == [2]


def test_a_full_device_passes_its_slot_on_though_another_is_full() -> None:
    desk = Desk(slots_per_device=1)
    both = node("b", device="8:0"), node("c", device="8:16")
    desk.add(1, node("a", device="8:0"))
    desk.add(2, node("d", device="8:16"))
    desk.add(3, *both)
    desk.add(4, node("e", device="8:0"))
    assert desk.decide() == [1, 2]
    desk.end(1)
    assert desk.decide() == [4]


def test_a_paused_job_gives_its_slot_away() -> None:
    desk = Desk(slots=1)
    desk.add(1)
    desk.add(2)
    desk.decide()
    desk.change(1, state=State.PAUSED)
    assert desk.decide() == [2]


def test_a_hold_is_named_with_its_job_and_its_node() -> None:
    desk = Desk()
    desk.add(1, node("a"))
    desk.add(2, node("a"))
    assert desk.decide() == [1]
    why = desk.why(2)
    assert (why.reason, why.job_id, why.node_uri) == (R.HOLD, "j1", "/images/a.qcow2")
    desk.end(1)
    assert desk.decide() == [2]


def test_who_waits_longer_is_not_overtaken_by_who_comes_later() -> None:
    desk = Desk()
    desk.add(1, node("a", reads=True))
    desk.add(2, node("a"))
    desk.decide()
    # It could share the node with job 1, but would keep job 2 out.
    desk.add(3, node("a", reads=True))
    assert desk.decide() == []
    assert desk.why(3).job_id == "j2"
    desk.end(1)
    assert desk.decide() == [2]
    desk.end(2)
    assert desk.decide() == [3]


def test_who_does_not_want_its_node_now_stands_in_nobodys_way() -> None:
    desk = Desk()
    desk.add(1, node("a"), options=Options(earliest_start_time=NOW + SECOND))
    desk.add(2, node("a"))
    assert desk.decide() == [2]


def test_all_nodes_are_taken_or_none() -> None:
    desk = Desk()
    desk.add(1, node("a"))
    desk.decide()
    desk.add(2, node("a"), node("b"))
    desk.decide()
    assert desk.queue.holds.holders("b") == []


def test_a_start_time_is_waited_for() -> None:
    desk = Desk()
    desk.add(1, options=Options(earliest_start_time=NOW + 5 * SECOND))
    assert desk.decide() == []
    assert (desk.why(1).reason, desk.why(1).until) == (R.START_TIME, NOW + 5 * SECOND)
    assert desk.queue.next_time() == NOW + 5 * SECOND
    assert desk.decide(NOW + 5 * SECOND) == [1]


def test_a_window_is_waited_for() -> None:
    desk = Desk()
    desk.add(1, options=Options(windows=(Window(60, 30),)))
    assert desk.decide() == []
    assert desk.why(1).reason is R.WINDOW
    assert desk.decide(NOW + 3600 * SECOND) == [1]


def test_a_predecessor_is_waited_for() -> None:
    desk = Desk()
    desk.add(1)
    desk.add(2, after=("j1",))
    assert desk.decide() == [1]
    assert (desk.why(2).reason, desk.why(2).job_id) == (R.PREDECESSOR, "j1")
    desk.end(1)
    assert desk.decide() == [2]


def test_a_paused_job_in_the_queue_says_so() -> None:
    desk = Desk()
    desk.add(1)
    desk.see(life.pause(desk.jobs[1], Ask("alice", NOW, "not yet")))
    assert desk.decide() == []
    assert desk.why(1) == Pending(R.PAUSED, "Paused: not yet")
    desk.see(life.resume(desk.jobs[1], Ask("alice", NOW)))
    assert desk.decide() == [1]


def test_a_foreign_process_is_looked_for_again_ever_more_seldom() -> None:
    desk = Desk()
    desk.add(1, pending=Pending(R.HOLD, "qemu has it", pid=7))
    assert desk.decide() == []
    assert desk.rechecked == [1]
    waits = []
    now = NOW
    for _ in range(9):
        desk.queue.defer(1, now)
        desk.decide(now)
        due = desk.queue.next_time()
        assert due is not None
        waits.append((due - now) // SECOND)
        now = due
        desk.decide(now)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert len(desk.rechecked) == 10
    desk.change(1, pending=None)
    assert desk.decide(now) == [1]


def test_a_group_waits_while_a_process_has_what_one_member_needs() -> None:
    desk = Desk()
    desk.add(1, node("a"), group="g")
    desk.add(2, group="g", pending=Pending(R.HOLD, "qemu has it", pid=7))
    assert desk.decide() == []
    assert desk.why(1).job_id == "j2"
    desk.change(2, nodes=(node("b"),), pending=None)
    assert desk.decide() == [1, 2]


def test_an_adopted_job_holds_what_it_held() -> None:
    desk = Desk()
    desk.add(1, node("a"))
    desk.decide()
    begun = life.adopt(desk.jobs[1], NOW)
    desk = Desk()
    desk.see(begun)
    desk.add(0, node("a"))
    assert desk.decide() == [1]
    assert desk.why(0).job_id == "j1"


def test_a_long_queue_costs_nothing_while_all_slots_are_busy() -> None:
    desk = Desk(slots=2)
    for number in range(2000):
        desk.add(number)
    desk.decide()
    before = desk.decisions
    for number in range(5000, 5100):
        desk.add(number)
        desk.decide()
    # Each new job is looked at once; nobody else is.
    assert desk.decisions - before == 100


def test_a_freed_slot_moves_one_job_of_a_long_queue() -> None:
    desk = Desk(slots=2, slots_per_device=2)
    for number in range(2000):
        desk.add(number, node(f"n{number}"))
    desk.decide()
    before = desk.decisions
    desk.end(0)
    assert desk.decide() == [2]
    assert desk.decisions - before <= 2


def test_a_long_line_for_one_node_moves_one_by_one() -> None:
    desk = Desk()
    for number in range(500):
        desk.add(number, node("a"))
    desk.decide()
    before = desk.decisions
    for number in range(100):
        desk.end(number)
        assert desk.decide() == [number + 1]
    assert desk.decisions - before <= 200


NAMES = st.sampled_from("abc")
JOBS = st.lists(
    st.tuples(
        st.lists(st.tuples(NAMES, st.booleans()), max_size=2),
        st.booleans(),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=12,
)


def _has_clash(nodes: Sequence[Node], others: Sequence[Node]) -> bool:
    return any(
        mine.key == other.key
        and (mine.taken | other.taken).value > 1
        and (mine.taken & ~other.shared or other.taken & ~mine.shared)
        for mine in nodes
        for other in others
    )


@given(JOBS, st.integers(1, 3), st.randoms(use_true_random=False))
def test_whatever_comes_all_jobs_run_and_no_two_clash(
    jobs: list[tuple[list[tuple[str, bool]], bool, int]],
    slots: int,
    random: object,
) -> None:
    desk = Desk(slots=slots, slots_per_device=2)
    for number, (wanted, queued, priority) in enumerate(jobs, start=1):
        nodes = tuple(node(n, reads=r, device=n) for n, r in dict(wanted).items())
        if not queued and desk.queue.holds.blocker(nodes, 1 << 63):
            queued = True  # FAIL would have been refused
        desk.add(number, *nodes, queued=queued, options=Options(priority=priority))
        desk.decide()
    left = set(desk.jobs)
    while left:
        running = [j for j in desk.jobs.values() if j.state is State.RUNNING]
        assert running, "somebody can always go on"
        assert len(running) <= slots
        for one in running:
            for other in running:
                assert one is other or not _has_clash(one.nodes, other.nodes)
        ended = running[0].number
        desk.end(ended)
        left.discard(ended)
        desk.decide()
    assert sorted(desk.started) == list(range(1, len(jobs) + 1))


# A few jobs that come at once: one alone, or a group. Each with its nodes, and the job
# that it comes after, counted back from it.
MEMBERS = st.tuples(
    st.lists(st.tuples(NAMES, st.booleans()), max_size=2),
    st.none() | st.integers(1, 6),
)
BATCHES = st.lists(
    st.tuples(st.lists(MEMBERS, min_size=1, max_size=3), st.booleans()),
    min_size=1,
    max_size=8,
)


A, B = ([("a", False)], None), ([("b", False)], None)
LATE_A, LATE_C = ([("a", False)], 1), ([("c", False)], 1)
# The second comes after the first.
TWO = [([B], False), ([LATE_A], False)]


@given(BATCHES, st.integers(1, 3))
# A member of the group comes after the second, which needs what another one has.
@example([*TWO, ([LATE_A, B], True)], 3)
@example([*TWO, ([A, LATE_C], True)], 3)
@example([*TWO, ([A, LATE_C], False)], 3)
def test_groups_and_those_that_come_after_others_all_come_to_an_end(
    batches: list[tuple[list[tuple[list[tuple[str, bool]], int | None]], bool]],
    slots: int,
) -> None:
    desk = Desk(slots=slots)
    for members, queued in batches:
        _come(desk, members, queued)
        desk.decide()
    while desk.jobs:
        running = [j for j in desk.jobs.values() if j.state is State.RUNNING]
        assert running, "somebody can always go on"
        assert len(running) <= slots
        _work(desk, running[0])
        desk.decide()


def _come(
    desk: Desk, members: list[tuple[list[tuple[str, bool]], int | None]], queued: bool
) -> None:
    first = max(desk.jobs, default=0) + 1
    holds = [
        tuple(node(name, reads=reads) for name, reads in dict(wanted).items())
        for wanted, _ in members
    ]
    if any(_has_clash(a, b) for a, b in combinations(holds, 2)):
        return  # admission would have refused them
    taken = [desk.queue.holds.blocker(nodes, 1 << 63) for nodes in holds]
    for index, (nodes, (_, back)) in enumerate(zip(holds, members, strict=True)):
        before = first - (back or first)
        desk.add(
            first + index,
            *nodes,
            queued=queued or any(taken),
            after=(f"j{before}",) if before in desk.jobs else (),
            group=f"g{first}" if len(members) > 1 else "",
        )


def _work(desk: Desk, job: Job) -> None:
    """Its own work is done. The last of a group ends all of them."""
    if job.group is None:
        desk.end(job.number)
        return
    desk.see(life.worked(job, NOW))
    members = [one for one in desk.jobs.values() if one.group == job.group]
    if all(one.state is State.WAITING for one in members):
        for one in members:
            desk.end(one.number)
