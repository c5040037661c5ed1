"""One daemon per state directory and per socket; the second is told by whom it lost."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.process import Daemon, serving

pytestmark = pytest.mark.slow

SECONDS = 20.0


@pytest.fixture
def first(place: Path) -> Iterator[Daemon]:
    with serving(place) as daemon:
        yield daemon


def refused(command: list[str]) -> str:
    """What a daemon says that must not come up."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert done.returncode == 1
    assert done.stdout == ""
    return done.stderr


def instead(daemon: Daemon, old: str, new: str) -> list[str]:
    return [word.replace(old, new) for word in daemon.place.command()]


def test_a_second_daemon_on_the_same_state_is_refused_in_one_line(
    first: Daemon,
) -> None:
    complaint = refused(instead(first, "longshored.sock", "other.sock"))
    (line,) = complaint.splitlines()
    assert f"pid {first.pid}" in line
    assert str(first.place.state) in line
    assert not (first.place.directory / "other.sock").exists()


def test_a_second_daemon_on_the_same_socket_is_refused_in_one_line(
    first: Daemon,
) -> None:
    complaint = refused(instead(first, "/state", "/other-state"))
    (line,) = complaint.splitlines()
    assert str(first.pid) in line
    assert str(first.place.socket) in line


def test_the_first_daemon_serves_on_while_others_are_refused(first: Daemon) -> None:
    for old, new in (("longshored.sock", "other.sock"), ("/state", "/other-state")):
        refused(instead(first, old, new))
    with first.client() as client:
        assert client.capabilities().version


def test_the_socket_of_a_dead_daemon_is_replaced(first: Daemon) -> None:
    first.kill()
    assert first.place.socket.is_socket()
    first.start()
    with first.client() as client:
        assert client.capabilities().version


def test_a_file_that_is_no_socket_is_not_replaced(first: Daemon) -> None:
    first.stop()
    first.place.socket.unlink(missing_ok=True)
    first.place.socket.write_text("somebody's notes")
    complaint = refused(first.place.command())
    assert str(first.place.socket) in complaint
    assert "Traceback" not in complaint
    assert first.place.socket.read_text() == "somebody's notes"


def test_a_state_directory_that_cannot_be_made_is_refused_in_one_line(
    first: Daemon,
) -> None:
    first.stop()
    (first.place.directory / "file").write_text("")
    complaint = refused(instead(first, "/state", "/file/state"))
    assert len(complaint.splitlines()) == 1
    assert "file/state" in complaint


def test_a_root_that_is_not_there_is_refused_in_one_line(first: Daemon) -> None:
    first.stop()
    complaint = refused(instead(first, "/images", "/nowhere"))
    assert len(complaint.splitlines()) == 1
    assert "nowhere" in complaint
