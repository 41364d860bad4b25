//! Finding and reading series: the only place that knows bytes on disk.
//!
//! | format | module | read | limits |
//! |---|---|---|---|
//! | DICOM files, folders, ZIP, DICOMDIR | [`dicom`] | yes | see the module |
//! | NIfTI-1, NIfTI-2 | `nifti` | `.nii`, `.nii.gz`, `.hdr` + `.img` (name either) | no complex numbers |
//! | MetaImage | `metaimage` | `.mha`, `.mhd` + raw or a list of files, zlib | |
//! | NRRD | `nrrd` | `.nrrd`, `.nhdr` + raw or a list of files; raw, text, gzip | no bzip2 |
//! | TIFF, PNG, JPEG, BMP | `raster` | first page as a 2-D image | 8 and 16 bit |

#[cfg(feature = "dicom")]
pub mod dicom;

mod files;
mod find;

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

use std::path::{Path, PathBuf};

#[cfg(feature = "dicom")]
pub use files::slice_source;
pub use files::{SourceFile, source_files};

use crate::ImagingError;
use crate::series::{Catalog, SeriesEntry, SourceKind};
use crate::source::Progress;
use crate::volume::Volume;

/// Where a series' bytes are.
#[derive(Debug, Clone)]
#[cfg_attr(
    not(any(feature = "nifti", feature = "metaimage", feature = "nrrd", feature = "raster")),
    expect(dead_code, reason = "only readers of single files make such origins")
)]
pub(crate) enum Origin {
    /// A single file of one of the volume or image formats.
    File(PathBuf),
    /// Frames of DICOM objects.
    #[cfg(feature = "dicom")]
    Dicom(std::sync::Arc<dicom::DicomSeries>),
}

impl Origin {
    pub(crate) fn first_path(&self) -> &Path {
        match self {
            Self::File(path) => path,
            #[cfg(feature = "dicom")]
            Self::Dicom(series) => {
                series.first_instance().map_or(Path::new(""), |instance| instance.location.path())
            }
        }
    }
}

/// A format whose series are single files, as functions.
struct FileFormat {
    /// Whether a file may be of this format, from its path and at most 4096 first bytes.
    is_candidate: fn(&Path, &[u8]) -> bool,
    /// Headers only.
    read_entry: fn(&Path) -> Result<SeriesEntry, ImagingError>,
    load: fn(&Path, &SeriesEntry, ReadLimits, &Progress) -> Result<Volume, ImagingError>,
    /// Files beside the named one that hold voxels.
    companions: fn(&Path) -> Result<Vec<PathBuf>, ImagingError>,
    source: SourceKind,
}

/// Formats other than DICOM, in the order they are tried.
const FILE_FORMATS: &[FileFormat] = &[
    #[cfg(feature = "nifti")]
    FileFormat {
        is_candidate: nifti::is_candidate,
        read_entry: nifti::read_entry,
        load: nifti::load,
        companions: nifti::companions,
        source: SourceKind::Nifti,
    },
    #[cfg(feature = "metaimage")]
    FileFormat {
        is_candidate: metaimage::is_candidate,
        read_entry: metaimage::read_entry,
        load: metaimage::load,
        companions: metaimage::companions,
        source: SourceKind::MetaImage,
    },
    #[cfg(feature = "nrrd")]
    FileFormat {
        is_candidate: nrrd::is_candidate,
        read_entry: nrrd::read_entry,
        load: nrrd::load,
        companions: nrrd::companions,
        source: SourceKind::Nrrd,
    },
    #[cfg(feature = "raster")]
    FileFormat {
        is_candidate: raster::is_candidate,
        read_entry: raster::read_entry,
        load: raster::load,
        companions: |_| Ok(Vec::new()),
        source: SourceKind::Image,
    },
];

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
/// Progress counts files. Damaged files do not stop the scan; they are listed in the catalog. A ZIP archive counts
/// as a folder of DICOM files; a DICOMDIR that is named itself stands for the files it refers to.
///
/// # Errors
/// [`ImagingError::Cancelled`]; [`ImagingError::Io`] if a path that was asked for does not exist or cannot be
/// listed; the file's own error if a single named file cannot be read; [`ImagingError::NothingFound`].
pub fn scan(paths: &[PathBuf], progress: &Progress) -> Result<Catalog, ImagingError> {
    find::scan(paths, progress)
}

/// Reads a whole series into memory, on all cores. Progress counts bytes of decoded voxels.
///
/// Blocks on disk; call from a worker. Slices whose files cannot be read are left empty and reported as a warning.
///
/// # Errors
/// Any [`ImagingError`] except `NothingFound`.
pub fn load(entry: &SeriesEntry, limits: ReadLimits, progress: &Progress) -> Result<Volume, ImagingError> {
    progress.check()?;
    match &entry.origin {
        #[cfg(feature = "dicom")]
        Origin::Dicom(series) => dicom::load(entry, series, limits, progress),
        Origin::File(path) => {
            let format = FILE_FORMATS.iter().find(|format| format.source == entry.source);
            let Some(format) = format else { return Err(not_built_in(path)) };
            (format.load)(path, entry, limits, progress)
        }
    }
}

/// Reads one slice (index along z) of one time point as a volume with `dims.z == 1` at its true place.
///
/// For the first picture and thumbnails while the rest is still loading; same values as [`load`]. Only an empty
/// (missing) slice of a series without padding value may be filled differently: with the smallest value of the
/// nearest slice instead of the whole series.
///
/// # Errors
/// As [`load`]; [`ImagingError::NotAnImage`] if there is no such slice.
pub fn load_slice(entry: &SeriesEntry, z: usize, time_point: usize) -> Result<Volume, ImagingError> {
    match &entry.origin {
        #[cfg(feature = "dicom")]
        Origin::Dicom(series) => dicom::load_slice(entry, series, z, time_point),
        Origin::File(_) => {
            let volume = load(entry, ReadLimits::default(), &Progress::new())?;
            find::slice_of(&volume, entry, z, time_point)
        }
    }
}

/// Reads an object that was made from images into its typed value.
///
/// Blocks on disk; call from a worker.
///
/// # Errors
/// The object's own error.
#[cfg(feature = "dicom")]
pub fn load_object(
    object: &crate::derived::DerivedObject,
    limits: ReadLimits,
) -> Result<crate::derived::Derived, ImagingError> {
    dicom::load_object(object, limits)
}

/// Reads what a PET series says about uptake; [`crate::uptake::suv_body_weight`] makes a factor of it.
///
/// Blocks on disk; call from a worker.
///
/// # Errors
/// The file's own error; [`ImagingError::NotAnImage`] for a series that is no PET.
#[cfg(feature = "dicom")]
pub fn uptake_header(entry: &SeriesEntry) -> Result<crate::uptake::UptakeHeader, ImagingError> {
    match &entry.origin {
        Origin::Dicom(series) => dicom::uptake_header(series),
        Origin::File(path) => {
            Err(ImagingError::NotAnImage { path: path.clone(), reason: "not a PET series".to_owned() })
        }
    }
}

fn not_built_in(path: &Path) -> ImagingError {
    ImagingError::Unsupported { path: path.to_path_buf(), what: "this file format".to_owned() }
}
