"""The header of a qcow2 file: bytes to a checked value and back (facts §1 to §3).

Decoding takes the first cluster and accepts every header that the format allows
and whose layout is understood; what this build does not support is refused by
`refuse_unsupported`, so that an image can still be described. Encoding keeps
what it does not know: foreign extensions and trailing header bytes.
"""

import struct
from dataclasses import dataclass
from enum import Enum

from ...units import MiB
from . import extensions as ext
from .damage import invalid, unsupported
from .extensions import BitmapsExtension, Extension
from .features import (
    KNOWN_INCOMPATIBLE,
    NAMES,
    Autoclear,
    FeatureKind,
    Incompatible,
    bits_of,
)

MAGIC = b"QFI\xfb"
MIN_CLUSTER_BITS = 9
MAX_CLUSTER_BITS = 21
MIN_EXTENDED_L2_CLUSTER_BITS = 14
SUBCLUSTERS = 32
MAX_OFFSET = 1 << 56
# The ceilings of QEMU: nothing above them was ever written by it.
MAX_BACKING_NAME = 1_023
MAX_L1_BYTES = 32 * MiB
MAX_REFCOUNT_TABLE_BYTES = 8 * MiB
MAX_SNAPSHOTS = 65_536
MAX_REFCOUNT_ORDER = 6
# QEMU counts 512-byte sectors in a signed 64-bit integer of bytes.
MAX_SIZE = (1 << 63) - 512

V2 = struct.Struct(">4sIQIIQIIQQIIQ")
V3 = struct.Struct(">QQQII")
V2_LENGTH = V2.size
V3_LENGTH = V2.size + V3.size
COMPRESSION_AT = V3_LENGTH
# What QEMU writes today: compression type and seven bytes of padding.
HEADER_LENGTH = 112

assert V2_LENGTH == 72
assert V3_LENGTH == 104


class Compression(Enum):
    ZLIB = 0
    ZSTD = 1


@dataclass(frozen=True, slots=True)
class Header:
    version: int
    cluster_bits: int
    size: int
    l1_entries: int
    l1_offset: int
    refcount_table_offset: int
    refcount_table_clusters: int
    refcount_order: int = 4
    snapshots: int = 0
    snapshots_offset: int = 0
    crypt_method: int = 0
    incompatible: int = 0
    compatible: int = 0
    autoclear: int = 0
    compression: Compression = Compression.ZLIB
    header_length: int = HEADER_LENGTH
    # Header bytes after the compression type, which nobody has named yet.
    trailing: bytes = b"\0" * 7
    extensions: tuple[Extension, ...] = ()
    # Bytes that are no UTF-8 are kept as surrogates, as for file names.
    backing_file: str | None = None

    @property
    def cluster_size(self) -> int:
        return 1 << self.cluster_bits

    @property
    def l1_bytes(self) -> int:
        return self.l1_entries * 8

    @property
    def extended_l2(self) -> bool:
        return bool(self.incompatible & Incompatible.EXTENDED_L2)

    @property
    def l2_entries(self) -> int:
        """Guest clusters that one L2 table maps."""
        return self.cluster_size // (16 if self.extended_l2 else 8)

    @property
    def l2_span(self) -> int:
        """Guest bytes that one L2 table maps."""
        return self.l2_entries << self.cluster_bits

    @property
    def subcluster_size(self) -> int:
        """The smallest run that one L2 table can tell apart."""
        return self.cluster_size // (SUBCLUSTERS if self.extended_l2 else 1)

    @property
    def refcount_bits(self) -> int:
        return 1 << self.refcount_order

    @property
    def refcount_table_bytes(self) -> int:
        return self.refcount_table_clusters << self.cluster_bits

    @property
    def dirty(self) -> bool:
        return bool(self.incompatible & Incompatible.DIRTY)

    @property
    def corrupt(self) -> bool:
        return bool(self.incompatible & Incompatible.CORRUPT)

    @property
    def backing_format(self) -> str | None:
        data = self.extension(ext.BACKING_FORMAT)
        return None if data is None else ext.decode_backing_format(data)

    @property
    def bitmaps(self) -> BitmapsExtension | None:
        data = self.extension(ext.BITMAPS)
        return None if data is None else ext.decode_bitmaps(data, self.cluster_size)

    def extension(self, kind: int) -> bytes | None:
        """The data of the extension of this type, or None."""
        return next((e.data for e in self.extensions if e.type == kind), None)


def l1_entries_for(size: int, l2_span: int) -> int:
    return -(-size // l2_span)


def first_cluster_length(start: bytes) -> int:
    """How many bytes `decode_header` needs, told by the first 24."""
    if start[:4] != MAGIC:
        raise invalid("Not a qcow2 file", what="magic", value=start[:4].hex())
    if len(start) < 24:
        raise invalid(
            "qcow2 header is cut off", what="file size", value=len(start), limit=24
        )
    bits = int.from_bytes(start[20:24], "big")
    _within("cluster_bits", bits, MIN_CLUSTER_BITS, MAX_CLUSTER_BITS)
    return 1 << bits


def decode_header(cluster: bytes) -> Header:
    """Decode the first cluster of a file (at least `first_cluster_length` bytes)."""
    needed = first_cluster_length(cluster)
    _version(cluster)
    if len(cluster) < needed:
        raise invalid(
            "File ends inside the header cluster",
            what="file size",
            value=len(cluster),
            limit=needed,
        )
    header = _fixed_fields(cluster[:needed])
    _check_fields(header)
    return header


def _version(cluster: bytes) -> int:
    version = int.from_bytes(cluster[4:8], "big")
    if version not in (2, 3):
        raise unsupported(
            f"version {version}",
            "qcow2 version is not supported",
            what="version",
            value=version,
            limit=3,
        )
    return version


def _fixed_fields(cluster: bytes) -> Header:
    (
        _magic,
        version,
        backing_offset,
        backing_length,
        cluster_bits,
        size,
        crypt_method,
        l1_entries,
        l1_offset,
        refcount_table_offset,
        refcount_table_clusters,
        snapshots,
        snapshots_offset,
    ) = V2.unpack_from(cluster)
    incompatible = compatible = autoclear = 0
    refcount_order, length = 4, V2_LENGTH
    if version == 3:
        incompatible, compatible, autoclear, refcount_order, length = V3.unpack_from(
            cluster, V2_LENGTH
        )
        _check_length(length, 1 << cluster_bits)
    area_end = _extension_area_end(cluster, length, backing_offset, backing_length)
    extensions = ext.decode_extensions(cluster[length:area_end])
    _refuse_unknown_bits(incompatible, extensions)
    return Header(
        version=version,
        cluster_bits=cluster_bits,
        size=size,
        l1_entries=l1_entries,
        l1_offset=l1_offset,
        refcount_table_offset=refcount_table_offset,
        refcount_table_clusters=refcount_table_clusters,
        refcount_order=refcount_order,
        snapshots=snapshots,
        snapshots_offset=snapshots_offset,
        crypt_method=crypt_method,
        incompatible=incompatible,
        compatible=compatible,
        autoclear=autoclear,
        compression=_compression(cluster, length, incompatible),
        header_length=length,
        trailing=cluster[COMPRESSION_AT + 1 : length],
        extensions=extensions,
        backing_file=_backing_file(cluster, backing_offset, backing_length),
    )


def _check_length(length: int, cluster_size: int) -> None:
    _within("header_length", length, V3_LENGTH, cluster_size)
    _aligned("header_length", length, 8)


def _compression(cluster: bytes, length: int, incompatible: int) -> Compression:
    value = cluster[COMPRESSION_AT] if length > COMPRESSION_AT else 0
    flagged = bool(incompatible & Incompatible.COMPRESSION)
    if flagged != (value != 0):
        raise invalid(
            "Compression type and its feature bit do not agree",
            what="compression_type",
            value=value,
        )
    if value not in (0, 1):
        raise unsupported(
            f"compression type {value}",
            "Compression type is not supported",
            what="compression_type",
            value=value,
            limit=1,
        )
    return Compression(value)


def _extension_area_end(
    cluster: bytes, length: int, backing_offset: int, backing_length: int
) -> int:
    """Extensions end where the backing name begins, or with the cluster."""
    if backing_offset == 0:
        return len(cluster)
    _within("backing_file_size", backing_length, 0, MAX_BACKING_NAME)
    _within(
        "backing_file_offset", backing_offset, length, len(cluster) - backing_length
    )
    return backing_offset


def _backing_file(cluster: bytes, offset: int, length: int) -> str | None:
    if offset == 0 or length == 0:
        return None
    name = cluster[offset : offset + length]
    if b"\0" in name:
        raise invalid(
            "Backing file name has a NUL byte",
            what="backing_file_name",
            value=name.hex(),
        )
    return name.decode("utf-8", "surrogateescape")


def _refuse_unknown_bits(mask: int, extensions: tuple[Extension, ...]) -> None:
    unknown = bits_of(mask & ~KNOWN_INCOMPATIBLE)
    if not unknown:
        return
    table = next((e.data for e in extensions if e.type == ext.FEATURE_NAMES), b"")
    named = {
        row.bit: row.name
        for row in ext.decode_feature_names(table)
        if row.kind is FeatureKind.INCOMPATIBLE
    }
    names = [named.get(bit) or f"incompatible bit {bit}" for bit in unknown]
    raise unsupported(
        ", ".join(names),
        "Image uses features that are not known",
        what="incompatible_features",
        value=mask,
        bits=",".join(map(str, unknown)),
    )


def _check_fields(header: Header) -> None:
    _within("refcount_order", header.refcount_order, 0, MAX_REFCOUNT_ORDER)
    _within("size", header.size, 0, MAX_SIZE)
    _within("crypt_method", header.crypt_method, 0, 2)
    _check_extended_l2(header)
    _check_table(header, "l1_table", header.l1_offset, header.l1_bytes, MAX_L1_BYTES)
    _within("l1_size", header.l1_entries, l1_entries_for(header.size, header.l2_span))
    _within("refcount_table_clusters", header.refcount_table_clusters, 1)
    _check_table(
        header,
        "refcount_table",
        header.refcount_table_offset,
        header.refcount_table_bytes,
        MAX_REFCOUNT_TABLE_BYTES,
    )
    _check_snapshots(header)
    # Reading these two checks them.
    _ = header.backing_format, header.bitmaps


def _check_extended_l2(header: Header) -> None:
    if header.extended_l2:
        _within(
            "cluster_bits with extended L2",
            header.cluster_bits,
            MIN_EXTENDED_L2_CLUSTER_BITS,
            MAX_CLUSTER_BITS,
        )


def _check_table(
    header: Header, what: str, offset: int, length: int, most: int
) -> None:
    _within(f"{what} bytes", length, 0, most)
    if length == 0:
        return
    _aligned(f"{what}_offset", offset, header.cluster_size)
    _within(f"{what}_offset", offset, header.cluster_size, MAX_OFFSET - length)


def _check_snapshots(header: Header) -> None:
    _within("nb_snapshots", header.snapshots, 0, MAX_SNAPSHOTS)
    if header.snapshots:
        _aligned("snapshots_offset", header.snapshots_offset, header.cluster_size)
        _within(
            "snapshots_offset",
            header.snapshots_offset,
            header.cluster_size,
            MAX_OFFSET - 1,
        )


def _within(what: str, value: int, least: int, most: int | None = None) -> None:
    if value < least:
        raise invalid(
            f"Header field {what} is too small", what=what, value=value, limit=least
        )
    if most is not None and value > most:
        raise invalid(
            f"Header field {what} is too large", what=what, value=value, limit=most
        )


def _aligned(what: str, value: int, step: int) -> None:
    if value % step:
        raise invalid(
            f"Header field {what} is not aligned", what=what, value=value, limit=step
        )


def refuse_unsupported(header: Header) -> None:
    """Raise, naming the feature, if the data of this image cannot be reached."""
    if header.crypt_method or header.extension(ext.ENCRYPTION) is not None:
        method = {1: "AES", 2: "LUKS"}.get(header.crypt_method, "header")
        raise unsupported(
            f"encryption ({method})",
            "Encrypted images are not supported",
            what="crypt_method",
            value=header.crypt_method,
        )
    if header.incompatible & Incompatible.DATA_FILE:
        raise unsupported(
            NAMES[FeatureKind.INCOMPATIBLE, 2],
            "Images that keep their data in another file are not supported",
        )
    if header.autoclear & Autoclear.RAW_DATA_FILE:
        raise unsupported(
            NAMES[FeatureKind.AUTOCLEAR, 1],
            "Images that keep their data in a raw file are not supported",
        )


def encode_header(header: Header) -> bytes:
    """The header, its extensions and the backing name: the start of cluster 0.

    Shorter than the cluster; what lies behind it in the cluster has no meaning.
    """
    fixed_length = V2_LENGTH if header.version == 2 else header.header_length
    records = ext.encode_extensions(header.extensions)
    name = encode_backing_file(header.backing_file or "")
    name_at = fixed_length + len(records) if name else 0
    _check_room(header, fixed_length + len(records) + len(name), len(name))
    fixed = _encode_fixed(header, name_at, len(name))
    assert len(fixed) == fixed_length, "header_length and trailing bytes disagree"
    return fixed + records + name


def encode_backing_file(name: str) -> bytes:
    """The bytes of a backing name; raises if it stands for no bytes at all."""
    try:
        return name.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise invalid(
            "Backing file name cannot be written as bytes", what="backing_file_name"
        ) from error


def _check_room(header: Header, used: int, name_length: int) -> None:
    _within("backing_file_size", name_length, 0, MAX_BACKING_NAME)
    if used > header.cluster_size:
        raise invalid(
            "Header does not fit in one cluster",
            what="header bytes",
            value=used,
            limit=header.cluster_size,
        )


def _encode_fixed(header: Header, name_at: int, name_length: int) -> bytes:
    start = V2.pack(
        MAGIC,
        header.version,
        name_at,
        name_length,
        header.cluster_bits,
        header.size,
        header.crypt_method,
        header.l1_entries,
        header.l1_offset,
        header.refcount_table_offset,
        header.refcount_table_clusters,
        header.snapshots,
        header.snapshots_offset,
    )
    if header.version == 2:
        return start
    rest = V3.pack(
        header.incompatible,
        header.compatible,
        header.autoclear,
        header.refcount_order,
        header.header_length,
    )
    if header.header_length == V3_LENGTH:
        return start + rest
    return start + rest + bytes([header.compression.value]) + header.trailing
