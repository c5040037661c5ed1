"""The enums of the contract and those of the core, value by value."""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import cache
from typing import TypeVar

from longshore.v1.job_options_pb2 import ErrorAction as WireErrorAction
from longshore.v1.job_pb2 import JobAction, JobState, PauseHolder
from longshore.v1.job_pb2 import PendingReason as WirePendingReason
from longshore.v1.job_progress_pb2 import LimitedBy as WireLimitedBy
from longshore.v1.job_progress_pb2 import ProgressUnit
from longshore.v1.job_service_pb2 import CompletionMode as WireCompletionMode
from longshore.v1.job_service_pb2 import OnConflict as WireOnConflict
from longshore.v1.node_pb2 import NodeIoStatus, NodeRole
from longshore.v1.node_pb2 import Permission as WirePermission

from ..errors import field_invalid
from ..job.model import CompletionMode, ErrorAction, Holder, PendingReason
from ..job.nodes import IoStatus, Permission, Role
from ..job.progress import LimitedBy, Unit
from ..job.states import State, Verb, verbs_allowed

E = TypeVar("E", bound=Enum)
V = TypeVar("V", bound=int)


def _words(
    members: Iterable[E],
    value: Callable[[str], V],
    prefix: str,
    other_words: Mapping[E, str] | None = None,
) -> dict[E, V]:
    """Each member with the value of the same name; KeyError-free by a test."""
    others = other_words or {}
    return {
        member: value(prefix + others.get(member, member.name)) for member in members
    }


STATES = _words(State, JobState.Value, "JOB_STATE_")
ACTIONS = _words(Verb, JobAction.Value, "JOB_ACTION_")
PAUSE_HOLDERS = _words(Holder, PauseHolder.Value, "PAUSE_HOLDER_")
PENDING_REASONS = _words(PendingReason, WirePendingReason.Value, "PENDING_REASON_")
ERROR_ACTIONS = _words(ErrorAction, WireErrorAction.Value, "ERROR_ACTION_")
COMPLETION_MODES = _words(CompletionMode, WireCompletionMode.Value, "COMPLETION_MODE_")
UNITS = _words(Unit, ProgressUnit.Value, "PROGRESS_UNIT_", {Unit.ITEMS: "STEPS"})
LIMITED_BY = _words(
    LimitedBy,
    WireLimitedBy.Value,
    "LIMITED_BY_",
    {LimitedBy.NOTHING: "UNSPECIFIED"},
)
ROLES = _words(Role, NodeRole.Value, "NODE_ROLE_")
IO_STATUSES = _words(
    IoStatus, NodeIoStatus.Value, "NODE_IO_STATUS_", {IoStatus.NOSPACE: "NO_SPACE"}
)

_PERMISSIONS = [
    (member, WirePermission.Value(f"PERMISSION_{member.name}")) for member in Permission
]


@cache
def permissions(held: Permission) -> tuple[WirePermission.ValueType, ...]:
    """The permissions in a set; a few sets occur over and over."""
    return tuple(value for member, value in _PERMISSIONS if member in held)


@cache
def actions(state: State, verbs: frozenset[Verb]) -> tuple[JobAction.ValueType, ...]:
    """What a job in this state accepts, of the verbs that its kind knows."""
    return tuple(ACTIONS[verb] for verb in verbs_allowed(state) if verb in verbs)


def member(field: str, table: Mapping[E, V], value: int, default: E | None = None) -> E:
    """The member that a request names; UNSPECIFIED is the default, if there is one."""
    if value == 0 and default is not None:
        return default
    for known, number in table.items():
        if number == value:
            return known
    allowed = ", ".join(known.name for known in table)
    raise field_invalid(field, f"Must be one of {allowed}; {value} is not known")


def states(field: str, values: Iterable[int]) -> frozenset[State]:
    return frozenset(member(field, STATES, value) for value in values)


ON_CONFLICT = WireOnConflict
