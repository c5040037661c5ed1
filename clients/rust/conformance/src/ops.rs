//! The operations, but for those of watches.

use std::collections::HashMap;
use std::time::Duration;

use longshore_client::v1::{
    CompletionMode, CreateImageRequest, CreateJobGroupRequest, CreateJobRequest, GetImageRequest,
    ImageRef, Job, JobInfo, JobOptions, ListJobsRequest, MapImageRequest,
};
use longshore_client::{Cancel, Client, Credentials, JobHandle, StreamExt as _, Wait};
use serde_json::{Value, json};
use tonic::{Request, Response, Status};

use crate::failure::{Answer, Failure};
use crate::fields::Fields;
use crate::json::to_json;
use crate::units;
use crate::watches::Watches;

#[derive(Default)]
pub struct Driver {
    clients: HashMap<String, Client>,
    watches: Watches,
}

impl Driver {
    pub async fn perform(&mut self, fields: &Fields) -> Answer {
        match fields.needed("op")?.as_str() {
            "hello" => Ok(json!({"language": "rust", "version": env!("CARGO_PKG_VERSION")})),
            "connect" => self.connect(fields),
            "close" => self.close(fields),
            "parse" => units::parse(fields),
            "format" => units::format(fields),
            "create" => create(self.client(fields)?, fields).await,
            "create_group" => create_group(self.client(fields)?, fields).await,
            "plan" => plan(self.client(fields)?, fields).await,
            "list" => list(self.client(fields)?, fields).await,
            "capabilities" => {
                let answer = self.client(fields)?.capabilities().await?;
                to_json("GetCapabilitiesResponse", &answer)
            }
            "image" => image(self.client(fields)?, fields).await,
            "map" => map(self.client(fields)?, fields).await,
            "create_image" => create_image(self.client(fields)?, fields).await,
            "raw" => raw(self.client(fields)?, fields).await,
            "watch_open" | "watch_take" | "watch_record" | "drain" => {
                let client = self.client(fields)?.clone();
                self.watches.begin(client, fields).await
            }
            op if op.starts_with("watch_") => self.watches.perform(op, fields).await,
            op => verb(op, self.client(fields)?, fields).await,
        }
    }

    fn connect(&mut self, fields: &Fields) -> Answer {
        let given = Credentials {
            tls_ca: fields.text("tls_ca"),
            tls_cert: fields.text("tls_cert"),
            tls_key: fields.text("tls_key"),
            tls_name: fields.text("tls_name"),
            token: fields.text("token"),
            token_file: fields.text("token_file"),
        };
        const NAMES: [&str; 6] =
            ["tls_ca", "tls_cert", "tls_key", "tls_name", "token", "token_file"];
        let is_given = NAMES.iter().any(|name| fields.text(name).is_some());
        let client = Client::new(fields.text("address").as_deref(), is_given.then_some(given))?;
        self.clients.insert(fields.needed("client")?, client);
        Ok(json!({}))
    }

    fn close(&mut self, fields: &Fields) -> Answer {
        let name = fields.needed("client")?;
        self.clients.remove(&name);
        self.watches.drop_those_of(&name);
        Ok(json!({}))
    }

    fn client(&self, fields: &Fields) -> Result<&Client, Failure> {
        let name = fields.needed("client")?;
        self.clients.get(&name).ok_or_else(|| Failure::Driver(format!("no client {name}")))
    }
}

fn of_job(job: &Job) -> Answer {
    Ok(json!({"job": to_json("Job", job)?}))
}

async fn verb(op: &str, client: &Client, fields: &Fields) -> Answer {
    const VERBS: [&str; 10] = [
        "get",
        "pause",
        "resume",
        "cancel",
        "complete",
        "finalize",
        "dismiss",
        "set_speed",
        "update",
        "wait",
    ];
    if !VERBS.contains(&op) {
        return Err(Failure::Driver(format!("no op {op}")));
    }
    let revision = fields.number("expected_revision")?.unwrap_or(0);
    let job = client.job(fields.needed("job_id")?).expecting(revision);
    let comment = fields.text("comment").unwrap_or_default();
    let answer = match op {
        "get" => job.get().await?,
        "pause" => job.pause(&comment).await?,
        "resume" => job.resume().await?,
        "cancel" => {
            let (wait, force) = (fields.flag("wait"), fields.flag("force"));
            job.cancel(Cancel { comment, wait, force }).await?
        }
        "complete" => job.complete(mode(fields)?).await?,
        "finalize" => job.finalize().await?,
        "dismiss" => job.dismiss(fields.flag("allow_missing")).await?,
        "set_speed" => job.set_speed(fields.number("bytes_per_second")?).await?,
        "update" => update(&job, fields).await?,
        _ => wait(&job, fields).await?,
    };
    of_job(&answer)
}

fn mode(fields: &Fields) -> Result<CompletionMode, Failure> {
    let Some(name) = fields.text("mode") else {
        return Ok(CompletionMode::Switch);
    };
    let name = name.strip_prefix("COMPLETION_MODE_").unwrap_or(&name);
    let found = CompletionMode::from_str_name(&format!("COMPLETION_MODE_{name}"));
    found.ok_or_else(|| Failure::Driver(format!("no mode {name}")))
}

async fn update(job: &JobHandle, fields: &Fields) -> Result<Job, Failure> {
    let options: JobOptions = fields.message("options", "JobOptions")?;
    let paths = fields.texts("paths");
    let paths: Option<Vec<&str>> =
        paths.as_ref().map(|paths| paths.iter().map(String::as_str).collect());
    Ok(job.update(options, paths.as_deref()).await?)
}

async fn wait(job: &JobHandle, fields: &Fields) -> Result<Job, Failure> {
    let wish = Wait {
        timeout: fields.seconds("timeout"),
        states: fields.states()?,
        accept_failure: !fields.0["raise_on_failure"].as_bool().unwrap_or(true),
    };
    Ok(job.wait(wish).await?)
}

async fn create(client: &Client, fields: &Fields) -> Answer {
    let request: CreateJobRequest = fields.message("request", "CreateJobRequest")?;
    let made = client.create(request).await?;
    let job = to_json("Job", &made.job)?;
    Ok(json!({"job_id": made.id(), "is_new": made.is_new, "job": job}))
}

async fn create_group(client: &Client, fields: &Fields) -> Answer {
    let request: CreateJobGroupRequest = fields.message("request", "CreateJobGroupRequest")?;
    let made = client.create_group(request).await?;
    let jobs: Result<Vec<_>, _> = made.iter().map(|one| to_json("Job", &one.job)).collect();
    Ok(json!({"jobs": jobs?, "is_new": made.iter().all(|one| one.is_new)}))
}

async fn plan(client: &Client, fields: &Fields) -> Answer {
    let info: JobInfo = fields.message("info", "JobInfo")?;
    let request = CreateJobRequest { info: Some(info), ..Default::default() };
    Ok(json!({"plan": to_json("JobPlan", &client.plan(request).await?)?}))
}

async fn list(client: &Client, fields: &Fields) -> Answer {
    let request = ListJobsRequest {
        page_size: fields.0["page_size"].as_i64().unwrap_or(0).try_into().unwrap_or(0),
        selector: Some(fields.message("select", "JobSelector")?),
        states: fields.states()?.into_iter().map(i32::from).collect(),
        ..Default::default()
    };
    let (mut listed, mut jobs) = (client.list(request), Vec::new());
    while fields.count("take") != Some(jobs.len()) {
        let Some(job) = listed.next().await else { break };
        jobs.push(to_json("Job", &job?)?);
    }
    Ok(json!({"jobs": jobs}))
}

fn image_ref(fields: &Fields) -> Result<Option<ImageRef>, Failure> {
    let format = fields.text("format").unwrap_or_else(|| "qcow2".to_owned());
    Ok(Some(ImageRef { uri: fields.needed("uri")?, format }))
}

async fn image(client: &Client, fields: &Fields) -> Answer {
    let request = GetImageRequest { image: image_ref(fields)?, ..Default::default() };
    Ok(json!({"image": to_json("Image", &client.image(request).await?)?}))
}

async fn map(client: &Client, fields: &Fields) -> Answer {
    let request = MapImageRequest { image: image_ref(fields)?, ..Default::default() };
    let (mut mapped, mut extents) = (client.map(request), Vec::new());
    while fields.count("take") != Some(extents.len()) {
        let Some(extent) = mapped.next().await else { break };
        extents.push(to_json("MapExtent", &extent?)?);
    }
    Ok(json!({"extents": extents}))
}

async fn create_image(client: &Client, fields: &Fields) -> Answer {
    let request: CreateImageRequest = fields.message("request", "CreateImageRequest")?;
    Ok(json!({"image": to_json("Image", &client.create_image(request).await?)?}))
}

/// `raw!(stub.method, "Method", fields)`: one call, whatever comes of it.
macro_rules! raw {
    ($stub:expr, $method:ident, $name:literal, $fields:ident) => {{
        let mut request = Request::new($fields.message("request", concat!($name, "Request"))?);
        request.set_timeout(Duration::from_secs(10));
        to_json(concat!($name, "Response"), &said($stub.$method(request).await)?)
    }};
}

async fn raw(client: &Client, fields: &Fields) -> Answer {
    match fields.needed("method")?.as_str() {
        "GetJob" => raw!(client.jobs(), get_job, "GetJob", fields),
        "ListJobs" => raw!(client.jobs(), list_jobs, "ListJobs", fields),
        "CreateJob" => raw!(client.jobs(), create_job, "CreateJob", fields),
        "PauseJob" => raw!(client.jobs(), pause_job, "PauseJob", fields),
        "GetCapabilities" => raw!(client.system(), get_capabilities, "GetCapabilities", fields),
        method => Err(Failure::Driver(format!("no raw method {method}"))),
    }
}

pub fn said<T>(answer: Result<Response<T>, Status>) -> Result<T, Failure> {
    match answer {
        Ok(response) => Ok(response.into_inner()),
        Err(status) => Err(Failure::Client(status.into())),
    }
}

pub fn values(jobs: &[Job]) -> Result<Vec<Value>, Failure> {
    jobs.iter().map(|job| to_json("Job", job)).collect()
}
