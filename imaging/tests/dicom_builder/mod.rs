//! Writes small DICOM files in explicit VR little endian, element by element.
#![expect(dead_code, reason = "each test uses the parts it needs")]

use std::path::{Path, PathBuf};

use imaging::derived::{Derived, DerivedObject};
use imaging::formats::{ReadLimits, load_object, scan};
use imaging::source::Progress;

/// Elements of a data set, sorted when written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Set(Vec<(u32, Vec<u8>)>);

impl Set {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn raw(mut self, tag: u32, vr: &str, mut value: Vec<u8>) -> Self {
        if value.len() % 2 == 1 {
            value.push(if matches!(vr, "UI" | "OB" | "OW" | "UN") { 0 } else { b' ' });
        }
        let mut bytes = [(tag >> 16) as u16, tag as u16].map(u16::to_le_bytes).concat();
        bytes.extend(vr.as_bytes());
        if matches!(vr, "OB" | "OW" | "SQ" | "UT" | "UN" | "UC") {
            bytes.extend([0, 0]);
            bytes.extend((value.len() as u32).to_le_bytes());
        } else {
            bytes.extend((value.len() as u16).to_le_bytes());
        }
        bytes.extend(value);
        self.0.retain(|(known, _)| *known != tag);
        self.0.push((tag, bytes));
        self
    }

    pub(crate) fn text(self, tag: u32, vr: &str, value: &str) -> Self {
        self.raw(tag, vr, value.as_bytes().to_vec())
    }

    pub(crate) fn bytes(self, tag: u32, vr: &str, value: &[u8]) -> Self {
        self.raw(tag, vr, value.to_vec())
    }

    pub(crate) fn us(self, tag: u32, values: &[u16]) -> Self {
        self.raw(tag, "US", values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    pub(crate) fn sl(self, tag: u32, values: &[i32]) -> Self {
        self.raw(tag, "SL", values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    pub(crate) fn ul(self, tag: u32, values: &[u32]) -> Self {
        self.raw(tag, "UL", values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    pub(crate) fn fl(self, tag: u32, values: &[f32]) -> Self {
        self.raw(tag, "FL", values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    pub(crate) fn ds(self, tag: u32, values: &[f64]) -> Self {
        let texts: Vec<String> = values.iter().map(|v| format!("{v}")).collect();
        self.text(tag, "DS", &texts.join("\\"))
    }

    pub(crate) fn seq(self, tag: u32, items: impl IntoIterator<Item = Set>) -> Self {
        let mut value = Vec::new();
        for item in items {
            let bytes = item.encoded();
            value.extend([0xFE, 0xFF, 0x00, 0xE0]);
            value.extend((bytes.len() as u32).to_le_bytes());
            value.extend(bytes);
        }
        self.raw(tag, "SQ", value)
    }

    pub(crate) fn code(self, tag: u32, scheme: &str, value: &str, meaning: &str) -> Self {
        let item = Set::new().text(0x0008_0100, "SH", value).text(0x0008_0102, "SH", scheme).text(
            0x0008_0104,
            "LO",
            meaning,
        );
        self.seq(tag, [item])
    }

    pub(crate) fn reference(sop_class: &str, sop_instance: &str) -> Self {
        Set::new().text(0x0008_1150, "UI", sop_class).text(0x0008_1155, "UI", sop_instance)
    }

    fn encoded(&self) -> Vec<u8> {
        let mut elements: Vec<_> = self.0.iter().collect();
        elements.sort_by_key(|(tag, _)| *tag);
        elements.into_iter().flat_map(|(_, bytes)| bytes.clone()).collect()
    }

    /// A whole file with preamble and transfer syntax.
    pub(crate) fn file(&self) -> Vec<u8> {
        let meta = Set::new().text(0x0002_0010, "UI", "1.2.840.10008.1.2.1");
        let mut bytes = vec![0; 128];
        bytes.extend(b"DICM");
        bytes.extend(meta.encoded());
        bytes.extend(self.encoded());
        bytes
    }
}

/// A data set with class, UIDs and modality.
pub(crate) fn object(sop_class: &str, modality: &str) -> Set {
    Set::new()
        .text(0x0008_0016, "UI", sop_class)
        .text(0x0008_0018, "UI", "1.2.3.4")
        .text(0x0008_0060, "CS", modality)
        .text(0x0020_000D, "UI", "1.2.3.1")
        .text(0x0020_000E, "UI", "1.2.3.2")
}

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
