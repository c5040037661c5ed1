//! A job by its id: the verbs, and waiting for it.

use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::ask::{BACKOFF, BACKOFF_MAX, UNARY, ask, span};
use crate::client::Client;
use crate::error::{Error, Result};
use crate::v1::job_service_client::JobServiceClient;
use crate::v1::{
    CancelJobRequest, CompleteJobRequest, CompletionMode, DismissJobRequest, FinalizeJobRequest,
    GetJobRequest, Job, JobOptions, JobState, PauseJobRequest, ResumeJobRequest, UpdateJobRequest,
    WaitJobRequest,
};
use crate::watch::{Watch, WatchOptions};

// One WaitJob; well under what proxies cut (the server allows 60 s).
const WAIT: Duration = Duration::from_secs(30);
// What a wait is given on top, for the answer to travel.
const WAIT_GRACE: Duration = Duration::from_secs(5);
// A wait outlives a restart of the daemon that takes no longer than this.
const UNREACHABLE: Duration = Duration::from_secs(60);

/// What a wait is for: the end of the job, or one of some states before it.
#[derive(Debug, Clone, Default)]
pub struct Wait {
    /// None: for ever. A timeout never cancels the job.
    pub timeout: Option<Duration>,
    /// States that are good enough, besides the end.
    pub states: Vec<JobState>,
    /// Answer a job that failed or was cancelled instead of an error.
    pub accept_failure: bool,
}

/// How to cancel.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    /// Why, for whoever looks at the job later.
    pub comment: String,
    /// Answer when the end has come, one way or another.
    pub wait: bool,
    /// Do not wait for anything of the job's.
    pub force: bool,
}

/// A job by its id.
#[derive(Debug, Clone)]
pub struct JobHandle {
    client: Client,
    /// As the answer that made this handle had it; from [`Client::job`], only its id.
    pub job: Job,
    /// This very call has made it.
    pub is_new: bool,
    expected_revision: i64,
}

/// A verb with the job's id and the revision that it expects; with one it is not sent
/// twice: it would meet the revision that it made itself.
macro_rules! verb {
    ($handle:ident.$method:ident($request:ident { $($field:ident: $value:expr),* })) => {{
        let request = $request {
            job_id: $handle.job.job_id.clone(),
            expected_revision: $handle.expected_revision,
            $($field: $value),*
        };
        let again = (request.expected_revision == 0).then(|| request.clone());
        let client = &$handle.client;
        let answer = ask!(client, JobServiceClient.$method(request), UNARY, again).await?;
        Ok(answer.job.unwrap_or_default())
    }};
}

impl JobHandle {
    pub(crate) fn new(client: Client, job: Job, is_new: bool) -> Self {
        Self { client, job, is_new, expected_revision: 0 }
    }

    /// Its name.
    pub fn id(&self) -> &str {
        &self.job.job_id
    }

    /// The same job, but its verbs fail with [`Error::Conflict`] if the job has changed
    /// since it had this revision.
    pub fn expecting(&self, revision: i64) -> Self {
        Self { expected_revision: revision, ..self.clone() }
    }

    /// The job as it is.
    pub async fn get(&self) -> Result<Job> {
        let request = GetJobRequest { job_id: self.job.job_id.clone() };
        let answer = ask!(self.client, JobServiceClient.get_job(request), UNARY).await?;
        Ok(answer.job.unwrap_or_default())
    }

    /// Hold it at its next checkpoint.
    pub async fn pause(&self, comment: &str) -> Result<Job> {
        verb!(self.pause_job(PauseJobRequest { comment: comment.to_owned() }))
    }

    /// Let it go on.
    pub async fn resume(&self) -> Result<Job> {
        verb!(self.resume_job(ResumeJobRequest {}))
    }

    /// Ask for its end.
    pub async fn cancel(&self, how: Cancel) -> Result<Job> {
        let job: Result<Job> =
            verb!(self.cancel_job(CancelJobRequest { force: how.force, comment: how.comment }));
        if how.wait && job.is_ok() {
            return self.wait(Wait { accept_failure: true, ..Default::default() }).await;
        }
        job
    }

    /// Let a job that is ready come to its end.
    pub async fn complete(&self, mode: CompletionMode) -> Result<Job> {
        verb!(self.complete_job(CompleteJobRequest { mode: mode.into() }))
    }

    /// Let a job that is pending take effect.
    pub async fn finalize(&self) -> Result<Job> {
        verb!(self.finalize_job(FinalizeJobRequest {}))
    }

    /// Forget the job. Answers its last word, or an empty one if it was gone.
    pub async fn dismiss(&self, allow_missing: bool) -> Result<Job> {
        let expected_revision = self.expected_revision;
        let job_id = self.job.job_id.clone();
        let request = DismissJobRequest { job_id, expected_revision, allow_missing };
        // If the first answer was lost the job may be gone by now, as it should be.
        let again = DismissJobRequest { allow_missing: true, ..request.clone() };
        let again = (expected_revision == 0).then_some(again);
        let answer = ask!(self.client, JobServiceClient.dismiss_job(request), UNARY, again).await?;
        Ok(answer.job.unwrap_or_default())
    }

    /// Change the rate limit now; None takes it away.
    pub async fn set_speed(&self, bytes_per_second: Option<i64>) -> Result<Job> {
        let options = JobOptions { speed_bytes_per_second: bytes_per_second, ..Default::default() };
        self.update(options, Some(&["speed_bytes_per_second"])).await
    }

    /// Change the options that are set, or those that `paths` names: one that is named
    /// and not set is taken back.
    pub async fn update(&self, options: JobOptions, paths: Option<&[&str]>) -> Result<Job> {
        let mask = |paths: &[&str]| paths.iter().map(ToString::to_string).collect();
        let update_mask = paths.map(|paths| prost_types::FieldMask { paths: mask(paths) });
        verb!(
            self.update_job(UpdateJobRequest { options: Some(options), update_mask: update_mask })
        )
    }

    /// This job's changes, to its end.
    pub fn watch(&self, mut options: WatchOptions) -> Watch {
        options.selector.job_ids = vec![self.job.job_id.clone()];
        options.stop_when_finished = true;
        self.client.watch(options)
    }

    /// Wait until the job has ended, or is in one of the states. A restart of the
    /// daemon is waited through: jobs survive it.
    pub async fn wait(&self, wish: Wait) -> Result<Job> {
        let deadline = wish.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let left = || deadline.map_or(WAIT, |at| at.saturating_duration_since(Instant::now()));
        let (mut heard, mut attempt) = (Instant::now(), 0);
        loop {
            let (began, asked) = (Instant::now(), left().min(WAIT));
            let request = WaitJobRequest {
                job_id: self.job.job_id.clone(),
                timeout: Some(span(asked)),
                states: wish.states.iter().map(|state| i32::from(*state)).collect(),
                ..Default::default()
            };
            let limit = asked + WAIT_GRACE;
            // Sent again here, with the time that is left then.
            let answer = ask!(self.client, JobServiceClient.wait_job(request), limit, None).await;
            let delay = match answer {
                Ok(answer) if answer.reached => {
                    return wish.outcome(answer.job.unwrap_or_default());
                }
                Ok(_) => {
                    (heard, attempt) = (Instant::now(), 0);
                    // An early answer is allowed; asking on and on is not.
                    BACKOFF.saturating_sub(began.elapsed())
                }
                Err(error) => {
                    attempt += 1;
                    match wait_delay(&error, attempt) {
                        Some(delay) if heard.elapsed() < UNREACHABLE => delay,
                        _ => return Err(error),
                    }
                }
            };
            if deadline.is_some_and(|at| at <= Instant::now()) {
                let (job_id, timeout) = (&self.job.job_id, wish.timeout.unwrap_or_default());
                let late = format!("Job {job_id} goes on; waited {timeout:?} for it");
                return Err(Error::WaitTimeout(late));
            }
            sleep(delay.min(left())).await;
        }
    }
}

impl Wait {
    /// The job, unless it ended without success and nobody asked for that.
    fn outcome(&self, job: Job) -> Result<Job> {
        if self.accept_failure || self.states.contains(&job.state()) {
            return Ok(job);
        }
        match job.state() {
            JobState::Failed => Err(Error::JobFailed(job.into())),
            JobState::Cancelled => Err(Error::JobCancelled(job.into())),
            _ => Ok(job),
        }
    }
}

/// A wait that got no answer in time is asked again.
fn wait_delay(error: &Error, attempt: u32) -> Option<Duration> {
    match error {
        Error::DeadlineExceeded(_) => Some(BACKOFF_MAX),
        error => error.retry_delay(attempt),
    }
}
