"""One attempt at one job in this process: its control, its work, and its stage."""

from dataclasses import dataclass
from enum import Enum

import structlog

from ..drivers.base import Work
from ..errors import Kind, ServiceError
from ..job.model import Failure
from .control import Control

_log = structlog.get_logger(__name__)


class Stage(Enum):
    WORKING = "working"  # a thread is in run(), or on its way there or back
    RESTING = "resting"  # work done, nodes open and locked, no thread
    ENDING = "ending"  # a thread finalises, unwinds or closes it
    OVER = "over"


@dataclass(slots=True, eq=False)
class Attempt:
    """`stage` is guarded by the runner's lock; `work` belongs to the stage's thread."""

    control: Control
    # Its finalising had begun before a restart: others of its group may be visible.
    was_finalizing: bool
    stage: Stage = Stage.WORKING
    work: Work | None = None
    is_aborted: bool = False

    @property
    def number(self) -> int:
        return self.control.claim.number

    def abort(self) -> None:
        """Unwind what there is, once."""
        if self.work is not None and not self.is_aborted:
            self.is_aborted = True
            self.work.abort()

    def clean(self) -> None:
        """Close and unlock, once."""
        work, self.work = self.work, None
        if work is None:
            return
        try:
            work.clean()
        except Exception:  # noqa: BLE001 - it promised not to; what is next must happen
            _log.exception("clean_failed", job=self.control.job_id)

    def failure(self, error: Exception) -> Failure:
        """What the job shows of an error; of one that nobody foresaw, only that."""
        if isinstance(error, ServiceError):
            return Failure(error.kind, error.message, dict(error.facts))
        job_id = self.control.job_id
        _log.error("driver_failed", job=job_id, exc_info=error)
        return Failure(
            Kind.INTERNAL,
            "An unexpected error; the daemon's log has it under this job id",
            {"job_id": job_id, "error": type(error).__name__},
        )
