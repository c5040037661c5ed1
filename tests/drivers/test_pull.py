"""What a pull leaves in its top, for drawn chains of every kind."""

from dataclasses import replace
from pathlib import Path

import pytest

from longshored.block.locks import PULL_TOP, WRITER, ImageLock
from longshored.block.node import Mode
from longshored.block.qcow2.create import CreateOptions
from longshored.errors import Kind, ServiceError
from longshored.job.nodes import Permission, Role
from longshored.job.spec import ImageRef, PullResult, PullSpec
from longshored.units import KiB
from tests.support.chains import make, make_three
from tests.support.lockers import python_holder
from tests.support.nodes import new_qcow2, raw_file
from tests.support.pictures import BLOCK, content, draw, shape
from tests.support.pulls import Puller, Script
from tests.support.qcow2 import opened
from tests.support.verdict import report, visible


def drawn(path: Path) -> str:
    """What the top alone holds."""
    with opened(path) as node:
        return shape(node)


def backing(path: Path) -> tuple[str | None, str | None]:
    with opened(path) as node:
        return node.header.backing_file, node.header.backing_format


def raised(
    puller: Puller, top: str = "top.qcow2", base: str | None = None
) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        puller.pull(top, base)
    return caught.value


def test_a_whole_pull_leaves_no_backing_file(puller: Puller) -> None:
    make_three(puller.directory)
    puller.pull()
    assert backing(puller.directory / "top.qcow2") == (None, None)


def test_a_whole_pull_shows_the_same_bytes(puller: Puller) -> None:
    make_three(puller.directory)
    before = visible(puller.directory / "top.qcow2")
    puller.pull()
    assert visible(puller.directory / "top.qcow2") == before


def test_a_whole_pull_leaves_a_clean_image(puller: Puller) -> None:
    make_three(puller.directory)
    puller.pull()
    assert report(puller.directory / "top.qcow2").clean


def test_a_whole_pull_copies_data_and_leaves_holes_where_zeros_were(
    puller: Puller,
) -> None:
    make_three(puller.directory)  # ABC-E- under -X0--- under ---Y-0
    puller.pull()
    assert drawn(puller.directory / "top.qcow2") == "DD-DD0"


def test_the_result_counts_what_was_copied(puller: Puller) -> None:
    make_three(puller.directory)
    result = puller.pull()
    assert (result.copied_bytes, result.zeroed_bytes) == (3 * BLOCK, 0)


def test_a_pull_to_a_base_keeps_what_only_the_base_has_there(puller: Puller) -> None:
    make_three(puller.directory)
    puller.pull(base="base.raw")
    assert drawn(puller.directory / "top.qcow2") == "-D0D-0"


def test_a_pull_to_a_base_names_it_as_the_chain_did(puller: Puller) -> None:
    make_three(puller.directory)
    result = puller.pull(base="base.raw")
    assert backing(puller.directory / "top.qcow2") == ("base.raw", "raw")
    assert result.backing == ImageRef(str(puller.directory / "base.raw"), "raw")
    assert result.backing_name == "base.raw"


def test_a_pull_to_a_base_shows_the_same_bytes(puller: Puller) -> None:
    make_three(puller.directory)
    before = visible(puller.directory / "top.qcow2")
    puller.pull(base="base.raw")
    assert visible(puller.directory / "top.qcow2") == before


def test_sources_are_not_touched(puller: Puller) -> None:
    make_three(puller.directory)
    files = [puller.directory / "base.raw", puller.directory / "mid.qcow2"]
    before = [(file.read_bytes(), file.stat().st_mtime_ns) for file in files]
    puller.pull()
    assert [(file.read_bytes(), file.stat().st_mtime_ns) for file in files] == before


def test_a_second_pull_finds_nothing_to_do(puller: Puller) -> None:
    make_three(puller.directory)
    puller.pull()
    before = (puller.directory / "top.qcow2").read_bytes()
    puller.saved = None
    assert puller.pull().copied_bytes == 0
    assert (puller.directory / "top.qcow2").read_bytes() == before


def test_the_base_next_to_the_top_leaves_nothing_to_do(puller: Puller) -> None:
    make_three(puller.directory)
    before = (puller.directory / "top.qcow2").read_bytes()
    assert puller.pull(base="mid.qcow2").copied_bytes == 0
    assert (puller.directory / "top.qcow2").read_bytes() == before


def test_data_that_reads_as_zeros_is_not_written(puller: Puller) -> None:
    with (puller.directory / "base.raw").open("wb") as file:
        file.write(content("A0") + bytes(2 * BLOCK))
    make(puller.directory, "top.qcow2", "----", "base.raw", "raw")
    result = puller.pull()
    assert drawn(puller.directory / "top.qcow2") == "D---"
    assert (result.copied_bytes, result.zeroed_bytes) == (BLOCK, 3 * BLOCK)


def test_data_above_a_base_that_reads_as_zeros_becomes_zero_clusters(
    puller: Puller,
) -> None:
    make(puller.directory, "base.raw", "ABCD")
    make(puller.directory, "mid.qcow2", "--E-", "base.raw", "raw")
    with opened(puller.directory / "mid.qcow2", Mode.WRITE) as mid:
        mid.pwrite(BLOCK, bytes(BLOCK))
        mid.flush()
    make(puller.directory, "top.qcow2", "----", "mid.qcow2", "qcow2")
    before = visible(puller.directory / "top.qcow2")
    puller.pull(base="base.raw")
    assert drawn(puller.directory / "top.qcow2") == "-0D-"
    assert visible(puller.directory / "top.qcow2") == before


def test_a_short_link_between_hides_the_base_behind_its_end(puller: Puller) -> None:
    make(puller.directory, "base.raw", "ABCD")
    make(puller.directory, "mid.qcow2", "-E", "base.raw", "raw")
    make(puller.directory, "top.qcow2", "----", "mid.qcow2", "qcow2")
    before = visible(puller.directory / "top.qcow2")
    puller.pull(base="base.raw")
    assert drawn(puller.directory / "top.qcow2") == "-D00"
    assert visible(puller.directory / "top.qcow2") == before


def test_a_base_longer_than_the_top_is_cut(puller: Puller) -> None:
    make(puller.directory, "base.raw", "ABCD")
    make(puller.directory, "top.qcow2", "--", "base.raw", "raw")
    puller.pull()
    assert visible(puller.directory / "top.qcow2") == content("AB")


def test_a_base_shorter_than_the_top_ends_in_zeros(puller: Puller) -> None:
    make(puller.directory, "base.raw", "AB")
    make(puller.directory, "top.qcow2", "---", "base.raw", "raw")
    puller.pull()
    assert visible(puller.directory / "top.qcow2") == content("AB-")


@pytest.mark.parametrize("cluster", [512, 4 * KiB, 2048 * KiB])
@pytest.mark.parametrize("version", [2, 3])
def test_a_top_of_any_cluster_size_shows_the_same_bytes(
    puller: Puller, cluster: int, version: int
) -> None:
    make(puller.directory, "base.raw", "AB-D")
    make(puller.directory, "mid.qcow2", "-E0-", "base.raw", "raw")
    options = CreateOptions(
        size=4 * BLOCK - 3 * 512,
        version=version,
        cluster_size=cluster,
        backing_file="mid.qcow2",
        backing_format="qcow2",
    )
    node = new_qcow2(puller.directory / "top.qcow2", options)
    node.pwrite(3 * BLOCK, b"x" * 777)
    node.close()
    before = visible(puller.directory / "top.qcow2")
    puller.pull(base="base.raw")
    assert visible(puller.directory / "top.qcow2") == before
    puller.saved = None
    puller.pull()
    assert visible(puller.directory / "top.qcow2") == before
    assert report(puller.directory / "top.qcow2").clean


@pytest.mark.parametrize("base", [None, "base.raw"])
def test_subclusters_that_the_top_lacks_are_filled(
    puller: Puller, base: str | None
) -> None:
    make(puller.directory, "base.raw", "ABCDEF")
    make(puller.directory, "mid.qcow2", "-X0---", "base.raw", "raw")
    options = CreateOptions(
        size=6 * BLOCK,
        extended_l2=True,
        backing_file="mid.qcow2",
        backing_format="qcow2",
    )
    node = new_qcow2(puller.directory / "top.qcow2", options)
    for offset in (2 * KiB, BLOCK + 4 * KiB, 2 * BLOCK, 4 * BLOCK + 62 * KiB):
        node.pwrite(offset, b"y" * 2 * KiB)
    node.write_zeroes(3 * BLOCK + 8 * KiB, 8 * KiB)
    node.close()
    before = visible(puller.directory / "top.qcow2")
    puller.pull(base=base)
    assert visible(puller.directory / "top.qcow2") == before
    assert report(puller.directory / "top.qcow2").clean


def test_two_tops_on_one_base_are_pulled_side_by_side(puller: Puller) -> None:
    make(puller.directory, "base.raw", "ABC-")
    for name in ("one.qcow2", "top.qcow2"):
        make(puller.directory, name, "----", "base.raw", "raw")
    other = Puller(puller.directory)
    told: list[PullResult] = []

    def meanwhile() -> None:
        told.append(other.pull("one.qcow2"))

    puller.pull(script=Script(wish_at=2, at_checkpoint=meanwhile))
    other.close()
    assert told
    for name in ("one.qcow2", "top.qcow2"):
        assert visible(puller.directory / name) == content("ABC-")


def test_bytes_are_booked_once_and_zeros_of_metadata_never(puller: Puller) -> None:
    make_three(puller.directory)
    puller.pull(base="base.raw")
    assert puller.told.booked == BLOCK


def test_progress_ends_at_its_total(puller: Puller) -> None:
    make_three(puller.directory)
    puller.pull()
    seen = puller.progress()
    assert (seen.current, seen.total) == (3 * BLOCK, 3 * BLOCK)


def test_a_checkpoint_claims_what_was_published(puller: Puller) -> None:
    make_three(puller.directory)
    puller.pull()
    assert [status.published_bytes for status in puller.told.statuses] == [
        1 * BLOCK,
        2 * BLOCK,
        3 * BLOCK,
    ]


def test_a_checkpoint_tells_which_image_was_read_last(puller: Puller) -> None:
    make_three(puller.directory)
    puller.pull()
    assert [status.current_depth for status in puller.told.statuses] == [2, 1, 2]


def test_a_limit_below_a_cluster_moves_it_in_pieces(puller: Puller) -> None:
    make_three(puller.directory)
    before = visible(puller.directory / "top.qcow2")
    puller.pull(script=Script(chunk=4 * KiB))
    assert puller.told.requests == 3 * BLOCK // (4 * KiB)
    assert visible(puller.directory / "top.qcow2") == before


# The holds.


def test_the_top_is_taken_and_the_links_are_only_read(puller: Puller) -> None:
    make_three(puller.directory)
    top, mid, base = puller.driver.nodes(puller.spec())
    reads = Permission.CONSISTENT_READ
    assert [node.role for node in (top, mid, base)] == [
        Role.TOP,
        Role.INTERMEDIATE,
        Role.BASE,
    ]
    assert Permission.WRITE_UNCHANGED | Permission.GRAPH in top.taken
    assert [(node.taken, node.shared) for node in (mid, base)] == 2 * [(reads, reads)]
    assert top.shared == reads


def test_nodes_are_known_by_what_they_are(puller: Puller) -> None:
    make_three(puller.directory)
    status = (puller.directory / "top.qcow2").stat()
    (top, *_) = puller.driver.nodes(puller.spec())
    assert top.key == f"{status.st_dev:x}:{status.st_ino}"


def test_nodes_are_known_again_by_what_lies_at_their_paths(puller: Puller) -> None:
    make_three(puller.directory)
    nodes = puller.driver.nodes(puller.spec())
    renumbered = [replace(node, key="fffff:1", device="4095:1") for node in nodes]
    assert puller.driver.identify(renumbered) == nodes


def test_a_node_that_is_not_to_be_found_keeps_its_name(puller: Puller) -> None:
    make_three(puller.directory)
    top, mid, base = puller.driver.nodes(puller.spec())
    Path(base.uri).unlink()
    gone = replace(base, key="fffff:1")
    assert puller.driver.identify([top, mid, gone]) == (top, mid, gone)


# Refusals.


def test_a_top_without_backing_file_is_done_at_once(puller: Puller) -> None:
    make(puller.directory, "top.qcow2", "AB")
    assert puller.pull().copied_bytes == 0


def test_a_dirty_top_is_counted_anew_though_nothing_is_moved(puller: Puller) -> None:
    make(puller.directory, "top.qcow2", "AB")
    path = puller.directory / "top.qcow2"
    image = bytearray(path.read_bytes())
    image[79] |= 1  # incompatible feature: dirty
    path.write_bytes(image)
    puller.pull()
    with opened(path) as node:
        assert not node.header.dirty
    assert report(path).clean


def test_a_base_that_is_not_in_the_chain_is_refused_with_the_chain(
    puller: Puller,
) -> None:
    make_three(puller.directory)
    make(puller.directory, "other.raw", "A")
    error = raised(puller, base="other.raw")
    assert error.kind is Kind.TARGET_WRONG_STATE
    assert str(error.facts["chain"]).count(" <- ") == 2


def test_a_base_that_does_not_exist_is_not_found(puller: Puller) -> None:
    make_three(puller.directory)
    assert raised(puller, base="nobody.raw").kind is Kind.TARGET_NOT_FOUND


def test_the_top_as_base_is_refused_by_whatever_name(puller: Puller) -> None:
    make_three(puller.directory)
    (puller.directory / "alias.qcow2").symlink_to("top.qcow2")
    assert raised(puller, base="alias.qcow2").kind is Kind.FIELD_INVALID


def test_a_missing_link_is_named(puller: Puller) -> None:
    make_three(puller.directory)
    (puller.directory / "base.raw").unlink()
    error = raised(puller)
    assert error.kind is Kind.TARGET_NOT_FOUND
    assert str(error.facts["uri"]).endswith("base.raw")


def test_a_base_declared_in_another_format_is_refused(puller: Puller) -> None:
    make_three(puller.directory)
    spec = PullSpec(
        puller.ref("top.qcow2"), ImageRef(str(puller.directory / "base.raw"), "qcow2")
    )
    with pytest.raises(ServiceError) as caught:
        puller.driver.nodes(spec)
    assert caught.value.kind is Kind.FIELD_INVALID


def test_a_refused_start_leaves_nothing_locked(puller: Puller) -> None:
    make_three(puller.directory)
    make(puller.directory, "other.raw", "A")
    raised(puller, base="other.raw")
    puller.pull()


# Files that change under a pull.


def test_a_source_that_was_cut_is_an_error_and_never_zeros(puller: Puller) -> None:
    make(puller.directory, "base.raw", "ABCD")
    make(puller.directory, "top.qcow2", "----", "base.raw", "raw")
    base = raw_file(puller.directory / "base.raw")
    with pytest.raises(ServiceError) as caught:
        puller.pull(
            script=Script(wish_at=2, at_checkpoint=lambda: base.truncate(2 * BLOCK))
        )
    base.close()
    assert caught.value.kind is Kind.IO_ERROR
    assert backing(puller.directory / "top.qcow2") == ("base.raw", "raw")


def test_a_top_that_was_replaced_is_not_given_a_new_header(puller: Puller) -> None:
    make_three(puller.directory)
    path = puller.directory / "top.qcow2"

    def replace() -> None:
        path.rename(path.with_name("moved.qcow2"))
        make(puller.directory, "top.qcow2", "A")

    with pytest.raises(ServiceError) as caught:
        puller.pull(script=Script(wish_at=2, at_checkpoint=replace))
    assert caught.value.kind is Kind.TARGET_WRONG_STATE
    assert backing(path.with_name("moved.qcow2")) == ("mid.qcow2", "qcow2")


# The plan.


def test_a_plan_counts_from_metadata(puller: Puller) -> None:
    make_three(puller.directory)
    made = puller.driver.plan(puller.spec(base="base.raw"))
    assert (made.read, made.write, made.zero) == (BLOCK, BLOCK, BLOCK)
    assert made.obstacles == ()
    assert len(made.chain) == 3


def test_a_plan_asks_for_no_more_space_than_there_is_bytes_and_tables(
    puller: Puller,
) -> None:
    make_three(puller.directory)
    made = puller.driver.plan(puller.spec())
    assert 3 * BLOCK < made.space_needed <= 8 * BLOCK
    assert made.space_available is not None


@pytest.mark.slow
def test_a_plan_is_made_under_writers_of_every_link_and_names_each(
    puller: Puller,
) -> None:
    make_three(puller.directory)
    free = puller.driver.plan(puller.spec())
    top, base = puller.directory / "top.qcow2", puller.directory / "base.raw"
    with (
        python_holder(top, WRITER.uses, WRITER.unshared) as one,
        python_holder(base, WRITER.uses, WRITER.unshared) as other,
    ):
        made = puller.driver.plan(puller.spec())
    assert replace(made, obstacles=(), space_available=0) == replace(
        free, space_available=0
    )
    assert {(e.kind, e.facts["uri"], e.facts["pid"]) for e in made.obstacles} == {
        (Kind.TARGET_BUSY, str(top), one),
        (Kind.TARGET_BUSY, str(base), other),
    }


def test_a_plan_takes_no_lock(puller: Puller) -> None:
    """A chain that our own job has open is no obstacle: jobs have their holds."""
    make_three(puller.directory)
    names = ("top.qcow2", "mid.qcow2", "base.raw")
    files = [(puller.directory / name).open("rb") for name in names]
    try:
        for file in files:
            assert ImageLock(file.fileno(), file.name).take(PULL_TOP) == ()
        assert puller.driver.plan(puller.spec()).obstacles == ()
    finally:
        for file in files:
            file.close()


def test_a_plan_changes_no_byte(puller: Puller) -> None:
    make_three(puller.directory)
    before = (puller.directory / "top.qcow2").read_bytes()
    puller.driver.plan(puller.spec())
    assert (puller.directory / "top.qcow2").read_bytes() == before


def test_an_empty_image_draws_its_base(puller: Puller) -> None:
    file = raw_file(puller.directory / "base.raw")
    file.truncate(2 * BLOCK)
    draw(file, "-B")
    file.close()
    make(puller.directory, "top.qcow2", "--", "base.raw", "raw")
    puller.pull()
    assert drawn(puller.directory / "top.qcow2") == "-D"
