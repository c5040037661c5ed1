//! Pull an image slowly; Ctrl-C cancels the job: `cancel_on_ctrl_c TOP`.

use std::process::ExitCode;

use longshore_client::v1::{CreateJobRequest, JobOptions};
use longshore_client::{Cancel, Client, Wait, pull};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let top = std::env::args().nth(1).ok_or("usage: cancel_on_ctrl_c TOP")?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let client = Client::from_env()?;
    let slowly = JobOptions { speed_bytes_per_second: Some(64 << 10), ..Default::default() };
    let request = CreateJobRequest { options: Some(slowly), ..pull(top.as_str()) };
    let job = client.create(request).await?;
    println!("{}", job.id());
    let how = Cancel { comment: "Ctrl-C".into(), wait: true, ..Default::default() };
    // Whichever comes first; what comes second is dropped.
    let (ended, code) = tokio::select! {
        done = job.wait(Wait::default()) => (done?, ExitCode::SUCCESS),
        _ = interrupt.recv() => (job.cancel(how).await?, ExitCode::from(130)),
    };
    println!("{} {}", job.id(), ended.state().as_str_name().replace("JOB_STATE_", ""));
    Ok(code)
}
