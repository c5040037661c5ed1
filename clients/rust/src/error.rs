//! What can go wrong, as arms to match.
//!
//! The reason decides the arm. A reason of a newer daemon is a plain
//! [`Error::ServiceError`], and so is an error that is not the daemon's own, of a proxy for
//! instance: its reason and domain are empty and only its code says something.

use std::{collections::HashMap, fmt, time::Duration};

use prost::Message as _;
use tonic::{Code, Status};
use tonic_types::{FieldViolation, RpcStatusExt as _, pb};

use crate::v1::Job;

/// The domain of every error of the daemon.
pub const DOMAIN: &str = "jobs.longshore";

/// What a call came to.
pub type Result<T> = std::result::Result<T, Error>;

/// An answer of the daemon that is an error.
#[derive(Debug, Clone)]
pub struct ServiceError {
    /// The status code of the call.
    pub code: Code,
    /// For people; everything variable in it is in `metadata` too.
    pub message: String,
    /// A name of the enum ErrorReason, without its prefix.
    pub reason: String,
    /// [`DOMAIN`], or empty if the daemon did not say it.
    pub domain: String,
    /// The facts of the message.
    pub metadata: HashMap<String, String>,
    /// Which fields of the request are wrong.
    pub field_violations: Vec<FieldViolation>,
    /// When to try again, if that makes sense.
    pub retry_delay: Option<Duration>,
    /// Finds the call in the daemon's log.
    pub request_id: String,
}

impl ServiceError {
    fn fact(&self, name: &str) -> &str {
        self.metadata.get(name).map_or("", String::as_str)
    }

    /// Of [`Error::WrongState`]: the verbs that do fit the state.
    pub fn allowed_actions(&self) -> Vec<&str> {
        let names = self.fact("allowedActions").split(", ");
        names.filter(|name| !name.is_empty() && *name != "none").collect()
    }

    /// Of [`Error::TargetBusy`]: the job that holds the image; empty if a process does.
    pub fn blocking_job_id(&self) -> &str {
        self.fact("blockingJobId")
    }
}

/// Arms that no reason leads to, and those with the reasons that do.
macro_rules! errors {
    (
        $($(#[$about:meta])* $plain:ident($held:ty);)*
        ---
        $($(#[$doc:meta])* $arm:ident: $($reason:literal)|+;)*
    ) => {
        /// Everything that can go wrong.
        #[derive(Debug, Clone)]
        #[non_exhaustive]
        pub enum Error {
            $($(#[$about])* $plain($held),)*
            $($(#[$doc])* $arm(Box<ServiceError>),)*
        }

        impl Error {
            fn of_reason(error: ServiceError) -> Self {
                match error.reason.as_str() {
                    $($($reason)|+ => Self::$arm(error.into()),)*
                    _ => Self::ServiceError(error.into()),
                }
            }

            /// What the daemon answered, if it is that.
            pub fn service(&self) -> Option<&ServiceError> {
                match self {
                    Self::ServiceError(error) $(| Self::$arm(error))* => Some(error),
                    _ => None,
                }
            }

            /// The name of the arm, the same in the clients of every language.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$plain(_) => stringify!($plain),)*
                    $(Self::$arm(_) => stringify!($arm),)*
                }
            }
        }
    };
}

errors! {
    /// The daemon was not reached, or went away during the call.
    ConnectionFailed(String);
    /// The call took longer than its deadline; what it asked may have happened.
    DeadlineExceeded(String);
    /// A strict watch cannot go on: changes after its cursor are gone.
    HistoryLost(String);
    /// A wait took longer than its timeout; the job goes on.
    WaitTimeout(String);
    /// Refused before any call: an address, credentials or a number.
    BadArgument(String);
    /// A job that was waited for failed.
    JobFailed(Box<Job>);
    /// A job that was waited for was cancelled.
    JobCancelled(Box<Job>);
    /// A reason that this client does not know, or none.
    ServiceError(Box<ServiceError>);
    ---
    /// The request is wrong in itself; `field_violations` says where.
    InvalidRequest: "FIELD_INVALID" | "PAGE_TOKEN_INVALID";
    /// There is no such job or image.
    NotFound: "JOB_NOT_FOUND" | "TARGET_NOT_FOUND";
    /// The job id was used before, or the image is there.
    AlreadyExists: "JOB_ID_TAKEN" | "TARGET_EXISTS";
    /// Who asks is not known, or may not do this.
    PermissionDenied: "CREDENTIALS_INVALID" | "PERMISSION_DENIED";
    /// The verb does not fit the state.
    WrongState: "ACTION_NOT_ALLOWED" | "TARGET_WRONG_STATE";
    /// Someone else holds the image: a job, or a process that is not the daemon's.
    TargetBusy: "TARGET_BUSY";
    /// Someone was faster, or the request id belongs to another request.
    Conflict: "REQUEST_ID_REUSED" | "REVISION_MISMATCH";
    /// The image contradicts its format, or uses what is not supported.
    ImageRefused: "IMAGE_INVALID" | "IMAGE_UNSUPPORTED";
    /// The history after the cursor is not there; a watch handles it itself.
    HistoryGone: "REVISION_COMPACTED" | "REVISION_IN_FUTURE" | "HISTORY_CHANGED";
    /// Too many jobs, watches or calls; `retry_delay` says when to come again.
    LimitReached: "JOB_LIMIT" | "WATCH_LIMIT" | "RATE_LIMIT";
    /// The storage is full; trying again does not help.
    NoSpace: "NO_SPACE";
    /// This daemon does not serve this kind of job, or this verb.
    Unsupported: "JOB_TYPE_UNSUPPORTED" | "ACTION_UNSUPPORTED";
    /// The daemon is starting or stopping, or what it needs does not answer.
    Unavailable: "SERVER_STARTING" | "SERVER_STOPPING" | "STORE_UNAVAILABLE" | "BACKEND_UNREACHABLE";
    /// A bug of the daemon; `request_id` finds it in the daemon's log.
    Internal: "INTERNAL";
    /// Reading or writing failed, or what was written reads otherwise.
    DataLoss: "IO_ERROR" | "VERIFY_MISMATCH";
    /// Only of a job: someone asked for its end.
    Cancelled: "CANCELLED_BY_USER";
    /// Only of a job that could not go on: a restart, its group or a predecessor.
    Interrupted: "GROUP_MEMBER_FAILED" | "PREDECESSOR_FAILED" | "INTERRUPTED_BY_RESTART" | "BACKEND_LOST";
}

impl Error {
    /// The error of a google.rpc.Status, of a call or of a job; None if it holds no
    /// ErrorInfo of the daemon.
    pub fn from_rpc(status: &pb::Status) -> Option<Self> {
        let info = status.get_details_error_info().filter(|info| info.domain == DOMAIN)?;
        let bad = status.get_details_bad_request();
        let retry = status.get_details_retry_info();
        let request = status.get_details_request_info();
        Some(Self::of_reason(ServiceError {
            code: Code::from(status.code),
            message: status.message.clone(),
            reason: info.reason,
            domain: info.domain,
            metadata: info.metadata,
            field_violations: bad.map(|bad| bad.field_violations).unwrap_or_default(),
            retry_delay: retry.map(|retry| retry.retry_delay.unwrap_or_default()),
            request_id: request.map(|request| request.request_id).unwrap_or_default(),
        }))
    }

    /// Of [`Error::JobFailed`] and [`Error::JobCancelled`]: the job's last word as the
    /// error that a call would have returned.
    pub fn cause(&self) -> Option<Self> {
        match self {
            Self::JobFailed(job) | Self::JobCancelled(job) => Self::from_rpc(job.error.as_ref()?),
            _ => None,
        }
    }
}

impl From<Status> for Error {
    fn from(status: Status) -> Self {
        let rich = pb::Status::decode(status.details()).unwrap_or_default();
        if let Some(typed) = Self::from_rpc(&rich) {
            return typed;
        }
        let mut message = status.message().to_owned();
        let mut cause = std::error::Error::source(&status);
        while let Some(error) = cause {
            if error.is::<tonic::TimeoutExpired>() {
                return Self::DeadlineExceeded(error.to_string());
            }
            message = error.to_string();
            cause = error.source();
        }
        let code = status.code();
        let message = if message.is_empty() { code.to_string() } else { message };
        match code {
            Code::DeadlineExceeded => Self::DeadlineExceeded(message),
            // Without our ErrorInfo these come from the transport.
            Code::Unavailable | Code::Internal | Code::Unknown | Code::Cancelled => {
                Self::ConnectionFailed(message)
            }
            _ => Self::ServiceError(Box::new(ServiceError {
                code,
                message,
                reason: String::new(),
                domain: String::new(),
                metadata: HashMap::new(),
                field_violations: Vec::new(),
                retry_delay: None,
                request_id: String::new(),
            })),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::JobFailed(job) | Self::JobCancelled(job) => {
                let said = job.error.as_ref().map_or("", |error| &error.message);
                let said = if said.is_empty() { "did not succeed" } else { said };
                write!(out, "Job {}: {said}", job.job_id)
            }
            Self::ConnectionFailed(message)
            | Self::DeadlineExceeded(message)
            | Self::HistoryLost(message)
            | Self::WaitTimeout(message)
            | Self::BadArgument(message) => out.write_str(message),
            service => out.write_str(service.service().map_or("", |error| &error.message)),
        }
    }
}

impl std::error::Error for Error {}
