//! The operations of watches: read step by step, in a loop, by a task, and drained.

use std::collections::HashMap;
use std::time::Duration;

use longshore_client::v1::watch_jobs_response::Frame;
use longshore_client::v1::{
    Cursor, Job, JobEventKind, JobSelector, JobState, WatchJobsRequest, watch_jobs_request,
};
use longshore_client::{Client, Error, StreamExt as _, Value, Watch, WatchOptions};
use serde_json::{Value as Json, json};
use tokio::sync::watch as latest;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::failure::{Answer, Failure};
use crate::fields::Fields;
use crate::json::to_json;
use crate::ops::{said, values};

/// How often a recorder looks where its watch stands; bookmarks move it silently.
const LOOK: Duration = Duration::from_millis(50);

#[derive(Default)]
pub struct Watches {
    open: HashMap<String, Opened>,
    recorders: HashMap<String, Recorder>,
}

struct Opened {
    client: String,
    watch: Watch,
}

struct Recorder {
    client: String,
    record: latest::Receiver<Record>,
    task: JoinHandle<()>,
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Default)]
struct Record {
    events: Vec<Json>,
    resynced: u64,
    reached: i64,
    ended: Option<Option<Error>>,
}

impl Watches {
    pub async fn begin(&mut self, client: Client, fields: &Fields) -> Answer {
        match fields.needed("op")?.as_str() {
            "watch_take" => return take(watch(&client, fields)?, fields).await,
            "drain" if fields.flag("raw") => return drain_raw(&client, fields).await,
            "drain" => return drain(&client, fields).await,
            _ => {}
        }
        let name = fields.needed("watch")?;
        let watch = watch(&client, fields)?;
        let client = fields.needed("client")?;
        if fields.needed("op")? == "watch_open" {
            self.open.insert(name, Opened { client, watch });
        } else {
            let (news, record) = latest::channel(Record::default());
            let task = tokio::spawn(record_all(watch, news));
            self.recorders.insert(name, Recorder { client, record, task });
        }
        Ok(json!({}))
    }

    pub async fn perform(&mut self, op: &str, fields: &Fields) -> Answer {
        let name = fields.needed("watch")?;
        let missing = || Failure::Driver(format!("no watch {name}"));
        match op {
            "watch_next" => {
                next(&mut self.open.get_mut(&name).ok_or_else(missing)?.watch, fields).await
            }
            "watch_cursor" => {
                let cursor = self.open.get(&name).ok_or_else(missing)?.watch.cursor();
                let cursor = cursor.map(|cursor| to_json("Cursor", &cursor)).transpose()?;
                Ok(json!({"cursor": cursor}))
            }
            "watch_recorded" => {
                recorded(self.recorders.get_mut(&name).ok_or_else(missing)?, fields).await
            }
            "watch_close" => {
                self.open.remove(&name);
                self.recorders.remove(&name);
                Ok(json!({}))
            }
            op => Err(Failure::Driver(format!("no op {op}"))),
        }
    }

    pub fn drop_those_of(&mut self, client: &str) {
        self.open.retain(|_, one| one.client != client);
        self.recorders.retain(|_, one| one.client != client);
    }
}

fn cursor(fields: &Fields) -> Result<Option<Cursor>, Failure> {
    if fields.0["cursor"].is_null() {
        return Ok(None);
    }
    fields.message("cursor", "Cursor").map(Some)
}

fn watch(client: &Client, fields: &Fields) -> Result<Watch, Failure> {
    let options = WatchOptions {
        selector: fields.message::<JobSelector>("select", "JobSelector")?,
        cursor: cursor(fields)?,
        from_now: fields.flag("from_now"),
        strict: fields.flag("strict"),
        omit_progress: fields.flag("omit_progress"),
        progress_interval: fields.seconds("progress_interval"),
        heartbeat_interval: fields.seconds("heartbeat_interval"),
        stop_when_finished: fields.flag("stop_when_finished"),
        patience: fields.seconds("patience"),
    };
    Ok(match fields.text("job_id") {
        Some(job_id) => client.job(job_id).watch(options),
        None => client.watch(options),
    })
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Event { .. } => "event",
        Value::Progress(_) => "progress",
        Value::Snapshot { .. } => "snapshot",
        Value::Resynced { .. } => "resynced",
    }
}

fn shown(value: &Value) -> Answer {
    let kind = kind_of(value);
    Ok(match value {
        Value::Event { event, cursor } => json!({
            "type": kind,
            "kind": kind_name(event.kind),
            "revision": event.revision.to_string(),
            "job": to_json("Job", &event.job.clone().unwrap_or_default())?,
            "previousState": state_name(event.previous_state),
            "cursor": to_json("Cursor", cursor)?,
        }),
        Value::Progress(sample) => json!({
            "type": kind,
            "job_id": sample.job_id,
            "progress": to_json("JobProgress", &sample.progress.clone().unwrap_or_default())?,
        }),
        Value::Snapshot { jobs, cursor } | Value::Resynced { jobs, cursor } => json!({
            "type": kind,
            "jobs": values(jobs)?,
            "cursor": to_json("Cursor", cursor)?,
        }),
    })
}

/// CREATED, or the number of a kind that is newer than this client.
fn kind_name(kind: i32) -> String {
    let known = JobEventKind::try_from(kind).map(|kind| kind.as_str_name());
    known.map_or(kind.to_string(), |name| name.replace("JOB_EVENT_KIND_", ""))
}

fn state_name(state: i32) -> Json {
    JobState::try_from(state).map_or(state.into(), |state| state.as_str_name().into())
}

async fn next(watch: &mut Watch, fields: &Fields) -> Answer {
    let count = fields.count("count").unwrap_or(1);
    let durable = || ["event", "snapshot", "resynced"].map(str::to_owned).to_vec();
    let only = fields.texts("only").unwrap_or_else(durable);
    let mut values = Vec::new();
    while values.len() < count {
        let Some(value) = watch.next().await else {
            return Ok(json!({"values": values, "ended": true}));
        };
        let value = value?;
        if only.iter().any(|kind| kind == kind_of(&value)) {
            values.push(shown(&value)?);
        }
    }
    Ok(json!({"values": values, "ended": false}))
}

async fn take(mut watch: Watch, fields: &Fields) -> Answer {
    let count = fields.count("count").unwrap_or(1);
    let mut values = Vec::new();
    while let Some(value) = watch.next().await {
        let value = value?;
        if !matches!(value, Value::Progress(_)) {
            values.push(shown(&value)?);
        }
        if values.len() >= count {
            break;
        }
    }
    Ok(json!({"values": values}))
}

/// Reads and keeps, until its recorder is dropped.
async fn record_all(mut watch: Watch, news: latest::Sender<Record>) {
    loop {
        let came = timeout(LOOK, watch.next()).await;
        let reached = watch.cursor().map_or(0, |cursor| cursor.revision);
        news.send_if_modified(|record| {
            let is_news = came.is_ok() || reached > record.reached;
            record.reached = record.reached.max(reached);
            match came {
                Ok(Some(Ok(value))) => record.keep(value),
                Ok(Some(Err(error))) => record.ended = Some(Some(error)),
                Ok(None) => record.ended = record.ended.take().or(Some(None)),
                Err(_) => {}
            }
            is_news
        });
        if news.borrow().ended.is_some() {
            return;
        }
    }
}

impl Record {
    fn keep(&mut self, value: Value) {
        match value {
            Value::Event { event, cursor } => {
                self.reached = self.reached.max(cursor.revision);
                let job = event.job.unwrap_or_default();
                self.events.push(line(&kind_name(event.kind), event.revision, &job));
            }
            Value::Snapshot { jobs, cursor } => self.keep_all(&jobs, &cursor),
            Value::Resynced { jobs, cursor } => {
                self.keep_all(&jobs, &cursor);
                self.resynced += 1;
            }
            Value::Progress(_) => {}
        }
    }

    fn keep_all(&mut self, jobs: &[Job], cursor: &Cursor) {
        self.reached = self.reached.max(cursor.revision);
        self.events.extend(jobs.iter().map(|job| line("SNAPSHOT", job.revision, job)));
    }
}

fn line(kind: &str, revision: i64, job: &Job) -> Json {
    json!({
        "kind": kind,
        "job_id": job.job_id,
        "revision": revision.to_string(),
        "state": state_name(job.state),
    })
}

async fn recorded(recorder: &mut Recorder, fields: &Fields) -> Answer {
    let until = fields.number("until_revision")?.unwrap_or(0);
    let is_there = |record: &Record| record.reached >= until || record.ended.is_some();
    let record = recorder.record.wait_for(is_there).await;
    let record = record.map_err(|error| Failure::Driver(error.to_string()))?;
    if let Some(Some(error)) = record.ended.as_ref().filter(|_| record.reached < until) {
        return Err(error.clone().into());
    }
    Ok(json!({"events": record.events, "resynced": record.resynced}))
}

async fn drain(client: &Client, fields: &Fields) -> Answer {
    let mut watch = client.watch(WatchOptions {
        selector: fields.message("select", "JobSelector")?,
        cursor: cursor(fields)?,
        omit_progress: true,
        ..Default::default()
    });
    let (count, mut events) = (fields.count("count").unwrap_or(1), 0);
    while events < count {
        match watch.next().await {
            Some(value) => events += usize::from(matches!(value?, Value::Event { .. })),
            None => break,
        }
    }
    Ok(json!({"events": events}))
}

async fn drain_raw(client: &Client, fields: &Fields) -> Answer {
    let request = WatchJobsRequest {
        selector: Some(fields.message("select", "JobSelector")?),
        start: cursor(fields)?.map(watch_jobs_request::Start::ResumeAfter),
        omit_progress: true,
        ..Default::default()
    };
    let mut frames = said(client.jobs().watch_jobs(request).await)?;
    let (count, mut events) = (fields.count("count").unwrap_or(1), 0);
    while events < count {
        match frames.message().await.map_err(Error::from)? {
            Some(frame) => {
                if let Some(Frame::Events(batch)) = frame.frame {
                    events += batch.events.len();
                }
            }
            None => break,
        }
    }
    Ok(json!({"events": events}))
}
