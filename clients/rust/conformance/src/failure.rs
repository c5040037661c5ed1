//! How errors are told to the suite.

use longshore_client::{Code, Error, ServiceError};
use serde_json::{Value, json};

use crate::json::to_json;

pub type Answer = Result<Value, Failure>;

/// What the client said, or what is wrong with the question.
pub enum Failure {
    Client(Error),
    Driver(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Client(error)
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::Driver(error.to_string())
    }
}

impl Failure {
    pub fn shown(&self) -> Value {
        match self {
            Self::Client(error) => shown(error),
            Self::Driver(message) => json!({"class": "DriverError", "message": message}),
        }
    }
}

fn shown(error: &Error) -> Value {
    let mut shown = match error.service() {
        Some(said) => of_service(said),
        None => json!({"message": error.to_string()}),
    };
    shown["class"] = error.name().into();
    if let Error::JobFailed(job) | Error::JobCancelled(job) = error {
        shown["job"] = to_json("Job", &**job).unwrap_or_default();
    }
    shown
}

fn of_service(said: &ServiceError) -> Value {
    let violations = said.field_violations.iter();
    let violations =
        violations.map(|one| json!({"field": one.field, "description": one.description}));
    json!({
        "code": name(said.code),
        "message": said.message,
        "reason": said.reason,
        "domain": said.domain,
        "metadata": said.metadata,
        "fieldViolations": violations.collect::<Vec<_>>(),
        "retryDelay": said.retry_delay.map(|delay| delay.as_secs_f64()),
        "requestId": said.request_id,
    })
}

/// FAILED_PRECONDITION
fn name(code: Code) -> String {
    let mut name = String::new();
    for letter in format!("{code:?}").chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_uppercase());
    }
    name
}
