"""The watch without a wire: what frames mean, when to come back, when to give up."""

from collections.abc import Callable

import pytest

from longshore import (
    ConnectionFailed,
    DeadlineExceeded,
    Event,
    HistoryGone,
    HistoryLost,
    InvalidRequest,
    LimitReached,
    LongshoreError,
    PermissionDenied,
    Progress,
    Resynced,
    ServiceError,
    Snapshot,
    Unavailable,
    Unsupported,
)
from longshore.v1 import job_pb2, watch_pb2
from longshore.watch import (
    BACKOFF_MAX_SECONDS,
    BACKOFF_SECONDS,
    FIRST_FRAME_SECONDS,
    HEALTHY_SECONDS,
    Finished,
    Value,
    Watcher,
    selector,
)
from tests.support.refusals import Code, Frame, closing, opened, whole

GONE = HistoryGone(Code.OUT_OF_RANGE, "gone", reason="REVISION_COMPACTED")


def cursor(revision: int) -> watch_pb2.Cursor:
    return watch_pb2.Cursor(history_id="h", revision=revision)


def watcher(**how: object) -> Watcher:
    return Watcher(selector(), **how)  # type: ignore[arg-type]  # as How has it


def events(*revisions: int) -> Frame:
    batch = watch_pb2.JobEventBatch(
        events=[
            watch_pb2.JobEvent(
                kind=watch_pb2.JOB_EVENT_KIND_UPDATED,
                revision=revision,
                job=job_pb2.Job(job_id="a"),
            )
            for revision in revisions
        ]
    )
    return Frame(cursor=cursor(revisions[-1]), events=batch)


def feed(watch: Watcher, *frames: Frame) -> list[Value]:
    return [value for frame in frames for value in watch.frame(frame)]


def again(watch: Watcher, end: Callable[[], float]) -> None:
    for _ in range(1000):
        watch.request()
        end()


def revisions(values: list[Value]) -> list[int]:
    return [value.revision for value in values if isinstance(value, Event)]


def test_a_watch_begins_with_a_snapshot() -> None:
    assert watcher().request().WhichOneof("start") is None


def test_a_watch_begins_now_if_asked_to() -> None:
    request = watcher(from_now=True).request()
    assert request.WhichOneof("start") == "from_now"


def test_a_watch_goes_on_after_its_cursor() -> None:
    request = watcher(cursor=cursor(7)).request()
    assert request.resume_after == cursor(7)


def test_what_was_asked_for_is_sent() -> None:
    watch = watcher(
        omit_progress=True,
        stop_when_finished=True,
        progress_interval=0.5,
        heartbeat_interval=2,
    )
    request = watch.request()
    assert request.omit_progress
    assert request.stop_when_finished
    assert request.progress_interval.ToTimedelta().total_seconds() == 0.5
    assert request.heartbeat_interval.ToTimedelta().total_seconds() == 2


def test_a_snapshot_is_told_when_it_is_whole() -> None:
    watch = watcher()
    chunk, end = whole(cursor(5), [job_pb2.Job(job_id="a")])
    assert feed(watch, opened(), chunk, chunk) == []
    (snapshot,) = feed(watch, end)
    assert isinstance(snapshot, Snapshot)
    assert [job.job_id for job in snapshot.jobs] == ["a", "a"]
    assert snapshot.cursor == watch.cursor == cursor(5)


def test_a_snapshot_that_breaks_off_begins_anew() -> None:
    watch = watcher()
    chunk, end = whole(cursor(5), [job_pb2.Job(job_id="a")])
    feed(watch, opened(), chunk)
    assert watch.request().WhichOneof("start") is None
    (snapshot,) = feed(watch, opened(), chunk, end)
    assert isinstance(snapshot, Snapshot)
    assert len(snapshot.jobs) == 1


def test_changes_that_were_told_are_not_told_again() -> None:
    watch = watcher(cursor=cursor(5))
    told = feed(watch, events(6, 7), events(6, 7, 8), events(8), events(4))
    assert revisions(told) == [6, 7, 8]


def test_a_value_that_nobody_took_is_told_again() -> None:
    watch = watcher(cursor=cursor(5))
    values = watch.frame(events(6, 7, 8))
    next(values)
    next(values)
    assert watch.request().resume_after == cursor(6)


def test_a_change_has_a_cursor_that_includes_it() -> None:
    watch = watcher(cursor=cursor(5))
    first = next(watch.frame(events(6, 7)))
    assert isinstance(first, Event)
    assert first.cursor == cursor(6)


def test_a_bookmark_moves_the_cursor() -> None:
    watch = watcher(cursor=cursor(5))
    assert feed(watch, Frame(cursor=cursor(9), bookmark=watch_pb2.Bookmark())) == []
    assert watch.cursor == cursor(9)


def test_an_older_cursor_does_not_move_it_back() -> None:
    watch = watcher(cursor=cursor(5))
    feed(watch, Frame(cursor=cursor(3), bookmark=watch_pb2.Bookmark()))
    assert watch.cursor == cursor(5)


def test_progress_is_told_sample_by_sample() -> None:
    batch = watch_pb2.ProgressBatch(
        samples=[watch_pb2.ProgressSample(job_id=name) for name in "ab"]
    )
    values = feed(watcher(cursor=cursor(5)), Frame(progress=batch))
    assert [one.job_id for one in values if isinstance(one, Progress)] == ["a", "b"]


def test_a_frame_that_is_newer_than_this_client_is_skipped() -> None:
    frame = Frame(cursor=cursor(9))
    frame.MergeFromString(bytes([0xFA, 0x01, 0x00]))  # field 31
    watch = watcher(cursor=cursor(5))
    assert feed(watch, frame) == []
    assert watch.cursor == cursor(9)


def test_an_event_of_a_kind_that_is_newer_than_this_client_is_told() -> None:
    frame = events(6)
    frame.events.events[0].kind = 77  # type: ignore[assignment]  # open enum
    (event,) = feed(watcher(cursor=cursor(5)), frame)
    assert isinstance(event, Event)
    assert event.kind == "77"


def test_the_planned_end_ends_the_watch() -> None:
    watch = watcher(cursor=cursor(5))
    with pytest.raises(Finished):
        feed(watch, closing("FINISHED", cursor(8)))
    assert watch.cursor == cursor(8)


@pytest.mark.parametrize("reason", ["SHUTDOWN", "MAX_AGE", "UNSPECIFIED"])
def test_another_planned_end_is_come_back_from_when_it_says(reason: str) -> None:
    watch = watcher(cursor=cursor(5))
    watch.request()
    assert feed(watch, closing(reason, cursor(8), delay=2.5)) == []
    assert 2.5 <= watch.closed(lived=1) <= 2.5 + BACKOFF_SECONDS
    assert watch.request().resume_after == cursor(8)


def test_a_delay_is_for_once() -> None:
    watch = watcher(cursor=cursor(5))
    feed(watch, closing("SHUTDOWN", delay=60))
    watch.closed(lived=1)
    watch.request()
    assert watch.failed(ConnectionFailed(), lived=1) < 60


def test_silence_is_three_heartbeats() -> None:
    watch = watcher()
    watch.request()
    assert watch.silence == FIRST_FRAME_SECONDS
    feed(watch, opened(heartbeat=2))
    assert watch.silence == 6


def test_a_heartbeat_that_is_not_told_changes_nothing() -> None:
    watch = watcher()
    feed(watch, opened(heartbeat=0))
    assert watch.silence == FIRST_FRAME_SECONDS


@pytest.mark.parametrize(
    "error",
    [
        ConnectionFailed(),
        DeadlineExceeded(),
        Unavailable(Code.UNAVAILABLE, "", reason="SERVER_STOPPING"),
    ],
)
def test_a_line_that_breaks_is_come_back_from(error: LongshoreError) -> None:
    assert 0 <= watcher(cursor=cursor(5)).failed(error, lived=1) <= BACKOFF_SECONDS


@pytest.mark.parametrize(
    "error",
    [
        PermissionDenied(Code.PERMISSION_DENIED, ""),
        PermissionDenied(Code.UNAUTHENTICATED, ""),
        InvalidRequest(Code.INVALID_ARGUMENT, ""),
        Unsupported(Code.UNIMPLEMENTED, ""),
        ServiceError(Code.UNIMPLEMENTED, ""),
        ServiceError(Code.FAILED_PRECONDITION, "", reason="NEW_REASON"),
    ],
)
def test_what_would_not_get_better_is_raised(error: LongshoreError) -> None:
    with pytest.raises(type(error)):
        watcher(cursor=cursor(5)).failed(error, lived=1)


def test_a_limit_is_waited_out() -> None:
    limit = LimitReached(Code.RESOURCE_EXHAUSTED, "", retry_delay=5)
    assert 5 <= watcher().failed(limit, lived=0) <= 5 + BACKOFF_SECONDS


def test_the_pause_grows_and_stays_within_bounds() -> None:
    watch = watcher()
    # Far more failures than a float could double through.
    delays = [watch.failed(ConnectionFailed(), lived=0) for _ in range(2000)]
    assert max(delays) <= BACKOFF_MAX_SECONDS
    assert max(delays[50:]) > BACKOFF_MAX_SECONDS / 2
    assert max(delays[:3]) <= 4 * BACKOFF_SECONDS


def test_a_healthy_stream_begins_the_pauses_afresh() -> None:
    watch = watcher()
    for _ in range(20):
        watch.failed(ConnectionFailed(), lived=0)
    assert watch.failed(ConnectionFailed(), HEALTHY_SECONDS) <= BACKOFF_SECONDS


def test_lost_history_is_told_as_the_jobs_that_are_now() -> None:
    watch = watcher(cursor=cursor(5))
    assert watch.failed(GONE, lived=0) == 0
    assert watch.request().WhichOneof("start") is None
    values = feed(watch, opened(), *whole(cursor(9), [job_pb2.Job(job_id="b")]))
    (resynced,) = values
    assert isinstance(resynced, Resynced)
    assert resynced.cursor == watch.cursor == cursor(9)


def test_lost_history_is_told_even_if_the_new_snapshot_breaks_off() -> None:
    watch = watcher(cursor=cursor(5))
    watch.failed(GONE, lived=0)
    watch.request()
    watch.failed(ConnectionFailed(), lived=0)
    watch.request()
    (value,) = feed(watch, opened(), *whole(cursor(9)))
    assert isinstance(value, Resynced)


def test_lost_history_ends_a_strict_watch() -> None:
    with pytest.raises(HistoryLost):
        watcher(cursor=cursor(5), strict=True).failed(GONE, lived=0)


def test_lost_history_is_known_by_the_code_alone() -> None:
    newer = ServiceError(Code.OUT_OF_RANGE, "", reason="NEW_REASON")
    assert watcher(cursor=cursor(5)).failed(newer, lived=0) == 0


def test_a_daemon_that_has_lost_what_nobody_asked_for_is_not_asked_for_ever() -> None:
    with pytest.raises(HistoryGone):
        watcher().failed(GONE, lived=0)


def test_patience_ends_with_the_error() -> None:
    watch = watcher(patience=60)
    with pytest.raises(ConnectionFailed):
        again(watch, lambda: watch.failed(ConnectionFailed(), lived=1))


def test_patience_counts_only_the_time_without_frames() -> None:
    watch = watcher(cursor=cursor(5), patience=60)
    for _ in range(100):
        watch.request()
        feed(watch, opened())
        watch.failed(ConnectionFailed(), lived=3600)


def test_a_daemon_that_ends_every_watch_is_not_asked_for_ever() -> None:
    watch = watcher(patience=5)
    with pytest.raises(ConnectionFailed):
        again(watch, lambda: watch.closed(lived=0))
