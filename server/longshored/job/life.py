"""How a job changes: every step of its life as a function from Job to Job. Pure.

The verbs are what users ask, the reports are what workers found, `adopt` is
what a restart does. `scheduler` stores what these return; nothing else makes a
new state. A function that has nothing to do returns the very same Job, so
"did anything change" is an identity test.
"""

from typing import Any

from ..clock import SECOND, Instant
from ..errors import Kind, ServiceError
from .model import (
    HISTORY_LENGTH,
    Ask,
    CompletionMode,
    Failure,
    Holder,
    Job,
    Options,
    Pause,
    Pending,
    PendingReason,
    Transition,
    Worker,
)
from .nodes import IoStatus
from .progress import Progress, at_rest, short_of_all
from .replace import replace
from .states import (
    FINAL,
    MOVING,
    Answer,
    State,
    Verb,
    answer,
    check_move,
    verbs_allowed,
)

SYSTEM = "longshored"
"""The actor of what nobody asked for."""

# Of a step in the history, characters.
LONGEST_REASON = 256

_STANDING = frozenset({State.PAUSED, State.STANDBY})

# Where a job waits for who holds it: queued, if it has not begun or a restart came.
_HELD = _STANDING | {State.QUEUED}

AFTER_RESTART = Pending(PendingReason.RECOVERY, "Waits to be taken up after a restart")


def move(
    job: Job,
    new: State,
    now: Instant,
    reason: str,
    actor: str = SYSTEM,
    **others: Any,
) -> Job:
    """The one door to a state: checks the table and writes history and times.

    `others` are fields that change with it: one new Job for all.
    """
    check_move(job.state, new)
    step = Transition(new, now, _shortened(reason), actor)
    history = (*job.history, step)
    if len(history) > HISTORY_LENGTH:
        history = (history[0], *history[-HISTORY_LENGTH + 1 :])
    if job.wanted.resume is not None:
        # Wherever it moves, it does not stand still any more.
        others["wanted"] = replace(others.get("wanted", job.wanted), resume=None)
    progress = _as_of(job, others.get("progress", job.progress), now)
    others["progress"] = progress if new in MOVING else at_rest(progress)
    if new in FINAL:
        others |= {"end_time": now, "pending": None, "pauses": (), "worker": None}
    return replace(job, state=new, history=history, **others)


def _shortened(reason: str) -> str:
    """As the history keeps it: comments may be long, and stand elsewhere too."""
    if len(reason) <= LONGEST_REASON:
        return reason
    return f"{reason[: LONGEST_REASON - 1]}…"


def _as_of(job: Job, progress: Progress, now: Instant) -> Progress:
    """What time alone has changed since a sample: nobody takes one of a job that stands
    still or queues, and a change must not show less time than was shown before it."""
    if job.start_time is None:
        return progress
    elapsed = max(progress.elapsed, (now - job.start_time) / SECOND)
    ledger = progress.ledger
    if job.state in _STANDING:
        since = max(job.history[-1].time, progress.sample_time)
        paused = ledger.paused + max(0, now - since) / SECOND
        ledger = replace(ledger, paused=paused)
    return replace(progress, elapsed=elapsed, ledger=ledger)


def create(job: Job, now: Instant) -> Job:
    """The first entry of the history of a job just made."""
    born = Transition(State.QUEUED, now, "created", job.owner or SYSTEM)
    return replace(job, history=(born,))


# Verbs: what a user asks.


def _refuse(job: Job, verb: Verb) -> ServiceError:
    allowed = ", ".join(v.value for v in verbs_allowed(job.state)) or "none"
    return ServiceError(
        Kind.ACTION_NOT_ALLOWED,
        f"Cannot {verb.value.lower()} a job that is {job.state.value}; "
        f"allowed now: {allowed}",
        job_id=job.job_id,
        state=job.state.value,
        action=verb.value,
        allowed_actions=allowed,
    )


def _has_work(job: Job, verb: Verb) -> bool:
    """True if the verb has something to do, False if its goal is reached.

    Raises ServiceError(ACTION_NOT_ALLOWED) if the state forbids it.
    """
    match answer(verb, job.state):
        case Answer.ACCEPTED:
            return True
        case Answer.REACHED:
            return False
        case Answer.REFUSED:
            raise _refuse(job, verb)


def pause(job: Job, ask: Ask) -> Job:
    """Hold a job for its user. A running one stops at its next checkpoint."""
    if not _has_work(job, Verb.PAUSE):
        return job
    return hold(job, Pause(Holder.USER, ask.comment or "paused", ask.time, ask.by))


def resume(job: Job, ask: Ask) -> Job:
    """Let go of every hold that a user may let go: his own and an error's."""
    if not _has_work(job, Verb.RESUME):
        return job
    free = let_go(job, (Holder.USER, Holder.ERROR_POLICY))
    if free is job or free.pauses or free.state not in _HELD:
        return free
    return replace(free, wanted=replace(free.wanted, resume=ask))


def hold(job: Job, pause: Pause) -> Job:
    """Add a holder; one that holds already is not added twice."""
    if any(held.holder is pause.holder for held in job.pauses):
        return job
    held = replace(job, pauses=(*job.pauses, pause))
    if held.wanted.resume is None:
        return held
    return replace(held, wanted=replace(held.wanted, resume=None))


def let_go(job: Job, holders: tuple[Holder, ...]) -> Job:
    left = tuple(held for held in job.pauses if held.holder not in holders)
    if left == job.pauses:
        return job
    free = replace(job, pauses=left)
    if Holder.ERROR_POLICY not in holders:
        return free
    # What an error stopped is tried anew: no node is in trouble until it fails again.
    nodes = tuple(replace(node, io_status=IoStatus.OK) for node in job.nodes)
    return replace(free, nodes=nodes)


def cancel(job: Job, ask: Ask) -> Job:
    """End a queued job at once; ask a worker to unwind any other.

    A job whose finalising has begun keeps the wish and ends as it ends: the
    finalising wins that race, also across a restart, since its result may be
    visible already.
    """
    if not _has_work(job, Verb.CANCEL) or job.wanted.cancel is not None:
        return job
    asked = replace(job, wanted=replace(job.wanted, cancel=ask))
    if job.wanted.finalize is not None:
        return asked
    failure = Failure(
        Kind.CANCELLED_BY_USER,
        ask.comment or f"Cancelled by {ask.by}",
        {"by": ask.by, "comment": ask.comment},
    )
    asked = replace(asked, failure=failure)
    return abort(asked, ask.time, "cancelled", ask.by)


def abort(job: Job, now: Instant, reason: str, actor: str = SYSTEM) -> Job:
    """Begin to unwind; a queued job has no worker, so it ends at once."""
    if job.state is State.QUEUED:
        return ended(job, now, reason, actor)
    return move(job, State.ABORTING, now, reason, actor)


def complete(job: Job, ask: Ask, mode: CompletionMode) -> Job:
    if not _has_work(job, Verb.COMPLETE) or job.wanted.complete is not None:
        return job
    return replace(job, wanted=replace(job.wanted, complete=ask, completion_mode=mode))


def finalize(job: Job, ask: Ask) -> Job:
    """Ask that the result be made visible."""
    if not _has_work(job, Verb.FINALIZE) or job.wanted.finalize is not None:
        return job
    return replace(job, wanted=replace(job.wanted, finalize=ask))


def update(job: Job, options: Options) -> Job:
    if not _has_work(job, Verb.UPDATE) or options == job.options:
        return job
    return replace(job, options=options)


def check_dismiss(job: Job) -> None:
    """Raise ServiceError(ACTION_NOT_ALLOWED) unless the job has ended."""
    _has_work(job, Verb.DISMISS)


# Reports: what a worker, or the scheduler for it, found.


def started(job: Job, worker: Worker, now: Instant) -> Job:
    asked = job.wanted.resume
    return move(
        job,
        State.RUNNING,
        now,
        "started" if asked is None else "resumed",
        SYSTEM if asked is None else asked.by,
        worker=worker,
        attempts=worker.attempt,
        pending=None,
        start_time=now if job.start_time is None else job.start_time,
    )


def waits(job: Job, pending: Pending) -> Job:
    """Write down why a queued job has not started."""
    return job if job.pending == pending else replace(job, pending=pending)


def requeued(job: Job, pending: Pending, now: Instant) -> Job:
    """The worker could not begin, since what it needs is taken: it waits again."""
    return move(job, State.QUEUED, now, pending.message, worker=None, pending=pending)


def parked(job: Job, now: Instant) -> Job:
    """The worker stands still at a checkpoint."""
    rest = State.STANDBY if job.state is State.READY else State.PAUSED
    reason = "; ".join(held.reason for held in job.pauses)
    # If a user is among those who hold it, it is his pause.
    users = (held.actor for held in job.pauses if held.holder is Holder.USER)
    return move(job, rest, now, reason, next(users, SYSTEM))


def unparked(job: Job, now: Instant) -> Job:
    work = State.READY if job.state is State.STANDBY else State.RUNNING
    asked = job.wanted.resume
    return move(job, work, now, "resumed", SYSTEM if asked is None else asked.by)


def converged(job: Job, now: Instant) -> Job:
    return move(job, State.READY, now, "converged")


def diverged(job: Job, now: Instant) -> Job:
    """An I/O error withdrew READY: the copy is behind again."""
    return move(job, State.RUNNING, now, "no longer converged")


def worked(job: Job, now: Instant, **others: Any) -> Job:
    """Own work done. A member of a group waits for the others (`group.settle`)."""
    done = State.PENDING if job.group is None else State.WAITING
    reason = "work done" if done is State.PENDING else "waits for its group"
    # A pause that came too late has nothing left to hold.
    return move(job, done, now, reason, pauses=(), **others)


def group_done(job: Job, now: Instant) -> Job:
    return move(job, State.PENDING, now, "all members done")


def failed(job: Job, failure: Failure, now: Instant) -> Job:
    """Begin to unwind a job that cannot go on; the first failure is the one shown."""
    if job.failure is None:
        job = replace(job, failure=failure)
    if job.state is State.ABORTING:
        return job
    return abort(job, now, failure.message)


def ended(job: Job, now: Instant, reason: str = "", actor: str = SYSTEM) -> Job:
    """Unwound, or never begun: CANCELLED if that was asked, else FAILED."""
    cause = job.failure
    assert cause is not None, "a job ends badly for a reason"
    cancelled = cause.kind in (Kind.CANCELLED_BY_USER, Kind.GROUP_MEMBER_FAILED)
    final = State.CANCELLED if cancelled else State.FAILED
    progress = short_of_all(job.progress)
    return move(job, final, now, reason or cause.message, actor, progress=progress)


def succeeded(job: Job, now: Instant, **others: Any) -> Job:
    asked = job.wanted.finalize
    actor = SYSTEM if asked is None else asked.by
    return move(job, State.SUCCEEDED, now, "finalized", actor, **others)


# Restart.


def adopt(job: Job, now: Instant) -> Job:
    """What becomes of a job whose daemon went away: it queues again.

    A job that was being unwound stays ABORTING and is unwound by the next
    worker; a queued one waits on as it was.
    """
    if job.state in (State.QUEUED, State.ABORTING):
        return replace(job, worker=None) if job.worker else job
    return move(
        job,
        State.QUEUED,
        now,
        "daemon restarted",
        worker=None,
        pending=AFTER_RESTART,
    )
