//! Ordinary pictures against the pixels that were written into them.

mod expected;

use expected::{check_all, made, open, refusal, refusal_after};

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
