"""Nodes of every kind for tests, bare and under each filter."""

import os
from collections.abc import Callable
from pathlib import Path

from longshored.block.filters.fault import Fault
from longshored.block.filters.guard import Guard
from longshored.block.filters.throttle import Throttle
from longshored.block.filters.trace import Trace
from longshored.block.memory import MemoryNode
from longshored.block.node import BlockNode, Mode
from longshored.block.qcow2.create import CreateOptions, create_qcow2
from longshored.block.qcow2.image import Qcow2Node, open_qcow2
from longshored.block.raw import RawNode, open_raw

Maker = Callable[[Path, int], BlockNode]
"""Makes an empty node of a size, open for writing, in an empty directory."""


class OpenGate:
    """A gate that lets everything pass and remembers it."""

    def __init__(self) -> None:
        self.passed: list[int] = []

    def enter(self, length: int) -> None:
        self.passed.append(length)


def raw_file(path: Path, mode: Mode = Mode.WRITE) -> RawNode:
    """A raw node on a path, created if it is to be written."""
    flags = os.O_RDWR | os.O_CREAT if mode is Mode.WRITE else os.O_RDONLY
    return open_raw(os.open(path, flags | os.O_CLOEXEC, 0o600), str(path), mode)


def new_qcow2(path: Path, options: CreateOptions) -> Qcow2Node:
    """A fresh qcow2 image, open for writing."""
    raw = raw_file(path)
    create_qcow2(raw, options)
    return open_qcow2(raw, mode=Mode.WRITE)


def memory(directory: Path, size: int) -> MemoryNode:
    return MemoryNode(size)


def raw(directory: Path, size: int) -> RawNode:
    node = raw_file(directory / "image.raw")
    node.truncate(size)
    return node


def qcow2(directory: Path, size: int) -> Qcow2Node:
    return new_qcow2(directory / "image.qcow2", CreateOptions(size))


def qcow2_as(options: Callable[[int], CreateOptions]) -> Maker:
    """A maker of images with other options than the defaults."""
    return lambda directory, size: new_qcow2(directory / "image.qcow2", options(size))


def qcow2_overlay(directory: Path, size: int) -> Qcow2Node:
    """An overlay over an empty backing of half its size."""
    backed = CreateOptions(size, backing_file="base", backing_format="raw")
    node = new_qcow2(directory / "image.qcow2", backed)
    node.backing = MemoryNode(size // 2, mode=Mode.READ)
    return node


def under(wrap: Callable[[BlockNode], BlockNode], make: Maker) -> Maker:
    """The same maker with a filter on top."""
    return lambda directory, size: wrap(make(directory, size))


# A node joins the conformance suite by one line here; filters multiply by themselves.
BARE: dict[str, Maker] = {"memory": memory, "raw": raw, "qcow2": qcow2}

FILTERS: dict[str, Callable[[BlockNode], BlockNode]] = {
    "guard": Guard,
    "throttle": lambda below: Throttle(below, OpenGate()),
    "trace": Trace,
    "fault": lambda below: Fault(below, ()),
}

# Kinds of qcow2 that take other ways through its code; bare is enough.
QCOW2: dict[str, Maker] = {
    "qcow2 v2": qcow2_as(lambda size: CreateOptions(size, version=2)),
    "qcow2 512": qcow2_as(lambda size: CreateOptions(size, cluster_size=512)),
    "qcow2 subclusters": qcow2_as(lambda size: CreateOptions(size, extended_l2=True)),
    "qcow2 lazy": qcow2_as(lambda size: CreateOptions(size, lazy_refcounts=True)),
    "qcow2 1-bit": qcow2_as(lambda size: CreateOptions(size, refcount_bits=1)),
    "qcow2 overlay": qcow2_overlay,
}

MAKERS: dict[str, Maker] = (
    BARE
    | QCOW2
    | {
        f"{filter_}-{name}": under(wrap, make)
        for name, make in BARE.items()
        for filter_, wrap in FILTERS.items()
    }
)
