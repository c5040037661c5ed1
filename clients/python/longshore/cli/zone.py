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
    """By TZ, else by the link that /etc/localtime is, else UTC.

    Raises ValueError if TZ is set to what is no IANA name: a guess would be an hour
    off for half of the year.
    """
    if "TZ" in environment:
        given = environment["TZ"].removeprefix(":")
        name = _in_path(given) if given.startswith("/") else given or UTC
        if not _is_known(name):
            raise ValueError(
                f"TZ={environment['TZ']} is no IANA name: say which zone is meant, as "
                "in 22:00-06:00/Europe/Madrid"
            )
        return name
    name = _in_path(str(localtime.readlink())) if localtime.is_symlink() else ""
    return name if _is_known(name) else UTC


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
