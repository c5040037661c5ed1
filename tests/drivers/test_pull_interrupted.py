"""Pulls that are paused, cancelled, stopped or killed: the bytes stay, and the next
attempt goes on from what is there."""

from pathlib import Path

import pytest

from longshored.block.qcow2.create import CreateOptions
from longshored.drivers.base import Cancelled
from longshored.drivers.pull_batches import MEASURED
from longshored.drivers.pull_work import FAIL_POINTS
from longshored.errors import Kind, ServiceError
from longshored.units import KiB, MiB
from tests.support.chains import make
from tests.support.nodes import new_qcow2
from tests.support.pictures import BLOCK
from tests.support.pulls import Puller, Script, cancel
from tests.support.verdict import report, visible

TOP, MID, BASE = "-----Z--", "-X0--Y--", "ABC-EFGH"


def make_chain(directory: Path) -> bytes:
    """Five blocks to pull in all, one of them above the base; what it shows."""
    make(directory, "base.raw", BASE)
    make(directory, "mid.qcow2", MID, "base.raw", "raw")
    make(directory, "top.qcow2", TOP, "mid.qcow2", "qcow2")
    return visible(directory / "top.qcow2")


def requests_of_a_whole_run(directory: Path, chunk: int, base: str | None) -> int:
    directory.mkdir()
    make_chain(directory)
    puller = Puller(directory)
    puller.pull(base=base, script=Script(chunk=chunk))
    puller.close()
    return puller.told.requests


def test_a_cancel_while_the_work_is_counted_copies_nothing(puller: Puller) -> None:
    before = make_chain(puller.directory)
    with pytest.raises(Cancelled):
        puller.pull(script=Script(on_checkpoint=cancel))
    assert puller.told.requests == 0
    assert visible(puller.directory / "top.qcow2") == before


@pytest.mark.slow
@pytest.mark.parametrize("base", [None, "base.raw"])
@pytest.mark.parametrize("chunk", [BLOCK, 20 * KiB])
def test_a_cancel_at_any_request_leaves_a_valid_chain(
    tmp_path: Path, chunk: int, base: str | None
) -> None:
    count = requests_of_a_whole_run(tmp_path / "count", chunk, base)
    assert count >= 1
    for number in range(1, count + 1):
        directory = tmp_path / str(number)
        directory.mkdir()
        before = make_chain(directory)
        puller = Puller(directory)
        script = Script(chunk=chunk, wish_at=number, at_checkpoint=cancel)
        with pytest.raises(Cancelled):
            puller.pull(base=base, script=script)
        assert visible(directory / "top.qcow2") == before
        assert report(directory / "top.qcow2").clean
        puller.saved = None
        puller.pull(base=base)
        puller.close()
        assert visible(directory / "top.qcow2") == before
        assert report(directory / "top.qcow2").clean


def test_what_was_copied_before_a_cancel_is_not_copied_again(puller: Puller) -> None:
    make_chain(puller.directory)
    with pytest.raises(Cancelled):
        puller.pull(script=Script(chunk=BLOCK, wish_at=3, at_checkpoint=cancel))
    done = puller.told.booked
    puller.saved = None
    puller.pull()
    assert done > 0
    assert puller.told.booked == 5 * BLOCK - done


def test_a_pause_in_the_middle_of_a_cluster_loses_nothing(puller: Puller) -> None:
    before = make_chain(puller.directory)
    puller.pull(script=Script(chunk=4 * KiB, wish_at=7))
    assert puller.told.booked == 5 * BLOCK
    assert visible(puller.directory / "top.qcow2") == before


def test_a_pause_publishes_what_was_done_before_it(puller: Puller) -> None:
    make_chain(puller.directory)
    published: list[int] = []

    def look() -> None:
        published.extend(status.published_bytes for status in puller.told.statuses)

    puller.pull(script=Script(wish_at=2, at_checkpoint=look))
    assert published == [BLOCK]


def points_passed(directory: Path, base: str | None) -> list[tuple[str, int]]:
    """Every fail point of a run, with how often it is passed."""
    make_chain(directory)
    puller = Puller(directory)
    puller.pull(base=base)
    puller.close()
    return [(name, puller.told.passed[name]) for name in FAIL_POINTS]


@pytest.mark.slow
@pytest.mark.parametrize("base", [None, "base.raw"])
def test_a_kill_at_any_step_changes_no_byte_and_the_next_attempt_ends_right(
    tmp_path: Path, base: str | None
) -> None:
    (tmp_path / "count").mkdir()
    for name, count in points_passed(tmp_path / "count", base):
        for nth in range(1, min(count, 3) + 1):
            directory = tmp_path / f"{name}-{nth}"
            directory.mkdir()
            before = make_chain(directory)
            puller = Puller(directory)
            assert puller.crash(name, nth, base)
            assert visible(directory / "top.qcow2") == before, name
            assert report(directory / "top.qcow2").corruptions == 0, name
            puller.pull(base=base)
            puller.close()
            assert visible(directory / "top.qcow2") == before, name
            assert report(directory / "top.qcow2").corruptions == 0, name


def test_every_fail_point_but_those_of_growth_is_passed(tmp_path: Path) -> None:
    never = {name for name, count in points_passed(tmp_path, None) if not count}
    assert never <= {
        "publish.refcount_table_written",
        "publish.refcount_table_flushed",
        "publish.freed",
    }


def test_a_checkpoint_never_claims_more_than_the_image_holds(tmp_path: Path) -> None:
    for nth in (1, 2):
        directory = tmp_path / str(nth)
        directory.mkdir()
        make_chain(directory)
        puller = Puller(directory)
        puller.crash("pull.checkpoint_saved", nth)
        claimed = sum(s.published_bytes for s in puller.told.statuses[-1:])
        left = puller.driver.plan(puller.spec()).read
        puller.close()
        assert claimed == 5 * BLOCK - left


def test_progress_goes_on_where_the_last_attempt_was(puller: Puller) -> None:
    make_chain(puller.directory)
    puller.crash("pull.checkpoint_saved", 2)
    kept = puller.told.booked
    puller.pull()
    seen = puller.progress()
    assert (seen.current, seen.total) == (5 * BLOCK, 5 * BLOCK)
    assert puller.told.booked == 5 * BLOCK - kept


def test_the_result_counts_what_all_attempts_copied(puller: Puller) -> None:
    make_chain(puller.directory)
    puller.crash("pull.checkpoint_saved")
    assert puller.pull().copied_bytes == 5 * BLOCK


def test_an_image_that_is_another_one_now_is_refused(puller: Puller) -> None:
    make_chain(puller.directory)
    puller.crash("pull.checkpoint_saved")
    top = puller.directory / "top.qcow2"
    top.with_name("copy.qcow2").write_bytes(top.read_bytes())
    top.with_name("copy.qcow2").rename(top)
    with pytest.raises(ServiceError) as caught:
        puller.pull()
    assert caught.value.kind is Kind.INTERRUPTED_BY_RESTART


def test_a_crash_between_header_and_end_is_finished_by_the_next_attempt(
    puller: Puller,
) -> None:
    before = make_chain(puller.directory)
    puller.crash("pull.header_written")
    puller.pull()
    assert visible(puller.directory / "top.qcow2") == before


def test_large_clusters_pulled_in_small_pieces_survive_pauses(puller: Puller) -> None:
    make(puller.directory, "base.raw", "-AB-" * 8)
    options = CreateOptions(
        32 * BLOCK,
        cluster_size=1024 * KiB,
        backing_file="base.raw",
        backing_format="raw",
    )
    new_qcow2(puller.directory / "top.qcow2", options).close()
    before = visible(puller.directory / "top.qcow2")
    for number in (3, 20, 10):
        with pytest.raises(Cancelled):
            puller.pull(
                script=Script(chunk=60 * KiB, wish_at=number, at_checkpoint=cancel)
            )
        assert visible(puller.directory / "top.qcow2") == before
    puller.pull(script=Script(chunk=60 * KiB, wish_at=10))
    assert visible(puller.directory / "top.qcow2") == before


def allocated(image: Path) -> int:
    return image.stat().st_blocks * 512


@pytest.mark.slow
def test_attempts_that_were_cut_off_leave_no_dead_space(tmp_path: Path) -> None:
    data = 80 * MiB
    (tmp_path / "base.raw").write_bytes(b"x" * data)
    top = tmp_path / "top.qcow2"
    options = CreateOptions(data, backing_file="base.raw", backing_format="raw")
    new_qcow2(top, options).close()
    puller = Puller(tmp_path, MEASURED)
    for number in (4, 8):
        script = Script(chunk=MiB, wish_at=number, at_checkpoint=cancel)
        with pytest.raises(Cancelled):
            puller.pull(script=script)
        puller.saved = None
        # What the cancelled pulls have copied stays, and no more than that.
        assert allocated(top) < 2 * number * MiB
    for _ in range(3):
        assert puller.crash("pull.data_flushed")
    puller.pull()
    puller.close()
    assert report(top).clean
    assert top.stat().st_size < data + 2 * MiB
    assert allocated(top) < data + 2 * MiB


def test_what_the_last_attempt_moved_is_no_part_of_the_rate(puller: Puller) -> None:
    make_chain(puller.directory)
    with pytest.raises(Cancelled):
        puller.pull(script=Script(chunk=BLOCK, wish_at=4, at_checkpoint=cancel))
    rates: list[float] = []

    def look() -> None:
        assert puller.context is not None
        puller.context.clock.advance(1)
        rates.append(puller.progress().rate)

    puller.pull(script=Script(on_checkpoint=look))
    assert puller.told.booked == 2 * BLOCK
    assert 0 < max(rates) <= 2 * BLOCK


@pytest.mark.parametrize(
    "step", ["publish.refcounts_written", "publish.refcounts_flushed"]
)
def test_another_pull_reclaims_what_a_killed_one_had_counted(
    puller: Puller, step: str
) -> None:
    make_chain(puller.directory)
    top = puller.directory / "top.qcow2"
    assert puller.crash(step)
    assert report(top).leaks
    # Not the next attempt of the same job, which knows that there was one before.
    puller.saved = None
    puller.pull()
    assert report(top).clean
