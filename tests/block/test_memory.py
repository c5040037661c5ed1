"""The memory node beyond the common suite: holes, growth, truncation."""

import pytest

from longshored.block.extent import Data, Extent
from longshored.block.memory import MemoryNode
from longshored.block.node import pread
from longshored.errors import ServiceError


def test_memory_is_held_only_for_what_was_written() -> None:
    node = MemoryNode(1 << 50)
    node.pwrite(1 << 49, b"x")
    assert node.allocated() == 4096


def test_unmapped_zeroes_free_whole_blocks_only() -> None:
    node = MemoryNode(16384)
    node.pwrite(0, b"x" * 16384)
    node.write_zeroes(100, 8192)
    assert node.allocated() == 12288


def test_zeroes_that_must_stay_allocated_do() -> None:
    node = MemoryNode(8192)
    node.write_zeroes(0, 8192, unmap=False)
    assert node.allocated() == 8192
    assert list(node.extents()) == [Extent(0, 8192, Data.ZERO)]


def test_a_write_past_the_end_lets_it_grow() -> None:
    node = MemoryNode(10)
    node.pwrite(100, b"x")
    assert node.size == 101
    assert pread(node, 0, 101) == bytes(100) + b"x"


def test_what_was_cut_off_comes_back_as_zeros() -> None:
    node = MemoryNode(8192)
    node.pwrite(0, b"x" * 8192)
    node.truncate(1000)
    node.truncate(8192)
    assert pread(node, 0, 8192) == b"x" * 1000 + bytes(7192)


def test_a_read_past_the_end_is_an_error() -> None:
    with pytest.raises(ServiceError, match="passes the end"):
        pread(MemoryNode(10), 5, 6)
