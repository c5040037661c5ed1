"""What the scheduler is set to."""

from dataclasses import dataclass

from ..job.model import RateLimit
from .retention import DEFAULT_RETENTION, Retention
from .throttle import UNLIMITED


@dataclass(frozen=True, slots=True)
class Settings:
    """`epoch` counts the starts of the daemon on this store; every claim carries it."""

    host: str
    epoch: int
    slots: int = 4
    slots_per_device: int = 4
    max_jobs: int = 100_000  # that have not ended
    max_jobs_per_owner: int = 0  # that have not ended; 0: as many as all
    rate: RateLimit = UNLIMITED  # of the whole daemon
    device_rate: RateLimit = UNLIMITED  # of each device by itself
    retention: Retention = DEFAULT_RETENTION
