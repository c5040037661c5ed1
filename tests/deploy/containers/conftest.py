"""What containers leave behind is cleared away, whatever became of the test."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.containers.harbour import Harbour


@pytest.fixture
def harbour(tmp_path: Path) -> Iterator[Harbour]:
    harbour = Harbour(tmp_path)
    yield harbour
    harbour.close()
