//! Processing steps of the platform: an input folder, an output folder, parameters.
//!
//! Operators know no job, no server and no network; whoever starts one gives it folders. `run_operator` is the program
//! that runs one by name ([`command::Command`]); a bundle in `assets/bundles` makes it an operator that pipelines can
//! name.
//!
//! | operator | reads | writes |
//! |---|---|---|
//! | [`series_writer`] | one series of any format that `imaging` reads | `volume.mha`, `volume.nii.gz` |
//! | [`crop`] | the same | `volume.mha` |
//! | [`threshold_segmentation`] | the same | `mask.mha` (labels), `mask.json` (what they measure) |
//!
//! The same input and parameters give the same bytes, whatever the number of threads.
#![warn(missing_docs)]

pub mod command;
pub mod components;
pub mod crop;
pub mod input;
pub mod metaimage;
pub mod modality;
pub mod nifti;
pub mod operator;
pub mod output;
pub mod series_writer;
pub mod threshold;
pub mod threshold_segmentation;

mod deflate;
mod error;

pub use error::OperatorError;
