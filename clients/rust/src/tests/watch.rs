//! What a watch does with frames and with the ends of streams.

use std::time::Duration;

use tonic::Code;

use super::{cursor, error};
use crate::error::Error;
use crate::v1::watch_jobs_request::Start;
use crate::v1::watch_jobs_response::Frame;
use crate::v1::{
    Bookmark, Cursor, Job, JobEvent, JobEventBatch, SnapshotChunk, SnapshotEnd, WatchCloseReason,
    WatchClosing, WatchJobsResponse, WatchOpened,
};
use crate::watch::{Value, WatchOptions, Watcher};

const SHORT: Duration = Duration::from_millis(5);

/// Always the whole backoff.
fn watcher(options: WatchOptions) -> Watcher {
    Watcher::new(options, || 1.0)
}

fn resuming(revision: i64) -> Watcher {
    watcher(WatchOptions { cursor: Some(cursor(revision)), ..Default::default() })
}

/// Feeds a frame as the stream does: what it told, and whether it was the last.
fn feed(watcher: &mut Watcher, at: Option<Cursor>, frame: Frame) -> (Vec<Value>, bool) {
    let (told, is_last) = watcher.frame(WatchJobsResponse { cursor: at, frame: Some(frame) });
    let mut values = Vec::new();
    for (value, cursor) in told {
        values.extend(value);
        watcher.advance(cursor);
    }
    (values, is_last)
}

fn events(revisions: &[i64]) -> Frame {
    let event = |revision: &i64| JobEvent { revision: *revision, ..Default::default() };
    Frame::Events(JobEventBatch { events: revisions.iter().map(event).collect() })
}

fn revisions(values: &[Value]) -> Vec<i64> {
    let of = |value: &Value| match value {
        Value::Event { event, .. } => event.revision,
        other => panic!("{other:?} is no event"),
    };
    values.iter().map(of).collect()
}

fn chunk(job_id: &str) -> Frame {
    let job = Job { job_id: job_id.into(), ..Default::default() };
    Frame::Snapshot(SnapshotChunk { jobs: vec![job] })
}

fn gone() -> Error {
    error(Code::OutOfRange, "REVISION_COMPACTED", None)
}

fn lost() -> Error {
    Error::ConnectionFailed("cut".into())
}

#[test]
fn a_snapshot_is_told_once_and_whole() {
    let mut watcher = watcher(WatchOptions::default());
    assert!(watcher.request().start.is_none());
    assert_eq!(feed(&mut watcher, None, chunk("a")).0, []);
    assert_eq!(feed(&mut watcher, None, chunk("b")).0, []);
    let end = Frame::SnapshotEnd(SnapshotEnd { job_count: 2 });
    let (values, _) = feed(&mut watcher, Some(cursor(4)), end);
    let [Value::Snapshot { jobs, cursor: at }] = values.as_slice() else { panic!("{values:?}") };
    assert_eq!((jobs.len(), at), (2, &cursor(4)));
    assert_eq!(watcher.request().start, Some(Start::ResumeAfter(cursor(4))));
}

#[test]
fn half_a_snapshot_is_forgotten_when_the_stream_ends() {
    let mut watcher = watcher(WatchOptions::default());
    feed(&mut watcher, None, chunk("a"));
    watcher.request();
    let (values, _) =
        feed(&mut watcher, Some(cursor(1)), Frame::SnapshotEnd(SnapshotEnd::default()));
    assert_eq!(values, [Value::Snapshot { jobs: vec![], cursor: cursor(1) }]);
}

#[test]
fn what_was_seen_is_dropped() {
    let mut watcher = resuming(5);
    let (values, _) = feed(&mut watcher, Some(cursor(7)), events(&[4, 5, 6, 6, 7]));
    assert_eq!(revisions(&values), [6, 7]);
    assert_eq!(feed(&mut watcher, Some(cursor(7)), events(&[7])).0, []);
}

#[test]
fn the_cursor_follows_what_was_taken_within_a_frame() {
    let mut watcher = resuming(5);
    let frame = WatchJobsResponse { cursor: Some(cursor(7)), frame: Some(events(&[6, 7])) };
    let (told, _) = watcher.frame(frame);
    assert_eq!(watcher.request().start, Some(Start::ResumeAfter(cursor(5))));
    watcher.advance(told[0].1.clone());
    assert_eq!(watcher.request().start, Some(Start::ResumeAfter(cursor(6))));
}

#[test]
fn bookmarks_are_hidden_and_move_the_cursor() {
    let mut watcher = resuming(5);
    assert_eq!(feed(&mut watcher, Some(cursor(9)), Frame::Bookmark(Bookmark {})).0, []);
    assert_eq!(watcher.request().start, Some(Start::ResumeAfter(cursor(9))));
}

#[test]
fn a_frame_that_is_newer_than_this_client_is_a_bookmark() {
    let mut watcher = resuming(5);
    let frame = WatchJobsResponse { cursor: Some(cursor(6)), frame: None };
    let (told, is_last) = watcher.frame(frame);
    assert!(told.iter().all(|(value, _)| value.is_none()) && !is_last);
}

#[test]
fn silence_is_three_heartbeats() {
    let mut watcher = resuming(1);
    for (beat, silence) in [(1000, 3000), (1, 300), (0, 30_000)] {
        let beat = crate::ask::span(Duration::from_millis(beat));
        let opened = WatchOpened { heartbeat_interval: Some(beat), ..Default::default() };
        feed(&mut watcher, None, Frame::Opened(opened));
        assert_eq!(watcher.silence, Duration::from_millis(silence));
    }
    watcher.request();
    assert_eq!(watcher.silence, Duration::from_secs(30));
}

#[test]
fn the_planned_end_is_the_end() {
    let closing = WatchClosing { reason: WatchCloseReason::Finished.into(), ..Default::default() };
    assert!(feed(&mut resuming(1), Some(cursor(2)), Frame::Closing(closing)).1);
}

#[test]
fn a_daemon_that_goes_down_says_when_to_come_back() {
    let mut watcher = resuming(1);
    let retry_delay = Some(crate::ask::span(Duration::from_secs(2)));
    let closing = WatchClosing { reason: WatchCloseReason::Shutdown.into(), retry_delay };
    assert!(!feed(&mut watcher, None, Frame::Closing(closing)).1);
    assert_eq!(watcher.ended(None, SHORT).unwrap(), Duration::from_millis(2100));
}

#[test]
fn the_backoff_doubles_up_to_ten_seconds_and_starts_afresh() {
    let mut watcher = resuming(1);
    for tenths in [1, 2, 4, 8, 16, 32, 64, 100, 100] {
        let delay = watcher.ended(Some(lost()), SHORT).unwrap();
        assert_eq!(delay, Duration::from_millis(100 * tenths));
    }
    let delay = watcher.ended(Some(lost()), Duration::from_secs(30)).unwrap();
    assert_eq!(delay, Duration::from_millis(100));
}

#[test]
fn lost_history_is_told_as_resynced() {
    let mut watcher = resuming(5);
    assert_eq!(watcher.ended(Some(gone()), SHORT).unwrap(), Duration::ZERO);
    assert!(watcher.request().start.is_none());
    let end = Frame::SnapshotEnd(SnapshotEnd::default());
    let (values, _) = feed(&mut watcher, Some(cursor(3)), end);
    assert_eq!(values, [Value::Resynced { jobs: vec![], cursor: cursor(3) }]);
}

#[test]
fn lost_history_ends_a_strict_watch() {
    let options = WatchOptions { cursor: Some(cursor(5)), strict: true, ..Default::default() };
    let ended = watcher(options).ended(Some(gone()), SHORT);
    assert!(matches!(ended, Err(Error::HistoryLost(_))));
}

#[test]
fn what_would_not_help_ends_the_watch() {
    let refused = error(Code::InvalidArgument, "FIELD_INVALID", None);
    assert!(matches!(resuming(1).ended(Some(refused), SHORT), Err(Error::InvalidRequest(_))));
}

#[test]
fn a_limit_is_waited_for_if_the_daemon_says_how_long() {
    let limit = |delay| error(Code::ResourceExhausted, "WATCH_LIMIT", delay);
    let delay = resuming(1).ended(Some(limit(Some(Duration::from_secs(3)))), SHORT);
    assert_eq!(delay.unwrap(), Duration::from_millis(3100));
    assert!(resuming(1).ended(Some(limit(None)), SHORT).is_err());
}

#[test]
fn patience_ends_when_streams_bring_nothing() {
    let patience = Some(Duration::from_secs(1));
    let mut watcher = watcher(WatchOptions { patience, ..Default::default() });
    watcher.request();
    let half = Duration::from_millis(500);
    assert!(watcher.ended(Some(lost()), half).is_ok());
    feed(&mut watcher, None, chunk("a"));
    watcher.request();
    assert!(watcher.ended(Some(lost()), half).is_ok());
    watcher.request();
    assert!(watcher.ended(Some(lost()), half).is_err());
}
