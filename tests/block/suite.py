"""The conformance suite: what every node and every filter must do alike."""

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from longshored.block.extent import Data
from longshored.block.node import BlockNode, Mode, pread
from longshored.errors import ServiceError
from tests.support.nodes import Maker
from tests.support.pictures import BLOCK, content, draw

SIZE = 1 << 20


def covered(node: BlockNode, offset: int = 0, length: int | None = None) -> int:
    """Where the extents of a range end, if they lie side by side."""
    at = offset
    for extent in node.extents(offset, length):
        assert extent.start == at
        assert extent.length > 0
        at = extent.end
    return at


def zero_by_extents(node: BlockNode, offset: int, length: int) -> bool:
    return not any(
        extent.data in (Data.RAW, Data.COMPRESSED)
        for extent in node.extents(offset, length)
    )


class NodeSuite:
    """Subclasses give `make`; `node` is empty, of SIZE bytes and writable.

    A node that cannot tell holes from data sets `knows_holes` to False.
    """

    knows_holes = True

    @pytest.fixture
    def node(self, make: Maker, tmp_path: Path) -> BlockNode:
        return make(tmp_path, SIZE)

    def test_a_new_node_reads_as_zeros(self, node: BlockNode) -> None:
        assert pread(node, 0, SIZE) == bytes(SIZE)

    def test_it_tells_size_mode_and_name(self, node: BlockNode) -> None:
        assert (node.size, node.mode) == (SIZE, Mode.WRITE)
        assert node.uri

    def test_what_was_written_is_read(self, node: BlockNode) -> None:
        node.pwrite(4096, b"x" * 4096)
        assert pread(node, 0, 12288) == bytes(4096) + b"x" * 4096 + bytes(4096)

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
    def test_any_buffer_can_be_written(self, node: BlockNode, kind: type) -> None:
        node.pwrite(0, kind(b"abcd" * 128))
        assert pread(node, 0, 512) == b"abcd" * 128

    @pytest.mark.parametrize(
        ("offset", "length"),
        [(0, 1), (1, 1), (511, 2), (4095, 2), (65535, 2), (SIZE - 1, 1), (3, 70001)],
    )
    def test_odd_ranges_touch_nothing_else(
        self, node: BlockNode, offset: int, length: int
    ) -> None:
        node.pwrite(0, b"\xaa" * SIZE)
        node.pwrite(offset, b"y" * length)
        expected = bytearray(b"\xaa" * SIZE)
        expected[offset : offset + length] = b"y" * length
        assert pread(node, 0, SIZE) == expected

    def test_the_whole_node_in_one_request(self, node: BlockNode) -> None:
        data = random.Random(1).randbytes(SIZE)
        node.pwrite(0, data)
        assert pread(node, 0, SIZE) == data

    def test_empty_requests_do_nothing(self, node: BlockNode) -> None:
        for offset in (0, 7, SIZE):
            node.pwrite(offset, b"")
            node.write_zeroes(offset, 0)
            node.discard(offset, 0)
            node.readinto(offset, memoryview(bytearray()))
            assert list(node.extents(offset, 0)) == []
        assert node.size == SIZE

    @pytest.mark.parametrize("unmap", [True, False])
    @pytest.mark.parametrize(
        ("offset", "length"), [(0, SIZE), (0, 65536), (1, 5), (4000, 9000), (65535, 2)]
    )
    def test_written_zeroes_read_as_zeros(
        self, node: BlockNode, offset: int, length: int, unmap: bool
    ) -> None:
        node.pwrite(0, b"\xaa" * SIZE)
        node.write_zeroes(offset, length, unmap=unmap)
        expected = bytearray(b"\xaa" * SIZE)
        expected[offset : offset + length] = bytes(length)
        assert pread(node, 0, SIZE) == expected

    def test_data_after_zeroes_wins(self, node: BlockNode) -> None:
        node.write_zeroes(0, 131072)
        node.pwrite(65536, b"z" * 512)
        assert pread(node, 65536, 1024) == b"z" * 512 + bytes(512)

    def test_a_discard_touches_nothing_outside_its_range(self, node: BlockNode) -> None:
        node.pwrite(0, b"\xaa" * SIZE)
        node.discard(100_000, 200_000)
        assert pread(node, 0, 100_000) == b"\xaa" * 100_000
        assert pread(node, 300_000, SIZE - 300_000) == b"\xaa" * (SIZE - 300_000)

    def test_extents_of_a_new_node_say_zero_or_nothing(self, node: BlockNode) -> None:
        assert covered(node) == SIZE
        assert zero_by_extents(node, 0, SIZE) is self.knows_holes

    def test_extents_show_data_where_it_is(self, node: BlockNode) -> None:
        draw(node, "D-0D----")
        assert covered(node) == SIZE
        for index, letter in enumerate("D-0D----"):
            known = self.knows_holes and letter != "D"
            assert zero_by_extents(node, index * BLOCK, BLOCK) is known

    @pytest.mark.parametrize(
        ("offset", "length"), [(0, 1), (1, SIZE - 1), (BLOCK - 1, 2), (SIZE - 1, 1)]
    )
    def test_extents_of_a_range_fill_just_the_range(
        self, node: BlockNode, offset: int, length: int
    ) -> None:
        draw(node, "D-D-D-D-D-D-D-D-")
        assert covered(node, offset, length) == offset + length

    def test_zeroes_become_known_zeros(self, node: BlockNode) -> None:
        node.pwrite(0, b"x" * SIZE)
        node.write_zeroes(0, SIZE)
        assert zero_by_extents(node, 0, SIZE) is self.knows_holes

    def test_a_picture_reads_as_drawn(self, node: BlockNode) -> None:
        draw(node, "A-0BC--D0A-B-00Z")
        node.flush()
        assert pread(node, 0, SIZE) == content("A-0BC--D0A-B-00Z")

    def test_random_calls_agree_with_plain_bytes(self, node: BlockNode) -> None:
        chance, model = random.Random(7), bytearray(SIZE)
        for _ in range(150):
            offset = chance.randrange(SIZE)
            length = min(chance.choice([1, 513, 4096, 66000]), SIZE - offset)
            if chance.random() < 0.6:
                data = chance.randbytes(length)
                node.pwrite(offset, data)
                model[offset : offset + length] = data
            else:
                node.write_zeroes(offset, length, unmap=chance.random() < 0.5)
                model[offset : offset + length] = bytes(length)
        assert pread(node, 0, SIZE) == model

    @pytest.mark.parametrize("step", [BLOCK, 5000])
    def test_threads_write_and_read_side_by_side(
        self, node: BlockNode, step: int
    ) -> None:
        def work(index: int) -> bool:
            data = bytes([index + 1]) * step
            node.pwrite(index * step, data)
            return pread(node, index * step, step) == data

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(work, range(16)))

    def test_flush_may_be_repeated(self, node: BlockNode) -> None:
        node.pwrite(0, b"x")
        node.flush()
        node.flush()

    def test_a_closed_node_refuses_and_closes_again(self, node: BlockNode) -> None:
        node.pwrite(0, b"x")
        node.close()
        node.close()
        with pytest.raises((ServiceError, AssertionError)):
            pread(node, 0, 1)
