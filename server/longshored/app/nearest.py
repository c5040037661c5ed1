"""Which daemon is meant by who names none: the order of the Python client, too."""

import os
from collections.abc import Callable, Mapping, Sequence

from ..config.load import DEFAULT, load
from ..config.settings import SYSTEM_ADDRESS, default_address
from ..config.sources import Source, from_environment

_UNIX = "unix:"

May = Callable[[str, int], bool]
"""os.access, or what a test has in its place."""


def nearest(environment: Mapping[str, str], file: Sequence[Source]) -> str:
    """Where clients are told to look, else where a daemon of ours is told to listen,
    else what is near."""
    if told := environment.get("LONGSHORE_ADDRESS"):
        return told
    variables = from_environment(environment)
    own, is_told = _listening([variables])
    if is_told:
        return own
    of_file, is_set = _listening(file)
    return near(own, of_file if is_set else None, os.access)


def near(own: str, of_file: str | None, may: May) -> str:
    """The user's own daemon if there is one, else the system's as the file has it or
    as it is by itself, for who may connect to it; else the own one is missed."""
    if own != SYSTEM_ADDRESS and may(_path(own), os.F_OK):
        return own
    if of_file is not None:
        return of_file
    return SYSTEM_ADDRESS if may(_path(SYSTEM_ADDRESS), os.W_OK) else own


def _listening(sources: Sequence[Source]) -> tuple[str, bool]:
    """Where a daemon of these settings is asked, and whether they say so."""
    loaded = load(sources)
    # None at all is no daemon that starts; the probe has to say something still.
    listen = loaded.config.server.listen or (default_address(),)
    # A socket wants no certificate.
    asked = next((one for one in listen if one.startswith(_UNIX)), listen[0])
    return asked, loaded.origins["server.listen"] != DEFAULT


def _path(address: str) -> str:
    return address.removeprefix(_UNIX)
