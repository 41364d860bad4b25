//! `lantern audit`: who asked for what.

use serde_json::json;

use super::output;
use super::register::Place;
use super::show::{self, table, time};

/// Show who asked the server for what, newest first; for admins
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Lines at most
    #[arg(short = 'n', long = "count", value_name = "N", default_value_t = 100,
        value_parser = clap::value_parser!(u32).range(1..=100_000))]
    count: u32,

    #[command(flatten)]
    place: Place,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let lines = arguments.place.open_audit().await?.audit(arguments.count).await?;
    if arguments.place.target.json() {
        let lines = lines.iter().map(|line| {
            json!({
                "time": show::json_time(line.time),
                "user": line.user,
                "action": line.action,
                "object": line.object,
                "outcome": line.outcome,
            })
        });
        return output::json(&json!({ "lines": lines.collect::<Vec<_>>() }));
    }
    let rows: Vec<Vec<String>> = lines
        .into_iter()
        .map(|line| vec![time(line.time), line.user, line.action, line.object, line.outcome])
        .collect();
    output::text(&table(&["TIME", "USER", "ACTION", "OBJECT", "OUTCOME"], &rows))
}
