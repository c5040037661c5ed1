"""Files that hold secrets: read only while nobody else can read or change them."""

import os
import stat
from pathlib import Path

from ..errors import ServiceError, field_invalid

LARGEST = 1024 * 1024

# Anyone's, or a group's that may write: such a file is no secret, or not ours.
_TOO_OPEN = stat.S_IRWXO | stat.S_IWGRP


def read_secret(path: Path, field: str) -> bytes:
    """The bytes of the file; FIELD_INVALID of this setting if it cannot be trusted."""
    data, mode = _read(path, field)
    if mode & _TOO_OPEN:
        raise field_invalid(
            field,
            f"{path} has mode {stat.S_IMODE(mode):04o}: it must not be open to "
            f"others, nor writable for a group; chmod 0640 or 0600",
            path=str(path),
        )
    return data


def read_public(path: Path, field: str) -> bytes:
    """The bytes of a file that anyone may read."""
    return _read(path, field)[0]


def _read(path: Path, field: str) -> tuple[bytes, int]:
    try:
        # A FIFO would make the daemon wait for whoever writes into it.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(LARGEST + 1) if stat.S_ISREG(mode) else b""
    except OSError as error:
        raise _unreadable(path, field, error.strerror or str(error)) from error
    if not stat.S_ISREG(mode):
        raise _unreadable(path, field, "it is not a regular file")
    if len(data) > LARGEST:
        raise _unreadable(path, field, f"it is larger than {LARGEST:,} bytes")
    return data, mode


def _unreadable(path: Path, field: str, why: str) -> ServiceError:
    return field_invalid(field, f"Cannot read {path}: {why}", path=str(path))
