"""WatchJobs: the normative rules W1 to W23, by number, through a real socket."""

import threading
from dataclasses import replace
from itertools import pairwise

import grpc
import pytest
from google.rpc import error_details_pb2

from longshore.v1 import job_pb2, watch_pb2
from longshore.v1 import job_service_pb2 as pb
from longshored.app.daemon import Tuning
from longshored.config.settings import WatchSettings
from longshored.drivers.base import Context
from longshored.job.spec import PullStatus
from longshored.service.watchers import Clamp, Pace
from longshored.store.retain import Retention
from tests.service.conftest import Open
from tests.support.calls import (
    Watching,
    create,
    finished,
    from_now,
    refusal,
    seconds,
    wait,
    watching,
)
from tests.support.daemon import LocalDaemon, Place, Stubs
from tests.support.drivers import Gate, Scripted, Steady

FAST = Pace(heartbeat=Clamp(0.01, 0.05, 1.0), progress=Clamp(0.005, 0.02, 1.0))
FAST_TUNING = Tuning(pace=FAST)
SHORT_LOG = Tuning(
    pace=FAST, event_log=Retention(fewest=4, shortest=0, most=8), memory_log=2
)
LARGE = {f"k{n}": "v" * 250 for n in range(32)}  # labels of a job


def cursor_of(stubs: Stubs) -> watch_pb2.Cursor:
    """The head now."""
    return stubs.jobs.ListJobs(pb.ListJobsRequest(page_size=1)).cursor


def revisions(events: list[watch_pb2.JobEvent]) -> list[int]:
    return [event.revision for event in events]


def is_end(event: watch_pb2.JobEvent) -> bool:
    return event.job.HasField("end_time")


def working(driver: Scripted, name: str = "disk") -> Steady:
    """Jobs on an image work until they are told to finish."""
    steady = Steady()
    driver.script(name, run=steady)
    return steady


def test_w01_every_change_is_one_revision_and_of_one_job(stubs: Stubs) -> None:
    with watching(stubs, from_now=from_now()) as watch:
        start = watch.next().cursor.revision
        create(stubs, job_id="a")
        seen = watch.events_until(is_end)
    assert revisions(seen) == list(range(start + 1, start + 1 + len(seen)))


def test_w02_an_answer_follows_its_change(stubs: Stubs) -> None:
    job = create(stubs, job_id="a")
    assert stubs.jobs.GetJob(pb.GetJobRequest(job_id="a")).job.revision >= job.revision
    assert cursor_of(stubs).revision >= job.revision


def test_w03_progress_moves_no_revision(open_daemon: Open, driver: Scripted) -> None:
    def run(context: Context) -> None:
        context.meter.expect(1000)
        for step in range(10):
            context.meter.done(step * 10, 10)
            context.save(b"%d" % step, PullStatus(published_bytes=step * 10 + 10))
        steady(context)

    steady = Steady()
    driver.script("disk", run=run)
    stubs = open_daemon(tuning=FAST_TUNING).connect()
    create(stubs, job_id="a")
    running = wait(stubs, "a", job_pb2.JOB_STATE_RUNNING)
    assert steady.begun.wait(10)
    with watching(stubs, from_now=from_now()) as watch:
        sample = watch.next_of("progress")
    assert sample.progress.samples[0].progress.current == 100
    assert cursor_of(stubs).revision == running.revision
    # Whoever asks is told of it all the same.
    got = stubs.jobs.GetJob(pb.GetJobRequest(job_id="a")).job
    waited = stubs.jobs.WaitJob(
        pb.WaitJobRequest(job_id="a", states=[job_pb2.JOB_STATE_RUNNING])
    ).job
    (listed,) = stubs.jobs.ListJobs(pb.ListJobsRequest()).jobs
    for job in (got, waited, listed):
        assert job.revision == running.revision
        assert job.progress.current == 100
        assert job.info.block.pull.status.published_bytes == 100
    steady.finish.set()
    stubs.close()


def test_w04_a_cursor_names_its_history(stubs: Stubs, daemon: LocalDaemon) -> None:
    other = watch_pb2.Cursor(history_id="another", revision=0)
    with watching(stubs, resume_after=other) as watch:
        told = watch.ended()
    assert told.code is grpc.StatusCode.OUT_OF_RANGE
    assert told.reason == "HISTORY_CHANGED"
    assert told.info.metadata["historyId"] == cursor_of(stubs).history_id


def test_w05_resume_after_is_exclusive(stubs: Stubs) -> None:
    created = create(stubs, job_id="a")
    finished(stubs, "a")
    after = watch_pb2.Cursor(
        history_id=cursor_of(stubs).history_id, revision=created.revision
    )
    with watching(stubs, resume_after=after) as watch:
        assert watch.events(1)[0].revision == created.revision + 1


def test_w06_every_frame_after_the_snapshot_carries_the_cursor(
    open_daemon: Open,
) -> None:
    stubs = open_daemon(tuning=FAST_TUNING).connect()
    create(stubs, job_id="a")
    finished(stubs, "a")
    with watching(stubs) as watch:
        before = [watch.next(), watch.next()]
        end = watch.next()
        create(stubs, job_id="b")
        after = [watch.next_of("events"), watch.next_of("bookmark")]
    assert [frame.HasField("cursor") for frame in before] == [False, False]
    assert end.WhichOneof("frame") == "snapshot_end"
    assert all(frame.HasField("cursor") for frame in [end, *after])
    stubs.close()


def test_w07_without_a_start_comes_a_snapshot_then_every_later_change(
    stubs: Stubs,
) -> None:
    for name in ("a", "b", "c"):
        create(stubs, job_id=name)
        finished(stubs, name)
    with watching(stubs) as watch:
        assert watch.next().WhichOneof("frame") == "opened"
        shown = watch.next_of("snapshot").snapshot.jobs
        end = watch.next_of("snapshot_end")
        create(stubs, job_id="d")
        first = watch.events(1)[0]
    assert {job.job_id for job in shown} == {"a", "b", "c"}
    assert end.snapshot_end.job_count == 3
    assert end.cursor.revision == max(job.revision for job in shown)
    assert first.revision == end.cursor.revision + 1


def test_w08_resume_sends_every_change_after_the_cursor(stubs: Stubs) -> None:
    start = cursor_of(stubs)
    for name in ("a", "b"):
        create(stubs, job_id=name)
        finished(stubs, name)
    head = cursor_of(stubs).revision
    with watching(stubs, resume_after=start) as watch:
        opened = watch.next()
        seen = watch.events_until(lambda event: event.revision == head)
    assert opened.cursor == start
    assert revisions(seen) == list(range(start.revision + 1, head + 1))


def test_w09_from_now_opens_with_the_head_and_sends_what_follows(stubs: Stubs) -> None:
    create(stubs, job_id="a")
    finished(stubs, "a")
    head = cursor_of(stubs)
    with watching(stubs, from_now=from_now()) as watch:
        opened = watch.next()
        create(stubs, job_id="b")
        first = watch.events(1)[0]
    assert opened.WhichOneof("frame") == "opened"
    assert opened.cursor == head
    assert first.job.job_id == "b"


def test_w10_every_page_carries_the_head_of_the_first_page(stubs: Stubs) -> None:
    for name in ("a", "b", "c"):
        create(stubs, job_id=name)
        finished(stubs, name)
    first = stubs.jobs.ListJobs(pb.ListJobsRequest(page_size=1))
    create(stubs, job_id="d")
    finished(stubs, "d")
    second = stubs.jobs.ListJobs(
        pb.ListJobsRequest(page_size=1, page_token=first.next_page_token)
    )
    assert second.cursor == first.cursor
    assert second.jobs[0].job_id == "b"


def test_w11_revisions_grow_strictly_and_each_comes_once(stubs: Stubs) -> None:
    with watching(stubs, from_now=from_now()) as watch:
        for number in range(20):
            create(stubs, f"disk{number}", job_id=f"job-{number}")
        for number in range(20):
            finished(stubs, f"job-{number}")
        head = cursor_of(stubs).revision
        seen = watch.events_until(lambda event: event.revision == head)
    assert all(before < after for before, after in pairwise(revisions(seen)))
    assert len(seen) == len(set(revisions(seen)))


def test_w12_resuming_after_the_last_cursor_processed_misses_and_repeats_nothing(
    stubs: Stubs,
) -> None:
    seen: list[int] = []
    after = start = cursor_of(stubs)
    for number in range(6):
        with watching(stubs, resume_after=after) as watch:
            watch.next()
            create(stubs, f"disk{number}", job_id=f"job-{number}")
            frame = watch.next_of("events")
        seen += revisions(list(frame.events.events))
        after = frame.cursor
    assert seen == list(range(start.revision + 1, after.revision + 1))


def test_w13_every_event_carries_the_full_job(stubs: Stubs) -> None:
    with watching(stubs, from_now=from_now()) as watch:
        create(stubs, job_id="a", labels={"k": "v"})
        seen = watch.events_until(is_end)
        stubs.jobs.DismissJob(pb.DismissJobRequest(job_id="a"))
        removed = watch.events(1)[0]
    assert seen[0].kind == watch_pb2.JOB_EVENT_KIND_CREATED
    assert seen[0].previous_state == job_pb2.JOB_STATE_UNSPECIFIED
    assert {event.kind for event in seen[1:]} == {watch_pb2.JOB_EVENT_KIND_UPDATED}
    assert removed.kind == watch_pb2.JOB_EVENT_KIND_REMOVED
    assert removed.previous_state == job_pb2.JOB_STATE_SUCCEEDED
    for event in [*seen, removed]:
        assert event.job.job_id == "a"
        assert event.job.labels == {"k": "v"}
        assert event.job.info.block.pull.spec.top.uri == "/images/disk.qcow2"
        assert event.job.revision == event.revision


def test_w14_no_progress_follows_the_end_of_a_job(
    open_daemon: Open, driver: Scripted
) -> None:
    steady = Steady()

    def run(context: Context) -> None:
        context.meter.expect(1 << 30)
        done = threading.Event()

        def count() -> None:
            step = 0
            while not done.wait(0.001):
                step += 1
                context.meter.done(step * 10, 10)

        counter = threading.Thread(target=count)
        counter.start()
        try:
            steady(context)
        finally:
            done.set()
            counter.join()

    driver.script("disk", run=run)
    stubs = open_daemon(tuning=FAST_TUNING).connect()
    with watching(
        stubs, from_now=from_now(), progress_interval=seconds(0.005)
    ) as watch:
        create(stubs, job_id="a")
        watch.next_of("progress")
        watch.next_of("progress")
        steady.finish.set()
        kinds: list[str | None] = []
        while kinds.count("bookmark") < 3:
            frame = watch.next()
            kinds.append(frame.WhichOneof("frame"))
            if kinds[-1] == "events" and any(map(is_end, frame.events.events)):
                kinds.clear()
    assert "progress" not in kinds
    stubs.close()


def test_w15_a_stream_begins_with_the_newest_progress_of_every_running_job(
    open_daemon: Open, driver: Scripted
) -> None:
    steadies = []
    for name in ("one", "two"):
        steady = Steady()
        steadies.append(steady)

        def run(context: Context, steady: Steady = steady) -> None:
            context.meter.expect(100)
            context.meter.done(0, 60)
            steady(context)

        driver.script(name, run=run)
    stubs = open_daemon(tuning=FAST_TUNING).connect()
    for name, steady in zip(("one", "two"), steadies, strict=True):
        create(stubs, name, job_id=name)
        assert steady.begun.wait(10)
    with watching(stubs, from_now=from_now()) as watch:
        first = watch.next_of("progress").progress.samples
    with watching(stubs, from_now=from_now(), omit_progress=True) as quiet:
        quiet.next()
        kinds = {quiet.next().WhichOneof("frame") for _ in range(4)}
    assert {one.job_id: one.progress.current for one in first} == {"one": 60, "two": 60}
    assert all(one.progress.HasField("sample_time") for one in first)
    assert kinds == {"bookmark"}
    for steady in steadies:
        steady.finish.set()
    stubs.close()


def test_w15_an_interval_is_clamped_and_told(stubs: Stubs) -> None:
    with watching(
        stubs, from_now=from_now(), progress_interval=seconds(0.001)
    ) as watch:
        assert watch.next().opened.progress_interval == seconds(0.1)


def test_w16_silence_is_broken_by_bookmarks_that_move_the_cursor(
    open_daemon: Open,
) -> None:
    stubs = open_daemon(tuning=FAST_TUNING).connect()
    chosen = watch_pb2.JobSelector(job_ids=["other"])
    with watching(stubs, from_now=from_now(), selector=chosen) as watch:
        opened = watch.next()
        create(stubs, job_id="a")
        head = finished(stubs, "a").revision
        while (frame := watch.next()).cursor.revision < head:
            assert frame.WhichOneof("frame") == "bookmark"
    interval = opened.opened.heartbeat_interval.ToMilliseconds()
    assert 45 <= interval <= 55
    stubs.close()


def test_w16_a_heartbeat_is_clamped(stubs: Stubs) -> None:
    with watching(
        stubs, from_now=from_now(), heartbeat_interval=seconds(3600)
    ) as watch:
        told = watch.next().opened.heartbeat_interval.ToMilliseconds()
    assert 54_000 <= told <= 66_000


@pytest.mark.parametrize(
    "chosen",
    [
        watch_pb2.JobSelector(job_ids=["wanted"]),
        watch_pb2.JobSelector(labels={"vm": "7"}),
        watch_pb2.JobSelector(job_types=["block.*"], labels={"vm": "7"}),
    ],
    ids=["by name", "by label", "by kind and label"],
)
def test_w17_a_selector_chooses_by_what_never_changes(
    stubs: Stubs, chosen: watch_pb2.JobSelector
) -> None:
    with watching(stubs, from_now=from_now(), selector=chosen) as watch:
        create(stubs, "x", job_id="foreign", labels={"vm": "8"})
        create(stubs, "y", job_id="wanted", labels={"vm": "7"})
        seen = watch.events_until(is_end)
    assert {event.job.job_id for event in seen} == {"wanted"}


def test_w17_a_selective_snapshot_holds_only_what_is_selected(stubs: Stubs) -> None:
    create(stubs, "x", job_id="a", labels={"vm": "7"})
    create(stubs, "y", job_id="b")
    chosen = watch_pb2.JobSelector(labels={"vm": "7"})
    with watching(stubs, selector=chosen) as watch:
        shown = watch.next_of("snapshot").snapshot.jobs
        assert watch.next_of("snapshot_end").snapshot_end.job_count == 1
    assert [job.job_id for job in shown] == ["a"]


def test_w18_resuming_below_the_log_is_refused_before_any_frame(
    open_daemon: Open,
) -> None:
    stubs = open_daemon(tuning=SHORT_LOG).connect()
    start = cursor_of(stubs)
    for number in range(8):
        create(stubs, job_id=f"job-{number}")
        finished(stubs, f"job-{number}")
    with watching(stubs, resume_after=start) as watch:
        told = refusal(watch.next)
    assert told.code is grpc.StatusCode.OUT_OF_RANGE
    assert told.reason == "REVISION_COMPACTED"
    assert int(told.info.metadata["oldestRevision"]) > 1
    assert int(told.info.metadata["headRevision"]) == cursor_of(stubs).revision
    stubs.close()


def test_w18_the_oldest_revision_told_can_be_resumed_after(open_daemon: Open) -> None:
    stubs = open_daemon(tuning=SHORT_LOG).connect()
    for number in range(8):
        create(stubs, job_id=f"job-{number}")
        finished(stubs, f"job-{number}")
    with watching(stubs, from_now=from_now()) as watch:
        oldest = watch.next().opened.oldest_revision
    head = cursor_of(stubs)
    after = watch_pb2.Cursor(history_id=head.history_id, revision=oldest)
    with watching(stubs, resume_after=after) as watch:
        seen = watch.events_until(lambda event: event.revision == head.revision)
    assert revisions(seen) == list(range(oldest + 1, head.revision + 1))
    stubs.close()


def test_w18_a_cursor_ahead_of_the_store_is_refused(stubs: Stubs) -> None:
    head = cursor_of(stubs)
    ahead = watch_pb2.Cursor(history_id=head.history_id, revision=head.revision + 9)
    with watching(stubs, resume_after=ahead) as watch:
        told = refusal(watch.next)
    assert told.code is grpc.StatusCode.OUT_OF_RANGE
    assert told.reason == "REVISION_IN_FUTURE"


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
