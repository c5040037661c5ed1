"""What the service manager hears: on a real socket."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from longshored.app.notify import Manager, manager_of
from tests.app.ear import Ear


@pytest.fixture
def ear(tmp_path: Path) -> Iterator[Ear]:
    ear = Ear(tmp_path / "notify")
    yield ear
    ear.close()


def test_each_word_is_one_datagram(ear: Ear) -> None:
    manager = Manager(str(ear.path))
    manager.ready("up")
    assert ear.hears() == ["READY=1", "STATUS=up"]
    manager.alive()
    assert ear.hears() == ["WATCHDOG=1"]
    manager.says("busy")
    assert ear.hears() == ["STATUS=busy"]
    manager.stopping("bye")
    assert ear.hears() == ["STOPPING=1", "STATUS=bye"]


def test_a_reload_says_when_it_began(ear: Ear) -> None:
    Manager(str(ear.path)).reloading()
    first, second = ear.hears()
    assert first == "RELOADING=1"
    assert second.startswith("MONOTONIC_USEC=")


def test_a_name_in_the_abstract_space_is_understood() -> None:
    assert manager_of({"NOTIFY_SOCKET": "@x"}, 7) == Manager("\0x")


def test_the_manager_hears_twice_in_each_of_its_intervals() -> None:
    environment = {"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "30000000"}
    assert manager_of(environment, 7) == Manager("/n", 15.0)


def test_a_watchdog_of_another_process_is_none_of_ours() -> None:
    environment = {
        "NOTIFY_SOCKET": "/n",
        "WATCHDOG_USEC": "30000000",
        "WATCHDOG_PID": "8",
    }
    assert manager_of(environment, 7) == Manager("/n")


def test_without_a_manager_nothing_happens() -> None:
    manager = manager_of({}, 7)
    assert manager == Manager("")
    manager.ready("up")


def test_a_manager_that_is_gone_stops_nobody(tmp_path: Path) -> None:
    Manager(str(tmp_path / "gone")).alive()
