"""What an overlay lacks, planned from drawn chains.

A picture is one line a layer, one letter a sector of 512 bytes:
D raw data, C compressed, 0 zeros, . not in this layer. Clusters are four letters.
"""

from collections.abc import Iterator
from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longshored.block.copy.plan import Copy, Request, Shape, Totals, Zero, plan, total
from longshored.block.extent import Data, Extent

S = 512
LETTERS = {
    "D": Data.RAW,
    "C": Data.COMPRESSED,
    "0": Data.ZERO,
    ".": Data.UNALLOCATED,
}


def seen(*layers: str) -> Iterator[Extent]:
    """The extents of a chain, top first; what no layer holds is UNALLOCATED."""
    for (depth, letter), run in groupby(enumerate(zip(*layers, strict=True)), holder):
        first, *rest = [index for index, _ in run]
        data = LETTERS[letter]
        host = (100 * depth + first) * S if data is Data.RAW else None
        yield Extent(first * S, (1 + len(rest)) * S, data, host, depth)


def holder(item: tuple[int, tuple[str, ...]]) -> tuple[int, str]:
    """Which layer holds a sector, and how."""
    _, column = item
    depth = next((d for d, letter in enumerate(column) if letter != "."), 0)
    return depth, column[depth]


def shape(picture: str, *, base: bool = False, **changes: bool | int) -> Shape:
    size = len(picture) * S
    subcluster = int(changes.get("subcluster", 4)) * S
    return Shape(size, 4 * S, subcluster, base, bool(changes.get("can_zero", True)))


def asked(requests: Iterator[Request]) -> list[str]:
    """Requests in letters: kind, first sector, sectors, and where from."""
    out = []
    for request in requests:
        start, length = request.start // S, request.length / S
        match request:
            case Copy(depth=depth, host_offset=int(host)):
                out.append(f"copy {start}+{length:g} from {depth}@{host // S}")
            case Copy():
                out.append(f"chain {start}+{length:g}")
            case Zero():
                out.append(f"zero {start}+{length:g}")
    return out


def whole(*layers: str) -> list[str]:
    return asked(plan(seen(*layers), shape(layers[0])))


def to_base(*layers: str, **changes: bool | int) -> list[str]:
    return asked(plan(seen(*layers), shape(layers[0], base=True, **changes)))


def test_raw_data_below_is_copied_from_its_file() -> None:
    assert whole("....DDDD", "DDDDDDDD") == ["copy 0+4 from 1@100"]


def test_runs_that_lie_side_by_side_are_one_request() -> None:
    assert whole("............", "DDDDDDDDDDDD") == ["copy 0+12 from 1@100"]


def test_what_the_overlay_holds_is_never_asked_for() -> None:
    assert whole("DDDD0000CCCC", "DDDDDDDDDDDD") == []


def test_compressed_clusters_are_read_through_the_chain() -> None:
    assert whole("....", "CCCC") == ["chain 0+4"]


def test_zeros_below_need_nothing_when_nothing_is_left_below() -> None:
    assert whole("........", "0000....") == []


def test_zeros_above_a_base_are_marked() -> None:
    assert to_base("........", "0000....") == ["zero 0+4"]


def test_zeros_above_a_base_are_bytes_where_the_format_cannot_mark_them() -> None:
    assert to_base("........", "0000....", can_zero=False) == ["chain 0+4"]


def test_what_only_the_base_holds_stays_in_the_base() -> None:
    assert to_base("....", "....") == []


def test_a_cluster_that_is_partly_data_is_copied_whole_through_the_chain() -> None:
    assert whole("........", ".DD.DDDD") == ["chain 0+4", "copy 4+4 from 1@104"]


def test_a_cluster_of_several_depths_is_read_through_the_chain() -> None:
    assert whole("....", "DD..", "..DD") == ["chain 0+4"]


def test_a_cluster_of_zeros_and_holes_needs_nothing_without_a_base() -> None:
    assert whole("....", "00..") == []


def test_a_cluster_of_zeros_and_base_bytes_is_copied() -> None:
    assert to_base("....", "00..") == ["chain 0+4"]


def test_a_cluster_of_zeros_of_several_depths_is_one_zero() -> None:
    assert to_base("....", "00..", "..00") == ["zero 0+4"]


def test_a_tail_that_is_no_cluster_is_asked_for_as_it_is() -> None:
    assert whole("......", "DDDDDD") == ["copy 0+6 from 1@100"]


def test_a_mixed_tail_is_read_through_the_chain() -> None:
    assert whole("......", "DDDDD.") == ["copy 0+4 from 1@100", "chain 4+2"]


def test_a_cluster_held_in_part_is_filled_by_subclusters() -> None:
    requests = to_base("D...", "DDD0", subcluster=1)
    assert requests == ["copy 1+2 from 1@101", "zero 3+1"]


def test_a_cluster_not_held_at_all_is_not_cut_into_subclusters() -> None:
    assert to_base("....", "DD0C", subcluster=1) == ["chain 0+4"]


def test_extents_that_end_inside_a_cluster_are_a_bug() -> None:
    with pytest.raises(AssertionError):
        list(plan(seen("..", "DD"), Shape(4 * S, 4 * S, 4 * S, False, True)))


def test_totals_count_bytes_by_kind() -> None:
    assert total([Copy(0, 5), Zero(5, 2), Copy(7, 1)]) == Totals(copy=6, zero=2)


def test_a_split_copy_keeps_its_host_offset_in_step() -> None:
    first, rest = Copy(10, 6, 2, 100).split(4)
    assert (first, rest) == (Copy(10, 4, 2, 100), Copy(14, 2, 2, 104))


clusters_of_top = st.lists(st.sampled_from(["....", "DDDD", "0000"]), min_size=1)


@given(clusters_of_top, st.data(), st.booleans())
def test_every_byte_that_would_change_is_asked_for_once(
    top: list[str], data: st.DataObject, base: bool
) -> None:
    picture = "".join(top)
    below = data.draw(st.text("DC0.", min_size=len(picture), max_size=len(picture)))
    covered = [""] * len(picture)
    for request in plan(seen(picture, below), shape(picture, base=base)):
        assert request.start % (4 * S) == 0
        for sector in range(
            request.start // S, -(-(request.start + request.length) // S)
        ):
            assert not covered[sector], "asked for twice"
            covered[sector] = "zero" if isinstance(request, Zero) else "copy"
    for sector, (mine, theirs) in enumerate(zip(picture, below, strict=True)):
        if mine != ".":
            assert not covered[sector], "the overlay holds it"
        elif theirs in "DC":
            assert covered[sector] == "copy"
        elif theirs == "0" and base:
            assert covered[sector]
