"""The fallocate system call with its modes, which the standard library leaves out."""

import ctypes
import errno
import os
from enum import IntFlag

# What a file system answers that does not know a mode, or not on this file.
UNSUPPORTED = frozenset(
    {errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.ENODEV, errno.EPERM}
)


class Fallocate(IntFlag):
    """Mode bits of `fallocate(2)`; 0 allocates and lets the file grow."""

    ALLOCATE = 0
    KEEP_SIZE = 0x01
    PUNCH_HOLE = 0x02
    ZERO_RANGE = 0x10


_fallocate = ctypes.CDLL(None, use_errno=True).fallocate
_fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


def fallocate(fd: int, mode: Fallocate, offset: int, length: int) -> None:
    """Change the allocation of a range, or raise OSError."""
    while _fallocate(fd, mode, offset, length):
        number = ctypes.get_errno()
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))


def try_fallocate(fd: int, mode: Fallocate, offset: int, length: int) -> bool:
    """The same, but False where the file system does not offer this mode."""
    try:
        fallocate(fd, mode, offset, length)
    except OSError as error:
        if error.errno in UNSUPPORTED:
            return False
        raise
    return True
