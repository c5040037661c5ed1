"""Everything below the service: roots, store, drivers, scheduler. Opened in order."""

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from ..block.roots import Roots
from ..clock import Clock
from ..config.settings import Config, JobSettings, RetentionSettings
from ..drivers import pull_work
from ..drivers.base import Driver, FailPoint
from ..errors import field_invalid
from ..job.model import RateLimit
from ..scheduler import failpoints
from ..scheduler.retention import Retention
from ..scheduler.scheduler import Scheduler
from ..scheduler.settings import Settings
from ..service.jobwire import JobWire
from ..store.database import Database, Meta, open_database
from ..store.journal import Journal
from ..store.reader import Reader
from ..store.retain import Retention as EventLog

Registry = Callable[[Roots], Mapping[str, Driver]]
"""Makes the drivers of a daemon that serves images below these roots."""

FAIL_POINTS = (*failpoints.FAIL_POINTS, *pull_work.FAIL_POINTS)


@dataclass(frozen=True, slots=True)
class Backend:
    """What the service stands on. `close` releases everything, last first."""

    roots: Roots
    database: Database
    reader: Reader
    journal: Journal
    scheduler: Scheduler
    drivers: Mapping[str, Driver]
    wire: JobWire
    closing: ExitStack

    def close(self) -> None:
        self.closing.close()


def open_backend(
    config: Config, registry: Registry, clock: Clock, event_log: EventLog
) -> Backend:
    """Open everything; nothing works yet until the scheduler is started."""
    check_roots(config)
    with ExitStack() as opened:
        roots = Roots.open(config.images.roots)
        opened.callback(roots.close)
        database = open_database(config.store.directory)
        opened.callback(database.close)
        reader = Reader(database)
        opened.callback(reader.close)
        drivers = registry(roots)
        wire = JobWire({kind: driver.verbs for kind, driver in drivers.items()})
        journal = Journal(database, clock, retention=event_log, show=wire.show)
        scheduler = Scheduler(
            journal=journal,
            reader=reader,
            drivers=drivers,
            clock=clock,
            settings=settings_of(config, database.meta),
            fail_point=_fail_point(),
        )
        return Backend(
            roots,
            database,
            reader,
            journal,
            scheduler,
            drivers,
            wire,
            opened.pop_all(),
        )


def check_roots(config: Config) -> None:
    """Raise FIELD_INVALID unless there are some, and the store lies in none."""
    if not config.images.roots:
        raise field_invalid(
            "images.roots",
            "At least one directory with images is needed: --root DIR, "
            "LONGSHORE_IMAGES__ROOTS, or roots in section [images] of the file",
        )
    state = config.store.directory
    for root in config.images.roots:
        if Path(os.path.realpath(state)).is_relative_to(os.path.realpath(root)):
            raise field_invalid(
                "store.directory",
                f"{state} lies in {root}, a root of images, and the database would "
                "be among them: it needs a directory outside every root",
            )


def settings_of(config: Config, meta: Meta) -> Settings:
    """What of the configuration concerns the scheduler, in this life of the store."""
    jobs = config.jobs
    return Settings(
        host=meta.host,
        epoch=meta.epoch,
        slots=jobs.slots,
        slots_per_device=jobs.slots_per_device,
        max_jobs=jobs.most_unfinished,
        max_jobs_per_owner=jobs.most_unfinished_per_caller,
        rate=RateLimit(jobs.speed_bytes_per_second or None, iops=jobs.iops or None),
        device_rate=_device_rate(jobs),
        retention=_retention(config.retention),
    )


def _device_rate(jobs: JobSettings) -> RateLimit:
    return RateLimit(
        jobs.device_speed_bytes_per_second or None, iops=jobs.device_iops or None
    )


def _retention(settings: RetentionSettings) -> Retention:
    return Retention(
        settings.succeeded or None, settings.failed or None, settings.cancelled or None
    )


def _fail_point() -> FailPoint:
    """Fail points are for tests alone, so they are no setting."""
    text = os.environ.get(failpoints.VARIABLE, "")
    try:
        return failpoints.parse(text, FAIL_POINTS)
    except ValueError as error:
        raise field_invalid(failpoints.VARIABLE, str(error)) from error
