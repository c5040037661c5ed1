"""name_to_handle_at: what its file system calls a file, as long as there is that file.

The handle has the number of the inode and its generation, so it is not given again to
a later file. Unlike the number of the device it outlives a restart of the machine.
"""

import ctypes
import os
from contextlib import suppress

_MOST = 128  # MAX_HANDLE_SZ of linux/exportfs.h
_EMPTY_PATH = 0x1000


class _Handle(ctypes.Structure):
    _fields_ = (
        ("length", ctypes.c_uint),
        ("type", ctypes.c_int),
        ("bytes", ctypes.c_ubyte * _MOST),
    )


_name_to_handle_at = ctypes.CDLL(None, use_errno=True).name_to_handle_at


def file_handle(fd: int) -> str:
    """Type and bytes in hexadecimal; empty where there are none to be had."""
    with suppress(OSError):
        return _file_handle(fd)
    # Not of this file system, or a sandbox forbids to ask.
    return ""


def _file_handle(fd: int) -> str:
    handle = _Handle(length=_MOST)
    mount = ctypes.c_int()
    if _name_to_handle_at(
        fd, b"", ctypes.byref(handle), ctypes.byref(mount), _EMPTY_PATH
    ):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return f"{handle.type:x}:{bytes(handle.bytes[: handle.length]).hex()}"
