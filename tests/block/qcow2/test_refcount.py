"""Counters of every width: codec, runs, growth of blocks and table."""

from array import array
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshored.block.qcow2.allocate import Allocator, Occupied
from longshored.block.qcow2.check import check
from longshored.block.qcow2.create import CreateOptions
from longshored.block.qcow2.headerfile import read_header
from longshored.block.qcow2.refcount import (
    Refcounts,
    decode,
    encode,
    largest,
    open_refcounts,
)
from longshored.errors import Kind, ServiceError
from longshored.units import MiB
from tests.support.overlays import new_image, open_recorded
from tests.support.recorder import RecordedFile

ORDERS = range(7)
EVERY_WIDTH = pytest.mark.parametrize("order", ORDERS)


CLUSTER = 512


def image(order: int, cluster_size: int = 512) -> RecordedFile:
    return new_image(
        CreateOptions(size=1 * MiB, cluster_size=cluster_size, refcount_bits=1 << order)
    )


def opened(host: RecordedFile) -> Refcounts:
    return open_refcounts(host, read_header(host))


def allocator(host: RecordedFile, refcounts: Refcounts) -> Allocator:
    return Allocator(host, refcounts, Occupied([range(1)]))


def written(refcounts: Refcounts) -> None:
    refcounts.write_blocks()
    refcounts.write_table()


@EVERY_WIDTH
@given(data=st.data())
def test_a_block_decodes_to_what_was_encoded(order: int, data: st.DataObject) -> None:
    value = st.integers(0, largest(order))
    values = data.draw(st.lists(value, min_size=8, max_size=64))
    counts = array("BBBBHIQ"[order], values[: len(values) // 8 * 8])
    assert decode(encode(counts, order), order) == counts


def test_the_lowest_bits_of_a_byte_come_first() -> None:
    assert decode(b"\x1e", 2).tolist() == [0xE, 0x1]
    assert decode(b"\x1b", 1).tolist() == [3, 2, 1, 0]
    assert decode(b"\x05", 0).tolist() == [1, 0, 1, 0, 0, 0, 0, 0]


def test_wide_counters_are_big_endian() -> None:
    assert decode(b"\x01\x02", 4).tolist() == [0x0102]
    assert encode(array("Q", [1]), 6) == b"\0\0\0\0\0\0\0\1"


@EVERY_WIDTH
def test_what_is_taken_is_in_the_file_after_writing(order: int) -> None:
    host = image(order)
    refcounts = opened(host)
    first = refcounts.end_of_use()
    refcounts.take(first, 3)
    assert opened(host).count(first) == 0
    written(refcounts)
    again = opened(host)
    assert [again.count(first + n) for n in range(4)] == [1, 1, 1, 0]
    assert again.end_of_use() == first + 3


@EVERY_WIDTH
def test_a_change_leaves_its_neighbours_as_they_are(order: int) -> None:
    host = image(order, cluster_size=4096)
    refcounts = opened(host)
    before = refcounts.block_counts(0).tolist()
    refcounts.take(40, 1)
    written(refcounts)
    after = opened(host).block_counts(0).tolist()
    assert after[40] == 1
    after[40] = 0
    assert after == before


@pytest.mark.parametrize("order", [1, 4, 6])
def test_dropping_takes_one_reference(order: int) -> None:
    host = image(order)
    refcounts = opened(host)
    refcounts.set(30, 2)
    refcounts.drop(30, 1)
    assert refcounts.count(30) == 1


def test_a_used_cluster_is_not_taken() -> None:
    refcounts = opened(image(4))
    with pytest.raises(ServiceError) as caught:
        refcounts.take(0, 1)
    assert caught.value.kind is Kind.IMAGE_INVALID


def test_a_free_cluster_is_not_dropped() -> None:
    refcounts = opened(image(4))
    for cluster in (200, 1 << 30):
        with pytest.raises(ServiceError) as caught:
            refcounts.drop(cluster, 1)
        assert caught.value.kind is Kind.IMAGE_INVALID


@EVERY_WIDTH
def test_free_runs_are_the_gaps_between_used_clusters(order: int) -> None:
    random = Random(order)
    host = image(order)
    refcounts = opened(host)
    end = 60
    used = set(range(refcounts.end_of_use())) | set(random.sample(range(20, end), 12))
    for cluster in used:
        if not refcounts.count(cluster):
            refcounts.take(cluster, 1)
    runs = list(refcounts.free_runs(0, end))
    free = [first + n for first, count in runs for n in range(count)]
    assert free == [cluster for cluster in range(end) if cluster not in used]
    assert all(first + count not in free for first, count in runs)


@pytest.mark.parametrize("order", [0, 4, 6])
def test_blocks_and_table_grow_with_the_image(order: int) -> None:
    host = image(order)
    refcounts = opened(host)
    allocate = allocator(host, refcounts)
    per_block = refcounts.per_block
    clusters = min(per_block * refcounts.capacity * 2, 40_000)
    first = allocate.append(clusters)
    allocate.settle()
    written(refcounts)
    again = open_refcounts(host, read_header(host))
    assert again.count(first) == again.count(first + clusters - 1) == 1
    report = check(host)
    # The clusters have no pointer yet: that, and nothing else, is wrong.
    assert (report.corruptions, report.leaks >= clusters) == (0, True)


def test_a_table_that_grew_is_found_again_with_its_old_place_free() -> None:
    host = image(6)
    refcounts = opened(host)
    old = refcounts.table_offset
    allocate = allocator(host, refcounts)
    allocate.append(refcounts.per_block * refcounts.capacity)
    written(refcounts)
    assert refcounts.count(old // 512) == 1, "freed only when the header has moved"
    allocate.settle()
    written(refcounts)
    header = read_header(host)
    assert header.refcount_table_offset == refcounts.table_offset != old
    assert open_refcounts(host, header).count(old // 512) == 0


def test_what_has_moved_away_is_occupied_no_more() -> None:
    occupied = Occupied([range(1, 9), range(2, 4), range(12, 14)])
    occupied.forget(range(3, 13))
    assert [n for n in range(16) if occupied.meets(n, 1)] == [1, 2, 13]


def test_the_old_place_of_a_table_that_grew_is_written_to_again() -> None:
    options = CreateOptions(size=4 * MiB, cluster_size=CLUSTER, refcount_bits=64)
    host = new_image(options)
    old = read_header(host).refcount_table_offset
    node = open_recorded(host)
    node.pwrite(0, b"a" * 2 * MiB)
    node.flush()
    assert read_header(host).refcount_table_offset != old
    node.pwrite(2 * MiB, b"b" * CLUSTER)
    node.close()
    assert host.content[old : old + CLUSTER] == b"b" * CLUSTER
    assert not read_header(host).corrupt
    assert check(host).clean, check(host).messages


def test_freed_clusters_are_handed_out_again_only_when_settled() -> None:
    host = image(4)
    refcounts = opened(host)
    allocate = allocator(host, refcounts)
    first = allocate.append(4)
    allocate.free(first + 1, 2)
    assert allocate.take(2) == first + 4
    allocate.settle()
    assert allocate.take(2) == first + 1


def test_reserved_space_is_given_to_nobody_else() -> None:
    host = image(4)
    refcounts = opened(host)
    allocate = allocator(host, refcounts)
    reserved = allocate.reserve(8, 8)
    assert allocate.take(1) == reserved.stop
    assert refcounts.count(reserved.start) == 0


def test_free_clusters_are_reserved_before_the_file_grows() -> None:
    host = image(4)
    refcounts = opened(host)
    allocate = allocator(host, refcounts)
    first = allocate.append(8)
    allocate.free(first + 1, 1)
    allocate.free(first + 3, 4)
    allocate.settle()
    # The first run is too short, of the second no more is taken than is asked for.
    assert allocate.reserve(3, 2) == range(first + 3, first + 6)
    assert allocate.reserve(9, 2) == range(first + 8, first + 17)
    assert allocate.take(2) == first + 17


def test_free_space_goes_on_over_the_border_of_a_block_of_counters() -> None:
    host = image(6)
    refcounts = opened(host)
    allocate = allocator(host, refcounts)
    border = 2 * refcounts.per_block
    allocate.append(border + 8 - refcounts.end_of_use())
    allocate.free(border - 3, 8)
    allocate.settle()
    assert allocate.reserve(6, 6) == range(border - 3, border + 3)
    assert allocate.reserve(2, 2) == range(border + 3, border + 5)


def test_what_was_reserved_in_vain_is_reserved_again() -> None:
    host = image(4)
    refcounts = opened(host)
    allocate = allocator(host, refcounts)
    run = allocate.reserve(8, 8)
    allocate.claim(run.start, 2)
    allocate.append(1)  # a table behind it
    allocate.unreserve()
    assert allocate.reserve(100, 1) == run[2:]


def test_what_was_reserved_in_vain_goes_back_to_the_disk() -> None:
    host = image(4)
    refcounts = opened(host)
    allocate = allocator(host, refcounts)
    run = allocate.reserve(8, 8)
    host.pwrite(run.start * CLUSTER, b"x" * 8 * CLUSTER)
    allocate.claim(run.start, 2)
    allocate.append(1)
    allocate.unreserve()
    begin, end = run.start * CLUSTER, run.stop * CLUSTER
    assert host.content[begin:end] == b"x" * 2 * CLUSTER + bytes(6 * CLUSTER)


def test_metadata_is_not_handed_out_whatever_its_count_says() -> None:
    host = image(4)
    refcounts = opened(host)
    end = refcounts.end_of_use()
    allocate = Allocator(host, refcounts, Occupied([range(end, end + 1), range(1)]))
    with pytest.raises(ServiceError) as caught:
        allocate.append(1)
    assert caught.value.kind is Kind.IMAGE_INVALID


@pytest.mark.parametrize("offset", [511, 1 << 40])
def test_a_block_that_is_nowhere_is_refused(offset: int) -> None:
    host = image(4)
    table = read_header(host).refcount_table_offset
    host.pwrite(table, offset.to_bytes(8, "big"))
    with pytest.raises(ServiceError) as caught:
        opened(host)
    assert caught.value.kind is Kind.IMAGE_INVALID
