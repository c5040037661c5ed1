"""Bytes arrive whatever way they are written, and a way not offered is left."""

import mmap
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pytest

from longshored.block.copy.inflight import MOST
from longshored.block.copy.sink import Sink, Way
from longshored.block.node import Mode
from longshored.errors import Kind, ServiceError
from longshored.units import KiB
from tests.support.nodes import raw_file

PAGE = 4 * KiB


@pytest.fixture
def pages() -> Iterator[memoryview]:
    """Eight pages of memory that begin at a page."""
    with mmap.mmap(-1, 8 * PAGE) as buffer:
        for index in range(8):
            buffer[index * PAGE : (index + 1) * PAGE] = bytes([index + 1]) * PAGE
        with memoryview(buffer) as view:
            yield view


@pytest.mark.parametrize("way", Way)
def test_parts_are_written_one_behind_the_other(
    tmp_path: Path, pages: memoryview, way: Way
) -> None:
    raw = raw_file(tmp_path / "file")
    sink = Sink(raw, [way, Way.CACHED], nullcontext())
    sink.open()
    with pages[:PAGE] as first, pages[5 * PAGE : 7 * PAGE] as second:
        sink.write(2 * PAGE, [first, second])
    sink.close()
    raw.flush()
    wanted = bytes([1]) * PAGE + bytes([6]) * PAGE + bytes([7]) * PAGE
    assert (tmp_path / "file").read_bytes()[2 * PAGE :] == wanted
    raw.close()


@pytest.mark.parametrize("way", Way)
def test_a_turn_is_taken_by_who_fills_the_cache(
    tmp_path: Path, pages: memoryview, way: Way
) -> None:
    taken = []

    class Turn(AbstractContextManager[None]):
        def __enter__(self) -> None:
            taken.append(way)

        def __exit__(self, *_: object) -> None:
            pass

    raw = raw_file(tmp_path / "file")
    sink = Sink(raw, [way], Turn())
    sink.open()
    sink.write(0, [pages])
    # What the file system does not offer is given up for the page cache.
    direct = raw.open_direct()
    if direct is not None:
        os.close(direct)
    fills = way is not Way.DIRECT or sink.ways == () or direct is None
    assert bool(taken) is fills
    sink.close()
    raw.close()


def test_what_is_not_aligned_is_not_written_directly(
    tmp_path: Path, pages: memoryview
) -> None:
    raw = raw_file(tmp_path / "file")
    sink = Sink(raw, [Way.DIRECT], nullcontext())
    sink.open()
    with pages[:100] as part:
        sink.write(7, [part])
    assert (tmp_path / "file").read_bytes() == bytes(7) + bytes([1]) * 100
    assert sink.ways == (Way.DIRECT,)
    sink.close()
    raw.close()


def test_more_parts_than_one_call_takes_are_all_written(
    tmp_path: Path, pages: memoryview
) -> None:
    raw = raw_file(tmp_path / "file")
    sink = Sink(raw, [Way.CACHED], nullcontext())
    with pages[:3] as part:
        sink.write(0, [part] * 2500)
    assert (tmp_path / "file").read_bytes() == bytes([1]) * 7500
    raw.close()


def test_more_than_may_be_in_flight_is_written_and_dropped(
    tmp_path: Path, pages: memoryview
) -> None:
    raw = raw_file(tmp_path / "file")
    sink = Sink(raw, [Way.DROP, Way.CACHED], nullcontext())
    sink.open()
    many = MOST // len(pages) + 2
    for index in range(many):
        sink.write(index * len(pages), [pages])
    sink.close()
    assert (tmp_path / "file").read_bytes() == bytes(pages) * many
    raw.close()


def test_a_failed_write_names_operation_and_offset(
    tmp_path: Path, pages: memoryview
) -> None:
    raw_file(tmp_path / "file").close()
    raw = raw_file(tmp_path / "file", Mode.READ)
    sink = Sink(raw, [Way.CACHED], nullcontext())
    with pages[:PAGE] as part, pytest.raises(ServiceError) as caught:
        sink.write(PAGE, [part])
    assert caught.value.kind is Kind.IO_ERROR
    assert (caught.value.facts["operation"], caught.value.facts["offset"]) == (
        "write",
        PAGE,
    )
    raw.close()
