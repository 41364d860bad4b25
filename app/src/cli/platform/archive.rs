//! A folder as one ZIP archive, which is what a model travels as.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::Path;

use anyhow::Context;
use platform_client::payloads::files_below;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Packs a folder with its own name in front of all files, in the order of their names, without times: the same
/// folder gives the same bytes. The archive has no name on the disk and goes with its last reader. Blocks on disk.
pub(super) fn pack(folder: &Path) -> anyhow::Result<File> {
    let whole =
        std::fs::canonicalize(folder).with_context(|| format!("cannot read `{}`", folder.display()))?;
    let name = whole.file_name().and_then(|name| name.to_str());
    let name =
        name.with_context(|| format!("the folder `{}` has no name to pack it under", folder.display()))?;
    let files = files_below(&whole)?;
    anyhow::ensure!(!files.is_empty(), "the folder `{}` holds no file", folder.display());
    let mut archive = ZipWriter::new(tempfile::tempfile().context("cannot make a temporary file")?);
    for file in files {
        // Large files need a longer form of the format; the size now is only a guess of the size while it is read.
        let options = SimpleFileOptions::default().large_file(file.size >= u64::from(u32::MAX) / 2);
        archive.start_file(format!("{name}/{}", file.path.as_relative()), options)?;
        let cannot = || format!("cannot read `{}`", file.source.display());
        let mut source = File::open(&file.source).with_context(cannot)?;
        std::io::copy(&mut source, &mut archive).with_context(cannot)?;
    }
    let mut packed = archive.finish()?;
    packed.seek(SeekFrom::Start(0))?;
    Ok(packed)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_same_folder_gives_the_same_archive_and_another_file_another() {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("liver");
        std::fs::create_dir_all(model.join("1")).unwrap();
        std::fs::write(model.join("config.pbtxt"), "name: liver").unwrap();
        std::fs::write(model.join("1/weights"), vec![7; 100_000]).unwrap();
        let bytes = || {
            let mut bytes = Vec::new();
            pack(&model).unwrap().read_to_end(&mut bytes).unwrap();
            bytes
        };
        let first = bytes();
        assert_eq!(bytes(), first);
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(&first)).unwrap();
        let names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
        assert_eq!(names, ["liver/1/weights", "liver/config.pbtxt"]);
        let mut text = String::new();
        archive.by_name("liver/config.pbtxt").unwrap().read_to_string(&mut text).unwrap();
        assert_eq!(text, "name: liver");
        std::fs::write(model.join("config.pbtxt"), "name: lung").unwrap();
        assert_ne!(bytes(), first);
    }

    #[test]
    fn an_empty_folder_is_no_model() {
        let folder = tempfile::tempdir().unwrap();
        assert!(pack(folder.path()).unwrap_err().to_string().contains("holds no file"));
        assert!(pack(&folder.path().join("none")).is_err());
    }
}
