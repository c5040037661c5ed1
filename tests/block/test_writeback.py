"""Waiting for pages that are on their way to the disk."""

import errno
import os
from pathlib import Path

import pytest

from longshored.block.writeback import write_back


def test_what_was_written_can_be_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(100_000))
    fd = os.open(path, os.O_RDONLY)
    write_back(fd, 4096, 50_000)
    os.close(fd)


def test_a_pipe_has_nothing_to_wait_for() -> None:
    ends = os.pipe()
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the number says it
        write_back(ends[0], 0, 1)
    assert caught.value.errno == errno.ESPIPE
    for fd in ends:
        os.close(fd)
