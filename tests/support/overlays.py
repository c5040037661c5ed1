"""qcow2 images in memory for the tests of the writer: made, opened, snapshotted."""

from array import array
from random import Random
from typing import cast

from longshored.block.memory import MemoryNode
from longshored.block.node import BlockNode, Mode, pread
from longshored.block.qcow2.allocate import Allocator, Occupied
from longshored.block.qcow2.check import open_walk
from longshored.block.qcow2.create import CreateOptions, create_qcow2
from longshored.block.qcow2.image import Qcow2Node, open_qcow2
from longshored.block.qcow2.snapshots import Snapshot, encode_snapshot
from longshored.block.qcow2.tables import COMPRESSED, COPIED, HOST_OFFSET, encode_words
from longshored.block.raw import RawNode
from tests.support.recorder import RecordedFile


def new_image(options: CreateOptions) -> RecordedFile:
    host = RecordedFile()
    create_qcow2(host, options)
    return host


def open_recorded(
    host: RecordedFile, backing: BlockNode | None = None, mode: Mode = Mode.WRITE
) -> Qcow2Node:
    """The image in a recorded file, which offers all that the node asks of a file."""
    node = open_qcow2(cast(RawNode, host), mode=mode)
    node.backing = backing
    return node


def memory_node(content: bytes) -> MemoryNode:
    node = MemoryNode(len(content))
    node.pwrite(0, content)
    return node


def noise_with_holes(random: Random, size: int, block: int) -> bytes:
    """Blocks of noise, of zeros, and of both."""
    parts = [
        random.choice((random.randbytes(block), bytes(block)))
        for _ in range(0, size, block)
    ]
    return b"".join(parts)[:size]


def guest_bytes(host: RecordedFile, backing: BlockNode | None) -> bytes:
    node = open_recorded(host, backing, Mode.READ)
    return pread(node, 0, node.size)


def take_snapshot(host: RecordedFile) -> None:
    """An internal snapshot: the L1 is copied, everything below it is shared."""
    walk = open_walk(host)
    header, refcounts, bits = walk.header, walk.refcounts, walk.geometry.cluster_bits
    (l1, *_) = walk.l1_tables()
    width = walk.geometry.words_per_entry
    for number, entry in enumerate(l1):
        if not entry:
            continue
        offset = entry & HOST_OFFSET
        refcounts.set(offset >> bits, refcounts.count(offset >> bits) + 1)
        words = walk.l2_table(offset)
        for index in range(0, len(words), width):
            word = words[index]
            assert not word & COMPRESSED, "no compressed clusters here"
            cluster = (word & HOST_OFFSET) >> bits
            if cluster:
                refcounts.set(cluster, refcounts.count(cluster) + 1)
                words[index] = word & ~COPIED
        host.pwrite(offset, encode_words(words))
        l1[number] = offset
    l1_clusters = -(-len(l1) * 8 >> bits) or 1
    first = Allocator(host, refcounts, Occupied([])).append(l1_clusters + 1)
    table = first + l1_clusters << bits
    host.pwrite(first << bits, encode_words(array("Q", l1)))
    host.pwrite(header.l1_offset, encode_words(l1))
    snapshot = Snapshot(first << bits, len(l1), b"1", b"before", disk_size=header.size)
    host.pwrite(table, encode_snapshot(snapshot))
    refcounts.write_blocks()
    refcounts.write_table()
    host.pwrite(60, (1).to_bytes(4, "big") + table.to_bytes(8, "big"))
