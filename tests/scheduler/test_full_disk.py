"""A store that cannot write: nothing is half done, and all goes on when it can."""

import pytest

from longshored.errors import Kind, ServiceError
from longshored.job.states import State
from longshored.scheduler.reports import AGAIN_SECONDS
from longshored.store.transaction import Transaction
from tests.scheduler.conftest import OpenHouse
from tests.scheduler.house import PATIENCE, House
from tests.support.clock import FakeClock
from tests.support.drivers import Gate, Scripted

S = State

MANY_PAGES = 1_000_000


def limit_pages(house: House, pages: int) -> None:
    """How large the database may grow; 0 is as large as it is."""

    def body(_: Transaction) -> None:
        writer = house._database.writer
        writer.execute(f"PRAGMA max_page_count = {max(1, pages)}")

    house.journal.run(body)


def fill(house: House) -> ServiceError:
    """Create jobs until the disk is full; why the last one was refused."""
    limit_pages(house, 0)
    for number in range(1000):
        try:
            house.create(f"filler{number}", earliest_start_time=1 << 62)
        except ServiceError as error:
            return error
    raise AssertionError("the disk never filled up")


def test_a_job_that_could_not_be_stored_holds_nothing(
    house: House, driver: Scripted
) -> None:
    driver.script("a")
    assert fill(house).kind is Kind.NO_SPACE
    with pytest.raises(ServiceError):
        house.create("a")
    assert driver.order("start") == []
    limit_pages(house, MANY_PAGES)
    job = house.create("a")
    house.wait(job, S.SUCCEEDED)


def test_a_report_is_made_again_until_the_store_can_write(
    open_house: OpenHouse, driver: Scripted
) -> None:
    clock = FakeClock()
    house = open_house(clock=clock)
    gate = Gate()
    driver.script("a", run=gate)
    job = house.create("a")
    assert gate.reached.wait(PATIENCE)
    fill(house)
    gate.open.set()
    clock.wait_for_sleeper(AGAIN_SECONDS)
    assert house.get(job).state is S.RUNNING
    limit_pages(house, MANY_PAGES)
    clock.advance(AGAIN_SECONDS)
    house.wait(job, S.SUCCEEDED)
    assert driver.calls(job.job_id).count("commit") == 1
