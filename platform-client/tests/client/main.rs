//! The client against a server that fails on purpose.
#![expect(clippy::unwrap_used, reason = "a test whose input is not as written fails")]

mod connecting;
#[path = "../fake/mod.rs"]
mod fake;
mod services;
mod transfers;

use std::net::SocketAddr;
use std::time::Duration;

use platform_client::id::PipelineId;
use platform_client::metadata::Metadata;
use platform_client::pipelines::DefinitionFile;
use platform_client::{Client, ConnectOptions};

/// The one place that says how tests reach a server.
fn options(address: SocketAddr) -> ConnectOptions {
    let mut options = ConnectOptions::new(address.into());
    options.deadlines.connect = Duration::from_secs(5);
    options
}

fn client(address: SocketAddr) -> Client {
    Client::connect(&options(address)).unwrap()
}

async fn pipeline(client: &Client) -> PipelineId {
    let file = DefinitionFile { path: "a.yaml".to_owned(), content: "name: liver\n".to_owned() };
    client.pipelines().create(&[file], &Metadata::new(), None).await.unwrap()
}
