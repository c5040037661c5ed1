"""The L1 table when an image is opened: read, and found to be a plain tree.

Two entries with one L2 table, or an L2 table on top of the header, would let a
file of kilobytes map terabytes. After these checks the cost of any walk follows
the size of the file.
"""

import sys

from ...units import MiB
from .claims import Claims, SparseClaims
from .damage import invalid, unsupported
from .hostfile import HostFile
from .layout import Header
from .tables import HOST_OFFSET, Geometry, Words, l2_offset_of

# Clusters that may be marked in a bit map: 32 TiB of file at the default size.
MAX_MAP_BYTES = 64 * MiB
# A set costs about 100 bytes for each table.
MAX_SET_TABLES = 1 << 20


def read_l1(
    host: HostFile, header: Header, geometry: Geometry, file_size: int
) -> Words:
    """The active L1 table, every entry checked."""
    if header.l1_offset + header.l1_bytes > file_size and header.l1_bytes:
        raise invalid(
            "L1 table runs past the end of the file",
            what="l1_table_offset",
            value=header.l1_offset,
            limit=file_size,
        )
    # Read in place: a hostile table is as large as it may be, and once is enough.
    words = Words("Q", bytes(header.l1_bytes))
    host.readinto(header.l1_offset, memoryview(words).cast("B"))
    if sys.byteorder == "little":
        words.byteswap()
    check_l1(words, header, geometry, file_size)
    return words


def check_l1(words: Words, header: Header, geometry: Geometry, file_size: int) -> None:
    """Raise unless every L2 table is inside the file and has one owner."""
    claims = _claims(words, header, geometry, file_size)
    claim = claims.claim
    for entry in filter(None, words):
        if not claim(l2_offset_of(entry, geometry, file_size)):
            raise invalid(
                "L1 entry points to a table that is used already",
                what="L2 offset",
                value=entry & HOST_OFFSET,
            )


def _claims(
    words: Words, header: Header, geometry: Geometry, file_size: int
) -> Claims | SparseClaims:
    claims: Claims | SparseClaims
    if file_size >> geometry.cluster_bits <= MAX_MAP_BYTES * 8:
        claims = Claims(geometry, file_size)
    else:
        _refuse_too_many(len(words) - words.count(0))
        claims = SparseClaims()
    claims.claim(0)
    for start, length in (
        (header.l1_offset, header.l1_bytes),
        (header.refcount_table_offset, header.refcount_table_bytes),
    ):
        for offset in range(start, start + length, geometry.cluster_size):
            if offset < file_size and not claims.claim(offset):
                raise invalid(
                    "Tables of the header overlap", what="table offset", value=offset
                )
    return claims


def _refuse_too_many(tables: int) -> None:
    if tables > MAX_SET_TABLES:
        raise unsupported(
            "L2 tables",
            "Too many L2 tables in so large a file",
            what="L2 tables",
            value=tables,
            limit=MAX_SET_TABLES,
        )
