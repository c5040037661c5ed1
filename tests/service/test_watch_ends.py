"""WatchJobs: how streams lag and how they end, rules W19 to W23 by number."""

import threading
from dataclasses import replace

import grpc
import pytest
from google.rpc import error_details_pb2
from structlog.testing import capture_logs

from longshore.v1 import watch_pb2
from longshored.app.daemon import Tuning
from longshored.config.settings import WatchSettings
from longshored.service import snapshots
from tests.service.conftest import Open
from tests.support.calls import (
    Watching,
    create,
    finished,
    from_now,
    refusal,
    seconds,
    watching,
)
from tests.support.daemon import LocalDaemon, Place, Stubs
from tests.support.drivers import Gate, Scripted, Steady
from tests.support.streams import FAST, SHORT_LOG, cursor_of, revisions

LARGE = {f"k{n}": "v" * 250 for n in range(32)}  # labels of a job


def working(driver: Scripted, name: str = "disk") -> Steady:
    """Jobs on an image work until they are told to finish."""
    steady = Steady()
    driver.script(name, run=steady)
    return steady


@pytest.mark.slow
def test_w19_a_slow_reader_lags_and_catches_up_while_others_go_on(
    open_daemon: Open,
) -> None:
    tuning = Tuning(memory_log=16)
    daemon = open_daemon(tuning=tuning)
    stubs, other = daemon.connect(), daemon.connect()
    # The transport holds some hundred kilobytes: more than that must be written.
    label = {f"k{n}": "v" * 250 for n in range(30)}
    call = stubs.jobs.WatchJobs(watch_pb2.WatchJobsRequest(from_now=from_now()))
    start = next(call).cursor.revision
    count = 200
    for number in range(count):
        create(other, f"d{number}", job_id=f"job-{number}", labels=label)
    for number in range(count):
        finished(other, f"job-{number}")
    head = cursor_of(other).revision
    seen: list[int] = []
    for frame in call:
        seen += [event.revision for event in frame.events.events]
        if seen and seen[-1] == head:
            break
    call.cancel()
    assert seen == list(range(start + 1, head + 1))
    stubs.close()
    other.close()


@pytest.mark.slow
def test_w19_a_stream_that_lags_behind_the_log_is_told_so(open_daemon: Open) -> None:
    """What was sent has no gap, and the end names where to begin anew."""
    daemon = open_daemon(tuning=SHORT_LOG)
    other = daemon.connect()
    narrow = connect_narrow(daemon)
    call = narrow.jobs.WatchJobs(watch_pb2.WatchJobsRequest(from_now=from_now()))
    start = next(call).cursor.revision
    # Several times what the transport and one frame hold, while nothing is taken.
    for number in range(50):
        create(other, f"d{number}", job_id=f"job-{number}", labels=LARGE)
        finished(other, f"job-{number}")
    head = cursor_of(other).revision
    seen: list[int] = []

    def read() -> None:
        for frame in call:
            seen.extend(revisions(list(frame.events.events)))

    told = refusal(read)
    assert told.code is grpc.StatusCode.OUT_OF_RANGE
    assert told.reason == "REVISION_COMPACTED"
    assert seen == list(range(start + 1, start + 1 + len(seen)))
    oldest = int(told.info.metadata["oldestRevision"])
    assert seen[-1] < oldest < head
    assert int(told.info.metadata["headRevision"]) == head
    narrow.close()
    other.close()


def test_w20_a_write_that_does_not_end_ends_the_stream(open_daemon: Open) -> None:
    """The reader takes nothing; its place is free after the time-out."""
    daemon = open_daemon(
        tuning=Tuning(pace=replace(FAST, write_timeout=0.1)),
        sections={"watch": WatchSettings(most=1, most_per_client=1)},
    )
    other = daemon.connect()
    narrow = connect_narrow(daemon)
    call = narrow.jobs.WatchJobs(watch_pb2.WatchJobsRequest(from_now=from_now()))
    next(call)
    for number in range(40):
        create(other, f"d{number}", job_id=f"job-{number}", labels=LARGE)
    watch = Watching(other, watch_pb2.WatchJobsRequest(from_now=from_now()))
    while refused(watch):
        watch.close()
        watch = Watching(other, watch_pb2.WatchJobsRequest(from_now=from_now()))
    watch.close()
    told = refusal(lambda: list(call))
    assert told.code in (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)
    narrow.close()
    other.close()


def test_w21_shutdown_closes_with_a_cursor_and_ok(
    daemon: LocalDaemon, stubs: Stubs
) -> None:
    job = create(stubs, job_id="a")
    with watching(stubs, resume_after=cursor_of(stubs)) as watch:
        watch.next()
        finished(stubs, "a")
        daemon.stop()
        closing = watch.next_of("closing")
        assert closing.closing.reason == watch_pb2.WATCH_CLOSE_REASON_SHUTDOWN
        assert closing.closing.HasField("retry_delay")
        assert closing.cursor.revision > job.revision
        assert watch.is_at_end()


def test_w21_age_closes_with_a_cursor_and_ok(open_daemon: Open) -> None:
    young = replace(FAST, shortest_age=0.05, longest_age=0.06)
    stubs = open_daemon(tuning=Tuning(pace=young)).connect()
    with watching(stubs, from_now=from_now()) as watch:
        closing = watch.next_of("closing")
        assert closing.closing.reason == watch_pb2.WATCH_CLOSE_REASON_MAX_AGE
        assert closing.HasField("cursor")
        assert watch.is_at_end()
    stubs.close()


def test_w20_a_large_snapshot_that_is_taken_too_slowly_ends_the_stream(
    open_daemon: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as it is read, the log of the store grows."""
    monkeypatch.setattr(snapshots, "_SMALL", 1)
    monkeypatch.setattr(snapshots, "_CHUNK", 1)
    daemon = open_daemon(tuning=Tuning(pace=replace(FAST, snapshot_timeout=0.2)))
    other = daemon.connect()
    for number in range(160):
        create(other, f"d{number}", job_id=f"job-{number}", labels=LARGE)
    narrow = connect_narrow(daemon)
    call = narrow.jobs.WatchJobs(watch_pb2.WatchJobsRequest())
    assert next(call).WhichOneof("frame") == "opened"
    assert next(call).WhichOneof("frame") == "snapshot"
    while any(thread.name == "snapshot" for thread in threading.enumerate()):
        threading.Event().wait(0.002)
    told = refusal(lambda: list(call))
    assert told.code is grpc.StatusCode.UNAVAILABLE
    narrow.close()
    other.close()


def test_w23_only_so_many_large_snapshots_are_read_at_a_time(
    stubs: Stubs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshots, "_SMALL", 1)
    monkeypatch.setattr(snapshots, "MOST_LARGE", 0)
    create(stubs, job_id="a")
    with watching(stubs) as watch:
        assert watch.next().WhichOneof("frame") == "opened"
        told = refusal(watch.next)
    assert told.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert told.info.metadata["limitName"] == "snapshot_count"


def test_a_client_that_goes_while_a_frame_is_written_is_no_bug(
    open_daemon: Open,
) -> None:
    daemon = open_daemon()
    other = daemon.connect()
    for number in range(40):
        create(other, f"d{number}", job_id=f"job-{number}", labels=LARGE)
    with capture_logs() as lines:
        for _ in range(5):
            narrow = connect_narrow(daemon)
            call = narrow.jobs.WatchJobs(watch_pb2.WatchJobsRequest())
            next(call)
            next(call)
            call.cancel()
            narrow.close()
        other.close()
        daemon.stop_once()
    assert [line for line in lines if line["event"] == "call_failed"] == []


@pytest.mark.parametrize("resume", [False, True], ids=["snapshot", "resume"])
def test_w21_a_stream_may_end_when_all_selected_jobs_have(
    stubs: Stubs, driver: Scripted, resume: bool
) -> None:
    steady = working(driver)
    head = cursor_of(stubs)
    create(stubs, job_id="a")
    chosen = watch_pb2.JobSelector(job_ids=["a"])
    start = {"resume_after": head} if resume else {}
    with watching(stubs, selector=chosen, stop_when_finished=True, **start) as watch:
        watch.next()
        steady.finish.set()
        closing = watch.next_of("closing")
        assert closing.closing.reason == watch_pb2.WATCH_CLOSE_REASON_FINISHED
        assert watch.is_at_end()


@pytest.mark.parametrize("resume", [False, True], ids=["from_now", "resume"])
def test_w21_jobs_that_had_ended_before_are_not_waited_for(
    stubs: Stubs, resume: bool
) -> None:
    create(stubs, job_id="a")
    finished(stubs, "a")
    head = cursor_of(stubs)
    start = {"resume_after": head} if resume else {"from_now": from_now()}
    chosen = watch_pb2.JobSelector(job_ids=["a"])
    with watching(stubs, selector=chosen, stop_when_finished=True, **start) as watch:
        closing = watch.next_of("closing")
        assert closing.closing.reason == watch_pb2.WATCH_CLOSE_REASON_FINISHED
        assert watch.is_at_end()


def test_w22_a_bad_request_is_refused_for_good(stubs: Stubs) -> None:
    with watching(stubs, heartbeat_interval=seconds(-1)) as watch:
        told = refusal(watch.next)
    assert told.code is grpc.StatusCode.INVALID_ARGUMENT
    assert told.info.metadata["firstField"] == "heartbeat_interval"


def test_w22_a_daemon_that_dies_ends_a_stream_as_unavailable(
    daemon: LocalDaemon, stubs: Stubs, place: Place
) -> None:
    stubs.close()
    assert place.state.exists()
    other = daemon.connect()
    watch = Watching(other, watch_pb2.WatchJobsRequest(from_now=from_now()))
    watch.next()
    other.close()
    with pytest.raises(grpc.RpcError):
        watch.next()


def test_w23_too_many_watches_are_refused_at_once(open_daemon: Open) -> None:
    daemon = open_daemon(sections={"watch": WatchSettings(most=2, most_per_client=2)})
    stubs = daemon.connect()
    with (
        watching(stubs, from_now=from_now()) as one,
        watching(stubs, from_now=from_now()) as two,
    ):
        one.next()
        two.next()
        with watching(stubs, from_now=from_now()) as three:
            told = refusal(three.next)
    assert told.code is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert told.reason == "WATCH_LIMIT"
    assert told.info.metadata["limitName"] == "watch_count"
    assert told.detail(error_details_pb2.RetryInfo).retry_delay.seconds > 0
    stubs.close()


def test_a_watch_that_goes_gives_its_place_back(open_daemon: Open) -> None:
    daemon = open_daemon(sections={"watch": WatchSettings(most=1, most_per_client=1)})
    stubs = daemon.connect()
    gate = Gate()
    gate.open.set()
    for _ in range(5):
        with watching(stubs, from_now=from_now()) as watch:
            # The server may not have heard of the last one's end yet.
            while refused(watch):
                watch.close()
                watch = Watching(stubs, watch_pb2.WatchJobsRequest(from_now=from_now()))
            watch.close()
    stubs.close()


def connect_narrow(daemon: LocalDaemon) -> Stubs:
    """Without probing, a client that does not read takes 64 KiB and no more."""
    options = [("grpc.http2.bdp_probe", 0)]
    return Stubs(grpc.insecure_channel(daemon.addresses[0], options=options))


def refused(watch: Watching) -> bool:
    try:
        watch.next()
    except grpc.RpcError:
        return True
    return False
