//! Medical images as data: where voxels are in the patient, what their values mean, and how files are read.
//!
//! This crate knows no GPU, no window and no network. Start with [`volume::Volume`], the immutable result of
//! every reader, and [`geometry::Geometry`], which places it in the patient. [`formats::scan`] finds the series
//! below a path and [`formats::load`] reads one. What a person draws becomes numbers in [`measurement`].
//!
//! Conventions: patient space is LPS in millimetres (`f64`), index (0, 0, 0) is the *centre* of the first voxel,
//! x varies fastest in memory.
#![warn(missing_docs)]

pub mod annotation;
pub mod color_profile;
pub mod contours;
#[cfg(feature = "dicom")]
pub mod deidentify;
pub mod derived;
pub mod fault;
pub mod formats;
pub mod geometry;
pub mod intensity;
pub mod label_volume;
pub mod labelmap;
pub mod measurement;
pub mod memory;
pub mod phantom;
pub mod report;
pub mod segmentation;
pub mod series;
pub mod source;
pub mod spacing;
pub mod statistics;
pub mod uptake;
pub mod verdict;
pub mod volume;

mod error;

pub use error::ImagingError;
