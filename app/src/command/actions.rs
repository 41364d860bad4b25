//! Every command a person can call by name: what menus, palette, help sheet and keys share.

use imaging::geometry::AnatomicalPlane;
use imaging::intensity::CT_PRESETS;
use imaging::measurement::DrawingKind;
use render_core::scene::Interpolation;
use render_core::transfer_function::VOLUME_PRESETS;

use super::{
    AnnotationCommand, AppCommand, Command, DraftCommand, EditCommand, FileCommand, FilePurpose, JobsCommand,
    LayoutCommand, MaskCommand, PanelKind, SeriesCommand, SliceCommand, ViewCommand, VoiCommand,
    VolumeCommand,
};
use crate::document::{Arrangement, Document, MAX_GRID, PlaneFrame, Series, Tool, VolumeStyle};

/// Heading under which the help sheet lists an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the groups name themselves")]
pub enum Group {
    File,
    Edit,
    Window,
    Slices,
    View,
    Volume,
    Tools,
    Measurements,
    Layout,
    Jobs,
    Help,
}

impl Group {
    /// In the order of the help sheet.
    pub const ALL: [(Self, &'static str); 11] = [
        (Self::File, "File"),
        (Self::Edit, "Edit"),
        (Self::Window, "Grey values"),
        (Self::Slices, "Slices and series"),
        (Self::View, "View"),
        (Self::Volume, "Volume"),
        (Self::Tools, "Tools"),
        (Self::Measurements, "Measurements"),
        (Self::Layout, "Layout"),
        (Self::Jobs, "Jobs"),
        (Self::Help, "Help"),
    ];
}

/// An action without parameters; it acts on the active viewport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "`title` says what each does")]
pub enum Action {
    OpenFolder,
    OpenFiles,
    OpenPath,
    OpenSample,
    CloseAll,
    Quit,
    SaveSession,
    SaveSessionAs,
    OpenSession,
    ExportMeasurements,
    ImportMeasurements,
    Undo,
    Redo,
    Preferences,
    WindowPreset(u8),
    FileWindow(u8),
    WindowAuto,
    WindowReset,
    Invert,
    ColorProfile,
    InterpolationNearest,
    InterpolationLinear,
    NextSlice,
    PreviousSlice,
    TenSlicesForward,
    TenSlicesBack,
    FirstSlice,
    LastSlice,
    NextSeries,
    PreviousSeries,
    ZoomIn,
    ZoomOut,
    ZoomFit,
    ResetView,
    RotateRight,
    RotateLeft,
    FlipHorizontal,
    FlipVertical,
    AcquiredPlanes,
    PatientPlanes,
    ToggleOverlay,
    VolumePreset(u8),
    VolumeStyle(VolumeStyle),
    Face(AnatomicalPlane),
    Tool(Tool),
    NextViewport,
    PreviousViewport,
    DeleteAnnotation,
    CopyAnnotation,
    PasteAnnotation,
    LockAnnotation,
    HideAnnotation,
    ToggleAnnotations,
    ToggleMasks,
    ToggleMaximised,
    Arrange(Arrangement),
    Neurological,
    LinkSeries,
    LinkByOffset,
    ToggleStudies,
    ToggleInspector,
    ToggleFullScreen,
    EnlargeInterface,
    ShrinkInterface,
    InvertLevelDrag,
    ToggleJobs,
    RunPipeline,
    RetryServer,
    ToggleServer,
    Palette,
    Help,
    VerifyWorkstation,
    About,
    Cancel,
}

impl Action {
    /// Every action, in the order of the palette.
    pub fn all() -> Vec<Self> {
        use Action as A;
        let mut all = vec![A::OpenFolder, A::OpenFiles, A::OpenPath, A::OpenSample, A::CloseAll, A::Quit];
        all.extend([A::SaveSession, A::SaveSessionAs, A::OpenSession]);
        all.extend([A::ExportMeasurements, A::ImportMeasurements]);
        all.extend([A::Undo, A::Redo, A::Preferences]);
        all.extend((0..CT_PRESETS.len() as u8).map(A::WindowPreset));
        all.extend((0..4).map(A::FileWindow));
        all.extend([
            A::WindowAuto,
            A::WindowReset,
            A::Invert,
            A::ColorProfile,
            A::InterpolationNearest,
            A::InterpolationLinear,
        ]);
        all.extend([A::NextSlice, A::PreviousSlice, A::TenSlicesForward, A::TenSlicesBack]);
        all.extend([A::FirstSlice, A::LastSlice, A::NextSeries, A::PreviousSeries]);
        all.extend([A::ZoomIn, A::ZoomOut, A::ZoomFit, A::ResetView, A::RotateRight, A::RotateLeft]);
        all.extend([
            A::FlipHorizontal,
            A::FlipVertical,
            A::AcquiredPlanes,
            A::PatientPlanes,
            A::ToggleOverlay,
        ]);
        all.extend((0..VOLUME_PRESETS.len() as u8).map(A::VolumePreset));
        all.extend(VolumeStyle::ALL.map(|(style, _)| A::VolumeStyle(style)));
        all.extend(AnatomicalPlane::ALL.map(A::Face));
        all.extend(Tool::all().map(A::Tool));
        all.extend([A::DeleteAnnotation, A::CopyAnnotation, A::PasteAnnotation]);
        all.extend([A::LockAnnotation, A::HideAnnotation, A::ToggleAnnotations, A::ToggleMasks]);
        all.extend([A::NextViewport, A::PreviousViewport, A::ToggleMaximised]);
        all.extend(Arrangement::NAMED.map(|(arrangement, _)| A::Arrange(arrangement)));
        let grids = (1..=MAX_GRID).flat_map(|r| (1..=MAX_GRID).map(move |c| Arrangement::grid(r, c)));
        let is_named = |grid: &Arrangement| Arrangement::NAMED.iter().any(|(named, _)| named == grid);
        all.extend(grids.filter(|grid| !is_named(grid)).map(A::Arrange));
        all.extend([A::Neurological, A::LinkSeries, A::LinkByOffset]);
        all.extend([A::ToggleStudies, A::ToggleInspector, A::ToggleFullScreen, A::InvertLevelDrag]);
        all.extend([A::EnlargeInterface, A::ShrinkInterface]);
        all.extend([A::ToggleJobs, A::RunPipeline, A::RetryServer, A::ToggleServer]);
        all.extend([A::Palette, A::Help, A::VerifyWorkstation, A::About, A::Cancel]);
        all
    }

    /// What it does, in sentence case.
    pub fn title(self) -> String {
        let text = match self {
            Self::OpenFolder => "Open folder…",
            Self::OpenFiles => "Open files…",
            Self::OpenPath => "Open path…",
            Self::OpenSample => "Open sample study",
            Self::CloseAll => "Close all studies",
            Self::Quit => "Quit",
            Self::SaveSession => "Save session…",
            Self::SaveSessionAs => "Save session as…",
            Self::OpenSession => "Open session…",
            Self::ExportMeasurements => "Export measurements…",
            Self::ImportMeasurements => "Import measurements…",
            Self::Undo => "Undo",
            Self::Redo => "Redo",
            Self::Preferences => "Preferences…",
            Self::WindowPreset(n) => {
                let name = CT_PRESETS.get(usize::from(n)).map_or("?", |p| p.name);
                return format!("Window: {name}");
            }
            Self::FileWindow(n) => return format!("Window of the file {}", n + 1),
            Self::WindowAuto => "Window: automatic",
            Self::WindowReset => "Reset window",
            Self::Invert => "Invert grey values",
            Self::ColorProfile => "Colour profile on or off",
            Self::InterpolationNearest => "Show voxels (no interpolation)",
            Self::InterpolationLinear => "Interpolate linearly",
            Self::NextSlice => "Next image",
            Self::PreviousSlice => "Previous image",
            Self::TenSlicesForward => "Ten images forward",
            Self::TenSlicesBack => "Ten images back",
            Self::FirstSlice => "First image",
            Self::LastSlice => "Last image",
            Self::NextSeries => "Next series",
            Self::PreviousSeries => "Previous series",
            Self::ZoomIn => "Zoom in",
            Self::ZoomOut => "Zoom out",
            Self::ZoomFit => "Fit to viewport",
            Self::ResetView => "Reset view",
            Self::RotateRight => "Rotate right",
            Self::RotateLeft => "Rotate left",
            Self::FlipHorizontal => "Flip horizontally",
            Self::FlipVertical => "Flip vertically",
            Self::AcquiredPlanes => "Planes along the acquisition",
            Self::PatientPlanes => "Planes along the patient",
            Self::ToggleOverlay => "Show or hide corner texts",
            Self::VolumePreset(n) => {
                return format!("Volume: {}", VOLUME_PRESETS.get(usize::from(n)).map_or("?", |p| p.name));
            }
            Self::VolumeStyle(VolumeStyle::Lit) => "Volume: shaded",
            Self::VolumeStyle(VolumeStyle::Unlit) => "Volume: unshaded",
            Self::VolumeStyle(VolumeStyle::Mip) => "Volume: maximum intensity projection",
            Self::Face(plane) => return format!("Volume: look at {} planes", plane.name().to_lowercase()),
            Self::Tool(tool) => return tool.title(),
            Self::DeleteAnnotation => "Delete measurement",
            Self::CopyAnnotation => "Copy measurement",
            Self::PasteAnnotation => "Paste measurement onto this image",
            Self::LockAnnotation => "Lock or unlock measurement",
            Self::HideAnnotation => "Show or hide measurement",
            Self::ToggleAnnotations => "Show or hide all measurements",
            Self::ToggleMasks => "Show or hide all regions",
            Self::NextViewport => "Next viewport",
            Self::PreviousViewport => "Previous viewport",
            Self::ToggleMaximised => "Maximise or restore viewport",
            Self::Arrange(arrangement) => return format!("Layout: {}", arrangement.name().to_lowercase()),
            Self::Neurological => "Neurological or radiological side",
            Self::LinkSeries => "Link series of one frame of reference",
            Self::LinkByOffset => "Link other series by their distance",
            Self::ToggleStudies => "Show or hide studies",
            Self::ToggleInspector => "Show or hide inspector",
            Self::ToggleFullScreen => "Full screen",
            Self::EnlargeInterface => "Larger interface",
            Self::ShrinkInterface => "Smaller interface",
            Self::InvertLevelDrag => "Window drag: swap up and down",
            Self::ToggleJobs => "Show or hide jobs",
            Self::RunPipeline => "Run a pipeline on this series…",
            Self::RetryServer => "Connect to the server again",
            Self::ToggleServer => "Embedded server on or off",
            Self::Palette => "Search commands…",
            Self::Help => "Keyboard and mouse",
            Self::VerifyWorkstation => "Verify this workstation…",
            Self::About => "About Lantern",
            Self::Cancel => "Close dialog, cancel",
        };
        text.to_owned()
    }

    /// Where the help sheet lists it.
    pub fn group(self) -> Group {
        match self {
            Self::OpenFolder
            | Self::OpenFiles
            | Self::OpenPath
            | Self::OpenSample
            | Self::CloseAll
            | Self::Quit
            | Self::SaveSession
            | Self::SaveSessionAs
            | Self::OpenSession
            | Self::ExportMeasurements
            | Self::ImportMeasurements => Group::File,
            Self::Undo | Self::Redo | Self::Preferences => Group::Edit,
            Self::WindowPreset(_)
            | Self::FileWindow(_)
            | Self::WindowAuto
            | Self::WindowReset
            | Self::Invert
            | Self::ColorProfile
            | Self::InterpolationNearest
            | Self::InterpolationLinear
            | Self::InvertLevelDrag => Group::Window,
            Self::NextSlice
            | Self::PreviousSlice
            | Self::TenSlicesForward
            | Self::TenSlicesBack
            | Self::FirstSlice
            | Self::LastSlice
            | Self::NextSeries
            | Self::PreviousSeries => Group::Slices,
            Self::ZoomIn
            | Self::ZoomOut
            | Self::ZoomFit
            | Self::ResetView
            | Self::RotateRight
            | Self::RotateLeft
            | Self::FlipHorizontal
            | Self::FlipVertical
            | Self::AcquiredPlanes
            | Self::PatientPlanes
            | Self::ToggleOverlay => Group::View,
            Self::VolumePreset(_) | Self::VolumeStyle(_) | Self::Face(_) => Group::Volume,
            Self::Tool(_) => Group::Tools,
            Self::DeleteAnnotation
            | Self::CopyAnnotation
            | Self::PasteAnnotation
            | Self::LockAnnotation
            | Self::HideAnnotation
            | Self::ToggleAnnotations
            | Self::ToggleMasks => Group::Measurements,
            Self::NextViewport
            | Self::PreviousViewport
            | Self::ToggleMaximised
            | Self::Arrange(_)
            | Self::Neurological
            | Self::LinkSeries
            | Self::LinkByOffset
            | Self::ToggleStudies
            | Self::ToggleInspector
            | Self::ToggleFullScreen
            | Self::EnlargeInterface
            | Self::ShrinkInterface => Group::Layout,
            Self::ToggleJobs | Self::RunPipeline | Self::RetryServer | Self::ToggleServer => Group::Jobs,
            Self::Palette | Self::Help | Self::VerifyWorkstation | Self::About | Self::Cancel => Group::Help,
        }
    }

    /// The command, or `None` where it makes no sense now (nothing open, wrong kind of viewport).
    pub fn command(self, document: &Document) -> Option<Command> {
        let viewport = document.active_viewport();
        let id = viewport.id;
        let series = viewport.series;
        let is_slice = viewport.slice().is_some() && series.is_some();
        let selected = document.selected.filter(|id| document.workspace.annotations.contains_key(id));
        let slice = |command| is_slice.then_some(Command::Slice(command));
        let view = |command| series.is_some().then_some(Command::View(command));
        let zoom =
            |factor| ViewCommand::Zoom { viewport: id, factor, right_mm: 0.0, down_mm: 0.0, is_drag: false };
        let app = |command| Some(Command::App(command));
        let file = |command| Some(Command::File(command));
        let pick = |purpose| file(FileCommand::Pick(purpose));
        let is_open = !document.series.is_empty();
        let volume_viewport = || document.workspace.visible().find(|v| v.volume().is_some()).map(|v| v.id);
        match self {
            Self::OpenFolder => file(FileCommand::PickFolder),
            Self::OpenFiles => file(FileCommand::PickFiles),
            Self::OpenPath => file(FileCommand::TypePath),
            Self::OpenSample => file(FileCommand::OpenSample),
            Self::CloseAll => (!document.series.is_empty()).then_some(Command::File(FileCommand::CloseAll)),
            Self::Quit => app(AppCommand::Quit),
            Self::SaveSession => is_open.then_some(Command::File(FileCommand::SaveSession)),
            Self::SaveSessionAs => pick(FilePurpose::SaveSession).filter(|_| is_open),
            Self::OpenSession => pick(FilePurpose::OpenSession),
            Self::ExportMeasurements => {
                pick(FilePurpose::ExportMeasurements).filter(|_| !document.workspace.annotations.is_empty())
            }
            Self::ImportMeasurements => pick(FilePurpose::ImportMeasurements).filter(|_| is_open),
            Self::Undo => {
                let can = document.history.undo_title().is_some() || document.history.is_in_gesture();
                can.then_some(Command::Edit(EditCommand::Undo))
            }
            Self::Redo => document.history.redo_title().map(|_| Command::Edit(EditCommand::Redo)),
            Self::Preferences => app(AppCommand::ShowPreferences),
            Self::WindowPreset(n) => {
                let is_ct = document.active_series().is_some_and(|s| s.attributes.modality == "CT");
                series.filter(|_| is_ct).map(|key| Command::Voi(VoiCommand::Preset(key, usize::from(n))))
            }
            Self::FileWindow(n) => {
                let exists = series.is_some_and(|key| usize::from(n) < document.file_windows(key).len());
                series.filter(|_| exists).map(|key| Command::Voi(VoiCommand::FileWindow(key, usize::from(n))))
            }
            Self::WindowAuto => series.map(|key| Command::Voi(VoiCommand::Auto(key))),
            Self::WindowReset => series.map(|key| Command::Voi(VoiCommand::Reset(key))),
            Self::Invert => series.map(|key| Command::Voi(VoiCommand::ToggleInverted(key))),
            Self::ColorProfile => series
                .filter(|key| document.series(*key).is_some_and(Series::has_color_profile))
                .map(|key| Command::Voi(VoiCommand::ToggleColorProfile(key))),
            Self::InterpolationNearest => {
                series.map(|key| Command::Voi(VoiCommand::Interpolate(key, Interpolation::Nearest)))
            }
            Self::InterpolationLinear => {
                series.map(|key| Command::Voi(VoiCommand::Interpolate(key, Interpolation::Linear)))
            }
            Self::NextSlice => slice(SliceCommand::Scroll { viewport: id, steps: 1 }),
            Self::PreviousSlice => slice(SliceCommand::Scroll { viewport: id, steps: -1 }),
            Self::TenSlicesForward => slice(SliceCommand::Scroll { viewport: id, steps: 10 }),
            Self::TenSlicesBack => slice(SliceCommand::Scroll { viewport: id, steps: -10 }),
            Self::FirstSlice => slice(SliceCommand::First(id)),
            Self::LastSlice => slice(SliceCommand::Last(id)),
            Self::NextSeries => (!document.series.is_empty()).then_some(Command::Series(SeriesCommand::Next)),
            Self::PreviousSeries => {
                (!document.series.is_empty()).then_some(Command::Series(SeriesCommand::Previous))
            }
            Self::ZoomIn => view(zoom(1.25)),
            Self::ZoomOut => view(zoom(0.8)),
            Self::ZoomFit => view(ViewCommand::Fit(id)),
            Self::ResetView => view(ViewCommand::Reset(id)),
            Self::RotateRight => view(ViewCommand::RotateQuarter { viewport: id, clockwise: true }),
            Self::RotateLeft => view(ViewCommand::RotateQuarter { viewport: id, clockwise: false }),
            Self::FlipHorizontal if is_slice => view(ViewCommand::Flip { viewport: id, is_horizontal: true }),
            Self::FlipVertical if is_slice => view(ViewCommand::Flip { viewport: id, is_horizontal: false }),
            Self::FlipHorizontal | Self::FlipVertical => None,
            Self::AcquiredPlanes => {
                slice(SliceCommand::SetFrame { viewport: id, frame: PlaneFrame::Acquired })
            }
            Self::PatientPlanes => slice(SliceCommand::SetFrame { viewport: id, frame: PlaneFrame::Patient }),
            Self::ToggleOverlay => Some(Command::View(ViewCommand::ToggleOverlay)),
            Self::VolumePreset(n) => {
                let name = VOLUME_PRESETS.get(usize::from(n))?.name;
                series.map(|key| Command::Volume(VolumeCommand::Preset(key, name)))
            }
            Self::VolumeStyle(style) => series.map(|key| Command::Volume(VolumeCommand::Style(key, style))),
            Self::Face(plane) => {
                let viewport = volume_viewport().filter(|_| series.is_some())?;
                Some(Command::Volume(VolumeCommand::Face { viewport, plane }))
            }
            Self::Tool(tool) => Some(Command::Tool(tool)),
            Self::NextViewport => Some(Command::Layout(LayoutCommand::NextViewport)),
            Self::PreviousViewport => Some(Command::Layout(LayoutCommand::PreviousViewport)),
            // A key deletes only what is on screen; the list deletes everything.
            Self::DeleteAnnotation => selected
                .filter(|id| document.is_shown(*id))
                .map(|id| Command::Annotation(AnnotationCommand::Delete(id))),
            Self::CopyAnnotation => selected.map(|id| Command::Annotation(AnnotationCommand::Copy(id))),
            Self::PasteAnnotation => (document.copied.is_some() && is_slice)
                .then_some(Command::Annotation(AnnotationCommand::Paste)),
            Self::LockAnnotation => {
                selected.map(|id| Command::Annotation(AnnotationCommand::ToggleLocked(id)))
            }
            Self::HideAnnotation => {
                selected.map(|id| Command::Annotation(AnnotationCommand::ToggleVisible(id)))
            }
            Self::ToggleMasks => series
                .filter(|key| document.masks_of(*key).next().is_some())
                .map(|key| Command::Mask(MaskCommand::ToggleAll(key))),
            Self::ToggleAnnotations => Some(Command::Annotation(AnnotationCommand::ToggleAll)),
            // The same key ends a line that goes on until somebody says so.
            Self::ToggleMaximised if document.draft.is_some() => {
                Some(Command::Annotation(AnnotationCommand::Finish))
            }
            Self::ToggleMaximised => Some(Command::Layout(LayoutCommand::ToggleMaximised(id))),
            Self::Arrange(arrangement) => Some(Command::Layout(LayoutCommand::Arrange(arrangement))),
            Self::Neurological => Some(Command::Layout(LayoutCommand::ToggleNeurological)),
            Self::LinkSeries => Some(Command::Layout(LayoutCommand::ToggleLinked)),
            Self::LinkByOffset => Some(Command::Layout(LayoutCommand::ToggleLinkedByOffset)),
            Self::ToggleStudies => app(AppCommand::TogglePanel(PanelKind::Studies)),
            Self::ToggleInspector => app(AppCommand::TogglePanel(PanelKind::Inspector)),
            Self::ToggleFullScreen => app(AppCommand::ToggleFullScreen),
            Self::EnlargeInterface => app(AppCommand::StepInterfaceScale(1)),
            Self::ShrinkInterface => app(AppCommand::StepInterfaceScale(-1)),
            Self::InvertLevelDrag => app(AppCommand::ToggleInvertedLevelDrag),
            Self::ToggleJobs => app(AppCommand::TogglePanel(PanelKind::Jobs)),
            Self::RunPipeline => series.map(|_| Command::Jobs(JobsCommand::ChoosePipeline)),
            Self::RetryServer => Some(Command::Jobs(JobsCommand::Retry)),
            Self::ToggleServer => Some(Command::Jobs(JobsCommand::ToggleServer)),
            Self::Palette => app(AppCommand::ShowPalette),
            Self::Help => app(AppCommand::ShowHelp),
            Self::VerifyWorkstation => app(AppCommand::VerifyWorkstation),
            Self::About => app(AppCommand::ShowAbout),
            Self::Cancel if document.draft.is_some() => Some(Command::Draft(DraftCommand::Cancel)),
            Self::Cancel if matches!(document.tool, Tool::Draw(_)) => Some(Command::Tool(Tool::default())),
            Self::Cancel => app(AppCommand::CloseOverlay),
        }
    }
}

impl Tool {
    /// Those that move through pictures and change how they look.
    pub const VIEWING: [Self; 6] =
        [Self::WindowLevel, Self::Scroll, Self::Pan, Self::Zoom, Self::Crosshair, Self::Oblique];

    /// All tools, in the order of the menu.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::VIEWING.into_iter().chain(DrawingKind::ALL.into_iter().map(Self::Draw))
    }

    /// Its name.
    pub fn title(self) -> String {
        let name = match self {
            Self::WindowLevel => "Window",
            Self::Scroll => "Scroll",
            Self::Pan => "Pan",
            Self::Zoom => "Zoom",
            Self::Crosshair => "Crosshair",
            Self::Oblique => "Oblique",
            Self::Draw(kind) => kind.name(),
        };
        format!("{name} tool")
    }

    /// What a drag does, for tooltips and the help sheet.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::WindowLevel => "drag sideways for width, up and down for level",
            Self::Scroll => "drag up and down through the stack",
            Self::Pan => "drag the picture",
            Self::Zoom => "drag up to enlarge",
            Self::Crosshair => "click or drag to cut all planes there",
            Self::Oblique => "drag to tilt the plane",
            Self::Draw(DrawingKind::Probe | DrawingKind::Text) => "click the place",
            Self::Draw(DrawingKind::Angle) => "three places, the vertex second",
            Self::Draw(DrawingKind::CobbAngle) => "drag two lines",
            Self::Draw(DrawingKind::Polyline) => "click each place; Enter or a double click ends it",
            Self::Draw(DrawingKind::Polygon | DrawingKind::Spline) => {
                "click each place; the first one, Enter or a double click closes it"
            }
            Self::Draw(DrawingKind::Freehand) => "drag along the edge",
            Self::Draw(DrawingKind::Circle) => "drag from the middle to the edge",
            Self::Draw(DrawingKind::Arrow) => "drag from the tip",
            Self::Draw(DrawingKind::Rectangle | DrawingKind::Ellipse) => "drag from corner to corner",
            Self::Draw(DrawingKind::Length | DrawingKind::Bidirectional) => "drag from end to end",
        }
    }
}
