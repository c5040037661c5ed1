"""A daemon with a scripted driver behind a real socket."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import Authority, make_authority
from tests.support.credentials import SecurePlace
from tests.support.daemon import LocalDaemon, Place, Stubs
from tests.support.drivers import Scripted

Open = Callable[..., LocalDaemon]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def driver() -> Scripted:
    return Scripted()


@pytest.fixture
def open_daemon(place: Place, driver: Scripted) -> Iterator[Open]:
    """Starts daemons on the test's place; whatever still runs is drained at the end."""
    with ExitStack() as running:

        def start(
            *, sections: dict[str, Any] | None = None, **parts: Any
        ) -> LocalDaemon:
            parts.setdefault("drivers", [driver])
            daemon = LocalDaemon(place.config(**(sections or {})), **parts).start()
            running.callback(daemon.stop_once)
            return daemon

        yield start


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return make_authority(tmp_path / "pki")


OpenSecure = Callable[..., LocalDaemon]


@pytest.fixture
def open_secure(open_daemon: Open) -> OpenSecure:
    """Starts daemons whose TCP is TLS."""

    def start(there: SecurePlace, **parts: Any) -> LocalDaemon:
        config = there.config()
        names = ("server", "tls", "access")
        sections = {name: getattr(config, name) for name in names}
        return open_daemon(sections=sections, **parts)

    return start


@pytest.fixture
def daemon(open_daemon: Open) -> LocalDaemon:
    return open_daemon()


@pytest.fixture
def stubs(daemon: LocalDaemon) -> Iterator[Stubs]:
    stubs = daemon.connect()
    yield stubs
    stubs.close()
