//! The good files that mutations start from, and where the parts of a DICOM file lie.

use crate::dicom_writer::{Item, Plane};

pub(crate) const PIXEL_DATA: u32 = 0x7FE0_0010;

/// An axial CT slice of 16 × 16 pixels with everything that images usually carry.
pub(crate) fn classic() -> Item {
    slice(1, 0.0)
}

/// One slice of a stack at `z` mm.
pub(crate) fn slice(number: i64, z: f64) -> Item {
    Plane::axial(z)
        .classic(number, |lps| lps.x + 10.0 * lps.y + lps.z)
        .text(0x0008_0005, b"CS", "ISO_IR 100")
        .text(0x0008_0008, b"CS", "ORIGINAL\\PRIMARY\\AXIAL")
        .text(0x0010_0010, b"PN", "Made^Up")
        .ds(0x0018_0050, &[2.0])
        .ds(0x0028_1050, &[40.0])
        .ds(0x0028_1051, &[400.0])
        .ds(0x0028_1052, &[-1024.0])
        .ds(0x0028_1053, &[1.0])
}

/// A file of the repository.
pub(crate) fn read(name: &str) -> Vec<u8> {
    std::fs::read(test_support::data::repository_data(name)).unwrap()
}

pub(crate) fn rle() -> Vec<u8> {
    read("dicom/codec-other/MR_small_RLE.dcm")
}

/// Every good file that some mutation starts from.
pub(crate) fn files() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("classic.dcm", classic().file()),
        ("rle.dcm", rle()),
        ("two_frames.dcm", read("dicom/colour/SC_rgb_rle_16bit_2frame.dcm")),
        ("j2k.dcm", read("dicom/codec-other/MR_small_jp2klossless.dcm")),
        ("jls.dcm", read("dicom/codec-other/MR_small_jpeg_ls_lossless.dcm")),
        ("jpeg.dcm", read("dicom/colour/SC_rgb_dcmtk_+eb+cr.dcm")),
        ("implicit.dcm", read("dicom/codec-other/MR_small_implicit.dcm")),
        ("big.dcm", read("dicom/codec-other/MR_small_bigendian.dcm")),
        ("seg.dcm", read("dicom/seg-pm/seg_image_ct_binary.dcm")),
        ("rtstruct.dcm", read("dicom/rt/rtstruct.dcm")),
        ("report.dcm", read("dicom/sr-wave-other/reportsi.dcm")),
        ("document.dcm", read("dicom/sr-wave-other/encapsulated_pdf.dcm")),
        ("int16.nii", read("made/nifti/int16_le.nii")),
        ("int16.mha", read("made/metaimage/int16.mha")),
        ("int16.nrrd", read("made/nrrd/int16.nrrd")),
        ("grey8.tif", read("made/picture/grey8.tif")),
        ("grey8.png", read("made/picture/grey8.png")),
        ("grey8.jpg", read("made/picture/grey8.jpg")),
        ("grey8.bmp", read("made/picture/grey8.bmp")),
    ]
}

/// Where one element of a file lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) tag: u32,
    /// Of the tag.
    pub(crate) at: usize,
    pub(crate) length_at: usize,
    pub(crate) value_at: usize,
    pub(crate) len: usize,
}

impl Place {
    /// First byte after the value.
    pub(crate) fn end(&self) -> usize {
        self.value_at + self.len
    }

    /// Whether the length has four bytes, not two.
    pub(crate) fn has_long_length(&self) -> bool {
        self.value_at - self.length_at == 4
    }

    /// The file with another length in this element.
    pub(crate) fn with_length(&self, file: &[u8], length: u32) -> Vec<u8> {
        if self.has_long_length() {
            patched(file, self.length_at, &length.to_le_bytes())
        } else {
            patched(file, self.length_at, &(length as u16).to_le_bytes())
        }
    }

    /// The file with another VR in this element.
    pub(crate) fn with_vr(&self, file: &[u8], vr: &[u8; 2]) -> Vec<u8> {
        patched(file, self.at + 4, vr)
    }
}

/// The outermost elements of a little endian file, up to and with compressed pixel data.
pub(crate) fn places(file: &[u8]) -> Vec<Place> {
    let word = |at: usize| u32::from(u16::from_le_bytes([file[at], file[at + 1]]));
    let long = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    let mut places = Vec::new();
    let mut at = if file.get(128..132) == Some(b"DICM") { 132 } else { 0 };
    while at + 8 <= file.len() {
        let tag = word(at) << 16 | word(at + 2);
        let (length_at, value_at, len) = match &file[at + 4..at + 6] {
            b"SQ" | b"OB" | b"OW" | b"UN" | b"UT" | b"OF" | b"UC" => (at + 8, at + 12, long(at + 8)),
            vr if vr.iter().all(u8::is_ascii_uppercase) => (at + 6, at + 8, word(at + 6)),
            _ => (at + 4, at + 8, long(at + 4)),
        };
        let len = if len == u32::MAX { file.len() - value_at } else { len as usize };
        places.push(Place { tag, at, length_at, value_at, len });
        at = value_at + len;
    }
    places
}

/// The place of one element.
pub(crate) fn place(file: &[u8], tag: u32) -> Place {
    places(file).into_iter().find(|place| place.tag == tag).unwrap_or_else(|| panic!("no {}", tag_text(tag)))
}

/// A tag as people write it.
pub(crate) fn tag_text(tag: u32) -> String {
    format!("({:04X},{:04X})", tag >> 16, tag & 0xFFFF)
}

/// Bytes with some of them replaced.
pub(crate) fn patched(file: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    file[at..at + bytes.len()].copy_from_slice(bytes);
    file
}
