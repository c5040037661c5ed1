"""What a file system calls its files."""

from pathlib import Path

import pytest

from longshored.block.handle import file_handle
from tests.support.filesystems import filesystem
from tests.support.nodes import raw_file

pytestmark = pytest.mark.slow


def handle(path: Path) -> str:
    file = raw_file(path)
    try:
        return file_handle(file.fd)
    finally:
        file.close()


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs"])
def test_a_file_has_the_same_handle_after_the_machine_was_off(
    tmp_path: Path, kind: str
) -> None:
    with filesystem(kind, tmp_path) as disk:
        before = handle(disk.directory / "file")
        disk.mount_again()
        assert before
        assert handle(disk.directory / "file") == before
        (disk.directory / "file").unlink()
        assert handle(disk.directory / "file") != before


def test_what_has_no_handle_says_nothing() -> None:
    with Path("/proc/self/status").open() as file:
        assert file_handle(file.fileno()) == ""
