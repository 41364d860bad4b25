//! Images among the results of a job: which there are, and fetching one so that it can be opened.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use platform_client::id::PayloadId;
use platform_client::jobs::OperatorSnapshot;
use platform_client::payload::PayloadFile;
use platform_client::payloads::{DEFAULT_PARALLEL, Download, Overwrite, TransferProgress};
use platform_client::{Client, ClientError};

/// Where operators' files lie in a payload.
const OPERATORS: &str = "operators";
/// Results that are offered.
const MAX_OUTPUTS: usize = 64;
/// Opened results are kept for so long.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Endings of images in one file.
const WHOLE: &[&str] =
    &[".mha", ".nii", ".nii.gz", ".nrrd", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"];
/// Endings of headers, whose voxels lie in a file beside them.
const DETACHED: &[&str] = &[".mhd", ".nhdr", ".hdr"];
/// Endings of files of a series.
const SERIES: &[&str] = &[".dcm"];

/// An image that an operator wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Who wrote it.
    pub operator: String,
    /// File or folder, below the operator's.
    pub name: String,
    /// Bytes of all its files.
    pub bytes: u64,
    /// Everything that it needs.
    files: Vec<PayloadFile>,
    /// What is opened, as a path in the payload.
    opened: String,
}

/// The images among the files of a payload, operator by operator in the order of the definition; those of operators
/// that no other reads from come last, for they are what people come for.
pub(super) fn outputs(files: &[PayloadFile], operators: &[OperatorSnapshot]) -> Vec<Output> {
    let mut found = images(files);
    let is_read =
        |name: &str| operators.iter().any(|reader| reader.depends_on.iter().any(|read| read == name));
    found.sort_by_key(|output| {
        let place = operators.iter().position(|operator| operator.name == output.operator);
        (!is_read(&output.operator), place)
    });
    found
}

/// The images in the order of the files.
fn images(files: &[PayloadFile]) -> Vec<Output> {
    let mut found: Vec<Output> = Vec::new();
    for file in files {
        let path = file.path.as_relative();
        let mut parts = path.splitn(3, '/');
        let (Some(OPERATORS), Some(operator), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
            continue;
        };
        let lower = name.to_ascii_lowercase();
        let is = |endings: &[&str]| endings.iter().any(|ending| lower.ends_with(ending));
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        if is(SERIES) {
            let known = found.iter_mut().find(|output| output.opened == folder);
            if let Some(known) = known {
                known.bytes += file.size;
                known.files.push(file.clone());
                continue;
            }
        }
        // A server may hold any number of files.
        if found.len() == MAX_OUTPUTS {
            continue;
        }
        let (opened, name, files) = if is(SERIES) {
            let name = name.rsplit_once('/').map_or("series", |(folder, _)| folder);
            (folder, name, vec![file.clone()])
        } else if is(DETACHED) {
            let beside = files.iter().filter(|other| {
                other.path.as_relative().rsplit_once('/').is_some_and(|(other, _)| other == folder)
            });
            (path, name, beside.cloned().collect())
        } else if is(WHOLE) {
            (path, name, vec![file.clone()])
        } else {
            continue;
        };
        let bytes = files.iter().map(|file| file.size).sum();
        let (operator, name, opened) = (operator.to_owned(), name.to_owned(), opened.to_owned());
        found.push(Output { operator, name, bytes, files, opened });
    }
    found
}

/// Fetches a result below the folder and gives the path to open.
pub(super) async fn fetch(
    client: &Client,
    payload: PayloadId,
    output: &Output,
    cache: &Path,
    progress: &Arc<TransferProgress>,
) -> Result<PathBuf, ClientError> {
    let folder = cache.join(payload.to_string());
    let files = output.files.iter().map(|file| Download {
        path: file.path.clone(),
        size: file.size,
        target: file.path.clone(),
    });
    let payloads = client.payloads();
    payloads
        .download(payload, &folder, files.collect(), Overwrite::Replace, DEFAULT_PARALLEL, progress)
        .await?;
    Ok(output.opened.split('/').fold(folder, |path, part| path.join(part)))
}

/// Removes results that were opened long ago. Blocks on disk.
pub(super) fn clean(cache: &Path) {
    // Without the folder there is nothing to clean; what cannot be removed now is tried at the next start.
    let Ok(entries) = std::fs::read_dir(cache) else { return };
    for entry in entries.flatten() {
        let age = entry
            .metadata()
            .and_then(|meta| meta.modified())
            .map(|time| SystemTime::now().duration_since(time));
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.parse::<PayloadId>().is_ok());
        if is_ours && matches!(age, Ok(Ok(age)) if age > KEPT) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use platform_client::job::OperatorStatus;
    use platform_client::payload::PayloadPath;

    use super::*;

    fn files(names: &[&str]) -> Vec<PayloadFile> {
        let file = |name: &&str| PayloadFile { path: PayloadPath::to_find(name).unwrap(), size: 10, mode: 0 };
        names.iter().map(file).collect()
    }

    fn check(names: &[&str], expected: &[(&str, &str, &str, usize)]) {
        let found = images(&files(names));
        let found: Vec<_> = found
            .iter()
            .map(|o| (o.operator.as_str(), o.name.as_str(), o.opened.as_str(), o.files.len()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn images_of_operators_are_offered_and_nothing_else() {
        check(
            &[
                "/input/1.dcm",
                "/operators/lungs/mask.mha",
                "/operators/lungs/mask.json",
                "/operators/crop/a/V.NII.GZ",
            ],
            &[
                ("lungs", "mask.mha", "operators/lungs/mask.mha", 1),
                ("crop", "a/V.NII.GZ", "operators/crop/a/V.NII.GZ", 1),
            ],
        );
    }

    #[test]
    fn files_of_a_series_are_one_result_and_headers_bring_their_voxels() {
        check(
            &["/operators/a/1.dcm", "/operators/a/2.dcm", "/operators/b/s/1.dcm"],
            &[("a", "series", "operators/a", 2), ("b", "s", "operators/b/s", 1)],
        );
        check(
            &["/operators/a/v.mhd", "/operators/a/v.raw", "/operators/a/deeper/w.raw"],
            &[("a", "v.mhd", "operators/a/v.mhd", 2)],
        );
    }

    #[test]
    fn what_no_operator_reads_comes_last() {
        let operator = |name: &str, reads: &[&str]| OperatorSnapshot {
            name: name.to_owned(),
            status: OperatorStatus::Completed,
            started: None,
            stopped: None,
            end: None,
            limits: None,
            depends_on: reads.iter().map(|read| (*read).to_owned()).collect(),
            log_bytes: 0,
            progress: None,
        };
        let files = files(&["/operators/crop/c.mha", "/operators/lungs/m.mha", "/operators/volume/v.mha"]);
        let operators =
            [operator("volume", &[]), operator("crop", &["volume"]), operator("lungs", &["crop"])];
        let names: Vec<String> = outputs(&files, &operators).into_iter().map(|output| output.name).collect();
        assert_eq!(names, ["v.mha", "c.mha", "m.mha"]);
    }
}
