"""What becomes of each job that had not ended when the daemon went away. Pure."""

from ..clock import Instant
from ..job import life
from ..job.model import Holder, Job, Worker
from ..job.replace import replace
from ..job.states import State
from .recognise import Nodes


def recognised(job: Job, nodes: Nodes) -> Job:
    """The job with its nodes as they are called now."""
    found = nodes.get(job.number)
    return job if found is None else replace(job, nodes=found)


def adopted(job: Job, now: Instant, epoch: int) -> Job:
    """It queues again; one that was being unwound gets a worker to finish that.

    The window's hold is taken away: the queue looks at windows by itself.
    """
    job = life.let_go(life.adopt(job, now), (Holder.WINDOW,))
    if job.state is State.ABORTING:
        return claimed(job, epoch)
    return job


def claimed(job: Job, epoch: int) -> Job:
    """The job with its next worker's claim, which makes every older one stale."""
    worker = next_worker(job, epoch)
    return replace(job, worker=worker, attempts=worker.attempt)


def next_worker(job: Job, epoch: int) -> Worker:
    attempt = job.attempts + 1
    return Worker(f"job-{job.number}", attempt, epoch)
