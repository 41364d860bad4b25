//! `lantern upload`: files to a payload.

use std::path::PathBuf;
use std::sync::Arc;

use platform_client::id::PayloadId;
use platform_client::payload::PayloadPath;
use platform_client::payloads::{DEFAULT_PARALLEL, TransferProgress, Upload, files_below};
use platform_client::{Client, ClientError};
use serde_json::json;

use super::connect::Target;
use super::progress::Bar;
use super::{ids, output, show, usage};

/// Send files to a job's input, or to a reusable payload
///
/// A file keeps its name; files below a folder keep their names from there. What goes to a job lands below `/input`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Arguments {
    /// A job or a payload, with `:FOLDER` to put the files into a folder of it
    #[arg(value_name = "ID[:FOLDER]")]
    destination: String,

    /// Files and folders
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Files that are under way at once
    #[arg(long, value_name = "N", default_value_t = DEFAULT_PARALLEL, value_parser = parallel)]
    parallel: usize,

    #[command(flatten)]
    target: Target,
}

/// `--parallel` as typed.
pub(super) fn parallel(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|n| (1..=64).contains(n))
        .ok_or_else(|| "expected a number from 1 to 64".to_owned())
}

/// Every file of the paths, no name twice.
pub(super) fn gather(paths: &[PathBuf], folder: Option<&str>) -> anyhow::Result<Vec<Upload>> {
    let mut files = Vec::new();
    for path in paths {
        files.extend(files_below(path)?);
    }
    let mut seen = std::collections::BTreeSet::new();
    for file in &mut files {
        if let Some(folder) = folder {
            let name = format!("{folder}/{}", file.path.as_relative());
            file.path = PayloadPath::to_create(&name).map_err(|error| usage(error.to_string()))?;
        }
        if !seen.insert(file.path.key()) {
            return Err(usage(format!("two files would be `{}`", file.path)));
        }
    }
    Ok(files)
}

/// Sends files under a progress bar and gives their bytes.
pub(super) async fn send(
    client: &Client,
    id: PayloadId,
    files: Vec<Upload>,
    parallel: usize,
) -> Result<(usize, u64), ClientError> {
    let progress = Arc::new(TransferProgress::new());
    let _bar = Bar::show("upload", &progress);
    let done = client.payloads().upload(id, files, parallel, &progress).await?;
    Ok((done.len(), done.iter().map(|file| file.size).sum()))
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let (text, folder) = match arguments.destination.split_once(':') {
        Some((id, folder)) => (id, Some(folder.trim_matches('/')).filter(|folder| !folder.is_empty())),
        None => (arguments.destination.as_str(), None),
    };
    let files = gather(&arguments.paths, folder)?;
    let client = arguments.target.client()?;
    let id = ids::payload(&client, text).await?;
    let (count, bytes) = send(&client, id, files, arguments.parallel).await?;
    if arguments.target.json() {
        output::json(&json!({ "payload_id": id.to_string(), "files": count, "bytes": bytes }))
    } else {
        output::text(&format!("{count} files, {} to payload {id}", show::mib(bytes)))
    }
}
