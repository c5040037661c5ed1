"""What is shared and what is copied, and what a refusal changes."""

import errno
import os
from contextlib import nullcontext
from pathlib import Path

import pytest

from longshored.block.copy import reflinks
from longshored.block.copy.engine import Engine
from longshored.block.copy.feed import BatchLimits, Feed
from longshored.block.copy.plan import Copy
from longshored.block.copy.reflinks import Reflinks
from longshored.block.copy.sink import Sink, Way
from longshored.block.copy.source import Source
from longshored.block.copy.space import Space
from longshored.block.copy.worker import Batch, Route
from longshored.block.node import pread
from longshored.units import KiB
from tests.support.counts import Counts
from tests.support.nodes import raw_file
from tests.support.pictures import BLOCK, content

PICTURE = "ABCD"


class Disk:
    """A file system that shares by copying, and refuses when it is told to."""

    def __init__(self) -> None:
        self.refusals: list[int] = []
        self.calls = 0

    def reflink(
        self, source: int, start: int, length: int, target: int, offset: int
    ) -> None:
        self.calls += 1
        if self.refusals:
            raise OSError(self.refusals.pop(0), "Refused")
        os.pwrite(target, os.pread(source, length, start), offset)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    made = Disk()
    monkeypatch.setattr(reflinks, "reflink", made.reflink)
    monkeypatch.setattr(reflinks, "offers_reflink", lambda *_: True)
    return made


class Rig:
    """A source of four blocks, and a target that grows block by block."""

    def __init__(self, directory: Path, requests: list[Copy]) -> None:
        self.source = raw_file(directory / "source")
        self.source.pwrite(0, content(PICTURE))
        self.target = raw_file(directory / "target")
        self.counts = Counts(largest=BLOCK)
        self.end = 0
        self.reflinks = Reflinks([self.target, self.source], self.target)
        self._engine = Engine(
            Route(
                source=Source([self.target, self.source], self.source),
                space=Space(self._reserve, BLOCK),
                sink=Sink(self.target, [Way.CACHED], nullcontext()),
                pace=self.counts,
                tally=self.counts,
                now=lambda: 0.0,
                reflinks=self.reflinks,
            ),
            BLOCK,
            1,
        )
        self._feed = Feed(requests, BLOCK, lambda: 0.0)

    def run(self) -> Batch:
        self._feed.open(BatchLimits())
        return self._engine.run(self._feed)

    def placed(self) -> bytes:
        """What lies where the workers say it does, in the order of the guest."""
        return b"".join(
            pread(self.target, one.host_offset, one.length)
            for one in self.run().placed
            if one.host_offset is not None
        )

    def _reserve(self, length: int, _: int) -> range:
        offset, self.end = self.end, self.end + length
        self.target.truncate(self.end)
        return range(offset, self.end)


WHOLE = [Copy(0, 4 * BLOCK, 1, 0)]


def test_nothing_is_read_or_written_for_what_is_shared(
    tmp_path: Path, disk: Disk
) -> None:
    rig = Rig(tmp_path, WHOLE)
    assert rig.placed() == content(PICTURE)
    assert (rig.counts.read, rig.counts.written) == (0, 0)
    assert rig.counts.reflinked == 4 * BLOCK


def test_what_is_shared_passes_the_gate_as_a_copy_does(
    tmp_path: Path, disk: Disk
) -> None:
    rig = Rig(tmp_path, WHOLE)
    rig.counts.passes = 1
    assert len(rig.run().placed) == 1
    rig.counts.passes = 9
    assert len(rig.run().placed) == 3


def test_copies_beside_each_other_in_the_guest_alone_are_shared_each(
    tmp_path: Path, disk: Disk
) -> None:
    rig = Rig(tmp_path, [Copy(0, BLOCK, 1, BLOCK), Copy(BLOCK, BLOCK, 1, 0)])
    rig.counts.largest = 2 * BLOCK
    whole = content(PICTURE)
    assert rig.placed() == whole[BLOCK : 2 * BLOCK] + whole[:BLOCK]
    assert disk.calls == 2


def test_after_a_refusal_nobody_asks_again(tmp_path: Path, disk: Disk) -> None:
    disk.refusals = [errno.EINVAL]
    rig = Rig(tmp_path, WHOLE)
    assert rig.placed() == content(PICTURE)
    assert disk.calls == 1
    assert (rig.counts.written, rig.counts.reflinked) == (4 * BLOCK, 0)


def test_a_refusal_costs_no_space(tmp_path: Path, disk: Disk) -> None:
    disk.refusals = [errno.EINVAL]
    rig = Rig(tmp_path, WHOLE)
    rig.run()
    assert rig.end == 4 * BLOCK


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EINTR])
def test_what_may_pass_is_asked_for_again(
    tmp_path: Path, disk: Disk, error: int
) -> None:
    disk.refusals = [error]
    rig = Rig(tmp_path, WHOLE)
    assert rig.placed() == content(PICTURE)
    assert (rig.counts.written, rig.counts.reflinked) == (BLOCK, 3 * BLOCK)


@pytest.mark.parametrize(
    "copy",
    [
        Copy(0, BLOCK, 1, None),
        Copy(0, BLOCK, 1, 2 * KiB),
        Copy(0, BLOCK - 512, 1, 0),
        Copy(0, BLOCK, 1, 4 * BLOCK - 4 * KiB),
    ],
    ids=["through the chain", "unaligned offset", "unaligned length", "past the end"],
)
def test_what_is_no_whole_block_of_a_file_is_not_tried(
    tmp_path: Path, disk: Disk, copy: Copy
) -> None:
    assert not Rig(tmp_path, WHOLE).reflinks.covers([copy])


def test_a_link_on_another_file_system_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reflinks, "offers_reflink", lambda *_: False)
    rig = Rig(tmp_path, WHOLE)
    assert rig.placed() == content(PICTURE)
    assert rig.counts.written == 4 * BLOCK
