//! Walks files, folders and archives, and decides by content, then by name, who reads what.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use walkdir::WalkDir;

#[cfg(feature = "dicom")]
use super::dicom;
use super::{FILE_FORMATS, FileFormat};
use crate::ImagingError;
use crate::geometry::Dims;
use crate::series::{Catalog, SeriesEntry, SkippedFile};
use crate::source::Progress;
use crate::volume::{Volume, VolumeMeta, Voxels};
use crate::with_voxels;

/// Bytes that decide on the format.
const HEAD_BYTES: u64 = 4096;
/// Deepest folder that is entered.
const MAX_FOLDER_DEPTH: usize = 64;

/// A file to look at.
struct Candidate {
    path: PathBuf,
    /// Whether it was asked for by name; then "not an image" is worth telling.
    is_named: bool,
}

/// What a file turned out to hold.
enum Found {
    #[cfg(feature = "dicom")]
    Instance(Box<dicom::Instance>),
    Entry(Box<SeriesEntry>),
    #[cfg(feature = "dicom")]
    Object(Box<crate::derived::DerivedObject>),
    Failed(ImagingError),
    /// Plainly something else.
    Nothing,
}

/// See [`super::scan`].
pub(super) fn scan(paths: &[PathBuf], progress: &Progress) -> Result<Catalog, ImagingError> {
    progress.check()?;
    let mut candidates = Vec::new();
    let mut skipped = Vec::new();
    for path in paths {
        collect(path, progress, &mut candidates, &mut skipped)?;
    }
    candidates.sort_by(|a, b| a.path.cmp(&b.path));
    candidates.dedup_by(|a, b| {
        b.is_named |= a.is_named && a.path == b.path;
        a.path == b.path
    });
    progress.set_total(candidates.len() as u64);
    let is_single = candidates.len() == 1 && candidates.first().is_some_and(|c| c.is_named);
    let found: Vec<Vec<Found>> = candidates
        .par_iter()
        .map(|candidate| {
            progress.check()?;
            let found = look_at(candidate, progress)?;
            progress.advance(1);
            Ok(found)
        })
        .collect::<Result<_, ImagingError>>()?;
    let found: Vec<Found> = found.into_iter().flatten().collect();
    // A named archive is one candidate with many members; one bad member must not hide the others.
    let is_single = is_single && found.len() == 1;
    let mut catalog = Catalog { skipped, ..Catalog::default() };
    #[cfg(feature = "dicom")]
    let mut instances = Vec::new();
    for found in found {
        match found {
            #[cfg(feature = "dicom")]
            Found::Instance(instance) => instances.push(*instance),
            Found::Entry(entry) => catalog.series.push(*entry),
            #[cfg(feature = "dicom")]
            Found::Object(object) => catalog.objects.push(*object),
            Found::Failed(error) if is_single => return Err(error),
            Found::Failed(error) => catalog.skipped.push(skipped_file(&error)),
            Found::Nothing => {}
        }
    }
    #[cfg(feature = "dicom")]
    {
        let truncation = instances.first().and_then(|instance| instance.truncated_error());
        let (series, skipped) = dicom::group(instances);
        if let (true, true, Some(error)) = (is_single, series.is_empty(), truncation) {
            return Err(error);
        }
        catalog.series.extend(series);
        catalog.skipped.extend(skipped);
    }
    if catalog.series.is_empty() && catalog.objects.is_empty() && catalog.skipped.is_empty() {
        return Err(ImagingError::NothingFound { path: paths.first().cloned().unwrap_or_default() });
    }
    catalog.series.sort_by(|a, b| sort_key(a).cmp(&sort_key(b)));
    catalog.objects.sort_by(|a, b| a.path().cmp(b.path()));
    catalog.skipped.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(catalog)
}

/// Patient, study date, study, series number, UID, then where it lies.
fn sort_key(entry: &SeriesEntry) -> impl Ord + use<'_> {
    let a = &entry.attributes;
    (
        (&a.patient_name, &a.patient_id, &a.study_date, &a.study_time),
        (&a.study_uid, a.series_number.unwrap_or(i64::MAX), &a.series_uid),
        entry.first_path(),
    )
}

fn skipped_file(error: &ImagingError) -> SkippedFile {
    let is_sound = matches!(error, ImagingError::NotAnImage { .. } | ImagingError::Unsupported { .. });
    let path = error.path().map(Path::to_path_buf).unwrap_or_default();
    SkippedFile { path, reason: error.reason(), is_sound }
}

/// Lists the files that `path` stands for.
fn collect(
    path: &Path,
    progress: &Progress,
    candidates: &mut Vec<Candidate>,
    skipped: &mut Vec<SkippedFile>,
) -> Result<(), ImagingError> {
    let metadata = std::fs::metadata(path).map_err(|source| ImagingError::io(path, source))?;
    if !metadata.is_dir() && !metadata.is_file() {
        // Reading a pipe or a device could wait for ever.
        let reason = "neither a file nor a folder".to_owned();
        return Err(ImagingError::NotAnImage { path: path.to_path_buf(), reason });
    }
    if metadata.is_file() {
        #[cfg(feature = "dicom")]
        if let Some(references) = dicom::directory_references(path) {
            for reference in references {
                let (path, reason) = match reference {
                    Ok(path) if path.is_file() => {
                        candidates.push(Candidate { path, is_named: false });
                        continue;
                    }
                    Ok(path) => (path, "listed in the DICOMDIR but missing"),
                    Err(path) => (path, "listed in the DICOMDIR but outside its folder; not opened"),
                };
                skipped.push(SkippedFile { path, reason: reason.to_owned(), is_sound: false });
            }
            return Ok(());
        }
        candidates.push(Candidate { path: header_of(path), is_named: true });
        return Ok(());
    }
    // The folder itself must be readable; what lies below may fail and is reported.
    std::fs::read_dir(path).map_err(|source| ImagingError::io(path, source))?;
    let is_wanted = |name: &std::ffi::OsStr| !is_junk_name(&name.to_string_lossy());
    let walk = WalkDir::new(path).follow_links(true).max_depth(MAX_FOLDER_DEPTH).into_iter();
    for entry in walk.filter_entry(|entry| entry.depth() == 0 || is_wanted(entry.file_name())) {
        progress.check()?;
        match entry {
            Ok(entry) if entry.file_type().is_file() => {
                candidates.push(Candidate { path: entry.into_path(), is_named: false });
            }
            Ok(_) => {}
            // A link that leads back to a folder above it is no loss: that folder is read anyway.
            Err(error) if error.loop_ancestor().is_some() => {}
            Err(error) => {
                let path = error.path().unwrap_or(path).to_path_buf();
                let reason = match error.io_error() {
                    Some(source) => source.to_string(),
                    None => "cannot be listed".to_owned(),
                };
                skipped.push(SkippedFile { path, reason, is_sound: false });
            }
        }
    }
    Ok(())
}

/// The file that describes a named file: its header, if that is a file of its own.
fn header_of(path: &Path) -> PathBuf {
    #[cfg(feature = "nifti")]
    if let Some(header) = super::nifti::header_of_voxels(path) {
        return header;
    }
    path.to_path_buf()
}

/// Files and folders that systems leave behind and nobody means to open.
pub(crate) fn is_junk_name(name: &str) -> bool {
    (name.starts_with('.') && !matches!(name, "." | ".."))
        || matches!(name, "__MACOSX" | "Thumbs.db" | "desktop.ini" | "$RECYCLE.BIN")
}

fn look_at(candidate: &Candidate, progress: &Progress) -> Result<Vec<Found>, ImagingError> {
    let path = candidate.path.as_path();
    let one = |result: Result<Found, ImagingError>| Ok(vec![result.unwrap_or_else(Found::Failed)]);
    let head = match read_head(path) {
        Ok(head) => head,
        Err(source) => return one(Err(ImagingError::io(path, source))),
    };
    #[cfg(feature = "dicom")]
    {
        let read_dicom = || {
            let found = dicom::read_instance(dicom::Location::File(path.to_path_buf()))?;
            Ok(Found::of_dicom(found))
        };
        if head.get(128..132) == Some(b"DICM") {
            return one(read_dicom());
        }
        if head.starts_with(b"PK\x03\x04") {
            return match dicom::read_archive(path, progress) {
                Ok(members) if members.is_empty() && candidate.is_named => {
                    one(Err(ImagingError::NothingFound { path: path.to_path_buf() }))
                }
                Ok(members) => Ok(members
                    .into_iter()
                    .map(|member| member.map_or_else(Found::Failed, Found::of_dicom))
                    .collect()),
                Err(ImagingError::Cancelled) => Err(ImagingError::Cancelled),
                Err(error) => one(Err(error)),
            };
        }
        if let Some(format) = FILE_FORMATS.iter().find(|format| (format.is_candidate)(path, &head)) {
            return one(read_entry(format, path, &head));
        }
        if dicom::looks_like_dicom(&head) {
            return match read_dicom() {
                // Without preamble a chance resemblance is likelier than damage.
                Err(ImagingError::NotAnImage { reason, .. }) if reason == "not DICOM" => {
                    one(Ok(unknown(candidate, &head)))
                }
                result => one(result),
            };
        }
    }
    #[cfg(not(feature = "dicom"))]
    {
        let _ = progress;
        if let Some(format) = FILE_FORMATS.iter().find(|format| (format.is_candidate)(path, &head)) {
            return one(read_entry(format, path, &head));
        }
    }
    one(Ok(unknown(candidate, &head)))
}

fn read_entry(format: &FileFormat, path: &Path, head: &[u8]) -> Result<Found, ImagingError> {
    if head.is_empty() {
        let reason = "the file is empty".to_owned();
        return Err(ImagingError::Damaged { path: path.to_path_buf(), reason });
    }
    (format.read_entry)(path).map(|entry| Found::Entry(Box::new(entry)))
}

#[cfg(feature = "dicom")]
impl Found {
    fn of_dicom(found: dicom::FoundDicom) -> Self {
        match found {
            dicom::FoundDicom::Image(instance) => Self::Instance(instance),
            dicom::FoundDicom::Object(object) => Self::Object(object),
        }
    }
}

/// A file of no known format: an error if it was named or calls itself DICOM, else nothing.
fn unknown(candidate: &Candidate, head: &[u8]) -> Found {
    let extension = candidate.path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    let claims_dicom = matches!(extension.as_deref(), Some("dcm" | "dicom"));
    if !candidate.is_named && !claims_dicom {
        return Found::Nothing;
    }
    let reason = if head.is_empty() { "the file is empty" } else { "unknown format" };
    let path = candidate.path.clone();
    if claims_dicom {
        Found::Failed(ImagingError::Damaged { path, reason: reason.to_owned() })
    } else {
        Found::Failed(ImagingError::NotAnImage { path, reason: reason.to_owned() })
    }
}

fn read_head(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD_BYTES as usize);
    File::open(path)?.take(HEAD_BYTES).read_to_end(&mut head)?;
    Ok(head)
}

/// Cuts one slice out of a loaded volume.
pub(super) fn slice_of(
    volume: &Volume,
    entry: &SeriesEntry,
    z: usize,
    time_point: usize,
) -> Result<Volume, ImagingError> {
    let path = || entry.first_path().to_path_buf();
    let dims = volume.dims();
    if z >= dims.z || time_point >= volume.time_points() {
        let reason = format!("slice {z} at time {time_point} does not exist");
        return Err(ImagingError::NotAnImage { path: path(), reason });
    }
    let count = dims.x * dims.y * volume.channels().count();
    let start = time_point * volume.samples_per_time_point() + z * count;
    let geometry = volume
        .geometry()
        .region([0, 0, z], Dims::new(dims.x, dims.y, 1))
        .map_err(|source| ImagingError::Geometry { path: path(), source })?;
    let voxels = with_voxels!(volume.voxels(), samples => {
        let slice = samples.get(start..start + count).unwrap_or_default();
        Voxels::from(slice.to_vec())
    });
    let empty_slices = if volume.is_empty_slice(z, time_point) { vec![0] } else { Vec::new() };
    Volume::new(VolumeMeta { geometry, time_points: 1, empty_slices, ..volume.meta().clone() }, voxels)
}
