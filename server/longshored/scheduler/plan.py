"""What would be, if a job were made now: who is in the way, how many come before."""

from ..drivers.base import Plan
from ..job.model import Pending
from ..store.transaction import Transaction
from .decide import Body
from .holds import END_OF_LINE
from .newjob import NewJob, Planned
from .pick import Queue


def planned(new: NewJob, plan: Plan, queue: Queue) -> Body[Planned]:
    """Look, on the journal's thread, at what nobody may change meanwhile."""

    def decide(_: Transaction) -> Planned:
        blockers: dict[str, Pending] = {}
        besides = [n for i in new.after if (n := queue.number(i)) is not None]
        for blocker in queue.holds.blockers(plan.nodes, END_OF_LINE, besides):
            pending = queue.held_by(blocker)
            blockers.setdefault(f"{pending.job_id} {pending.node_uri}", pending)
        position = queue.position(new.options.priority, plan.nodes)
        return Planned(plan, tuple(blockers.values()), position)

    return decide
