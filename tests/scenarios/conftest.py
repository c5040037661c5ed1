"""Daemons as processes, with images that are really there."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.support.daemon import DaemonProcess, Place

Start = Callable[..., DaemonProcess]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def start(place: Place) -> Iterator[Start]:
    """Starts daemon processes on the test's place; none outlives the test."""
    with ExitStack() as running:

        def make(*arguments: str, **environment: str) -> DaemonProcess:
            process = DaemonProcess(place, arguments, environment)
            running.callback(process.end)
            return process.start()

        yield make
