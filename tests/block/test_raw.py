"""The raw node: what a file does beyond the common suite, and what goes wrong."""

import errno
import os
import resource
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from longshored.block.extent import Data, Extent
from longshored.block.node import BlockNode, Identity, Mode, pread
from longshored.block.raw import RawNode, open_raw
from longshored.errors import Kind, ServiceError
from longshored.units import MiB
from tests.block.suite import SIZE, NodeSuite
from tests.support.nodes import Maker, raw_file


@pytest.fixture
def file(tmp_path: Path) -> Iterator[RawNode]:
    node = raw_file(tmp_path / "image.raw")
    yield node
    node.close()


def opened(path: str, flags: int, mode: Mode) -> RawNode:
    return open_raw(os.open(path, flags), path, mode)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process may grow past a size; Python ignores the signal."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


def test_a_write_past_the_end_lets_the_file_grow(file: RawNode) -> None:
    file.pwrite(1000, b"x")
    assert file.size == 1001
    assert pread(file, 0, 1001) == bytes(1000) + b"x"


@pytest.mark.parametrize("unmap", [True, False])
def test_zeroes_past_the_end_let_the_file_grow(file: RawNode, unmap: bool) -> None:
    file.write_zeroes(500, 1000, unmap=unmap)
    assert file.size == 1500
    assert os.fstat(file.fd).st_size == 1500


def test_growing_by_zeroes_never_cuts_what_another_thread_wrote(
    file: RawNode,
) -> None:
    def work(index: int) -> None:
        if index % 2:
            file.pwrite(index * 4096, b"x" * 4096)
        else:
            file.write_zeroes(index * 4096, 4096)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(400)))
    assert pread(file, 0, file.size) == (bytes(4096) + b"x" * 4096) * 200


def test_an_odd_size_is_the_size(file: RawNode) -> None:
    file.truncate(1001)
    assert file.size == 1001
    assert [extent.end for extent in file.extents()][-1] == 1001


def test_unmapped_zeroes_give_their_space_back(file: RawNode) -> None:
    file.pwrite(0, b"x" * MiB)
    file.flush()
    before = file.allocated()
    file.write_zeroes(0, MiB)
    assert file.allocated() < before


def test_discard_gives_space_back(file: RawNode) -> None:
    file.pwrite(0, b"x" * MiB)
    file.flush()
    file.discard(0, MiB)
    assert file.allocated() == 0
    assert file.size == MiB


def test_data_is_where_the_guest_sees_it(file: RawNode) -> None:
    file.truncate(3 * 65536)
    file.pwrite(65536, b"x" * 65536)
    assert list(file.extents()) == [
        Extent(0, 65536, Data.ZERO),
        Extent(65536, 65536, Data.RAW, host_offset=65536),
        Extent(131072, 65536, Data.ZERO),
    ]


def test_a_huge_hole_is_one_extent(file: RawNode) -> None:
    file.truncate(1 << 43)
    assert list(file.extents()) == [Extent(0, 1 << 43, Data.ZERO)]


def test_a_reader_looks_for_the_end_of_a_run_once(tmp_path: Path) -> None:
    path = tmp_path / "image.raw"
    path.write_bytes(b"x" * (1 * MiB))
    reader = opened(str(path), os.O_RDONLY, Mode.READ)
    whole = Extent(0, 1 * MiB, Data.RAW, host_offset=0)
    assert list(reader.extents()) == [whole]
    # Whoever makes a hole all the same shows that nobody asked again.
    writer = opened(str(path), os.O_RDWR, Mode.WRITE)
    writer.discard(512 * 1024, 256 * 1024)
    assert list(reader.extents(4096, 1 * MiB - 4096)) == [whole.clip(4096, 1 * MiB)]
    assert Data.ZERO in {extent.data for extent in writer.extents()}
    reader.close()
    writer.close()


def test_allocated_space_is_there_and_reads_as_zeros(file: RawNode) -> None:
    file.allocate(0, MiB)
    assert file.size == MiB
    assert file.allocated() >= MiB
    assert pread(file, 0, MiB) == bytes(MiB)


def test_identity_is_that_of_the_inode(file: RawNode) -> None:
    assert file.identity == Identity.of(os.fstat(file.fd))


def test_a_direct_descriptor_is_of_the_same_file(file: RawNode) -> None:
    file.pwrite(0, b"x" * 4096)
    file.flush()
    fd = file.open_direct()
    assert fd is not None, "the file system of the tests must offer direct I/O"
    assert Identity.of(os.fstat(fd)) == file.identity
    os.close(fd)


def test_no_direct_descriptor_where_there_is_none() -> None:
    fd = os.memfd_create("image")
    node = open_raw(os.dup(fd), "memfd", Mode.WRITE)
    direct = node.open_direct()
    if direct is not None:  # newer kernels offer it even here
        os.close(direct)
    node.close()
    os.close(fd)


# What goes wrong.


def test_a_file_that_was_cut_is_an_error_and_never_zeros(file: RawNode) -> None:
    file.truncate(MiB)
    os.truncate(file.uri, 1000)
    with pytest.raises(ServiceError) as caught:
        pread(file, 0, 4096)
    assert caught.value.kind is Kind.IO_ERROR
    assert (caught.value.facts["offset"], caught.value.facts["uri"]) == (1000, file.uri)


def test_a_map_of_a_file_that_was_cut_is_an_error(file: RawNode) -> None:
    file.truncate(MiB)
    os.truncate(file.uri, 0)
    with pytest.raises(ServiceError, match="cut"):
        list(file.extents())


def test_a_full_disk_names_place_and_operation() -> None:
    node = opened("/dev/full", os.O_RDWR, Mode.WRITE)
    with pytest.raises(ServiceError) as caught:
        node.pwrite(4096, b"x")
    node.close()
    assert caught.value.kind is Kind.NO_SPACE
    assert caught.value.facts == {
        "operation": "write",
        "errno": errno.ENOSPC,
        "error": "ENOSPC",
        "uri": "/dev/full",
        "offset": 4096,
    }


def test_a_short_write_is_continued_until_the_error(file: RawNode) -> None:
    with largest_file(MiB), pytest.raises(ServiceError) as caught:
        file.pwrite(MiB - 1000, b"x" * 5000)
    assert caught.value.kind is Kind.NO_SPACE
    assert (caught.value.facts["error"], caught.value.facts["offset"]) == (
        "EFBIG",
        MiB,
    )


def test_a_read_error_names_place_and_operation() -> None:
    # The first page of a process is never mapped: reading it is EIO.
    node = opened("/proc/self/mem", os.O_RDONLY, Mode.READ)
    with pytest.raises(ServiceError) as caught:
        pread(node, 512, 100)
    node.close()
    assert caught.value.kind is Kind.IO_ERROR
    assert (caught.value.facts["error"], caught.value.facts["offset"]) == ("EIO", 512)


def test_a_failed_flush_is_final() -> None:
    node = opened("/proc/self/mem", os.O_RDWR, Mode.WRITE)
    with pytest.raises(ServiceError, match="flush"):
        node.flush()
    calls = (
        node.flush,
        lambda: pread(node, 0, 1),
        lambda: node.pwrite(0, b"x"),
        lambda: node.write_zeroes(0, 1),
        lambda: node.discard(0, 1),
        lambda: node.truncate(0),
        lambda: node.allocate(0, 1),
        lambda: list(node.extents(0, 1)),
    )
    for call in calls:
        with pytest.raises(ServiceError, match="earlier flush"):
            call()
    node.close()


def test_a_reader_has_nothing_to_flush(file: RawNode) -> None:
    reader = raw_file(Path(file.uri), Mode.READ)
    reader.flush()
    reader.close()


def test_a_closed_node_never_touches_a_new_file_with_its_number(
    file: RawNode, tmp_path: Path
) -> None:
    number = file.fd
    file.close()
    other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
    with pytest.raises(ServiceError, match="closed"):
        file.pwrite(0, b"x")
    assert other == number
    assert os.fstat(other).st_size == 0
    os.close(other)


# Block devices.


@pytest.fixture
def device(tmp_path: Path) -> Iterator[str]:
    """A loop device of SIZE bytes."""
    (tmp_path / "disk").write_bytes(bytes(SIZE))
    command = ["losetup", "--find", "--show", str(tmp_path / "disk")]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        if os.environ.get("CI") == "true":
            raise
        pytest.skip("no loop device to be had: block devices are left out")
    name = done.stdout.strip()
    yield name
    subprocess.run(["losetup", "--detach", name], check=True)


@pytest.mark.slow
class TestBlockDevice(NodeSuite):
    knows_holes = False

    @pytest.fixture
    def make(self, device: str) -> Iterator[Maker]:
        nodes: list[BlockNode] = []

        def make(directory: Path, size: int) -> BlockNode:
            nodes.append(opened(device, os.O_RDWR, Mode.WRITE))
            return nodes[-1]

        yield make
        for node in nodes:
            node.close()


@pytest.mark.slow
def test_a_device_tells_its_size_and_takes_all_of_it(device: str) -> None:
    node = opened(device, os.O_RDWR, Mode.WRITE)
    assert (node.size, node.allocated(), node.is_device) == (SIZE, SIZE, True)
    node.close()


@pytest.mark.slow
def test_two_nodes_of_one_device_have_one_identity(device: str, tmp_path: Path) -> None:
    status = os.stat(device)  # noqa: PTH116 - a device number, not a path
    os.mknod(tmp_path / "same", status.st_mode, status.st_rdev)
    assert Identity.of((tmp_path / "same").stat()) == Identity.of(status)
