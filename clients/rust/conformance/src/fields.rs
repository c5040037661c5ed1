//! The fields of an operation.

use std::time::Duration;

use longshore_client::v1::JobState;
use prost::Message;
use serde_json::Value;

use crate::failure::Failure;
use crate::json::from_json;

pub struct Fields(pub Value);

impl Fields {
    pub fn text(&self, name: &str) -> Option<String> {
        self.0[name].as_str().map(str::to_owned)
    }

    pub fn needed(&self, name: &str) -> Result<String, Failure> {
        self.text(name).ok_or_else(|| Failure::Driver(format!("{name} is missing")))
    }

    pub fn flag(&self, name: &str) -> bool {
        self.0[name].as_bool().unwrap_or(false)
    }

    /// 7, or "7" for what JSON might round.
    pub fn number(&self, name: &str) -> Result<Option<i64>, Failure> {
        match &self.0[name] {
            Value::Null => Ok(None),
            Value::String(digits) => {
                let wrong = |_| Failure::Driver(format!("{name} is no number: {digits}"));
                digits.parse().map(Some).map_err(wrong)
            }
            other => Ok(other.as_i64()),
        }
    }

    pub fn count(&self, name: &str) -> Option<usize> {
        self.0[name].as_u64().and_then(|count| usize::try_from(count).ok())
    }

    pub fn seconds(&self, name: &str) -> Option<Duration> {
        self.0[name].as_f64().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
    }

    pub fn texts(&self, name: &str) -> Option<Vec<String>> {
        let items = self.0[name].as_array()?;
        Some(items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
    }

    pub fn states(&self) -> Result<Vec<JobState>, Failure> {
        let names = self.texts("states").unwrap_or_default();
        names.iter().map(|name| state(name)).collect()
    }

    pub fn message<M: Message + Default>(&self, field: &str, name: &str) -> Result<M, Failure> {
        from_json(name, &self.0[field])
    }
}

fn state(name: &str) -> Result<JobState, Failure> {
    let name = name.strip_prefix("JOB_STATE_").unwrap_or(name);
    let found = JobState::from_str_name(&format!("JOB_STATE_{name}"));
    found.ok_or_else(|| Failure::Driver(format!("no state {name}")))
}
