//! `lantern start`: queues jobs.

use platform_client::jobs::StartedJob;
use serde_json::json;

use super::connect::Target;
use super::{ids, output, parse, show, usage, wait};

/// Start a job that was created before
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Job(Job),
}

/// Queue a job
#[derive(Debug, clap::Args)]
#[command(alias = "jobs")]
struct Job {
    /// The job
    #[arg(value_name = "JOB", required_unless_present = "job", conflicts_with = "job")]
    id: Option<String>,

    /// The job
    #[arg(short, long, value_name = "JOB")]
    job: Option<String>,

    /// A value for a parameter of the pipeline; may come several times
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = parse::pair)]
    variables: Vec<(String, String)>,

    /// Wait until the job is over; ends with 1 unless it is healthy
    #[arg(long)]
    wait: bool,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let What::Job(job) = arguments.what;
    let Some(text) = job.id.or(job.job) else { return Err(usage("the job is missing")) };
    let variables = parse::variables(&job.variables)?;
    let client = arguments.target.client()?;
    let id = ids::job(&client, &text).await?;
    let StartedJob { mut state, mut status, priority } = client.jobs().start(id, &variables).await?;
    let report = if job.wait { Some(wait::until_stopped(&client, id).await?) } else { None };
    if let Some(report) = &report {
        (state, status) = (report.details.state, report.details.status);
    }
    if arguments.target.json() {
        output::json(&json!({
            "job_id": id.to_string(),
            "state": state.name(),
            "status": status.name(),
            "priority": priority.name(),
        }))?;
    } else {
        output::text(&format!("JOB_ID:{id}"))?;
        output::text(&format!("STATE:{} STATUS:{}", show::wire_state(state), show::wire_status(status)))?;
    }
    report.as_ref().map_or(Ok(()), wait::check)
}
