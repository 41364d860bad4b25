//! Everything that can happen, as values: menus, shortcuts, tools and tests all send the same commands.

mod actions;
mod annotate;
mod apply;
mod chord;
mod ids;
mod key_settings;
mod keymap;
mod mouse;
mod preferences;
mod profile;

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::Arc;

use glam::DVec3;
use imaging::geometry::AnatomicalPlane;
use imaging::intensity::Window;
use imaging::measurement::{DrawingKind, DrawingPlane};
use platform_client::id::{JobId, PipelineId};
use render_core::color_map::ColorMap;
use render_core::scene::{Interpolation, Slab};
use render_core::transfer_function::TransferFunction;

use crate::document::{
    Annotation, AnnotationId, Arrangement, Fusion, MaskKey, PlaneFrame, SeriesKey, Tool, ViewportId,
    VolumeStyle,
};

pub use actions::{Action, Group};
pub use chord::{Chord, ChordError};
pub use key_settings::KeySettings;
pub use keymap::{Binding, Focus, KeyMap};
pub use mouse::{Held, MouseButton, MouseEffect, MouseGesture, MouseMap, Press};
pub use preferences::{INTERFACE_SCALES, Preference};
pub use profile::InputProfile;

/// One change or request, grouped by area.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the areas name themselves")]
pub enum Command {
    App(AppCommand),
    File(FileCommand),
    Edit(EditCommand),
    Layout(LayoutCommand),
    Series(SeriesCommand),
    Voi(VoiCommand),
    Slice(SliceCommand),
    View(ViewCommand),
    Volume(VolumeCommand),
    Jobs(JobsCommand),
    Draft(DraftCommand),
    Annotation(AnnotationCommand),
    Mask(MaskCommand),
    Tool(Tool),
}

/// The embedded server and its jobs; handled by the frame loop.
#[derive(Debug, Clone, PartialEq)]
pub enum JobsCommand {
    /// Asks which pipeline is to run on the active series.
    ChoosePipeline,
    /// Sends the active series through a pipeline.
    Run(PipelineId),
    /// Ends a job.
    Cancel(JobId),
    /// Shows a job with its operators and results, or none.
    Select(Option<JobId>),
    /// Opens a result of the job that is shown, by its place among them.
    OpenResult {
        /// The job.
        job: JobId,
        /// Its place.
        output: usize,
    },
    /// Shows what an operator wrote.
    ShowLog {
        /// The job.
        job: JobId,
        /// Its operator.
        operator: String,
    },
    /// Shows no log.
    CloseLog,
    /// Stops sending or fetching.
    CancelTransfer(u64),
    /// Tries again to start the server, or to connect to it.
    Retry,
    /// Switches the embedded server on or off.
    ToggleServer,
}

/// The window itself; handled by the frame loop.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the commands name themselves")]
pub enum AppCommand {
    Quit,
    /// Quits although jobs are not over.
    QuitAnyway,
    ToggleFullScreen,
    ShowPalette,
    ShowHelp,
    ShowAbout,
    ShowPreferences,
    Prefer(Preference),
    /// The next larger or smaller of the scales.
    StepInterfaceScale(i8),
    VerifyWorkstation,
    CancelVerification,
    CloseOverlay,
    TogglePanel(PanelKind),
    ToggleInvertedLevelDrag,
    DismissNotice(u64),
    SetSplit([f32; 2]),
}

/// Panels that collapse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "the panels name themselves")]
pub enum PanelKind {
    #[default]
    Studies,
    Inspector,
    Jobs,
}

/// Opening and closing.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the commands name themselves")]
pub enum FileCommand {
    PickFolder,
    PickFiles,
    TypePath,
    Open(Vec<PathBuf>),
    OpenSample,
    CancelScan,
    CancelLoad(SeriesKey),
    CloseAll,
    /// Although drawings would be closed that are in no session.
    CloseAllAnyway,
    ForgetRecent,
    /// Under the name it has, or one that is asked for.
    SaveSession,
    /// Asks for a file, for one of the purposes of sessions and measurements.
    Pick(FilePurpose),
    /// A file was named for a purpose.
    Named(NamedFile),
    /// Opens a session although drawings that are in none would be closed.
    OpenSessionAnyway(PathBuf),
    /// Takes back what a process that was killed left behind.
    RestoreAutosave,
    DiscardAutosave,
}

/// What a file is named for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the purposes name themselves")]
pub enum FilePurpose {
    SaveSession,
    OpenSession,
    ExportMeasurements,
    ImportMeasurements,
}

/// A file that was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// For what.
    pub purpose: FilePurpose,
    /// Which.
    pub path: PathBuf,
    /// Whether somebody agreed that a file of that name is replaced.
    pub may_replace: bool,
}

/// Undo and redo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the commands name themselves")]
pub enum EditCommand {
    Undo,
    Redo,
    /// The pointer was released: what was dragged becomes one step.
    EndGesture,
}

/// Which viewports are seen and used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the commands name themselves")]
pub enum LayoutCommand {
    Activate(ViewportId),
    NextViewport,
    PreviousViewport,
    ToggleMaximised(ViewportId),
    Arrange(Arrangement),
    /// Patient left on the left of the screen, or on the right as radiologists read.
    ToggleNeurological,
    /// Series of one frame of reference scroll together, or each by itself.
    ToggleLinked,
    /// Series of different frames of reference keep their distance when one scrolls.
    ToggleLinkedByOffset,
}

/// Which series is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the commands name themselves")]
pub enum SeriesCommand {
    Show(SeriesKey),
    /// In a viewport of its own, or in all planes of the layout it belongs to.
    ShowIn(ViewportId, SeriesKey),
    Next,
    Previous,
    Reload(SeriesKey),
    /// Somebody has taken note of a red geometry: its millimetres are shown.
    Acknowledge(SeriesKey),
}

/// A drawing in the making; not undone, as it is not there yet.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DraftCommand {
    /// The first place.
    Begin {
        /// On which picture.
        viewport: ViewportId,
        /// What.
        kind: DrawingKind,
        /// The picture's plane.
        plane: DrawingPlane,
        /// Where, LPS in mm.
        at: DVec3,
    },
    /// The pointer moved there.
    Point(DVec3),
    /// Another place.
    Set(DVec3),
    /// Nothing is drawn.
    Cancel,
}

/// Measurements and marks.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the commands name themselves")]
pub enum AnnotationCommand {
    /// The drawing in the making is done.
    Finish,
    Add(Box<Annotation>),
    MovePoint {
        id: AnnotationId,
        index: usize,
        lps: DVec3,
    },
    Translate {
        id: AnnotationId,
        by: DVec3,
    },
    Select(Option<AnnotationId>),
    Delete(AnnotationId),
    SetLabel {
        id: AnnotationId,
        label: String,
    },
    ToggleLocked(AnnotationId),
    ToggleVisible(AnnotationId),
    /// All of them, seen or not.
    ToggleAll,
    JumpTo(AnnotationId),
    /// A line has this length in truth; who says so, and when.
    Calibrate {
        id: AnnotationId,
        known_mm: f64,
        by: String,
        at: String,
    },
    RemoveCalibration(SeriesKey),
    Copy(AnnotationId),
    /// Onto the plane of the active viewport.
    Paste,
    /// What was read from a file, all at once.
    Import(Vec<Annotation>),
}

/// Regions over a series.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "the commands name themselves")]
pub enum MaskCommand {
    Toggle(MaskKey),
    ToggleRegion {
        key: MaskKey,
        label: u16,
    },
    /// This region alone, or all again.
    ToggleOnly {
        key: MaskKey,
        label: u16,
    },
    SetOpacity {
        key: MaskKey,
        fill: f32,
        outline: f32,
    },
    JumpTo {
        series: SeriesKey,
        lps: DVec3,
    },
    /// All regions over the active series, seen or not.
    ToggleAll(SeriesKey),
}

/// Modality value to grey.
#[derive(Debug, Clone, PartialEq)]
pub enum VoiCommand {
    /// A window with the name of its preset, if it has one.
    Set {
        /// Whose.
        series: SeriesKey,
        /// The window.
        window: Window,
        /// Name of the preset.
        name: Option<String>,
    },
    /// A drag: shares of the data's range to add.
    Drag {
        /// Whose.
        series: SeriesKey,
        /// Added to the width, in steps of the pointer.
        width_steps: f64,
        /// Added to the center, in steps of the pointer.
        center_steps: f64,
    },
    /// The n-th preset that suits the series, from 0.
    Preset(SeriesKey, usize),
    /// The n-th window of the file, from 0.
    FileWindow(SeriesKey, usize),
    /// 1st to 99th percentile.
    Auto(SeriesKey),
    /// Black for white.
    ToggleInverted(SeriesKey),
    /// Colours through the image's profile, or as stored.
    ToggleColorProfile(SeriesKey),
    /// As the series opened.
    Reset(SeriesKey),
    /// Between voxels.
    Interpolate(SeriesKey, Interpolation),
    /// Grey values in colour, or grey again.
    ColorMap(SeriesKey, Option<Arc<ColorMap>>),
    /// Lays a second series over one, or nothing again.
    Fuse(SeriesKey, Option<Fusion>),
}

/// Where slices cut.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "the commands name themselves")]
pub enum SliceCommand {
    Scroll { viewport: ViewportId, steps: i64 },
    First(ViewportId),
    Last(ViewportId),
    SetCursor { series: SeriesKey, lps: DVec3 },
    SetSlab { viewport: ViewportId, slab: Slab },
    Tilt { viewport: ViewportId, yaw_rad: f64, pitch_rad: f64 },
    SetFrame { viewport: ViewportId, frame: PlaneFrame },
}

/// Framing of slices and volumes alike.
#[derive(Debug, Clone, Copy, PartialEq)]
#[expect(missing_docs, reason = "the commands name themselves")]
pub enum ViewCommand {
    Pan {
        viewport: ViewportId,
        right_mm: f64,
        down_mm: f64,
    },
    /// About a point in mm from the picture's middle. `is_drag` joins the gesture in progress.
    Zoom {
        viewport: ViewportId,
        factor: f64,
        right_mm: f64,
        down_mm: f64,
        is_drag: bool,
    },
    Fit(ViewportId),
    RotateQuarter {
        viewport: ViewportId,
        clockwise: bool,
    },
    Flip {
        viewport: ViewportId,
        is_horizontal: bool,
    },
    Reset(ViewportId),
    ToggleOverlay,
}

/// The volume view.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the commands name themselves")]
pub enum VolumeCommand {
    Rotate {
        viewport: ViewportId,
        yaw_rad: f64,
        pitch_rad: f64,
    },
    Roll {
        viewport: ViewportId,
        radians: f64,
    },
    /// Looks at a plane as a reader of that plane would.
    Face {
        viewport: ViewportId,
        plane: AnatomicalPlane,
    },
    Preset(SeriesKey, &'static str),
    Style(SeriesKey, VolumeStyle),
    /// An edited curve; joins the gesture in progress.
    SetTransferFunction(SeriesKey, Arc<TransferFunction>),
}

impl Command {
    /// Whether this is part of a drag, so that undo takes the whole drag back.
    pub fn is_continuous(&self) -> bool {
        matches!(
            self,
            Self::Voi(VoiCommand::Drag { .. })
                | Self::View(ViewCommand::Pan { .. } | ViewCommand::Zoom { is_drag: true, .. })
                | Self::Slice(SliceCommand::Tilt { .. })
                | Self::Annotation(AnnotationCommand::MovePoint { .. } | AnnotationCommand::Translate { .. })
                | Self::Volume(
                    VolumeCommand::Rotate { .. }
                        | VolumeCommand::Roll { .. }
                        | VolumeCommand::SetTransferFunction(..)
                )
        )
    }

    /// What undo calls it.
    pub fn title(&self) -> &'static str {
        match self {
            Self::Layout(_) => "layout",
            Self::Series(SeriesCommand::Acknowledge(_)) => "acknowledgement",
            Self::Series(_) => "opening of a series",
            Self::Voi(VoiCommand::ToggleInverted(_)) => "inversion",
            Self::Voi(VoiCommand::ToggleColorProfile(_)) => "colour profile",
            Self::Voi(VoiCommand::Interpolate(..)) => "interpolation",
            Self::Voi(VoiCommand::ColorMap(..)) => "colours",
            Self::Voi(VoiCommand::Fuse(..)) => "fusion",
            Self::Voi(_) => "window",
            Self::Slice(SliceCommand::SetSlab { .. }) => "slab",
            Self::Slice(_) => "plane",
            Self::View(ViewCommand::Pan { .. }) => "pan",
            Self::View(ViewCommand::Zoom { .. } | ViewCommand::Fit(_)) => "zoom",
            Self::View(ViewCommand::RotateQuarter { .. }) => "rotation",
            Self::View(ViewCommand::Flip { .. }) => "flip",
            Self::View(_) => "reset",
            Self::Volume(VolumeCommand::Rotate { .. } | VolumeCommand::Roll { .. }) => "rotation",
            Self::Volume(VolumeCommand::Face { .. }) => "view direction",
            Self::Volume(_) => "volume look",
            Self::Annotation(AnnotationCommand::Delete(_)) => "deletion",
            Self::Annotation(AnnotationCommand::Import(_)) => "import",
            Self::Annotation(AnnotationCommand::SetLabel { .. }) => "label",
            Self::Annotation(
                AnnotationCommand::Calibrate { .. } | AnnotationCommand::RemoveCalibration(_),
            ) => "calibration",
            Self::Annotation(AnnotationCommand::ToggleLocked(_)) => "lock",
            Self::Annotation(AnnotationCommand::ToggleVisible(_) | AnnotationCommand::ToggleAll) => {
                "visibility"
            }
            Self::Annotation(_) => "measurement",
            Self::Draft(_) => "measurement",
            Self::Mask(_) => "regions",
            Self::App(_) | Self::File(_) | Self::Edit(_) | Self::Jobs(_) | Self::Tool(_) => "change",
        }
    }
}

/// Commands that were sent while drawing and wait for the next step of the frame loop.
#[derive(Debug, Default)]
pub struct CommandQueue {
    waiting: RefCell<Vec<Command>>,
}

impl CommandQueue {
    /// Sends a command.
    pub fn send(&self, command: Command) {
        self.waiting.borrow_mut().push(command);
    }

    /// Takes all that wait, in order.
    pub fn take(&self) -> Vec<Command> {
        std::mem::take(&mut *self.waiting.borrow_mut())
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.borrow().is_empty()
    }
}
