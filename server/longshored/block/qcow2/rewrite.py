"""Another backing file for an image, or none: the header rewritten in place.

What is not understood stays: foreign extensions, feature names, header bytes
that nobody has named yet. One sector says where the backing name is and, in all
usual images, holds the extensions too; a disk writes it at once or not at all:

    1  the new name, where the old header has no meaning   flush
    2  the first sector: from here on the new header       flush
    3  the remains of the old one, cleared                 flush

Extensions that reach past the first sector are written with it in one call, as
QEMU does; a power cut inside that call can tear them.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

from ...errors import field_invalid
from ...units import SECTOR, round_up
from . import extensions as ext
from .extensions import Extension
from .headerfile import read_header
from .hostfile import read_padded
from .layout import Header, encode_header
from .ledger import CrashPoint, no_crash
from .metadata import Metadata
from .write import Writer

REWRITE_POINTS = (
    "rewrite.name_written",
    "rewrite.header_written",
    "rewrite.remains_cleared",
)
"""Where a test may crash a rewrite, in this order."""

# backing_file_offset and backing_file_size.
_NAME_FIELDS = struct.Struct(">QI")
_NAME_FIELDS_AT = 8


class RewritableNode(Protocol):
    """An opened qcow2 image: its metadata, and the writer it lends."""

    @property
    def metadata(self) -> Metadata: ...
    def writer(self) -> Writer: ...


def rewrite_backing(
    node: RewritableNode,
    backing_file: str | None,
    backing_format: str | None,
    crash_point: CrashPoint = no_crash,
) -> None:
    """Make the image name this backing file, or none. Durable when it returns.

    Whatever was changed before is durable before it.
    """
    _check(backing_file, backing_format)
    writer = node.writer()
    with writer.turn():
        writer.ledger.commit()
        host = writer.ledger.host
        old = read_header(host)
        header = _with_backing(old, backing_file, backing_format)
        before = bytes(read_padded(host, 0, header.cluster_size))
        rewrite = _plan(before, old, header)
        with writer.ledger.final_errors():
            for (offset, data), name in zip(rewrite, REWRITE_POINTS, strict=True):
                host.pwrite(offset, data)
                host.flush()
                crash_point(name)
        node.metadata.header = writer.header = header


def _check(backing_file: str | None, backing_format: str | None) -> None:
    if backing_file is None and backing_format is None:
        return
    if not backing_file or "\0" in backing_file:
        raise field_invalid("backing_file", "must be a name without NUL")
    if not backing_format:
        # Whoever opened it next would have to guess, and guests know that.
        raise field_invalid("backing_format", "must be given with a backing file")


def _with_backing(header: Header, name: str | None, format_: str | None) -> Header:
    kept = tuple(e for e in header.extensions if e.type != ext.BACKING_FORMAT)
    if format_ is not None:
        kept = (Extension(ext.BACKING_FORMAT, format_.encode("ascii")), *kept)
    return replace(header, extensions=kept, backing_file=name)


@dataclass(frozen=True, slots=True)
class _Rewrite:
    """The start of the file: the old header beside the new name, then the new one."""

    between: bytes
    after: bytes
    switched: int  # so much of it must change at once

    def __iter__(self) -> Iterator[tuple[int, bytes]]:
        yield SECTOR, self.between[SECTOR:]
        yield 0, self.after[: self.switched]
        yield 0, self.after


def _plan(before: bytes, old: Header, new: Header) -> _Rewrite:
    encode_header(new)  # raises if there is no room for it
    start = encode_header(replace(new, backing_file=None))
    name = (new.backing_file or "").encode("utf-8", "surrogateescape")
    old_end = _end(before, old)
    at, beside = _place(len(start), old_end, len(name), len(before))
    end = min(len(before), round_up(max(old_end, len(start), at + len(name)), SECTOR))
    after = bytearray(start.ljust(end, b"\0"))
    _NAME_FIELDS.pack_into(after, _NAME_FIELDS_AT, at if name else 0, len(name))
    after[at : at + len(name)] = name
    between = bytearray(before[:end])
    # The first sector is left for the switch, and what the old header needs stays.
    first = max(at, old_end, SECTOR)
    between[first : at + len(name)] = after[first : at + len(name)]
    old_start = len(encode_header(replace(old, backing_file=None)))
    switched = max(SECTOR, len(start), old_start, 0 if beside else at + len(name))
    return _Rewrite(bytes(between), bytes(after), switched)


def _end(before: bytes, header: Header) -> int:
    """Behind all that the old header needs."""
    at, length = _NAME_FIELDS.unpack_from(before, _NAME_FIELDS_AT)
    name_end: int = at + length
    return max(len(encode_header(replace(header, backing_file=None))), name_end)


def _place(start: int, old_end: int, length: int, cluster: int) -> tuple[int, bool]:
    """Where the name goes, and whether the old header does without that place."""
    if start + length <= SECTOR or old_end <= max(start, SECTOR):
        return start, True
    beside = round_up(old_end, 8)
    return (beside, True) if beside + length <= cluster else (start, False)
