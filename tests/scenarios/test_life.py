"""The life of a daemon process: start, drain, kill, second daemon, probe."""

import json
import os
import signal
import stat
import subprocess
import sys

import grpc
import pytest

from longshore.v1 import job_pb2, watch_pb2
from longshore.v1 import job_service_pb2 as pb
from tests.scenarios.conftest import Start
from tests.scenarios.images import SLOW, make_chain, pull_of
from tests.support.calls import (
    Watching,
    finished,
    from_now,
    refusal,
    wait,
    watching,
)
from tests.support.daemon import DaemonProcess, Place

pytestmark = pytest.mark.slow


def probe(place: Place, *arguments: str) -> int:
    return subprocess.run(
        [sys.executable, "-m", "longshored", "probe", place.address, *arguments],
        capture_output=True,
        check=False,
        timeout=20,
    ).returncode


def serve(place: Place, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A daemon that is expected to end by itself."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "longshored", "serve"),
            *("--state", str(place.state)),
            *("--root", str(place.root)),
            *("--listen", place.address),
            *arguments,
        ],
        capture_output=True,
        check=False,
        text=True,
        timeout=20,
    )


def slow_pull(daemon: DaemonProcess, place: Place, name: str = "disk") -> None:
    """A running pull that will not end while a test looks at it."""
    stubs = daemon.connect()
    make_chain(stubs, place, name)
    request = pull_of(place, name, job_id=name)
    request.options.speed_bytes_per_second = SLOW
    stubs.jobs.CreateJob(request)
    wait(stubs, name, job_pb2.JOB_STATE_RUNNING)
    stubs.close()


def test_a_pull_through_a_process_makes_the_top_whole(
    start: Start, place: Place
) -> None:
    stubs = start().connect()
    make_chain(stubs, place, "disk")
    stubs.jobs.CreateJob(pull_of(place, "disk", job_id="a"))
    job = finished(stubs, "a")
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED
    assert job.info.block.pull.result.copied_bytes == 8 << 20
    stubs.close()


def test_the_ready_line_names_the_addresses(start: Start, place: Place) -> None:
    ready = start().lines[-1]
    assert ready["event"] == "ready"
    assert ready["listen"] == [place.address]


def test_every_mutation_leaves_an_audit_line(start: Start, place: Place) -> None:
    daemon = start()
    slow_pull(daemon, place)
    daemon.terminate()
    lines = [line for line in daemon.lines if line["event"] == "audit"]
    assert [line["rpc"] for line in lines] == [
        "CreateImage",
        "CreateImage",
        "CreateJob",
    ]
    assert lines[-1]["job"] == "disk"
    assert lines[-1]["outcome"] == "served"
    assert (lines[-1]["caller"], lines[-1]["role"]) == ("unix", "admin")
    assert {"request_id", "peer", "reason", "took_ms"} <= set(lines[-1])


def test_the_socket_is_for_owner_and_group(start: Start, place: Place) -> None:
    start()
    socket = place.directory / "run" / "d.sock"
    assert stat.S_IMODE(socket.stat().st_mode) == 0o660
    assert stat.S_IMODE(socket.parent.stat().st_mode) & 0o007 == 0


def test_sigterm_drains_and_the_job_goes_on_later(start: Start, place: Place) -> None:
    daemon = start()
    slow_pull(daemon, place)
    stubs = daemon.connect()
    watch = Watching(stubs, watch_pb2.WatchJobsRequest(from_now=from_now()))
    watch.next()
    assert daemon.terminate() == 0
    closing = watch.next_of("closing").closing
    assert closing.reason == watch_pb2.WATCH_CLOSE_REASON_SHUTDOWN
    assert watch.is_at_end()
    stubs.close()

    again = start().connect()
    options = pb.UpdateJobRequest(job_id="disk")
    options.update_mask.paths.append("speed_bytes_per_second")
    options.options.SetInParent()
    again.jobs.UpdateJob(options)
    job = finished(again, "disk")
    assert job.state == job_pb2.JOB_STATE_SUCCEEDED
    assert job.worker.attempt == 2 or len(job.history) > 4
    again.close()


def test_a_wait_is_told_that_the_daemon_goes(start: Start, place: Place) -> None:
    daemon = start()
    slow_pull(daemon, place)
    stubs = daemon.connect()
    call = stubs.jobs.WaitJob.future(pb.WaitJobRequest(job_id="disk"))
    # Answered behind the wait on the same connection: the wait has been taken.
    stubs.jobs.GetJob(pb.GetJobRequest(job_id="disk"))
    daemon.terminate()
    told = refusal(call.result)
    assert told.code is grpc.StatusCode.UNAVAILABLE
    stubs.close()


def test_a_killed_daemon_ends_streams_and_its_job_goes_on_later(
    start: Start, place: Place
) -> None:
    daemon = start()
    slow_pull(daemon, place)
    stubs = daemon.connect()
    watch = Watching(stubs, watch_pb2.WatchJobsRequest())
    cursor = watch.next_of("snapshot_end").cursor
    daemon.kill()
    assert watch.ended().code is grpc.StatusCode.UNAVAILABLE
    stubs.close()

    again = start().connect()
    with watching(again, resume_after=cursor) as resumed:
        assert resumed.events(1)[0].revision == cursor.revision + 1
    again.jobs.CancelJob(pb.CancelJobRequest(job_id="disk"))
    assert finished(again, "disk").state == job_pb2.JOB_STATE_CANCELLED
    again.close()


def test_a_second_signal_ends_at_once(start: Start, place: Place) -> None:
    daemon = start("--log-level", "info", LONGSHORE_FAILPOINTS="drain.stopping=sleep:9")
    os.kill(daemon.pid, signal.SIGTERM)
    while not any(line["event"] == "stopping" for line in list(daemon.lines)):
        assert daemon.is_alive()
    os.kill(daemon.pid, signal.SIGTERM)
    assert daemon.wait() == 128 + signal.SIGTERM


def test_a_second_daemon_on_the_state_directory_is_refused(
    start: Start, place: Place
) -> None:
    daemon = start()
    other = serve(place, "--listen", f"unix:{place.directory}/other.sock")
    assert other.returncode == 1
    assert str(daemon.pid) in other.stderr


def test_a_second_daemon_on_the_socket_is_refused(start: Start, place: Place) -> None:
    daemon = start()
    other = serve(place, "--state", str(place.directory / "other"))
    assert other.returncode == 1
    assert str(daemon.pid) in other.stderr
    assert probe(place) == 0, "the first one still has its socket"


def test_a_socket_left_by_a_killed_daemon_is_taken_over(
    start: Start, place: Place
) -> None:
    start().kill()
    start()
    assert probe(place) == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 0),
        (("--service", "longshore.v1.JobService"), 0),
        (("--service", "nobody"), 3),
        (("--no-such-flag",), 1),
    ],
)
def test_probe_of_a_daemon_that_serves(
    start: Start, place: Place, arguments: tuple[str, ...], code: int
) -> None:
    start()
    assert probe(place, *arguments) == code


def test_probe_of_nobody_cannot_connect(place: Place) -> None:
    assert probe(place, "--timeout", "0.3") == 2


def test_serve_without_a_root_says_how(place: Place) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "longshored", "serve", "--state", str(place.state)],
        capture_output=True,
        check=False,
        text=True,
        timeout=20,
    )
    assert told.returncode == 1
    assert "--root DIR" in told.stderr
    assert not place.state.exists()


def test_an_unknown_fail_point_is_refused(start: Start, place: Place) -> None:
    environment = {**os.environ, "LONGSHORE_FAILPOINTS": "no.such=kill"}
    told = subprocess.run(
        [
            *(sys.executable, "-m", "longshored", "serve"),
            *("--state", str(place.state), "--root", str(place.root)),
            *("--listen", place.address),
        ],
        capture_output=True,
        check=False,
        text=True,
        timeout=20,
        env=environment,
    )
    assert told.returncode == 1
    assert "no.such" in told.stderr


def test_logs_are_json_lines_when_nobody_looks(start: Start, place: Place) -> None:
    daemon = start()
    daemon.terminate()
    assert [line["event"] for line in daemon.lines] == ["ready", "stopping", "stopped"]
    assert all(json.dumps(line) for line in daemon.lines)
