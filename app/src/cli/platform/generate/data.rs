//! What jobs are fed with: the entries of folders, in turn.

use std::path::PathBuf;

use anyhow::Context;
use platform_client::payloads::{Upload, files_below};

use super::super::usage;

/// Inputs of jobs, in the order of their names.
pub(super) struct DataSets {
    inputs: Vec<PathBuf>,
}

impl DataSets {
    /// The entries of the folders: files, or with `recurse` folders. A file among the paths is one input.
    pub(super) fn find(paths: &[PathBuf], recurse: bool) -> anyhow::Result<Self> {
        let mut inputs = Vec::new();
        for path in paths {
            let context = || format!("cannot read `{}`", path.display());
            if !std::fs::metadata(path).with_context(context)?.is_dir() {
                if recurse {
                    return Err(usage(format!("`{}` is a file, not a folder to look into", path.display())));
                }
                inputs.push(path.clone());
                continue;
            }
            let entries = std::fs::read_dir(path).with_context(context)?;
            let mut entries: Vec<PathBuf> = entries
                .map(|entry| Ok(entry?.path()))
                .collect::<std::io::Result<_>>()
                .with_context(context)?;
            entries.sort();
            for entry in &entries {
                match (entry.is_dir(), recurse) {
                    (true, false) => {
                        let text = format!("`{}` is a folder; --recurse makes it one input", entry.display());
                        return Err(usage(text));
                    }
                    (false, true) => {
                        return Err(usage(format!("`{}` is a file beside folders", entry.display())));
                    }
                    _ => {}
                }
            }
            if entries.is_empty() {
                return Err(usage(format!("`{}` is empty", path.display())));
            }
            inputs.extend(entries);
        }
        Ok(Self { inputs })
    }

    /// The files of a turn; none where there is no data.
    pub(super) fn of_turn(&self, turn: usize) -> anyhow::Result<Vec<Upload>> {
        let Some(at) = turn.checked_rem(self.inputs.len()) else { return Ok(Vec::new()) };
        let input = self.inputs.get(at).context("there is no such input")?;
        Ok(files_below(input)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_take_turns_and_folders_want_recursion() {
        let root = tempfile::tempdir().unwrap();
        let (flat, deep) = (root.path().join("flat"), root.path().join("deep"));
        std::fs::create_dir_all(deep.join("case")).unwrap();
        std::fs::create_dir(&flat).unwrap();
        for path in [flat.join("a"), flat.join("b"), deep.join("case/1"), deep.join("case/2")] {
            std::fs::write(path, "x").unwrap();
        }
        let data = DataSets::find(std::slice::from_ref(&flat), false).unwrap();
        let names = |turn| data.of_turn(turn).unwrap().iter().map(|f| f.path.to_string()).collect::<Vec<_>>();
        assert_eq!((names(0), names(1), names(2)), (vec!["/a".to_owned()], vec!["/b".to_owned()], names(0)));
        let data = DataSets::find(std::slice::from_ref(&deep), true).unwrap();
        assert_eq!(data.of_turn(5).unwrap().len(), 2);
        assert!(DataSets::find(&[deep], false).is_err());
        assert!(DataSets::find(std::slice::from_ref(&flat), true).is_err());
        assert!(DataSets::find(&[flat.join("a")], true).is_err());
        assert!(DataSets::find(&[], false).unwrap().of_turn(3).unwrap().is_empty());
    }
}
