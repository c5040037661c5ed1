"""The sync_file_range system call, which the standard library leaves out."""

import ctypes
import errno
import os

_WRITE = 2
_WAIT_AFTER = 4

_sync_file_range = ctypes.CDLL(None, use_errno=True).sync_file_range
_sync_file_range.argtypes = (
    ctypes.c_int,
    ctypes.c_int64,
    ctypes.c_int64,
    ctypes.c_uint,
)


def write_back(fd: int, offset: int, length: int) -> None:
    """Return when the pages of a range are on their way no more, or raise OSError.

    Nothing is durable by it: the disk keeps a cache, and metadata is not looked at.
    """
    while _sync_file_range(fd, offset, length, _WRITE | _WAIT_AFTER):
        number = ctypes.get_errno()
        if number != errno.EINTR:
            raise OSError(number, os.strerror(number))
