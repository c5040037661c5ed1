"""What would be, if a job were made now: who is in the way, how many come before."""

from collections.abc import Iterator
from dataclasses import replace

from ..drivers.base import Plan
from ..errors import ServiceError
from ..job.model import Pending
from ..store.transaction import Transaction
from .admission import predecessors_of
from .decide import Body
from .holds import END_OF_LINE
from .newjob import NewJob, Planned
from .pick import Queue


def planned(new: NewJob, plan: Plan, queue: Queue) -> Body[Planned]:
    """Look, on the journal's thread, at what nobody may change meanwhile."""

    def decide(tx: Transaction) -> Planned:
        besides = [n for i in new.after if (n := queue.number(i)) is not None]
        position = queue.position(new.options.priority, plan.nodes)
        return Planned(
            replace(plan, obstacles=(*plan.obstacles, *_obstacles(new, tx))),
            _blockers(plan, queue, besides),
            max(position, 1) if besides else position,
        )

    return decide


def _blockers(plan: Plan, queue: Queue, besides: list[int]) -> tuple[Pending, ...]:
    found: dict[str, Pending] = {}
    for blocker in queue.holds.blockers(plan.nodes, END_OF_LINE, besides):
        pending = queue.held_by(blocker)
        found.setdefault(f"{pending.job_id} {pending.node_uri}", pending)
    return tuple(found.values())


def _obstacles(new: NewJob, tx: Transaction) -> Iterator[ServiceError]:
    """What CreateJob would say of the names in the request."""
    try:
        predecessors_of(tx, new)
        if new.job_id:
            tx.check_new_id(new.job_id)
    except ServiceError as error:
        yield error
