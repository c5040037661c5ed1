"""A daemon process on TLS: who may do what, and what its log remembers of it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import (  # type: ignore[import-untyped]  # ships no types
    health_pb2,
    health_pb2_grpc,
)

from longshore.v1 import job_service_pb2 as pb
from longshore.v1 import watch_pb2
from tests.support.calls import Watching, from_now, refusal
from tests.support.certificates import make_authority
from tests.support.credentials import (
    ADMIN_TOKEN,
    TOKENS,
    VIEWER_TOKEN,
    SecurePlace,
    secure,
)
from tests.support.daemon import DaemonProcess, Place, Stubs

pytestmark = pytest.mark.slow

C = grpc.StatusCode


@pytest.fixture
def there(tmp_path: Path) -> SecurePlace:
    there = SecurePlace(Place(tmp_path), make_authority(tmp_path / "pki"))
    there.write_tokens()
    return there


@pytest.fixture
def daemon(there: SecurePlace) -> Iterator[DaemonProcess]:
    authority = there.authority
    arguments = (
        *("--listen", "127.0.0.1:0", "--token-file", str(there.token_file)),
        *("--tls-cert", str(authority.certificate_file)),
        *("--tls-key", str(authority.key_file)),
    )
    daemon = DaemonProcess(there.place, arguments).start()
    yield daemon
    daemon.end()


def connect(daemon: DaemonProcess, there: SecurePlace, token: str | None) -> Stubs:
    _, address = daemon.lines[-1]["listen"]
    return secure(address, there.authority.ca, token=token)


def dismiss(stubs: Stubs) -> grpc.StatusCode:
    request = pb.DismissJobRequest(job_id="nobody")
    return refusal(lambda: stubs.jobs.DismissJob(request)).code


def test_a_daemon_on_tls_says_who_did_what_and_no_secret(
    daemon: DaemonProcess, there: SecurePlace
) -> None:
    with (
        closing(connect(daemon, there, VIEWER_TOKEN)) as viewer,
        closing(connect(daemon, there, ADMIN_TOKEN)) as admin,
        closing(connect(daemon, there, None)) as nobody,
    ):
        assert dismiss(nobody) is C.UNAUTHENTICATED
        assert dismiss(viewer) is C.PERMISSION_DENIED
        assert dismiss(admin) is C.NOT_FOUND
    daemon.terminate()
    loaded = [line for line in daemon.lines if line["event"] == "credentials_loaded"]
    assert [line["tokens"] for line in loaded] == [4]
    assert "certificate_expires" in loaded[0]
    audit = [line for line in daemon.lines if line["event"] == "audit"]
    assert [(line["caller"], line["role"], line["reason"]) for line in audit] == [
        ("unknown", "none", "CREDENTIALS_INVALID"),
        ("token:panel", "viewer", "PERMISSION_DENIED"),
        ("token:root", "admin", "JOB_NOT_FOUND"),
    ]
    log = json.dumps(daemon.lines)
    assert VIEWER_TOKEN not in log
    assert ADMIN_TOKEN not in log


def test_health_needs_no_token(daemon: DaemonProcess, there: SecurePlace) -> None:
    with closing(connect(daemon, there, None)) as nobody:
        health = health_pb2_grpc.HealthStub(nobody.channel)
        answer = health.Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_sighup_takes_a_token_away_at_once(
    daemon: DaemonProcess, there: SecurePlace
) -> None:
    request = watch_pb2.WatchJobsRequest(from_now=from_now())
    with (
        closing(connect(daemon, there, VIEWER_TOKEN)) as viewer,
        closing(Watching(viewer, request)) as watch,
    ):
        watch.next_of("opened")
        there.write_tokens(TOKENS.replace("panel ", "# panel "))
        os.kill(daemon.pid, signal.SIGHUP)
        assert watch.ended().code is C.UNAUTHENTICATED


def test_a_key_that_others_can_read_ends_the_start(there: SecurePlace) -> None:
    authority = there.authority
    authority.key_file.chmod(0o644)
    words = [
        *(sys.executable, "-m", "longshored", "serve"),
        *("--state", str(there.place.state), "--root", str(there.place.root)),
        *("--listen", "127.0.0.1:0", "--token-file", str(there.token_file)),
        *("--tls-cert", str(authority.certificate_file)),
        *("--tls-key", str(authority.key_file)),
    ]
    told = subprocess.run(
        words, capture_output=True, check=False, text=True, timeout=20
    )
    assert told.returncode == 1
    assert "tls.key: " in told.stderr
    assert "mode 0644" in told.stderr
    assert not there.place.state.exists()
