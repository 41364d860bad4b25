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
//! | SEG, RTSTRUCT, presentation states, SR, encapsulated documents | listed as objects, see [`crate::derived`] |
//! | RTPLAN, waveforms, registrations, annotations, whole slides | named and skipped |
//!
//! **Unevenly spaced slices** keep their true positions (`grid`): on a finer even grid if one holds them all, else
//! mixed linearly from their two neighbours in proportion to distance; next to padding the nearer slice counts. What
//! was not acquired stays empty. The series carries a warning, and its verdict is amber or red.

mod archive;
pub mod attributes;
mod bytes;
mod codec;
mod codestream;
mod color;
mod dataset;
mod deidentify;
mod derived_tags;
mod dictionary;
mod elements;
mod encapsulated_document;
mod fragments;
mod frame_order;
mod grid;
mod group;
mod instance;
mod jpeg12;
mod jpeg2000;
mod jpeg_lossless;
mod jpeg_xl;
mod load;
mod lut;
pub mod measurement_report;
mod object;
mod overlay;
mod pet;
mod pixel_spacing;
mod pixels;
mod presentation_state;
mod scan;
mod segmentation;
mod spare;
mod stack;
mod structure_set;
mod structured_report;
mod tags;
mod text;
mod voi;

pub(crate) use archive::{Member, ZipArchiveFile};
pub(crate) use bytes::Location;
pub(crate) use dataset::looks_like_dicom;
pub(crate) use deidentify::{Identity, deidentify, identity};
pub(crate) use group::{DicomSeries, group};
pub(crate) use instance::Instance;
pub(crate) use load::{load, load_slice};
pub(crate) use object::load_object;
pub use overlay::{Overlay, OverlayKind, overlays};
pub(crate) use pet::uptake_header;
pub(crate) use scan::{FoundDicom, directory_references, read_archive, read_instance};

/// Who wrote a file, for other programs: a UUID of our own as PS3.5 B.2 has it.
const IMPLEMENTATION_CLASS_UID: &str = "2.25.131356923665485086629177987151836036803";
const IMPLEMENTATION_VERSION: &str = "LANTERN";
