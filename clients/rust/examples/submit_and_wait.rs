//! Pull an image and wait for the end: `submit_and_wait TOP`.

use longshore_client::{Client, Wait, pull};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let top = std::env::args().nth(1).ok_or("usage: submit_and_wait TOP")?;
    let client = Client::from_env()?;
    let job = client.create(pull(top.as_str())).await?;
    println!("{}", job.id());
    job.wait(Wait::default()).await?;
    println!("{} SUCCEEDED", job.id());
    Ok(())
}
