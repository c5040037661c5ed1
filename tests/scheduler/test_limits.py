"""Limits above jobs, changed live: durable first, then in force, shown as they are."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest

from longshored.drivers.base import Context
from longshored.errors import Kind, ServiceError
from longshored.job.model import Group, Job, RateLimit
from longshored.job.progress import LimitedBy
from longshored.job.states import State, Verb
from longshored.scheduler.limits import DAEMON, SharedLimit
from longshored.scheduler.newjob import NewGroup
from longshored.scheduler.throttle import UNLIMITED
from longshored.store.limits import SetLimit
from longshored.units import MiB
from tests.scheduler.conftest import OpenHouse
from tests.scheduler.house import ALICE, House
from tests.support.drivers import Scripted, node

S = State

TRICKLE = RateLimit(speed_bytes_per_second=1)


def to(**fields: int | None) -> Callable[[RateLimit], RateLimit]:
    """A change of these fields alone."""
    return lambda before: replace(before, **fields)


class Trickling:
    """A run that needs a thousand years for its second request under TRICKLE."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.passed = threading.Event()

    def __call__(self, context: Context) -> None:
        self.began.set()
        while not context.proceed(MiB) or not context.proceed(MiB):
            context.checkpoint()
        self.passed.set()


@pytest.fixture
def trickling(driver: Scripted) -> Trickling:
    run = Trickling()
    driver.script("a", run=run, nodes=(node("a", device="8:0"),))
    return run


def limited_by(house: House, job: Job) -> LimitedBy:
    """What a job waits for, once it waits."""
    while (
        progress := house.scheduler.progress(job.number)
    ) is None or progress.limited_by is LimitedBy.NOTHING:
        house.clock.wait(threading.Event(), 0.001)
    return progress.limited_by


@pytest.mark.parametrize("device", [DAEMON, "8:0"])
def test_a_limit_taken_away_wakes_who_waits(
    house: House, trickling: Trickling, device: str
) -> None:
    limits = house.scheduler.limits
    limits.update(device, to(speed_bytes_per_second=1), ALICE)
    slow = house.create("a")
    assert trickling.began.wait(20)
    expected = LimitedBy.DEVICE if device else LimitedBy.DAEMON
    assert limited_by(house, slow) is expected
    limits.update(device, to(speed_bytes_per_second=None), ALICE)
    assert trickling.passed.wait(20)
    house.wait(slow, S.SUCCEEDED)


def test_a_limit_begins_under_a_job_that_had_none(
    house: House, driver: Scripted
) -> None:
    passed = threading.Event()

    def run(context: Context) -> None:
        while not passed.is_set():
            context.proceed(MiB)
            context.checkpoint()

    driver.script("a", run=run)
    job = house.create("a")
    house.scheduler.limits.update(DAEMON, to(speed_bytes_per_second=1), ALICE)
    assert limited_by(house, job) is LimitedBy.DAEMON
    passed.set()
    house.scheduler.limits.update(DAEMON, to(speed_bytes_per_second=None), ALICE)
    house.wait(job, S.SUCCEEDED)


def test_another_device_is_left_alone(house: House, driver: Scripted) -> None:
    run = Trickling()
    driver.script("b", run=run, nodes=(node("b", device="8:16"),))
    house.scheduler.limits.update("8:0", to(speed_bytes_per_second=1), ALICE)
    house.wait(house.create("b"), S.SUCCEEDED)


def test_a_group_limit_raised_wakes_its_members(house: House, driver: Scripted) -> None:
    runs = {name: Trickling() for name in "ab"}
    for name, run in runs.items():
        driver.script(name, run=run)
    members = [house.new(name) for name in runs]
    group = NewGroup("g", TRICKLE)
    jobs, _ = house.scheduler.create_group(members, ALICE, group=group)
    for run in runs.values():
        assert run.began.wait(20)
    assert limited_by(house, jobs[0]) is LimitedBy.GROUP
    house.scheduler.update_group("g", lambda _: UNLIMITED)
    for run in runs.values():
        assert run.passed.wait(20)
    for job in jobs:
        house.wait(job, S.SUCCEEDED)


def make_group(house: House, *names: str) -> list[Job]:
    """A group that waits for something paused, so that nobody ends."""
    members = [house.new(name) for name in names]
    jobs, _ = house.scheduler.create_group(members, ALICE, group=NewGroup("g"))
    return jobs


def test_every_member_carries_the_new_limit_by_a_revision_each(
    house: House, driver: Scripted
) -> None:
    for name in "ab":
        driver.script(name, run=Trickling())
    house.scheduler.limits.update(DAEMON, to(speed_bytes_per_second=1), ALICE)
    jobs = [house.wait(job, S.RUNNING) for job in make_group(house, "a", "b")]
    changed = house.scheduler.update_group("g", to(iops=5))
    assert [job.group for job in changed] == 2 * [Group("g", RateLimit(iops=5))]
    assert changed == [house.get(job) for job in jobs]
    assert all(
        new.revision > old.revision for new, old in zip(changed, jobs, strict=True)
    )
    assert len({job.revision for job in changed}) == 2
    house.apply(Verb.CANCEL, jobs[0])
    for job in jobs:
        house.wait(job, S.CANCELLED)


def test_an_equal_limit_of_a_group_moves_no_revision(
    house: House, driver: Scripted
) -> None:
    house.scheduler.limits.update(DAEMON, to(speed_bytes_per_second=1), ALICE)
    driver.script("a", run=Trickling())
    (job,) = make_group(house, "a")
    job = house.wait(job, S.RUNNING)
    assert house.scheduler.update_group("g", to()) == [job]
    house.apply(Verb.CANCEL, job)
    house.wait(job, S.CANCELLED)


def test_the_limit_of_a_group_outlives_the_daemon(
    house: House, driver: Scripted, open_house: OpenHouse
) -> None:
    driver.script("a", run=Trickling())
    house.scheduler.limits.update(DAEMON, to(speed_bytes_per_second=1), ALICE)
    (job,) = make_group(house, "a")
    house.wait(job, S.RUNNING)
    house.scheduler.update_group("g", to(iops=5))
    again = house.crash()
    try:
        assert again.get(job).group == Group("g", RateLimit(iops=5))
        assert again.scheduler.limits.get(DAEMON).rate == TRICKLE
    finally:
        again.close()


def test_a_group_of_which_nobody_is_left_is_not_found(house: House) -> None:
    with pytest.raises(ServiceError) as refusal:
        house.scheduler.update_group("g", to(iops=5))
    assert refusal.value.kind is Kind.TARGET_NOT_FOUND
    assert refusal.value.facts["target"] == "g"


def test_a_burst_without_its_rate_is_refused_and_changes_nothing(
    house: House,
) -> None:
    with pytest.raises(ServiceError) as refusal:
        house.scheduler.limits.update(DAEMON, to(burst_bytes=5), ALICE)
    assert refusal.value.violations[0].field == "rate_limit.burst_bytes"
    assert house.reader.limits() == {}
    assert house.scheduler.limits.get(DAEMON).rate == UNLIMITED


def test_what_was_set_is_durable_with_who_and_when(house: House) -> None:
    house.scheduler.limits.update("8:0", to(iops=5), ALICE)
    (limit,) = house.reader.limits().values()
    assert (limit.rate, limit.actor) == (RateLimit(iops=5), "alice")
    assert 0 < limit.time <= house.clock.wall()


def test_what_was_set_goes_before_what_is_configured_field_by_field(
    open_house: OpenHouse,
) -> None:
    house = open_house(rate=RateLimit(speed_bytes_per_second=100, iops=9))
    limits = house.scheduler.limits
    assert limits.update(
        DAEMON, to(speed_bytes_per_second=200), ALICE
    ).rate == RateLimit(speed_bytes_per_second=200, iops=9)
    back = limits.update(DAEMON, to(speed_bytes_per_second=None), ALICE)
    assert back.rate == RateLimit(speed_bytes_per_second=100, iops=9)
    assert back.given is None
    assert house.reader.limits() == {}


def test_a_burst_may_rest_on_a_rate_that_is_configured(
    open_house: OpenHouse,
) -> None:
    house = open_house(device_rate=RateLimit(speed_bytes_per_second=100))
    limit = house.scheduler.limits.update("8:0", to(burst_bytes=5), ALICE)
    assert limit.rate == RateLimit(speed_bytes_per_second=100, burst_bytes=5)


def test_a_burst_whose_rate_is_configured_no_longer_is_nothing() -> None:
    given = SetLimit(RateLimit(burst_bytes=5, burst_operations=5), "alice", 1)
    assert SharedLimit(DAEMON, UNLIMITED, given).rate == UNLIMITED


def test_devices_are_shown_that_were_run_on_or_given_a_limit(house: House) -> None:
    limits = house.scheduler.limits
    limits.update("9:9", to(iops=5), ALICE)
    job = house.create("a")
    house.wait(job, S.SUCCEEDED)
    assert [limit.device for limit in limits.all()] == [DAEMON, "9:9"]


def test_a_device_that_was_run_on_is_shown(house: House, driver: Scripted) -> None:
    driver.script("a", nodes=(node("a", device="8:16"),))
    house.wait(house.create("a"), S.SUCCEEDED)
    assert [limit.device for limit in house.scheduler.limits.all()] == [DAEMON, "8:16"]


def test_changes_side_by_side_leave_in_force_what_is_stored(house: House) -> None:
    limits = house.scheduler.limits

    def change(rate: int) -> None:
        limits.update(DAEMON, to(speed_bytes_per_second=rate), ALICE)

    threads = [threading.Thread(target=change, args=(rate,)) for rate in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert limits.get(DAEMON).rate == house.reader.limits()[DAEMON].rate
