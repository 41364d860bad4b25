//! Ordinary pictures against the pixels that were written into them.

mod expected;

use expected::{check_all, entry, made, open, refusal, refusal_after};
use imaging::verdict::Level;

#[test]
fn every_made_picture_has_its_pixels() {
    check_all("picture/");
}

#[test]
fn deep_grey_and_paths_with_any_letters_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grüße 16.png");
    let pixels: Vec<u16> = (0..600u32).map(|i| (i * 109) as u16).collect();
    image::ImageBuffer::<image::Luma<u16>, _>::from_raw(30, 20, pixels.clone()).unwrap().save(&path).unwrap();
    assert_eq!(*open(&path).unwrap().voxels(), pixels.into());
}

#[test]
fn broken_pictures_say_what_is_wrong() {
    let message = refusal(&made("picture/truncated.png"));
    assert!(message.contains("truncated.png"), "{message}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.png");
    std::fs::write(&path, "this is no picture").unwrap();
    let message = refusal(&path);
    assert!(message.contains("neither PNG, JPEG, BMP nor TIFF"), "{message}");
    // A few hundred bytes that claim 65000 × 65000 pixels.
    let message = refusal_after("picture/grey8.bmp", |bytes| {
        bytes[18..22].copy_from_slice(&65000u32.to_le_bytes());
        bytes[22..26].copy_from_slice(&65000u32.to_le_bytes());
    });
    assert!(message.contains("file is truncated") || message.contains("implausible size"), "{message}");
}

/// A grey TIFF of 3 × 2 pixels with a resolution and its unit: 1 for none, 2 for inch, 3 for centimetre.
fn tiff(unit: u16, pixels_per_unit: u32) -> Vec<u8> {
    const SHORT: u16 = 3;
    const LONG: u16 = 4;
    const RATIONAL: u16 = 5;
    let (entries, values_at) = (12u16, 8 + 2 + 12 * 12 + 4u32);
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    bytes.extend(entries.to_le_bytes());
    for (tag, kind, value) in [
        (256u16, SHORT, 3u32),
        (257, SHORT, 2),
        (258, SHORT, 8),
        (259, SHORT, 1),
        (262, SHORT, 1),
        (273, LONG, values_at + 16),
        (277, SHORT, 1),
        (278, SHORT, 2),
        (279, LONG, 6),
        (282, RATIONAL, values_at),
        (283, RATIONAL, values_at + 8),
        (296, SHORT, u32::from(unit)),
    ] {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(1u32.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend(0u32.to_le_bytes());
    bytes.extend([pixels_per_unit, 1, pixels_per_unit, 1].iter().flat_map(|n| n.to_le_bytes()));
    bytes.extend([10, 20, 30, 40, 50, 60]);
    bytes
}

#[test]
fn no_unit_of_a_tiffs_resolution_makes_millimetres_of_its_pixels() {
    let folder = tempfile::tempdir().unwrap();
    // None, dots per inch of screens and printers, and the centimetres that microscopes write.
    for (unit, pixels_per_unit) in [(1, 1), (2, 72), (2, 96), (2, 300), (3, 20_040), (3, 28)] {
        let path = folder.path().join(format!("{unit}_{pixels_per_unit}.tif"));
        std::fs::write(&path, tiff(unit, pixels_per_unit)).unwrap();
        let (entry, volume) = (entry(&path).unwrap(), open(&path).unwrap());
        let values: Vec<_> = (0..6).map(|i| volume.value_at([i % 3, i / 3, 0], 0, 0).unwrap()).collect();
        assert_eq!(values, [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]);
        assert_eq!(volume.geometry().spacing_mm().to_array(), [1.0; 3], "unit {unit}, {pixels_per_unit}");
        assert_eq!(entry.verdict().level, Level::Red, "unit {unit}, {pixels_per_unit}");
    }
}
