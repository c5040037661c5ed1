"""What a caller asks for and gets: requests and answers of the scheduler, checked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from ..drivers.base import Plan
from ..errors import Kind, ServiceError, Violation
from ..job.model import Job, Options, Pending, RateLimit
from ..job.spec import Spec
from . import windows
from .ids import check_job_id

MAX_AFTER = 32
MAX_MEMBERS = 100


class OnConflict(Enum):
    """What to do if someone holds what the job needs."""

    FAIL = "fail"
    QUEUE = "queue"
    RETURN_EXISTING = "return-existing"


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job as asked for."""

    spec: Spec
    kind: str
    job_id: str = ""
    options: Options = field(default_factory=Options)
    labels: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    on_conflict: OnConflict = OnConflict.FAIL


@dataclass(frozen=True, slots=True)
class NewGroup:
    """What holds for all members of a group. `on_conflict` is theirs as a whole."""

    group_id: str = ""
    rate: RateLimit = field(default_factory=RateLimit)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks; the owner of what it creates."""

    name: str


@dataclass(frozen=True, slots=True)
class Created:
    """`replayed`: an earlier call with this request id made it. `existing`: it was
    there already, does the same, and RETURN_EXISTING allows to answer it."""

    job: Job
    replayed: bool = False
    existing: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    """`queue_position` is how many jobs would start before it; 0 is at once."""

    plan: Plan
    blockers: tuple[Pending, ...]
    queue_position: int


def check(new: NewJob, prefix: str = "") -> None:
    """Raise ServiceError(FIELD_INVALID) with everything that is wrong, if anything."""
    violations = tuple(
        Violation(prefix + one.field, one.description) for one in _violations(new)
    )
    if violations:
        raise invalid(violations)
    if new.job_id:
        check_job_id(new.job_id, f"{prefix}job_id")


def invalid(violations: tuple[Violation, ...]) -> ServiceError:
    first = violations[0]
    return ServiceError(
        Kind.FIELD_INVALID,
        f"{first.field}: {first.description}",
        violations=violations,
        first_field=first.field,
    )


def _violations(new: NewJob) -> Iterator[Violation]:
    yield from new.spec.check()
    yield from check_options(new.options)
    if len(new.after) > MAX_AFTER:
        yield Violation("after", f"At most {MAX_AFTER} jobs, not {len(new.after)}")


def check_options(options: Options) -> Iterator[Violation]:
    yield from check_rate(options.rate, "options")
    yield from windows.check(options.windows, "options.windows")
    if options.auto_dismiss_delay is not None and options.auto_dismiss_delay < 0:
        yield Violation("options.auto_dismiss_delay", "Must not be negative")


def check_rate(rate: RateLimit, field: str) -> Iterator[Violation]:
    values = {
        "speed_bytes_per_second": rate.speed_bytes_per_second,
        "burst_bytes": rate.burst_bytes,
        "iops": rate.iops,
        "burst_operations": rate.burst_operations,
    }
    for name, value in values.items():
        if value is not None and value < 1:
            yield Violation(f"{field}.{name}", f"Must be at least 1, not {value}")
    if rate.burst_bytes is not None and rate.speed_bytes_per_second is None:
        yield Violation(f"{field}.burst_bytes", "Needs speed_bytes_per_second")
    if rate.burst_operations is not None and rate.iops is None:
        yield Violation(f"{field}.burst_operations", "Needs iops")
