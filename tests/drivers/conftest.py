"""A directory with a chain in it, and what pulls there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pulls import Puller


@pytest.fixture
def puller(tmp_path: Path) -> Iterator[Puller]:
    made = Puller(tmp_path)
    yield made
    made.close()
