"""Where the daemon listens: `unix:PATH` or `HOST:PORT`."""

import os
from pathlib import Path

ENVIRONMENT = "LONGSHORE_ADDRESS"


def default_address() -> str:
    """The address of the environment, else the socket where a daemon would make it.

    Root's daemon listens in /run/longshore; anyone else's in the user's
    runtime directory.
    """
    if given := os.environ.get(ENVIRONMENT):
        return given
    if os.geteuid() == 0:
        return "unix:/run/longshore/longshored.sock"
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/tmp/longshore-{os.geteuid()}"  # noqa: S108 - where the daemon makes it
    return f"unix:{Path(runtime) / 'longshore' / 'longshored.sock'}"


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
