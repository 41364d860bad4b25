//! `lantern create`: pipelines, jobs, payloads, models, catalogs, instances.

use std::path::{Path, PathBuf};

use anyhow::Context;
use platform_client::Client;
use platform_client::jobs::{CreatedJob, NewJob};
use platform_client::model::ModelType;
use platform_client::payloads::DEFAULT_PARALLEL;
use platform_client::pipelines::DefinitionFile;
use serde_json::json;

use super::connect::Target;
use super::parse::{self, Priority};
use super::upload::{gather, send};
use super::{archive, ids, output, show, usage, wait};

/// Make a pipeline, job, payload, model, catalog or instance
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    target: Target,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Pipelines(Pipeline),
    Job(Job),
    Payload(Payload),
    Model(Model),
    Catalog(List),
    Instance(List),
}

/// Store a pipeline; the first file is the main one, the others are imported by it
#[derive(Debug, clap::Args)]
#[command(visible_alias = "pipeline")]
struct Pipeline {
    /// Files of the definition
    #[arg(short = 'p', long = "pipeline", required = true, num_args = 1.., value_name = "FILE")]
    files: Vec<PathBuf>,

    /// A note; may come several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse::pair)]
    metadata: Vec<(String, String)>,

    /// The identifier that it shall have
    #[arg(long, value_name = "PIPELINE")]
    id: Option<String>,
}

/// Make a job and its payload; prints JOB_ID and PAYLOAD_ID as soon as it is there
#[derive(Debug, clap::Args)]
#[command(visible_alias = "jobs")]
struct Job {
    /// What people call it
    #[arg(short, long)]
    name: String,

    /// What it runs
    #[arg(short, long, value_name = "PIPELINE")]
    pipeline: String,

    /// A file or folder to send to its input; may come several times
    #[arg(short = 'f', long = "file", value_name = "PATH")]
    files: Vec<PathBuf>,

    /// When its turn comes
    #[arg(short = 'i', long, value_enum, default_value_t)]
    priority: Priority,

    /// Queue it at once
    #[arg(short, long)]
    start: bool,

    /// A value for a parameter of the pipeline, for its start; may come several times
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = parse::pair, requires = "start")]
    variables: Vec<(String, String)>,

    /// A reusable payload whose files it gets; may come several times
    #[arg(long = "input", value_name = "PAYLOAD")]
    inputs: Vec<String>,

    /// A note; may come several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse::pair)]
    metadata: Vec<(String, String)>,

    /// Wait until it is over; ends with 1 unless it is healthy
    #[arg(long, requires = "start")]
    wait: bool,
}

/// Make a reusable payload
#[derive(Debug, clap::Args)]
#[command(visible_alias = "payloads")]
struct Payload {
    /// A file or folder to send to it; may come several times
    #[arg(short = 'f', long = "file", value_name = "PATH")]
    files: Vec<PathBuf>,

    /// A note; may come several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse::pair)]
    metadata: Vec<(String, String)>,
}

/// Store a model: its folder, or a ZIP archive of it
#[derive(Debug, clap::Args)]
#[command(visible_alias = "models")]
struct Model {
    /// The folder, which is packed first, or the archive
    #[arg(short, long, value_name = "FOLDER or FILE")]
    path: PathBuf,

    /// Its framework
    #[arg(short = 't', long = "type", value_enum, default_value_t)]
    framework: Framework,

    /// As definitions call it; the name of the folder or archive where it is left out
    #[arg(short, long)]
    name: Option<String>,

    /// Print the identifier alone
    #[arg(short, long)]
    raw: bool,

    /// A note; may come several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = parse::pair)]
    metadata: Vec<(String, String)>,
}

/// `--type` as typed.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Framework {
    Tensorflow,
    Tensorrt,
    Pytorch,
    #[default]
    Unknown,
}

/// Make a list of models
#[derive(Debug, clap::Args)]
struct List {
    /// A model in it; may come several times
    #[arg(long = "model", value_name = "MODEL")]
    models: Vec<String>,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let is_json = arguments.target.json();
    match arguments.what {
        What::Pipelines(pipeline) => create_pipeline(&arguments.target, &pipeline).await,
        What::Job(job) => create_job(&arguments.target, &job).await,
        What::Payload(payload) => create_payload(&arguments.target, &payload).await,
        What::Model(model) => create_model(&arguments.target, &model).await,
        What::Catalog(list) => {
            let client = arguments.target.client()?;
            let models = models(&client, &list.models).await?;
            let id = client.models().create_catalog().await?;
            if !models.is_empty() {
                client.models().update_catalog(id, &models).await?;
            }
            made(is_json, "catalog_id", &id)
        }
        What::Instance(list) => {
            let client = arguments.target.client()?;
            let models = models(&client, &list.models).await?;
            let id = client.models().create_instance().await?;
            if !models.is_empty() {
                client.models().update_instance(id, &models).await?;
            }
            made(is_json, "instance_id", &id)
        }
    }
}

fn made(is_json: bool, field: &str, id: &dyn std::fmt::Display) -> anyhow::Result<()> {
    if is_json {
        output::json(&serde_json::Map::from_iter([(field.to_owned(), id.to_string().into())]))
    } else {
        output::text(&format!("{}:{id}", field.to_uppercase()))
    }
}

/// Several models.
pub(super) async fn models(
    client: &Client,
    texts: &[String],
) -> anyhow::Result<Vec<platform_client::id::ModelId>> {
    let mut models = Vec::new();
    for text in texts {
        models.push(ids::model(client, text).await?);
    }
    Ok(models)
}

/// Longest definition that is read.
const MAX_DEFINITION_BYTES: u64 = 64 << 20;

/// The files of a definition under the names that they were given by.
pub(super) fn definition(paths: &[PathBuf]) -> anyhow::Result<Vec<DefinitionFile>> {
    let read = |path: &PathBuf| -> anyhow::Result<DefinitionFile> {
        let context = || format!("cannot read `{}`", path.display());
        let bytes = std::fs::metadata(path).with_context(context)?.len();
        anyhow::ensure!(bytes <= MAX_DEFINITION_BYTES, "`{}` is too large for a definition", path.display());
        let content = std::fs::read_to_string(path).with_context(context)?;
        // Labels use slashes on every system.
        let label = path.to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/");
        Ok(DefinitionFile { path: label, content })
    };
    paths.iter().map(read).collect()
}

async fn create_pipeline(target: &Target, pipeline: &Pipeline) -> anyhow::Result<()> {
    let files = definition(&pipeline.files)?;
    let metadata = parse::metadata(&pipeline.metadata)?;
    let forced = pipeline.id.as_deref().map(str::parse).transpose();
    let forced = forced.map_err(|error: platform_client::id::ParseIdError| usage(error.to_string()))?;
    let client = target.client()?;
    let id = client.pipelines().create(&files, &metadata, forced).await?;
    made(target.json(), "pipeline_id", &id)
}

async fn create_job(target: &Target, wanted: &Job) -> anyhow::Result<()> {
    let variables = parse::variables(&wanted.variables)?;
    let metadata = parse::metadata(&wanted.metadata)?;
    let name = wanted.name.parse().map_err(|error| usage(format!("{error}")))?;
    // What cannot be sent is found before anything is made.
    let files = gather(&wanted.files, None)?;
    let client = target.client()?;
    let pipeline_id = ids::pipeline(&client, &wanted.pipeline).await?;
    let mut input_payloads = Vec::new();
    for text in &wanted.inputs {
        input_payloads.push(ids::payload(&client, text).await?);
    }
    let job = NewJob { pipeline_id, name, priority: wanted.priority.into(), input_payloads, metadata };
    let CreatedJob { id, payload_id } = client.jobs().create(&job).await?;
    if !target.json() {
        output::text(&format!("JOB_ID:{id}\nPAYLOAD_ID:{payload_id}"))?;
    }
    let rest = async {
        let (count, bytes) = send(&client, payload_id, files, DEFAULT_PARALLEL).await?;
        let started = if wanted.start { Some(client.jobs().start(id, &variables).await?) } else { None };
        let report = if wanted.wait { Some(wait::until_stopped(&client, id).await?) } else { None };
        anyhow::Ok((count, bytes, started, report))
    };
    // In JSON nothing was printed yet, so an error has to name what was made.
    let (count, bytes, started, report) = match rest.await {
        Err(error) if target.json() => return Err(error.context(format!("job {id} was created, then"))),
        result => result?,
    };
    let now = report.as_ref().map(|report| (report.details.state, report.details.status));
    let now = now.or(started.map(|started| (started.state, started.status)));
    if target.json() {
        output::json(&json!({
            "job_id": id.to_string(),
            "payload_id": payload_id.to_string(),
            "files": count,
            "bytes": bytes,
            "state": now.map(|(state, _)| state.name()),
            "status": now.map(|(_, status)| status.name()),
        }))?;
    } else if let Some((state, status)) = now {
        output::text(&format!("STATE:{} STATUS:{}", show::wire_state(state), show::wire_status(status)))?;
    }
    report.as_ref().map_or(Ok(()), wait::check)
}

async fn create_payload(target: &Target, wanted: &Payload) -> anyhow::Result<()> {
    let metadata = parse::metadata(&wanted.metadata)?;
    let files = gather(&wanted.files, None)?;
    let client = target.client()?;
    let id = client.payloads().create(&metadata).await?;
    if !target.json() {
        output::text(&format!("PAYLOAD_ID:{id}"))?;
    }
    let sent = send(&client, id, files, DEFAULT_PARALLEL).await;
    let (count, bytes) = sent.with_context(|| format!("payload {id} was created, then"))?;
    if target.json() {
        output::json(&json!({ "payload_id": id.to_string(), "files": count, "bytes": bytes }))?;
    }
    Ok(())
}

async fn create_model(target: &Target, wanted: &Model) -> anyhow::Result<()> {
    if wanted.raw && target.json() {
        return Err(usage("--raw and --json exclude each other"));
    }
    let metadata = parse::metadata(&wanted.metadata)?;
    let is_folder = wanted.path.is_dir();
    let name = wanted
        .name
        .clone()
        .or_else(|| if is_folder { folder_name(&wanted.path) } else { stem(&wanted.path) });
    let Some(name) = name else { return Err(usage("the model has no name")) };
    let model_type = match wanted.framework {
        Framework::Tensorflow => ModelType::TensorFlow,
        Framework::Tensorrt => ModelType::TensorRt,
        Framework::Pytorch => ModelType::PyTorch,
        Framework::Unknown => ModelType::Unknown,
    };
    let client = target.client()?;
    let file = if is_folder {
        let folder = wanted.path.clone();
        tokio::fs::File::from_std(tokio::task::spawn_blocking(move || archive::pack(&folder)).await??)
    } else {
        let file = tokio::fs::File::open(&wanted.path).await;
        file.with_context(|| format!("cannot read `{}`", wanted.path.display()))?
    };
    let model = client.models().upload(&name, model_type, &metadata, file).await?;
    if wanted.raw {
        return output::text(&model.id.to_string());
    }
    made(target.json(), "model_id", &model.id)
}

/// Also of `.` and the like.
fn folder_name(path: &Path) -> Option<String> {
    let whole = std::fs::canonicalize(path).ok()?;
    whole.file_name().map(|name| name.to_string_lossy().into_owned())
}

fn stem(path: &Path) -> Option<String> {
    path.file_stem().map(|stem| stem.to_string_lossy().into_owned())
}
