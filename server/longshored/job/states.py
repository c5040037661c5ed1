"""Which state may follow which, and which verb is accepted when: the two tables.

`MOVES` is our own law: breaking it is a bug and raises ImpossibleMove, which
nobody catches. `VERBS` is the user's: breaking it is an answer that names the
verbs allowed. A verb whose goal is already reached succeeds and changes nothing.
"""

from enum import Enum


class State(Enum):
    # A state is one object. Enum hashes names, in Python, and is asked at every step.
    __hash__ = object.__hash__

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    READY = "READY"
    STANDBY = "STANDBY"
    WAITING = "WAITING"
    PENDING = "PENDING"
    ABORTING = "ABORTING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class Verb(Enum):
    PAUSE = "PAUSE"
    RESUME = "RESUME"
    CANCEL = "CANCEL"
    COMPLETE = "COMPLETE"
    FINALIZE = "FINALIZE"
    DISMISS = "DISMISS"
    UPDATE = "UPDATE"


S = State

# Every non-final state that a worker may be in leads back to QUEUED: that is a
# restart of the daemon, which adopts the job. ABORTING is unwound where it stands.
MOVES: dict[State, frozenset[State]] = {
    S.QUEUED: frozenset({S.RUNNING, S.CANCELLED, S.FAILED}),
    S.RUNNING: frozenset(
        {S.PAUSED, S.READY, S.WAITING, S.PENDING, S.ABORTING, S.QUEUED}
    ),
    S.PAUSED: frozenset({S.RUNNING, S.ABORTING, S.QUEUED}),
    # An I/O error after READY withdraws it: back to RUNNING.
    S.READY: frozenset(
        {S.RUNNING, S.STANDBY, S.WAITING, S.PENDING, S.ABORTING, S.QUEUED}
    ),
    S.STANDBY: frozenset({S.READY, S.ABORTING, S.QUEUED}),
    S.WAITING: frozenset({S.PENDING, S.ABORTING, S.QUEUED}),
    S.PENDING: frozenset({S.SUCCEEDED, S.ABORTING, S.QUEUED}),
    S.ABORTING: frozenset({S.CANCELLED, S.FAILED}),
    S.SUCCEEDED: frozenset(),
    S.FAILED: frozenset(),
    S.CANCELLED: frozenset(),
}

FINAL = frozenset(state for state, nexts in MOVES.items() if not nexts)

# Where a worker moves something, so that how fast it does means something.
MOVING = frozenset({S.RUNNING, S.READY, S.ABORTING})

_WORKING = frozenset({S.QUEUED, S.RUNNING, S.PAUSED, S.READY, S.STANDBY})

VERBS: dict[Verb, frozenset[State]] = {
    Verb.PAUSE: _WORKING,
    Verb.RESUME: _WORKING,
    Verb.CANCEL: _WORKING | {S.WAITING, S.PENDING},
    # STANDBY is left out: a completion that waits unseen for a resume helps nobody.
    Verb.COMPLETE: frozenset({S.READY}),
    Verb.FINALIZE: frozenset({S.PENDING}),
    Verb.DISMISS: FINAL,
    Verb.UPDATE: _WORKING | {S.WAITING, S.PENDING},
}

# Where a verb has nothing left to do: success, no change.
REACHED: dict[Verb, frozenset[State]] = {
    Verb.PAUSE: frozenset(),
    Verb.RESUME: frozenset(),
    Verb.CANCEL: frozenset({S.ABORTING, S.CANCELLED}),
    Verb.COMPLETE: frozenset(),
    Verb.FINALIZE: frozenset({S.SUCCEEDED}),
    Verb.DISMISS: frozenset(),
    Verb.UPDATE: frozenset(),
}


class Answer(Enum):
    """What a verb meets in a state."""

    ACCEPTED = "accepted"
    REACHED = "reached"
    REFUSED = "refused"


def answer(verb: Verb, state: State) -> Answer:
    if state in VERBS[verb]:
        return Answer.ACCEPTED
    if state in REACHED[verb]:
        return Answer.REACHED
    return Answer.REFUSED


def verbs_allowed(state: State) -> tuple[Verb, ...]:
    return tuple(verb for verb in Verb if state in VERBS[verb])


class ImpossibleMove(AssertionError):
    """The daemon tried a move that is not in the table: a bug of ours."""


def check_move(old: State, new: State) -> None:
    if new not in MOVES[old]:
        raise ImpossibleMove(f"{old.value} -> {new.value}")
