"""A job as the store keeps it for lists and snapshots: its wire bytes under a head.

The head is the number of the form and a CRC-32. What another form has written, or a
flipped bit, is not shown: the job's record stays the truth and is translated again.
"""

import struct
import zlib

# To be raised when the translation makes something else of a job; a test pins what it
# makes. At most 255.
FORM = 5

_HEAD = struct.Struct(">BI")


def seal(body: bytes) -> bytes:
    """The serialised job as it is to be kept."""
    return _head(body) + body


def unseal(kept: bytes | None) -> bytes | None:
    """The serialised job, or None unless this form has kept it."""
    if kept is None:
        return None
    body = kept[_HEAD.size :]
    return body if kept[: _HEAD.size] == _head(body) else None


def _head(body: bytes) -> bytes:
    return _HEAD.pack(FORM, zlib.crc32(body))
