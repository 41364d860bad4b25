//! The files that a series is read from, for whoever passes them on as they are.

use std::io;
use std::path::{Path, PathBuf};

use super::{FILE_FORMATS, Origin, not_built_in};
use crate::ImagingError;
use crate::series::SeriesEntry;

/// A file that a series is read from.
#[derive(Debug, Clone)]
pub struct SourceFile {
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    Plain(PathBuf),
    #[cfg(feature = "dicom")]
    Archived(super::dicom::Location),
}

impl SourceFile {
    /// Where it is; inside an archive, the archive's path joined with the name there.
    pub fn path(&self) -> &Path {
        match &self.place {
            Place::Plain(path) => path,
            #[cfg(feature = "dicom")]
            Place::Archived(location) => location.path(),
        }
    }

    /// A file of its own.
    pub fn plain(path: impl Into<PathBuf>) -> Self {
        Self { place: Place::Plain(path.into()) }
    }

    #[cfg(feature = "dicom")]
    pub(crate) fn location(&self) -> super::dicom::Location {
        match &self.place {
            Place::Plain(path) => super::dicom::Location::File(path.clone()),
            Place::Archived(location) => location.clone(),
        }
    }

    #[cfg(feature = "dicom")]
    pub(crate) fn at(location: &super::dicom::Location) -> Self {
        match location {
            super::dicom::Location::File(path) => Self::plain(path),
            archived => Self { place: Place::Archived(archived.clone()) },
        }
    }

    /// The bytes of a file inside an archive, unpacked within the limits of [`super::dicom`]; `None` for a file of its
    /// own. Blocks on disk.
    ///
    /// # Errors
    /// Whatever reading or unpacking fails with.
    pub fn unpacked(&self) -> io::Result<Option<Vec<u8>>> {
        match &self.place {
            Place::Plain(_) => Ok(None),
            #[cfg(feature = "dicom")]
            Place::Archived(location) => location.unpacked(),
        }
    }
}

/// Every file that the series is read from, each once: the objects of its slices at all points in time, or the named
/// file followed by those that it refers to. Blocks on disk where a header has to be read again.
///
/// # Errors
/// The header's own error.
pub fn source_files(entry: &SeriesEntry) -> Result<Vec<SourceFile>, ImagingError> {
    match &entry.origin {
        #[cfg(feature = "dicom")]
        Origin::Dicom(series) => Ok(series.locations().map(SourceFile::at).collect()),
        Origin::File(path) => {
            let format = FILE_FORMATS.iter().find(|format| format.source == entry.source);
            let Some(format) = format else { return Err(not_built_in(path)) };
            let companions = (format.companions)(path)?;
            Ok(std::iter::once(path.clone()).chain(companions).map(SourceFile::plain).collect())
        }
    }
}

/// The object that a slice of one point in time is read from, and which of its frames (DICOM counts from 1).
///
/// `None` where no object fills the slice, and for other formats.
#[cfg(feature = "dicom")]
pub fn slice_source(entry: &SeriesEntry, z: usize, time_point: usize) -> Option<(SourceFile, usize)> {
    match &entry.origin {
        Origin::Dicom(series) => {
            let (location, frame_index) = series.frame_at(z, time_point)?;
            Some((SourceFile::at(location), frame_index + 1))
        }
        Origin::File(_) => None,
    }
}
