//! What is remembered between runs: panels, layout, recent studies, preferences. No patient names.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::command::{INTERFACE_SCALES, KeySettings, MouseMap, Preference};

/// Recent studies that are kept.
const MAX_RECENT: usize = 8;

/// Key in the window toolkit's storage.
const STORAGE_KEY: &str = "lantern";

/// A study that was opened before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recent {
    /// What was opened.
    pub path: PathBuf,
    /// Modality, description and date; never who.
    pub label: String,
}

/// Saved preferences. Unknown and missing fields are fine, so that versions can change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Whether the study browser is open.
    pub is_studies_open: bool,
    /// Whether the inspector is open.
    pub is_inspector_open: bool,
    /// Whether the list of jobs is open.
    pub is_jobs_open: bool,
    /// Whether the window has an embedded server.
    pub is_server_on: bool,
    /// Where the four viewports meet, as shares of width and height.
    pub split: [f32; 2],
    /// Dragging up lowers brightness instead of raising it.
    pub is_level_drag_inverted: bool,
    /// Whether the patient's left is on the left of the screen when something is opened.
    pub is_neurological: bool,
    /// Whether corner texts are drawn from the start.
    pub is_overlay_visible: bool,
    /// Whether series of one frame of reference scroll together from the start.
    pub is_linked: bool,
    /// Size of the interface, as a share of the screen's own.
    pub interface_scale: f32,
    /// Which key does what.
    pub keys: KeySettings,
    /// What the mouse does.
    pub mouse: MouseMap,
    /// Latest first.
    pub recent: Vec<Recent>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            is_studies_open: true,
            is_inspector_open: true,
            is_jobs_open: false,
            is_server_on: true,
            split: [0.5; 2],
            is_level_drag_inverted: false,
            is_neurological: false,
            is_overlay_visible: true,
            is_linked: true,
            interface_scale: 1.0,
            keys: KeySettings::default(),
            mouse: MouseMap::default(),
            recent: Vec::new(),
        }
    }
}

impl Settings {
    /// From the toolkit's storage, or the defaults.
    pub fn load(storage: Option<&dyn eframe::Storage>) -> Self {
        let mut settings: Self = storage.and_then(|s| eframe::get_value(s, STORAGE_KEY)).unwrap_or_default();
        settings.split = settings.split.map(|s| if s.is_finite() { s.clamp(0.15, 0.85) } else { 0.5 });
        settings.interface_scale = nearest_scale(settings.interface_scale);
        settings.recent.truncate(MAX_RECENT);
        settings
    }

    /// Takes a preference in.
    pub fn prefer(&mut self, preference: Preference) {
        match preference {
            Preference::KeyProfile(profile) => self.keys.set_profile(profile),
            Preference::BindKey { action, chord, instead_of } => self.keys.bind(action, chord, instead_of),
            Preference::UnbindKey { action, chord } => self.keys.unbind(action, chord),
            Preference::ResetKeys(action) => self.keys.reset(action),
            Preference::ResetAllKeys => self.keys.reset_all(),
            Preference::MouseProfile(profile) => self.mouse.set_profile(profile),
            Preference::Mouse(gesture, effect) => self.mouse.set(gesture, effect),
            Preference::ResetMouse => self.mouse.reset(),
            Preference::InterfaceScale(scale) => self.interface_scale = nearest_scale(scale),
            Preference::InvertedLevelDrag(is_inverted) => self.is_level_drag_inverted = is_inverted,
            Preference::Neurological(is_neurological) => self.is_neurological = is_neurological,
            Preference::CornerTexts(is_visible) => self.is_overlay_visible = is_visible,
            Preference::Linked(is_linked) => self.is_linked = is_linked,
        }
    }

    /// The scale that is so many steps larger, or smaller, than the present one.
    pub fn stepped_scale(&self, steps: i8) -> f32 {
        let now = INTERFACE_SCALES.iter().position(|scale| *scale == self.interface_scale).unwrap_or(0);
        let next = now.saturating_add_signed(steps.into()).min(INTERFACE_SCALES.len() - 1);
        INTERFACE_SCALES.get(next).copied().unwrap_or(1.0)
    }

    /// Into the toolkit's storage.
    pub fn save(&self, storage: &mut dyn eframe::Storage) {
        eframe::set_value(storage, STORAGE_KEY, self);
    }

    /// Puts a study to the top of the list.
    pub fn remember(&mut self, path: &Path, label: String) {
        self.recent.retain(|r| r.path != path);
        self.recent.insert(0, Recent { path: path.to_path_buf(), label });
        self.recent.truncate(MAX_RECENT);
    }
}

/// The scale that is offered and lies nearest; the screen's own for numbers that are none.
fn nearest_scale(wanted: f32) -> f32 {
    let wanted = wanted.clamp(1.0, 2.0);
    let distance = |scale: &f32| (scale - wanted).abs();
    let nearest = INTERFACE_SCALES.into_iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
    nearest.unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latest_study_comes_first_and_once() {
        let mut s = Settings::default();
        for i in 0..12 {
            s.remember(Path::new(&format!("/studies/{i}")), String::new());
        }
        s.remember(Path::new("/studies/8"), "again".into());
        assert_eq!(s.recent.len(), MAX_RECENT);
        assert_eq!(s.recent[0].label, "again");
        assert_eq!(s.recent.iter().filter(|r| r.path.ends_with("8")).count(), 1);
    }

    #[test]
    fn settings_of_other_versions_are_read() {
        let old: Settings = serde_json::from_str(r#"{"split":[0.3,0.6],"gone":1}"#).unwrap();
        assert_eq!(old.split, [0.3, 0.6]);
        assert!(old.is_inspector_open && old.is_server_on && !old.is_jobs_open);
    }

    #[test]
    fn preferences_of_other_versions_are_no_error() {
        let text =
            r#"{"keys":{"profile":"acme","changes":{"fly":["Q"]}},"mouse":{"changes":{"wheel":"sing"}}}"#;
        let read: Settings = serde_json::from_str(text).unwrap();
        assert_eq!(read, Settings::default());
    }

    #[test]
    fn interface_scales_step_between_their_limits() {
        let mut s = Settings::default();
        assert_eq!(s.stepped_scale(-1), 1.0);
        s.prefer(Preference::InterfaceScale(1.3));
        assert_eq!((s.interface_scale, s.stepped_scale(1)), (1.25, 1.5));
        s.prefer(Preference::InterfaceScale(f32::MAX));
        assert_eq!((s.interface_scale, s.stepped_scale(1)), (2.0, 2.0));
        assert_eq!(nearest_scale(f32::NAN), 1.0);
    }
}
