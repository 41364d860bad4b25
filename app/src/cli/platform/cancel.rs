//! `lantern cancel`: ends jobs.

use serde_json::json;

use super::connect::Target;
use super::{each, ids, output, show};

/// End pending or running jobs
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Job(Jobs),
}

/// End jobs
#[derive(Debug, clap::Args)]
#[command(visible_alias = "jobs")]
struct Jobs {
    /// The jobs
    #[arg(value_name = "JOB", required_unless_present = "job")]
    ids: Vec<String>,

    /// The job
    #[arg(short, long, value_name = "JOB")]
    job: Vec<String>,

    /// Why, for people
    #[arg(long, default_value = "", hide_default_value = true)]
    reason: String,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let What::Job(jobs) = arguments.what;
    let client = arguments.target.client()?;
    let texts: Vec<String> = jobs.ids.into_iter().chain(jobs.job).collect();
    let ids = ids::jobs(&client, &texts).await?;
    let mut done = Vec::new();
    let result = each(&ids, async |id| {
        let (state, status) = client.jobs().cancel(id, &jobs.reason).await?;
        done.push((id, state, status));
        Ok(())
    })
    .await;
    if arguments.target.json() {
        let entry = |(id, state, status): &(
            platform_client::id::JobId,
            platform_client::job::JobState,
            platform_client::job::JobStatus,
        )| {
            json!({ "job_id": id.to_string(), "state": state.name(), "status": status.name() })
        };
        output::json(&json!({ "canceled": done.iter().map(entry).collect::<Vec<_>>() }))?;
    } else {
        for (id, state, status) in &done {
            let (state, status) = (show::wire_state(*state), show::wire_status(*status));
            output::text(&format!("JOB_ID:{id} STATE:{state} STATUS:{status}"))?;
        }
    }
    result
}
