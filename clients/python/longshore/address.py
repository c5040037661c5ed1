"""Where a daemon listens: `unix:PATH` or `HOST:PORT`; and which one is meant."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

ENVIRONMENT = "LONGSHORE_ADDRESS"

_OF_ROOT = "/run/longshore/longshored.sock"


def default_address() -> str:
    """The address of the environment, else the socket of a daemon that is near.

    A user's own daemon goes before root's, and root's is taken only by who may
    connect to it: the members of its group.
    """
    return choose_address(os.environ, os.geteuid())


def choose_address(
    environment: Mapping[str, str],
    user: int,
    may: Callable[[str, int], bool] = os.access,
) -> str:
    """`default_address` for a user; `may` says what files let them do."""
    if given := environment.get(ENVIRONMENT):
        return given
    own = _own_socket(environment, user)
    is_ours = may(own, os.F_OK) or not may(_OF_ROOT, os.W_OK)
    return f"unix:{own if is_ours else _OF_ROOT}"


def _own_socket(environment: Mapping[str, str], user: int) -> str:
    """Where the daemon of a user makes its socket."""
    if user == 0:
        return _OF_ROOT
    runtime = environment.get("XDG_RUNTIME_DIR") or f"/tmp/longshore-{user}"  # noqa: S108 - where the daemon makes it
    return str(Path(runtime) / "longshore" / "longshored.sock")


def check_address(address: str) -> str:
    """The address as gRPC takes it. Raises ValueError that says what would be right."""
    if address.startswith("unix:"):
        path = address.removeprefix("unix:").removeprefix("//")
        if not path.startswith("/"):
            raise ValueError(f"unix:PATH needs an absolute path, not {path!r}")
        return f"unix:{path}"
    host, colon, port = address.rpartition(":")
    if not colon or not host or not _is_port(port):
        raise ValueError(
            f"address must be unix:PATH or HOST:PORT, PORT 1 to 65535, not {address!r}"
        )
    return address


def _is_port(text: str) -> bool:
    is_number = text.isascii() and text.isdecimal() and len(text) <= 5
    return is_number and 0 < int(text) < 65536
