//! What may go to another task.

use tokio_stream::StreamExt as _;

use crate::{Cancel, Client, Credentials, Wait, WatchOptions, pull};

/// Only the compiler looks at it.
fn goes<T: Send>(_: T) {}

#[tokio::test]
async fn calls_and_watches_may_be_spawned() {
    let client = Client::new(Some("unix:/nowhere"), Some(Credentials::default())).unwrap();
    let job = client.job("job-1");
    goes(client.create(pull("/top.qcow2")));
    goes(job.wait(Wait::default()));
    goes(job.cancel(Cancel::default()));
    goes(job.update(Default::default(), None));
    goes(client.list(Default::default()).next());
    goes(client.watch(WatchOptions::default()).next());
}
