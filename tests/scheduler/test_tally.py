"""What jobs add up to: each transition, byte and second once, also over a restart."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from longshored.clock import SECOND
from longshored.drivers.meter import Meter
from longshored.errors import Kind
from longshored.job import life
from longshored.job.model import Failure, Holder, Job, Options, Pause, Worker
from longshored.job.progress import Ledger, Progress
from longshored.job.states import State
from longshored.scheduler.progress import Running
from longshored.scheduler.tally import Ended, JobTally, Move, Moved
from longshored.store.change import Change, ChangeKind
from tests.job.jobs import a_job
from tests.support.clock import MONDAY, FakeClock
from tests.support.drivers import KIND, node

WORKER = Worker("worker-1", attempt=1, epoch=1)
NODES = (node("top", device="8:1"), node("base", reads=True, device="8:2"))


class Books:
    """A tally, and a store's word on one job's changes."""

    def __init__(self, *running: Running) -> None:
        self.running = list(running)
        self.tally = JobTally(lambda: self.running)
        self.job: Job | None = None

    def tells(self, job: Job) -> Job:
        before, self.job = self.job, job
        kind = ChangeKind.CREATED if before is None else ChangeKind.UPDATED
        previous = None if before is None else before.state
        time = job.history[-1].time
        if before is not None and job.state is before.state:
            time = max(time, job.progress.sample_time)
        self.tally.note([Change(1, kind, job, previous, time)])
        return job


def born(at: int = MONDAY) -> Job:
    return life.create(a_job(number=7, nodes=NODES, create_time=at), at)


def running(at: int = MONDAY) -> Job:
    return life.started(born(), WORKER, at)


def progressed(job: Job, at: int, **fields: Any) -> Job:
    ledger = Ledger(throttled=fields.pop("throttled", 0))
    progress = Progress(ledger=ledger, sample_time=at, **fields)
    return replace(job, progress=progress)


@pytest.fixture
def books() -> Books:
    return Books()


def test_every_state_that_is_entered_counts_once(books: Books) -> None:
    job = books.tells(born())
    job = books.tells(life.started(job, WORKER, MONDAY))
    books.tells(progressed(job, MONDAY + 1, read=5))
    moves = books.tally.look(MONDAY).moves
    assert moves == {
        Move(KIND, State.QUEUED, ""): 1,
        Move(KIND, State.RUNNING, ""): 1,
    }


def test_a_failure_is_counted_with_its_kind(books: Books) -> None:
    job = books.tells(running())
    failure = Failure(Kind.IO_ERROR, "Cannot read /images/secret")
    job = books.tells(life.failed(job, failure, MONDAY))
    books.tells(life.ended(job, MONDAY))
    moves = books.tally.look(MONDAY).moves
    assert moves[Move(KIND, State.FAILED, "IO_ERROR")] == 1


def test_a_pause_is_counted_with_its_holder_and_shown_while_it_lasts(
    books: Books,
) -> None:
    job = books.tells(running())
    held = life.hold(job, Pause(Holder.ERROR_POLICY, "disk full", MONDAY, ""))
    job = books.tells(life.parked(held, MONDAY))
    look = books.tally.look(MONDAY)
    assert look.moves[Move(KIND, State.PAUSED, "error-policy")] == 1
    assert look.pauses == {(KIND, "error-policy"): 1}
    books.tells(life.unparked(replace(job, pauses=()), MONDAY))
    assert books.tally.look(MONDAY).pauses == {}


def test_bytes_are_counted_by_the_device_they_crossed(books: Books) -> None:
    job = books.tells(running())
    job = books.tells(progressed(job, MONDAY + 1, read=10, written=4, zeroed=2))
    books.tells(progressed(job, MONDAY + 2, read=15, written=4, zeroed=2, skipped=1))
    assert books.tally.look(MONDAY).bytes == {
        Moved("read", "8:2"): 15,
        Moved("written", "8:1"): 4,
        Moved("zeroed", "8:1"): 2,
        Moved("skipped", "8:1"): 1,
    }


def test_what_a_worker_says_is_not_counted_again_when_it_is_stored() -> None:
    clock = FakeClock()
    meter = Meter(clock)
    books = Books(Running(7, "job-1", meter))
    job = books.tells(running())
    meter.count(read=8)
    early = meter.sample()
    clock.advance(1)
    meter.count(read=2)
    assert books.tally.look(clock.wall()).bytes == {Moved("read", "8:2"): 10}
    books.tells(replace(job, progress=early))
    books.tells(replace(job, progress=meter.sample()))
    assert books.tally.look(clock.wall()).bytes == {Moved("read", "8:2"): 10}


def test_what_an_earlier_life_did_is_not_ours(books: Books) -> None:
    old = progressed(running(), MONDAY, read=100, throttled=7)
    books.tally.adopt([old])
    books.job = old
    books.tells(progressed(old, MONDAY + 1, read=101, throttled=8))
    look = books.tally.look(MONDAY)
    assert look.bytes == {Moved("read", "8:2"): 1}
    assert look.throttled == {KIND: 1.0}


def test_times_are_from_birth_to_first_run_and_from_there_to_the_end(
    books: Books,
) -> None:
    job = books.tells(born())
    job = books.tells(life.started(job, WORKER, MONDAY + 2 * SECOND))
    job = books.tells(life.move(job, State.PENDING, MONDAY + 5 * SECOND, ""))
    books.tells(life.succeeded(job, MONDAY + 32 * SECOND))
    look = books.tally.look(MONDAY)
    assert look.queued[KIND].sum == pytest.approx(2.0)
    ran = look.ran[Ended(KIND, State.SUCCEEDED)]
    assert ran.count == 1
    assert ran.sum == pytest.approx(30.0)


def ages(books: Books, *seconds: int) -> Iterable[float]:
    return [
        books.tally.look(MONDAY + second * SECOND).unsaved[KIND] for second in seconds
    ]


def test_the_age_of_a_checkpoint_grows_until_the_next(books: Books) -> None:
    job = books.tells(running())
    assert ages(books, 0, 9) == [0.0, 9.0]
    meter = Meter(FakeClock())
    books.running.append(Running(7, "job-1", meter, MONDAY + 9 * SECOND))
    assert ages(books, 9, 10) == [0.0, 1.0]
    # A change of its options saves nothing.
    books.tells(replace(job, options=Options(priority=1)))
    assert ages(books, 10) == [1.0]


def test_a_job_that_does_not_work_has_no_checkpoint_to_worry_about(
    books: Books,
) -> None:
    held = life.hold(running(), Pause(Holder.USER, "", MONDAY, "ada"))
    books.tells(life.parked(held, MONDAY))
    assert books.tally.look(MONDAY + 9 * SECOND).unsaved == {}


def test_a_job_that_has_ended_is_forgotten(books: Books) -> None:
    job = books.tells(running())
    job = books.tells(life.move(job, State.PENDING, MONDAY, ""))
    books.tells(life.succeeded(job, MONDAY))
    look = books.tally.look(MONDAY + 99 * SECOND)
    assert (look.unsaved, look.pauses) == ({}, {})
