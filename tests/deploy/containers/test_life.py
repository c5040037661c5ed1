"""A daemon in a container: it serves, is stopped, is killed, and nothing is lost."""

import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.deploy.containers.harbour import Harbour

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(180)]


def test_a_client_in_another_container_pulls_through_the_mounted_socket(
    harbour: Harbour,
) -> None:
    harbour.serve()
    harbour.overlay()
    harbour.pull("--wait")
    harbour.assert_pulled()


def test_a_stopped_container_drains_and_the_next_one_goes_on(harbour: Harbour) -> None:
    container = harbour.serve()
    job_id = harbour.pull_slowly()
    assert container.stop() == 0
    assert '"stopped"' in container.log()[-1]
    harbour.serve()
    harbour.finish(job_id)


def test_a_job_survives_a_container_that_is_killed(harbour: Harbour) -> None:
    container = harbour.serve()
    job_id = harbour.pull_slowly()
    container.kill()
    harbour.serve()
    harbour.finish(job_id)


def test_a_container_can_be_stopped_before_it_serves(harbour: Harbour) -> None:
    # The kernel drops what PID 1 has no handler for: only Python's own start is left
    # without one. 143 before it serves, when nothing is to be drained; else 0.
    container = harbour.begin()
    while not container.handles(signal.SIGTERM):
        assert container.is_running()
    assert container.stop() in (0, 143)


def test_health_turns_when_the_store_fails(harbour: Harbour) -> None:
    container = harbour.serve()
    assert container.healthy()
    change(harbour.store, "DROP TABLE rate_limits")
    harbour.longshore("limit", "daemon", "rate=1MiB", wanted=None)
    container.await_line("store_failed")
    assert not container.healthy()


def test_of_two_containers_on_one_volume_the_second_is_refused(
    harbour: Harbour,
) -> None:
    container = harbour.serve()
    elsewhere = ("-e", "LONGSHORE_SERVER__LISTEN=unix:/run/longshore/other.sock")
    code, line = harbour.refused(*elsewhere)
    assert (code, "Another longshored" in line) == (1, True), line
    assert container.healthy()


def test_the_store_of_a_newer_version_is_refused(harbour: Harbour) -> None:
    harbour.serve().stop()
    change(harbour.store, "PRAGMA user_version = 999")
    code, line = harbour.refused()
    assert (code, "was written by a newer longshored" in line) == (1, True), line


def change(store: Path, sql: str) -> None:
    with closing(sqlite3.connect(store)) as vandal:
        vandal.execute(sql)
        vandal.commit()
