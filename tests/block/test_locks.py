"""Lock bytes: rows against rows, on descriptors of one file."""

import fcntl
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from longshored.block.locks import (
    NOTHING,
    PULL_TOP,
    READER,
    WRITER,
    Clash,
    ImageLock,
    LockRow,
    Permission,
)
from longshored.errors import Kind, ServiceError

P = Permission
Locker = Callable[..., ImageLock]


@pytest.fixture
def locker(tmp_path: Path) -> Iterator[Locker]:
    """A function that opens the one image again and gives its lock."""
    image = tmp_path / "image"
    image.write_bytes(b"")
    fds: list[int] = []

    def opened(flags: int = os.O_RDONLY) -> ImageLock:
        fds.append(os.open(image, flags))
        return ImageLock(fds[-1], str(image))

    yield opened
    for fd in fds:
        os.close(fd)


def bytes_of(lock: ImageLock) -> set[int]:
    """The locked bytes of a descriptor as the kernel lists them."""
    found: set[int] = set()
    for line in Path(f"/proc/self/fdinfo/{lock.fd}").read_text().splitlines():
        if line.startswith("lock:"):
            first, last = map(int, line.split()[-2:])
            found |= set(range(first, last + 1))
    return found


@pytest.mark.parametrize(
    ("row", "offsets"),
    [
        (READER, {100, 201, 203}),
        (WRITER, {100, 101, 103, 201, 203}),
        (PULL_TOP, {100, 101, 102, 103, 201, 203}),
        (NOTHING, set()),
    ],
)
def test_each_row_locks_the_bytes_that_qemu_locks(
    locker: Locker, row: LockRow, offsets: set[int]
) -> None:
    lock = locker()
    assert lock.take(row) == ()
    assert bytes_of(lock) == offsets


@pytest.mark.parametrize(
    ("first", "second", "free"),
    [
        (READER, READER, True),
        (READER, WRITER, False),
        (WRITER, READER, False),
        (WRITER, WRITER, False),
        (PULL_TOP, READER, False),
        (LockRow(P.CONSISTENT_READ, P.NONE), WRITER, True),
        (WRITER, LockRow(P.CONSISTENT_READ, P.NONE), True),
        (WRITER, NOTHING, True),
    ],
)
def test_rows_exclude_each_other_by_the_permission_rule(
    locker: Locker, first: LockRow, second: LockRow, free: bool
) -> None:
    one, two = locker(), locker()
    assert one.take(first) == ()
    assert (two.take(second) == ()) is free


def test_a_clash_says_which_permission_and_which_way(locker: Locker) -> None:
    locker().take(READER)
    clashes = locker().take(WRITER)
    assert clashes == (Clash(P.WRITE, shared=False), Clash(P.RESIZE, shared=False))
    assert str(clashes[0]) == "write"


def test_a_reader_under_a_writer_cannot_share(locker: Locker) -> None:
    locker().take(WRITER)
    clashes = locker().take(READER)
    assert [str(clash) for clash in clashes] == ["shared write", "shared resize"]


def test_after_a_clash_nothing_is_held(locker: Locker) -> None:
    locker().take(WRITER)
    loser = locker()
    loser.take(READER)
    assert bytes_of(loser) == set()
    assert loser.held == NOTHING


def test_a_failed_widening_keeps_what_was_held(locker: Locker) -> None:
    other, lock = locker(), locker()
    other.take(READER)
    lock.take(READER)
    assert lock.take(WRITER) != ()
    assert bytes_of(lock) == {100, 201, 203}
    assert lock.held == READER


def test_widening_adds_to_what_is_held(locker: Locker) -> None:
    lock = locker()
    lock.take(READER)
    assert lock.take(PULL_TOP) == ()
    assert bytes_of(lock) == {100, 101, 102, 103, 201, 203}


def test_narrowing_lets_readers_in(locker: Locker) -> None:
    lock = locker()
    lock.take(WRITER)
    lock.narrow(READER)
    assert bytes_of(lock) == {100, 201, 203}
    assert locker().take(READER) == ()


def test_release_lets_a_writer_in(locker: Locker) -> None:
    lock = locker()
    lock.take(WRITER)
    lock.release()
    assert locker().take(WRITER) == ()


def test_a_probe_takes_nothing(locker: Locker) -> None:
    locker().take(READER)
    lock = locker()
    assert lock.probe(WRITER) != ()
    assert bytes_of(lock) == set()


def test_one_descriptor_never_clashes_with_itself(locker: Locker) -> None:
    lock = locker()
    lock.take(WRITER)
    assert lock.take(WRITER) == ()


def test_closing_another_descriptor_of_the_file_keeps_the_lock(locker: Locker) -> None:
    lock = locker()
    lock.take(WRITER)
    os.close(os.open(lock.uri, os.O_RDONLY))
    assert locker().take(READER) != ()


def test_a_strange_write_lock_is_busy_and_leaves_nothing(locker: Locker) -> None:
    stranger, lock = locker(os.O_RDWR), locker()
    flock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 201, 1, 0)
    fcntl.fcntl(stranger.fd, fcntl.F_OFD_SETLK, flock)
    with pytest.raises(ServiceError) as caught:
        lock.take(READER)
    assert caught.value.kind is Kind.TARGET_BUSY
    assert bytes_of(lock) == set()


def test_old_bytes_of_other_programs_are_ignored(locker: Locker) -> None:
    stranger = locker()
    for byte in (0, 1, 104, 204):
        flock = struct.pack("hhqqi4x", fcntl.F_RDLCK, os.SEEK_SET, byte, 1, 0)
        fcntl.fcntl(stranger.fd, fcntl.F_OFD_SETLK, flock)
    assert locker().take(WRITER) == ()
