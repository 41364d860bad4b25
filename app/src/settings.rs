//! What is remembered between runs: panels, layout, recent studies, preferences. No patient names.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

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
            recent: Vec::new(),
        }
    }
}

impl Settings {
    /// From the toolkit's storage, or the defaults.
    pub fn load(storage: Option<&dyn eframe::Storage>) -> Self {
        let mut settings: Self = storage.and_then(|s| eframe::get_value(s, STORAGE_KEY)).unwrap_or_default();
        settings.split = settings.split.map(|s| if s.is_finite() { s.clamp(0.15, 0.85) } else { 0.5 });
        settings.recent.truncate(MAX_RECENT);
        settings
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
}
