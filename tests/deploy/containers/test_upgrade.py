"""A store in use goes over to a newer version of the daemon, and not back."""

import sys
from pathlib import Path

import pytest

from tests.deploy.containers.harbour import Harbour
from tests.deploy.containers.podman import ROOT, run

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(180)]

# The last commit before the schema of the store became 2.
PREVIOUS = "729868853587e452afec0aadfe141d6e7cabe4d2"


@pytest.fixture
def previous(tmp_path: Path) -> tuple[str, ...]:
    """Options that put the version of that commit into a container of the image."""
    source, wheels = tmp_path / "source", tmp_path / "wheels"
    source.mkdir()
    run("git", "-C", ROOT, "archive", "-o", tmp_path / "source.tar", PREVIOUS)
    run("tar", "-C", source, "-xf", tmp_path / "source.tar")
    pip = (sys.executable, "-m", "pip", "-q")
    run(*pip, "wheel", "--no-build-isolation", "--no-deps", "-w", wheels, source)
    (wheel,) = wheels.iterdir()
    run(*pip, "install", "--no-deps", "--target", tmp_path / "previous", wheel)
    return ("-v", f"{tmp_path / 'previous'}:/previous:ro", "-e", "PYTHONPATH=/previous")


def test_a_job_at_work_goes_on_under_the_next_version_and_there_is_no_way_back(
    harbour: Harbour, previous: tuple[str, ...]
) -> None:
    container = harbour.serve(*previous)
    job_id = harbour.pull_slowly()
    assert container.stop() == 0
    container = harbour.serve()
    harbour.finish(job_id)
    assert container.stop() == 0
    code, line = harbour.refused(*previous)
    assert (code, "written by a newer longshored" in line) == (1, True), line
