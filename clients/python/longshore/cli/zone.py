"""The time zone of this machine by its IANA name, as times are printed in it."""

import os
from collections.abc import Mapping
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

UTC = "UTC"
LOCALTIME = Path("/etc/localtime")
# A zone's name is what follows in the path of its file, or follows one of these.
_FILES = "/zoneinfo/"
_SETS = ("posix/", "right/")


def local_zone(
    environment: Mapping[str, str] = os.environ, localtime: Path = LOCALTIME
) -> str:
    """By TZ, else by what /etc/localtime is; UTC if there is neither.

    Raises ValueError if there is a zone and its name is not to be had: a guess would be
    an hour off for half of the year.
    """
    given = environment.get("TZ")
    if given is not None and given.removeprefix(":") != str(localtime):
        return _named(given.removeprefix(":"), f"TZ={given}")
    if localtime.is_symlink():
        name = _in_path(str(localtime.readlink()))
        if _is_known(name):
            return name
    if localtime.exists():
        return _named(os.path.realpath(localtime), str(localtime))
    return UTC


def _named(given: str, source: str) -> str:
    name = _in_path(given) if given.startswith("/") else given or UTC
    if not _is_known(name):
        raise ValueError(
            f"{source} is no IANA name: say which zone is meant, as in "
            "22:00-06:00/Europe/Madrid"
        )
    return name


def _in_path(path: str) -> str:
    name = path.rpartition(_FILES)[2] if _FILES in path else ""
    for before in _SETS:
        name = name.removeprefix(before)
    return name


def _is_known(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True
