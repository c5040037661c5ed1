"""Removing jobs that are kept long enough: when to look, and a few at a time."""

from contextlib import suppress
from functools import partial

from ..clock import SECOND, Instant
from ..errors import ServiceError
from ..job.model import Job
from ..store.journal import Journal
from ..store.reader import Reader
from ..store.transaction import Transaction
from .decide import Decisions

# Jobs that end set the next look themselves if they go sooner than this.
PERIOD = 60 * SECOND

# Removed in one transaction: enough to keep up, too few to be felt as a pause.
STEP = 200


class Sweeper:
    """Knows when the next job expires, as far as that is soon."""

    def __init__(self, journal: Journal, reader: Reader, decisions: Decisions) -> None:
        # Set once.
        self._journal = journal
        self._reader = reader
        self._decisions = decisions
        # Written on the journal's thread and the timer's; a look too many or one
        # that is late by a period does no harm.
        self.due: Instant = 0

    def note(self, job: Job) -> None:
        """A job has ended."""
        if job.expire_time is not None:
            self.due = min(self.due, job.expire_time)

    def sweep(self, now: Instant) -> None:
        """Remove what has expired. Not on the journal's thread."""
        if now < self.due:
            return
        self.due = now + PERIOD
        while expired := self._reader.expired(now, STEP):
            self._journal.run(self._decisions.body(partial(_remove, expired)))
            if len(expired) < STEP:
                return


def _remove(job_ids: list[str], tx: Transaction) -> None:
    for job_id in job_ids:
        with suppress(ServiceError):  # dismissed meanwhile
            tx.remove(tx.get(job_id))
