//! Names of actions that stay the same in all versions: what settings, scripts and logs call them.

use render_core::transfer_function::VOLUME_PRESETS;

use super::Action;
use crate::document::{Arrangement, Tool, VolumeStyle};

/// Small letters and hyphens.
fn kebab(name: &str) -> String {
    name.to_lowercase().replace(' ', "-")
}

fn tool_id(tool: Tool) -> &'static str {
    match tool {
        Tool::WindowLevel => "window",
        Tool::Scroll => "scroll",
        Tool::Pan => "pan",
        Tool::Zoom => "zoom",
        Tool::Crosshair => "crosshair",
        Tool::Oblique => "oblique",
        Tool::Draw(kind) => kind.id(),
    }
}

fn arrangement_id(arrangement: Arrangement) -> String {
    match arrangement {
        Arrangement::FourUp => "four-up".to_owned(),
        Arrangement::OnePlusTwo => "one-plus-two".to_owned(),
        Arrangement::VolumePrimary => "volume-primary".to_owned(),
        Arrangement::Grid { rows, columns } => format!("grid-{rows}x{columns}"),
    }
}

impl Action {
    /// Its name, the same in all versions and languages, e.g. `tool-length`; numbers in it start at 1.
    pub fn id(self) -> String {
        let id = match self {
            Self::WindowPreset(n) => return format!("window-preset-{}", u16::from(n) + 1),
            Self::FileWindow(n) => return format!("window-of-file-{}", u16::from(n) + 1),
            Self::VolumePreset(n) => {
                let name = VOLUME_PRESETS.get(usize::from(n)).map_or("unknown", |p| p.name);
                return format!("volume-preset-{}", kebab(name));
            }
            Self::Face(plane) => return format!("volume-look-{}", kebab(plane.name())),
            Self::Tool(tool) => return format!("tool-{}", tool_id(tool)),
            Self::Arrange(arrangement) => return format!("layout-{}", arrangement_id(arrangement)),
            Self::OpenFolder => "open-folder",
            Self::OpenFiles => "open-files",
            Self::OpenPath => "open-path",
            Self::OpenSample => "open-sample",
            Self::CloseAll => "close-all",
            Self::Quit => "quit",
            Self::SaveSession => "save-session",
            Self::SaveSessionAs => "save-session-as",
            Self::OpenSession => "open-session",
            Self::ExportMeasurements => "export-measurements",
            Self::ImportMeasurements => "import-measurements",
            Self::Undo => "undo",
            Self::Redo => "redo",
            Self::Preferences => "preferences",
            Self::WindowAuto => "window-auto",
            Self::WindowReset => "window-reset",
            Self::Invert => "invert",
            Self::ColorProfile => "color-profile",
            Self::InterpolationNearest => "interpolation-nearest",
            Self::InterpolationLinear => "interpolation-linear",
            Self::NextSlice => "next-image",
            Self::PreviousSlice => "previous-image",
            Self::TenSlicesForward => "ten-images-forward",
            Self::TenSlicesBack => "ten-images-back",
            Self::FirstSlice => "first-image",
            Self::LastSlice => "last-image",
            Self::NextSeries => "next-series",
            Self::PreviousSeries => "previous-series",
            Self::ZoomIn => "zoom-in",
            Self::ZoomOut => "zoom-out",
            Self::ZoomFit => "zoom-fit",
            Self::ResetView => "reset-view",
            Self::RotateRight => "rotate-right",
            Self::RotateLeft => "rotate-left",
            Self::FlipHorizontal => "flip-horizontal",
            Self::FlipVertical => "flip-vertical",
            Self::AcquiredPlanes => "planes-acquired",
            Self::PatientPlanes => "planes-patient",
            Self::ToggleOverlay => "toggle-corner-texts",
            Self::VolumeStyle(VolumeStyle::Lit) => "volume-style-shaded",
            Self::VolumeStyle(VolumeStyle::Unlit) => "volume-style-unshaded",
            Self::VolumeStyle(VolumeStyle::Mip) => "volume-style-mip",
            Self::NextViewport => "next-viewport",
            Self::PreviousViewport => "previous-viewport",
            Self::DeleteAnnotation => "measurement-delete",
            Self::CopyAnnotation => "measurement-copy",
            Self::PasteAnnotation => "measurement-paste",
            Self::LockAnnotation => "measurement-lock",
            Self::HideAnnotation => "measurement-hide",
            Self::ToggleAnnotations => "toggle-measurements",
            Self::ToggleMasks => "toggle-regions",
            Self::ToggleMaximised => "toggle-maximised",
            Self::Neurological => "toggle-neurological",
            Self::LinkSeries => "toggle-linked",
            Self::LinkByOffset => "toggle-linked-by-offset",
            Self::ToggleStudies => "toggle-studies",
            Self::ToggleInspector => "toggle-inspector",
            Self::ToggleFullScreen => "toggle-full-screen",
            Self::EnlargeInterface => "interface-larger",
            Self::ShrinkInterface => "interface-smaller",
            Self::InvertLevelDrag => "toggle-inverted-window-drag",
            Self::ToggleJobs => "toggle-jobs",
            Self::RunPipeline => "run-pipeline",
            Self::RetryServer => "retry-server",
            Self::ToggleServer => "toggle-server",
            Self::Palette => "command-palette",
            Self::Help => "help",
            Self::VerifyWorkstation => "verify-workstation",
            Self::About => "about",
            Self::Cancel => "cancel",
        };
        id.to_owned()
    }

    /// The action of a name; `None` for names of other versions.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::all().into_iter().find(|action| action.id() == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_found_by_its_own_name() {
        for action in Action::all() {
            let id = action.id();
            assert_eq!(Action::from_id(&id), Some(action), "{id}");
            let is_kebab = id.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            assert!(is_kebab, "{id}");
        }
        assert_eq!(Action::from_id("window-preset-2"), Some(Action::WindowPreset(1)));
        assert_eq!(Action::from_id("layout-grid-2x3"), Some(Action::Arrange(Arrangement::grid(2, 3))));
        assert_eq!(Action::from_id("tool-banana"), None);
    }
}
