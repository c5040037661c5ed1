"""What is known of images: values -> contract."""

from collections.abc import Iterable, Iterator
from functools import lru_cache

from longshore.v1 import image_pb2, node_pb2

from ..block.describe import ImageFacts, LinkFacts, Qcow2Facts
from ..block.extent import Data, Extent
from ..block.holders import Holder
from ..block.locks import LockRow
from ..block.locks import Permission as LockPermission
from ..block.qcow2.bitmaps import Bitmap
from ..block.qcow2.layout import Compression
from ..block.qcow2.snapshots import Snapshot
from ..block.uri import ImageUri
from ..clock import SECOND
from . import wiretime

_MOST_SHOWN = 1000

COMPRESSIONS = {
    Compression.ZLIB: image_pb2.COMPRESSION_TYPE_ZLIB,
    Compression.ZSTD: image_pb2.COMPRESSION_TYPE_ZSTD,
}
_EXTENTS = {
    Data.ZERO: image_pb2.EXTENT_DATA_ZERO,
    Data.RAW: image_pb2.EXTENT_DATA_DATA,
    Data.UNALLOCATED: image_pb2.EXTENT_DATA_UNALLOCATED,
    Data.COMPRESSED: image_pb2.EXTENT_DATA_COMPRESSED,
}
_PERMISSIONS = {
    LockPermission.CONSISTENT_READ: node_pb2.PERMISSION_CONSISTENT_READ,
    LockPermission.WRITE: node_pb2.PERMISSION_WRITE,
    LockPermission.WRITE_UNCHANGED: node_pb2.PERMISSION_WRITE_UNCHANGED,
    LockPermission.RESIZE: node_pb2.PERMISSION_RESIZE,
}


@lru_cache(maxsize=4096)
def file_uri(name: str) -> str:
    """A path as the URI that the contract promises; a URI stays what it is."""
    return str(ImageUri(name)) if name.startswith("/") else name


def image_to_proto(
    facts: ImageFacts, holders: Iterable[node_pb2.Holder]
) -> image_pb2.Image:
    top = facts.top
    return image_pb2.Image(
        uri=file_uri(top.uri),
        format=top.format.value,
        virtual_size_bytes=top.virtual_size,
        allocated_bytes=top.allocated,
        cluster_size_bytes=facts.qcow2.header.cluster_size if facts.qcow2 else 0,
        qcow2=None if facts.qcow2 is None else _qcow2(facts.qcow2),
        chain=[_link(link, depth) for depth, link in enumerate(facts.links)],
        holders=holders,
    )


def _link(link: LinkFacts, depth: int) -> image_pb2.ImageLink:
    return image_pb2.ImageLink(
        uri=file_uri(link.uri),
        format=link.format.value,
        virtual_size_bytes=link.virtual_size,
        allocated_bytes=link.allocated,
        depth=depth,
        backing_name=_text(link.backing_name),
        backing_format=_text(link.backing_format),
        identity=str(link.identity),
    )


def _text(value: str | None) -> str:
    """Names in images are bytes; what is no UTF-8 is shown with its escapes."""
    return (value or "").encode("utf-8", "backslashreplace").decode()


def _qcow2(facts: Qcow2Facts) -> image_pb2.Qcow2Details:
    header = facts.header
    return image_pb2.Qcow2Details(
        version=header.version,
        lazy_refcounts=facts.lazy_refcounts,
        refcount_bits=1 << header.refcount_order,
        compression_type=COMPRESSIONS[header.compression],
        extended_l2=header.extended_l2,
        dirty="dirty bit" in facts.incompatible_features,
        corrupt="corrupt bit" in facts.incompatible_features,
        snapshots=[_snapshot(one) for one in facts.snapshots[:_MOST_SHOWN]],
        bitmaps=[_bitmap(one) for one in facts.bitmaps[:_MOST_SHOWN]],
        incompatible_features=facts.incompatible_features,
        compatible_features=facts.compatible_features,
        autoclear_features=facts.autoclear_features,
    )


def _snapshot(one: Snapshot) -> image_pb2.Qcow2Snapshot:
    return image_pb2.Qcow2Snapshot(
        snapshot_id=one.id.decode("utf-8", "backslashreplace"),
        name=one.name.decode("utf-8", "backslashreplace"),
        create_time=wiretime.timestamp(one.seconds * SECOND + one.nanoseconds),
        virtual_size_bytes=one.disk_size or 0,
        machine_state_bytes=one.vm_state_size,
    )


def _bitmap(one: Bitmap) -> image_pb2.Qcow2Bitmap:
    return image_pb2.Qcow2Bitmap(
        name=one.name.decode("utf-8", "backslashreplace"),
        granularity_bytes=1 << one.granularity_bits,
        recording=one.auto,
        in_use=one.in_use,
    )


def holder_to_proto(holder: Holder, uri: str, jobs: Iterable[str]) -> node_pb2.Holder:
    """Who holds a link: another process, or the first of our jobs there."""
    job_id = next(iter(jobs), None) if holder.is_self else None
    message = node_pb2.Holder(
        uri=file_uri(uri),
        taken=list(_permissions(holder.row, shared=False)),
        shared=list(_permissions(holder.row, shared=True)),
    )
    if job_id is not None:
        message.job_id = job_id
    else:
        message.process.pid = holder.pid
        message.process.command = holder.command[:256]
    return message


def _permissions(
    row: LockRow, *, shared: bool
) -> Iterator[node_pb2.Permission.ValueType]:
    for permission, value in _PERMISSIONS.items():
        held = permission not in row.unshared if shared else permission in row.uses
        if held:
            yield value


def extent_to_proto(extent: Extent) -> image_pb2.MapExtent:
    is_packed = extent.data is Data.COMPRESSED
    return image_pb2.MapExtent(
        start_bytes=extent.start,
        length_bytes=extent.length,
        depth=extent.depth,
        data=_EXTENTS[extent.data],
        host_offset_bytes=None if is_packed else extent.host_offset,
    )
