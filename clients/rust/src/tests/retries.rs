//! When a call is tried again.

use std::time::Duration;

use tonic::Code;

use super::error;
use crate::ask::{BACKOFF, BACKOFF_MAX, RETRY_DELAY_MAX};
use crate::error::Error;

fn failed() -> Error {
    Error::ConnectionFailed("refused".into())
}

#[test]
fn the_backoff_doubles_up_to_a_second() {
    for (attempt, ceiling) in [(1, BACKOFF), (2, BACKOFF * 2), (4, BACKOFF * 8), (40, BACKOFF_MAX)]
    {
        let delay = failed().retry_delay(attempt).unwrap();
        assert!(ceiling / 2 <= delay && delay <= ceiling, "{attempt}: {delay:?}");
    }
}

#[test]
fn a_daemon_that_starts_is_asked_again() {
    assert!(error(Code::Unavailable, "SERVER_STARTING", None).retry_delay(1).is_some());
}

#[test]
fn what_would_not_help_is_not_tried_again() {
    assert_eq!(error(Code::NotFound, "JOB_NOT_FOUND", None).retry_delay(1), None);
    assert_eq!(error(Code::ResourceExhausted, "JOB_LIMIT", None).retry_delay(1), None);
    assert_eq!(Error::DeadlineExceeded("late".into()).retry_delay(1), None);
}

#[test]
fn the_delay_that_the_daemon_names_is_kept() {
    let told = |delay| error(Code::ResourceExhausted, "RATE_LIMIT", Some(delay)).retry_delay(1);
    assert_eq!(told(Duration::from_secs(2)), Some(Duration::from_secs(2)));
    assert_eq!(told(Duration::ZERO), Some(BACKOFF));
    assert_eq!(told(RETRY_DELAY_MAX + Duration::from_millis(1)), None);
}

#[test]
fn a_full_disk_is_not_tried_again_whatever_is_said() {
    let full = error(Code::ResourceExhausted, "NO_SPACE", Some(Duration::from_secs(1)));
    assert_eq!(full.retry_delay(1), None);
}
