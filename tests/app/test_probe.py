"""The probe and a daemon that knows no such service."""

import errno
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import (  # type: ignore[import-untyped]  # ships no types
    health,
    health_pb2_grpc,
)

from longshored.app.command import main
from longshored.app.healthcheck import Exit
from longshored.app.unreached import no_answer, reason


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(1))
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    address = f"unix:{tmp_path / 'health.sock'}"
    server.add_insecure_port(address)
    server.start()
    yield address
    server.stop(None).wait()


def test_a_service_that_is_not_known_is_named(
    address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["probe", address, "--service", "foo"]) == Exit.RPC
    assert capsys.readouterr().err == "NOT_FOUND: The daemon has no service 'foo'\n"


def unreached(address: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["probe", address, "--timeout", "0.1"]) == Exit.CONNECT
    return capsys.readouterr().err


def test_a_socket_that_is_not_there_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = f"unix:{tmp_path / 'absent.sock'}"
    said = f"Nothing answers at {absent}: there is no such socket\n"
    assert unreached(absent, capsys) == said


def test_a_socket_that_a_killed_daemon_left_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "left.sock"
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))
    said = unreached(f"unix:{path}", capsys)
    assert said.endswith(": the socket is there, and nobody listens\n")


def test_a_port_where_nobody_listens_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        said = unreached(f"127.0.0.1:{port}", capsys)
    assert said == f"Nothing answers at 127.0.0.1:{port}: refused\n"


def test_who_may_not_connect_is_told_so(tmp_path: Path) -> None:
    error = PermissionError(errno.EACCES, "Permission denied")
    assert "may not connect" in reason(error, is_socket=True)


def test_what_listens_and_says_nothing_is_told_apart(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        said = unreached(address, capsys)
    assert said == f"No daemon answers at {address}: it took too long\n"


BEFORE = (
    "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:7443: "
)


@pytest.mark.parametrize(
    ("tls", "said", "told"),
    [
        (False, "Socket closed", "Socket closed; does it want TLS (--tls-ca)?"),
        (
            True,
            "Ssl handshake failed: SSL_ERROR_SSL: error:1000007d:SSL routines:"
            "OPENSSL_internal:CERTIFICATE_VERIFY_FAILED: self signed certificate: OK",
            "its certificate is not believed: self signed certificate",
        ),
        (
            True,
            "Custom verification check failed with error: UNAUTHENTICATED: "
            "Hostname Verification Check failed.",
            "its certificate is for another name (--tls-name)",
        ),
        (True, "Something new", "Something new"),
    ],
)
def test_what_grpc_said_is_told_in_words(*, tls: bool, said: str, told: str) -> None:
    assert no_answer(BEFORE + said, has_tls=tls, has_certificate=False) == told
