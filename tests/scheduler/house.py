"""A scheduler over a real store, for tests: made, watched, crashed, drained."""

import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from longshored.clock import Clock, SystemClock
from longshored.drivers.base import Driver, FailPoint, by_kind
from longshored.job.model import Job, Options
from longshored.job.states import State, Verb
from longshored.scheduler import failpoints
from longshored.scheduler.newjob import Caller, NewJob, OnConflict
from longshored.scheduler.scheduler import Scheduler
from longshored.scheduler.settings import Settings
from longshored.store.change import Change
from longshored.store.database import open_database
from longshored.store.journal import Journal
from longshored.store.reader import Reader
from tests.support.drivers import KIND, spec

ALICE = Caller("alice")

# How long a test waits for what must come; never how long it takes.
PATIENCE = 20.0


class House:
    """One life of the daemon's core on a state directory."""

    def __init__(
        self,
        directory: Path,
        driver: Driver,
        *,
        clock: Clock | None = None,
        fail_point: FailPoint = failpoints.inert,
        **settings: Any,
    ) -> None:
        self.directory = directory
        self.driver = driver
        self.clock: Clock = clock or SystemClock()
        self._settings = settings
        self._changed = threading.Condition()
        self.changes: list[Change] = []
        self._database = open_database(directory, host="here")
        self.journal = Journal(self._database, self.clock)
        self.reader = Reader(self._database)
        self.scheduler = Scheduler(
            journal=self.journal,
            reader=self.reader,
            drivers=by_kind([driver]),
            clock=self.clock,
            settings=Settings(host="here", epoch=self._database.meta.epoch, **settings),
            fail_point=fail_point,
        )
        self.scheduler.on_change.append(self._note)
        self.scheduler.start()
        self._is_closed = False

    def _note(self, changes: Sequence[Change]) -> None:
        with self._changed:
            self.changes.extend(changes)
            self._changed.notify_all()

    # Asking.

    def create(
        self,
        name: str,
        *,
        on_conflict: OnConflict = OnConflict.FAIL,
        after: tuple[str, ...] = (),
        labels: Mapping[str, str] | None = None,
        request_id: str = "",
        body: str = "",
        **options: Any,
    ) -> Job:
        """A job on an image; its id is the name of the image unless that is taken."""
        new = self.new(name, on_conflict=on_conflict, after=after, **options)
        created = self.scheduler.create(new, ALICE, request_id=request_id, body=body)
        return created.job

    def new(
        self,
        name: str,
        *,
        job_id: str = "",
        on_conflict: OnConflict = OnConflict.FAIL,
        after: tuple[str, ...] = (),
        **options: Any,
    ) -> NewJob:
        return NewJob(
            spec=spec(name),
            kind=KIND,
            job_id=job_id,
            options=Options(**options),
            after=after,
            on_conflict=on_conflict,
        )

    def group(self, *names: str, **options: Any) -> list[Job]:
        members = [self.new(name, **options) for name in names]
        return self.scheduler.create_group(members, ALICE)[0]

    def apply(self, verb: Verb, job: Job, **more: Any) -> Job:
        return self.scheduler.apply(verb, job.job_id, ALICE, **more)

    def get(self, job: Job) -> Job:
        return self.reader.get(job.job_id)

    # Watching.

    def wait(self, job: Job, *states: State) -> Job:
        """Wait until a job is in one of the states; the job as it then is."""
        return self.wait_until(job, lambda now: now.state in states)

    def wait_until(self, job: Job, holds: Callable[[Job], bool]) -> Job:
        with self._changed:
            assert self._changed.wait_for(
                lambda: holds(self._last(job) or job), PATIENCE
            ), f"still {self._last(job)}"
            return self._last(job) or job

    def wait_removed(self, job: Job) -> None:
        with self._changed:
            assert self._changed.wait_for(
                lambda: any(
                    change.kind.value == "removed" and change.job.number == job.number
                    for change in self.changes
                ),
                PATIENCE,
            )

    def wait_news(self, seen: int) -> None:
        """Wait until there are more changes than so many."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.changes) > seen, PATIENCE)

    def _last(self, job: Job) -> Job | None:
        for change in reversed(self.changes):
            if change.job.number == job.number:
                return change.job
        return None

    def states(self, job: Job) -> list[State]:
        """Every state that the job passed through, in order."""
        found: list[State] = []
        with self._changed:
            for change in self.changes:
                state = change.job.state
                if change.job.number == job.number and found[-1:] != [state]:
                    found.append(state)
        return found

    # Ending.

    def crash(self, driver: Driver | None = None, **settings: Any) -> "House":
        """What a machine finds after the power went: the files as they are now."""
        copy = self.directory.with_name(self.directory.name + "+")
        shutil.copytree(self.directory, copy)
        return House(
            copy,
            driver or self.driver,
            clock=self.clock,
            **{**self._settings, **settings},
        )

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self.scheduler.drain(PATIENCE)
            self.reader.close()
            self._database.close()
