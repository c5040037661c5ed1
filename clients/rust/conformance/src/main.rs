//! Drives the Rust client for the conformance suite: one JSON object a line in, one a
//! line out, in order, to the end of input.

mod failure;
mod fields;
mod json;
mod ops;
mod units;
mod watches;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, stdin, stdout};

use crate::fields::Fields;
use crate::ops::Driver;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut driver = Driver::default();
    let mut lines = BufReader::new(stdin()).lines();
    let mut out = stdout();
    while let Some(line) = lines.next_line().await? {
        let answer = answer(&mut driver, &line).await;
        out.write_all(format!("{answer}\n").as_bytes()).await?;
        out.flush().await?;
    }
    Ok(())
}

async fn answer(driver: &mut Driver, line: &str) -> Value {
    let request: Value = serde_json::from_str(line).unwrap_or_default();
    let id = request["id"].clone();
    match driver.perform(&Fields(request)).await {
        Ok(result) => json!({"id": id, "ok": result}),
        Err(failure) => json!({"id": id, "error": failure.shown()}),
    }
}
