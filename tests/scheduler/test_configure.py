"""Settings that change while jobs are at work."""

from dataclasses import replace
from typing import Any

import pytest

from longshored.clock import SECOND
from longshored.errors import Kind, ServiceError
from longshored.job.model import PendingReason, RateLimit
from longshored.job.states import State
from longshored.scheduler.limits import DAEMON
from longshored.scheduler.retention import Retention
from tests.scheduler.conftest import OpenHouse
from tests.scheduler.house import ALICE, House
from tests.support.drivers import Scripted, Steady


def configure(house: House, **settings: Any) -> None:
    scheduler = house.scheduler
    scheduler.configure(replace(scheduler.settings, **settings))


def test_more_slots_start_who_waits_for_one(
    open_house: OpenHouse, driver: Scripted
) -> None:
    house = open_house(slots=1)
    run = Steady()
    driver.script("a", run=run)
    driver.script("b", run=run)
    house.wait(house.create("a"), State.RUNNING)
    waits = house.create("b")
    pending = house.get(waits).pending
    assert pending is not None
    assert pending.reason is PendingReason.SLOT
    configure(house, slots=2)
    house.wait(waits, State.RUNNING)
    run.finish.set()


def test_fewer_slots_stop_nobody_who_works(
    open_house: OpenHouse, driver: Scripted
) -> None:
    house = open_house(slots=2)
    run = Steady()
    for name in "abc":
        driver.script(name, run=run)
    working = [house.create(name) for name in "ab"]
    configure(house, slots=1)
    assert house.get(house.create("c")).state is State.QUEUED
    assert {house.get(job).state for job in working} == {State.RUNNING}
    run.finish.set()


def test_the_number_of_unfinished_jobs_is_bounded_anew(house: House) -> None:
    configure(house, max_jobs=0)
    with pytest.raises(ServiceError) as refused:
        house.create("a")
    assert refused.value.kind is Kind.JOB_LIMIT


def test_a_configured_rate_acts_unless_a_call_has_set_another(house: House) -> None:
    limits = house.scheduler.limits
    limits.update("8:0", lambda _: RateLimit(5), ALICE)
    configure(house, rate=RateLimit(100), device_rate=RateLimit(50))
    assert limits.get(DAEMON).rate == RateLimit(100)
    assert limits.get("8:0").rate == RateLimit(5)
    assert limits.get("8:1").rate == RateLimit(50)


def test_a_job_is_kept_as_long_as_the_settings_say_when_it_ends(house: House) -> None:
    configure(house, retention=Retention(succeeded=60.0))
    ended = house.wait(house.create("a"), State.SUCCEEDED)
    assert ended.end_time is not None
    assert ended.expire_time == ended.end_time + 60 * SECOND
