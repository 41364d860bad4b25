//! The part that all fuzz targets share: one scratch folder in memory per process, and what opening a file means.

mod codestream;
mod exercise;

use std::sync::OnceLock;

use tempfile::TempDir;

pub use codestream::mutate_codestream;
pub use exercise::TARGETS;

/// Opens `bytes` as a file of `target`; returning at all is the test.
pub fn run(target: &str, bytes: &[u8]) {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let memory = std::path::Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let folder = folder.expect("a folder can be made");
        if target == "dicomdir" {
            // Something that references can lead to.
            let image = include_bytes!("../../tests/data/dicom/malformed/empty_charset_LEI.dcm");
            std::fs::create_dir(folder.path().join("DICOM")).expect("the folder is writable");
            std::fs::write(folder.path().join("DICOM/IM1"), image).expect("the folder is writable");
        }
        folder
    });
    let path = exercise::place(folder.path(), target, bytes);
    exercise::open(&path);
}
