//! Writes small DICOM objects for tests, element by element, so that every trait of a file is in sight of its test.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::{Path, PathBuf};

use imaging::ImagingError;
use imaging::formats::{ReadLimits, load, scan};
use imaging::series::{Catalog, SeriesEntry};
use imaging::source::Progress;
use imaging::volume::Volume;

pub(crate) const IMPLICIT: &str = "1.2.840.10008.1.2";
pub(crate) const EXPLICIT: &str = "1.2.840.10008.1.2.1";
pub(crate) const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
pub(crate) const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
pub(crate) const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
pub(crate) const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";

const LONG_VRS: [&str; 8] = ["OB", "OW", "OF", "OD", "SQ", "UN", "UT", "OL"];

/// A value with its representation.
#[derive(Clone)]
pub(crate) enum Value {
    Text(&'static str, String),
    /// US or SS, or LUT words (OW): 16-bit words in the file's byte order.
    Words(&'static str, Vec<u16>),
    Bytes(&'static str, Vec<u8>),
    Items(Vec<Vec<(u32, Value)>>),
    /// Encapsulated pixel data: the fragments of all frames, without an offset table.
    Fragments(Vec<Vec<u8>>),
}

pub(crate) fn us(value: u16) -> Value {
    Value::Words("US", vec![value])
}

pub(crate) fn ss(value: i16) -> Value {
    Value::Words("SS", vec![value.cast_unsigned()])
}

pub(crate) fn text(vr: &'static str, value: impl ToString) -> Value {
    Value::Text(vr, value.to_string())
}

/// One object; elements are written in the order of their tags.
#[derive(Clone)]
pub(crate) struct Dicom {
    pub(crate) syntax: String,
    pub(crate) elements: Vec<(u32, Value)>,
}

impl Dicom {
    /// A CT slice of `columns × rows` with 16 bits, unsigned, no pixel data yet.
    pub(crate) fn image(syntax: &str, columns: u16, rows: u16) -> Self {
        let elements = vec![
            (0x0008_0016, text("UI", CT)),
            (0x0008_0018, text("UI", "1.2.3.1")),
            (0x0008_0060, text("CS", "CT")),
            (0x0020_000D, text("UI", "1.2.3")),
            (0x0020_000E, text("UI", "1.2.3.4")),
            (0x0020_0013, text("IS", 1)),
            (0x0020_0032, text("DS", "0\\0\\0")),
            (0x0020_0037, text("DS", "1\\0\\0\\0\\1\\0")),
            (0x0028_0002, us(1)),
            (0x0028_0004, text("CS", "MONOCHROME2")),
            (0x0028_0010, us(rows)),
            (0x0028_0011, us(columns)),
            (0x0028_0030, text("DS", "1\\1")),
            (0x0028_0100, us(16)),
            (0x0028_0101, us(16)),
            (0x0028_0102, us(15)),
            (0x0028_0103, us(0)),
        ];
        Self { syntax: syntax.to_owned(), elements }
    }

    /// Colour with 8 bits per sample and the given photometric interpretation, as a secondary capture.
    pub(crate) fn color(syntax: &str, columns: u16, rows: u16, photometric: &str, planar: u16) -> Self {
        Self::image(syntax, columns, rows)
            .with(0x0008_0016, text("UI", SECONDARY_CAPTURE))
            .with(0x0008_0060, text("CS", "OT"))
            .with(0x0028_0002, us(3))
            .with(0x0028_0004, text("CS", photometric))
            .with(0x0028_0006, us(planar))
            .bits(8, 8, 7, false)
    }

    /// Sets or replaces an element.
    pub(crate) fn with(mut self, tag: u32, value: Value) -> Self {
        self.elements.retain(|(known, _)| *known != tag);
        self.elements.push((tag, value));
        self
    }

    pub(crate) fn without(mut self, tag: u32) -> Self {
        self.elements.retain(|(known, _)| *known != tag);
        self
    }

    pub(crate) fn bits(self, allocated: u16, stored: u16, high: u16, is_signed: bool) -> Self {
        self.with(0x0028_0100, us(allocated))
            .with(0x0028_0101, us(stored))
            .with(0x0028_0102, us(high))
            .with(0x0028_0103, us(u16::from(is_signed)))
    }

    pub(crate) fn rescale(self, slope: &str, intercept: &str) -> Self {
        self.with(0x0028_1052, text("DS", intercept)).with(0x0028_1053, text("DS", slope))
    }

    /// Places a slice of a series: its number and its position along z.
    pub(crate) fn at(self, number: i32, z: f64) -> Self {
        self.with(0x0008_0018, text("UI", format!("1.2.3.{number}.1")))
            .with(0x0020_0013, text("IS", number))
            .with(0x0020_0032, text("DS", format!("0\\0\\{z}")))
    }

    pub(crate) fn words(self, pixels: &[u16]) -> Self {
        self.with(0x7FE0_0010, Value::Words("OW", pixels.to_vec()))
    }

    pub(crate) fn bytes(self, pixels: &[u8]) -> Self {
        self.with(0x7FE0_0010, Value::Bytes("OB", pixels.to_vec()))
    }

    pub(crate) fn fragments(self, fragments: Vec<Vec<u8>>) -> Self {
        self.with(0x7FE0_0010, Value::Fragments(fragments))
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![0; 128];
        out.extend_from_slice(b"DICM");
        let mut meta = Vec::new();
        element(&mut meta, 0x0002_0010, &text("UI", &self.syntax), true, false);
        element(
            &mut out,
            0x0002_0000,
            &Value::Bytes("UL", (meta.len() as u32).to_le_bytes().into()),
            true,
            false,
        );
        out.extend(meta);
        let body = data_set(&self.elements, self.syntax != IMPLICIT, self.syntax == BIG_ENDIAN);
        if self.syntax == DEFLATED {
            out.extend(deflate(&body));
        } else {
            out.extend(body);
        }
        out
    }

    pub(crate) fn write(&self, path: &Path) {
        std::fs::write(path, self.encode()).expect("folder is writable");
    }

    /// The catalogue of this object alone, or why there is none.
    pub(crate) fn scan(&self) -> Result<(tempfile::TempDir, Catalog), ImagingError> {
        let dir = tempfile::tempdir().expect("temporary folder");
        let path = dir.path().join("made.dcm");
        self.write(&path);
        scan(&[path], &Progress::new()).map(|catalog| (dir, catalog))
    }

    /// The only series of this object, and its voxels.
    pub(crate) fn read(&self) -> Result<(SeriesEntry, Volume), ImagingError> {
        let (_dir, catalog) = self.scan()?;
        assert_eq!(catalog.series.len(), 1);
        let entry = catalog.series.into_iter().next().expect("one series");
        let volume = load(&entry, ReadLimits::default(), &Progress::new())?;
        Ok((entry, volume))
    }
}

/// Reads a folder of objects that form one series.
pub(crate) fn read_series(objects: &[Dicom]) -> (SeriesEntry, Volume) {
    let dir = tempfile::tempdir().expect("temporary folder");
    for (i, object) in objects.iter().enumerate() {
        object.write(&dir.path().join(format!("{i}.dcm")));
    }
    let paths: Vec<PathBuf> = vec![dir.path().to_path_buf()];
    let catalog = scan(&paths, &Progress::new()).expect("readable");
    assert_eq!(
        catalog.series.len(),
        1,
        "{:?}",
        catalog.series.iter().map(|s| &s.warnings).collect::<Vec<_>>()
    );
    let entry = catalog.series.into_iter().next().expect("one series");
    let volume = load(&entry, ReadLimits::default(), &Progress::new()).expect("loadable");
    (entry, volume)
}

/// All stored values of a volume.
pub(crate) fn stored(volume: &Volume) -> Vec<f64> {
    (0..volume.voxels().len()).map(|i| volume.voxels().get(i).expect("inside")).collect()
}

pub(crate) fn deflate(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

fn data_set(elements: &[(u32, Value)], is_explicit: bool, is_big: bool) -> Vec<u8> {
    let mut sorted: Vec<&(u32, Value)> = elements.iter().collect();
    sorted.sort_by_key(|(tag, _)| *tag);
    let mut out = Vec::new();
    for (tag, value) in sorted {
        element(&mut out, *tag, value, is_explicit, is_big);
    }
    out
}

fn element(out: &mut Vec<u8>, tag: u32, value: &Value, is_explicit: bool, is_big: bool) {
    let short = |v: u16| if is_big { v.to_be_bytes() } else { v.to_le_bytes() };
    let long = |v: u32| if is_big { v.to_be_bytes() } else { v.to_le_bytes() };
    let (vr, mut bytes) = match value {
        Value::Text(vr, value) => (*vr, value.clone().into_bytes()),
        Value::Words(vr, words) => (*vr, words.iter().flat_map(|&w| short(w)).collect()),
        Value::Bytes(vr, bytes) => (*vr, bytes.clone()),
        Value::Items(items) => {
            let mut inner = Vec::new();
            for item in items {
                let item = data_set(item, is_explicit, is_big);
                inner.extend(short(0xFFFE).into_iter().chain(short(0xE000)).chain(long(item.len() as u32)));
                inner.extend(item);
            }
            ("SQ", inner)
        }
        Value::Fragments(fragments) => {
            let mut inner = vec![0xFE, 0xFF, 0x00, 0xE0, 0, 0, 0, 0];
            for fragment in fragments {
                let padded = fragment.len() + fragment.len() % 2;
                inner.extend([0xFE, 0xFF, 0x00, 0xE0]);
                inner.extend((padded as u32).to_le_bytes());
                inner.extend(fragment);
                inner.resize(inner.len() + padded - fragment.len(), 0);
            }
            inner.extend([0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
            ("OB", inner)
        }
    };
    if bytes.len() % 2 == 1 {
        bytes.push(if vr == "UI" || vr == "OB" { 0 } else { b' ' });
    }
    let len = if matches!(value, Value::Fragments(_)) { u32::MAX } else { bytes.len() as u32 };
    out.extend(short((tag >> 16) as u16));
    out.extend(short(tag as u16));
    if !is_explicit {
        out.extend(long(len));
    } else if LONG_VRS.contains(&vr) {
        out.extend(vr.as_bytes());
        out.extend([0, 0]);
        out.extend(long(len));
    } else {
        out.extend(vr.as_bytes());
        out.extend(short(len as u16));
    }
    out.extend(bytes);
}
