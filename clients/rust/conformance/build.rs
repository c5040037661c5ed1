//! Compiles the contract into a descriptor set, for canonical JSON.

use std::path::PathBuf;

use prost::Message as _;

const FILES: [&str; 4] = [
    "longshore/v1/job_service.proto",
    "longshore/v1/image_service.proto",
    "longshore/v1/system_service.proto",
    // What an Any of an error may hold.
    "google/rpc/error_details.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let includes = ["../proto", "../third_party"].map(|name| root.join(name));
    for include in &includes {
        println!("cargo:rerun-if-changed={}", include.display());
    }
    let set = protox::compile(FILES, includes)?;
    let out = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out.join("contract.binpb"), set.encode_to_vec())?;
    Ok(())
}
