"""What a job is: frozen values. A change makes a new Job; `life` says which."""

from dataclasses import dataclass, field
from enum import Enum

from ..clock import Instant
from ..errors import Fact, Kind
from .nodes import Node
from .progress import Progress
from .spec import Result, Spec, Status
from .states import FINAL, State


class ErrorAction(Enum):
    """What to do with an I/O error (BlockdevOnError, without its endless retry)."""

    REPORT = "report"  # the job fails
    SKIP = "skip"  # note the range, go on; the list is bounded
    RETRY = "retry"  # `retry_count` times, `retry_backoff` apart, then report
    STOP = "stop"  # pause and wait for the operator
    ENOSPC_STOP = "enospc-stop"  # STOP if the disk is full, else REPORT


@dataclass(frozen=True, slots=True)
class ErrorPolicy:
    action: ErrorAction = ErrorAction.REPORT
    retry_count: int = 3
    retry_backoff: float = 1.0  # seconds before the first retry; doubles with each


@dataclass(frozen=True, slots=True)
class Window:
    """When a job may run: so many minutes from `start_minute` of a day on.

    Weekdays count from 1 (Monday) to 7 (ISO 8601); none means every day. The
    window may run past midnight. `time_zone` is an IANA name; empty is UTC.
    """

    start_minute: int
    duration_minutes: int
    weekdays: tuple[int, ...] = ()
    time_zone: str = ""


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How much may move a second, average and burst. None is no limit."""

    speed_bytes_per_second: int | None = None
    burst_bytes: int | None = None
    iops: int | None = None
    burst_operations: int | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """What may be changed while a job lives. None is: no limit, no such wish."""

    rate: RateLimit = RateLimit()
    priority: int = 0
    earliest_start_time: Instant | None = None
    windows: tuple[Window, ...] = ()
    source_error_policy: ErrorPolicy = ErrorPolicy()
    target_error_policy: ErrorPolicy = ErrorPolicy()
    auto_finalize: bool = True
    auto_dismiss_delay: float | None = None  # seconds after the end


class Holder(Enum):
    """Who keeps a job from running. It runs again when the last one lets go."""

    USER = "user"
    ERROR_POLICY = "error-policy"
    WINDOW = "window"


@dataclass(frozen=True, slots=True)
class Pause:
    holder: Holder
    reason: str
    time: Instant
    actor: str


class PendingReason(Enum):
    """Why a queued job has not started."""

    HOLD = "hold"  # a node is in use: by a job, or by a foreign process
    SLOT = "slot"  # every worker, or every worker of the device, is busy
    START_TIME = "start-time"
    PREDECESSOR = "predecessor"  # waits for another job to succeed
    WINDOW = "window"
    PAUSED = "paused"
    RECOVERY = "recovery"  # was running when the daemon stopped


@dataclass(frozen=True, slots=True)
class Pending:
    reason: PendingReason
    message: str
    job_id: str | None = None  # the job that is waited for
    pid: int | None = None  # or the foreign process
    command: str | None = None
    node_uri: str | None = None
    until: Instant | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """A wish on record: who asked, when, with which words."""

    by: str
    time: Instant
    comment: str = ""


class CompletionMode(Enum):
    """How a READY job ends: switch over to the target, or keep it as a copy."""

    SWITCH = "switch"
    KEEP_COPY = "keep-copy"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What users asked for and no worker has reached yet."""

    cancel: Ask | None = None
    finalize: Ask | None = None
    complete: Ask | None = None
    completion_mode: CompletionMode = CompletionMode.SWITCH
    resume: Ask | None = None  # of one that has not gone on yet, and nothing holds it


@dataclass(frozen=True, slots=True)
class Worker:
    """Who works on the job. `epoch` is the claim: an older one is stale."""

    thread: str
    attempt: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Transition:
    state: State
    time: Instant
    reason: str
    actor: str


@dataclass(frozen=True, slots=True)
class Group:
    """A transaction: its members become visible together or not at all.

    `rate` is shared by all members; every member carries the same Group.
    """

    group_id: str
    rate: RateLimit = RateLimit()


@dataclass(frozen=True, slots=True)
class JobWarning:
    """What a user should know though the job goes on; of which node, if of one."""

    message: str
    time: Instant
    node_uri: str = ""


# Enough for a life with many pauses; what falls out is the middle, never the birth.
HISTORY_LENGTH = 32


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a job did not succeed, in the words of the error catalogue."""

    kind: Kind
    message: str
    facts: dict[str, Fact] = field(default_factory=dict)


_NO_PROGRESS = Progress()


@dataclass(frozen=True, slots=True)
class Job:
    """One long operation, from its request to its dismissal.

    `revision` is the revision of the store at the last durable change of this
    job. `progress` is live only in a worker: here it is what was last written
    down. `caller` made the request and owns the job. `traceparent` is the call that
    made it, as W3C trace context. `is_unseen`: a foreign process has had its images
    from the beginning, so nobody knows its nodes yet.
    """

    number: int
    uid: str
    job_id: str
    kind: str
    spec: Spec
    create_time: Instant
    owner: str = ""
    host: str = ""
    options: Options = Options()
    labels: dict[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    group: Group | None = None
    nodes: tuple[Node, ...] = ()
    on_conflict_queue: bool = False
    state: State = State.QUEUED
    wanted: Wanted = Wanted()
    pauses: tuple[Pause, ...] = ()
    pending: Pending | None = None
    worker: Worker | None = None
    attempts: int = 0
    status: Status | None = None
    progress: Progress = _NO_PROGRESS
    result: Result | None = None
    failure: Failure | None = None
    warnings: tuple[JobWarning, ...] = ()
    history: tuple[Transition, ...] = ()
    start_time: Instant | None = None
    end_time: Instant | None = None
    expire_time: Instant | None = None
    revision: int = 0
    create_revision: int = 0
    traceparent: str = ""
    is_unseen: bool = False

    @property
    def trace_id(self) -> str:
        """The trace of the job's own span: its uid is as long, and as random. Only
        jobs made while the daemon traced have one."""
        return self.uid.replace("-", "") if self.traceparent else ""

    @property
    def is_final(self) -> bool:
        return self.state in FINAL

    @property
    def is_finalizing(self) -> bool:
        """The result is being made visible: from here on it only succeeds or fails."""
        return self.state is State.PENDING and self.wanted.finalize is not None
