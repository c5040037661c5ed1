"""A driver run to its end in this process: no limits, no scheduler, no store."""

from dataclasses import dataclass, field

from longshored.clock import Clock, SystemClock
from longshored.drivers.base import Driver
from longshored.drivers.meter import Meter
from longshored.errors import ServiceError
from longshored.job.model import Options
from longshored.job.spec import Result, Spec, Status


@dataclass(slots=True)
class Free:
    """The context of a job that nobody limits, pauses or cancels."""

    spec: Spec
    meter: Meter
    clock: Clock
    job_id: str = "bench"
    attempt: int = 1
    options: Options = field(default_factory=Options)
    saved: bytes | None = None

    def proceed(self, length: int) -> bool:
        return True

    def chunk(self, largest: int) -> int:
        return largest

    def checkpoint(self) -> None:
        pass

    def save(self, state: bytes, status: Status | None = None) -> None:
        self.saved = state

    def warn(self, text: str, node_uri: str = "") -> None:
        raise AssertionError(text)

    def stop_for(self, error: ServiceError, node_key: str) -> None:
        raise error

    def fail_point(self, name: str) -> None:
        pass


def run_job(driver: Driver, spec: Spec) -> Result:
    """All steps of one attempt, as the scheduler takes them."""
    clock = SystemClock()
    work = driver.start(Free(spec, Meter(clock), clock))
    try:
        work.run()
        work.prepare()
        return work.commit()
    finally:
        work.clean()
