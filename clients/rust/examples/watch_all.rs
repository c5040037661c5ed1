//! Tell every change of every job, until a job with the label stop=yes has ended.

use longshore_client::{Client, StreamExt as _, Value, WatchOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut watch = Client::from_env()?.watch(WatchOptions::default());
    while let Some(value) = watch.next().await {
        match value? {
            Value::Snapshot { jobs, .. } => println!("snapshot {}", jobs.len()),
            Value::Resynced { jobs, .. } => println!("resynced {}", jobs.len()),
            Value::Progress(_) => {}
            Value::Event { event, .. } => {
                let kind = event.kind().as_str_name().replace("JOB_EVENT_KIND_", "");
                let Some(job) = event.job else { continue };
                let state = job.state().as_str_name().replace("JOB_STATE_", "");
                println!("{kind} {} {state} revision={}", job.job_id, event.revision);
                let is_last = job.labels.get("stop").is_some_and(|stop| stop == "yes");
                if is_last && job.end_time.is_some() {
                    break;
                }
            }
        }
    }
    Ok(())
}
