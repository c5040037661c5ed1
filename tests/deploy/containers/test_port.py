"""A published port: TLS with certificates on both sides, and nothing without."""

import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deploy.containers.harbour import HARDENED, Harbour
from tests.deploy.containers.podman import IMAGE, Done, podman
from tests.support.certificates import Authority, dns, make_authority

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(180)]

CALLER = Path(__file__).with_name("caller.py")
PORT = 50051
TLS = "/etc/longshore/tls"
SETTINGS = {
    "LONGSHORE_SERVER__LISTEN": f"unix:/run/longshore/longshored.sock,0.0.0.0:{PORT}",
    "LONGSHORE_TLS__CERTIFICATE": f"{TLS}/server.pem",
    "LONGSHORE_TLS__KEY": f"{TLS}/server.key",
    "LONGSHORE_TLS__CLIENT_CA": f"{TLS}/ca.pem",
    "LONGSHORE_ACCESS__OPERATORS": "dns:somebody",
}


@pytest.fixture
def network() -> Iterator[str]:
    """A bridge: the port of the container is not one of the host, unless published."""
    name = f"longshore-{uuid.uuid4().hex[:8]}"
    podman("network", "create", name)
    yield name
    podman("network", "rm", "-f", "-t", "0", name)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def authority_for(harbour: Harbour) -> Authority:
    authority = make_authority(harbour.directory / "tls")
    for path in authority.directory.iterdir():
        harbour.own(path)
    return authority


def call(harbour: Harbour, authority: Authority, port: int, name: str) -> Done:
    for path in authority.write_client(authority.client(dns(name))):
        harbour.own(path)
    return podman(
        *("run", "--rm", *HARDENED, "-v", f"{authority.directory}:/tls:ro"),
        *("-v", f"{CALLER}:/caller.py:ro"),
        *("--entrypoint", "/opt/longshore/bin/python", IMAGE),
        *("/caller.py", f"localhost:{port}", "/tls"),
        wanted=None,
    )


def test_a_client_in_another_container_pulls_through_a_published_port(
    network: str, tmp_path: Path
) -> None:
    harbour = Harbour(tmp_path)
    authority, port = authority_for(harbour), free_port()
    settings = [f"--env={name}={value}" for name, value in SETTINGS.items()]
    try:
        harbour.serve(
            *("--network", network, "-p", f"127.0.0.1:{port}:{PORT}"),
            *("-v", f"{authority.directory}:{TLS}:ro"),
            *settings,
        )
        harbour.overlay()
        done = call(harbour, authority, port, "somebody")
        assert done.out == "JOB_STATE_SUCCEEDED\n", done.err
        harbour.assert_pulled()
        assert "PERMISSION_DENIED" in call(harbour, authority, port, "other").err
    finally:
        harbour.close()
