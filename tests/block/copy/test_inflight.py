"""No more than so much is on its way, and the oldest is waited for first."""

import errno
import os

import pytest

from longshored.block.copy.inflight import InFlight

Range = tuple[int, int]


class Disk:
    """Notes what was waited for, and answers with an error if it has one."""

    def __init__(self, number: int = 0) -> None:
        self.waited: list[Range] = []
        self._number = number

    def write_back(self, offset: int, length: int) -> None:
        self.waited.append((offset, length))
        if self._number:
            raise OSError(self._number, os.strerror(self._number))


def test_nobody_waits_while_little_is_in_flight() -> None:
    disk = Disk()
    in_flight = InFlight(disk.write_back, most=30)
    for offset in (0, 10, 20):
        in_flight.add(offset, 10)
    assert disk.waited == []


def test_the_oldest_is_waited_for() -> None:
    disk = Disk()
    in_flight = InFlight(disk.write_back, most=30)
    for offset in (50, 10, 90, 70, 20):
        in_flight.add(offset, 10)
    assert disk.waited == [(50, 10), (10, 10)]


def test_a_large_write_waits_for_many_small_ones() -> None:
    disk = Disk()
    in_flight = InFlight(disk.write_back, most=30)
    for offset in (0, 1, 2):
        in_flight.add(offset, 1)
    in_flight.add(100, 29)
    assert disk.waited == [(0, 1), (1, 1)]


def test_what_is_larger_than_what_may_be_in_flight_waits_for_itself() -> None:
    disk = Disk()
    InFlight(disk.write_back, most=30).add(0, 31)
    assert disk.waited == [(0, 31)]


def test_a_failed_disk_is_left_to_the_flush() -> None:
    disk = Disk(errno.EIO)
    InFlight(disk.write_back, most=0).add(0, 1)
    assert disk.waited == [(0, 1)]


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM, errno.EINVAL])
def test_where_nobody_can_wait_the_writer_is_told(number: int) -> None:
    with pytest.raises(OSError, match=os.strerror(number)):
        InFlight(Disk(number).write_back, most=0).add(0, 1)
