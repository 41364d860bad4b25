//! DICOM files, folders, ZIP archives and DICOMDIRs.
//!
//! One bounded walk over each header (`dataset`) yields what matters (`instance`); headers are grouped into
//! series (`group`) and ordered into stacks (`stack`); pixels are read or decoded straight into the volume
//! (`load`, `pixels`, `codec`).
//!
//! Which transfer syntaxes and pixels are read, and which are refused by name: `docs/formats.md`, a table that a test
//! holds against the reader.
//!
//! | object | read |
//! |---|---|
//! | classic and enhanced CT, MR, PET, NM, US, CR, DX, MG, XA, RF, secondary capture, ... | yes |
//! | RT dose (scaled to its unit), parametric map (float pixels) | yes |
//! | SEG, RTSTRUCT, RTPLAN, SR, presentation states, waveforms, documents, whole slides | named and skipped |
//!
//! **Unevenly spaced slices** are resampled linearly onto the nearest even grid: as many slices as the span between
//! the first and last position holds median gaps, both ends kept where they are. Values between two original
//! slices are therefore mixtures of both; next to padding the nearer slice counts. The series carries a warning.

mod archive;
mod bytes;
mod codec;
mod codestream;
mod color;
mod dataset;
mod fragments;
mod group;
mod instance;
mod jpeg12;
mod jpeg2000;
mod jpeg_lossless;
mod jpeg_xl;
mod load;
mod lut;
mod memory;
mod overlay;
mod pixels;
mod scan;
mod stack;
mod tags;
mod text;
mod voi;

pub(crate) use bytes::Location;
pub(crate) use dataset::looks_like_dicom;
pub(crate) use group::{DicomSeries, group};
pub(crate) use instance::Instance;
pub(crate) use load::{load, load_slice};
pub use overlay::{Overlay, OverlayKind, overlays};
pub(crate) use scan::{directory_references, read_archive, read_instance};
