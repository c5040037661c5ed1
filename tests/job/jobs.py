"""Jobs for tests, plain or in any state, made with the functions of their life."""

from dataclasses import replace
from typing import Any

from longshored.errors import Kind
from longshored.job import life
from longshored.job.model import Ask, Failure, Holder, Job, Pause, Worker
from longshored.job.spec import ImageRef, PullSpec
from longshored.job.states import State

NOW = 5
ASK = Ask("ada", NOW)
WORKER = Worker("worker-1", attempt=1, epoch=1)
BROKEN = Failure(Kind.IO_ERROR, "The disk said no")
HELD = Pause(Holder.USER, "paused", NOW, "ada")
SPEC = PullSpec(ImageRef("/images/top.qcow2", "qcow2"))


def a_job(**fields: Any) -> Job:
    plain = Job(
        number=0,
        uid="018f3c2a-0000-7000-8000-000000000001",
        job_id="job-1",
        kind="block.pull",
        spec=SPEC,
        create_time=1,
    )
    return life.create(replace(plain, **fields), 1)


def in_state(state: State, **fields: Any) -> Job:
    """A job that came to a state by a short legal life."""
    queued = a_job(**fields)
    running = life.started(queued, WORKER, NOW)
    ready = life.converged(running, NOW)
    match state:
        case State.QUEUED:
            return queued
        case State.RUNNING:
            return running
        case State.PAUSED:
            return life.parked(life.hold(running, HELD), NOW)
        case State.READY:
            return ready
        case State.STANDBY:
            return life.parked(life.hold(ready, HELD), NOW)
        case State.WAITING:
            return life.move(running, State.WAITING, NOW, "")
        case State.PENDING:
            return life.move(running, State.PENDING, NOW, "")
        case State.ABORTING:
            return life.cancel(running, ASK)
        case State.SUCCEEDED:
            return life.succeeded(in_state(State.PENDING, **fields), NOW)
        case State.FAILED:
            return life.ended(life.failed(running, BROKEN, NOW), NOW)
        case State.CANCELLED:
            return life.ended(life.cancel(running, ASK), NOW)
