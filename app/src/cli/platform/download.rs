//! `lantern download`: files of a payload, or the archive of a model.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use platform_client::letter_fold as fold;
use platform_client::payload::{PayloadFile, PayloadPath};
use platform_client::payloads::{DEFAULT_PARALLEL, Download, Overwrite, TransferProgress};
use serde_json::json;

use super::connect::Target;
use super::progress::Bar;
use super::upload::parallel;
use super::{ids, output, show, usage};

/// Fetch files of a job or a payload, or a model
///
/// `*` in the path stands for any text, slashes included: `/operators/segment/*` is everything below. A path without
/// `*` is one file, or a folder with everything below it. Quote the path, so that the shell leaves `*` alone.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(in crate::cli) struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    files: Option<Files>,
    #[command(flatten)]
    target: Target,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Model(Model),
}

/// Fetch the archive of a model
#[derive(Debug, clap::Args)]
#[command(alias = "models")]
struct Model {
    /// The model
    #[arg(value_name = "MODEL")]
    id: String,

    /// A file, or a folder that gets NAME.zip
    #[arg(value_name = "DESTINATION")]
    destination: PathBuf,

    /// Replace a file that is there already
    #[arg(long)]
    force: bool,
}

#[derive(Debug, clap::Args)]
struct Files {
    /// A job or a payload, and what to fetch of it
    #[arg(value_name = "ID:PATH")]
    source: String,

    /// A folder; for one file also the name that it gets
    #[arg(value_name = "DESTINATION")]
    destination: PathBuf,

    /// Replace files that are there already
    #[arg(long)]
    force: bool,

    /// Files that are under way at once
    #[arg(long, value_name = "N", default_value_t = DEFAULT_PARALLEL, value_parser = parallel)]
    parallel: usize,
}

pub(super) async fn run(arguments: Arguments) -> anyhow::Result<()> {
    match (arguments.what, arguments.files) {
        (Some(What::Model(model)), _) => fetch_model(&arguments.target, &model).await,
        (None, Some(files)) => fetch_files(&arguments.target, &files).await,
        (None, None) => Err(usage("ID:PATH and DESTINATION are missing")),
    }
}

fn overwrite(force: bool) -> Overwrite {
    if force { Overwrite::Replace } else { Overwrite::Never }
}

async fn fetch_files(target: &Target, wanted: &Files) -> anyhow::Result<()> {
    let Some((text, path)) = wanted.source.split_once(':') else {
        return Err(usage(format!("`{}` is not ID:PATH", wanted.source)));
    };
    let client = target.client()?;
    let id = ids::payload(&client, text).await?;
    let details = client.payloads().details(id).await?;
    let (folder, files) = choose(&details.files, path, &wanted.destination)?;
    if !details.refused.is_empty() {
        output::note(&format!("{} files have names that cannot be used here", details.refused.len()));
    }
    let progress = Arc::new(TransferProgress::new());
    let bar = Bar::show("download", &progress);
    let payloads = client.payloads();
    let done =
        payloads.download(id, &folder, files, overwrite(wanted.force), wanted.parallel, &progress).await?;
    drop(bar);
    let bytes = progress.bytes().0;
    if target.json() {
        let paths: Vec<String> = done.iter().map(|path| path.display().to_string()).collect();
        output::json(
            &json!({ "payload_id": id.to_string(), "files": done.len(), "bytes": bytes, "paths": paths }),
        )
    } else {
        output::text(&format!(
            "{} files, {} to {}",
            done.len(),
            show::mib(bytes),
            wanted.destination.display()
        ))
    }
}

/// The folder to write to and the files with their names in it.
fn choose(files: &[PayloadFile], path: &str, destination: &Path) -> anyhow::Result<(PathBuf, Vec<Download>)> {
    let pattern = format!("/{}", path.trim_start_matches("./").trim_start_matches('/'));
    let is_pattern = pattern.contains('*');
    let names: Vec<(String, &PayloadFile)> = files.iter().map(|file| (file.path.to_string(), file)).collect();
    if !is_pattern && let Some(file) = one(&names, &pattern) {
        let (folder, name) = split_destination(destination, file.path.file_name())?;
        return Ok((folder, vec![Download { path: file.path.clone(), size: file.size, target: name }]));
    }
    let (pattern, base) = if is_pattern {
        let fixed = pattern.split('*').next().unwrap_or_default();
        let base = fixed.rsplit_once('/').map_or("", |(base, _)| base).to_owned();
        (pattern, base)
    } else {
        let base = pattern.trim_end_matches('/').to_owned();
        (format!("{base}/*"), base)
    };
    let mut chosen = Vec::new();
    for (name, file) in names.iter().filter(|(name, _)| matches(&pattern, name)) {
        let name = name.get(base.len()..).unwrap_or(name);
        let target = PayloadPath::to_find(name).map_err(|error| anyhow::anyhow!(error))?;
        chosen.push(Download { path: file.path.clone(), size: file.size, target });
    }
    anyhow::ensure!(!chosen.is_empty(), "no file matches `{path}`");
    Ok((destination.to_owned(), chosen))
}

/// The file of this name; letter case counts only where it has to.
fn one<'a>(names: &[(String, &'a PayloadFile)], wanted: &str) -> Option<&'a PayloadFile> {
    if let Some((_, file)) = names.iter().find(|(name, _)| name == wanted) {
        return Some(file);
    }
    let mut alike = names.iter().filter(|(name, _)| fold(name) == fold(wanted));
    match (alike.next(), alike.next()) {
        (Some((_, file)), None) => Some(file),
        _ => None,
    }
}

fn split_destination(destination: &Path, name: &str) -> anyhow::Result<(PathBuf, PayloadPath)> {
    let is_folder = destination.is_dir() || destination.as_os_str().to_string_lossy().ends_with(['/', '\\']);
    let (folder, name) = if is_folder {
        (destination.to_owned(), name.to_owned())
    } else {
        let own = destination.file_name().and_then(|name| name.to_str());
        let own = own.with_context(|| format!("`{}` names no file", destination.display()))?;
        let folder = destination.parent().filter(|folder| !folder.as_os_str().is_empty());
        (folder.unwrap_or(Path::new(".")).to_owned(), own.to_owned())
    };
    Ok((folder, PayloadPath::to_find(&name).map_err(|error| anyhow::anyhow!(error))?))
}

/// Whether a name is what the pattern says; `*` is any text. Takes time in proportion to the product of the lengths.
fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

async fn fetch_model(target: &Target, wanted: &Model) -> anyhow::Result<()> {
    let client = target.client()?;
    let id = ids::model(&client, &wanted.id).await?;
    let found = client.models().list().await?.into_iter().find(|model| model.id == id);
    let name = found.map(|model| format!("{}.zip", model.name)).unwrap_or_else(|| format!("{id}.zip"));
    let (folder, name) = split_destination(&wanted.destination, &name)?;
    anyhow::ensure!(
        name.segments().count() == 1,
        "the model's name holds a slash; say what file it shall be"
    );
    let path = folder.join(name.as_relative());
    anyhow::ensure!(
        wanted.force || path.symlink_metadata().is_err(),
        "`{}` is there already",
        path.display()
    );
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make `{}`", folder.display()))?;
    let part = folder.join(format!(".lantern-{}-{id}.part", std::process::id()));
    let result = async {
        let file = tokio::fs::File::create_new(&part).await?;
        Ok::<_, anyhow::Error>(client.models().download(id, file).await?)
    };
    let result = result.await;
    let kept = result.and_then(|done| std::fs::rename(&part, &path).map(|()| done).map_err(Into::into));
    if kept.is_err() {
        // Gone already where it was never made.
        let _ = std::fs::remove_file(&part);
    }
    let (model, bytes) = kept.with_context(|| format!("cannot fetch to `{}`", path.display()))?;
    if target.json() {
        let model = show::json_model(&model);
        output::json(&json!({ "model": model, "bytes": bytes, "paths": [path.display().to_string()] }))
    } else {
        output::text(&format!("{} to {}", show::mib(bytes), path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text() {
        for (pattern, name) in [
            ("/operators/a/*", "/operators/a/b/c.txt"),
            ("/*.txt", "/a/b.txt"),
            ("/*/a*/x", "/q/abc/x"),
            ("/a", "/a"),
            ("/a*a", "/aa"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("/a*a", "/a"), ("/a", "/ab"), ("/operators/a/*", "/operators/ab/c"), ("/*.txt", "/a.txt2")]
        {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    fn files(names: &[&str]) -> Vec<PayloadFile> {
        let path = |name: &&str| PayloadPath::to_find(name).unwrap();
        names.iter().map(|name| PayloadFile { path: path(name), size: 1, mode: 0 }).collect()
    }

    #[test]
    fn names_start_where_the_star_or_the_folder_does() {
        let files = files(&["operators/seg/out/a.mhd", "operators/seg/out/a.raw", "input/a"]);
        let targets = |path: &str| {
            let chosen = choose(&files, path, Path::new("to")).map(|(_, chosen)| chosen);
            chosen.map(|chosen| chosen.iter().map(|file| file.target.to_string()).collect::<Vec<_>>())
        };
        assert_eq!(targets("/operators/seg/*").unwrap(), ["/out/a.mhd", "/out/a.raw"]);
        assert_eq!(targets("operators/seg/out").unwrap(), ["/a.mhd", "/a.raw"]);
        assert_eq!(targets("/INPUT/A").unwrap(), ["/to"]);
        assert_eq!(targets("/").unwrap().len(), 3);
        assert!(targets("/operators/s").is_err());
    }
}
