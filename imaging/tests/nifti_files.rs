//! NIfTI files against what nibabel and SimpleITK read from them.

mod expected;

use imaging::ImagingError;
use imaging::formats::{ReadLimits, load};
use imaging::source::Progress;

use expected::{check_all, entry, made, open, refusal, refusal_after, truths};

#[test]
fn every_made_file_has_the_values_and_the_place_that_nibabel_finds() {
    check_all("nifti/");
}

#[test]
fn either_half_of_a_pair_opens_the_image_and_both_open_it_once() {
    for (header, voxels) in [
        ("nifti/pair.hdr", "nifti/pair.img"),
        ("nifti/two_pair_be.hdr", "nifti/two_pair_be.img"),
        ("nifti/pair_compressed.hdr.gz", "nifti/pair_compressed.img.gz"),
    ] {
        let (by_header, by_voxels) = (open(&made(header)).unwrap(), open(&made(voxels)).unwrap());
        assert_eq!(by_header.voxels(), by_voxels.voxels(), "{voxels}");
        assert_eq!(by_header.geometry(), by_voxels.geometry(), "{voxels}");
        let both = imaging::formats::scan(&[made(header), made(voxels)], &Progress::new()).unwrap();
        assert_eq!(both.series.len(), 1, "{voxels}");
    }
    let refused = refusal(&made("nifti/analyze.img"));
    assert!(refused.contains("ANALYZE"), "{refused}");
}

#[test]
fn one_head_stored_in_many_orientations_is_the_same_picture() {
    let truths = truths();
    let reference = open(&truths[0].0.join("orientations/RAS.nii.gz")).unwrap();
    let files = truths.iter().flat_map(|(folder, all)| all.keys().map(move |name| (folder, name)));
    let files: Vec<_> = files.filter(|(_, name)| name.starts_with("orientations/")).collect();
    assert!(files.len() >= 4);
    for (folder, name) in files {
        let volume = open(&folder.join(name)).unwrap();
        let mut worst = 0.0f64;
        for z in (-60..=70).step_by(13) {
            for y in (-60..=100).step_by(7) {
                for x in (-70..=70).step_by(7) {
                    let lps = [f64::from(x), f64::from(y), f64::from(z)].into();
                    let value = |v: &imaging::volume::Volume| {
                        v.sample_linear(v.geometry().index_from_lps().transform_point3(lps), 0, 0)
                    };
                    worst = worst.max((value(&reference).unwrap() - value(&volume).unwrap()).abs());
                }
            }
        }
        assert!(worst < 1e-3, "{name} differs from RAS by {worst}");
    }
}

#[test]
fn what_cannot_be_shown_is_refused_by_name() {
    let check = |name: &str, text: &str| {
        let message = refusal(&made(name));
        assert!(message.contains(text), "{name}: {message}");
    };
    check("nifti/complex.nii", "complex64 is not supported");
    check("nifti/analyze.hdr", "ANALYZE 7.5");
    check("nifti/claims_2_gib.nii", "file is truncated: 2147483648 bytes of voxels expected, 1666 found");
    check("nifti/claims_2_gib.nii.gz", "file is truncated: 2147483648 bytes of voxels expected");
}

#[test]
fn broken_files_say_what_is_wrong() {
    let check = |name: &str, mutate: fn(&mut Vec<u8>), text: &str| {
        let message = refusal_after(name, mutate);
        assert!(message.contains(text), "{name}: {message}");
    };
    let plain = "nifti/int16_le.nii";
    check(plain, |b| b.truncate(352 + 119), "file is truncated: 120 bytes of voxels expected, 119 found");
    check(plain, |b| b.truncate(300), "the NIfTI header ends after 300 of 348 bytes");
    check(plain, |b| b.truncate(3), "no NIfTI header");
    check(plain, Vec::clear, "the file is empty");
    check(plain, |b| b[0] = 0, "no NIfTI header");
    check(plain, |b| b[42..44].copy_from_slice(&(-5i16).to_le_bytes()), "dimension 1 has the size `-5`");
    check(plain, |b| b[46..48].copy_from_slice(&0i16.to_le_bytes()), "dimension 3 has the size `0`");
    check(plain, |b| b[40..42].copy_from_slice(&8i16.to_le_bytes()), "the number of dimensions is `8`");
    check(plain, |b| b[40..42].copy_from_slice(&0i16.to_le_bytes()), "the number of dimensions is `0`");
    check(plain, |b| b[70..72].copy_from_slice(&77i16.to_le_bytes()), "unknown NIfTI data type `77`");
    check(plain, |b| b[70..72].copy_from_slice(&1i16.to_le_bytes()), "binary (1 bit) is not supported");
    check(plain, |b| b[108..112].copy_from_slice(&f32::NAN.to_le_bytes()), "voxels begin at byte `NaN`");
    check(plain, |b| b[108..112].copy_from_slice(&(-1f32).to_le_bytes()), "voxels begin at byte `-1`");
    check(plain, |b| b[108..112].copy_from_slice(&1e6f32.to_le_bytes()), "file is truncated");
    let all_dims = |b: &mut Vec<u8>| {
        b[40..42].copy_from_slice(&7i16.to_le_bytes());
        b[42..56].copy_from_slice(&i16::MAX.to_le_bytes().repeat(7));
    };
    check(plain, all_dims, "too large for any memory");
    check(
        "nifti/two.nii",
        |b| b[24..32].copy_from_slice(&i64::MAX.to_le_bytes()),
        "too large for any memory",
    );
    check("nifti/two.nii", |b| b.truncate(400), "the NIfTI header ends after 400 of 540 bytes");
    check("nifti/pair.hdr", |_| {}, "cannot read");
    check("nifti/compressed.nii.gz", |b| b.truncate(150), "120 bytes of voxels expected, 41 found");
    check("nifti/compressed.nii.gz", |b| b.truncate(b.len() / 2), "120 bytes of voxels expected, 14 found");
    check("nifti/compressed.nii.gz", |b| b.truncate(12), "no NIfTI header");
}

#[test]
fn a_flipped_bit_in_compressed_voxels_is_found_by_the_checksum() {
    let message = refusal_after("nifti/compressed.nii.gz", |bytes| {
        let checksum = bytes.len() - 8;
        bytes[checksum] ^= 1;
    });
    assert!(message.contains("compressed data cannot be inflated"), "{message}");
}

#[test]
fn a_volume_above_the_limit_is_refused_before_memory_is_taken() {
    let entry = entry(&made("nifti/int16_le.nii")).unwrap();
    let load_with = |max_volume_bytes| load(&entry, ReadLimits { max_volume_bytes }, &Progress::new());
    assert!(load_with(120).is_ok());
    let message = load_with(119).unwrap_err().to_string();
    assert!(message.contains("needs 120 bytes of memory, more than the 119 allowed"), "{message}");
}

#[test]
fn loading_stops_when_it_is_cancelled() {
    for name in ["nifti/int16_le.nii", "nifti/compressed.nii.gz"] {
        let entry = entry(&made(name)).unwrap();
        let progress = Progress::new();
        progress.cancel();
        let result = load(&entry, ReadLimits::default(), &progress);
        assert!(matches!(result, Err(ImagingError::Cancelled)), "{name}");
    }
}

#[test]
fn whole_numbers_that_floats_cannot_hold_are_warned_about() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("big.nii");
    let mut bytes = std::fs::read(made("nifti/int64_le.nii")).unwrap();
    bytes[352..360].copy_from_slice(&((1i64 << 53) + 1).to_le_bytes());
    std::fs::write(&path, bytes).unwrap();
    let warnings: Vec<String> = open(&path).unwrap().warnings().iter().map(ToString::to_string).collect();
    assert_eq!(warnings, ["64-bit whole numbers beyond 2^53 were rounded"]);
}

#[test]
fn a_volume_of_many_chunks_in_either_byte_order_is_read_in_the_right_places() {
    let folder = tempfile::tempdir().unwrap();
    // 18 MB, more than four of the pieces that threads share out.
    let (x, y, z) = (301i16, 200i16, 150i16);
    let samples: Vec<i16> =
        (0..301 * 200 * 150u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 16) as i16).collect();
    for (source, is_big) in [("nifti/int16_le.nii", false), ("nifti/int16_be.nii", true)] {
        let mut bytes = std::fs::read(made(source)).unwrap();
        bytes.truncate(352);
        let encode = |n: i16| if is_big { n.to_be_bytes() } else { n.to_le_bytes() };
        for (i, n) in [x, y, z].into_iter().enumerate() {
            bytes[42 + 2 * i..44 + 2 * i].copy_from_slice(&encode(n));
        }
        bytes.extend(samples.iter().flat_map(|&n| encode(n)));
        let plain = folder.path().join("plain.nii");
        std::fs::write(&plain, &bytes).unwrap();
        assert!(*open(&plain).unwrap().voxels() == samples.clone().into(), "{source}");
        let packed = folder.path().join("packed.nii.gz");
        let mut encoder = flate2::write::GzEncoder::new(
            std::fs::File::create(&packed).unwrap(),
            flate2::Compression::fast(),
        );
        std::io::Write::write_all(&mut encoder, &bytes).unwrap();
        encoder.finish().unwrap();
        assert!(*open(&packed).unwrap().voxels() == samples.clone().into(), "{source} compressed");
    }
}
