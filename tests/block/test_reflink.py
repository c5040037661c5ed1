"""Blocks shared by two files, on file systems that can and on those that cannot."""

import os
from pathlib import Path

import pytest

from longshored.block.raw import RawNode
from longshored.block.reflink import offers_reflink, reflink
from longshored.units import KiB
from tests.support.filesystems import filesystem
from tests.support.nodes import raw_file

pytestmark = pytest.mark.slow

BLOCK = 4 * KiB


def two(first: Path, second: Path) -> tuple[RawNode, RawNode]:
    """A source of two blocks, and an empty target."""
    source, target = raw_file(first / "source"), raw_file(second / "target")
    source.pwrite(0, b"A" * BLOCK + b"B" * BLOCK)
    return source, target


@pytest.mark.parametrize("kind", ["xfs", "btrfs"])
def test_a_range_is_shared(tmp_path: Path, kind: str) -> None:
    with filesystem(kind, tmp_path) as disk:
        source, target = two(disk.directory, disk.directory)
        assert offers_reflink(source.fd, target.fd)
        assert (disk.directory / "target").read_bytes() == b""
        reflink(source.fd, BLOCK, BLOCK, target.fd, 2 * BLOCK)
        source.pwrite(BLOCK, b"C" * BLOCK)
        shared = (disk.directory / "target").read_bytes()
        assert shared == bytes(2 * BLOCK) + b"B" * BLOCK
        source.close()
        target.close()


def test_files_of_two_file_systems_share_nothing(tmp_path: Path) -> None:
    with filesystem("xfs", tmp_path) as disk:
        source, target = two(disk.directory, tmp_path)
        assert not offers_reflink(source.fd, target.fd)
        source.close()
        target.close()


def test_a_file_system_that_cannot_says_so(tmp_path: Path) -> None:
    with filesystem("ext4", tmp_path) as disk:
        source, target = two(disk.directory, disk.directory)
        assert not offers_reflink(source.fd, target.fd)
        source.close()
        target.close()


def test_what_is_no_file_shares_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    pipe = os.open(tmp_path / "pipe", os.O_RDWR)
    source, target = two(tmp_path, tmp_path)
    assert not offers_reflink(source.fd, pipe)
    assert not offers_reflink(pipe, target.fd)
    os.close(pipe)
    source.close()
    target.close()
