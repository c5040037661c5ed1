//! Unit tests: no daemon needed, nothing waits.

mod address;
mod errors;
mod retries;
mod spawning;
mod units;
mod watch;

use std::collections::HashMap;
use std::time::Duration;

use prost::Message as _;
use tonic_types::{ErrorDetails, StatusExt as _, pb};

use crate::error::{DOMAIN, Error};
use crate::v1;

/// A status as the daemon would send it.
fn refusal(code: tonic::Code, reason: &str, retry_delay: Option<Duration>) -> pb::Status {
    let facts = [("blockingJobId", "job-7"), ("allowedActions", "PAUSE, CANCEL")];
    let facts: HashMap<_, _> = facts.map(|(key, fact)| (key.into(), fact.into())).into();
    let mut details = ErrorDetails::with_error_info(reason, DOMAIN, facts);
    details.set_request_info("call-1", "").add_bad_request_violation("info.block", "is missing");
    if retry_delay.is_some() {
        details.set_retry_info(retry_delay);
    }
    let status = tonic::Status::with_error_details(code, "Said the daemon", details);
    pb::Status::decode(status.details()).expect("just encoded")
}

fn error(code: tonic::Code, reason: &str, retry_delay: Option<Duration>) -> Error {
    Error::from_rpc(&refusal(code, reason, retry_delay)).expect("it holds an ErrorInfo")
}

fn cursor(revision: i64) -> v1::Cursor {
    v1::Cursor { history_id: "history-1".into(), revision }
}
