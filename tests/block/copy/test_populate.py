"""Batches from copying to publishing: what a full disk may not make us forget."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from longshored.block.copy.feed import BatchLimits
from longshored.block.copy.populate import Overlay, Population, Published
from longshored.block.copy.worker import Side
from longshored.block.qcow2.bulk import NoRoom, Placement
from longshored.errors import Kind, ServiceError
from tests.block.copy.test_engine import Rig
from tests.support.counts import Counts
from tests.support.pictures import BLOCK


class FullDisk:
    """Has room for so many blocks of data, and none for tables, until `free`."""

    def __init__(self, blocks: int) -> None:
        self._room = blocks * BLOCK
        self._end = BLOCK
        self._is_full = True
        self.published: list[Placement] = []

    def free(self) -> None:
        self._is_full = False

    def reserve(self, length: int, least: int) -> range:
        if self._is_full and length > self._room:
            raise full()
        self._room -= length
        offset, self._end = self._end, self._end + length
        return range(offset, self._end)

    def publish(self, placements: Sequence[Placement]) -> None:
        if self._is_full:
            raise full()
        self.published.extend(placements)


def full() -> ServiceError:
    return NoRoom(ServiceError(Kind.NO_SPACE, "Full"))


class FullLater(FullDisk):
    """Is full when half of it is written."""

    def publish(self, placements: Sequence[Placement]) -> None:
        raise ServiceError(Kind.NO_SPACE, "Full")


def population(directory: Path, disk: FullDisk) -> Population:
    """Of four blocks, each a request of its own."""
    counts = Counts(largest=BLOCK)
    rig = Rig(directory, "ABCD", counts=counts, reserve=disk.reserve)
    overlay = Overlay(disk, rig.target.flush, marks_zeros=True)
    return Population(
        rig.feed, rig.engine, overlay, lambda _: None, lambda _: None, lambda: 0.0
    )


def emptied(populating: Population) -> list[Published]:
    steps = []
    while not populating.is_done:
        steps.append(populating.step(BatchLimits()))
    return steps


def test_a_disk_full_for_tables_is_a_failure_of_the_target(tmp_path: Path) -> None:
    step = population(tmp_path, FullDisk(4)).step(BatchLimits())
    assert step.failure is not None
    assert step.failure.side is Side.TARGET
    assert (step.copied, step.failure.copies) == (0, ())


def test_a_disk_that_is_full_amid_the_publishing_ends_the_work(tmp_path: Path) -> None:
    with pytest.raises(ServiceError) as caught:
        population(tmp_path, FullLater(4)).step(BatchLimits())
    assert caught.value.kind is Kind.NO_SPACE


def test_what_was_copied_is_published_once_there_is_space(tmp_path: Path) -> None:
    disk = FullDisk(4)
    populating = population(tmp_path, disk)
    populating.step(BatchLimits())
    disk.free()
    assert sum(step.copied for step in emptied(populating)) == 4 * BLOCK


def test_copies_that_failed_beside_the_publishing_are_not_forgotten(
    tmp_path: Path,
) -> None:
    disk = FullDisk(2)
    populating = population(tmp_path, disk)
    populating.step(BatchLimits())
    disk.free()
    assert sum(step.copied for step in emptied(populating)) == 4 * BLOCK
    assert sum(part.length for part in disk.published) == 4 * BLOCK
