//! Files on their way to a job, with progress and a cancel that leaves no half-made job behind.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imaging::formats::{self, SourceFile};
use imaging::series::{SeriesEntry, SourceKind};
use platform_client::id::JobId;
use platform_client::job::{JobName, JobPriority};
use platform_client::jobs::NewJob;
use platform_client::metadata::Metadata;
use platform_client::payload::PayloadPath;
use platform_client::payloads::{DEFAULT_PARALLEL, TransferProgress, Upload};
use platform_client::{Client, ClientError};

use super::orders::RunRequest;

/// Endings that say what a file is.
const ENDINGS: &[&str] =
    &[".nii.gz", ".nii", ".mha", ".nrrd", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"];

/// Which way files go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferKind {
    /// To a job, once it is made.
    Send(Option<JobId>),
    /// A result, to be opened.
    Fetch(JobId),
}

/// Files under way.
#[derive(Debug, Clone)]
pub struct TransferView {
    /// For cancelling it.
    pub id: u64,
    /// Which way.
    pub kind: TransferKind,
    /// How far.
    pub progress: Arc<TransferProgress>,
}

impl TransferView {
    /// How far, from 0 to 1; `None` before sizes are known.
    pub fn fraction(&self) -> Option<f32> {
        let (done, total) = self.progress.bytes();
        (total > 0).then(|| (done as f64 / total as f64).clamp(0.0, 1.0) as f32)
    }
}

/// Why a series could not be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the series' files cannot be found")]
    Files(#[from] imaging::ImagingError),
    #[error("cannot unpack `{}`", .path.display())]
    Unpack { path: PathBuf, source: io::Error },
    #[error("`{}` lies outside of the folder of its header", .path.display())]
    Outside { path: PathBuf },
    #[error("the job cannot be described: {reason}")]
    Description { reason: String },
}

/// Makes a job of the series and starts it. `made` is told as soon as there is a job.
pub(super) async fn send(
    client: &Client,
    request: RunRequest,
    cache: PathBuf,
    progress: &Arc<TransferProgress>,
    mut made: impl FnMut(JobId),
) -> Result<(), SendError> {
    let series = request.series.clone();
    let gathered = tokio::task::spawn_blocking(move || gather(&series, &cache)).await;
    let gathered = gathered.map_err(|error| SendError::Description { reason: error.to_string() })??;
    let described = |reason: String| SendError::Description { reason };
    let notes = request.series_uid.iter().map(|uid| ("series-uid", uid.as_str()));
    let job = client
        .jobs()
        .create(&NewJob {
            pipeline_id: request.pipeline,
            name: request.name.parse::<JobName>().map_err(|error| described(error.to_string()))?,
            priority: JobPriority::Normal,
            input_payloads: Vec::new(),
            metadata: Metadata::from_entries(notes).map_err(|error| described(error.to_string()))?,
        })
        .await?;
    made(job.id);
    client.payloads().upload(job.payload_id, gathered.files, DEFAULT_PARALLEL, progress).await?;
    client.jobs().start(job.id, &BTreeMap::new()).await?;
    Ok(())
}

/// Files to send, and the folder of those that were unpacked for it.
#[derive(Debug)]
struct Gathered {
    files: Vec<Upload>,
    _unpacked: Option<Unpacked>,
}

/// A folder that vanishes with the value.
#[derive(Debug)]
struct Unpacked(PathBuf);

impl Drop for Unpacked {
    fn drop(&mut self) {
        // What stays behind is removed with old results.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The series' files under names for a payload. Blocks on disk.
fn gather(series: &SeriesEntry, cache: &Path) -> Result<Gathered, SendError> {
    let files = formats::source_files(series)?;
    let keeps_names = series.source != SourceKind::Dicom && files.len() > 1;
    let base = files.first().and_then(|file| file.path().parent()).map(Path::to_owned).unwrap_or_default();
    let mut unpacked = None;
    let mut uploads = Vec::with_capacity(files.len());
    for (file, number) in files.iter().zip(1..) {
        let path =
            if keeps_names { name_beside(file.path(), &base)? } else { plain_name(number, file.path())? };
        let source = plain_source(file, number, cache, &mut unpacked)?;
        let size = std::fs::metadata(&source).map_err(|error| unreadable(&source, error))?.len();
        uploads.push(Upload { source, path, size });
    }
    Ok(Gathered { files: uploads, _unpacked: unpacked })
}

fn unreadable(path: &Path, source: io::Error) -> SendError {
    SendError::Client(ClientError::File { action: "read", path: path.to_owned(), source })
}

/// The file itself, or what lies in an archive, unpacked.
fn plain_source(
    file: &SourceFile,
    number: usize,
    cache: &Path,
    unpacked: &mut Option<Unpacked>,
) -> Result<PathBuf, SendError> {
    let failed = |source| SendError::Unpack { path: file.path().to_owned(), source };
    let Some(bytes) = file.unpacked().map_err(failed)? else { return Ok(file.path().to_owned()) };
    let folder = match unpacked {
        Some(folder) => folder,
        None => {
            let folder = unused_folder(cache).map_err(failed)?;
            unpacked.insert(Unpacked(folder))
        }
    };
    let path = folder.0.join(number.to_string());
    std::fs::write(&path, bytes).map_err(failed)?;
    Ok(path)
}

fn unused_folder(cache: &Path) -> io::Result<PathBuf> {
    std::fs::create_dir_all(cache)?;
    let mut number = 0u32;
    loop {
        let folder = cache.join(format!("unpacked-{}-{number}", std::process::id()));
        match std::fs::create_dir(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
            made => return made.map(|()| folder),
        }
    }
}

/// A name for a file that goes to a payload: its number among the files, and an ending that says what it is.
///
/// Own names may name patients, may clash, and may be impossible elsewhere.
fn plain_name(number: usize, path: &Path) -> Result<PayloadPath, SendError> {
    let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
    let ending = ENDINGS.iter().find(|ending| name.ends_with(*ending)).unwrap_or(&".dcm");
    payload_path(&format!("{number:05}{ending}"), path)
}

/// The name of a file that others refer to.
fn name_beside(path: &Path, base: &Path) -> Result<PayloadPath, SendError> {
    let outside = || SendError::Outside { path: path.to_owned() };
    let relative = path.strip_prefix(base).ok().and_then(Path::to_str).ok_or_else(outside)?;
    payload_path(&relative.replace(std::path::MAIN_SEPARATOR, "/"), path)
}

fn payload_path(name: &str, path: &Path) -> Result<PayloadPath, SendError> {
    PayloadPath::to_create(name)
        .map_err(|source| SendError::Client(ClientError::Name { path: path.to_owned(), source }))
}

#[cfg(test)]
mod tests {
    use imaging::source::Progress;

    use super::*;

    fn names(paths: &[PathBuf], cache: &Path) -> Vec<String> {
        let catalog = formats::scan(paths, &Progress::new()).unwrap();
        let gathered = gather(&catalog.series[0], cache).unwrap();
        gathered.files.iter().map(|file| file.path.as_relative().to_owned()).collect()
    }

    #[test]
    fn names_in_payloads_tell_no_patient() {
        let name = |path: &str| plain_name(7, Path::new(path)).unwrap().as_relative().to_owned();
        assert_eq!(name("/scans/Doe^John.dcm"), "00007.dcm");
        assert_eq!(name("/scans/IM0001"), "00007.dcm");
        assert_eq!(name("/scans/Doe.NII.gz"), "00007.nii.gz");
    }

    #[test]
    fn a_series_is_sent_with_every_slice() {
        let cache = tempfile::tempdir().unwrap();
        let sample = test_support::data::workspace_root().join("assets/sample");
        let names = names(&[sample], cache.path());
        assert_eq!(names.len(), 100);
        assert_eq!((names[0].as_str(), names[99].as_str()), ("00001.dcm", "00100.dcm"));
    }

    #[test]
    fn a_header_takes_its_voxels_along_under_the_name_that_it_uses() {
        let folder = tempfile::tempdir().unwrap();
        let header = "ObjectType = Image\nNDims = 3\nDimSize = 2 2 2\nElementType = MET_UCHAR\n\
                      ElementSpacing = 1 1 1\nElementDataFile = voxels.raw\n";
        std::fs::write(folder.path().join("v.mhd"), header).unwrap();
        std::fs::write(folder.path().join("voxels.raw"), [0u8; 8]).unwrap();
        assert_eq!(names(&[folder.path().join("v.mhd")], folder.path()), ["v.mhd", "voxels.raw"]);
    }
}
