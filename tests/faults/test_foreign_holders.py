"""QEMU's programs and a pull exclude each other on the same files, both ways."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from longshore import Client, Progress
from longshore.errors import TargetBusy
from longshore.requests import Submit, pull_info
from longshore.v1 import job_options_pb2, job_pb2, job_service_pb2
from longshored.units import KiB
from tests.faults.chains import Chain, Templates, run
from tests.faults.process import Daemon, serving
from tests.faults.workload import JOB_SECONDS
from tests.support.lockers import qemu_io_holder

pytestmark = [pytest.mark.qemu, pytest.mark.slow]

SUCCEEDED = job_pb2.JOB_STATE_SUCCEEDED
SLOW = job_options_pb2.JobOptions(speed_bytes_per_second=64 * KiB)


@pytest.fixture
def daemon(place: Path) -> Iterator[Daemon]:
    with serving(place) as started:
        yield started


@pytest.fixture
def client(daemon: Daemon) -> Iterator[Client]:
    with daemon.client() as opened:
        yield opened


@pytest.fixture
def chain(daemon: Daemon, templates: Templates) -> Chain:
    return templates.copy("raw", daemon.place.images / "raw")


@contextmanager
def background(command: list[str], pid_file: Path) -> Iterator[int]:
    """A program that says when it is ready by going to the background."""
    run(*command)
    pid = int(pid_file.read_text())
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGTERM)


def refused(client: Client, chain: Chain) -> TargetBusy:
    with pytest.raises(TargetBusy) as caught:
        client.pull(chain.top)
    assert list(client.list()) == []
    return caught.value


@pytest.mark.parametrize("write", [True, False], ids=["writer", "reader"])
def test_a_pull_is_refused_while_qemu_io_has_the_top(
    client: Client, chain: Chain, write: bool
) -> None:
    with qemu_io_holder(chain.top, "qcow2", write=write) as pid:
        error = refused(client, chain)
    assert error.pid == pid
    assert "qemu-io" in error.command
    assert error.target == str(chain.top)


def test_a_pull_is_refused_while_somebody_writes_to_the_base(
    client: Client, chain: Chain
) -> None:
    base = chain.directory / "base.raw"
    with qemu_io_holder(base, "raw", write=True) as pid:
        error = refused(client, chain)
    assert error.pid == pid
    assert error.target == str(base)


def test_a_reader_of_the_base_and_a_pull_do_not_mind_each_other(
    client: Client, chain: Chain
) -> None:
    with qemu_io_holder(chain.directory / "base.raw", "raw", write=False):
        assert client.pull(chain.top).wait(JOB_SECONDS).state == SUCCEEDED


def test_a_pull_is_refused_while_qemu_nbd_serves_the_top(
    client: Client, chain: Chain
) -> None:
    socket, pid_file = chain.directory / "nbd", chain.directory / "pid"
    command = ["qemu-nbd", "--fork", "-t", "-k", str(socket), "-f", "qcow2"]
    command += ["--pid-file", str(pid_file), str(chain.top)]
    with background(command, pid_file) as pid:
        error = refused(client, chain)
    assert error.pid == pid
    assert "qemu-nbd" in error.command


def test_a_pull_is_refused_while_a_storage_daemon_has_the_top(
    client: Client, chain: Chain
) -> None:
    socket, pid_file = chain.directory / "nbd", chain.directory / "pid"
    node = f"driver=qcow2,node-name=top,file.driver=file,file.filename={chain.top}"
    command = ["qemu-storage-daemon", "--daemonize", "--pidfile", str(pid_file)]
    command += ["--blockdev", node]
    command += ["--nbd-server", f"addr.type=unix,addr.path={socket}"]
    command += ["--export", "nbd,id=e,node-name=top,writable=on"]
    with background(command, pid_file) as pid:
        error = refused(client, chain)
    assert error.pid == pid
    assert "qemu-storage-daemon" in error.command


def test_a_queued_pull_names_the_process_and_starts_when_it_has_gone(
    client: Client, chain: Chain
) -> None:
    queue = job_service_pb2.ON_CONFLICT_QUEUE
    info = pull_info((chain.top, "qcow2"), None, ())
    with qemu_io_holder(chain.top, "qcow2", write=True) as pid:
        job = client.create(info, Submit(on_conflict=queue))
        waiting = job.get()
        assert waiting.state == job_pb2.JOB_STATE_QUEUED
        assert waiting.pending.blocking_process.pid == pid
    assert job.wait(JOB_SECONDS).state == SUCCEEDED


@pytest.fixture
def running(client: Client, chain: Chain) -> Chain:
    """The chain of a pull that is at work, slowly."""
    info = pull_info((chain.top, "qcow2"), None, ())
    job = client.create(info, Submit(options=SLOW))
    job.wait(JOB_SECONDS, states=(job_pb2.JOB_STATE_RUNNING,))
    # Running means that it has its slot; the files follow a moment later.
    for value in job.watch(progress_interval=0.1):
        if isinstance(value, Progress) and value.progress.current:
            break
    return chain


def test_a_pull_into_what_another_pull_reads_is_refused_by_its_name(
    client: Client, daemon: Daemon, templates: Templates
) -> None:
    lower = templates.copy("qcow2", daemon.place.images / "qcow2")
    info = pull_info((lower.top, "qcow2"), None, ())
    first = client.create(info, Submit(options=SLOW))
    with pytest.raises(TargetBusy) as caught:
        client.pull(lower.directory / "mid.qcow2")
    assert caught.value.blocking_job_id == first.job_id
    assert caught.value.target == str(lower.directory / "mid.qcow2")


LOCKED = (
    ("qemu-io", "-f", "qcow2", "-c", "write 0 64k", "{top}"),
    ("qemu-io", "-f", "qcow2", "-r", "-c", "read 0 64k", "{top}"),
    ("qemu-img", "info", "-f", "qcow2", "{top}"),
    ("qemu-img", "check", "-f", "qcow2", "{top}"),
    ("qemu-img", "rebase", "-f", "qcow2", "-u", "-b", "", "{top}"),
    ("qemu-img", "resize", "-f", "qcow2", "{top}", "+1M"),
    ("qemu-img", "snapshot", "-c", "mine", "{top}"),
    ("qemu-img", "commit", "-f", "qcow2", "{top}"),
    ("qemu-io", "-f", "raw", "-c", "write 0 64k", "{base}"),
    ("qemu-img", "resize", "-f", "raw", "{base}", "+1M"),
)


@pytest.mark.parametrize("command", LOCKED, ids=lambda one: " ".join(one[:4]))
def test_qemu_is_refused_while_a_pull_runs(
    running: Chain, command: tuple[str, ...]
) -> None:
    done = qemu(running, command)
    assert done.returncode != 0 or "lock" in done.stderr + done.stdout
    assert "lock" in done.stderr + done.stdout


def test_qemu_may_read_the_base_of_a_running_pull(running: Chain) -> None:
    command = ("qemu-io", "-f", "raw", "-r", "-c", "read 0 64k", "{base}")
    assert "read 65536/65536" in qemu(running, command).stdout


def qemu(chain: Chain, command: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    names = {"{top}": str(chain.top), "{base}": str(chain.directory / "base.raw")}
    words = [names.get(word, word) for word in command]
    return subprocess.run(words, capture_output=True, text=True, timeout=20)
