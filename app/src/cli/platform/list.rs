//! `lantern list`: what a server has.

use std::collections::BTreeSet;
use std::time::SystemTime;

use platform_client::job::{JobDetails, JobFilter, JobState, JobStatus};
use platform_client::payload::PayloadType;
use serde_json::{Value, json};

use super::connect::Target;
use super::show::{self, mib, table, time};
use super::{ids, output, parse};

/// List pipelines, jobs, payloads, models, catalogs or instances
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Pipelines by name
    #[command(visible_alias = "pipeline")]
    Pipelines,
    Jobs(Jobs),
    Payloads(Payloads),
    Models(Models),
    /// Catalogs of models
    #[command(visible_alias = "catalog")]
    Catalogs,
    /// What inference servers serve
    #[command(visible_alias = "instance")]
    Instances,
}

/// Jobs; all of them where nothing is chosen
///
/// Of several states a job has to be in one, and of several statuses have one; everything else has to hold too.
/// `--all` chooses every state and status.
#[derive(Debug, clap::Args)]
#[command(visible_alias = "job")]
struct Jobs {
    /// Not begun
    #[arg(long, help_heading = "States")]
    pending: bool,
    /// At work
    #[arg(long, help_heading = "States")]
    running: bool,
    /// Over
    #[arg(long, help_heading = "States")]
    stopped: bool,

    /// Nothing went wrong
    #[arg(long, help_heading = "Statuses")]
    healthy: bool,
    /// An operator failed
    #[arg(long, help_heading = "Statuses")]
    faulted: bool,
    /// Ended on request
    #[arg(long, visible_alias = "cancelled", help_heading = "Statuses")]
    canceled: bool,
    /// Left over from an earlier run of the server
    #[arg(long, help_heading = "Statuses")]
    evicted: bool,
    /// Ran over the time limit
    #[arg(long, help_heading = "Statuses")]
    terminated: bool,

    /// Every state and status
    #[arg(long)]
    all: bool,

    /// Of this pipeline; may come several times
    #[arg(short, long = "pipeline", value_name = "PIPELINE")]
    pipelines: Vec<String>,

    /// Created later than this: 2021-03-08T18:06:31Z, 2021-03-08, or an age such as 2h
    #[arg(long, value_name = "TIME", value_parser = parse::time)]
    created_after: Option<SystemTime>,

    /// Over before this
    #[arg(long, value_name = "TIME", value_parser = parse::time)]
    completed_before: Option<SystemTime>,

    /// Identifiers only
    #[arg(short, long)]
    quiet: bool,
}

/// Payloads, where the server tells
#[derive(Debug, clap::Args)]
#[command(visible_alias = "payload")]
struct Payloads {
    /// Only those that belong to no job
    #[arg(long)]
    reusable: bool,

    /// Identifiers only
    #[arg(short, long)]
    quiet: bool,
}

/// Models by name
#[derive(Debug, clap::Args)]
#[command(visible_alias = "model")]
struct Models {
    /// Identifiers only
    #[arg(short, long)]
    quiet: bool,
}

impl Jobs {
    fn states(&self) -> BTreeSet<JobState> {
        let flags = [
            (self.pending, JobState::Pending),
            (self.running, JobState::Running),
            (self.stopped, JobState::Stopped),
        ];
        flags.into_iter().filter(|(flag, _)| *flag && !self.all).map(|(_, state)| state).collect()
    }

    fn statuses(&self) -> BTreeSet<JobStatus> {
        let flags = [
            (self.healthy, JobStatus::Healthy),
            (self.faulted, JobStatus::Faulted),
            (self.canceled, JobStatus::Canceled),
            (self.evicted, JobStatus::Evicted),
            (self.terminated, JobStatus::Terminated),
        ];
        flags.into_iter().filter(|(flag, _)| *flag && !self.all).map(|(_, status)| status).collect()
    }
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let client = arguments.target.client()?;
    let is_json = arguments.target.json();
    match arguments.what {
        What::Pipelines => {
            let all = client.pipelines().list().await?;
            let rows =
                all.iter().map(|pipeline| vec![pipeline.name.clone(), pipeline.id.to_string()]).collect();
            print(is_json, "pipelines", all.iter().map(show::json_pipeline), &["NAME", "ID"], rows)
        }
        What::Jobs(jobs) => list_jobs(&client, &jobs, is_json).await,
        What::Payloads(wanted) => {
            let types: &[PayloadType] = if wanted.reusable { &[PayloadType::Reusable] } else { &[] };
            let all = client.payloads().list(types).await?;
            if wanted.quiet && !is_json {
                return lines(all.iter().map(|payload| payload.id.to_string()));
            }
            let rows = all.iter().map(|payload| {
                vec![
                    payload.id.to_string(),
                    payload.payload_type.name().to_owned(),
                    payload.job_id.map_or_else(|| "-".to_owned(), |id| id.to_string()),
                    payload.file_count.to_string(),
                    mib(payload.bytes),
                    time(payload.created),
                ]
            });
            let heads = ["ID", "TYPE", "JOB", "FILES", "SIZE", "CREATED"];
            print(is_json, "payloads", all.iter().map(show::json_payload), &heads, rows.collect())
        }
        What::Models(wanted) => {
            let all = client.models().list().await?;
            if wanted.quiet && !is_json {
                return lines(all.iter().map(|model| model.id.to_string()));
            }
            let rows = all.iter().map(show::model_row).collect();
            print(is_json, "models", all.iter().map(show::json_model), &["NAME", "ID", "TYPE"], rows)
        }
        What::Catalogs => {
            let all = client.models().list_catalogs().await?;
            let all: Vec<_> = all.into_iter().map(|list| (list.id.to_string(), list.models)).collect();
            print_lists(is_json, "catalogs", "catalog_id", &all)
        }
        What::Instances => {
            let all = client.models().list_instances().await?;
            let all: Vec<_> = all.into_iter().map(|list| (list.id.to_string(), list.models)).collect();
            print_lists(is_json, "instances", "instance_id", &all)
        }
    }
}

fn print_lists(
    is_json: bool,
    what: &str,
    field: &str,
    all: &[(String, Vec<platform_client::model::ModelDetails>)],
) -> anyhow::Result<()> {
    let values = all.iter().map(|(id, models)| {
        let models: Vec<Value> = models.iter().map(show::json_model).collect();
        json!({ field: id, "models": models })
    });
    let rows = all.iter().map(|(id, models)| {
        let names: Vec<&str> = models.iter().map(|model| model.name.as_str()).collect();
        vec![id.clone(), names.join(", ")]
    });
    print(is_json, what, values, &["ID", "MODELS"], rows.collect())
}

fn print(
    is_json: bool,
    what: &str,
    values: impl Iterator<Item = Value>,
    heads: &[&str],
    rows: Vec<Vec<String>>,
) -> anyhow::Result<()> {
    if is_json {
        output::json(&json!({ what: values.collect::<Vec<_>>() }))
    } else {
        output::text(&table(heads, &rows))
    }
}

fn lines(mut all: impl Iterator<Item = String>) -> anyhow::Result<()> {
    all.try_for_each(|line| output::text(&line))
}

/// Jobs are printed as they come: there may be very many.
async fn list_jobs(client: &platform_client::Client, jobs: &Jobs, is_json: bool) -> anyhow::Result<()> {
    let mut filter = JobFilter {
        states: jobs.states(),
        statuses: jobs.statuses(),
        created_after: jobs.created_after,
        completed_before: jobs.completed_before,
        ..JobFilter::default()
    };
    for text in &jobs.pipelines {
        filter.pipelines.insert(ids::pipeline(client, text).await?);
    }
    let mut list = client.jobs().list(&filter).await?;
    let mut values = Vec::new();
    let mut is_first = true;
    while let Some(job) = list.next().await? {
        // Servers of the published releases do not filter by state alone.
        if !filter.matches(&job) {
            continue;
        }
        if is_json {
            values.push(show::json_job(&job));
        } else if jobs.quiet {
            output::text(&job.id.to_string())?;
        } else {
            if is_first {
                output::text(&line(["ID", "STATE", "STATUS", "PRIORITY", "CREATED", "NAME"]))?;
            }
            output::text(&job_line(&job))?;
        }
        is_first = false;
    }
    if is_json { output::json(&json!({ "jobs": values })) } else { Ok(()) }
}

fn job_line(job: &JobDetails) -> String {
    let (id, created, name) = (job.id.to_string(), time(Some(job.created)), show::printable(&job.name));
    line([&id, job.state.name(), job.status.name(), job.priority.name(), &created, &name])
}

fn line([id, state, status, priority, created, name]: [&str; 6]) -> String {
    format!("{id:<32}  {state:<7}  {status:<10}  {priority:<9}  {created:<20}  {name}")
}
