"""A daemon as a process: what its manager hears, and what SIGHUP changes."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import grpc
import pytest

from longshore.v1 import system_service_pb2 as system_pb
from tests.app.ear import Ear
from tests.support.daemon import DaemonProcess, Place

pytestmark = pytest.mark.slow

SETTINGS = """
[log]
level = "{level}"
[jobs]
slots = {slots}
speed_bytes_per_second = {speed}
[images]
roots = ["{root}"]
"""


class Managed:
    """A daemon with a settings file and a manager that listens."""

    def __init__(self, directory: Path) -> None:
        self.place = Place(directory)
        self.file = directory / "longshored.toml"
        self.ear = Ear(directory / "notify")
        self.set()
        environment = {
            "NOTIFY_SOCKET": str(self.ear.path),
            "WATCHDOG_USEC": "200000",
        }
        arguments = ("--config", str(self.file))
        self.process = DaemonProcess(self.place, arguments, environment)

    def set(self, *, level: str = "info", slots: int = 4, speed: int = 0) -> None:
        text = SETTINGS.format(
            level=level, slots=slots, speed=speed, root=self.place.root
        )
        self.file.write_text(text)

    def reload(self) -> None:
        os.kill(self.process.pid, signal.SIGHUP)
        assert self.ear.hears_of("RELOADING=1")
        assert self.ear.hears_of("READY=1")

    def line(self, event: str) -> dict[str, object]:
        """A line of the log, once the process has ended."""
        found = [line for line in self.process.lines if line["event"] == event]
        assert len(found) == 1, self.process.lines
        return found[0]


@pytest.fixture
def managed(tmp_path: Path) -> Iterator[Managed]:
    managed = Managed(tmp_path)
    managed.process.start()
    assert managed.ear.hears()[0] == "READY=1"
    yield managed
    managed.process.end()
    managed.ear.close()


def test_the_manager_hears_that_it_lives_and_that_it_stops(managed: Managed) -> None:
    assert managed.ear.hears_of("WATCHDOG=1")
    assert managed.ear.hears_of("WATCHDOG=1")
    assert managed.process.terminate() == 0
    assert managed.ear.hears_of("STOPPING=1")


def test_a_store_that_has_failed_is_not_alive(managed: Managed) -> None:
    with closing(sqlite3.connect(managed.place.state / "jobs.sqlite")) as vandal:
        vandal.execute("DROP TABLE rate_limits")
    stubs = managed.process.connect()
    request = system_pb.UpdateRateLimitsRequest()
    request.scope.daemon.SetInParent()
    request.rate_limit.speed_bytes_per_second = 5
    with pytest.raises(grpc.RpcError):
        stubs.system.UpdateRateLimits(request)
    told = managed.ear.hears_of(
        "STATUS=The store has failed; nothing can be changed until a restart"
    )
    assert len(told) == 1
    stubs.close()


def test_sighup_changes_limits_and_level_and_says_what_it_refused(
    managed: Managed,
) -> None:
    managed.set(level="warning", slots=2, speed=5_000_000)
    text = managed.file.read_text()
    managed.file.write_text(f"{text}\n[server]\ninsecure = true\n")
    managed.reload()
    stubs = managed.process.connect()
    limits = stubs.system.GetRateLimits(system_pb.GetRateLimitsRequest()).rate_limits
    assert limits[0].rate_limit.speed_bytes_per_second == 5_000_000
    about = stubs.system.GetCapabilities(system_pb.GetCapabilitiesRequest())
    assert about.limits.running_job_count == 2
    stubs.close()
    assert managed.process.terminate() == 0
    assert managed.line("reload_refused")["needs_restart"] == ["server.insecure"]
    events = [line["event"] for line in managed.process.lines]
    assert "stopping" not in events, "that is information, and the level is warning"


def test_settings_that_are_wrong_change_nothing(managed: Managed) -> None:
    managed.file.write_text("[jobs]\nslots = 2\nslotz = 3\n")
    managed.reload()
    stubs = managed.process.connect()
    about = stubs.system.GetCapabilities(system_pb.GetCapabilitiesRequest())
    assert about.limits.running_job_count == 4
    stubs.close()
    assert managed.process.terminate() == 0
    assert "did you mean jobs.slots" in str(managed.line("reload_failed")["violations"])


def test_a_backup_is_taken_beside_the_daemon(managed: Managed, tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-m", "longshored", "backup", str(tmp_path / "copy")),
        *("--state", str(managed.place.state)),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=20, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert str(tmp_path / "copy") in done.stdout
    again = subprocess.run(
        command, capture_output=True, text=True, timeout=20, check=False
    )
    assert again.returncode == 1
    assert "is there already" in again.stderr
