"""The six examples of every language, as a user runs them, against a live daemon."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from longshore import Client, Submit
from longshore.v1 import image_pb2, image_service_pb2, job_options_pb2, job_pb2
from tests.support.daemon import Place

from .built import is_left_out
from .languages import CLIENTS, standing
from .process import clean_environment

pytestmark = [pytest.mark.clients, pytest.mark.timeout(120)]

MiB = 1024**2

FOLDERS = sorted({language.folder for language in standing()})

# How long a test waits for what must come; never how long it takes.
PATIENCE = 60.0


@pytest.fixture
def client(place: Place) -> Iterator[Client]:
    with Client(place.address) as found:
        yield found


@pytest.fixture
def chain(place: Place, client: Client) -> "Chain":
    return Chain(place.root, client)


class Chain:
    """2 MiB of data under two overlays."""

    def __init__(self, root: Path, client: Client) -> None:
        base, self.middle, self.top = (
            str(root / name) for name in ("base.raw", "middle.qcow2", "top.qcow2")
        )
        Path(base).write_bytes(bytes(range(256)) * (2 * MiB // 256))
        _overlay(client, self.middle, image_pb2.ImageRef(uri=base, format="raw"))
        _overlay(client, self.top, image_pb2.ImageRef(uri=self.middle, format="qcow2"))


def _overlay(client: Client, top: str, backing: image_pb2.ImageRef) -> None:
    image = image_pb2.ImageRef(uri=top, format="qcow2")
    client.create_image(
        image_service_pb2.CreateImageRequest(image=image, backing=backing)
    )


@pytest.fixture(params=FOLDERS)
def folder(request: pytest.FixtureRequest) -> Path:
    if is_left_out(request.param):
        pytest.skip(f"the client of {request.param} is not built: make clients")
    return CLIENTS / str(request.param)


class Example:
    """One run of an example."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def end(self) -> tuple[list[str], int, str]:
        """What it still says, its exit code, and its stderr."""
        out, error = self.process.communicate(timeout=PATIENCE)
        return out.splitlines(), self.process.returncode, error


@contextmanager
def started(
    folder: Path, place: Place, name: str, *arguments: str
) -> Iterator[Example]:
    process = subprocess.Popen(
        [str(folder / "examples" / "run"), name, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment() | {"LONGSHORE_ADDRESS": place.address},
        start_new_session=True,
    )
    try:
        yield Example(process)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def run(folder: Path, place: Place, name: str, *arguments: str) -> list[str]:
    """The lines of an example that ends well."""
    with started(folder, place, name, *arguments) as example:
        lines, code, error = example.end()
    assert code == 0, error
    return lines


def test_submit_and_wait(folder: Path, place: Place, chain: Chain) -> None:
    job_id, last = run(folder, place, "submit_and_wait", chain.top)
    assert last == f"{job_id} SUCCEEDED"


def test_submit_and_wait_says_what_is_wrong(folder: Path, place: Place) -> None:
    missing = str(place.root / "nothing.qcow2")
    with started(folder, place, "submit_and_wait", missing) as example:
        lines, code, error = example.end()
    assert (lines, code) == ([], 1)
    assert "nothing.qcow2" in error or "no such" in error.lower()


def test_watch_all(folder: Path, place: Place, client: Client, chain: Chain) -> None:
    with started(folder, place, "watch_all") as example:
        assert example.line() == "snapshot 0"
        job = client.pull(chain.top, submit=Submit(labels={"stop": "yes"}))
        job.wait()
        lines, code, error = example.end()
    assert code == 0, error
    assert lines[0].startswith(f"CREATED {job.job_id} QUEUED revision=")
    assert lines[-1].startswith(f"UPDATED {job.job_id} SUCCEEDED revision=")
    revisions = [int(line.rpartition("=")[2]) for line in lines]
    assert revisions == sorted(set(revisions))


def test_cancel_on_ctrl_c(
    folder: Path, place: Place, client: Client, chain: Chain
) -> None:
    with started(folder, place, "cancel_on_ctrl_c", chain.top) as example:
        job = client.job(example.line())
        job.wait(states=[job_pb2.JOB_STATE_RUNNING])
        example.process.send_signal(signal.SIGINT)
        lines, code, error = example.end()
    assert code == 130, error
    assert lines == [f"{job.job_id} CANCELLED"]
    assert job.get().state == job_pb2.JOB_STATE_CANCELLED


def test_change_rate(folder: Path, place: Place, client: Client, chain: Chain) -> None:
    job_id, last = run(folder, place, "change_rate", chain.top)
    assert last == f"{job_id} SUCCEEDED"
    assert not client.job(job_id).get().options.HasField("speed_bytes_per_second")


def test_flatten_chain(folder: Path, place: Place, chain: Chain) -> None:
    links = run(folder, place, "flatten_chain", chain.middle, chain.top)
    names = [link.rpartition("/")[2] for link in links]
    assert names == ["top.qcow2", "middle.qcow2", "base.raw"]


def test_handle_conflict(
    folder: Path, place: Place, client: Client, chain: Chain
) -> None:
    busy, last = run(folder, place, "handle_conflict", chain.top)
    holder = client.job(busy.removeprefix("busy: ")).get()
    assert holder.state == job_pb2.JOB_STATE_CANCELLED
    job_id, _, state = last.partition(" ")
    assert state == "SUCCEEDED"
    assert client.job(job_id).get().options == job_options_pb2.JobOptions(
        priority=0, auto_finalize=True
    )
