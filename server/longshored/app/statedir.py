"""Whether a state directory can be used, found out without making or changing it."""

import fcntl
import os
import struct
from pathlib import Path

from ..errors import ServiceError, field_invalid
from ..store.database import FILE

SETTING = "store.directory"

# What a daemon that starts opens for writing, as far as it is there.
_FILES = ("lock", FILE, f"{FILE}-wal", f"{FILE}-shm")

# struct flock: type, whence, start, length (0 = to the end), pid (0 for OFD).
_FLOCK = "hhqqi4x"


def check_state(directory: Path) -> None:
    """Raise FIELD_INVALID that says why a daemon of ours could not use it."""
    there = _nearest(directory)
    if not there.is_dir():
        raise _unusable(directory, f"{there} is no directory")
    if there != directory:
        _check_allowed(directory, there, os.W_OK | os.X_OK, "make it in")
        return
    _check_allowed(directory, directory, os.R_OK | os.W_OK | os.X_OK, "write to")
    # It is closed to others at every start, and only its owner may do that.
    if os.geteuid() not in (0, directory.stat().st_uid):
        raise _unusable(directory, "it belongs to another user")
    for file in (directory / name for name in _FILES):
        if file.exists():
            _check_allowed(directory, file, os.R_OK | os.W_OK, "write to")


def holder(directory: Path) -> str | None:
    """The pid of the daemon that has the directory now, if one has it."""
    try:
        lock = os.open(directory / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        asked = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        answer = fcntl.fcntl(lock, fcntl.F_OFD_GETLK, asked)
        if struct.unpack(_FLOCK, answer)[0] == fcntl.F_UNLCK:
            return None
        return os.read(lock, 32).decode("ascii", "replace").strip() or "unknown"
    finally:
        os.close(lock)


def _nearest(directory: Path) -> Path:
    """The directory, or what there is of the way to it."""
    for path in (directory, *directory.parents):
        try:
            path.stat()
        except FileNotFoundError:
            if path.is_symlink():
                text = f"{path} is a symbolic link that leads nowhere"
                raise _unusable(directory, text) from None
        except OSError as error:
            raise _unusable(directory, f"{path}: {error.strerror}") from error
        else:
            return path
    return directory


def _check_allowed(directory: Path, path: Path, mode: int, verb: str) -> None:
    if not os.access(path, mode, effective_ids=True):
        raise _unusable(directory, f"user {os.geteuid()} may not {verb} {path}")


def _unusable(directory: Path, reason: str) -> ServiceError:
    return field_invalid(SETTING, f"Cannot use {directory}: {reason}")
