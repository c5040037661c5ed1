"""What happens around each batch of the journal: who starts, who is told.

At the end of a batch, still inside it, windows turn and queued jobs start: a
job that is created and may run is RUNNING with the same commit. After it,
attempts begin and controls hear what is durable now.
"""

from collections.abc import Callable, Sequence
from functools import partial

from ..clock import SECOND, Instant
from ..job import life
from ..job.model import Job, PendingReason
from ..job.progress import Ledger, Progress
from ..job.replace import replace
from ..job.states import State
from ..store.change import Change
from ..store.transaction import Transaction
from .decide import Decisions
from .pick import Recheck, Start, Wait
from .pool import Pool
from .recheck import Rechecker
from .recognise import Nodes
from .recover import adopted, next_worker, recognised
from .runner import Runner
from .shifts import Shifts, turned
from .sweep import Sweeper
from .timer import Timer

Listener = Callable[[Sequence[Change]], None]
Adopter = Callable[[Sequence[Job]], None]

_TAKES_WORKER = frozenset({State.RUNNING, State.ABORTING})


class Cycle:
    """The journal's two hooks. Only for its thread."""

    def __init__(
        self,
        *,
        decisions: Decisions,
        shifts: Shifts,
        runner: Runner,
        rechecker: Rechecker,
        sweeper: Sweeper,
        pool: Pool,
        timer: Timer,
        epoch: int,
    ) -> None:
        # Set once.
        self._decisions = decisions
        self._queue = decisions.queue
        self._shifts = shifts
        self._runner = runner
        self._rechecker = rechecker
        self._sweeper = sweeper
        self._pool = pool
        self._timer = timer
        self._epoch = epoch
        self.listeners: list[Listener] = []
        self.adopters: list[Adopter] = []
        # False until jobs are adopted, and again when the daemon stops.
        self.is_open = False
        # What earlier attempts left for those that begin with this commit.
        self._saved: dict[int, bytes | None] = {}

    def adopt(self, nodes: Nodes, tx: Transaction) -> None:
        """The first body: take over what the last daemon left, and open.

        `nodes` are those that are called otherwise now.
        """
        jobs = [recognised(job, nodes) for job in tx.live().values()]
        for adopter in self.adopters:
            adopter(jobs)
        for job in jobs:
            self._decisions.notice(job)
        for job in jobs:
            taken = adopted(job, tx.now, self._epoch)
            if taken.state in _TAKES_WORKER:
                self._saved[job.number] = tx.checkpoint(job.number)
            self._decisions.put(tx, taken)
        self.is_open = True

    def before_commit(self, tx: Transaction) -> None:
        self._decisions.seal(tx)
        if not self.is_open:
            return
        try:
            self._decide(tx)
        except Exception:
            # A bug: the journal takes back what was decided here.
            self._decisions.lose()
            raise

    def _decide(self, tx: Transaction) -> None:
        for number in self._shifts.due(tx.now):
            self._decisions.put(tx, turned(tx.by_number(number), tx.now))
        for decision in self._queue.decide(tx.now):
            match decision:
                case Start(number):
                    self._start(tx, tx.by_number(number))
                case Wait(number, pending):
                    job = life.waits(tx.by_number(number), pending)
                    self._decisions.put(tx, job)
                case Recheck(number):
                    job = tx.by_number(number)
                    self._pool.run(partial(self._rechecker.look, job))
        self._set_timer()

    def on_commit(self, changes: Sequence[Change]) -> None:
        self._decisions.committed()
        last = {change.job.number: change.job for change in changes}
        for job in last.values():
            self._react(job)
        self._set_timer()
        for listener in self.listeners:
            listener(changes)

    def _react(self, job: Job) -> None:
        if job.is_final:
            self._runner.ended(job)
            self._sweeper.note(job)
        elif job.worker is None or job.worker.epoch != self._epoch:
            return
        elif self._runner.has(job):
            self._runner.tell(job)
        elif job.state in _TAKES_WORKER:
            self._runner.begin(job, self._saved.pop(job.number, None))

    def _start(self, tx: Transaction, job: Job) -> None:
        if job.attempts:
            self._saved[job.number] = tx.checkpoint(job.number)
        else:
            job = replace(job, progress=_waited(job, tx.now))
        self._decisions.put(
            tx, life.started(job, next_worker(job, self._epoch), tx.now)
        )

    def _set_timer(self) -> None:
        if self.is_open:
            times = (self._queue.next_time(), self._shifts.next_time())
            due = [time for time in times if time is not None]
            self._timer.set(min([self._sweeper.due, *due]))


def _waited(job: Job, now: Instant) -> Progress:
    """The ledger begins with the time in the queue, by what it was spent on last."""
    seconds = max(0.0, (now - job.create_time) / SECOND)
    held = job.pending is not None and job.pending.reason is PendingReason.HOLD
    ledger = Ledger(hold_wait=seconds) if held else Ledger(queued=seconds)
    return replace(job.progress, ledger=ledger)
