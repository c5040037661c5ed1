"""Workers side by side: what they place, count and leave after a failure."""

import errno
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest

from longshored.block.copy.engine import Engine
from longshored.block.copy.feed import BatchLimits, Feed
from longshored.block.copy.plan import Copy
from longshored.block.copy.sink import Sink, Way
from longshored.block.copy.source import Source
from longshored.block.copy.space import Space
from longshored.block.copy.worker import Batch, Route, Side
from longshored.block.filters.fault import Fault, Operation, Rule
from longshored.block.memory import MemoryNode
from longshored.block.node import BlockNode, pread
from longshored.block.raw import RawNode
from longshored.errors import Kind, ServiceError
from longshored.units import KiB
from tests.support.counts import Counts
from tests.support.nodes import raw_file
from tests.support.pictures import BLOCK, content, draw


class Rig:
    """A drawn source, a file to copy into, and one feed of all of it."""

    def __init__(
        self,
        directory: Path,
        picture: str,
        *,
        rules: Sequence[Rule] = (),
        workers: int = 1,
        keeps_zeros: bool = False,
        reserve: Callable[[int, int], range] | None = None,
        counts: Counts | None = None,
    ) -> None:
        source = MemoryNode(len(picture) * BLOCK)
        draw(source, picture)
        below: BlockNode = Fault(source, rules)
        self.target: RawNode = raw_file(directory / "target")
        self.counts = counts or Counts()
        self._end = BLOCK
        route = Route(
            source=Source([below, below], below),
            space=Space(reserve or self._reserve, BLOCK),
            sink=Sink(self.target, [Way.CACHED], nullcontext()),
            pace=self.counts,
            tally=self.counts,
            now=lambda: 0.0,
            keeps_zeros=keeps_zeros,
        )
        self.engine = Engine(route, BLOCK, workers)
        requests = [Copy(0, len(picture) * BLOCK, 1, 0)]
        self.feed = Feed(requests, BLOCK, lambda: 0.0)

    def run(self) -> Batch:
        self.feed.open(BatchLimits())
        return self.engine.run(self.feed)

    def read_placed(self, batch: Batch, size: int) -> bytes:
        """The guest bytes, put together from where they were placed."""
        guest = bytearray(size)
        for one in batch.placed:
            if one.host_offset is not None:
                data = pread(self.target, one.host_offset, one.length)
                guest[one.start : one.start + one.length] = data
        return bytes(guest)

    def _reserve(self, length: int, _: int) -> range:
        offset, self._end = self._end, self._end + length
        self.target.truncate(self._end)
        return range(offset, self._end)


@pytest.mark.parametrize("workers", [1, 4])
def test_all_bytes_are_placed(tmp_path: Path, workers: int) -> None:
    picture = "AB0C--DEFGH" * 5
    rig = Rig(tmp_path, picture, workers=workers)
    assert rig.read_placed(rig.run(), len(picture) * BLOCK) == content(picture)


def test_zeros_are_placed_nowhere(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "A0-B")
    batch = rig.run()
    assert [(p.start // BLOCK, p.host_offset is None) for p in batch.placed] == [
        (0, False),
        (1, True),
        (3, False),
    ]


def test_data_between_zeros_lies_side_by_side(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "A0-B")
    hosts = [one.host_offset for one in rig.run().placed if one.host_offset]
    assert hosts == [BLOCK, 2 * BLOCK]


def test_zeros_are_bytes_where_nothing_else_can_say_them(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "A0", keeps_zeros=True)
    assert [one.host_offset for one in rig.run().placed] == [BLOCK]


def test_counters_tell_reading_from_writing(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "A0B")
    rig.run()
    counts = rig.counts
    assert (counts.read, counts.written, counts.zeroed) == (
        3 * BLOCK,
        2 * BLOCK,
        BLOCK,
    )


def test_a_refused_request_gives_its_share_back(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "ABCD", counts=Counts(passes=0))
    assert rig.run().placed == ()
    rig.counts.passes = 9
    assert rig.read_placed(rig.run(), 4 * BLOCK) == content("ABCD")


def test_a_cluster_in_pieces_is_finished_after_a_pause(tmp_path: Path) -> None:
    rig = Rig(tmp_path, "-A", counts=Counts(passes=20, largest=4 * KiB))
    first = rig.run()
    rig.counts.passes = 1 << 30
    second = rig.run()
    both = Batch(first.placed + second.placed, None)
    assert rig.read_placed(both, 2 * BLOCK) == content("-A")


def test_zeros_at_the_start_of_a_cluster_in_pieces_are_written_with_it(
    tmp_path: Path,
) -> None:
    rig = Rig(tmp_path, "--", counts=Counts(largest=4 * KiB))
    source = MemoryNode(BLOCK)
    source.pwrite(BLOCK - 3, b"end")
    rig.engine = Engine(
        Route(
            source=Source([source, source], source),
            space=Space(rig._reserve, BLOCK),
            sink=Sink(rig.target, [Way.CACHED], nullcontext()),
            pace=rig.counts,
            tally=rig.counts,
            now=lambda: 0.0,
        ),
        BLOCK,
        1,
    )
    rig.feed = Feed([Copy(0, BLOCK, 1, 0)], BLOCK, lambda: 0.0)
    rig.target.pwrite(0, b"\xff" * 3 * BLOCK)
    assert rig.read_placed(rig.run(), BLOCK) == bytes(BLOCK - 3) + b"end"


def test_a_read_error_is_narrowed_to_its_cluster(tmp_path: Path) -> None:
    bad = Rule(
        Operation.READ, times=99, errno=errno.EIO, start=2 * BLOCK, end=2 * BLOCK + 1
    )
    rig = Rig(tmp_path, "ABCD", rules=[bad])
    failure = rig.run().failure
    assert failure is not None
    assert failure.side is Side.SOURCE
    assert failure.copies == (Copy(2 * BLOCK, BLOCK, 1, 2 * BLOCK),)


def test_everything_but_the_bad_cluster_can_be_copied(tmp_path: Path) -> None:
    bad = Rule(Operation.READ, times=99, errno=errno.EIO, start=BLOCK, end=BLOCK + 1)
    rig = Rig(tmp_path, "ABCD", rules=[bad])
    first, second = rig.run(), rig.run()
    assert second.failure is None
    both = Batch(first.placed + second.placed, None)
    assert rig.read_placed(both, 4 * BLOCK) == content("A-CD")
    assert rig.feed.is_done


def test_a_failed_cluster_given_back_is_tried_again(tmp_path: Path) -> None:
    bad = Rule(Operation.READ, times=2, errno=errno.EIO)
    rig = Rig(tmp_path, "AB", rules=[bad])
    first = rig.run()
    assert first.failure is not None
    rig.feed.give_back(first.failure.copies)
    assert rig.read_placed(rig.run(), 2 * BLOCK) == content("AB")


def test_a_full_disk_is_a_failure_of_the_target(tmp_path: Path) -> None:
    def full(length: int, least: int) -> range:
        raise ServiceError(Kind.NO_SPACE, "Full")

    failure = Rig(tmp_path, "AB", reserve=full).run().failure
    assert failure is not None
    assert (failure.side, failure.error.kind) == (Side.TARGET, Kind.NO_SPACE)
    assert failure.copies == (Copy(0, 2 * BLOCK, 1, 0),)


def test_a_bug_in_a_worker_comes_out_of_run(tmp_path: Path) -> None:
    def broken(length: int, least: int) -> range:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Rig(tmp_path, "AB", reserve=broken, workers=3).run()


def test_of_many_failures_the_first_wins_and_the_rest_is_kept(tmp_path: Path) -> None:
    bad = Rule(Operation.READ, times=999, errno=errno.EIO)
    picture = "A" * 32
    rig = Rig(tmp_path, picture, rules=[bad], workers=4)
    lost = 0
    while not rig.feed.is_done:
        failure = rig.run().failure
        assert failure is not None
        lost += sum(copy.length for copy in failure.copies)
    assert lost == len(picture) * BLOCK
