//! Pull an image slowly, and then at full speed: `change_rate TOP`.

use longshore_client::v1::{CreateJobRequest, Job, JobOptions, JobState};
use longshore_client::{Client, JobHandle, StreamExt as _, Value, Wait, WatchOptions, pull};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let top = std::env::args().nth(1).ok_or("usage: change_rate TOP")?;
    let client = Client::from_env()?;
    let slowly = JobOptions { speed_bytes_per_second: Some(64 << 10), ..Default::default() };
    let request = CreateJobRequest { options: Some(slowly), ..pull(top.as_str()) };
    let job = client.create(request).await?;
    println!("{}", job.id());
    until_it_moves(&job).await?;
    job.set_speed(None).await?;
    job.wait(Wait::default()).await?;
    println!("{} SUCCEEDED", job.id());
    Ok(())
}

/// Leaving the loop ends the watch.
async fn until_it_moves(job: &JobHandle) -> longshore_client::Result<()> {
    let is_running = |job: &Job| job.state() == JobState::Running;
    let (mut runs, mut moves) = (false, false);
    let mut watch = job.watch(WatchOptions::default());
    while let Some(value) = watch.next().await {
        match value? {
            Value::Event { event, .. } => runs = event.job.as_ref().is_some_and(is_running),
            Value::Snapshot { jobs, .. } | Value::Resynced { jobs, .. } => {
                runs = jobs.iter().any(is_running);
            }
            Value::Progress(_) => moves = true,
        }
        if runs && moves {
            break;
        }
    }
    Ok(())
}
