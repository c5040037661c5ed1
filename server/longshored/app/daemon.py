"""The daemon: builds the service on its backend, serves, and drains in reverse."""

import asyncio
import random
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from functools import partial

import structlog

from ..clock import Clock, SystemClock
from ..config.settings import Config
from ..drivers.registry import all_drivers
from ..errors import field_invalid, in_field
from ..job.states import FINAL
from ..service.around import Surrounded
from ..service.callers import Guard
from ..service.crossing import Crossing
from ..service.edge import Edge
from ..service.frames import Frames
from ..service.images import ImageService
from ..service.jobs import JobService
from ..service.listen import Address, check_open, parse_address
from ..service.pages import Pages
from ..service.quotas import CallRates
from ..service.samples import ProgressFeed
from ..service.server import Server
from ..service.snapshots import Snapshots
from ..service.system import About, SystemService
from ..service.watch import WatchHub
from ..service.watchers import Pace, Watchers
from ..service.watchlog import CAPACITY, WatchLog
from ..store.retain import Retention as EventLog
from . import joblog
from .backend import Backend, Registry, open_backend, settings_of
from .credentials import Credentials, tls_files
from .observe import Gauges, observe
from .reload import Reload, reload

# Threads that wait for the journal: as many calls share one fsync.
_VERB_THREADS = 32
# Threads that read the store, look at images, collect snapshots.
_READ_THREADS = 4

# How often the store is asked whether it is well.
_HEALTH_SECONDS = 0.5

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Tuning:
    """What no operator sets, and tests do: the pace of streams, the length of logs."""

    pace: Pace = field(default_factory=Pace)
    event_log: EventLog = field(default_factory=EventLog)
    memory_log: int = CAPACITY
    # How often files of certificates and tokens are looked at.
    credentials_seconds: float = 2.0


class Daemon:
    """One daemon on one loop: `start`, then `stop` once."""

    def __init__(
        self,
        config: Config,
        *,
        registry: Registry | None = None,
        clock: Clock | None = None,
        tuning: Tuning | None = None,
    ) -> None:
        self._config = config
        self._registry = registry or partial(all_drivers, reflink=config.images.reflink)
        self._clock = clock or SystemClock()
        self._tuning = tuning or Tuning()
        self._opened = ExitStack()
        self._guard = Guard(self._clock)
        self._rates = CallRates(self._clock, config.server.caller_calls_per_second)
        self._credentials = Credentials(config, self._guard)
        # Where metrics are answered, once it has started.
        self.metrics_addresses: tuple[Address, ...] = ()

    async def start(self) -> tuple[Address, ...]:
        """Open everything and serve; what is listened on comes back.

        Raises ServiceError with nothing left open.
        """
        addresses = listening(self._config)
        self._credentials.load()
        self._observation = observe(self._config, self._clock)
        try:
            backend = open_backend(
                self._config, self._registry, self._clock, self._tuning.event_log
            )
            self._opened.callback(backend.close)
            self._build(backend)
            await asyncio.to_thread(backend.scheduler.start)
            async with AsyncExitStack() as started:
                started.callback(backend.scheduler.drain, 0.0)
                self.metrics_addresses = await self._observation.start()
                started.push_async_callback(self._observation.stop)
                bound = await self._server.start(addresses, self._credentials.transport)
                started.pop_all()
            self._health = asyncio.create_task(self._follow_health())
            self._following = asyncio.create_task(
                self._credentials.follow(
                    self._tuning.credentials_seconds, self._edge.recheck
                )
            )
        except BaseException:
            self._opened.close()
            raise
        return bound

    @property
    def is_healthy(self) -> bool:
        """False once the store has failed: then a restart is all that helps."""
        return self._backend.journal.healthy

    async def reload(self, config: Config) -> Reload:
        """Take over what may change at work; what may not is told, and stays.

        Raises ServiceError, and nothing has changed, if certificates or tokens cannot
        be read.
        """
        outcome = reload(self._config, config)
        await self._credentials.reload(outcome.config)
        self._config = config = outcome.config
        backend = self._backend
        settings = settings_of(config, backend.database.meta)
        await asyncio.to_thread(backend.scheduler.configure, settings)
        self._watchers.most = config.watch.most
        self._watchers.most_per_client = config.watch.most_per_client
        self._watchers.most_per_caller = config.watch.most_per_caller
        self._edge.recheck()
        self._edge.most_calls = config.server.most_calls
        self._rates.set(config.server.caller_calls_per_second)
        self._system.about = _about(config, backend)
        return outcome

    async def stop(self) -> None:
        """Drain: what works stops at a checkpoint and goes on with the next start."""
        self.refuse_new_work()
        self._health.cancel()
        self._following.cancel()
        await self._server.leave()
        self._log.close()
        await asyncio.to_thread(
            self._backend.scheduler.drain, self._config.server.stop_seconds
        )
        await self._server.stop()
        await self._observation.stop()
        await asyncio.to_thread(self._opened.close)

    async def _follow_health(self) -> None:
        """Say NOT_SERVING once the store has failed: nothing can be made durable."""
        while self.is_healthy:
            await asyncio.sleep(_HEALTH_SECONDS)
        _log.error("store_failed")
        await self._server.fail()

    def refuse_new_work(self) -> None:
        """The first step of a drain: nothing new is made, all else is served."""
        self._edge.stopping = True

    def _build(self, backend: Backend) -> None:
        """The service, below first. The log listens before the scheduler starts."""
        config, reader = self._config, backend.reader
        self._backend = backend
        verbs = self._threads("verb", _VERB_THREADS)
        reads = self._threads("read", _READ_THREADS)
        wire = backend.wire
        frames = Frames(reader.history_id)
        self._log = WatchLog(
            frames, wire.event, reader.head(), capacity=self._tuning.memory_log
        )
        backend.scheduler.on_change.append(self._log.publish)
        backend.scheduler.on_change.append(joblog.note)
        hub = WatchHub(
            log=self._log,
            reader=reader,
            snapshots=Snapshots(
                reader, wire, frames, reads, backend.scheduler.progress
            ),
            feed=ProgressFeed(backend.scheduler.progress_board, self._log),
            threads=reads,
            clock=self._clock,
            chance=random.Random(),  # noqa: S311 - spreads streams, guards nothing
            pace=self._tuning.pace,
        )
        pages = Pages(backend.database.meta.page_token_key, reader.history_id)
        self._watchers = Watchers(
            most=config.watch.most,
            most_per_client=config.watch.most_per_client,
            most_per_caller=config.watch.most_per_caller,
        )
        jobs = JobService(
            scheduler=backend.scheduler,
            reader=reader,
            wire=wire,
            hub=hub,
            watchers=self._watchers,
            pages=pages,
            verbs=verbs,
            reads=reads,
        )
        images = ImageService(
            roots=backend.roots,
            holders=backend.scheduler.holders,
            pages=pages,
            threads=reads,
        )
        self._edge = Edge(
            self._clock,
            self._guard,
            self._rates,
            most_calls=config.server.most_calls,
        )
        self._system = SystemService(
            about=_about(config, backend),
            limits=backend.scheduler.limits,
            roots=backend.roots,
            verbs=verbs,
            reads=reads,
        )
        gauges = Gauges(
            watchers=lambda: self._watchers.total,
            conflated=lambda: hub.conflated,
            certificate_expires=self._credentials.certificate_expires,
        )
        self._observation.follow(backend, gauges)
        edge = Surrounded(self._edge, self._observation.around())
        self._server = Server(edge, (jobs, images, self._system))

    def _threads(self, name: str, count: int) -> Crossing:
        threads = Crossing(name, count)
        self._opened.callback(threads.close)
        return threads


def listening(config: Config) -> tuple[Address, ...]:
    """The addresses to serve; raises for one that may not be open."""
    if not config.server.listen:
        raise field_invalid("server.listen", "At least one address is needed")
    is_plain = tls_files(config) is None
    with in_field("server"):
        addresses = tuple(parse_address(text) for text in config.server.listen)
        for address in addresses if is_plain else ():
            check_open(address, insecure=config.server.insecure)
    return addresses


def _about(config: Config, backend: Backend) -> About:
    settings = backend.scheduler.settings
    meta = backend.database.meta
    return About(
        history_id=meta.history_id,
        epoch=meta.epoch,
        host=meta.host,
        roots=backend.roots.paths,
        served={kind: driver.verbs for kind, driver in backend.drivers.items()},
        retention={state: settings.retention.age(state) for state in FINAL},
        watch_count=config.watch.most,
        client_watch_count=config.watch.most_per_client,
        unfinished_job_count=settings.max_jobs,
        running_job_count=settings.slots,
    )
