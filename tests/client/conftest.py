"""A daemon that misbehaves when told to, and clients of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from longshore import Client
from tests.support.fakeserver import FakeServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FakeServer]:
    fake = FakeServer(tmp_path).start()
    yield fake
    fake.end()


@pytest.fixture
def client(server: FakeServer) -> Iterator[Client]:
    with Client(server.address) as found:
        yield found
