"""A real daemon, for what needs no scenario."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.daemon import LocalDaemon, Place


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    there = Place(tmp_path)
    daemon = LocalDaemon(there.config()).start()
    yield there
    daemon.stop_once()
