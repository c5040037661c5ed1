"""qcow2 images for tests: made by our own create, filled by hand, opened, judged."""

import hashlib
import json
import os
import subprocess
import zlib
from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from longshored.block.node import Mode
from longshored.block.qcow2.create import CreateOptions, create_qcow2
from longshored.block.qcow2.image import Qcow2Node, open_qcow2
from longshored.block.qcow2.layout import Header, encode_header
from longshored.block.qcow2.refcount import decode, encode
from longshored.block.qcow2.tables import (
    CompressedAt,
    Geometry,
    Words,
    compressed_entry,
    encode_words,
    l1_entry,
    standard_entry,
    zero_entry,
)
from longshored.block.raw import RawNode, open_raw
from longshored.units import MiB, pieces, round_up

FIELDS = {
    "magic": (0, 4),
    "version": (4, 4),
    "backing_file_offset": (8, 8),
    "backing_file_size": (16, 4),
    "cluster_bits": (20, 4),
    "size": (24, 8),
    "crypt_method": (32, 4),
    "l1_size": (36, 4),
    "l1_table_offset": (40, 8),
    "refcount_table_offset": (48, 8),
    "refcount_table_clusters": (56, 4),
    "nb_snapshots": (60, 4),
    "snapshots_offset": (64, 8),
    "incompatible_features": (72, 8),
    "compatible_features": (80, 8),
    "autoclear_features": (88, 8),
    "refcount_order": (96, 4),
    "header_length": (100, 4),
    "compression_type": (104, 1),
}
"""Where each field of the header is, and how many bytes it has."""


def field(name: str, value: int) -> tuple[int, bytes]:
    """A poke that sets one field of the header."""
    offset, length = FIELDS[name]
    return offset, value.to_bytes(length, "big")


def word(offset: int, value: int) -> tuple[int, bytes]:
    return offset, value.to_bytes(8, "big")


def noise(seed: int, length: int) -> bytes:
    return Random(seed).randbytes(length)


def deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(9, zlib.DEFLATED, -12)
    return stream.compress(data) + stream.flush()


def raw_node(path: Path, mode: Mode = Mode.READ) -> RawNode:
    access = os.O_RDONLY if mode is Mode.READ else os.O_RDWR | os.O_CREAT
    return open_raw(os.open(path, access | os.O_CLOEXEC, 0o644), str(path), mode)


@contextmanager
def opened(path: Path, mode: Mode = Mode.READ) -> Iterator[Qcow2Node]:
    raw = raw_node(path, mode)
    try:
        yield open_qcow2(raw, mode=mode)
    finally:
        raw.close()


def make(path: Path, options: CreateOptions) -> Header:
    raw = raw_node(path, Mode.WRITE)
    try:
        return create_qcow2(raw, options)
    finally:
        raw.close()


class Builder:
    """An image filled cluster by cluster, with refcounts that are right."""

    def __init__(self, path: Path, options: CreateOptions) -> None:
        self.path = path
        self.header = make(path, options)
        self.geometry = Geometry.of(self.header)
        self.size = self.header.cluster_size
        end = round_up(path.stat().st_size, self.size)
        self.content = bytearray(path.read_bytes().ljust(end, b"\0"))
        self.l1: Words = array("Q", bytes(self.header.l1_bytes))

    def cluster(self, data: bytes) -> int:
        """Append bytes as a cluster (or more); says where they are."""
        host = len(self.content)
        self.content += data.ljust(round_up(len(data), self.size), b"\0")
        return host

    def table(self, words: Words) -> int:
        return self.cluster(encode_words(words))

    def empty_l2(self) -> Words:
        return array("Q", bytes(self.size))

    def fill(self, entries: Mapping[int, bytes | str], l1_index: int = 0) -> int:
        """One L2 table: data, "zero", "held zero" or compressed ("z" + seed)."""
        words = self.empty_l2()
        for index, what in entries.items():
            words[index * self.geometry.words_per_entry] = self._entry(what)
            if self.header.extended_l2 and isinstance(what, bytes):
                words[index * 2 + 1] = (1 << 32) - 1
        self.l1[l1_index] = l1_entry(host := self.table(words))
        return host

    def _entry(self, what: bytes | str) -> int:
        if isinstance(what, bytes):
            return standard_entry(self.cluster(what))
        if what == "zero":
            return zero_entry()
        if what == "held zero":
            return zero_entry(self.cluster(b"\xff" * self.size))
        return self.compressed(deflate(half_noise(int(what[1:]), self.size)))

    def compressed(self, data: bytes) -> int:
        host = self.cluster(data)
        return compressed_entry(self.geometry, CompressedAt(host, len(data)))

    def change_header(self, **fields: Any) -> None:
        self.header = replace(self.header, **fields)
        start = encode_header(self.header)
        self.content[: self.size] = start.ljust(self.size, b"\0")

    def save(self) -> Path:
        at = self.header.l1_offset
        self.content[at : at + self.header.l1_bytes] = encode_words(self.l1)
        self._count()
        self.path.write_bytes(self.content)
        return self.path

    def _count(self) -> None:
        at = self.header.refcount_table_offset + self.header.refcount_table_bytes
        counts = decode(bytes(self.size), self.header.refcount_order)
        clusters = len(self.content) // self.size
        assert clusters <= len(counts), "one refcount block is all there is"
        for index in range(clusters):
            counts[index] = 1
        data = encode(counts, self.header.refcount_order)
        self.content[at : at + self.size] = data


def half_noise(seed: int, length: int) -> bytes:
    """Bytes that compress to about half."""
    return noise(seed, length // 2) + b"\x55" * (length - length // 2)


def poke(path: Path, *pokes: tuple[int, bytes]) -> Path:
    with path.open("r+b") as file:
        for offset, data in pokes:
            file.seek(offset)
            file.write(data)
    return path


def digest(node: Qcow2Node) -> str:
    """A hash of the guest bytes."""
    sum_ = hashlib.sha256()
    buffer = memoryview(bytearray(4 * MiB))
    for offset, length in pieces(0, node.size, len(buffer)):
        node.readinto(offset, buffer[:length])
        sum_.update(buffer[:length])
    return sum_.hexdigest()


def qemu_img(*arguments: str | Path) -> str:
    """Run qemu-img; the tests that use it are marked `qemu`."""
    done = subprocess.run(
        ["qemu-img", *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return done.stdout


def qemu_info(path: Path) -> dict[str, Any]:
    """What qemu-img says of an image, without what depends on its name and disk."""
    info = json.loads(qemu_img("info", "-f", "qcow2", "--output=json", path))
    info.pop("filename")
    info.pop("actual-size")
    return dict(info)


def qemu_bytes(path: Path) -> bytes:
    """The guest bytes as qemu-img reads them."""
    target = path.with_suffix(".as-raw")
    qemu_img("convert", "-f", "qcow2", "-O", "raw", path, target)
    return target.read_bytes()
