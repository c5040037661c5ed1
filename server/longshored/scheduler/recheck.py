"""Looking again, for a queued job, whether a foreign process still has its images."""

from collections.abc import Callable

from ..drivers.base import Driver
from ..errors import Kind, ServiceError
from ..job import life
from ..job.model import Failure, Job
from ..job.nodes import Node, clashes
from ..job.replace import replace
from ..job.states import State
from ..store.journal import Journal
from ..store.transaction import Transaction
from .decide import Decisions
from .pick import awaits_look
from .reports import foreign

# A foreign process has the images; or the daemon has no descriptor left to look.
_PASSING = frozenset({Kind.TARGET_BUSY, Kind.RATE_LIMIT})


class Rechecker:
    """Looks at files, so never on the journal's thread."""

    def __init__(
        self,
        journal: Journal,
        decisions: Decisions,
        driver_of: Callable[[str], Driver],
    ) -> None:
        # Set once.
        self._journal = journal
        self._decisions = decisions
        self._driver_of = driver_of

    def look(self, job: Job) -> None:
        """Look, and say what was found; whoever waits is told by the journal."""
        found = self._look(job)

        def decide(tx: Transaction) -> None:
            now = tx.live().get(job.number)
            if now is not None and now.state is State.QUEUED and awaits_look(now):
                self._answer(tx, now, found)

        self._journal.submit(self._decisions.body(decide))

    def _look(self, job: Job) -> tuple[Node, ...] | ServiceError:
        try:
            return self._driver_of(job.kind).nodes(job.spec)
        except ServiceError as error:
            return error

    def _answer(
        self, tx: Transaction, job: Job, found: tuple[Node, ...] | ServiceError
    ) -> None:
        if not isinstance(found, ServiceError):
            # A job that has begun holds what it held, whatever the files say now.
            nodes = found if job.start_time is None else job.nodes
            seen = replace(job, nodes=nodes, pending=None, is_unseen=False)
            if (failure := self._fellow_in_the_way(tx, seen)) is not None:
                seen = life.failed(job, failure, tx.now)
            self._decisions.put(tx, seen)
        elif found.kind in _PASSING:
            self._decisions.queue.defer(job.number, tx.now)
            self._decisions.put(tx, life.waits(job, foreign(found)))
        else:
            failure = Failure(found.kind, found.message, dict(found.facts))
            self._decisions.put(tx, life.failed(job, failure, tx.now))

    def _fellow_in_the_way(self, tx: Transaction, job: Job) -> Failure | None:
        """Members of a group wait for each other, so one must not need what another
        has. Of those that could be looked at admission has said so."""
        group_id = None if job.group is None else job.group.group_id
        numbers = [] if group_id is None else self._decisions.queue.group(group_id)
        for fellow in map(tx.by_number, numbers):
            clash = next(clashes(job.nodes, fellow.nodes), None)
            if fellow.number != job.number and clash is not None:
                return _never_both(job, fellow, clash.wanted.uri)
        return None


def _never_both(job: Job, fellow: Job, uri: str) -> Failure:
    return Failure(
        Kind.TARGET_BUSY,
        f"Jobs {fellow.job_id} and {job.job_id} of the group cannot both have {uri}: "
        "they would wait for each other for ever",
        {"target": uri, "blocking_job_id": fellow.job_id},
    )
