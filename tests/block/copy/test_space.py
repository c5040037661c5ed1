"""Host space comes side by side, in steps, and no more than is needed."""

import pytest

from longshored.block.copy.space import STEP, Space
from longshored.errors import Kind, ServiceError

CLUSTER = 65536


class Disk:
    """A file that grows by what is reserved, up to its limit."""

    def __init__(self, limit: int = 1 << 60) -> None:
        self.end = 0
        self.limit = limit
        self.asked: list[int] = []
        self.gap: range | None = None  # free space inside the file

    def reserve(self, length: int, least: int) -> range:
        self.asked.append(length)
        if self.gap is not None and len(self.gap) >= least:
            gap, self.gap = self.gap[:length], None
            return gap
        if self.end + length > self.limit:
            raise ServiceError(Kind.NO_SPACE, "Full")
        offset, self.end = self.end, self.end + length
        return range(offset, self.end)


def test_pieces_lie_side_by_side_in_one_step() -> None:
    disk = Disk()
    space = Space(disk.reserve, CLUSTER)
    space.expect(1 << 40)
    assert [space.take(CLUSTER), space.take(2 * CLUSTER)] == [0, CLUSTER]
    assert disk.asked == [STEP]


def test_no_more_is_reserved_than_is_expected() -> None:
    disk = Disk()
    space = Space(disk.reserve, CLUSTER)
    space.expect(3 * CLUSTER - 1)
    space.take(CLUSTER)
    assert disk.asked == [3 * CLUSTER]


def test_a_piece_is_rounded_up_to_clusters() -> None:
    space = Space(Disk().reserve, CLUSTER)
    space.expect(1 << 40)
    space.take(1)
    assert space.take(1) == CLUSTER


def test_the_rest_of_a_step_is_used_when_the_next_follows_it() -> None:
    disk = Disk()
    space = Space(disk.reserve, CLUSTER)
    space.expect(1 << 40)
    space.take(STEP - CLUSTER)
    assert space.take(2 * CLUSTER) == STEP - CLUSTER


def test_a_gap_between_steps_is_not_used() -> None:
    disk = Disk()
    space = Space(disk.reserve, CLUSTER)
    space.expect(1 << 40)
    space.take(STEP - CLUSTER)
    disk.end += CLUSTER  # somebody else's metadata
    assert space.take(2 * CLUSTER) == STEP + CLUSTER


def test_less_than_was_asked_for_is_used_before_more_is() -> None:
    disk = Disk()
    disk.gap, disk.end = range(32 * CLUSTER), 40 * CLUSTER
    space = Space(disk.reserve, CLUSTER)
    space.expect(1 << 40)
    assert [space.take(16 * CLUSTER) for _ in range(3)] == [
        0,
        16 * CLUSTER,
        40 * CLUSTER,
    ]


def test_a_gap_that_is_too_short_is_left_alone() -> None:
    disk = Disk()
    disk.gap, disk.end = range(8 * CLUSTER), 40 * CLUSTER
    space = Space(disk.reserve, CLUSTER)
    space.expect(1 << 40)
    assert space.take(CLUSTER) == 40 * CLUSTER


def test_a_disk_that_is_nearly_full_is_used_to_its_end() -> None:
    space = Space(Disk(limit=2 * CLUSTER).reserve, CLUSTER)
    space.expect(1 << 40)
    assert [space.take(CLUSTER), space.take(CLUSTER)] == [0, CLUSTER]


def test_a_full_disk_is_an_error() -> None:
    space = Space(Disk(limit=0).reserve, CLUSTER)
    space.expect(CLUSTER)
    with pytest.raises(ServiceError) as caught:
        space.take(CLUSTER)
    assert caught.value.kind is Kind.NO_SPACE


def test_what_is_put_back_is_cut_again() -> None:
    disk = Disk()
    space = Space(disk.reserve, CLUSTER)
    space.expect(3 * CLUSTER)
    space.put_back(space.take(2 * CLUSTER - 1), 2 * CLUSTER - 1)
    assert [space.take(CLUSTER), space.take(2 * CLUSTER)] == [0, CLUSTER]
    assert disk.asked == [3 * CLUSTER]


def test_what_is_put_back_from_between_is_a_hole() -> None:
    space = Space(Disk().reserve, CLUSTER)
    space.expect(1 << 40)
    first = space.take(CLUSTER)
    space.take(CLUSTER)
    space.put_back(first, CLUSTER)
    assert space.take(CLUSTER) == 2 * CLUSTER
