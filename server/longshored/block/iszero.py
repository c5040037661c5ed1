"""Is this buffer all zero, and which parts of it are.

A buffer is zero if its first byte is and every byte equals the one before it:
`memcmp(p, p + 1, n - 1)` says so at memory speed, without a second buffer.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from ..units import KiB
from .node import Buffer

# Below this, giving the GIL away costs more than the comparison takes: another
# thread may keep it for a whole switch interval.
_KEEP_GIL_BELOW = 32 * KiB


class Run(NamedTuple):
    """A part of a buffer in which all pieces are zero, or none is."""

    offset: int
    length: int
    zero: bool


class _View(ctypes.Structure):
    """`Py_buffer` of the C API: the one way to the address of read-only bytes."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.py_object),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_char_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    )


_PLAIN_BYTES = 0  # PyBUF_SIMPLE: contiguous, or an error

_get_view = ctypes.pythonapi.PyObject_GetBuffer
_get_view.argtypes = (ctypes.py_object, ctypes.POINTER(_View), ctypes.c_int)
_release_view = ctypes.pythonapi.PyBuffer_Release
_release_view.argtypes = (ctypes.POINTER(_View),)
_release_view.restype = None

_COMPARED = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_compare_free = ctypes.CDLL(None).memcmp
_compare_free.argtypes = _COMPARED
_compare_held = ctypes.PyDLL(None).memcmp
_compare_held.argtypes = _COMPARED


def is_zero(buffer: Buffer) -> bool:
    """True if every byte is zero; an empty buffer is. Large ones free the GIL."""
    with _address(buffer) as (start, length):
        return _is_zero_at(start, length)


def zero_runs(buffer: Buffer, granularity: int) -> Iterator[Run]:
    """Cut a buffer into runs of zero and of other pieces, in order, without gaps.

    A piece is `granularity` bytes (the last one may be shorter) and counts as
    zero only as a whole.
    """
    heads = bytes(memoryview(buffer)[::granularity])
    if heads and 0 not in heads:
        # No piece begins with a zero: so looks nearly every piece of data.
        yield Run(0, len(buffer), zero=False)
        return
    if heads and not any(heads) and is_zero(buffer):
        yield Run(0, len(buffer), zero=True)
        return
    with _address(buffer) as (start, length):
        begun, was_zero = 0, False
        for offset in range(0, length, granularity):
            zero = _is_zero_at(start + offset, min(granularity, length - offset))
            if zero != was_zero and offset:
                yield Run(begun, offset - begun, was_zero)
                begun = offset
            was_zero = zero
        if length:
            yield Run(begun, length - begun, was_zero)


def _is_zero_at(start: int, length: int) -> bool:
    if length == 0:
        return True
    if ctypes.c_ubyte.from_address(start).value:
        return False
    compare = _compare_held if length < _KEEP_GIL_BELOW else _compare_free
    return not compare(start, start + 1, length - 1)


@contextmanager
def _address(buffer: Buffer) -> Iterator[tuple[int, int]]:
    """Where the bytes lie, and how many; they stay there inside the `with`."""
    view = _View()
    _get_view(buffer, view, _PLAIN_BYTES)
    try:
        yield view.buf or 0, view.len
    finally:
        _release_view(view)
