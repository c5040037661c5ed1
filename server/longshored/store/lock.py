"""One process owns a state directory: the file `lock` in it, held by an OFD lock."""

import errno
import fcntl
import os
import struct
from pathlib import Path

from ..errors import Kind, ServiceError

# struct flock: type, whence, start, length (0 = to the end), pid (0 for OFD).
_WHOLE_FILE = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


def take_lock(directory: Path) -> int:
    """The descriptor that holds the lock until it is closed.

    Raises ServiceError(STORE_UNAVAILABLE) with the pid of the holder if another
    process has it; the kernel lets go of it when that process ends.
    NO_SPACE if the disk is full.
    """
    path = directory / "lock"
    try:
        held = os.open(path, _FLAGS, 0o600)
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        fcntl.fcntl(held, fcntl.F_OFD_SETLK, _WHOLE_FILE)
    except (BlockingIOError, PermissionError) as error:
        pid = os.read(held, 32).decode("ascii", "replace").strip()
        os.close(held)
        raise ServiceError(
            Kind.STORE_UNAVAILABLE,
            f"Another longshored (pid {pid or 'unknown'}) uses {directory}",
            directory=str(directory),
            pid=int(pid) if pid.isdecimal() else None,
        ) from error
    try:
        os.ftruncate(held, 0)
        os.write(held, f"{os.getpid()}\n".encode())
    except OSError as error:
        os.close(held)
        raise _unusable(path, error) from error
    return held


def _unusable(path: Path, error: OSError) -> ServiceError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return ServiceError(
        Kind.NO_SPACE if full else Kind.STORE_UNAVAILABLE,
        f"Cannot use the lock {path}: {error.strerror}",
        path=str(path),
        errno=error.errno,
    )
