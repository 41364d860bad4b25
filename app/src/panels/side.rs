//! Which side panels are shown: those that are open, as long as pictures keep room between them.

use crate::command::PanelKind;
use crate::settings::Settings;

/// Narrower windows, in points, show one side panel at a time.
const ROOM_FOR_BOTH: f32 = 880.0;

/// The panels beside the pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SidePanels {
    /// Whether the study browser is shown.
    pub studies: bool,
    /// Whether the inspector is shown.
    pub inspector: bool,
}

impl SidePanels {
    /// Those shown in a window of `width` points; `latest` is the one that was opened last.
    pub fn shown(settings: &Settings, width: f32, latest: PanelKind) -> Self {
        let open = Self { studies: settings.is_studies_open, inspector: settings.is_inspector_open };
        if width >= ROOM_FOR_BOTH || !(open.studies && open.inspector) {
            return open;
        }
        Self { studies: latest == PanelKind::Studies, inspector: latest == PanelKind::Inspector }
    }

    /// Closes a panel that is shown, opens any other.
    pub fn toggle(self, kind: PanelKind, settings: &mut Settings, latest: &mut PanelKind) {
        let (is_shown, is_open) = match kind {
            // Below the pictures, where there is always room.
            PanelKind::Jobs => {
                settings.is_jobs_open = !settings.is_jobs_open;
                return;
            }
            PanelKind::Studies => (self.studies, &mut settings.is_studies_open),
            PanelKind::Inspector => (self.inspector, &mut settings.is_inspector_open),
        };
        *is_open = !is_shown;
        if !is_shown {
            *latest = kind;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn narrow_windows_show_the_panel_that_was_opened_last() {
        let (mut settings, mut latest) = (Settings::default(), PanelKind::Studies);
        let shown = |s: &Settings, width, latest| {
            let SidePanels { studies, inspector } = SidePanels::shown(s, width, latest);
            (studies, inspector)
        };
        assert_eq!(shown(&settings, 1280.0, latest), (true, true));
        assert_eq!(shown(&settings, 640.0, latest), (true, false));
        SidePanels::shown(&settings, 640.0, latest).toggle(PanelKind::Inspector, &mut settings, &mut latest);
        assert_eq!(shown(&settings, 640.0, latest), (false, true));
        assert_eq!(shown(&settings, 1280.0, latest), (true, true), "the other one was not closed");
        SidePanels::shown(&settings, 640.0, latest).toggle(PanelKind::Inspector, &mut settings, &mut latest);
        assert_eq!(shown(&settings, 640.0, latest), (true, false));
        assert_eq!(shown(&settings, 1280.0, latest), (true, false));
    }
}
