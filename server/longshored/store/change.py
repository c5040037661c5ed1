"""One durable change of one job: an entry of the log that watches read."""

from dataclasses import dataclass
from enum import Enum

from ..clock import Instant
from ..job.model import Job
from ..job.states import State


class ChangeKind(Enum):
    CREATED = "created"
    UPDATED = "updated"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Change:
    """`job` is the whole job after the change; of a REMOVED one, the last."""

    revision: int
    kind: ChangeKind
    job: Job
    previous: State | None
    time: Instant
