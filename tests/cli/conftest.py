"""A daemon that does as it is told, and the command line against it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fakeserver import FakeServer
from tests.support.shell import Done, run


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FakeServer]:
    fake = FakeServer(tmp_path).start()
    yield fake
    fake.end()


class Cli:
    """Commands to the daemon of the test."""

    def __init__(self, address: str) -> None:
        self.address = address

    def __call__(self, *words: str) -> Done:
        return run("-s", self.address, *words)


@pytest.fixture
def cli(server: FakeServer) -> Cli:
    return Cli(server.address)
