"""The scheduler: which job runs, on which thread, until when.

    verbs, reports  ->  bodies on the journal's thread (verbs, admission, reports)
    end of a batch  ->  windows turn, queued jobs start (cycle)
    after commit    ->  attempts begin, controls are told (cycle, runner)

Every decision is made on the journal's thread, so the order of revisions is the
order of decisions; an answer follows its commit. What is to happen in the world
follows from what is durable, and happens on worker threads.
"""

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager, nullcontext
from enum import Enum
from functools import partial
from typing import TypeVar

import structlog

from ..clock import SECOND, Clock
from ..drivers.base import Driver, FailPoint
from ..errors import Kind, ServiceError
from ..job.model import CompletionMode, Job, Options, RateLimit
from ..job.progress import Progress
from ..job.states import Verb
from ..store.journal import Journal
from ..store.reader import Reader
from ..store.transaction import Transaction
from .admission import Admission, Request, group_answer, one_answer
from .cycle import Adopter, Cycle, Listener
from .decide import Body, Decisions
from .ids import RandomBytes
from .limits import SharedLimits
from .newjob import Caller, Created, NewGroup, NewJob, Planned, check
from .pick import Queue
from .plan import planned
from .pool import Pool
from .progress import ProgressBoard, Running
from .recheck import Rechecker
from .recognise import Recogniser
from .reports import Reports
from .runner import Runner
from .settings import Settings
from .shifts import Shifts
from .sweep import Sweeper
from .throttle import Throttles
from .timer import Timer
from .verbs import Asked, applied, group_updated, updated

T = TypeVar("T")

# What makes a job at work stop: it begins nothing new while they are decided.
_STOPPING_VERBS = frozenset({Verb.PAUSE, Verb.CANCEL})

# How soon the timer tries again when the store could not answer.
AGAIN = 1 * SECOND

_log = structlog.get_logger(__name__)


class Phase(Enum):
    STARTING = "starting"
    SERVING = "serving"
    STOPPING = "stopping"


class Scheduler:
    """Every call blocks until its outcome is durable; callers bring their threads.
    What ends in -ing begins, and promises the outcome.

    `random` makes the ids of jobs.
    """

    def __init__(
        self,
        *,
        journal: Journal,
        reader: Reader,
        drivers: Mapping[str, Driver],
        clock: Clock,
        settings: Settings,
        fail_point: FailPoint,
        random: RandomBytes = os.urandom,
    ) -> None:
        # Replaced as a whole.
        self.settings = settings
        # Set once.
        self._journal = journal
        self._drivers = drivers
        self._clock = clock
        self._fail_point = fail_point
        self._stopping = threading.Event()
        self._queue = Queue(settings.slots, settings.slots_per_device)
        shifts = Shifts()
        self._decisions = Decisions(self._queue, shifts, settings.retention)
        reports = Reports(journal, self._decisions, clock, self._stopping)
        self._pool = Pool()
        throttles = Throttles(settings.rate, settings.device_rate)
        self._runner = Runner(
            driver_of=self._driver_of,
            reports=reports,
            throttles=throttles,
            pool=self._pool,
            clock=clock,
            fail_point=fail_point,
        )
        self._recogniser = Recogniser(self._pool, drivers)
        self._sweeper = Sweeper(journal, reader, self._decisions)
        self._timer = Timer(clock, self._ring)
        self._cycle = Cycle(
            decisions=self._decisions,
            shifts=shifts,
            runner=self._runner,
            rechecker=Rechecker(journal, self._decisions, self._driver_of),
            sweeper=self._sweeper,
            pool=self._pool,
            timer=self._timer,
            epoch=settings.epoch,
        )
        self._admission = Admission(
            self._decisions, self._driver_of, settings, clock, random
        )
        self.limits = SharedLimits(
            daemon=settings.rate,
            device=settings.device_rate,
            journal=journal,
            reader=reader,
            throttles=throttles,
            clock=clock,
            wake=self._runner.look_again,
        )
        self.progress_board = ProgressBoard(self._runner.running, clock)
        # Changes once each way.
        self._phase = Phase.STARTING

    # Life of the daemon.

    @property
    def on_change(self) -> list[Listener]:
        """Who hears of durable changes, in order, on the journal's thread."""
        return self._cycle.listeners

    @property
    def on_adopt(self) -> list[Adopter]:
        """Who hears of the jobs that the last daemon left, before the first change."""
        return self._cycle.adopters

    def start(self) -> None:
        """Take over what the last daemon left, and serve."""
        self._journal.start(
            before_commit=self._cycle.before_commit, on_commit=self._cycle.on_commit
        )
        self.limits.load()
        self._fail_point("recover.adopting")
        nodes = self._recogniser.look(self._run(_unfinished))
        self._run(partial(self._cycle.adopt, nodes))
        self._fail_point("recover.adopted")
        self._timer.start()
        self._phase = Phase.SERVING

    def configure(self, settings: Settings) -> None:
        """Take over other limits and ages; what is at work goes on under them."""

        def decide(_: Transaction) -> None:
            self._queue.slots.in_all = settings.slots
            self._queue.slots.per_device = settings.slots_per_device
            self._admission.max_jobs = settings.max_jobs
            self._admission.max_jobs_per_owner = settings.max_jobs_per_owner
            self._decisions.retention = settings.retention
            self.settings = settings

        self._run(decide)
        self.limits.configure(daemon=settings.rate, device=settings.device_rate)

    def drain(self, timeout: float) -> None:
        """Start nothing more, stop workers at a checkpoint, close the journal.

        Jobs stay as they are on record; the next start takes them up. Who has
        not stopped when time is up finds the journal closed.
        """
        self._phase = Phase.STOPPING
        self._fail_point("drain.stopping")
        self._cycle.is_open = False
        self._timer.stop()
        self._runner.stop()
        self._stopping.set()
        if not self._pool.join(timeout):
            _log.warning("drain_timed_out", seconds=timeout)
        self._journal.stop()

    # Jobs.

    def create(
        self,
        new: NewJob,
        caller: Caller,
        *,
        request_id: str = "",
        body: str = "",
        traceparent: str = "",
        validate_only: bool = False,
    ) -> Created:
        return self.creating(
            new,
            caller,
            request_id=request_id,
            body=body,
            traceparent=traceparent,
            validate_only=validate_only,
        ).result()

    def creating(
        self,
        new: NewJob,
        caller: Caller,
        *,
        request_id: str = "",
        body: str = "",
        traceparent: str = "",
        validate_only: bool = False,
    ) -> "Future[Created]":
        """As create(), but waits for the files alone, not for the outcome."""
        self._check_serving()
        request = Request(caller, request_id, body, traceparent)
        decide = self._admission.one(new, request, validate_only=validate_only)
        self._fail_point("job.creating")
        return self._journal.submit(self._decisions.body(decide), one_answer)

    def create_group(
        self,
        members: Sequence[NewJob],
        caller: Caller,
        *,
        group: NewGroup | None = None,
        request_id: str = "",
        body: str = "",
        traceparent: str = "",
        validate_only: bool = False,
    ) -> tuple[list[Job], bool]:
        """All members or none; the flag says that an earlier call made them."""
        self._check_serving()
        request = Request(caller, request_id, body, traceparent)
        decide = self._admission.group(
            group or NewGroup(), members, request, validate_only=validate_only
        )
        self._fail_point("job.creating")
        return self._journal.run(self._decisions.body(decide), group_answer)

    def plan(self, new: NewJob, caller: Caller) -> Planned:
        """What would be; nothing is reserved, nothing written."""
        check(new)
        plan = self._driver_of(new.kind).plan(new.spec)
        return self._run(planned(new, plan, self._queue))

    def apply(
        self,
        verb: Verb,
        job_id: str,
        caller: Caller,
        *,
        expected_revision: int | None = None,
        comment: str = "",
        force: bool = False,
        mode: CompletionMode = CompletionMode.SWITCH,
    ) -> Job:
        """Every verb but UPDATE. DISMISS answers the job as it was last.

        `force` is for kinds that wait for a backend. Those on files never do: they
        stop after the request in flight, so there it changes nothing.
        """
        asked = Asked(verb, job_id, caller, expected_revision, comment, mode)
        decide = applied(asked, self._drivers, self._decisions)
        with self._awaiting(asked):
            return self._run(decide)

    def _awaiting(self, asked: Asked) -> AbstractContextManager[None]:
        control = None
        if asked.verb in _STOPPING_VERBS:
            control = self._runner.control(self._queue.number(asked.job_id) or 0)
        return nullcontext() if control is None else control.awaiting_verdict()

    def update(
        self,
        job_id: str,
        change: Callable[[Options], Options],
        caller: Caller,
        *,
        expected_revision: int | None = None,
    ) -> Job:
        asked = Asked(Verb.UPDATE, job_id, caller, expected_revision)
        return self._run(updated(asked, change, self._decisions))

    def update_group(
        self, group_id: str, change: Callable[[RateLimit], RateLimit]
    ) -> list[Job]:
        """Change what the jobs of a group share; those that have not ended."""
        return self._run(group_updated(group_id, change, self._decisions))

    # Looks: none of them waits for a commit.

    def progress(self, number: int) -> Progress | None:
        """The newest sample of a job at work; None if it is not."""
        control = self._runner.control(number)
        return None if control is None else control.meter.sample()

    def running(self) -> list[Running]:
        """The jobs at work, and where they count."""
        return self._runner.running()

    def holders(self, node_key: str) -> list[str]:
        """The jobs that hold a node now."""
        jobs = map(self._queue.job, self._queue.holds.holders(node_key))
        return [job.job_id for job in jobs if job is not None]

    # Inside.

    def _run(self, decide: Body[T]) -> T:
        return self._journal.run(self._decisions.body(decide))

    def _driver_of(self, kind: str) -> Driver:
        driver = self._drivers.get(kind)
        if driver is None:
            raise ServiceError(
                Kind.JOB_TYPE_UNSUPPORTED,
                f"This daemon does not serve jobs of kind {kind}",
                job_type=kind,
            )
        return driver

    def _check_serving(self) -> None:
        match self._phase:
            case Phase.STARTING:
                raise ServiceError(Kind.SERVER_STARTING, "The daemon is starting")
            case Phase.STOPPING:
                raise ServiceError(Kind.SERVER_STOPPING, "The daemon is stopping")
            case Phase.SERVING:
                pass

    def _ring(self) -> None:
        """Something is due: an empty body lets the next batch look."""
        try:
            self._sweeper.sweep(self._clock.wall())
            self._run(_nothing)
        except ServiceError as error:
            _log.warning("sweep_delayed", error=str(error))
            self._timer.set(self._clock.wall() + AGAIN)


def _unfinished(tx: Transaction) -> list[Job]:
    return list(tx.live().values())


def _nothing(_: Transaction) -> None:
    """A batch of its own, for what the clock alone brings about."""
