"""One process owns a state directory: the file `lock` in it, held by an OFD lock."""

import fcntl
import os
import struct
from pathlib import Path

from ..errors import Kind, ServiceError

# struct flock: type, whence, start, length (0 = to the end), pid (0 for OFD).
_WHOLE_FILE = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)


def take_lock(directory: Path) -> int:
    """The descriptor that holds the lock until it is closed.

    Raises ServiceError(STORE_UNAVAILABLE) with the pid of the holder if another
    process has it; the kernel lets go of it when that process ends.
    """
    path = directory / "lock"
    held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
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
    os.ftruncate(held, 0)
    os.write(held, f"{os.getpid()}\n".encode())
    return held
