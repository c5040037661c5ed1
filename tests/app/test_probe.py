"""The probe and a daemon that knows no such service."""

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
