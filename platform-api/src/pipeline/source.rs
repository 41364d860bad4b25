//! The files of a definition: joining their parts, and finding the one that an import means.
//!
//! Paths are labels, never places on disk.

use std::collections::BTreeMap;

use crate::letter_case::fold;

/// A file of a definition, as it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefinitionFile {
    /// The label that imports refer to.
    pub path: String,
    /// YAML.
    pub content: String,
}

/// Joins parts whose paths differ at most in letter case, in the order in which they came.
///
/// The first file is the main one.
pub fn join_parts(parts: impl IntoIterator<Item = DefinitionFile>) -> Vec<DefinitionFile> {
    let mut files: Vec<DefinitionFile> = Vec::new();
    let mut index_of = BTreeMap::new();
    for part in parts {
        let index = *index_of.entry(fold(&part.path)).or_insert(files.len());
        match files.get_mut(index) {
            Some(file) => file.content.push_str(&part.content),
            None => files.push(part),
        }
    }
    files
}

/// Finds files by the paths that imports give.
#[derive(Debug)]
pub(super) struct Files {
    index_of: BTreeMap<String, usize>,
    main_folder: String,
}

impl Files {
    pub(super) fn new(files: &[DefinitionFile]) -> Self {
        let mut index_of = BTreeMap::new();
        for (index, file) in files.iter().enumerate() {
            index_of.entry(label(&file.path)).or_insert(index);
        }
        let main = files.first().map(|file| label(&file.path)).unwrap_or_default();
        let main_folder = main.rsplit_once('/').map(|(folder, _)| folder.to_owned()).unwrap_or_default();
        Self { index_of, main_folder }
    }

    /// The file that the main file means by `path`: first as seen from its own folder, then as written.
    pub(super) fn find(&self, path: &str) -> Option<usize> {
        let relative = label(&format!("{}/{path}", self.main_folder));
        let found = if self.main_folder.is_empty() { None } else { self.index_of.get(&relative) };
        found.or_else(|| self.index_of.get(&label(path))).copied()
    }
}

/// What paths of the same file share: no letter case, no `.`, and `..` only in front.
fn label(path: &str) -> String {
    let path = fold(path).replace('\\', "/");
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." if segments.last().is_some_and(|last| *last != "..") => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    segments.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, content: &str) -> DefinitionFile {
        DefinitionFile { path: path.to_owned(), content: content.to_owned() }
    }

    #[test]
    fn parts_of_a_file_are_joined_in_order() {
        let files = join_parts([file("A.yaml", "1"), file("b.yaml", "2"), file("a.YAML", "3")]);
        assert_eq!(files, [file("A.yaml", "13"), file("b.yaml", "2")]);
    }

    #[test]
    fn imports_are_found_beside_the_main_file_or_as_written() {
        let files =
            Files::new(&[file("../main.yaml", ""), file("../Reader.yaml", ""), file("op/x.yaml", "")]);
        assert_eq!(files.find("reader.yaml"), Some(1));
        assert_eq!(files.find("./READER.yaml"), Some(1));
        assert_eq!(files.find("../reader.yaml"), Some(1));
        assert_eq!(files.find(r".\op\..\op\x.yaml"), Some(2));
        assert_eq!(files.find("x.yaml"), None);
        assert_eq!(files.find("main.yaml"), Some(0));
    }
}
