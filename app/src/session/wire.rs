//! The document as it is written, field by field. Own types, so that the live ones may change.
//!
//! Fields are only ever added, with a default; a change that older programs cannot pass over raises [`VERSION`].

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// What the document calls itself.
pub const FORMAT: &str = "lantern-session";
/// Of the document.
pub const VERSION: u32 = 1;

pub(super) type Triple = [f64; 3];

/// What is read before anything else.
#[derive(Debug, Deserialize)]
pub(super) struct Head {
    pub(super) format: String,
    pub(super) version: u32,
}

/// A session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "`docs/schema/session.schema.json` describes the fields")]
pub struct SavedSession {
    pub format: String,
    pub version: u32,
    #[serde(default)]
    pub created: String,
    #[serde(default)]
    pub software: String,
    pub openings: Vec<Vec<SavedPath>>,
    pub series: Vec<SavedSeries>,
    pub layout: SavedLayout,
    pub viewports: Vec<SavedViewport>,
    #[serde(default)]
    pub active: u8,
    #[serde(default = "yes")]
    pub are_annotations_visible: bool,
    #[serde(default)]
    pub is_neurological: bool,
    #[serde(default = "yes")]
    pub is_overlay_visible: bool,
    #[serde(default = "yes")]
    pub is_linked: bool,
    #[serde(default)]
    pub is_linked_by_offset: bool,
}

fn yes() -> bool {
    true
}

impl SavedSession {
    /// How many drawings it holds.
    pub fn drawing_count(&self) -> usize {
        self.series.iter().map(|series| series.annotations.len()).sum()
    }

    /// Modality, study and date of the first series that was drawn on, else of the first; never who.
    pub fn label(&self) -> &str {
        let drawn_on = self.series.iter().find(|series| !series.annotations.is_empty());
        drawn_on.or(self.series.first()).map(|series| series.label.as_str()).unwrap_or_default()
    }
}

/// A path; one that is no text is written as its bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "named by the sentence above")]
pub enum SavedPath {
    Text(String),
    Bytes(Vec<u8>),
}

impl SavedPath {
    /// Of a path, made absolute.
    pub fn of(path: &Path) -> Self {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
        match path.to_str() {
            Some(text) => Self::Text(text.to_owned()),
            None => Self::Bytes(bytes_of(&path)),
        }
    }

    /// The path itself; `None` if this system has no such paths.
    pub fn path(&self) -> Option<PathBuf> {
        match self {
            Self::Text(text) => Some(PathBuf::from(text)),
            Self::Bytes(bytes) => path_of(bytes),
        }
    }

    /// For people.
    pub fn display(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

#[cfg(unix)]
fn bytes_of(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt as _;
    path.as_os_str().as_bytes().to_vec()
}

#[cfg(unix)]
fn path_of(bytes: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt as _;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(bytes)))
}

/// Paths that are no text have no bytes here that other programs could read.
#[cfg(not(unix))]
fn bytes_of(path: &Path) -> Vec<u8> {
    path.to_string_lossy().into_owned().into_bytes()
}

#[cfg(not(unix))]
fn path_of(_bytes: &[u8]) -> Option<PathBuf> {
    None
}

/// A series by reference, and what belongs to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "`docs/schema/session.schema.json` describes the fields")]
pub struct SavedSeries {
    pub opening: usize,
    #[serde(default)]
    pub uid: Option<String>,
    #[serde(default)]
    pub file: Option<SavedPath>,
    #[serde(default)]
    pub index: usize,
    pub dims: [u64; 3],
    #[serde(default)]
    pub label: String,
    #[serde(default)]
    pub cursor_lps_mm: Option<Triple>,
    #[serde(default)]
    pub display: Option<SavedDisplay>,
    #[serde(default)]
    pub is_acknowledged: bool,
    #[serde(default)]
    pub calibration: Option<SavedCalibration>,
    #[serde(default)]
    pub annotations: Vec<SavedAnnotation>,
    #[serde(default)]
    pub fusion: Option<SavedFusion>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "`docs/schema/session.schema.json` describes the fields")]
pub struct SavedFusion {
    pub over: usize,
    pub color_map: String,
    pub opacity: f32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "`docs/schema/session.schema.json` describes the fields")]
pub struct SavedDisplay {
    pub window: SavedWindow,
    #[serde(default)]
    pub is_inverted: bool,
    #[serde(default = "yes")]
    pub is_color_managed: bool,
    #[serde(default)]
    pub is_interpolated: bool,
    #[serde(default)]
    pub file_window: Option<usize>,
    #[serde(default)]
    pub color_map: Option<String>,
    pub volume: SavedVolumeLook,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "`docs/schema/session.schema.json` describes the fields")]
pub struct SavedWindow {
    pub center: f64,
    pub width: f64,
    pub function: SavedFunction,
    #[serde(default)]
    pub name: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the functions of DICOM, and a table of the file")]
pub enum SavedFunction {
    Linear,
    LinearExact,
    Sigmoid,
    Table,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "`docs/schema/session.schema.json` describes the fields")]
pub struct SavedVolumeLook {
    #[serde(default)]
    pub preset: Option<String>,
    pub style: SavedStyle,
    pub reference_mm: f64,
    pub points: Vec<SavedControlPoint>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the styles name themselves")]
pub enum SavedStyle {
    Lit,
    Unlit,
    Mip,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "`docs/schema/session.schema.json` describes the fields")]
pub struct SavedControlPoint {
    pub value: f64,
    pub color: [f32; 3],
    pub opacity: f32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "`docs/schema/session.schema.json` describes the fields")]
pub struct SavedCalibration {
    pub known_mm: f64,
    pub drawn: f64,
    pub drawn_unit: String,
    pub by: String,
    pub at: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "`docs/schema/session.schema.json` describes the fields")]
pub struct SavedAnnotation {
    pub number: u32,
    #[serde(default)]
    pub tracking_uid: Option<String>,
    #[serde(default)]
    pub label: String,
    pub kind: String,
    pub points_lps_mm: Vec<Triple>,
    pub plane: SavedPlane,
    #[serde(default)]
    pub time_point: usize,
    #[serde(default)]
    pub is_locked: bool,
    #[serde(default = "yes")]
    pub is_visible: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "`docs/schema/session.schema.json` describes the fields")]
pub struct SavedPlane {
    pub through_lps_mm: Triple,
    pub right: Triple,
    pub down: Triple,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "`docs/schema/session.schema.json` describes the fields")]
pub struct SavedLayout {
    pub arrangement: SavedArrangement,
    #[serde(default)]
    pub maximised: Option<u8>,
    #[serde(default)]
    pub stood_in_for: Option<SavedArrangement>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the arrangements name themselves")]
pub enum SavedArrangement {
    FourUp,
    OnePlusTwo,
    VolumePrimary,
    Grid { rows: u8, columns: u8 },
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "`docs/schema/session.schema.json` describes the fields")]
pub struct SavedViewport {
    pub id: u8,
    #[serde(default)]
    pub series: Option<usize>,
    pub placement: SavedPlacement,
    #[serde(default)]
    pub is_stack: bool,
    pub view: SavedView,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "as `Placement`")]
pub enum SavedPlacement {
    None,
    Preview,
    Whole,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the views name themselves")]
pub enum SavedView {
    Slice(SavedSlice),
    Volume(SavedCamera),
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "`docs/schema/session.schema.json` describes the fields")]
pub struct SavedSlice {
    pub plane: SavedAnatomy,
    pub right: Triple,
    pub down: Triple,
    pub frame: SavedFrame,
    pub pan_lps_mm: Triple,
    pub zoom: f64,
    pub slab_mm: f64,
    pub slab_mode: SavedSlabMode,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "the planes name themselves")]
pub enum SavedAnatomy {
    Axial,
    Coronal,
    Sagittal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "as `PlaneFrame`")]
pub enum SavedFrame {
    Acquired,
    Patient,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "as `SlabMode`")]
pub enum SavedSlabMode {
    Mean,
    Max,
    Min,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "`docs/schema/session.schema.json` describes the fields")]
pub struct SavedCamera {
    pub position_lps_mm: Triple,
    pub target_lps_mm: Triple,
    pub up_lps: Triple,
    pub projection: SavedProjection,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "as `Projection`")]
pub enum SavedProjection {
    Perspective { vertical_fov_rad: f64 },
    Orthographic { height_mm: f64 },
}
