"""Values in words for people."""

import time

import pytest

from longshore.cli import words
from longshore.requests import pull_info
from longshore.v1 import job_info_pb2, job_pb2, job_progress_pb2, node_pb2
from tests.support.jobs import MiB, job, progress, queued, running


def test_only_what_is_complete_is_a_hundred_percent() -> None:
    assert words.percent_of(progress(999, 1000)) == "99 %"
    assert words.percent_of(progress(1000, 1000)) == "100 %"
    assert words.percent_of(progress(0, 0)) == "100 %"
    assert words.percent_of(progress(5, None)) == words.NONE


@pytest.mark.parametrize("state", ["SUCCEEDED", "PENDING", "WAITING", "READY"])
def test_a_job_that_has_done_its_work_is_at_a_hundred_percent(state: str) -> None:
    assert words.percent(job("a", state, progress=progress(1000, 1000))) == "100 %"
    assert words.percent(job("a", state, progress=progress(999, 1000))) == "99 %"


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED", "ABORTING", "RUNNING"])
def test_any_other_is_not(state: str) -> None:
    assert words.percent(job("a", state, progress=progress(1000, 1000))) == "99 %"
    assert words.percent(job("a", state, progress=progress(0, 0))) == "99 %"
    assert words.percent(job("a", state, progress=progress(500, 1000))) == "50 %"


def test_progress_is_counted_in_its_unit() -> None:
    steps = job_progress_pb2.JobProgress(
        unit=job_progress_pb2.PROGRESS_UNIT_STEPS, current=3, total=7, rate_per_second=2
    )
    assert words.amount(steps) == "3 / 7"
    assert words.rate(job_pb2.Job(progress=steps)) == "2/s"


def test_a_size_is_told_exactly_too() -> None:
    assert words.size(1536 * MiB) == "1.5 GiB (1610612736 bytes)"
    assert words.size(100) == "100 B"


def test_an_estimate_is_a_range() -> None:
    assert words.eta(running()) == "~14m 30s (9m to 20m)"
    assert words.eta_middle(running()) == "~14m 30s"


def test_an_estimate_that_is_sure_is_one_number() -> None:
    sure = running()
    sure.progress.eta.high.CopyFrom(sure.progress.eta.low)
    assert words.eta(sure) == "~9m"


def test_what_has_ended_has_no_estimate_rate_or_limit() -> None:
    done = job("a", "SUCCEEDED", progress=progress(1, 1))
    assert words.eta(done) == words.rate(done) == words.NONE
    assert words.limited_by(done) == ""


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("file:///srv/a%20b.qcow2", "/srv/a b.qcow2"),
        ("/srv/a%20b.qcow2", "/srv/a%20b.qcow2"),
        ("nbd://host/disk", "nbd://host/disk"),
    ],
)
def test_a_file_is_shown_by_its_path(uri: str, shown: str) -> None:
    assert words.place(uri) == shown


def test_a_job_is_about_the_node_that_changes() -> None:
    made = job("a", "RUNNING")
    made.nodes.add(role=node_pb2.NODE_ROLE_BASE, uri="file:///base")
    made.nodes.add(role=node_pb2.NODE_ROLE_TOP, uri="file:///top")
    assert words.target(made) == "/top"


def test_before_it_has_nodes_it_is_about_what_was_asked_for() -> None:
    asked = job("a", "QUEUED", info=pull_info("/top", "/base", ()))
    assert words.target(asked) == "/top"
    assert words.target(job("a", "QUEUED")) == words.NONE
    assert words.target(job("a", "QUEUED", info=job_info_pb2.JobInfo())) == words.NONE


def test_what_is_asked_is_not_told_as_if_it_were_so() -> None:
    pause = job_pb2.JobPause(reason="paused")
    wish = job_pb2.JobWish(action=job_pb2.JOB_ACTION_PAUSE)
    assert words.remark(job("a", "RUNNING", pauses=[pause], wanted=[wish])) == (
        "pause asked"
    )
    assert words.remark(job("a", "PAUSED", pauses=[pause])) == "paused"
    wish = job_pb2.JobWish(action=job_pb2.JOB_ACTION_FINALIZE)
    done = job("a", "PENDING", wanted=[wish])
    assert words.remark(done) == "finalize asked"
    done.options.auto_finalize = True
    assert words.remark(done) == ""


def test_a_blocker_is_named_once() -> None:
    why = queued().pending
    assert words.pending(why) == "an image is in use (job in-front)"
    why.message = "in-front has the image"
    assert words.pending(why) == "in-front has the image"


def test_a_process_in_the_way_is_named() -> None:
    why = job_pb2.JobPending(
        message="in use",
        blocking_process=node_pb2.ForeignProcess(pid=42, command="qemu-img"),
    )
    assert words.pending(why) == "in use (pid 42 (qemu-img))"


def test_a_wait_whose_end_is_known_says_when_that_is() -> None:
    why = job_pb2.JobPending(message="Starts later")
    why.until_time.FromSeconds(1_790_000_000)
    day = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(1_790_000_000))
    assert words.pending(why) == f"Starts later: not before {day}"


@pytest.mark.parametrize(
    ("held", "shown"),
    [
        (node_pb2.Holder(job_id="a"), "job a"),
        (node_pb2.Holder(process=node_pb2.ForeignProcess(pid=4)), "pid 4"),
        (
            node_pb2.Holder(process=node_pb2.ForeignProcess()),
            "a process that could not be found out",
        ),
        (node_pb2.Holder(), "someone"),
    ],
)
def test_a_holder_is_named(held: node_pb2.Holder, shown: str) -> None:
    assert words.holder(held) == shown


def test_a_job_that_finalizes_itself_waits_for_nobody() -> None:
    made = job("a", "PENDING")
    assert words.remark(made) == "waits to be finalized"
    made.options.auto_finalize = True
    assert words.remark(made) == ""
