//! What can go wrong when images are found and read.

use std::path::PathBuf;

use crate::geometry::GeometryError;

/// Why an image could not be found, read or understood.
///
/// Messages carry no patient data; files are named by path, last.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum ImagingError {
    #[error("cannot read `{}`", .path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("no image found in `{}`", .path.display())]
    NothingFound { path: PathBuf },
    #[error("not an image that can be read: {reason}: `{}`", .path.display())]
    NotAnImage { path: PathBuf, reason: String },
    #[error("damaged file: {reason}: `{}`", .path.display())]
    Damaged { path: PathBuf, reason: String },
    #[error("file is truncated: {expected_bytes} bytes of voxels expected, {found_bytes} found: `{}`", .path.display())]
    Truncated { path: PathBuf, expected_bytes: u64, found_bytes: u64 },
    #[error("{what} is not supported: `{}`", .path.display())]
    Unsupported { path: PathBuf, what: String },
    #[error("unusable geometry in `{}`", .path.display())]
    Geometry { path: PathBuf, source: GeometryError },
    #[error("the image needs {needed_bytes} bytes of memory, more than the {limit_bytes} allowed: `{}`", .path.display())]
    TooLarge { path: PathBuf, needed_bytes: u64, limit_bytes: u64 },
    #[error("voxel buffer holds {found} samples, the dimensions need {expected}")]
    VoxelCount { expected: usize, found: usize },
    #[error("cancelled")]
    Cancelled,
}

impl ImagingError {
    /// Wraps an I/O error with the path it belongs to.
    pub fn io(path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { path: path.into(), source }
    }
}
