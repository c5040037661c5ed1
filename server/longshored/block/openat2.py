"""The openat2 system call: an open that cannot leave its directory."""

import ctypes
import errno
import os
from enum import IntFlag

_NUMBER = 437  # the same on every architecture, as for all calls since Linux 5.1

# The kernel answers EAGAIN when a rename elsewhere raced with a `..` of ours.
_ATTEMPTS = 100


class Resolve(IntFlag):
    NO_MAGICLINKS = 0x02  # /proc/<pid>/fd and its kind
    BENEATH = 0x08  # nothing leads above the directory: EXDEV


class _OpenHow(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


_syscall = ctypes.CDLL(None, use_errno=True).syscall
_syscall.restype = ctypes.c_long


def open_beneath(directory: int, path: str, flags: int, mode: int = 0) -> int:
    """Open a path relative to a directory descriptor; links must stay below it."""
    how = _OpenHow(flags | os.O_CLOEXEC, mode, Resolve.BENEATH | Resolve.NO_MAGICLINKS)
    number = errno.EAGAIN
    for _ in range(_ATTEMPTS):
        fd = _call(directory, path, how)
        if fd >= 0:
            return fd
        number = ctypes.get_errno()
        if number not in (errno.EAGAIN, errno.EINTR):
            break
    raise OSError(number, os.strerror(number), path)


def _call(directory: int, path: str, how: _OpenHow) -> int:
    answer: int = _syscall(
        ctypes.c_long(_NUMBER),
        ctypes.c_int(directory),
        ctypes.c_char_p(os.fsencode(path)),
        ctypes.byref(how),
        ctypes.c_size_t(ctypes.sizeof(how)),
    )
    return answer
