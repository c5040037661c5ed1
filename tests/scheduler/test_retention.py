"""Jobs that have ended are kept by outcome and age, and then removed."""

from longshored.clock import SECOND
from longshored.errors import Kind, ServiceError
from longshored.job.states import State
from longshored.scheduler.retention import DAY, Retention
from tests.scheduler.conftest import OpenHouse
from tests.support.clock import FakeClock
from tests.support.drivers import Scripted, raising

S = State


def test_an_outcome_has_an_age(open_house: OpenHouse, driver: Scripted) -> None:
    house = open_house()
    driver.script("b", run=raising(ServiceError(Kind.IO_ERROR, "Broken")))
    good = house.wait(house.create("a"), S.SUCCEEDED)
    bad = house.wait(house.create("b"), S.FAILED)
    ages = [
        (job.expire_time - job.end_time) / SECOND / DAY
        for job in (good, bad)
        if job.expire_time is not None and job.end_time is not None
    ]
    assert ages == [7, 30]


def test_a_job_is_removed_when_its_time_has_come(open_house: OpenHouse) -> None:
    clock = FakeClock()
    house = open_house(clock=clock, retention=Retention(succeeded=90.0))
    job = house.create("a")
    house.wait(job, S.SUCCEEDED)
    clock.advance(90)
    house.wait_removed(job)


def test_a_job_may_ask_to_be_removed_sooner(open_house: OpenHouse) -> None:
    clock = FakeClock()
    house = open_house(clock=clock)
    job = house.create("a", auto_dismiss_delay=5.0)
    house.wait(job, S.SUCCEEDED)
    clock.advance(5)
    house.wait_removed(job)


def test_reading_a_result_never_removes_it(open_house: OpenHouse) -> None:
    clock = FakeClock()
    house = open_house(clock=clock)
    job = house.wait(house.create("a"), S.SUCCEEDED)
    house.get(job)
    clock.advance(3600)
    other = house.create("b")
    house.wait(other, S.SUCCEEDED)
    assert house.get(job) == job


def test_without_an_age_a_job_is_kept_for_ever(open_house: OpenHouse) -> None:
    house = open_house(retention=Retention(succeeded=None))
    assert house.wait(house.create("a"), S.SUCCEEDED).expire_time is None
