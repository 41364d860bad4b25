//! `lantern generate`: feeds a server with jobs and tells how it fares.

mod data;
mod statistics;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use platform_client::id::{JobId, PipelineId};
use platform_client::job::{JobPriority, JobState, JobStatus};
use platform_client::jobs::NewJob;
use platform_client::metadata::Metadata;
use platform_client::payloads::{DEFAULT_PARALLEL, TransferProgress, Upload};
use platform_client::{Client, ClientError, ErrorKind};
use serde_json::json;
use tokio::task::JoinSet;

use self::data::DataSets;
use self::statistics::{Latencies, PHASES};
use super::connect::Target;
use super::parse::Priority;
use super::{ids, output, show, usage};

/// Feed the server with jobs at a steady pace and report latencies and failures
///
/// Each entry of the data folder is the input of one job, in turn: a file, or with --recurse a folder. Several
/// pipelines take turns too. Without data nothing is sent. Ends with 1 if a job failed.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Jobs are called PREFIX-NAME-NUMBER
    #[arg(value_name = "NAME")]
    name: String,

    /// What they run
    #[arg(required = true, value_name = "PIPELINE")]
    pipelines: Vec<String>,

    /// Folders with inputs, or single files
    #[arg(last = true, value_name = "DATA")]
    data: Vec<PathBuf>,

    /// How many jobs
    #[arg(short = 'n', long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    count: u64,

    /// Pause between jobs
    #[arg(short = 'w', long, value_name = "SECONDS", default_value_t = 0.0, value_parser = seconds)]
    delay: f64,

    /// Jobs per second; the same as a delay of 1/RATE
    #[arg(long, value_name = "RATE", value_parser = rate, conflicts_with = "delay")]
    rate: Option<f64>,

    /// When their turn comes
    #[arg(short = 'p', long, value_enum, default_value_t)]
    priority: Priority,

    /// A job only after the one before has ended
    #[arg(short, long)]
    sequence: bool,

    /// Each folder within the data folder is the input of one job
    #[arg(short, long)]
    recurse: bool,

    /// What the jobs' names begin with
    #[arg(long, value_name = "TEXT", default_value = "cpload")]
    prefix: String,

    /// Print the table of latencies
    #[arg(long)]
    stats: bool,

    #[command(flatten)]
    target: Target,
}

fn seconds(text: &str) -> Result<f64, String> {
    let value: Option<f64> = text.parse().ok().filter(|secs| (0.0..=86_400.0).contains(secs));
    value.ok_or_else(|| "expected seconds from 0 to 86400".to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    let value: Option<f64> = text.parse().ok().filter(|rate| (0.001..=10_000.0).contains(rate));
    value.ok_or_else(|| "expected jobs per second from 0.001 to 10000".to_owned())
}

/// How often a job is looked at; what is measured after its start is no finer than this.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A job to be made.
struct Plan {
    job: NewJob,
    files: Vec<Upload>,
}

/// How a job went.
struct Outcome {
    id: Option<JobId>,
    name: String,
    times: Latencies,
    failure: Option<String>,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let data = DataSets::find(&arguments.data, arguments.recurse)?;
    let client = arguments.target.client()?;
    let mut pipelines = Vec::new();
    for text in &arguments.pipelines {
        pipelines.push(ids::pipeline(&client, text).await?);
    }
    let pause = arguments.rate.map_or(arguments.delay, |rate| 1.0 / rate);
    let started = Instant::now();
    let mut running = JoinSet::new();
    let mut outcomes = Vec::new();
    for number in 1..=arguments.count {
        // Counted from the beginning, so that slow answers do not stretch the pace.
        let due = started + Duration::from_secs_f64(pause * (number - 1) as f64);
        while Instant::now() < due {
            tokio::select! {
                () = tokio::time::sleep_until(due.into()) => {}
                Some(done) = running.join_next() => finished(&arguments, done, &mut outcomes)?,
            }
        }
        let plan = plan(&arguments, &pipelines, &data, number)?;
        let client = client.clone();
        running.spawn(async move { one(&client, plan).await });
        if arguments.sequence
            && let Some(done) = running.join_next().await
        {
            finished(&arguments, done, &mut outcomes)?;
        }
    }
    while let Some(done) = running.join_next().await {
        finished(&arguments, done, &mut outcomes)?;
    }
    report(&arguments, &outcomes, started.elapsed())
}

fn plan(
    arguments: &Arguments,
    pipelines: &[PipelineId],
    data: &DataSets,
    number: u64,
) -> anyhow::Result<Plan> {
    let turn = usize::try_from(number - 1).unwrap_or_default();
    let Some(pipeline_id) = pipelines.get(turn % pipelines.len().max(1)) else {
        return Err(usage("there is no pipeline"));
    };
    let name = format!("{}-{}-{number}", arguments.prefix, arguments.name);
    let job = NewJob {
        pipeline_id: *pipeline_id,
        name: name.parse().map_err(|error| usage(format!("{error}")))?,
        priority: JobPriority::from(arguments.priority),
        input_payloads: Vec::new(),
        metadata: Metadata::new(),
    };
    Ok(Plan { job, files: data.of_turn(turn)? })
}

fn finished(
    arguments: &Arguments,
    done: Result<Outcome, tokio::task::JoinError>,
    outcomes: &mut Vec<Outcome>,
) -> anyhow::Result<()> {
    let outcome = done?;
    if !arguments.target.json() {
        let id = outcome.id.map_or_else(|| "-".repeat(32), |id| id.to_string());
        let end = outcome.failure.as_deref().map_or_else(|| "ok".to_owned(), show::printable);
        output::text(&format!("{id}  {}  {end}", show::printable(&outcome.name)))?;
    }
    outcomes.push(outcome);
    Ok(())
}

async fn one(client: &Client, plan: Plan) -> Outcome {
    let mut outcome = Outcome {
        id: None,
        name: plan.job.name.as_str().to_owned(),
        times: Latencies::default(),
        failure: None,
    };
    if let Err(error) = drive(client, plan, &mut outcome).await {
        let code = error.code().map(|code| format!("code {code}: ")).unwrap_or_default();
        outcome.failure = Some(format!("{code}{error}"));
    }
    outcome
}

async fn drive(client: &Client, plan: Plan, outcome: &mut Outcome) -> Result<(), ClientError> {
    let begun = Instant::now();
    let made = client.jobs().create(&plan.job).await?;
    outcome.id = Some(made.id);
    outcome.times.create = Some(begun.elapsed());
    if !plan.files.is_empty() {
        let sending = Instant::now();
        let progress = std::sync::Arc::new(TransferProgress::new());
        client.payloads().upload(made.payload_id, plan.files, DEFAULT_PARALLEL, &progress).await?;
        outcome.times.upload = Some(sending.elapsed());
    }
    let starting = Instant::now();
    client.jobs().start(made.id, &Default::default()).await?;
    outcome.times.start = Some(starting.elapsed());
    let queued = Instant::now();
    let mut seen_running = None;
    let details = loop {
        let (details, is_precise) = look(client, made.id).await?;
        if details.state != JobState::Pending && seen_running.is_none() {
            seen_running = Some(Instant::now());
        }
        if details.state == JobState::Stopped {
            // The server's own clock, where it tells fractions; else what was seen.
            let ran = details.stopped.zip(details.started.filter(|_| is_precise));
            let ran = ran.and_then(|(stopped, started)| stopped.duration_since(started).ok());
            outcome.times.run = ran.or_else(|| seen_running.map(|seen| seen.elapsed()));
            break details;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    outcome.times.queue = seen_running.map(|seen| seen.duration_since(queued));
    outcome.times.whole = Some(begun.elapsed());
    if details.status != JobStatus::Healthy {
        outcome.failure = Some(details.status.to_string());
    }
    Ok(())
}

/// The job now, and whether its times have fractions.
async fn look(client: &Client, id: JobId) -> Result<(platform_client::job::JobDetails, bool), ClientError> {
    match client.jobs().snapshot(id).await {
        Ok(snapshot) => Ok((snapshot.details, true)),
        Err(error) if error.kind() == ErrorKind::Unsupported => {
            Ok((client.jobs().status(id).await?.details, false))
        }
        Err(error) => Err(error),
    }
}

fn report(arguments: &Arguments, outcomes: &[Outcome], took: Duration) -> anyhow::Result<()> {
    let failed = outcomes.iter().filter(|outcome| outcome.failure.is_some()).count();
    // A failed job is no measurement of a good one.
    let good: Vec<&Latencies> =
        outcomes.iter().filter(|o| o.failure.is_none()).map(|outcome| &outcome.times).collect();
    if arguments.target.json() {
        let failures: Vec<_> = outcomes
            .iter()
            .filter_map(|o| Some((o, o.failure.as_ref()?)))
            .map(|(o, reason)| json!({ "name": o.name, "job_id": o.id.map(|id| id.to_string()), "reason": reason }))
            .collect();
        output::json(&json!({
            "jobs": outcomes.len(),
            "failed": failed,
            "took_secs": took.as_secs_f64(),
            "jobs_per_sec": outcomes.len() as f64 / took.as_secs_f64().max(1e-9),
            "resolution_ms": LOOK_EVERY.as_secs_f64() * 1000.0,
            "latencies": statistics::json(&good),
            "failures": failures,
        }))?;
    } else if arguments.stats {
        let heads = ["PHASE", "N", "P50 MS", "P90 MS", "P99 MS", "MAX MS"];
        let rows: Vec<Vec<String>> = PHASES.iter().map(|phase| statistics::row(phase, &good)).collect();
        output::text(&format!("\n{}", show::table(&heads, &rows)))?;
        output::text(&format!("{} jobs in {}, {failed} failed", outcomes.len(), show::secs(took)))?;
    }
    anyhow::ensure!(failed == 0, "{failed} of {} jobs failed", outcomes.len());
    Ok(())
}
