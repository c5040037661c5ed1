"""How long a job that has ended is kept. Pure; reading a result never shortens it."""

from dataclasses import dataclass

from ..clock import SECOND, Instant
from ..job.model import Job
from ..job.states import State

DAY = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Retention:
    """Seconds from the end of a job to its removal, by outcome. None is for ever."""

    succeeded: float | None = 7 * DAY
    # Someone may have to look into it after a holiday.
    failed: float | None = 30 * DAY
    cancelled: float | None = 7 * DAY

    def age(self, state: State) -> float | None:
        match state:
            case State.SUCCEEDED:
                return self.succeeded
            case State.FAILED:
                return self.failed
            case State.CANCELLED:
                return self.cancelled
            case _:
                raise ValueError(f"{state.value} is not final")


DEFAULT_RETENTION = Retention()


def expire_time(job: Job, retention: Retention) -> Instant | None:
    """When a job that has ended is to be removed; its own wish goes before the rule."""
    assert job.end_time is not None, "only a job that has ended expires"
    age = job.options.auto_dismiss_delay
    if age is None:
        age = retention.age(job.state)
    return None if age is None else job.end_time + round(age * SECOND)
