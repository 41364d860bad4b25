//! Writes small DICOM objects (explicit VR little endian) from analytic phantoms, and opens what was written.
#![allow(dead_code, reason = "every test program uses its own part")]
#![allow(clippy::unwrap_used, reason = "test code; the lint knows only functions marked as tests")]

use std::collections::BTreeMap;
use std::path::Path;

use glam::DVec3;
use imaging::formats::{ReadLimits, load, scan};
use imaging::series::{Catalog, SeriesEntry};
use imaging::source::Progress;
use imaging::volume::Volume;

pub(crate) const CT_CLASS: &str = "1.2.840.10008.5.1.4.1.1.2";
pub(crate) const ENHANCED_CT_CLASS: &str = "1.2.840.10008.5.1.4.1.1.2.1";

/// A data set or sequence item under construction; elements are written in the order of their tags.
#[derive(Debug, Clone, Default)]
pub(crate) struct Item {
    elements: BTreeMap<u32, ([u8; 2], Vec<u8>)>,
}

impl Item {
    fn put(mut self, tag: u32, vr: &[u8; 2], mut value: Vec<u8>) -> Self {
        if value.len() % 2 == 1 {
            let is_binary = matches!(vr, b"UI" | b"OB" | b"OW");
            value.push(if is_binary { 0 } else { b' ' });
        }
        self.elements.insert(tag, (*vr, value));
        self
    }

    pub(crate) fn text(self, tag: u32, vr: &[u8; 2], value: &str) -> Self {
        self.put(tag, vr, value.as_bytes().to_vec())
    }

    /// Decimal strings.
    pub(crate) fn ds(self, tag: u32, values: &[f64]) -> Self {
        let text: Vec<String> = values.iter().map(|v| format!("{:.10}", v)).collect();
        let text: Vec<&str> = text.iter().map(|t| t.trim_end_matches('0').trim_end_matches('.')).collect();
        self.text(tag, b"DS", &text.join("\\"))
    }

    pub(crate) fn is(self, tag: u32, value: i64) -> Self {
        self.text(tag, b"IS", &value.to_string())
    }

    pub(crate) fn us(self, tag: u32, values: &[u16]) -> Self {
        self.put(tag, b"US", values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    pub(crate) fn ul(self, tag: u32, values: &[u32]) -> Self {
        self.put(tag, b"UL", values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    pub(crate) fn sl(self, tag: u32, values: &[i32]) -> Self {
        self.put(tag, b"SL", values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    pub(crate) fn fd(self, tag: u32, values: &[f64]) -> Self {
        self.put(tag, b"FD", values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    /// An attribute tag.
    pub(crate) fn at(self, tag: u32, value: u32) -> Self {
        let words = [(value >> 16) as u16, value as u16];
        self.put(tag, b"AT", words.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    pub(crate) fn pixels(self, samples: &[i16]) -> Self {
        self.put(0x7FE0_0010, b"OW", samples.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    pub(crate) fn sequence(self, tag: u32, items: &[Item]) -> Self {
        let mut value = Vec::new();
        for item in items {
            let bytes = item.bytes();
            value.extend_from_slice(&[0xFE, 0xFF, 0x00, 0xE0]);
            value.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            value.extend(bytes);
        }
        self.put(tag, b"SQ", value)
    }

    pub(crate) fn without(mut self, tag: u32) -> Self {
        self.elements.remove(&tag);
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (tag, (vr, value)) in &self.elements {
            bytes.extend_from_slice(&((tag >> 16) as u16).to_le_bytes());
            bytes.extend_from_slice(&(*tag as u16).to_le_bytes());
            bytes.extend_from_slice(vr);
            if matches!(vr, b"SQ" | b"OB" | b"OW" | b"UN") {
                bytes.extend_from_slice(&[0, 0]);
                bytes.extend_from_slice(&(value.len() as u32).to_le_bytes());
            } else {
                bytes.extend_from_slice(&(value.len() as u16).to_le_bytes());
            }
            bytes.extend_from_slice(value);
        }
        bytes
    }

    /// The whole file.
    pub(crate) fn file(&self) -> Vec<u8> {
        let uid = |tag: u32| self.elements.get(&tag).map_or(Vec::new(), |(_, value)| value.clone());
        let mut meta = Item::default().text(0x0002_0010, b"UI", "1.2.840.10008.1.2.1");
        meta = meta.put(0x0002_0002, b"UI", uid(0x0008_0016)).put(0x0002_0003, b"UI", uid(0x0008_0018));
        let length = meta.bytes().len() as u32;
        let mut file = vec![0; 128];
        file.extend_from_slice(b"DICM");
        file.extend(meta.ul(0x0002_0000, &[length]).bytes());
        file.extend(self.bytes());
        file
    }

    pub(crate) fn write(&self, path: &Path) {
        std::fs::write(path, self.file()).unwrap();
    }
}

/// An image object of signed 16-bit values: everything but class, place and pixels.
pub(crate) fn image(columns: u16, rows: u16) -> Item {
    Item::default()
        .text(0x0008_0060, b"CS", "CT")
        .text(0x0008_0016, b"UI", CT_CLASS)
        .text(0x0008_0018, b"UI", "1.2.3.4.1")
        .text(0x0020_000D, b"UI", "1.2.3.1")
        .text(0x0020_000E, b"UI", "1.2.3.2")
        .text(0x0020_0052, b"UI", "1.2.3.3")
        .us(0x0028_0002, &[1])
        .text(0x0028_0004, b"CS", "MONOCHROME2")
        .us(0x0028_0010, &[rows])
        .us(0x0028_0011, &[columns])
        .us(0x0028_0100, &[16])
        .us(0x0028_0101, &[16])
        .us(0x0028_0102, &[15])
        .us(0x0028_0103, &[1])
}

/// The plane of one slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plane {
    pub(crate) position: DVec3,
    pub(crate) row: DVec3,
    pub(crate) column: DVec3,
    /// Between rows, then between columns, as the standard has it.
    pub(crate) spacing: [f64; 2],
    pub(crate) columns: u16,
    pub(crate) rows: u16,
}

impl Plane {
    pub(crate) fn axial(z: f64) -> Self {
        Self {
            position: DVec3::new(-7.5, -7.5, z),
            row: DVec3::X,
            column: DVec3::Y,
            spacing: [1.0, 1.0],
            columns: 16,
            rows: 16,
        }
    }

    pub(crate) fn lps(&self, column: usize, row: usize) -> DVec3 {
        let [row_mm, column_mm] = self.spacing;
        self.position + self.row * (column as f64 * column_mm) + self.column * (row as f64 * row_mm)
    }

    /// Samples of a phantom at the centres of the pixels.
    pub(crate) fn samples(&self, phantom: impl Fn(DVec3) -> f64) -> Vec<i16> {
        let (columns, rows) = (usize::from(self.columns), usize::from(self.rows));
        let places = (0..rows).flat_map(|row| (0..columns).map(move |column| (column, row)));
        places.map(|(column, row)| phantom(self.lps(column, row)).round() as i16).collect()
    }

    pub(crate) fn orientation(&self) -> [f64; 6] {
        let (r, c) = (self.row, self.column);
        [r.x, r.y, r.z, c.x, c.y, c.z]
    }

    /// A classic single-frame CT object.
    pub(crate) fn classic(&self, number: i64, phantom: impl Fn(DVec3) -> f64) -> Item {
        image(self.columns, self.rows)
            .text(0x0008_0018, b"UI", &format!("1.2.3.4.{number}"))
            .is(0x0020_0013, number)
            .ds(0x0020_0032, &self.position.to_array())
            .ds(0x0020_0037, &self.orientation())
            .ds(0x0028_0030, &self.spacing)
            .pixels(&self.samples(phantom))
    }
}

/// Writes objects as files into a folder and scans it.
pub(crate) fn scan_objects(objects: &[Item]) -> Catalog {
    let folder = write_objects(objects);
    scan(&[folder.path().to_path_buf()], &Progress::new()).unwrap()
}

pub(crate) fn write_objects(objects: &[Item]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (i, object) in objects.iter().enumerate() {
        object.write(&folder.path().join(format!("{i:04}.dcm")));
    }
    folder
}

/// The single series of some objects, loaded.
pub(crate) fn open_objects(objects: &[Item]) -> (SeriesEntry, Volume) {
    let folder = write_objects(objects);
    open_folder(folder.path())
}

pub(crate) fn open_folder(folder: &Path) -> (SeriesEntry, Volume) {
    let mut catalog = scan(&[folder.to_path_buf()], &Progress::new()).unwrap();
    let warnings: Vec<_> = catalog.series.iter().map(|s| &s.warnings).collect();
    assert_eq!(catalog.series.len(), 1, "{warnings:?}, skipped {:?}", catalog.skipped);
    let entry = catalog.series.remove(0);
    let volume = load_entry(&entry);
    (entry, volume)
}

pub(crate) fn load_entry(entry: &SeriesEntry) -> Volume {
    load(entry, ReadLimits::default(), &Progress::new()).unwrap()
}
