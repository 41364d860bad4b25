//! `lantern version`: of this program, and of a server.

use platform_client::ErrorKind;
use serde_json::json;

use super::connect::{Target, TargetRest};
use super::{output, show};

/// Print the version of this program, and with --server that of a server
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Ask the server, or the one at this address
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1)]
    server: Option<Option<String>>,

    #[command(flatten)]
    rest: TargetRest,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let own = env!("CARGO_PKG_VERSION");
    let is_json = arguments.rest.json;
    let Some(server) = arguments.server else {
        return if is_json {
            output::json(&json!({ "lantern": own }))
        } else {
            output::text(&format!("lantern {own}"))
        };
    };
    let client = Target { server, rest: arguments.rest }.client()?;
    let clara = client.server().version().await?.text;
    let info = match client.server().info().await {
        Ok(info) => Some(info),
        Err(error) if error.kind() == ErrorKind::Unsupported => None,
        Err(error) => return Err(error.into()),
    };
    if is_json {
        let server = info.as_ref().map(|info| {
            json!({
                "version": info.version,
                "executor": info.executor,
                "features": info.features,
                "epoch": info.epoch,
                "warnings": info.warnings,
                "cpus": info.capacity.map(|(cpus, _, _)| cpus),
                "gpus": info.capacity.map(|(_, gpus, _)| gpus),
                "memory_bytes": info.capacity.map(|(_, _, memory)| memory),
            })
        });
        return output::json(&json!({
            "lantern": own,
            "address": client.server_name(),
            "clara_api": clara,
            "server": server,
        }));
    }
    let mut lines = vec![format!("lantern {own}"), format!("server {}", client.server_name())];
    lines.push(format!("platform API {clara}"));
    if let Some(info) = info {
        lines.push(format!("server version {}, executor {}", info.version, info.executor));
        lines.extend(info.warnings.iter().map(|warning| format!("warning: {}", show::printable(warning))));
    }
    output::text(&lines.join("\n"))
}
