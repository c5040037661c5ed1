//! Which error a status becomes.

use std::time::Duration;

use prost::Message as _;
use tonic::{Code, Status};

use super::{error, refusal};
use crate::error::Error;
use crate::v1::{ErrorReason, Job};

#[test]
fn every_reason_of_the_contract_has_an_arm() {
    for number in 1.. {
        let Ok(reason) = ErrorReason::try_from(number) else {
            assert!(number > 30);
            break;
        };
        let reason = reason.as_str_name().replace("ERROR_REASON_", "");
        assert_ne!(error(Code::Unknown, &reason, None).name(), "ServiceError", "{reason}");
    }
}

#[test]
fn a_reason_of_a_newer_daemon_is_a_plain_service_error() {
    let newer = error(Code::Aborted, "MOON_IN_THE_WAY", None);
    assert_eq!(newer.name(), "ServiceError");
    assert_eq!(newer.service().unwrap().reason, "MOON_IN_THE_WAY");
}

#[test]
fn all_that_the_daemon_said_is_kept() {
    let delay = Duration::from_millis(1500);
    let status = refusal(Code::FailedPrecondition, "TARGET_BUSY", Some(delay));
    let status = Status::with_details(
        Code::FailedPrecondition,
        status.message.clone(),
        status.encode_to_vec().into(),
    );
    let Error::TargetBusy(busy) = Error::from(status) else { panic!("another arm") };
    assert_eq!(busy.code, Code::FailedPrecondition);
    assert_eq!(busy.message, "Said the daemon");
    assert_eq!(busy.blocking_job_id(), "job-7");
    assert_eq!(busy.allowed_actions(), ["PAUSE", "CANCEL"]);
    assert_eq!(busy.field_violations[0].field, "info.block");
    assert_eq!(busy.retry_delay, Some(delay));
    assert_eq!(busy.request_id, "call-1");
}

#[test]
fn without_the_word_of_the_daemon_it_is_the_transport() {
    for code in [Code::Unavailable, Code::Internal, Code::Unknown, Code::Cancelled] {
        assert_eq!(Error::from(Status::new(code, "")).name(), "ConnectionFailed");
    }
    assert_eq!(Error::from(Status::deadline_exceeded("")).name(), "DeadlineExceeded");
    assert_eq!(Error::from(Status::permission_denied("a proxy")).name(), "ServiceError");
}

#[test]
fn details_that_cannot_be_read_are_left_out() {
    let garbled = Status::with_details(Code::NotFound, "gone", vec![0xff; 9].into());
    let error = Error::from(garbled);
    assert_eq!(error.service().unwrap().code, Code::NotFound);
}

#[test]
fn a_failed_job_names_its_cause() {
    let said = refusal(Code::DataLoss, "IO_ERROR", None);
    let job = Job { job_id: "job-1".into(), error: Some(said), ..Default::default() };
    let failed = Error::JobFailed(job.into());
    assert_eq!(failed.to_string(), "Job job-1: Said the daemon");
    assert_eq!(failed.cause().unwrap().name(), "DataLoss");
}

#[test]
fn a_job_that_does_not_say_why_has_no_cause() {
    let failed = Error::JobFailed(Job { job_id: "job-1".into(), ..Default::default() }.into());
    assert_eq!(failed.to_string(), "Job job-1: did not succeed");
    assert!(failed.cause().is_none());
}
