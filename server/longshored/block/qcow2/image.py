"""Qcow2Node: an opened qcow2 image as a block node.

Metadata answers where guest bytes are, the node then reads the file without any
lock. Writing is the writer's business; the node only passes it on.
"""

import threading
from collections.abc import Iterator
from dataclasses import replace

from ...errors import ServiceError
from ..extent import Data, Extent
from ..node import BlockNode, Buffer, Limits, Mode
from ..raw import RawNode
from .compress import Inflate, inflater
from .damage import invalid
from .headerfile import naming, read_header
from .hostfile import read_padded
from .l1 import read_l1
from .layout import (
    MAX_OFFSET,
    Header,
    refuse_unsupported,
)
from .metadata import CACHE_BYTES, Metadata
from .prepare import open_writer
from .repair import reclaim_leaks
from .snapshots import Snapshot, read_snapshots
from .soundness import check_for_writing
from .tables import Geometry
from .write import Writer


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
        # Set once, by the first change, under _opening.
        self._opening = threading.Lock()
        self._writer: Writer | None = None

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
        while True:
            reuses = self.metadata.reuses
            try:
                self._read_once(offset, buffer)
            except ServiceError:
                if reuses == self.metadata.reuses:
                    raise
            # Else a cluster may have got other bytes between answer and read.
            if reuses == self.metadata.reuses:
                return

    def _read_once(self, offset: int, buffer: memoryview) -> None:
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

    def snapshots(self) -> tuple[Snapshot, ...]:
        """Its internal snapshots, as the file has them."""
        with naming(self.uri):
            return read_snapshots(self.raw, self.header)

    def at(self, snapshot: Snapshot) -> "Qcow2Node":
        """The image as it was at a snapshot, to be looked at: on the file of this one,
        whose lock it is under and which alone closes it."""
        # A table that is too short for the disk has nothing behind its end.
        mapped = snapshot.l1_entries * self.header.l2_span
        size = self.header.size if snapshot.disk_size is None else snapshot.disk_size
        header = replace(
            self.header,
            size=min(size, mapped),
            l1_offset=snapshot.l1_offset,
            l1_entries=snapshot.l1_entries,
        )
        with naming(self.uri):
            file_size = min(self.raw.size, MAX_OFFSET)
            l1 = read_l1(self.raw, header, Geometry.of(header), file_size)
        metadata = Metadata(self.raw, header, l1)
        return Qcow2Node(self.raw, Mode.READ, metadata, self._inflate)

    def pwrite(self, offset: int, data: Buffer) -> None:
        self.writer().pwrite(offset, data)

    def write_zeroes(self, offset: int, length: int, *, unmap: bool = True) -> None:
        self.writer().write_zeroes(offset, length, unmap=unmap)

    def discard(self, offset: int, length: int) -> None:
        self.writer().discard(offset, length)

    def flush(self) -> None:
        if self._writer is not None:
            self._writer.flush()

    def writer(self) -> Writer:
        """Who changes this image; opened for the first change, not before."""
        assert self.mode is Mode.WRITE, "the image was opened for reading"
        with self._opening:
            if self._writer is None:
                with naming(self.uri):
                    if check_for_writing(self.raw, self.metadata):
                        # A writer before us may have died between counting clusters
                        # and using them.
                        reclaim_leaks(self.raw)
                    self._writer = open_writer(self.raw, self.metadata, self.readinto)
            return self._writer

    def close(self) -> None:
        # Taken away first: whoever cleans up may close a second time.
        with self._opening:
            writer, self._writer = self._writer, None
        try:
            if writer is not None:
                writer.close()
        finally:
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
            if at is None:  # a writer has replaced it since the extent was told
                return self._read_anew(guest)
            data = read_padded(self.raw, at.host_offset, at.length)
            cluster = self._inflate(bytes(data), self.header.cluster_size)
        self._inflated = key, cluster
        return cluster

    def _read_anew(self, guest: int) -> bytes:
        cluster = bytearray(self.header.cluster_size)
        inside = min(len(cluster), self.size - guest)
        self.readinto(guest, memoryview(cluster)[:inside])
        return bytes(cluster)


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


def refuse_writing(header: Header) -> None:
    """Raise if only a repair may write to the image."""
    if header.corrupt:
        raise invalid(
            "Image is marked corrupt and can only be read", what="corrupt bit", value=1
        )


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
