//! Opens small DICOM files that `imaging::phantom::dicom_file` wrote.
#![allow(dead_code, reason = "each test uses the parts it needs")]

use std::path::{Path, PathBuf};

use imaging::derived::{Derived, DerivedObject};
use imaging::formats::{ReadLimits, load_object, scan};
#[allow(unused_imports, reason = "each test uses the parts it needs")]
pub(crate) use imaging::phantom::dicom_file::{Elements as Set, object};
use imaging::source::Progress;

/// The single object of a file.
pub(crate) fn find_object(path: &Path) -> DerivedObject {
    let mut catalog = scan(&[path.to_path_buf()], &Progress::new()).expect("the file can be scanned");
    assert_eq!((catalog.objects.len(), catalog.series.len()), (1, 0), "{:?}", catalog.skipped);
    catalog.objects.remove(0)
}

/// Scans and loads the single object of a file.
pub(crate) fn open(path: &Path) -> Derived {
    load_object(&find_object(path), ReadLimits::default()).unwrap_or_else(|error| panic!("{error}"))
}

/// Writes a file, then scans and loads it.
pub(crate) fn open_set(set: &Set) -> Derived {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path: PathBuf = folder.path().join("object.dcm");
    std::fs::write(&path, set.file()).expect("the folder is writable");
    open(&path)
}
