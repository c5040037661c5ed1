//! Client of Longshore, a daemon that controls jobs on disk images.
//!
//! The messages of the contract are the data model: see [`v1`]. Everything runs on
//! Tokio; what is dropped is cancelled.

mod ask;
mod client;
mod config;
mod error;
mod job;
pub mod units;
mod watch;

#[cfg(test)]
mod tests;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The messages and stubs of the contract, as generated.
pub mod v1 {
    #![allow(missing_docs, clippy::all, rustdoc::all)]
    tonic::include_proto!("longshore.v1");
}

pub use client::{Client, Items, SignedChannel, pull, pull_to};
pub use config::{Credentials, Signer, check_address, default_address};
pub use error::{DOMAIN, Error, Result, ServiceError};
pub use job::{Cancel, JobHandle, Wait};
pub use tokio_stream::{Stream, StreamExt};
pub use tonic::Code;
pub use tonic_types::FieldViolation;
pub use watch::{Value, Watch, WatchOptions};
pub use {prost_types, tonic};
