//! `lantern set`: changes what is queued.

use super::connect::Target;
use super::parse::Priority;
use super::{ids, output, show};

/// Change the priority of a pending job
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Priority(PriorityOf),
}

/// Move a pending job to another place in the queue
#[derive(Debug, clap::Args)]
struct PriorityOf {
    /// The job
    #[arg(short, long, value_name = "JOB")]
    job: String,

    /// Its priority from now on
    #[arg(value_enum)]
    priority: Priority,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let What::Priority(wanted) = arguments.what;
    let client = arguments.target.client()?;
    let id = ids::job(&client, &wanted.job).await?;
    let snapshot = client.jobs().set_priority(id, wanted.priority.into()).await?;
    if arguments.target.json() {
        output::json(&show::json_job(&snapshot.details))
    } else {
        output::text(&format!("JOB_ID:{id} PRIORITY:{}", snapshot.details.priority))
    }
}
