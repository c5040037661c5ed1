"""Directories for daemons: short paths, because a socket's name has 107 bytes."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.chains import Templates
from tests.faults.hall import Hall, open_hall
from tests.faults.rig import Rig


@pytest.fixture
def place() -> Iterator[Path]:
    """An empty directory for one daemon."""
    directory = Path(tempfile.mkdtemp(prefix="ls-"))
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """Chains to copy; each is made when somebody first wants it."""
    return Templates(tmp_path_factory.mktemp("templates"))


@pytest.fixture
def rig(place: Path, templates: Templates) -> Iterator[Rig]:
    """A daemon that is not started yet, and is killed at the end."""
    made = Rig(place, templates)
    yield made
    made.daemon.kill()


@pytest.fixture(scope="module")
def hall() -> Iterator[Hall]:
    """A daemon in an arena, for all vectors of one file."""
    with open_hall() as opened:
        yield opened
