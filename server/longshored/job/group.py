"""Transactions: jobs that become visible together or not at all. Pure.

A job without a group is a group of one, so there is one rule for all.
"""

from collections.abc import Iterator, Sequence

from ..clock import Instant
from ..errors import Kind
from . import life
from .model import Ask, Failure, Job
from .replace import replace
from .states import State

_DONE = frozenset({State.WAITING, State.PENDING, State.SUCCEEDED})
_FALLEN = frozenset({State.ABORTING, State.FAILED, State.CANCELLED})


def settle(members: Sequence[Job], now: Instant) -> list[Job]:
    """What the state of each member makes of the others; same Jobs where nothing.

    One failure cancels the rest, unless their finalising has begun: then they
    go on to their end. When all that go on have done their work they become
    PENDING together, and are finalised together: by themselves if every member
    wants that, else as soon as one member was asked.
    """
    fallen = next((job for job in members if job.state in _FALLEN), None)
    if fallen is not None:
        members = [_give_up(job, fallen, now) for job in members]
    if not all(job.state in _DONE for job in members if job.state not in _FALLEN):
        return list(members)
    gathered = [
        life.group_done(job, now) if job.state is State.WAITING else job
        for job in members
    ]
    return _finalize_together(gathered, now)


def _give_up(job: Job, fallen: Job, now: Instant) -> Job:
    if job.is_final or job.state is State.ABORTING:
        return job
    if job.wanted.finalize is not None:
        # Some of this group may be visible already: going on is the only way to
        # "all", also after a restart.
        return job
    failure = fellow_failure(fallen)
    return life.abort(replace(job, failure=failure), now, failure.message)


def fellow_failure(fallen: Job) -> Failure:
    """Why the others of a group do not succeed when one has fallen."""
    group_id = None if fallen.group is None else fallen.group.group_id
    return Failure(
        Kind.GROUP_MEMBER_FAILED,
        f"Job {fallen.job_id} of the same group did not succeed",
        {"job_id": fallen.job_id, "group_id": group_id},
    )


def _finalize_together(members: Sequence[Job], now: Instant) -> list[Job]:
    asked = next((job.wanted.finalize for job in members if job.wanted.finalize), None)
    if asked is None and all(job.options.auto_finalize for job in members):
        asked = Ask(life.SYSTEM, now, "finalized by itself")
    if asked is None:
        return list(members)
    return list(_ask_all(members, asked))


def _ask_all(members: Sequence[Job], asked: Ask) -> Iterator[Job]:
    for job in members:
        if job.state is State.PENDING and job.wanted.finalize is None:
            yield replace(job, wanted=replace(job.wanted, finalize=asked))
        else:
            yield job
