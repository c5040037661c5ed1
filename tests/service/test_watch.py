"""WatchJobs: the normative rules W1 to W18, by number, through a real socket; the rest
are in test_watch_ends."""

import threading
from itertools import pairwise

import grpc
import pytest

from longshore.v1 import job_pb2, watch_pb2
from longshore.v1 import job_service_pb2 as pb
from longshored.drivers.base import Context
from longshored.job.spec import PullStatus
from tests.service.conftest import Open
from tests.support.calls import (
    create,
    finished,
    from_now,
    refusal,
    seconds,
    wait,
    watching,
)
from tests.support.daemon import LocalDaemon, Stubs
from tests.support.drivers import Scripted, Steady
from tests.support.streams import FAST_TUNING, SHORT_LOG, cursor_of, revisions


def is_end(event: watch_pb2.JobEvent) -> bool:
    return event.job.HasField("end_time")


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
    with watching(stubs, omit_progress=True) as watch:
        shown = watch.next_of("snapshot").snapshot.jobs
    assert {job.job_id: job.progress.current for job in shown} == {"one": 60, "two": 60}
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
