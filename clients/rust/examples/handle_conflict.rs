//! Two jobs want one image: `handle_conflict TOP`.

use longshore_client::v1::{CreateJobRequest, JobOptions, OnConflict};
use longshore_client::{Cancel, Client, Error, Wait, pull};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let top = std::env::args().nth(1).ok_or("usage: handle_conflict TOP")?;
    let client = Client::from_env()?;
    let slowly = JobOptions { speed_bytes_per_second: Some(64 << 10), ..Default::default() };
    let request = CreateJobRequest { options: Some(slowly), ..pull(top.as_str()) };
    let first = client.create(request).await?;
    match client.create(pull(top.as_str())).await {
        Err(Error::TargetBusy(error)) => println!("busy: {}", error.blocking_job_id()),
        Err(error) => return Err(error.into()),
        Ok(second) => return Err(format!("{} was not refused", second.id()).into()),
    }
    first.cancel(Cancel { wait: true, ..Default::default() }).await?;
    let on_conflict = OnConflict::Queue.into();
    let job = client.create(CreateJobRequest { on_conflict, ..pull(top.as_str()) }).await?;
    job.wait(Wait::default()).await?;
    println!("{} SUCCEEDED", job.id());
    Ok(())
}
