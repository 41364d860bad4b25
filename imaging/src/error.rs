//! What can go wrong when images are found and read.

use std::path::{Path, PathBuf};

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
    #[error("cannot write `{}`", .path.display())]
    Write { path: PathBuf, source: std::io::Error },
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

    /// The file that the error is about.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Io { path, .. }
            | Self::Write { path, .. }
            | Self::NothingFound { path }
            | Self::NotAnImage { path, .. }
            | Self::Damaged { path, .. }
            | Self::Truncated { path, .. }
            | Self::Unsupported { path, .. }
            | Self::Geometry { path, .. }
            | Self::TooLarge { path, .. } => Some(path),
            Self::VoxelCount { .. } | Self::Cancelled => None,
        }
    }

    /// What is wrong, in words and without the path, for lists that show the path themselves.
    pub fn reason(&self) -> String {
        match self {
            Self::Io { source, .. } | Self::Write { source, .. } => source.to_string(),
            Self::NothingFound { .. } => "no image found".to_owned(),
            Self::NotAnImage { reason, .. } | Self::Damaged { reason, .. } => reason.clone(),
            Self::Truncated { expected_bytes, found_bytes, .. } => {
                format!("file is truncated: {expected_bytes} bytes of voxels expected, {found_bytes} found")
            }
            Self::Unsupported { what, .. } => format!("{what} is not supported"),
            Self::Geometry { source, .. } => source.to_string(),
            Self::TooLarge { needed_bytes, limit_bytes, .. } => {
                format!("needs {needed_bytes} bytes of memory, more than the {limit_bytes} allowed")
            }
            Self::VoxelCount { .. } | Self::Cancelled => self.to_string(),
        }
    }
}
