//! Fonts of the system for letters that the bundled one does not have: names in Japanese, Arabic, Hebrew and others.
//!
//! Looked for only when such a letter is met, and in the background: a system may have hundreds of fonts.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use skrifa::{FontRef, MetadataProvider};

use super::{Message, Outbox, spawn};

/// Files looked at.
const MAX_FILES: usize = 4000;
/// Depth of folders below the well-known ones.
const MAX_DEPTH: usize = 6;
/// Larger files are no fonts for reading names.
const MAX_BYTES: u64 = 96 << 20;

/// A font file of the system and which of its fonts to use.
#[derive(Debug, Clone)]
pub struct SystemFont {
    /// File name.
    pub name: String,
    /// The whole file.
    pub data: Arc<Vec<u8>>,
    /// Font within a collection.
    pub index: u32,
}

pub(super) fn find(missing: BTreeSet<char>, outbox: Outbox) {
    spawn("fonts", move || outbox.send(Message::Fonts(covering(missing, files_in(&folders())))));
}

/// Where systems keep fonts.
fn folders() -> Vec<PathBuf> {
    let fixed = ["/usr/share/fonts", "/usr/local/share/fonts", "/System/Library/Fonts", "/Library/Fonts"];
    let mut folders: Vec<PathBuf> = fixed.iter().map(PathBuf::from).collect();
    folders.extend(std::env::var_os("WINDIR").map(|windows| Path::new(&windows).join("Fonts")));
    if let Some(dirs) = directories::UserDirs::new() {
        folders.extend(dirs.font_dir().map(Path::to_path_buf));
        folders.push(dirs.home_dir().join(".fonts"));
    }
    folders
}

/// Font files below folders, the plainest first: upright, regular weight, without serifs.
fn files_in(folders: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut waiting: Vec<(PathBuf, usize)> = folders.iter().map(|f| (f.clone(), 0)).collect();
    while let Some((folder, depth)) = waiting.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            let extension = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
            if ["ttf", "otf", "ttc", "otc"].contains(&extension.as_str()) {
                found.push(path);
            } else if depth < MAX_DEPTH && path.is_dir() {
                waiting.push((path, depth + 1));
            }
        }
        if found.len() > MAX_FILES {
            break;
        }
    }
    found.sort_by_cached_key(|path| (strangeness(path), path.clone()));
    found.truncate(MAX_FILES);
    found
}

fn strangeness(path: &Path) -> usize {
    let name = path.file_stem().map(|n| n.to_string_lossy().to_lowercase()).unwrap_or_default();
    let words =
        ["bold", "italic", "oblique", "mono", "serif", "condensed", "light", "thin", "black", "medium"];
    // "Sans Serif" is no serif.
    let name = name.replace("sansserif", "sans");
    words.iter().filter(|word| name.contains(*word)).count()
}

/// Fonts that have the missing letters between them; fewer if no font has some of them.
fn covering(mut missing: BTreeSet<char>, files: Vec<PathBuf>) -> Vec<SystemFont> {
    let mut fonts = Vec::new();
    for path in files {
        if missing.is_empty() {
            break;
        }
        if std::fs::metadata(&path).map_or(true, |m| m.len() > MAX_BYTES) {
            continue;
        }
        let Ok(data) = std::fs::read(&path) else { continue };
        let covered = FontRef::fonts(&data).enumerate().find_map(|(index, font)| {
            let charmap = font.ok()?.charmap();
            let has: Vec<char> = missing.iter().copied().filter(|c| charmap.map(*c).is_some()).collect();
            (!has.is_empty()).then_some((index, has))
        });
        let Some((index, has)) = covered else { continue };
        missing.retain(|c| !has.contains(c));
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let index = u32::try_from(index).unwrap_or(0);
        fonts.push(SystemFont { name, data: Arc::new(data), index });
    }
    fonts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundled() -> PathBuf {
        test_support::data::workspace_root().join("assets/fonts")
    }

    #[test]
    fn plain_fonts_are_looked_at_first_and_found_by_what_they_contain() {
        let files = files_in(&[bundled()]);
        assert!(files.first().is_some_and(|f| f.ends_with("IBMPlexSans-Regular.ttf")), "{files:?}");
        let fonts = covering(BTreeSet::from(['Ж', 'ß']), files.clone());
        assert_eq!(fonts.len(), 1, "one font has both");
        assert_eq!(fonts[0].name, "IBMPlexSans-Regular.ttf");
        assert!(covering(BTreeSet::from(['山']), files).is_empty(), "no font here has it");
    }

    #[test]
    fn a_broken_font_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.ttf"), b"not a font at all").unwrap();
        std::fs::copy(bundled().join("IBMPlexSans-Regular.ttf"), folder.path().join("b.ttf")).unwrap();
        let fonts = covering(BTreeSet::from(['Ж']), files_in(&[folder.path().to_path_buf()]));
        assert_eq!(fonts.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(), ["b.ttf"]);
    }
}
