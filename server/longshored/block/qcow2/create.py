"""A new, empty image: header, refcounts of its own clusters, an L1 of zeros.

    cluster 0   1 .. t            .. t + b           .. t + b + l
    header      refcount table    refcount blocks    L1

The header is written last, after everything it points to is durable: before
that the file is no image at all.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ...errors import Kind, ServiceError, field_invalid
from ...units import SECTOR, KiB, MiB, pieces, round_up
from . import extensions as ext
from .extensions import Extension, FeatureName
from .features import NAMES, Compatible, Incompatible
from .hostfile import HostFile
from .layout import (
    HEADER_LENGTH,
    MAX_BACKING_NAME,
    MAX_CLUSTER_BITS,
    MAX_L1_BYTES,
    MAX_SIZE,
    MIN_CLUSTER_BITS,
    MIN_EXTENDED_L2_CLUSTER_BITS,
    V2_LENGTH,
    Compression,
    Header,
    encode_backing_file,
    encode_header,
    l1_entries_for,
)
from .refcount import decode, encode
from .tables import decode_words, encode_words

# With a smaller cluster the names would leave little room for a backing name.
MIN_CLUSTER_FOR_NAMES = 8 * KiB


@dataclass(frozen=True, slots=True)
class CreateOptions:
    """What a new image is to be; the defaults are those of qemu-img."""

    size: int
    version: int = 3
    cluster_size: int = 64 * KiB
    refcount_bits: int = 16
    compression: Compression = Compression.ZLIB
    extended_l2: bool = False
    lazy_refcounts: bool = False
    backing_file: str | None = None
    backing_format: str | None = None


@dataclass(frozen=True, slots=True)
class _Plan:
    """How many clusters each part takes."""

    table: int
    blocks: int
    l1: int

    @property
    def total(self) -> int:
        return 1 + self.table + self.blocks + self.l1


def create_qcow2(host: HostFile, options: CreateOptions) -> Header:
    """Write an image into an empty file (or over a device) and make it durable."""
    check_options(options)
    if host.size and not host.is_device:
        raise ServiceError(
            Kind.TARGET_EXISTS,
            "Cannot create an image in a file that is not empty",
            uri=host.uri,
            size=host.size,
        )
    header, plan = _design(options)
    start = encode_header(header)
    for offset, data in _tables(header, plan):
        host.pwrite(offset, data)
    host.flush()
    host.pwrite(0, start.ljust(header.cluster_size, b"\0"))
    host.flush()
    return header


def check_options(options: CreateOptions) -> None:
    """Raise unless an image can be made of them."""
    _power_of_two(
        "cluster_size",
        options.cluster_size,
        1 << MIN_CLUSTER_BITS,
        1 << MAX_CLUSTER_BITS,
    )
    _power_of_two("refcount_bits", options.refcount_bits, 1, 64)
    if options.version not in (2, 3):
        raise field_invalid("version", "must be 2 or 3", value=options.version)
    if options.version == 2:
        _check_v2(options)
    if options.extended_l2 and options.cluster_size < 1 << MIN_EXTENDED_L2_CLUSTER_BITS:
        raise field_invalid(
            "cluster_size",
            "must be at least 16 KiB with extended_l2",
            value=options.cluster_size,
        )
    _check_size(options)
    _check_backing(options)


def _check_v2(options: CreateOptions) -> None:
    for field, wrong in (
        ("refcount_bits", options.refcount_bits != 16),
        ("compression", options.compression is not Compression.ZLIB),
        ("extended_l2", options.extended_l2),
        ("lazy_refcounts", options.lazy_refcounts),
    ):
        if wrong:
            raise field_invalid(field, "needs version 3", version=2)


def _check_size(options: CreateOptions) -> None:
    if not 0 <= options.size <= MAX_SIZE:
        raise field_invalid(
            "size", f"must be between 0 and {MAX_SIZE}", value=options.size
        )
    header = _bare_header(options)
    entries = l1_entries_for(header.size, header.l2_span)
    most = MAX_L1_BYTES // 8 * header.l2_span
    if entries * 8 > MAX_L1_BYTES:
        raise field_invalid(
            "size",
            f"must be at most {most} with this cluster size",
            value=options.size,
            limit=most,
        )


def _check_backing(options: CreateOptions) -> None:
    name, form = options.backing_file, options.backing_format
    if (name is None) != (form is None):
        raise field_invalid(
            "backing_format", "must be given with a backing file, and only then"
        )
    if name is None or form is None:
        return
    length = len(encode_backing_file(name))
    if not 0 < length <= MAX_BACKING_NAME or "\0" in name:
        raise field_invalid(
            "backing_file",
            f"must have 1 to {MAX_BACKING_NAME} bytes, none of them NUL",
            length=length,
        )
    if not 0 < len(form) <= ext.MAX_BACKING_FORMAT or not form.isascii():
        raise field_invalid(
            "backing_format",
            f"must have 1 to {ext.MAX_BACKING_FORMAT} ASCII characters",
        )


def _power_of_two(field: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most or value & (value - 1):
        raise field_invalid(
            field, f"must be a power of two between {least} and {most}", value=value
        )


def _bare_header(options: CreateOptions) -> Header:
    """The header without the places of the tables."""
    v3 = options.version == 3
    return Header(
        version=options.version,
        cluster_bits=options.cluster_size.bit_length() - 1,
        size=round_up(options.size, SECTOR),
        l1_entries=0,
        l1_offset=0,
        refcount_table_offset=0,
        refcount_table_clusters=0,
        refcount_order=options.refcount_bits.bit_length() - 1,
        incompatible=_incompatible(options),
        compatible=Compatible.LAZY_REFCOUNTS if options.lazy_refcounts else 0,
        compression=options.compression,
        header_length=HEADER_LENGTH if v3 else V2_LENGTH,
        trailing=bytes(7) if v3 else b"",
        extensions=tuple(_extensions(options)),
        backing_file=options.backing_file,
    )


def _incompatible(options: CreateOptions) -> int:
    bits = Incompatible(0)
    if options.compression is not Compression.ZLIB:
        bits |= Incompatible.COMPRESSION
    if options.extended_l2:
        bits |= Incompatible.EXTENDED_L2
    return bits


def _extensions(options: CreateOptions) -> Iterator[Extension]:
    if options.backing_format is not None:
        yield Extension(ext.BACKING_FORMAT, options.backing_format.encode("ascii"))
    if options.version == 3 and options.cluster_size >= MIN_CLUSTER_FOR_NAMES:
        names = (FeatureName(kind, bit, name) for (kind, bit), name in NAMES.items())
        yield Extension(ext.FEATURE_NAMES, ext.encode_feature_names(names))


def _design(options: CreateOptions) -> tuple[Header, _Plan]:
    bare = _bare_header(options)
    entries = l1_entries_for(bare.size, bare.l2_span)
    plan = _plan(bare, entries)
    l1_cluster = 1 + plan.table + plan.blocks
    header = replace(
        bare,
        l1_entries=entries,
        l1_offset=l1_cluster * bare.cluster_size if entries else 0,
        refcount_table_offset=bare.cluster_size,
        refcount_table_clusters=plan.table,
    )
    return header, plan


def _plan(header: Header, l1_entries: int) -> _Plan:
    """Grow table and blocks until they count every cluster, their own included."""
    size = header.cluster_size
    per_block = size * 8 // header.refcount_bits
    plan = _Plan(table=1, blocks=1, l1=-(-l1_entries * 8 // size))
    while True:
        blocks = -(-plan.total // per_block)
        table = -(-blocks * 8 // size)
        if (table, blocks) == (plan.table, plan.blocks):
            return plan
        plan = _Plan(table=table, blocks=blocks, l1=plan.l1)


def _tables(header: Header, plan: _Plan) -> Iterator[tuple[int, bytes]]:
    """Where what is written, but for the header."""
    size = header.cluster_size
    first_block = 1 + plan.table
    pointers = decode_words(bytes(plan.table * size))
    for index in range(plan.blocks):
        pointers[index] = (first_block + index) * size
    yield size, encode_words(pointers)
    for index in range(plan.blocks):
        yield pointers[index], _block(header, index, plan.total)
    for at, length in pieces(header.l1_offset, header.l1_bytes, 1 * MiB):
        yield at, bytes(length)


def _block(header: Header, index: int, clusters: int) -> bytes:
    """The refcount block that counts the first clusters of the file once each."""
    counts = decode(bytes(header.cluster_size), header.refcount_order)
    for cluster in range(min(len(counts), clusters - index * len(counts))):
        counts[cluster] = 1
    return encode(counts, header.refcount_order)
