//! Reads headers of files and archive members, on all cores.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use super::archive::ZipArchiveFile;
use super::bytes::Location;
use super::dataset::{self, WalkError};
use super::fragments;
use super::instance::{self, Content, Instance};
use super::object;
use super::tags;
use super::text::Charset;
use crate::ImagingError;
use crate::derived::DerivedObject;
use crate::source::Progress;

/// What a sound file holds.
#[derive(Debug)]
pub(crate) enum FoundDicom {
    Image(Box<Instance>),
    Object(Box<DerivedObject>),
}

/// Reads the header of one object.
///
/// # Errors
/// The object's own error; a sound object that is neither image nor derived gives [`ImagingError::NotAnImage`].
pub(crate) fn read_instance(location: Location) -> Result<FoundDicom, ImagingError> {
    let path = location.path().to_path_buf();
    let mut bytes = location.open().map_err(|source| ImagingError::io(&path, source))?;
    let header = dataset::read_header(&mut bytes).map_err(|error| match error {
        WalkError::Io(source) => ImagingError::io(&path, source),
        WalkError::NotDicom => {
            ImagingError::NotAnImage { path: path.clone(), reason: "not DICOM".to_owned() }
        }
        WalkError::Damaged(reason) => ImagingError::Damaged { path: path.clone(), reason: reason.to_owned() },
    })?;
    let fragments = fragments::held(&mut bytes, &header).map_err(|source| ImagingError::io(&path, source))?;
    match instance::interpret(&header, location.clone(), bytes.len(), fragments) {
        Content::Image(instance) => Ok(FoundDicom::Image(instance)),
        Content::NoImage(reason) => match object::describe(&location) {
            Some(object) => Ok(FoundDicom::Object(Box::new(object))),
            None => Err(ImagingError::NotAnImage { path, reason }),
        },
        Content::Damaged(reason) => Err(ImagingError::Damaged { path, reason }),
        Content::Unsupported(what) => Err(ImagingError::Unsupported { path, what }),
    }
}

/// Reads the members of a ZIP archive. Members that are no DICOM are left out.
///
/// # Errors
/// If the archive itself cannot be read, or [`ImagingError::Cancelled`].
pub(crate) fn read_archive(
    path: &Path,
    progress: &Progress,
) -> Result<Vec<Result<FoundDicom, ImagingError>>, ImagingError> {
    let (archive, members) = ZipArchiveFile::open(path).map_err(|source| ImagingError::io(path, source))?;
    let archive = Arc::new(archive);
    members
        .into_par_iter()
        .map(|member| {
            progress.check()?;
            let archive = Arc::clone(&archive);
            let location = Location::ZipMember { archive, index: member.index, path: member.path };
            match read_instance(location) {
                Err(ImagingError::NotAnImage { reason, .. }) if reason == "not DICOM" => Ok(None),
                result => Ok(Some(result)),
            }
        })
        .filter_map(Result::transpose)
        .collect()
}

/// Files that a DICOMDIR refers to, or `None` if `path` is no DICOMDIR. A reference that leads out of the folder is
/// an error: the name as written, never to be opened.
pub(crate) fn directory_references(path: &Path) -> Option<Vec<Result<PathBuf, PathBuf>>> {
    let mut bytes = Location::File(path.to_path_buf()).open().ok()?;
    let header = dataset::read_header(&mut bytes).ok()?;
    let records = header.data_set.items(tags::DIRECTORY_RECORD_SEQUENCE);
    if records.is_empty() {
        return None;
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let charset = Charset::of(&header.data_set);
    let references = records.iter().filter_map(|record| {
        let id = charset.text(record, tags::REFERENCED_FILE_ID);
        let parts: Vec<&str> = id.split('\\').map(str::trim).filter(|part| !part.is_empty()).collect();
        let is_below = parts.iter().all(|part| !matches!(*part, "." | "..") && !part.contains('/'));
        let is_below = is_below && !parts.iter().any(|part| part.contains(':'));
        let written = || PathBuf::from(id.replace('\\', "/"));
        (!parts.is_empty()).then(|| if is_below { Ok(resolve(folder, &parts)) } else { Err(written()) })
    });
    Some(references.collect())
}

/// Finds a referenced file; media are often copied with names in lower case or with a version suffix.
fn resolve(folder: &Path, parts: &[&str]) -> PathBuf {
    let mut at = folder.to_path_buf();
    for part in parts {
        let plain = at.join(part);
        at = if plain.exists() {
            plain
        } else {
            let same = |name: &str| {
                let name = name.split(';').next().unwrap_or(name);
                name.trim_end_matches('.').eq_ignore_ascii_case(part)
            };
            let listed = std::fs::read_dir(&at).into_iter().flatten().flatten();
            let found = listed
                .map(|entry| entry.path())
                .find(|path| path.file_name().is_some_and(|name| same(&name.to_string_lossy())));
            found.unwrap_or(plain)
        };
    }
    at
}
