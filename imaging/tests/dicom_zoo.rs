//! Traits of files of the DICOM zoo; headers and stored values of all of them are compared in `tests/truth`.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

use std::path::{Path, PathBuf};

use imaging::ImagingError;
use imaging::formats::{ReadLimits, load, scan};
use imaging::series::{Catalog, SeriesEntry, SeriesWarning};
use imaging::source::Progress;
use imaging::volume::Volume;
use test_support::data;

fn zoo() -> Option<PathBuf> {
    data("zoo/zoo")
}

fn scan_one(path: &Path) -> Result<Catalog, ImagingError> {
    scan(&[path.to_path_buf()], &Progress::new())
}

fn load_all(entry: &SeriesEntry) -> Result<Volume, ImagingError> {
    load(entry, ReadLimits::default(), &Progress::new())
}

#[test]
fn frames_are_counted_where_their_number_is_no_number() {
    let Some(root) = zoo() else { return };
    let catalog = scan_one(&root.join("malformed/badVR.dcm")).unwrap();
    let volume = load_all(&catalog.series[0]).unwrap();
    assert_eq!(volume.dims().z * volume.time_points(), 15);
    let told =
        |w: &SeriesWarning| matches!(w, SeriesWarning::Other(text) if text.contains("number of frames"));
    assert!(volume.warnings().iter().any(told));
}

/// `file` with another transfer syntax in its header; the pixels stay what they were.
fn relabelled(file: &Path, uid: &str) -> Vec<u8> {
    let bytes = std::fs::read(file).unwrap();
    let at = 128 + 4 + 8;
    let meta_len = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let mut uid = uid.as_bytes().to_vec();
    if uid.len() % 2 == 1 {
        uid.push(0);
    }
    let mut out = vec![0; 128];
    out.extend_from_slice(b"DICM\x02\0\x10\0UI");
    out.extend_from_slice(&(uid.len() as u16).to_le_bytes());
    out.extend_from_slice(&uid);
    out.extend_from_slice(&bytes[at + 4 + meta_len..]);
    out
}

#[test]
fn video_and_unknown_transfer_syntaxes_are_refused_by_name() {
    let Some(root) = zoo() else { return };
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("video.dcm");
    for (uid, name) in [
        ("1.2.840.10008.1.2.4.100", "MPEG2 Main Profile"),
        ("1.2.840.10008.1.2.4.102", "MPEG-4 AVC/H.264 High Profile"),
        ("1.2.840.10008.1.2.4.107", "HEVC/H.265 Main Profile"),
        ("1.2.840.10008.1.2.4.94", "JPIP Referenced"),
        ("1.2.3.4.5", "`1.2.3.4.5`"),
    ] {
        std::fs::write(&path, relabelled(&root.join("codec-other/CT_small.dcm"), uid)).unwrap();
        match scan_one(&path) {
            Err(ImagingError::Unsupported { what, .. }) => assert!(what.contains(name), "{uid}: {what}"),
            other => panic!("{uid}: {other:?}"),
        }
    }
}

#[test]
fn jpeg_xl_and_encapsulated_uncompressed_copies_equal_the_original() {
    use dicom_pixeldata::Transcode;
    let Some(root) = zoo() else { return };
    let dir = tempfile::tempdir().unwrap();
    for name in ["codec-other/CT_small.dcm", "codec-other/MR_small.dcm", "colour/SC_rgb.dcm"] {
        let original = load_all(&scan_one(&root.join(name)).unwrap().series[0]).unwrap();
        for syntax in [
            dicom_transfer_syntax_registry::entries::JPEG_XL_LOSSLESS.erased(),
            dicom_transfer_syntax_registry::entries::ENCAPSULATED_UNCOMPRESSED_EXPLICIT_VR_LITTLE_ENDIAN
                .erased(),
        ] {
            let mut object = dicom_object::open_file(root.join(name)).unwrap();
            object.transcode(&syntax).unwrap();
            let path = dir.path().join("copy.dcm");
            object.write_to_file(&path).unwrap();
            let copy = load_all(&scan_one(&path).unwrap().series[0]).unwrap();
            assert_eq!(copy.voxels(), original.voxels(), "{name} as {}", syntax.name());
        }
    }
}
