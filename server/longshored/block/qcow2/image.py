"""Qcow2Node: an opened qcow2 image as a block node.

Metadata answers where guest bytes are, the node then reads the file without any
lock. Writing is the writer's business; the node only passes it on.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from ...errors import ServiceError
from ..extent import Data, Extent
from ..node import BlockNode, Limits, Mode
from ..raw import RawNode
from .compress import Inflate, inflater
from .damage import invalid
from .hostfile import HostFile, read_padded
from .l1 import read_l1
from .layout import (
    MAX_OFFSET,
    Header,
    decode_header,
    first_cluster_length,
    refuse_unsupported,
)
from .metadata import CACHE_BYTES, Metadata
from .snapshots import read_snapshots
from .tables import Geometry

# Magic to cluster_bits: what tells how long the rest is.
HEADER_START = 24


class Qcow2Node:
    """An image on a file that it owns; its backing is given by whoever opens it."""

    limits = Limits()

    def __init__(
        self, raw: RawNode, mode: Mode, metadata: Metadata, inflate: Inflate
    ) -> None:
        # Set once.
        self.raw = raw
        self.mode = mode
        self.metadata = metadata
        self._inflate = inflate
        # Set by the opener of the chain before the first read.
        self.backing: BlockNode | None = None
        # The last cluster inflated, replaced as a whole: neighbours in one
        # cluster are mostly read one after the other.
        self._inflated: tuple[tuple[int, int], bytes] = ((-1, -1), b"")

    @property
    def uri(self) -> str:
        return self.raw.uri

    @property
    def header(self) -> Header:
        return self.metadata.header

    @property
    def size(self) -> int:
        return self.metadata.size

    def extents(self, offset: int = 0, length: int | None = None) -> Iterator[Extent]:
        if length is None:
            length = self.size - offset
        with naming(self.uri):
            yield from self.metadata.extents(offset, length)

    def readinto(self, offset: int, buffer: memoryview) -> None:
        for extent in self.extents(offset, len(buffer)):
            part = buffer[extent.start - offset : extent.end - offset]
            if extent.data is not Data.UNALLOCATED:
                self.readinto_layer(extent, extent.start, part)
                continue
            # A backing that is shorter than the image ends in zeros.
            backed = 0 if self.backing is None else self.backing.size - extent.start
            backed = max(0, min(len(part), backed))
            if self.backing is not None and backed:
                self.backing.readinto(extent.start, part[:backed])
            _zero(part[backed:])

    def readinto_layer(self, extent: Extent, offset: int, buffer: memoryview) -> None:
        """Guest bytes from `offset` on, out of an extent that this layer holds."""
        assert extent.start <= offset
        assert offset + len(buffer) <= extent.end
        match extent.data:
            case Data.ZERO:
                _zero(buffer)
            case Data.RAW:
                assert extent.host_offset is not None
                self._read_host(extent.host_offset + offset - extent.start, buffer)
            case Data.COMPRESSED:
                self._read_compressed(offset, buffer)
            case Data.UNALLOCATED:
                raise AssertionError("the layer does not hold these bytes")

    def close(self) -> None:
        self.raw.close()

    def _read_host(self, host: int, buffer: memoryview) -> None:
        # The last cluster of the file may be cut short.
        inside = max(0, min(len(buffer), self.raw.size - host))
        self.raw.readinto(host, buffer[:inside])
        _zero(buffer[inside:])

    def _read_compressed(self, offset: int, buffer: memoryview) -> None:
        size = self.header.cluster_size
        done = 0
        while done < len(buffer):
            inside = (offset + done) % size
            cluster = self._cluster(offset + done - inside)
            step = min(size - inside, len(buffer) - done)
            buffer[done : done + step] = cluster[inside : inside + step]
            done += step

    def _cluster(self, guest: int) -> bytes:
        """The bytes of the compressed cluster that begins at `guest`."""
        key = guest, self.metadata.changes
        held, cluster = self._inflated
        if held == key:
            return cluster
        with naming(self.uri, guest_offset=guest):
            at = self.metadata.compressed_at(guest)
            data = read_padded(self.raw, at.host_offset, at.length)
            cluster = self._inflate(bytes(data), self.header.cluster_size)
        self._inflated = key, cluster
        return cluster


def open_qcow2(
    raw: RawNode, *, mode: Mode, cache_bytes: int = CACHE_BYTES
) -> Qcow2Node:
    """Read header and L1 and check them; L2 tables are read when they are needed.

    The node owns `raw` from now on if this succeeds.
    """
    with naming(raw.uri):
        header = read_header(raw)
        refuse_unsupported(header)
        if mode is Mode.WRITE:
            refuse_writing(header)
        file_size = min(raw.size, MAX_OFFSET)
        _check_places(header, file_size)
        l1 = read_l1(raw, header, Geometry.of(header), file_size)
        read_snapshots(raw, header)
        metadata = Metadata(raw, header, l1, cache_bytes=cache_bytes)
        return Qcow2Node(raw, mode, metadata, inflater(header.compression))


def read_header(host: HostFile) -> Header:
    """The header of a file, whether or not this build can read its data."""
    with naming(host.uri):
        start = _read_start(host, HEADER_START)
        return decode_header(_read_start(host, first_cluster_length(start)))


def refuse_writing(header: Header) -> None:
    """Raise if only a repair may write to the image."""
    if header.corrupt:
        raise invalid(
            "Image is marked corrupt and can only be read", what="corrupt bit", value=1
        )


@contextmanager
def naming(uri: str, **facts: int) -> Iterator[None]:
    """Errors that leave the block say which image they are about."""
    try:
        yield
    except ServiceError as error:
        error.facts.setdefault("uri", uri)
        for key, value in facts.items():
            error.facts.setdefault(key, value)
        raise


def _read_start(host: HostFile, length: int) -> bytes:
    data = bytearray(min(length, host.size))
    host.readinto(0, memoryview(data))
    return bytes(data)


def _check_places(header: Header, file_size: int) -> None:
    for what, offset in (
        ("refcount_table_offset", header.refcount_table_offset),
        ("snapshots_offset", header.snapshots_offset if header.snapshots else 0),
    ):
        if offset >= file_size:
            raise invalid(
                "Table lies past the end of the file",
                what=what,
                value=offset,
                limit=file_size,
            )


def _zero(buffer: memoryview) -> None:
    if buffer:
        buffer[:] = bytes(len(buffer))
