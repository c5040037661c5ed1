"""Random wishes against a whole scheduler: whatever is asked, the rules hold.

Jobs are created, paused, resumed, cancelled, finalised, let finish and made to
fail in any order; then everyone is let go. Every job must come to an end, pass
only through moves of the table, and leave nothing held.
"""

import tempfile
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    rule,
    run_state_machine_as_test,
)

from longshored.drivers.base import Context
from longshored.errors import Kind, ServiceError
from longshored.job.model import Job
from longshored.job.states import MOVES, State, Verb
from longshored.scheduler.newjob import OnConflict
from tests.scheduler.house import ALICE, House
from tests.support.drivers import Scripted, Steady, node

IMAGES = ("a", "b", "c")
INDEX = st.integers(0, 1000)
VERBS = (Verb.PAUSE, Verb.RESUME, Verb.CANCEL, Verb.FINALIZE)


class Anything(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.TemporaryDirectory()
        self.driver = Scripted()
        self.runs: dict[str, Steady] = {}
        self.broken: set[str] = set()
        self.jobs: list[Job] = []
        self.house = House(Path(self.directory.name) / "s", self.driver, slots=2)

    def script(self, name: str) -> str:
        """An image of its own for each job, over nodes that jobs share."""
        image = f"{name}{len(self.runs)}"
        run = self.runs[image] = Steady()
        self.driver.script(image, nodes=(node(name),), run=self.run_of(image, run))
        return image

    def run_of(self, image: str, run: Steady) -> Callable[[Context], None]:
        def go(context: Context) -> None:
            run(context)
            if image in self.broken:
                raise ServiceError(Kind.IO_ERROR, "Broken")

        return go

    @rule(name=st.sampled_from(IMAGES), queue=st.booleans(), by_hand=st.booleans())
    def create(self, name: str, queue: bool, by_hand: bool) -> None:
        on_conflict = OnConflict.QUEUE if queue else OnConflict.FAIL
        image = self.script(name)
        with suppress(ServiceError):
            job = self.house.create(
                image, on_conflict=on_conflict, auto_finalize=not by_hand
            )
            self.jobs.append(job)

    @rule(names=st.lists(st.sampled_from(IMAGES), min_size=1, max_size=3, unique=True))
    def create_group(self, names: list[str]) -> None:
        members = [
            self.house.new(self.script(name), on_conflict=OnConflict.QUEUE)
            for name in names
        ]
        jobs, _ = self.house.scheduler.create_group(members, ALICE)
        self.jobs.extend(jobs)

    # Which jobs there are depends on how fast workers are; what is drawn must not.
    @rule(index=INDEX, verb=st.sampled_from(VERBS))
    def ask(self, index: int, verb: Verb) -> None:
        if not self.jobs:
            return
        job = self.jobs[index % len(self.jobs)]
        try:
            self.house.apply(verb, job)
        except ServiceError as error:
            if error.kind is not Kind.ACTION_NOT_ALLOWED:
                raise

    @rule(index=INDEX, fails=st.booleans())
    def finish(self, index: int, fails: bool) -> None:
        if not self.runs:
            return
        image = sorted(self.runs)[index % len(self.runs)]
        if fails:
            self.broken.add(image)
        self.runs[image].finish.set()

    def teardown(self) -> None:
        try:
            self.let_everyone_go()
            for job in self.jobs:
                self.check(job)
            for name in IMAGES:
                assert self.house.scheduler.holders(name) == []
            assert len(self.house.scheduler._queue) == 0
        finally:
            self.house.close()
            self.directory.cleanup()

    def let_everyone_go(self) -> None:
        for run in self.runs.values():
            run.finish.set()
        for job in self.jobs:
            with suppress(ServiceError):
                self.house.apply(Verb.RESUME, job)
        # One that waits for its finalise may keep others out, so all are asked
        # again after each change.
        while self.unfinished():
            seen = len(self.house.changes)
            for job in self.unfinished():
                with suppress(ServiceError):
                    self.house.apply(Verb.FINALIZE, job)
            if self.unfinished():
                self.house.wait_news(seen)

    def unfinished(self) -> list[Job]:
        return [job for job in self.jobs if not self.house.get(job).is_final]

    def check(self, job: Job) -> None:
        passed = self.house.states(job)
        for old, new in pairwise(passed):
            assert new in MOVES[old]
        calls = self.driver.calls(job.job_id)
        assert calls.count("start") == calls.count("clean")
        assert not ("commit" in calls and "abort" in calls)
        ended = self.house.get(job)
        assert (ended.state is State.SUCCEEDED) == ("commit" in calls)
        assert (ended.failure is None) == (ended.state is State.SUCCEEDED)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_whatever_is_asked_every_job_ends_by_the_rules() -> None:
    run_state_machine_as_test(
        Anything,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
