//! How calls are made: their deadlines, and when a call is made again.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tonic::{Request, Response, Status};

use crate::client::Client;
use crate::error::{Error, Result};

// Deadlines of single calls. A create looks at files and waits for a disk.
pub(crate) const UNARY: Duration = Duration::from_secs(10);
pub(crate) const CREATE: Duration = Duration::from_secs(30);

pub(crate) const TRIES: u32 = 4;
pub(crate) const BACKOFF: Duration = Duration::from_millis(100);
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(1);
// Told to come back later than this, the caller is told instead of kept waiting.
pub(crate) const RETRY_DELAY_MAX: Duration = Duration::from_secs(5);

/// `ask!(client, Stub.method(request), deadline)` for what may be sent again as it is;
/// with a fourth argument, what to send when an answer was lost: None if that might do
/// something twice.
macro_rules! ask {
    ($client:expr, $stub:ident.$method:ident($request:expr), $limit:expr) => {{
        let request = $request;
        ask!($client, $stub.$method(request.clone()), $limit, Some(request))
    }};
    ($client:expr, $stub:ident.$method:ident($request:expr), $limit:expr, $again:expr) => {
        $client.ask($request, $again, $limit, |request| {
            let stub = $stub::new($client.control.clone());
            let mut stub = stub.max_decoding_message_size(crate::client::MAX_MESSAGE);
            async move { stub.$method(request).await }
        })
    };
}
pub(crate) use ask;

impl Client {
    /// Call, and call again where that is safe and makes sense.
    pub(crate) async fn ask<Q: Clone, A, F>(
        &self,
        first: Q,
        again: Option<Q>,
        limit: Duration,
        call: impl Fn(Request<Q>) -> F,
    ) -> Result<A>
    where
        F: Future<Output = std::result::Result<Response<A>, Status>>,
    {
        let mut message = first;
        for attempt in 1.. {
            let mut request = Request::new(message);
            request.set_timeout(limit);
            self.signer.sign(request.metadata_mut())?;
            let error = match timeout(limit, call(request)).await {
                Ok(Ok(answer)) => return Ok(answer.into_inner()),
                Ok(Err(status)) => Error::from(status),
                Err(_) => Error::DeadlineExceeded(format!("no answer in {limit:?}")),
            };
            match (error.retry_delay(attempt), &again) {
                (Some(delay), Some(again)) if attempt < TRIES => {
                    message = again.clone();
                    sleep(delay).await;
                }
                _ => return Err(error),
            }
        }
        unreachable!("the last try returns")
    }
}

impl Error {
    /// Time until the next try, or None if another try would not help.
    pub(crate) fn retry_delay(&self, attempt: u32) -> Option<Duration> {
        let told = self.service().and_then(|error| error.retry_delay);
        match (self, told) {
            (Self::NoSpace(_), _) => None,
            (_, Some(told)) => (told <= RETRY_DELAY_MAX).then(|| told.max(BACKOFF)),
            (Self::ConnectionFailed(_) | Self::Unavailable(_), None) => {
                let ceiling = BACKOFF.saturating_mul(1 << (attempt - 1).min(16)).min(BACKOFF_MAX);
                Some(ceiling.mul_f64(0.5 + fastrand::f64() / 2.0))
            }
            _ => None,
        }
    }
}

/// A duration as the contract has it.
pub(crate) fn span(duration: Duration) -> prost_types::Duration {
    let seconds = i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    prost_types::Duration { seconds, nanos: duration.subsec_nanos().cast_signed() }
}
