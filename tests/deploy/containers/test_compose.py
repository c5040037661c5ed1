"""The compose file, by podman-compose: up, a job, a restart, the job goes on."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.containers.harbour import Harbour
from tests.deploy.containers.podman import ROOT, Container, Done, run

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(180)]

FILE = ROOT / "deploy" / "compose" / "compose.yaml"

SCRAPE = """
import urllib.request
print(urllib.request.urlopen("http://longshored:9464/metrics").read().decode())
"""


class Project(Harbour):
    """The services of the file, under a name of the test's own."""

    name = f"longshore{uuid.uuid4().hex[:8]}"

    def compose(self, *words: str) -> Done:
        return run(
            *("podman-compose", "-p", self.name, "-f", FILE),
            *words,
            environment={"LONGSHORE_IMAGES": str(self.images)},
        )

    def container(self, service: str) -> Container:
        return Container(f"{self.name}_{service}_1")

    def longshore(self, *words: str, wanted: int | None = 0) -> Done:
        assert wanted == 0
        return self.compose("exec", "-T", "longshored", "longshore", *words)

    def up(self) -> None:
        self.compose("up", "-d")
        self.container("longshored").await_line('"ready"')

    def close(self) -> None:
        self.compose("down", "-v")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    project = Project(tmp_path)
    yield project
    project.close()


def test_a_job_goes_on_after_the_project_was_taken_down(project: Project) -> None:
    project.up()
    job_id = project.pull_slowly()
    project.compose("down")
    project.up()
    project.finish(job_id)


def test_the_sidecar_tells_every_change(project: Project) -> None:
    project.up()
    project.overlay()
    project.pull("--wait")
    sidecar = project.container("changes")
    sidecar.await_line("JOB_STATE_SUCCEEDED")


def test_prometheus_may_ask_by_the_name_of_the_service(project: Project) -> None:
    project.up()
    text = project.container("longshored").python(SCRAPE)
    assert "longshore_" in text
