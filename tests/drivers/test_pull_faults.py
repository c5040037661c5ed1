"""I/O errors under a pull, by policy. The faults are real: cut files, full disks."""

import errno
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from longshored.drivers.base import Cancelled
from longshored.drivers.faults import sentence
from longshored.errors import Kind, ServiceError
from longshored.job.model import ErrorAction, ErrorPolicy, Options
from longshored.units import KiB
from tests.support.chains import make
from tests.support.pictures import BLOCK, content
from tests.support.pulls import Puller, Script, cancel
from tests.support.verdict import report, visible

PICTURE = "ABCDEF"


def make_cut_chain(directory: Path) -> Callable[[], None]:
    """A chain; calling the answer cuts its base to two blocks."""
    make(directory, "base.raw", PICTURE)
    make(directory, "top.qcow2", "------", "base.raw", "raw")
    return lambda: os.truncate(directory / "base.raw", 2 * BLOCK)


def mend(directory: Path) -> None:
    (directory / "base.raw").write_bytes(content(PICTURE))


def on_source(action: ErrorAction, retries: int = 3) -> Options:
    return Options(source_error_policy=ErrorPolicy(action, retries, 1.0))


def on_target(action: ErrorAction, retries: int = 3) -> Options:
    return Options(target_error_policy=ErrorPolicy(action, retries, 1.0))


def cut_at_first_pause(cut: Callable[[], None], **script: object) -> Script:
    made = Script(chunk=BLOCK, wish_at=2, at_checkpoint=cut)
    for name, value in script.items():
        setattr(made, name, value)
    return made


def failure(puller: Puller, script: Script, options: Options) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        puller.pull(script=script, options=options)
    return caught.value


@contextmanager
def largest_file(length: int) -> Iterator[None]:
    """Files may not grow past this: what a full disk or a quota feels like."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (length, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_read_error_is_reported_with_its_place(puller: Puller) -> None:
    cut = make_cut_chain(puller.directory)
    error = failure(puller, cut_at_first_pause(cut), Options())
    assert error.kind is Kind.IO_ERROR
    assert error.facts["guest_offset"] == 2 * BLOCK
    assert str(error.facts["uri"]).endswith("base.raw")


def test_what_was_read_before_an_error_stays_in_the_top(puller: Puller) -> None:
    cut = make_cut_chain(puller.directory)
    failure(puller, cut_at_first_pause(cut), Options())
    mend(puller.directory)
    puller.saved = None
    assert puller.pull().copied_bytes == 4 * BLOCK


def test_an_error_in_a_sentence_names_its_file_once_and_safely() -> None:
    broken = ServiceError(Kind.IO_ERROR, "It is broken", uri="/images/a", errno=5)
    assert sentence(broken) == "It is broken (/images/a)"
    named = ServiceError(Kind.IO_ERROR, "Cannot read /images/a", uri="/images/a")
    assert sentence(named) == "Cannot read /images/a"
    assert sentence(ServiceError(Kind.NO_SPACE, "Full", errno=28)) == "Full"
    hostile = ServiceError(Kind.NO_SPACE, "Full", uri="/a\x1b[2J")
    assert sentence(hostile) == "Full ('/a\\x1b[2J')"


def test_skipped_clusters_fail_the_pull_at_its_end(puller: Puller) -> None:
    cut = make_cut_chain(puller.directory)
    error = failure(puller, cut_at_first_pause(cut), on_source(ErrorAction.SKIP))
    assert error.kind is Kind.IO_ERROR
    assert error.facts["skipped_bytes"] == 4 * BLOCK
    assert error.facts["first_offset"] == 2 * BLOCK


def test_skipping_keeps_what_could_be_read_and_the_backing_file(
    puller: Puller,
) -> None:
    cut = make_cut_chain(puller.directory)
    os.truncate(puller.directory / "base.raw", 6 * BLOCK)
    failure(puller, cut_at_first_pause(cut), on_source(ErrorAction.SKIP))
    mend(puller.directory)
    assert visible(puller.directory / "top.qcow2") == content(PICTURE)
    assert puller.driver.plan(puller.spec()).read == 4 * BLOCK


def test_skipping_warns_of_each_range(puller: Puller) -> None:
    cut = make_cut_chain(puller.directory)
    failure(puller, cut_at_first_pause(cut), on_source(ErrorAction.SKIP))
    assert len(puller.told.warnings) == 4
    begun, _, file = puller.told.warnings[0].partition(" (")
    assert begun.startswith(f"Skipped {BLOCK} bytes at {2 * BLOCK}: ")
    assert file == f"{puller.directory}/base.raw)"


def test_a_skip_is_no_wider_than_a_cluster(puller: Puller) -> None:
    cut = make_cut_chain(puller.directory)
    script = cut_at_first_pause(cut, chunk=1024 * KiB)
    error = failure(puller, script, on_source(ErrorAction.SKIP))
    assert error.facts["skipped_ranges"] == 4


def test_a_failed_pull_is_not_at_its_total(puller: Puller) -> None:
    cut = make_cut_chain(puller.directory)
    failure(puller, cut_at_first_pause(cut), on_source(ErrorAction.SKIP))
    seen = puller.progress()
    assert (seen.current, seen.total) == (2 * BLOCK, 6 * BLOCK)


def test_retries_are_bounded(puller: Puller) -> None:
    cut = make_cut_chain(puller.directory)
    failure(puller, cut_at_first_pause(cut), on_source(ErrorAction.RETRY, 3))
    assert puller.context is not None
    assert puller.context.clock.now() == pytest.approx(1 + 2 + 4)


def test_a_retry_goes_on_when_the_fault_is_gone(puller: Puller) -> None:
    cut = make_cut_chain(puller.directory)
    looks = count()

    def mended_later() -> None:
        if next(looks) == 5:
            mend(puller.directory)

    script = cut_at_first_pause(cut, on_checkpoint=mended_later)
    puller.pull(script=script, options=on_source(ErrorAction.RETRY))
    assert visible(puller.directory / "top.qcow2") == content(PICTURE)


def test_a_cancel_ends_the_wait_for_a_retry(puller: Puller) -> None:
    cut = make_cut_chain(puller.directory)
    looks = count()

    def cancelled_later() -> None:
        if next(looks) == 5:
            cancel()

    script = cut_at_first_pause(cut, on_checkpoint=cancelled_later)
    with pytest.raises(Cancelled):
        puller.pull(script=script, options=on_source(ErrorAction.RETRY))
    assert puller.context is not None
    assert puller.context.clock.now() < 1


def test_stop_names_the_node_and_goes_on_after_the_operator(puller: Puller) -> None:
    cut = make_cut_chain(puller.directory)
    script = cut_at_first_pause(cut, on_stop=lambda: mend(puller.directory))
    puller.pull(script=script, options=on_source(ErrorAction.STOP))
    status = (puller.directory / "base.raw").stat()
    keys = [key for _, key in puller.told.stops]
    assert keys == [f"{status.st_dev:x}:{status.st_ino}"]
    assert visible(puller.directory / "top.qcow2") == content(PICTURE)


def test_a_full_disk_is_reported_before_a_byte_is_lost(puller: Puller) -> None:
    make_cut_chain(puller.directory)
    with largest_file(5 * BLOCK + 8 * BLOCK // 2):
        error = failure(puller, Script(chunk=BLOCK), Options())
    assert error.kind is Kind.NO_SPACE
    assert error.facts["errno"] == errno.EFBIG
    assert visible(puller.directory / "top.qcow2") == content(PICTURE)
    assert report(puller.directory / "top.qcow2").clean


def test_a_full_disk_says_how_much_is_needed(puller: Puller) -> None:
    make_cut_chain(puller.directory)
    with largest_file(6 * BLOCK):
        error = failure(puller, Script(chunk=BLOCK), Options())
    assert error.facts["needed_bytes"] == 6 * BLOCK
    assert int(error.facts["available_bytes"] or 0) > 0


@pytest.mark.parametrize("action", [ErrorAction.STOP, ErrorAction.ENOSPC_STOP])
def test_a_full_disk_may_wait_for_the_operator(
    puller: Puller, action: ErrorAction
) -> None:
    make_cut_chain(puller.directory)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def make_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    with largest_file(7 * BLOCK):
        puller.pull(
            script=Script(chunk=BLOCK, on_stop=make_room), options=on_target(action)
        )
    status = (puller.directory / "top.qcow2").stat()
    assert {key for _, key in puller.told.stops} == {
        f"{status.st_dev:x}:{status.st_ino}"
    }
    assert visible(puller.directory / "top.qcow2") == content(PICTURE)


def test_a_disk_that_is_full_amid_a_commit_stops_nothing_that_could_go_on(
    puller: Puller,
) -> None:
    make_cut_chain(puller.directory)
    script = Script(
        fail_at="publish.refcounts_written",
        failure=lambda: ServiceError(Kind.NO_SPACE, "Full"),
    )
    error = failure(puller, script, on_target(ErrorAction.ENOSPC_STOP))
    assert error.kind is Kind.NO_SPACE
    assert puller.told.stops == []
    puller.saved = None
    puller.pull()
    assert visible(puller.directory / "top.qcow2") == content(PICTURE)
