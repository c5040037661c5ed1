"""Which daemon is meant by who names none: the order of the Python client, too."""

import os
from collections.abc import Callable, Mapping, Sequence

from ..config.load import DEFAULT, load
from ..config.settings import SYSTEM_ADDRESS
from ..config.sources import Source, from_environment

_UNIX = "unix:"

May = Callable[[str, int], bool]
"""os.access, or what a test has in its place."""


def nearest(environment: Mapping[str, str], file: Sequence[Source]) -> str:
    """Where clients are told to look, else where a daemon started here listens, else
    the system's daemon for who has none of their own and may connect to it."""
    if told := environment.get("LONGSHORE_ADDRESS"):
        return told
    loaded = load([*file, from_environment(environment)])
    listen = loaded.config.server.listen
    # A socket wants no certificate.
    own = next((one for one in listen if one.startswith(_UNIX)), listen[0])
    is_set = loaded.origins["server.listen"] != DEFAULT
    return own if is_set else near(own, os.access)


def near(own: str, may: May) -> str:
    """The own daemon's address, unless there is none and the system's is open to us."""
    if may(_path(own), os.F_OK) or not may(_path(SYSTEM_ADDRESS), os.W_OK):
        return own
    return SYSTEM_ADDRESS


def _path(address: str) -> str:
    return address.removeprefix(_UNIX)
