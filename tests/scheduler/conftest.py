"""Houses that are drained when a test is over, whatever became of it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.scheduler.house import House
from tests.support.drivers import Scripted

OpenHouse = Callable[..., House]


@pytest.fixture
def driver() -> Scripted:
    return Scripted()


@pytest.fixture
def open_house(tmp_path: Path, driver: Scripted) -> Iterator[OpenHouse]:
    houses: list[House] = []

    def make(**settings: Any) -> House:
        house = House(tmp_path / f"state{len(houses)}", driver, **settings)
        houses.append(house)
        return house

    yield make
    for house in houses:
        house.close()


@pytest.fixture
def house(open_house: OpenHouse) -> House:
    return open_house()
