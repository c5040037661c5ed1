//! Generates the stubs from the contract, without protoc.

use std::path::PathBuf;

const SERVICES: [&str; 3] = ["job_service", "image_service", "system_service"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = SERVICES.map(|name| format!("longshore/v1/{name}.proto"));
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?);
    let includes = ["proto", "third_party"].map(|name| root.join(name));
    for include in &includes {
        println!("cargo:rerun-if-changed={}", include.display());
    }
    tonic_prost_build::configure()
        .build_server(false)
        .extern_path(".google.rpc", "::tonic_types::pb")
        .compile_fds(protox::compile(files, includes)?)?;
    Ok(())
}
