//! `lantern describe`: one object with all that is known of it.

use std::fmt::Write;

use platform_client::job::JobReport;
use platform_client::jobs::JobSnapshot;
use platform_client::{Client, ClientError, ErrorKind};
use serde_json::{Value, json};

use super::connect::Target;
use super::show::{self, metadata_lines, mib, printable, table};
use super::{ids, output, usage};

/// Show a pipeline, job, payload, model, catalog or instance
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// A pipeline with its definition
    #[command(alias = "pipelines")]
    Pipeline(PipelineId),
    /// A job with its operators, one fact a line
    #[command(alias = "jobs")]
    Job(JobId),
    /// A payload with its files
    #[command(alias = "payloads")]
    Payload(Id),
    /// A model
    #[command(alias = "models")]
    Model(Id),
    /// A catalog with its models
    #[command(alias = "catalogs")]
    Catalog(Id),
    /// An instance with its models
    #[command(alias = "instances")]
    Instance(Id),
}

#[derive(Debug, clap::Args)]
struct PipelineId {
    /// The pipeline
    #[arg(value_name = "PIPELINE", required_unless_present = "option", conflicts_with = "option")]
    id: Option<String>,

    /// The pipeline
    #[arg(short = 'p', long = "pipeline", value_name = "PIPELINE", id = "option")]
    option: Option<String>,
}

#[derive(Debug, clap::Args)]
struct JobId {
    /// The job
    #[arg(value_name = "JOB", required_unless_present = "option", conflicts_with = "option")]
    id: Option<String>,

    /// The job
    #[arg(short = 'j', long = "job", value_name = "JOB", id = "option")]
    option: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Id {
    /// Which one; a payload also by its job
    #[arg(value_name = "ID")]
    id: String,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let missing = || usage("the identifier is missing");
    let client = arguments.target.client()?;
    let (value, text) = match arguments.what {
        What::Pipeline(id) => pipeline(&client, &id.id.or(id.option).ok_or_else(missing)?).await?,
        What::Job(id) => {
            let id = ids::job(&client, &id.id.or(id.option).ok_or_else(missing)?).await?;
            let report = client.jobs().status(id).await?;
            let more = more(&client, &report).await?;
            (show::json_report(&report, more.as_ref()), show::report_text(&report, more.as_ref()))
        }
        What::Payload(id) => payload(&client, &id.id).await?,
        What::Model(id) => {
            let id = ids::model(&client, &id.id).await?;
            let found = client.models().list().await?.into_iter().find(|model| model.id == id);
            let Some(model) = found else { anyhow::bail!("there is no model {id}") };
            let kind = model.model_type.name();
            let mut text = format!("MODEL_ID: {id}\nNAME: {}\nTYPE: {kind}\n", printable(&model.name));
            metadata_lines(&mut text, &model.metadata);
            (show::json_model(&model), text)
        }
        What::Catalog(id) => {
            let id = ids::catalog(&client, &id.id).await?;
            list("catalog_id", &id.to_string(), &client.models().read_catalog(id).await?)
        }
        What::Instance(id) => {
            let id = ids::instance(&client, &id.id).await?;
            list("instance_id", &id.to_string(), &client.models().read_instance(id).await?)
        }
    };
    if arguments.target.json() { output::json(&value) } else { output::text(text.trim_end()) }
}

/// What only our own servers know.
async fn more(client: &Client, report: &JobReport) -> Result<Option<JobSnapshot>, ClientError> {
    match client.jobs().snapshot(report.details.id).await {
        Ok(snapshot) => Ok(Some(snapshot)),
        Err(error) if error.kind() == ErrorKind::Unsupported => Ok(None),
        Err(error) => Err(error),
    }
}

async fn pipeline(client: &Client, text: &str) -> anyhow::Result<(Value, String)> {
    let id = ids::pipeline(client, text).await?;
    let details = client.pipelines().details(id).await?;
    let files: Vec<Value> =
        details.files.iter().map(|file| json!({ "path": file.path, "content": file.content })).collect();
    let value = json!({
        "pipeline_id": id.to_string(),
        "name": details.name,
        "metadata": show::json_metadata(&details.metadata),
        "files": files,
    });
    let mut out = format!("PIPELINE_ID: {id}\nNAME: {}\n", printable(&details.name));
    metadata_lines(&mut out, &details.metadata);
    for file in &details.files {
        let _ = write!(out, "\n# {}\n", printable(&file.path));
        for line in file.content.lines() {
            let _ = writeln!(out, "{}", printable(line));
        }
    }
    Ok((value, out))
}

async fn payload(client: &Client, text: &str) -> anyhow::Result<(Value, String)> {
    let id = ids::payload(client, text).await?;
    let details = client.payloads().details(id).await?;
    let mut out = format!("PAYLOAD_ID: {id}\nTYPE: {}\n", details.payload_type.name());
    if let Some(job) = details.job_id {
        let _ = writeln!(out, "JOB_ID: {job}");
    }
    let bytes = details.files.iter().map(|file| file.size).sum();
    let _ = writeln!(out, "FILES: {}\nSIZE: {}", details.files.len(), mib(bytes));
    metadata_lines(&mut out, &details.metadata);
    for reason in &details.refused {
        let _ = writeln!(out, "LEFT_OUT: {reason}");
    }
    if !details.files.is_empty() {
        let rows: Vec<Vec<String>> =
            details.files.iter().map(|file| vec![mib(file.size), file.path.to_string()]).collect();
        let _ = write!(out, "\n{}", table(&["SIZE", "NAME"], &rows));
    }
    Ok((show::json_payload_details(&details), out))
}

fn list(field: &str, id: &str, models: &[platform_client::model::ModelDetails]) -> (Value, String) {
    let values: Vec<Value> = models.iter().map(show::json_model).collect();
    let mut out = format!("{}: {id}\nMODELS: {}\n", field.to_uppercase(), models.len());
    if !models.is_empty() {
        let rows: Vec<Vec<String>> = models.iter().map(show::model_row).collect();
        let _ = write!(out, "\n{}", table(&["NAME", "ID", "TYPE"], &rows));
    }
    (json!({ field: id, "models": values }), out)
}
