//! Writes small DICOM objects (explicit VR little endian), so that phantoms go through the reader like any file.

/// Explicit VR little endian.
const EXPLICIT_LITTLE: &str = "1.2.840.10008.1.2.1";

/// A data set or sequence item under construction; sorted when written, a tag set twice keeps the last value.
#[derive(Debug, Clone, Default)]
pub struct Elements(Vec<(u32, Vec<u8>)>);

impl Elements {
    /// No elements.
    pub fn new() -> Self {
        Self::default()
    }

    fn raw(self, tag: u32, vr: &str, mut value: Vec<u8>) -> Self {
        if value.len() % 2 == 1 {
            value.push(if matches!(vr, "UI" | "OB" | "OW" | "UN") { 0 } else { b' ' });
        }
        let length = u32::try_from(value.len()).expect("phantoms are far smaller than 4 GiB");
        self.with_length(tag, vr, length, value)
    }

    fn with_length(mut self, tag: u32, vr: &str, length: u32, value: Vec<u8>) -> Self {
        let mut bytes = [(tag >> 16) as u16, tag as u16].map(u16::to_le_bytes).concat();
        bytes.extend(vr.as_bytes());
        if matches!(vr, "OB" | "OW" | "SQ" | "UT" | "UN" | "UC") {
            bytes.extend([0, 0]);
            bytes.extend(length.to_le_bytes());
        } else {
            bytes.extend(u16::try_from(length).expect("short values are shorter than 64 KiB").to_le_bytes());
        }
        bytes.extend(value);
        self.0.retain(|(known, _)| *known != tag);
        self.0.push((tag, bytes));
        self
    }

    /// A value as text, padded to even length.
    pub fn text(self, tag: u32, vr: &str, value: &str) -> Self {
        self.raw(tag, vr, value.as_bytes().to_vec())
    }

    /// A value as it is.
    pub fn bytes(self, tag: u32, vr: &str, value: &[u8]) -> Self {
        self.raw(tag, vr, value.to_vec())
    }

    /// Unsigned 16-bit numbers.
    pub fn us(self, tag: u32, values: &[u16]) -> Self {
        self.raw(tag, "US", values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    /// Signed 32-bit numbers.
    pub fn sl(self, tag: u32, values: &[i32]) -> Self {
        self.raw(tag, "SL", values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    /// Unsigned 32-bit numbers.
    pub fn ul(self, tag: u32, values: &[u32]) -> Self {
        self.raw(tag, "UL", values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    /// 32-bit floats.
    pub fn fl(self, tag: u32, values: &[f32]) -> Self {
        self.raw(tag, "FL", values.iter().flat_map(|v| v.to_le_bytes()).collect())
    }

    /// Decimal strings, as many digits as each number needs.
    pub fn ds(self, tag: u32, values: &[f64]) -> Self {
        let texts: Vec<String> = values.iter().map(|v| format!("{v}")).collect();
        self.text(tag, "DS", &texts.join("\\"))
    }

    /// A sequence of items with explicit lengths.
    pub fn seq(self, tag: u32, items: impl IntoIterator<Item = Self>) -> Self {
        let mut value = Vec::new();
        for item in items {
            push_item(&mut value, &item.encoded());
        }
        self.raw(tag, "SQ", value)
    }

    /// A sequence of one code.
    pub fn code(self, tag: u32, scheme: &str, value: &str, meaning: &str) -> Self {
        let item = Self::new().text(0x0008_0100, "SH", value).text(0x0008_0102, "SH", scheme).text(
            0x0008_0104,
            "LO",
            meaning,
        );
        self.seq(tag, [item])
    }

    /// An item that refers to an instance.
    pub fn reference(sop_class: &str, sop_instance: &str) -> Self {
        Self::new().text(0x0008_1150, "UI", sop_class).text(0x0008_1155, "UI", sop_instance)
    }

    /// Pixel data of compressed frames, one fragment each, with an empty offset table.
    pub fn encapsulated(self, frames: &[&[u8]]) -> Self {
        let mut value = Vec::new();
        push_item(&mut value, &[]);
        for frame in frames {
            let mut frame = frame.to_vec();
            if frame.len() % 2 == 1 {
                frame.push(0);
            }
            push_item(&mut value, &frame);
        }
        value.extend([0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0]);
        self.with_length(0x7FE0_0010, "OB", u32::MAX, value)
    }

    fn encoded(&self) -> Vec<u8> {
        let mut elements: Vec<_> = self.0.iter().collect();
        elements.sort_by_key(|(tag, _)| *tag);
        elements.into_iter().flat_map(|(_, bytes)| bytes.clone()).collect()
    }

    /// A whole file with preamble, in explicit VR little endian.
    pub fn file(&self) -> Vec<u8> {
        self.file_as(EXPLICIT_LITTLE)
    }

    /// A whole file whose pixel data is compressed by a transfer syntax.
    pub fn file_as(&self, transfer_syntax: &str) -> Vec<u8> {
        let meta = Self::new().text(0x0002_0010, "UI", transfer_syntax);
        let mut bytes = vec![0; 128];
        bytes.extend(b"DICM");
        bytes.extend(meta.encoded());
        bytes.extend(self.encoded());
        bytes
    }
}

fn push_item(value: &mut Vec<u8>, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("phantoms are far smaller than 4 GiB");
    value.extend([0xFE, 0xFF, 0x00, 0xE0]);
    value.extend(length.to_le_bytes());
    value.extend(bytes);
}

/// A data set with class, UIDs and modality.
pub fn object(sop_class: &str, modality: &str) -> Elements {
    Elements::new()
        .text(0x0008_0016, "UI", sop_class)
        .text(0x0008_0018, "UI", "1.2.3.4")
        .text(0x0008_0060, "CS", modality)
        .text(0x0020_000D, "UI", "1.2.3.1")
        .text(0x0020_000E, "UI", "1.2.3.2")
}
