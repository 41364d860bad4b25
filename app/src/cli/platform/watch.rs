//! `lantern watch`: changes as they happen, one a line.

use clap::ValueEnum;
use platform_client::events::{Change, Event, EventKind, WatchQuery};
use serde_json::{Value, json};

use super::connect::Target;
use super::show::{self, mib, printable};
use super::{ids, output};

/// Print changes as they happen, until interrupted
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// Only changes of this kind; may come several times
    #[arg(long, value_enum)]
    kind: Vec<Kind>,

    /// Only this job, its operators, logs and payload; may come several times
    #[arg(short, long, value_name = "JOB")]
    job: Vec<String>,

    /// End after so many lines
    #[arg(short = 'n', long, value_name = "N")]
    count: Option<u64>,

    #[command(flatten)]
    target: Target,
}

/// `--kind` as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    Job,
    Operator,
    Log,
    Utilization,
    Payload,
    Pipeline,
    Model,
}

impl From<Kind> for EventKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Job => Self::Job,
            Kind::Operator => Self::Operator,
            Kind::Log => Self::Log,
            Kind::Utilization => Self::Utilization,
            Kind::Payload => Self::Payload,
            Kind::Pipeline => Self::Pipeline,
            Kind::Model => Self::Model,
        }
    }
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let client = arguments.target.client()?;
    let jobs = ids::jobs(&client, &arguments.job).await?;
    let kinds = arguments.kind.into_iter().map(EventKind::from).collect();
    let mut watch = client.events().watch(WatchQuery { kinds, jobs, resume_from: None }).await?;
    let mut printed = 0;
    while arguments.count.is_none_or(|count| printed < count) {
        let event = watch.next().await?;
        let Some((kind, value, text)) = shown(&event.change) else { continue };
        if arguments.target.json() {
            output::json(&document(&event, kind, value))?;
        } else {
            output::text(&format!("{}  {kind:<11}  {text}", show::time(event.time)))?;
        }
        printed += 1;
    }
    Ok(())
}

fn document(event: &Event, kind: &str, value: Value) -> Value {
    let cursor = event.cursor.as_ref();
    json!({
        "time": show::json_time(event.time),
        "kind": kind,
        "sequence": cursor.map(platform_client::events::Cursor::sequence),
        "epoch": cursor.map(platform_client::events::Cursor::epoch),
        "change": value,
    })
}

/// Kind, JSON and text; `None` for what says nothing to people.
fn shown(change: &Change) -> Option<(&'static str, Value, String)> {
    Some(match change {
        Change::Bookmark | Change::Unknown => return None,
        Change::ResyncNeeded(reason) => {
            ("resync", json!({ "reason": reason }), format!("changes were lost: {}", printable(reason)))
        }
        Change::Job(job) => {
            let details = &job.details;
            let text =
                format!("{} {} {} {}", details.id, details.state, details.status, printable(&details.name));
            ("job", show::json_job(details), text)
        }
        Change::Operator(job, operator) => {
            let value = json!({
                "job_id": job.to_string(),
                "name": operator.name,
                "status": operator.status.name(),
                "progress": operator.progress,
            });
            ("operator", value, format!("{job} {} {}", printable(&operator.name), operator.status))
        }
        Change::Log { job_id, operator, bytes } => {
            let value = json!({ "job_id": job_id.to_string(), "operator": operator, "bytes": bytes });
            ("log", value, format!("{job_id} {} {}", printable(operator), mib(*bytes)))
        }
        Change::Utilization(now) => {
            let value = json!({
                "cpus_assigned": now.cpus_assigned,
                "cpus_total": now.cpus_total,
                "memory_assigned_bytes": now.memory_assigned_bytes,
                "memory_total_bytes": now.memory_total_bytes,
                "storage_used_bytes": now.storage_used_bytes,
                "storage_total_bytes": now.storage_total_bytes,
                "jobs_running": now.jobs_running,
                "jobs_pending": now.jobs_pending,
                "machine_cpu": now.machine_cpu,
                "machine_memory_used_bytes": now.machine_memory_used_bytes,
                "machine_memory_total_bytes": now.machine_memory_total_bytes,
                "gpus": now.gpus.len(),
            });
            let busy = now.machine_cpu.map(|share| format!(", machine {:.0} % busy", share * 100.0));
            let text = format!(
                "{}/{} CPUs, {} of {} assigned, {} running, {} pending{}",
                now.cpus_assigned,
                now.cpus_total,
                mib(now.memory_assigned_bytes),
                mib(now.memory_total_bytes),
                now.jobs_running,
                now.jobs_pending,
                busy.unwrap_or_default(),
            );
            ("utilization", value, text)
        }
        Change::Payload(payload) => {
            let text = format!("{} {} files {}", payload.id, payload.file_count, mib(payload.bytes));
            ("payload", show::json_payload(payload), text)
        }
        Change::PayloadDeleted(id) => deleted("payload", id),
        Change::Pipeline { id, name, revision, .. } => {
            let value = json!({ "pipeline_id": id.to_string(), "name": name, "revision": revision });
            ("pipeline", value, format!("{id} {} revision {revision}", printable(name)))
        }
        Change::PipelineDeleted(id) => deleted("pipeline", id),
        Change::Model { id, name } => (
            "model",
            json!({ "model_id": id.to_string(), "name": name }),
            format!("{id} {}", printable(name)),
        ),
        Change::ModelDeleted(id) => deleted("model", id),
        _ => return None,
    })
}

fn deleted(kind: &'static str, id: &dyn std::fmt::Display) -> (&'static str, Value, String) {
    (kind, json!({ "deleted": id.to_string() }), format!("{id} deleted"))
}
