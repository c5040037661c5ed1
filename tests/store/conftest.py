"""One open store for a test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store.stores import Store, opened


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened(tmp_path / "state") as store:
        yield store
