"""What users ask, and who wins when a worker is faster: races as names."""

import pytest

from longshored.errors import Kind, ServiceError
from longshored.job.model import RateLimit
from longshored.job.states import State, Verb
from tests.scheduler.house import ALICE, House
from tests.support.drivers import Gate, Scripted, Steady

S = State


def test_a_job_passes_through_every_state_to_its_end(house: House) -> None:
    job = house.create("a")
    house.wait(job, S.SUCCEEDED)
    assert house.states(job) == [S.QUEUED, S.RUNNING, S.PENDING, S.SUCCEEDED]


def test_calls_of_a_work_come_in_order_and_clean_is_last(
    house: House, driver: Scripted
) -> None:
    job = house.create("a")
    house.wait(job, S.SUCCEEDED)
    expected = ["start", "run", "prepare", "commit", "clean"]
    assert driver.calls(job.job_id) == expected


def test_cancel_of_a_queued_job_needs_no_worker(house: House, driver: Scripted) -> None:
    job = house.create("a", earliest_start_time=1 << 62)
    assert house.apply(Verb.CANCEL, job).state is S.CANCELLED
    assert driver.calls(job.job_id) == []


def test_cancel_of_a_running_job_is_unwound_by_its_worker(
    house: House, driver: Scripted
) -> None:
    run = Steady()
    driver.script("a", run=run)
    job = house.create("a")
    assert run.begun.wait(20)
    assert house.apply(Verb.CANCEL, job, comment="wrong one").state is S.ABORTING
    ended = house.wait(job, S.CANCELLED)
    assert ended.failure is not None
    assert ended.failure.facts == {"by": "alice", "comment": "wrong one"}
    assert driver.calls(job.job_id) == ["start", "run", "abort", "clean"]


def test_cancel_twice_changes_nothing(house: House, driver: Scripted) -> None:
    gate = Gate()
    driver.script("a", run=gate)
    job = house.create("a")
    assert gate.reached.wait(20)
    first = house.apply(Verb.CANCEL, job)
    assert house.apply(Verb.CANCEL, job) == first
    gate.open.set()
    house.wait(job, S.CANCELLED)


def test_cancel_of_a_worker_that_finished_unaware_is_cancelled(
    house: House, driver: Scripted
) -> None:
    gate = Gate()
    driver.script("a", run=gate)
    job = house.create("a")
    assert gate.reached.wait(20)
    house.apply(Verb.CANCEL, job)
    gate.open.set()
    house.wait(job, S.CANCELLED)
    assert driver.calls(job.job_id) == ["start", "run", "abort", "clean"]


def test_cancel_after_finalise_began_is_succeeded(
    house: House, driver: Scripted
) -> None:
    gate = Gate()
    driver.script("a", prepare=gate)
    job = house.create("a")
    assert gate.reached.wait(20)
    asked = house.apply(Verb.CANCEL, job)
    assert asked.state is S.PENDING
    assert asked.wanted.cancel is not None
    gate.open.set()
    assert house.wait(job, S.SUCCEEDED).result is not None


def test_cancel_of_a_job_that_waits_for_finalise_discards_its_work(
    house: House, driver: Scripted
) -> None:
    job = house.create("a", auto_finalize=False)
    house.wait(job, S.PENDING)
    house.apply(Verb.CANCEL, job)
    house.wait(job, S.CANCELLED)
    assert driver.calls(job.job_id) == ["start", "run", "abort", "clean"]


def test_finalise_by_hand_makes_the_result_visible(house: House) -> None:
    job = house.create("a", auto_finalize=False)
    pending = house.wait(job, S.PENDING)
    assert pending.end_time is None
    house.apply(Verb.FINALIZE, job)
    assert house.wait(job, S.SUCCEEDED).end_time is not None


def test_pause_stops_at_a_checkpoint_and_resume_goes_on(
    house: House, driver: Scripted
) -> None:
    run = Steady()
    driver.script("a", run=run)
    job = house.create("a")
    assert run.begun.wait(20)
    house.apply(Verb.PAUSE, job)
    house.wait(job, S.PAUSED)
    house.apply(Verb.RESUME, job)
    run.finish.set()
    house.wait(job, S.SUCCEEDED)
    assert house.states(job) == [
        S.QUEUED,
        S.RUNNING,
        S.PAUSED,
        S.RUNNING,
        S.PENDING,
        S.SUCCEEDED,
    ]


def test_second_pause_changes_nothing(house: House, driver: Scripted) -> None:
    run = Steady()
    driver.script("a", run=run)
    job = house.create("a")
    house.apply(Verb.PAUSE, job)
    paused = house.wait(job, S.PAUSED)
    assert house.apply(Verb.PAUSE, job) == paused
    house.apply(Verb.CANCEL, job)
    house.wait(job, S.CANCELLED)


def test_cancel_of_a_paused_job_wakes_its_worker(
    house: House, driver: Scripted
) -> None:
    driver.script("a", run=Steady())
    job = house.create("a")
    house.apply(Verb.PAUSE, job)
    house.wait(job, S.PAUSED)
    house.apply(Verb.CANCEL, job)
    assert house.wait(job, S.CANCELLED).pauses == ()


def test_a_queued_job_that_is_paused_says_so_and_starts_when_resumed(
    house: House, driver: Scripted
) -> None:
    blocking = Steady()
    driver.script("a", run=blocking)
    first = house.create("a")
    job = house.create("b", after=(first.job_id,))
    house.apply(Verb.PAUSE, job)
    paused = house.wait_until(job, lambda now: bool(now.pauses))
    assert paused.pending is not None
    assert paused.pending.reason.value == "paused"
    blocking.finish.set()
    house.wait(first, S.SUCCEEDED)
    house.apply(Verb.RESUME, job)
    ended = house.wait(job, S.SUCCEEDED)
    step = next(step for step in ended.history if step.state is S.RUNNING)
    assert (step.reason, step.actor) == ("resumed", ALICE.name)


def test_complete_is_unsupported_by_a_kind_that_never_is_ready(house: House) -> None:
    job = house.create("a", auto_finalize=False)
    with pytest.raises(ServiceError) as caught:
        house.apply(Verb.COMPLETE, job)
    assert caught.value.kind is Kind.ACTION_UNSUPPORTED


def test_a_verb_that_is_refused_names_those_that_are_allowed(house: House) -> None:
    job = house.create("a")
    house.wait(job, S.SUCCEEDED)
    with pytest.raises(ServiceError) as caught:
        house.apply(Verb.PAUSE, job)
    assert caught.value.kind is Kind.ACTION_NOT_ALLOWED
    assert caught.value.facts["allowed_actions"] == "DISMISS"


def test_a_stale_revision_is_refused_and_changes_nothing(house: House) -> None:
    job = house.create("a", auto_finalize=False)
    pending = house.wait(job, S.PENDING)
    with pytest.raises(ServiceError) as caught:
        house.apply(Verb.CANCEL, job, expected_revision=job.revision)
    assert caught.value.kind is Kind.REVISION_MISMATCH
    assert caught.value.facts["actual"] == pending.revision
    assert house.get(job) == pending


def test_dismiss_removes_a_job_and_answers_it(house: House) -> None:
    job = house.create("a")
    ended = house.wait(job, S.SUCCEEDED)
    assert house.apply(Verb.DISMISS, job) == ended
    with pytest.raises(ServiceError) as caught:
        house.get(job)
    assert caught.value.kind is Kind.JOB_NOT_FOUND


def test_options_of_a_running_job_change_live(house: House, driver: Scripted) -> None:
    run = Steady()
    driver.script("a", run=run)
    job = house.create("a")
    limit = RateLimit(speed_bytes_per_second=1000)

    house.scheduler.update(job.job_id, lambda options: type(options)(rate=limit), ALICE)
    control = house.scheduler._runner.control(job.number)
    assert control is not None
    assert control.options.rate == limit
    run.finish.set()
    house.wait(job, S.SUCCEEDED)


def test_wrong_options_change_nothing(house: House) -> None:
    job = house.create("a", auto_finalize=False)
    pending = house.wait(job, S.PENDING)
    with pytest.raises(ServiceError) as caught:
        house.scheduler.update(
            job.job_id,
            lambda options: type(options)(rate=RateLimit(iops=0)),
            ALICE,
        )
    assert caught.value.violations[0].field == "options.iops"
    assert house.get(job) == pending


def test_a_job_has_no_end_while_its_files_are_open(
    house: House, driver: Scripted
) -> None:
    states: list[State] = []
    job = house.create("a", auto_finalize=False)
    house.wait(job, S.PENDING)

    def look(_: object) -> None:
        states.append(house.reader.get(job.job_id).state)

    driver.scripts["/images/a.qcow2"].commit = look
    house.apply(Verb.FINALIZE, job)
    house.wait(job, S.SUCCEEDED)
    assert states == [S.PENDING]
