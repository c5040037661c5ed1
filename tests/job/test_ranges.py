"""The union of ranges, against a set of bytes."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from longshored.job.ranges import RangeSet

ranges = st.lists(st.tuples(st.integers(0, 60), st.integers(-2, 20)), max_size=30)


def numbers(added: list[tuple[int, int]]) -> set[int]:
    return {byte for start, length in added for byte in range(start, start + length)}


@given(ranges)
def test_the_union_holds_exactly_the_bytes_added(added: list[tuple[int, int]]) -> None:
    union = RangeSet(added)
    assert {byte for byte in range(100) if byte in union} == numbers(added)
    assert union.total == len(numbers(added))


@given(ranges, st.tuples(st.integers(0, 60), st.integers(0, 20)))
def test_adding_tells_how_many_bytes_are_new(
    added: list[tuple[int, int]], one: tuple[int, int]
) -> None:
    assert RangeSet(added).add(*one) == len(numbers([one]) - numbers(added))


@given(ranges)
def test_ranges_come_sorted_and_do_not_touch(added: list[tuple[int, int]]) -> None:
    found = list(RangeSet(added))
    assert len(found) == len(RangeSet(added))
    for (start, length), (following, _) in pairwise(found):
        assert start + length < following


def test_the_same_range_twice_counts_once() -> None:
    union = RangeSet([(0, 10)])
    assert union.add(0, 10) == 0
    assert union.total == 10
