//! A watch that goes on by itself: one stream after another, as one stream of values.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use async_stream::try_stream;
use tokio::time::{sleep, timeout};
use tokio_stream::Stream;
use tonic::{Code, Request, Status, Streaming};

use crate::ask::span;
use crate::client::{Client, Items, MAX_MESSAGE};
use crate::error::{Error, Result};
use crate::v1::job_service_client::JobServiceClient;
use crate::v1::watch_jobs_request::{FromNow, Start};
use crate::v1::watch_jobs_response::Frame;
use crate::v1::{
    Cursor, Job, JobEvent, JobSelector, ProgressSample, WatchCloseReason, WatchJobsRequest,
    WatchJobsResponse, WatchOpened,
};

// Reconnecting: full jitter between 0 and a ceiling that doubles.
const BACKOFF: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(10);
// A stream that lived so long starts the backoff afresh.
const HEALTHY: Duration = Duration::from_secs(30);
// Silence for so many heartbeats: the stream is dead.
const HEARTBEATS_MISSED: u32 = 3;
// A daemon beats once a second at most; what claims more is not believed.
const HEARTBEAT_MIN: Duration = Duration::from_millis(100);
// Until `opened` has said what the heartbeat is.
const FIRST_FRAME: Duration = Duration::from_secs(30);

/// What a watch tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// One durable change of one job. `cursor` includes it: saved together with what
    /// the change caused, it makes every change take effect exactly once.
    Event {
        /// The change.
        event: Box<JobEvent>,
        /// Resume after it.
        cursor: Cursor,
    },
    /// The newest progress of one job; not history, may skip values.
    Progress(Box<ProgressSample>),
    /// Every job that matches, at the start of the watch.
    Snapshot {
        /// The jobs.
        jobs: Vec<Job>,
        /// Resume after it.
        cursor: Cursor,
    },
    /// History was lost; these are the jobs now. What is not here is gone.
    Resynced {
        /// The jobs.
        jobs: Vec<Job>,
        /// Resume after it.
        cursor: Cursor,
    },
}

/// How to watch; the default is everything, beginning with a snapshot.
#[derive(Debug, Clone, Default)]
pub struct WatchOptions {
    /// Which jobs.
    pub selector: JobSelector,
    /// Resume after it; without, begin with a [`Value::Snapshot`].
    pub cursor: Option<Cursor>,
    /// Begin with the next change instead, without a snapshot.
    pub from_now: bool,
    /// Lost history is [`Error::HistoryLost`]; else it is a [`Value::Resynced`].
    pub strict: bool,
    /// Durable changes only.
    pub omit_progress: bool,
    /// Time between samples of one job (the daemon's: 1 s).
    pub progress_interval: Option<Duration>,
    /// Silence after which the daemon shows that it lives (its own: 15 s); three of
    /// them missed, a new stream.
    pub heartbeat_interval: Option<Duration>,
    /// End once every job selected has ended.
    pub stop_when_finished: bool,
    /// Fail when the daemon has been away for so long; without, come back for ever.
    pub patience: Option<Duration>,
}

/// A stream of values that resumes by itself. Dropping it ends the call to the daemon.
pub struct Watch {
    values: Items<Value>,
    place: Place,
}

/// Where a watch stands, for both who moves it and who asks.
#[derive(Clone, Default)]
struct Place(Arc<Mutex<Option<Cursor>>>);

impl Place {
    fn get(&self) -> Option<Cursor> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, cursor: Option<Cursor>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = cursor;
    }
}

impl Watch {
    pub(crate) fn new(client: Client, options: WatchOptions) -> Self {
        let watcher = Watcher::new(options, fastrand::f64);
        let place = watcher.place.clone();
        Self { values: Box::pin(values(client, watcher)), place }
    }

    /// Everything up to here was handed out and the next value asked for: to leave in
    /// between repeats a value rather than losing one.
    pub fn cursor(&self) -> Option<Cursor> {
        self.place.get()
    }
}

impl Stream for Watch {
    type Item = Result<Value>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.values.as_mut().poll_next(context)
    }
}

fn values(client: Client, mut watcher: Watcher) -> impl Stream<Item = Result<Value>> + Send {
    try_stream! {
        loop {
            let began = Instant::now();
            let mut frames = None;
            let end = loop {
                let next = match &mut frames {
                    None => match open(&client, &mut watcher).await {
                        Ok(opened) => {
                            frames = Some(opened);
                            continue;
                        }
                        Err(error) => Err(error),
                    },
                    Some(frames) => listen(watcher.silence, frames.message()).await,
                };
                let (heard, is_last) = match next {
                    Ok(Some(frame)) => watcher.frame(frame),
                    Ok(None) => break None,
                    Err(error) => break Some(error),
                };
                for (value, cursor) in heard {
                    if let Some(value) = value {
                        yield value;
                    }
                    watcher.advance(cursor);
                }
                if is_last {
                    return;
                }
            };
            drop(frames);
            sleep(watcher.ended(end, began.elapsed())?).await;
        }
    }
}

async fn open(client: &Client, watcher: &mut Watcher) -> Result<Streaming<WatchJobsResponse>> {
    let mut request = Request::new(watcher.request());
    client.signer.sign(request.metadata_mut())?;
    let stub = JobServiceClient::new(client.watch.clone());
    let mut stub = stub.max_decoding_message_size(MAX_MESSAGE);
    Ok(listen(watcher.silence, stub.watch_jobs(request)).await?.into_inner())
}

/// Silence is an error; a slow reader is not.
async fn listen<T>(
    silence: Duration,
    next: impl Future<Output = std::result::Result<T, Status>>,
) -> Result<T> {
    match timeout(silence, next).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Error::ConnectionFailed("the watch has gone silent".to_owned())),
    }
}

/// The state of one watch across its streams; does no I/O.
pub(crate) struct Watcher {
    options: WatchOptions,
    chance: fn() -> f64,
    place: Place,
    /// No frame for so long: the stream is dead.
    pub(crate) silence: Duration,
    resyncing: bool,
    failures: u32,
    /// A frame has come on this stream.
    heard: bool,
    /// Since when streams bring no frame any more.
    away: Duration,
    /// As the last planned end asked for.
    retry_delay: Duration,
    gathered: Vec<Job>,
}

/// A value, if there is one to tell, and where the watch stands once it was taken.
type Told = (Option<Value>, Option<Cursor>);

impl Watcher {
    pub(crate) fn new(mut options: WatchOptions, chance: fn() -> f64) -> Self {
        let place = Place::default();
        place.set(options.cursor.take());
        Self {
            options,
            chance,
            place,
            silence: FIRST_FRAME,
            resyncing: false,
            failures: 0,
            heard: false,
            away: Duration::ZERO,
            retry_delay: Duration::ZERO,
            gathered: Vec::new(),
        }
    }

    /// What to send to open the next stream.
    pub(crate) fn request(&mut self) -> WatchJobsRequest {
        self.gathered.clear();
        self.retry_delay = Duration::ZERO;
        self.heard = false;
        self.silence = FIRST_FRAME;
        let from_now = self.options.from_now.then_some(Start::FromNow(FromNow {}));
        WatchJobsRequest {
            selector: Some(self.options.selector.clone()),
            progress_interval: self.options.progress_interval.map(span),
            omit_progress: self.options.omit_progress,
            heartbeat_interval: self.options.heartbeat_interval.map(span),
            stop_when_finished: self.options.stop_when_finished,
            start: self.place.get().map(Start::ResumeAfter).or(from_now),
        }
    }

    /// What a frame tells, and whether it was the last.
    pub(crate) fn frame(&mut self, frame: WatchJobsResponse) -> (Vec<Told>, bool) {
        (self.heard, self.away) = (true, Duration::ZERO);
        let cursor = frame.cursor;
        let mut told = Vec::new();
        let mut is_last = false;
        match frame.frame {
            Some(Frame::Opened(opened)) => self.silence = silence(&opened),
            Some(Frame::Snapshot(chunk)) => self.gathered.extend(chunk.jobs),
            Some(Frame::SnapshotEnd(_)) => {
                told.push((Some(self.whole(cursor.clone().unwrap_or_default())), None));
            }
            Some(Frame::Events(batch)) => self.news(batch.events, &cursor, &mut told),
            Some(Frame::Progress(batch)) => {
                let samples = batch.samples.into_iter();
                told.extend(samples.map(|sample| (Some(Value::Progress(sample.into())), None)));
            }
            Some(Frame::Closing(closing)) => {
                is_last = closing.reason() == WatchCloseReason::Finished;
                let delay = closing.retry_delay.unwrap_or_default();
                self.retry_delay = Duration::try_from(delay).unwrap_or_default();
            }
            // A bookmark, or a kind of frame that is newer than this client.
            _ => {}
        }
        told.push((None, cursor));
        (told, is_last)
    }

    fn whole(&mut self, cursor: Cursor) -> Value {
        let jobs = std::mem::take(&mut self.gathered);
        match std::mem::take(&mut self.resyncing) {
            true => Value::Resynced { jobs, cursor },
            false => Value::Snapshot { jobs, cursor },
        }
    }

    fn news(&self, events: Vec<JobEvent>, cursor: &Option<Cursor>, told: &mut Vec<Told>) {
        let history_id = cursor.as_ref().map_or("", |cursor| &cursor.history_id);
        let mut last = self.place.get().map(|place| place.revision);
        for event in events {
            if last.is_some_and(|last| event.revision <= last) {
                continue;
            }
            last = Some(event.revision);
            let cursor = Cursor { history_id: history_id.to_owned(), revision: event.revision };
            let value = Value::Event { event: event.into(), cursor: cursor.clone() };
            told.push((Some(value), Some(cursor)));
        }
    }

    pub(crate) fn advance(&mut self, cursor: Option<Cursor>) {
        let place = self.place.get();
        if cursor.as_ref().is_some_and(|new| place.is_none_or(|old| new.revision > old.revision)) {
            self.place.set(cursor);
        }
    }

    /// The stream ended: time until the next one, or the error if none would help.
    pub(crate) fn ended(&mut self, error: Option<Error>, lived: Duration) -> Result<Duration> {
        let error = error.unwrap_or_else(|| {
            Error::ConnectionFailed("the daemon ends every watch that is opened".to_owned())
        });
        if is_history_gone(&error) && self.place.get().is_some() {
            if self.options.strict {
                return Err(Error::HistoryLost(error.to_string()));
            }
            self.place.set(None);
            (self.options.from_now, self.resyncing) = (false, true);
            return Ok(Duration::ZERO);
        }
        match (&error, error.service().and_then(|error| error.retry_delay)) {
            (Error::LimitReached(_), Some(told)) => self.retry_delay = told,
            (Error::ConnectionFailed(_) | Error::Unavailable(_), _) => {}
            (Error::DeadlineExceeded(_), _) => {}
            _ => return Err(error),
        }
        self.again(error, lived)
    }

    fn again(&mut self, error: Error, lived: Duration) -> Result<Duration> {
        if lived >= HEALTHY {
            self.failures = 0;
        }
        // 0.1 s doubled seven times is past the longest backoff.
        let ceiling = BACKOFF_MAX.min(BACKOFF * 2_u32.pow(self.failures));
        self.failures = (self.failures + 1).min(7);
        let delay = self.retry_delay.saturating_add(ceiling.mul_f64((self.chance)()));
        let lost = if self.heard { delay } else { lived.saturating_add(delay) };
        self.away = self.away.saturating_add(lost);
        if self.options.patience.is_some_and(|patience| self.away > patience) {
            return Err(error);
        }
        Ok(delay)
    }
}

fn silence(opened: &WatchOpened) -> Duration {
    match opened.heartbeat_interval.map(Duration::try_from) {
        Some(Ok(beat)) if !beat.is_zero() => {
            beat.max(HEARTBEAT_MIN).saturating_mul(HEARTBEATS_MISSED)
        }
        _ => FIRST_FRAME,
    }
}

/// By the code: a newer daemon may have more reasons for it.
fn is_history_gone(error: &Error) -> bool {
    error.service().is_some_and(|said| said.code == Code::OutOfRange)
        || matches!(error, Error::HistoryGone(_))
}
