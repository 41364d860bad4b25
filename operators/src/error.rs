//! Why an operator did not do what it was asked for.

use std::path::PathBuf;

use imaging::ImagingError;
use imaging::geometry::GeometryError;

/// Why an operator did not do what it was asked for.
///
/// Messages carry no patient data; files are named by path, last.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum OperatorError {
    #[error("cannot read the input")]
    Input(#[from] ImagingError),
    #[error("no series `{uid}` among the {found} found")]
    NoSuchSeries { uid: String, found: usize },
    #[error("the series has {count} points in time; choose one with --time-point")]
    TimePointNeeded { count: usize },
    #[error("no point in time `{asked}`: the series has {count}")]
    NoSuchTimePoint { asked: usize, count: usize },
    #[error("the series is in colour, which has no modality values")]
    Colour,
    #[error("the geometry cannot be relied on (--accept-red-geometry overrides): {reasons}")]
    RedGeometry { reasons: String },
    #[error("value `{value}` does not fit in any number type of the output")]
    ValueTooLarge { value: f64 },
    #[error("dimension {size} is more than the {max} that the format can hold")]
    DimensionTooLarge { size: usize, max: usize },
    #[error("the box lies outside the volume of {x} × {y} × {z} voxels")]
    BoxOutside { x: usize, y: usize, z: usize },
    #[error("no voxel lies between `{min}` and `{max}`")]
    NothingInRange { min: f64, max: f64 },
    #[error("{found} components are to be kept, more than the {max} that labels can tell apart")]
    TooManyLabels { found: usize, max: usize },
    #[error("the volume has {voxels} voxels, more than can be segmented")]
    TooManyVoxels { voxels: usize },
    #[error("{needed_bytes} bytes of memory could not be had")]
    NoMemory { needed_bytes: u64 },
    #[error("unusable geometry of the result")]
    Geometry(#[from] GeometryError),
    #[error("{what}")]
    Parameter { what: String },
    #[error("cannot write `{}`", .path.display())]
    Write { path: PathBuf, source: std::io::Error },
}

impl OperatorError {
    pub(crate) fn write(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Write { path, source }
    }
}
