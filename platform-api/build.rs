//! Generates messages, clients and servers from `proto/`, and the descriptors for reflection.
use std::path::PathBuf;
use std::{env, fs};

use prost::Message;

/// The wire of the published clients, then our own.
const FILES: [&str; 13] = [
    "nvidia/clara/platform/common.proto",
    "nvidia/clara/platform/clara.proto",
    "nvidia/clara/platform/jobs.proto",
    "nvidia/clara/platform/payloads.proto",
    "nvidia/clara/platform/pipelines.proto",
    "nvidia/clara/platform/models.proto",
    "nvidia/clara/platform/node-monitor/metrics.proto",
    "lantern/platform/v1/jobs.proto",
    "lantern/platform/v1/payloads.proto",
    "lantern/platform/v1/logs.proto",
    "lantern/platform/v1/server.proto",
    "lantern/platform/v1/events.proto",
    "lantern/platform/v1/access.proto",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        // Maps in the order of their keys, so that a message has one encoding.
        .btree_map(".")
        // Pieces of files are passed on without a copy.
        .bytes(".")
        .compile_fds(descriptors)?;
    Ok(())
}
