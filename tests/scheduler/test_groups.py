"""Groups: made together, visible together, or not at all."""

import pytest

from longshored.errors import Kind, ServiceError
from longshored.job.model import Job, PendingReason
from longshored.job.states import State, Verb
from longshored.scheduler.newjob import NewGroup, OnConflict
from tests.scheduler.conftest import OpenHouse
from tests.scheduler.house import ALICE, House
from tests.support.clock import FakeClock
from tests.support.drivers import Gate, Scripted, Steady, in_turn, node, raising

S = State

BROKEN = ServiceError(Kind.IO_ERROR, "The disk is broken")


def test_members_wait_for_each_other_and_become_visible_together(
    house: House, driver: Scripted
) -> None:
    run = Steady()
    driver.script("b", run=run)
    first, second = house.group("a", "b")
    house.wait(first, S.WAITING)
    run.finish.set()
    for job in (first, second):
        house.wait(job, S.SUCCEEDED)
        assert house.states(job)[1:] == [S.RUNNING, S.WAITING, S.PENDING, S.SUCCEEDED]


def test_every_prepare_comes_before_the_first_commit(
    house: House, driver: Scripted
) -> None:
    jobs = house.group("a", "b", "c")
    for job in jobs:
        house.wait(job, S.SUCCEEDED)
    steps = [call for _, call in driver.order("prepare", "commit")]
    assert steps == 3 * ["prepare"] + 3 * ["commit"]


def test_members_succeed_in_one_commit(house: House) -> None:
    first, second = house.group("a", "b")
    one = house.wait(first, S.SUCCEEDED)
    other = house.wait(second, S.SUCCEEDED)
    assert one.end_time == other.end_time


def test_finalising_one_finalises_all(house: House) -> None:
    first, second = house.group("a", "b", auto_finalize=False)
    for job in (first, second):
        house.wait(job, S.PENDING)
    house.apply(Verb.FINALIZE, second)
    for job in (first, second):
        house.wait(job, S.SUCCEEDED)


def test_one_failure_cancels_the_rest(house: House, driver: Scripted) -> None:
    working = Steady()
    driver.script("b", run=working)
    driver.script("c", run=raising(BROKEN))
    done, going, broken = house.group("a", "b", "c")
    assert house.wait(broken, S.FAILED).failure is not None
    for job in (done, going):
        ended = house.wait(job, S.CANCELLED)
        assert ended.failure is not None
        assert ended.failure.kind is Kind.GROUP_MEMBER_FAILED
        assert ended.failure.facts["job_id"] == broken.job_id


def test_cancelling_one_cancels_all_queued_ones_too(
    open_house: OpenHouse, driver: Scripted
) -> None:
    house = open_house(slots=1)
    driver.script("a", run=Steady())
    running, queued = house.group("a", "b")
    house.apply(Verb.CANCEL, queued)
    assert house.wait(queued, S.CANCELLED).start_time is None
    house.wait(running, S.CANCELLED)


def test_a_prepare_that_fails_unwinds_all_members(
    house: House, driver: Scripted
) -> None:
    driver.script("b", prepare=raising(BROKEN))
    first, second = house.group("a", "b")
    house.wait(second, S.FAILED)
    house.wait(first, S.CANCELLED)
    assert driver.order("commit") == []
    assert driver.calls(first.job_id)[-2:] == ["abort", "clean"]


def test_a_first_commit_that_fails_unwinds_all_members(
    house: House, driver: Scripted
) -> None:
    driver.script("a", commit=raising(BROKEN))
    first, second = house.group("a", "b")
    house.wait(first, S.FAILED)
    house.wait(second, S.CANCELLED)
    assert "commit" not in driver.calls(second.job_id)


def test_a_later_commit_that_fails_fails_alone(house: House, driver: Scripted) -> None:
    driver.script("b", commit=raising(BROKEN))
    first, second, third = house.group("a", "b", "c")
    house.wait(second, S.FAILED)
    house.wait(first, S.SUCCEEDED)
    house.wait(third, S.SUCCEEDED)


def test_a_rejected_group_leaves_no_trace(house: House, driver: Scripted) -> None:
    driver.script("b").trouble = ServiceError(Kind.IMAGE_INVALID, "Bad magic")
    head = house.reader.head()
    with pytest.raises(ServiceError) as caught:
        house.group("a", "b")
    assert caught.value.kind is Kind.IMAGE_INVALID
    assert caught.value.message == "members[1]: Bad magic"
    assert caught.value.facts["first_field"] == "members[1]"
    assert house.reader.head() == head
    assert house.scheduler.holders("a") == []
    assert driver.order("start") == []


def test_a_group_whose_last_name_is_taken_leaves_no_trace(house: House) -> None:
    house.scheduler.create(house.new("c", job_id="mine"), ALICE)
    house.wait(house.reader.get("mine"), S.SUCCEEDED)
    head = house.reader.head()
    members = [house.new("a"), house.new("b", job_id="mine")]
    with pytest.raises(ServiceError) as caught:
        house.scheduler.create_group(members, ALICE)
    assert caught.value.kind is Kind.JOB_ID_TAKEN
    assert caught.value.facts == {"job_id": "mine", "first_field": "members[1]"}
    assert house.reader.head() == head
    # Nothing is held by jobs that were never there.
    house.wait(house.create("a"), S.SUCCEEDED)


def test_members_that_need_the_same_node_are_refused(
    house: House, driver: Scripted
) -> None:
    for name in "ab":
        driver.script(name, nodes=(node("shared"),))
    with pytest.raises(ServiceError) as caught:
        house.group("a", "b", on_conflict=OnConflict.QUEUE)
    assert caught.value.kind is Kind.TARGET_BUSY
    assert "Members 0 and 1" in caught.value.message


def test_a_busy_node_of_one_member_refuses_the_group(
    house: House, driver: Scripted
) -> None:
    run = Steady()
    driver.script("b", run=run)
    holder = house.create("b")
    with pytest.raises(ServiceError) as caught:
        house.group("a", "b")
    assert caught.value.facts["blocking_job_id"] == holder.job_id
    assert caught.value.facts["first_field"] == "members[1]"
    assert caught.value.message.startswith("members[1]: /images/b.qcow2 is in use by")
    run.finish.set()


def test_a_name_that_two_members_have_is_refused_as_such(house: House) -> None:
    members = [house.new("a"), *(house.new(n, job_id="mine") for n in "bc")]
    with pytest.raises(ServiceError) as caught:
        house.scheduler.create_group(members, ALICE)
    assert caught.value.message == (
        "members[2].job_id: Must be its own: members[1] has mine too"
    )


def test_a_member_that_comes_after_nobody_is_named(house: House) -> None:
    ended = house.create("c", earliest_start_time=1 << 62)
    house.apply(Verb.CANCEL, ended)
    for name, kind in (
        ("nobody", Kind.JOB_NOT_FOUND),
        (ended.job_id, Kind.FIELD_INVALID),
    ):
        members = [house.new("a"), house.new("b", after=(name,))]
        with pytest.raises(ServiceError) as caught:
            house.scheduler.create_group(members, ALICE)
        assert caught.value.kind is kind
        assert caught.value.facts["first_field"] == "members[1].after[0]"
        assert caught.value.message.startswith("members[1].after[0]: ")
        fields = {wrong.field for wrong in caught.value.violations}
        assert fields <= {"members[1].after[0]"}


def test_a_queued_group_takes_all_its_nodes_at_once(
    house: House, driver: Scripted
) -> None:
    run = Steady()
    driver.script("b", run=in_turn(run, lambda _: None))
    driver.script("a")
    holder = house.create("b")
    first, second = house.group("a", "b", on_conflict=OnConflict.QUEUE)
    waiting = house.wait_until(first, lambda now: now.pending is not None)
    assert waiting.pending is not None
    assert waiting.pending.reason is PendingReason.HOLD
    assert waiting.pending.job_id == holder.job_id
    assert house.scheduler.holders("a") == []
    run.finish.set()
    for job in (first, second):
        house.wait(job, S.SUCCEEDED)


def test_two_queued_groups_that_cross_do_not_lock_each_other_out(
    open_house: OpenHouse, driver: Scripted
) -> None:
    house = open_house(slots=4)
    for name in "ab":
        driver.script(name)
    jobs = house.group("a", "b", on_conflict=OnConflict.QUEUE)
    jobs += house.group("b", "a", on_conflict=OnConflict.QUEUE)
    for job in jobs:
        house.wait(job, S.SUCCEEDED)


def test_a_group_request_made_twice_makes_one_group(house: House) -> None:
    members = [house.new("a"), house.new("b")]
    first, _ = house.scheduler.create_group(members, ALICE, request_id="g", body="same")
    again, replayed = house.scheduler.create_group(
        members, ALICE, request_id="g", body="same"
    )
    assert replayed
    assert [job.number for job in again] == [job.number for job in first]


def test_a_group_may_be_named(house: House) -> None:
    members = [house.new("a", auto_finalize=False)]
    (job,), _ = house.scheduler.create_group(
        members, ALICE, group=NewGroup("night-run")
    )
    assert job.group is not None
    assert job.group.group_id == "night-run"
    with pytest.raises(ServiceError) as caught:
        house.scheduler.create_group(
            [house.new("b")], ALICE, group=NewGroup("night-run")
        )
    assert caught.value.kind is Kind.JOB_ID_TAKEN


def test_the_name_of_a_group_is_taken_as_long_as_one_of_its_jobs_is_there(
    house: House,
) -> None:
    def named(name: str) -> list[Job]:
        group = NewGroup("night-run")
        return house.scheduler.create_group([house.new(name)], ALICE, group=group)[0]

    (job,) = named("a")
    house.wait(job, S.SUCCEEDED)
    with pytest.raises(ServiceError) as caught:
        named("b")
    assert caught.value.kind is Kind.JOB_ID_TAKEN
    assert caught.value.facts["group_id"] == "night-run"
    house.apply(Verb.DISMISS, job)
    assert named("b")


def test_a_waiting_member_needs_no_slot(
    open_house: OpenHouse, driver: Scripted
) -> None:
    house = open_house(slots=1)
    for job in house.group("a", "b", "c"):
        house.wait(job, S.SUCCEEDED)


def test_cancel_while_a_group_finalises_comes_too_late(
    house: House, driver: Scripted
) -> None:
    gate = Gate()
    driver.script("a", prepare=gate)
    first, second = house.group("a", "b")
    assert gate.reached.wait(20)
    house.apply(Verb.CANCEL, second)
    gate.open.set()
    house.wait(first, S.SUCCEEDED)
    house.wait(second, S.SUCCEEDED)


def test_members_found_to_need_the_same_node_do_not_wait_for_each_other(
    open_house: OpenHouse, driver: Scripted
) -> None:
    clock = FakeClock()
    house = open_house(clock=clock)
    driver.script("a")
    busy = driver.script("b", nodes=(node("a"),))
    busy.trouble = ServiceError(Kind.TARGET_BUSY, "qemu-img uses it", pid=7)
    a, b = house.group("a", "b", on_conflict=OnConflict.QUEUE)
    busy.trouble = None
    clock.advance(1)
    failed = house.wait(b, S.FAILED)
    assert failed.failure is not None
    assert failed.failure.kind is Kind.TARGET_BUSY
    assert "wait for each other" in failed.failure.message
    house.wait(a, S.CANCELLED)


def test_a_group_of_which_one_comes_after_another_job_takes_nothing_before(
    house: House, driver: Scripted
) -> None:
    """Else the job that is waited for might need what the group has."""
    first = Steady()
    driver.script("first", run=first)
    driver.script("second", nodes=(node("x"),))
    driver.script("a", nodes=(node("x"),))
    before = house.create("first")
    second = house.create("second", after=(before.job_id,))
    late = house.new("a", after=(second.job_id,))
    a, b = house.scheduler.create_group([late, house.new("b")], ALICE)[0]
    waits = house.get(b).pending
    assert waits is not None
    assert (waits.reason, waits.job_id) == (PendingReason.PREDECESSOR, second.job_id)
    first.finish.set()
    for job in (second, a, b):
        house.wait(job, S.SUCCEEDED)
