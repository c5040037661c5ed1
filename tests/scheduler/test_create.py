"""Creating jobs: checked whole, stored once, refused with the holder's name."""

import threading

import pytest

from longshored.drivers.base import Plan
from longshored.errors import Kind, ServiceError
from longshored.job.model import PendingReason, RateLimit
from longshored.job.spec import ImageRef, PullSpec
from longshored.job.states import State, Verb
from longshored.scheduler.newjob import Caller, Created, NewJob, OnConflict
from tests.scheduler.conftest import OpenHouse
from tests.scheduler.house import ALICE, House
from tests.support.drivers import KIND, Gate, Scripted, Steady, node, spec

S = State


def refused(house: House, name: str, **options: object) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        house.create(name, **options)  # type: ignore[arg-type]
    return caught.value


@pytest.fixture
def busy(house: House, driver: Scripted) -> Steady:
    """Job `holder` has image a, and keeps it until it is told to finish."""
    run = Steady()
    driver.script("a", run=run)
    house.scheduler.create(house.new("a", job_id="holder"), ALICE)
    assert run.begun.wait(20)
    return run


def test_a_job_gets_a_name_an_owner_and_a_host(house: House) -> None:
    job = house.create("a")
    assert job.job_id == job.uid
    assert job.uid[14] == "7"
    assert (job.owner, job.host) == ("alice", "here")


def test_a_name_may_be_chosen_and_never_comes_twice(house: House) -> None:
    house.scheduler.create(house.new("a", job_id="mine"), ALICE)
    with pytest.raises(ServiceError) as caught:
        house.scheduler.create(house.new("b", job_id="mine"), ALICE)
    assert caught.value.kind is Kind.JOB_ID_TAKEN


@pytest.mark.parametrize("name", ["Upper", "-a", "a-", "a_b", "a" * 64, "a\n", "ä"])
def test_a_name_that_is_no_name_is_refused(house: House, name: str) -> None:
    with pytest.raises(ServiceError) as caught:
        house.scheduler.create(house.new("a", job_id=name), ALICE)
    assert caught.value.violations[0].field == "job_id"


def test_everything_that_is_wrong_is_said_at_once(house: House) -> None:
    wrong = NewJob(spec=PullSpec(ImageRef("", "raw")), kind=KIND)
    with pytest.raises(ServiceError) as caught:
        house.scheduler.create(wrong, ALICE)
    assert [one.field for one in caught.value.violations] == ["top.uri", "top.format"]


def test_options_are_checked(house: House) -> None:
    error = refused(house, "a", rate=RateLimit(burst_bytes=5))
    assert error.violations[0].field == "options.burst_bytes"


def test_a_kind_that_is_not_served_is_refused_by_name(house: House) -> None:
    with pytest.raises(ServiceError) as caught:
        house.scheduler.create(NewJob(spec("a"), "block.mirror"), ALICE)
    assert caught.value.kind is Kind.JOB_TYPE_UNSUPPORTED
    assert caught.value.facts["job_type"] == "block.mirror"


def test_a_node_in_use_is_refused_with_the_name_of_its_job(
    house: House, busy: Steady
) -> None:
    error = refused(house, "a")
    assert error.kind is Kind.TARGET_BUSY
    assert error.facts == {
        "target": "/images/a.qcow2",
        "blocking_job_id": "holder",
        "permission": "WRITE",
    }
    busy.finish.set()


def test_a_job_that_waits_for_a_slot_holds_its_nodes_all_the_same(
    open_house: OpenHouse, driver: Scripted
) -> None:
    house = open_house(slots=1)
    run = Steady()
    driver.script("a", run=run)
    house.create("a")
    driver.script("b")
    waiting = house.create("b")
    assert refused(house, "b").facts["blocking_job_id"] == waiting.job_id
    run.finish.set()


def test_the_answer_says_why_a_job_waits(
    open_house: OpenHouse, driver: Scripted
) -> None:
    house = open_house(slots=1)
    run = Steady()
    driver.script("a", run=run)
    house.create("a")
    waiting = house.create("b")
    assert waiting.pending is not None
    assert waiting.pending.reason is PendingReason.SLOT
    assert waiting == house.get(waiting)
    run.finish.set()


def test_the_answer_is_a_job_that_has_started_if_it_could(
    house: House, driver: Scripted
) -> None:
    run = Steady()
    driver.script("a", run=run)
    job = house.create("a")
    assert (job.state, job.pending) == (S.RUNNING, None)
    run.finish.set()


def test_the_answer_says_why_the_members_of_a_group_wait(
    house: House, busy: Steady
) -> None:
    members = house.group("a", "b", on_conflict=OnConflict.QUEUE)
    assert all(member.pending is not None for member in members)
    busy.finish.set()


def test_readers_share_a_node(house: House, driver: Scripted) -> None:
    runs = [Steady(), Steady()]
    for name, run in zip("ab", runs, strict=True):
        nodes = (node(name), node("base", reads=True))
        driver.script(name, run=run, nodes=nodes)
        house.create(name)
    assert all(run.begun.wait(20) for run in runs)
    for run in runs:
        run.finish.set()


def test_return_existing_answers_the_job_that_does_the_same(
    house: House, busy: Steady
) -> None:
    new = house.new("a", on_conflict=OnConflict.RETURN_EXISTING)
    created = house.scheduler.create(new, ALICE)
    assert created.existing
    assert created.job.job_id == "holder"
    busy.finish.set()


def test_return_existing_made_twice_answers_one_job_though_that_has_ended(
    house: House, busy: Steady
) -> None:
    new = house.new("a", on_conflict=OnConflict.RETURN_EXISTING)

    def ask() -> Created:
        return house.scheduler.create(new, ALICE, request_id="r", body="b")

    first = ask()
    busy.finish.set()
    house.wait(first.job, S.SUCCEEDED)
    again = ask()
    assert (first.existing, again.replayed) == (True, True)
    assert again.job.job_id == first.job.job_id


def test_return_existing_does_not_answer_a_job_that_is_being_unwound(
    house: House, driver: Scripted
) -> None:
    run, unwinding = Steady(), Gate()
    driver.script("a", run=run, abort=unwinding)
    job = house.create("a")
    assert run.begun.wait(20)
    house.apply(Verb.CANCEL, job)
    assert unwinding.reached.wait(20)
    error = refused(house, "a", on_conflict=OnConflict.RETURN_EXISTING)
    assert error.facts["blocking_job_id"] == job.job_id
    unwinding.open.set()


def test_return_existing_refuses_where_another_thing_is_done(
    house: House, driver: Scripted, busy: Steady
) -> None:
    driver.script("b", nodes=(node("a"),))
    error = refused(house, "b", on_conflict=OnConflict.RETURN_EXISTING)
    assert error.facts["blocking_job_id"] == "holder"
    busy.finish.set()


def test_who_holds_is_named_before_who_waits(house: House, busy: Steady) -> None:
    house.create("a", on_conflict=OnConflict.QUEUE)
    error = refused(house, "a")
    assert error.message == "/images/a.qcow2 is in use by job holder (RUNNING)"
    assert error.facts["blocking_job_id"] == "holder"
    new = house.new("a", on_conflict=OnConflict.RETURN_EXISTING)
    assert house.scheduler.create(new, ALICE).job.job_id == "holder"
    busy.finish.set()


def test_a_node_that_another_job_only_waits_for_is_awaited(
    house: House, driver: Scripted, busy: Steady
) -> None:
    driver.script("b", nodes=(node("a"), node("b")))
    waiting = house.create("b", on_conflict=OnConflict.QUEUE)
    driver.script("c", nodes=(node("b"),))
    error = refused(house, "c")
    assert error.message == (
        f"/images/b.qcow2 is awaited by job {waiting.job_id} (QUEUED)"
    )
    assert error.facts["blocking_job_id"] == waiting.job_id
    busy.finish.set()


def test_return_existing_answers_nobody_who_only_waits(
    house: House, driver: Scripted, busy: Steady
) -> None:
    nodes = (node("a"), node("b"))
    driver.script("b", nodes=nodes)
    waiting = house.create("b", on_conflict=OnConflict.QUEUE)
    driver.script("b", nodes=nodes[1:])
    error = refused(house, "b", on_conflict=OnConflict.RETURN_EXISTING)
    assert error.facts["blocking_job_id"] == waiting.job_id
    busy.finish.set()


def test_a_request_made_twice_makes_one_job(house: House) -> None:
    first = house.create("a", request_id="r1", body="same")
    again = house.scheduler.create(house.new("a"), ALICE, request_id="r1", body="same")
    assert again.replayed
    assert again.job.number == first.number
    # The answer is the job as it is now, not as it was.
    ended = house.wait(first, S.SUCCEEDED)
    later = house.scheduler.create(house.new("a"), ALICE, request_id="r1", body="same")
    assert later.job == ended


def test_a_replay_is_answered_though_the_node_is_in_use_by_its_own_job(
    house: House, driver: Scripted
) -> None:
    run = Steady()
    driver.script("a", run=run)
    first = house.create("a", request_id="r1", body="same")
    driver.scripts["/images/a.qcow2"].trouble = ServiceError(Kind.TARGET_BUSY, "Busy")
    again = house.create("a", request_id="r1", body="same")
    assert again.number == first.number
    run.finish.set()


def test_a_request_id_for_another_request_is_refused(house: House) -> None:
    first = house.create("a", request_id="r1", body="one")
    error = refused(house, "b", request_id="r1", body="two")
    assert error.kind is Kind.REQUEST_ID_REUSED
    assert error.facts == {"request_id": "r1", "job_id": first.job_id}


def test_a_request_id_is_its_callers_own(house: House) -> None:
    house.create("a", request_id="r1", body="one")
    bob = Caller("bob")
    created = house.scheduler.create(house.new("b"), bob, request_id="r1", body="two")
    assert not created.replayed


def test_a_request_that_failed_is_not_remembered(house: House, busy: Steady) -> None:
    refused(house, "a", request_id="r1", body="same")
    busy.finish.set()
    house.wait(house.reader.get("holder"), S.SUCCEEDED)
    house.create("a", request_id="r1", body="same")


def test_two_equal_requests_at_once_make_one_job(house: House) -> None:
    answers: list[Created] = []
    begin = threading.Barrier(8)

    def ask() -> None:
        begin.wait(20)
        new = house.new("a")
        answers.append(house.scheduler.create(new, ALICE, request_id="r1", body="same"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({answer.job.number for answer in answers}) == 1
    assert sorted(answer.replayed for answer in answers) == [False] + 7 * [True]


def test_validate_only_checks_everything_and_stores_nothing(
    house: House, busy: Steady
) -> None:
    head = house.reader.head()
    created = house.scheduler.create(house.new("b"), ALICE, validate_only=True)
    assert (created.job.number, created.job.revision) == (0, 0)
    with pytest.raises(ServiceError) as caught:
        house.scheduler.create(house.new("a"), ALICE, validate_only=True)
    assert caught.value.kind is Kind.TARGET_BUSY
    assert house.reader.head() == head
    busy.finish.set()


def test_there_is_a_limit_of_jobs_that_have_not_ended(open_house: OpenHouse) -> None:
    house = open_house(max_jobs=1)
    job = house.create("a", auto_finalize=False)
    assert refused(house, "b").kind is Kind.JOB_LIMIT
    house.wait(job, S.PENDING)
    house.apply(Verb.CANCEL, job)
    house.wait(job, S.CANCELLED)
    house.create("b")


def test_a_predecessor_must_be_there_and_must_not_have_failed(
    house: House, driver: Scripted
) -> None:
    error = refused(house, "a", after=("nobody",))
    assert (error.kind, error.message) == (
        Kind.JOB_NOT_FOUND,
        "after[0]: No job nobody",
    )
    assert error.facts == {"job_id": "nobody", "first_field": "after[0]"}
    cancelled = house.create("b", earliest_start_time=1 << 62)
    house.apply(Verb.CANCEL, cancelled)
    error = refused(house, "a", after=(cancelled.job_id,))
    assert error.violations[0].field == "after[0]"


def test_a_plan_names_who_is_in_the_way_and_reserves_nothing(
    house: House, driver: Scripted, busy: Steady
) -> None:
    driver.scripts["/images/a.qcow2"].plan = Plan(write=7, nodes=(node("a"),))
    head = house.reader.head()
    planned = house.scheduler.plan(house.new("a"), ALICE)
    assert planned.plan.write == 7
    (blocker,) = planned.blockers
    assert (blocker.reason, blocker.job_id) == (PendingReason.HOLD, "holder")
    assert planned.queue_position == 1
    assert house.reader.head() == head
    busy.finish.set()


def test_a_plan_names_what_is_wrong_with_names(house: House) -> None:
    known = house.create("a")
    taken = house.new("b", job_id=known.job_id)
    late = house.new("b", after=("nobody",))
    for new, kind in ((taken, Kind.JOB_ID_TAKEN), (late, Kind.JOB_NOT_FOUND)):
        (obstacle,) = house.scheduler.plan(new, ALICE).plan.obstacles
        assert obstacle.kind is kind


def test_what_would_come_after_another_job_is_not_planned_at_once(
    house: House, busy: Steady
) -> None:
    late = house.new("b", after=("holder",))
    assert house.scheduler.plan(late, ALICE).queue_position == 1
    busy.finish.set()


def test_a_dry_run_finds_a_name_that_is_taken(house: House) -> None:
    known = house.create("a")
    with pytest.raises(ServiceError) as caught:
        house.scheduler.create(
            house.new("b", job_id=known.job_id), ALICE, validate_only=True
        )
    assert caught.value.kind is Kind.JOB_ID_TAKEN


def test_a_plan_of_what_could_start_now_has_position_0(house: House) -> None:
    planned = house.scheduler.plan(house.new("a"), ALICE)
    assert (planned.blockers, planned.queue_position) == ((), 0)


def test_holders_are_named_while_they_hold(house: House, busy: Steady) -> None:
    assert house.scheduler.holders("a") == ["holder"]
    busy.finish.set()
    house.wait(house.reader.get("holder"), S.SUCCEEDED)
    assert house.scheduler.holders("a") == []


def test_nothing_is_created_by_a_scheduler_that_drains(house: House) -> None:
    house.close()
    assert refused(house, "a").kind is Kind.SERVER_STOPPING
