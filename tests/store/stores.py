"""A real store in a temporary directory, with a clock that stands still."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from longshored.job.model import Job
from longshored.store.change import Change
from longshored.store.commit import Show
from longshored.store.database import Database, open_database
from longshored.store.journal import Journal
from longshored.store.reader import Reader
from longshored.store.retain import Retention
from tests.support.clock import FakeClock


@dataclass
class Store:
    database: Database
    journal: Journal
    reader: Reader
    clock: FakeClock
    told: list[Change] = field(default_factory=list)

    def add(self, draft: Job) -> Job:
        return self.journal.run(lambda tx: tx.add(draft))

    def put(self, job: Job) -> Job:
        return self.journal.run(lambda tx: tx.put(job))

    def remove(self, job: Job) -> None:
        self.journal.run(lambda tx: tx.remove(job))


@contextmanager
def opened(
    directory: Path,
    *,
    clock: FakeClock | None = None,
    retention: Retention | None = None,
    show: Show = lambda _: None,
) -> Iterator[Store]:
    """Open the store of a directory; it stops and closes in good order."""
    database = open_database(directory, host="testhost")
    clock = clock or FakeClock()
    journal = Journal(database, clock, retention=retention, show=show)
    store = Store(database, journal, Reader(database), clock)

    def hear(changes: Sequence[Change]) -> None:
        store.told.extend(changes)

    journal.start(before_commit=lambda _: None, on_commit=hear)
    try:
        yield store
    finally:
        journal.stop()
        store.reader.close()
        database.close()
