//! Preferences on disk, in the file and format that the toolkit uses for its own windows, so that both share them.

use std::collections::HashMap;
use std::path::PathBuf;

/// Keys and values; written when asked to.
pub(super) struct FileStorage {
    path: PathBuf,
    values: HashMap<String, String>,
    is_changed: bool,
}

impl FileStorage {
    /// Of the application `app_id`; `None` where the system has no place for such files.
    pub(super) fn open(app_id: &str) -> Option<Self> {
        let path = eframe::storage_dir(app_id)?.join("app.ron");
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        Some(Self { path, values: ron::from_str(&text).unwrap_or_default(), is_changed: false })
    }

    fn write(&self) -> std::io::Result<()> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let text = ron::ser::to_string_pretty(&self.values, ron::ser::PrettyConfig::default());
        // Whole or not at all.
        let part = self.path.with_extension("ron.part");
        std::fs::write(&part, text.map_err(std::io::Error::other)?)?;
        std::fs::rename(&part, &self.path)
    }
}

impl eframe::Storage for FileStorage {
    fn get_string(&self, key: &str) -> Option<String> {
        self.values.get(key).cloned()
    }

    fn set_string(&mut self, key: &str, value: String) {
        if self.values.get(key) != Some(&value) {
            self.values.insert(key.to_owned(), value);
            self.is_changed = true;
        }
    }

    fn remove_string(&mut self, key: &str) {
        self.is_changed |= self.values.remove(key).is_some();
    }

    fn flush(&mut self) {
        if std::mem::take(&mut self.is_changed)
            && let Err(error) = self.write()
        {
            tracing::warn!(%error, "preferences could not be saved");
        }
    }
}

#[cfg(test)]
mod tests {
    use eframe::Storage as _;

    use super::*;

    #[test]
    fn preferences_are_there_again_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deeper").join("app.ron");
        let mut storage = FileStorage { path: path.clone(), values: HashMap::new(), is_changed: false };
        storage.set_string("lantern", "(split: \"a\\b\")".to_owned());
        storage.flush();
        let read: HashMap<String, String> = ron::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        assert_eq!(read, storage.values);
    }
}
