//! Generates the stubs from the contract, without protoc.

use std::path::PathBuf;

const FILES: [&str; 4] = ["job_service", "image_service", "system_service", "error_reason"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = FILES.map(|name| format!("longshore/v1/{name}.proto"));
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
