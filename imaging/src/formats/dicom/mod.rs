//! DICOM files, folders, ZIP archives and DICOMDIRs.
//!
//! One bounded walk over each header (`dataset`) yields what matters (`instance`); headers are grouped into
//! series (`group`) and ordered into stacks (`stack`); pixels are read or decoded straight into the volume
//! (`load`, `pixels`, `codec`).
//!
//! | transfer syntax | read |
//! |---|---|
//! | implicit / explicit VR little endian, explicit VR big endian, deflated | yes |
//! | encapsulated uncompressed, deflated image frame | yes |
//! | RLE lossless | yes |
//! | JPEG baseline (8 bit), lossless (.57, .70; up to 16 bit) | yes |
//! | JPEG extended and progressive (.51, .53, .55) | 8 bit; 12 bit for grey images |
//! | JPEG-LS lossless and near-lossless | yes |
//! | JPEG 2000 and HTJ2K, lossless and lossy | yes; subsampled components are refused |
//! | JPEG XL | yes |
//! | MPEG-2, MPEG-4, HEVC, JPIP, SMPTE | refused by name |
//!
//! | object | read |
//! |---|---|
//! | classic and enhanced CT, MR, PET, NM, US, CR, DX, MG, XA, RF, secondary capture, ... | yes |
//! | RT dose (scaled to its unit), parametric map (float pixels) | yes |
//! | SEG, RTSTRUCT, RTPLAN, SR, presentation states, waveforms, documents, whole slides | named and skipped |
//!
//! | pixels | read |
//! |---|---|
//! | MONOCHROME1/2 with 1, 8, 16, 32 bits, float and double float | own number type |
//! | RGB, YBR_FULL, YBR_FULL_422, YBR_ICT, YBR_RCT | RGB, 8 or 16 bit |
//! | PALETTE COLOR, plain and segmented tables | RGB, 8 bit |
//! | modality lookup table | its entries as `uint16` |
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
