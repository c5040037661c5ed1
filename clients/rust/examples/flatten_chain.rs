//! Pull an image down to a base that stays, and show its chain: `flatten_chain BASE TOP`.

use longshore_client::v1::GetImageRequest;
use longshore_client::{Client, Wait, pull_to};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let names: Vec<String> = std::env::args().skip(1).collect();
    let [base, top] = names.as_slice() else { Err("usage: flatten_chain BASE TOP")? };
    let client = Client::from_env()?;
    let job = client.create(pull_to(top.as_str(), Some(base.as_str()))).await?;
    job.wait(Wait::default()).await?;
    let request = GetImageRequest { image: Some(top.as_str().into()), ..Default::default() };
    for link in client.image(request).await?.chain {
        println!("{}", link.uri);
    }
    Ok(())
}
