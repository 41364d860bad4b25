//! `lantern serve`: the platform server, alone.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use platform_server::config::Config;
use platform_server::server::{self, Running};
use serde_json::json;

use super::{output, telemetry, wrong_settings};

/// Run the platform server: keeps pipelines, payloads, jobs and models, and runs operators
///
/// Prints one line of JSON with the addresses in use, then serves until it is asked to end (SIGINT, SIGTERM).
/// Operators at work go on; the next server finds them again.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Folder that holds everything; made if it is missing
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,

    /// Address to listen on; port 0 picks a free one. May repeat
    #[arg(long, value_name = "ADDR")]
    listen: Vec<SocketAddr>,

    /// Address in plain text for published Clara clients; off unless given
    #[arg(long, value_name = "ADDR")]
    legacy_clara: Option<SocketAddr>,

    /// Settings; what is given here goes before them
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Serves until it is asked to end.
pub(super) fn run(arguments: Arguments) -> anyhow::Result<()> {
    let config = config(arguments)?;
    let shim = crate::shim::command()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let telemetry = telemetry::start()?;
        let running = server::start(&config, shim).await?;
        for warning in running.platform().info().warnings {
            output::note(&format!("WARNING: {warning}"));
        }
        output::json(&addresses(&running))?;
        asked_to_end().await?;
        tracing::info!("the server is asked to end");
        running.stop().await;
        telemetry.stop().await;
        Ok(())
    })
}

fn config(arguments: Arguments) -> anyhow::Result<Config> {
    let mut config = match &arguments.config {
        Some(path) => Config::read(path).map_err(wrong_settings)?,
        None => Config::default(),
    };
    if let Some(data) = arguments.data {
        config.data = data;
    }
    if !arguments.listen.is_empty() {
        config.listen.addresses = arguments.listen;
    }
    if arguments.legacy_clara.is_some() {
        config.legacy.address = arguments.legacy_clara;
    }
    config.check().map_err(wrong_settings)?;
    // Folders of payloads are handed to other processes, whose working folder is another one.
    std::fs::create_dir_all(&config.data)
        .and_then(|()| std::fs::canonicalize(&config.data))
        .map(|data| config.data = data)
        .with_context(|| format!("cannot use the data folder `{}`", config.data.display()))?;
    Ok(config)
}

fn addresses(running: &Running) -> serde_json::Value {
    let addresses = running.addresses();
    json!({
        "listen": addresses.network.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "fingerprint": addresses.fingerprint.as_ref().map(ToString::to_string),
        "legacy_clara": addresses.legacy.map(|address| address.to_string()),
        "unix": addresses.unix.as_ref().map(|path| path.display().to_string()),
        "metrics": running.observed_at().map(|address| address.to_string()),
    })
}

#[cfg(unix)]
async fn asked_to_end() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended,
        _ = terminate.recv() => Ok(()),
    }
}

#[cfg(not(unix))]
async fn asked_to_end() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
