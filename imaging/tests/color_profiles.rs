//! Colours through ICC profiles, held against Little CMS (`tests/data/make_color_profiles.py`); values stay as stored.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

mod expected;
mod made_dicom;

use std::sync::Arc;

use imaging::color_profile::{ColorProfile, ColorProfileError, in_srgb};
use imaging::series::SeriesEntry;
use imaging::volume::{Volume, Voxels};
use made_dicom::{Dicom, EXPLICIT, Value, read_series, text};
use serde_json::Value as Json;
use test_support::repository_data;

const COLUMNS: usize = 18;
const ROWS: usize = 12;
const PROFILES: [&str; 3] = ["adobe", "display_p3", "scanner"];

fn profile(name: &str) -> Vec<u8> {
    std::fs::read(repository_data(&format!("made/color/{name}.icc"))).unwrap()
}

/// Stored colours, or what Little CMS makes of them through a profile.
fn colors(name: &str) -> Vec<u8> {
    let text = std::fs::read_to_string(repository_data("made/color/expected.json")).unwrap();
    let all: Json = serde_json::from_str(&text).unwrap();
    all[name].as_array().unwrap().iter().map(|v| v.as_u64().unwrap() as u8).collect()
}

fn rgb(pixels: &[u8]) -> Dicom {
    Dicom::color(EXPLICIT, COLUMNS as u16, ROWS as u16, "RGB", 0).bytes(pixels)
}

fn with_profile(name: &str) -> Dicom {
    rgb(&colors("stored")).with(0x0028_2000, Value::Bytes("OB", profile(name)))
}

fn bytes(volume: &Volume) -> &[u8] {
    let Voxels::U8(samples) = volume.voxels() else { panic!("8 bits expected") };
    samples
}

fn assert_near(shown: &[u8], expected: &[u8], most: u8, what: &str) {
    assert_eq!(shown.len(), expected.len(), "{what}");
    for (i, (a, b)) in shown.iter().zip(expected).enumerate() {
        assert!(a.abs_diff(*b) <= most, "{what}: sample {i} is {a}, Little CMS says {b}");
    }
}

/// The warning that a profile was left out.
fn left_out(entry: &SeriesEntry) -> String {
    assert!(entry.color_profile.is_none(), "{:?}", entry.color_profile);
    let texts: Vec<String> = entry.warnings.iter().map(ToString::to_string).collect();
    texts.into_iter().find(|text| text.contains("shown as stored")).expect("a warning")
}

#[test]
fn colours_through_a_profile_are_those_of_little_cms_and_values_stay_as_stored() {
    let stored = colors("stored");
    for name in PROFILES {
        let (entry, volume) = with_profile(name).read().unwrap();
        assert!(entry.color_profile.as_ref().unwrap().name().starts_with("Made "), "{entry:?}");
        let (_, plain) = rgb(&stored).read().unwrap();
        assert_eq!(bytes(&volume), stored, "{name}");
        assert_eq!(volume.statistics(), plain.statistics(), "{name}");
        let shown = in_srgb(&Arc::new(volume));
        let expected = colors(name);
        // Not the identity: some colour moves by far more than is allowed below.
        assert!(stored.iter().zip(&expected).any(|(a, b)| a.abs_diff(*b) > 20), "{name}");
        assert_near(bytes(&shown), &expected, 2, name);
    }
}

#[test]
fn pictures_carry_their_profile_and_keep_their_values() {
    for (file, name) in [("adobe.png", "adobe"), ("scanner.tif", "scanner")] {
        let path = expected::made(&format!("color/{file}"));
        let volume = expected::open(&path).unwrap();
        assert_eq!(bytes(&volume), colors("stored"), "{file}");
        assert!(expected::entry(&path).unwrap().color_profile.is_some(), "{file}");
        assert_near(bytes(&in_srgb(&Arc::new(volume))), &colors(name), 2, file);
    }
    // JPEG is lossy: its values are not compared.
    let entry = expected::entry(&expected::made("color/display_p3.jpg")).unwrap();
    assert_eq!(entry.color_profile.unwrap().name(), "Made Display P3");
    let entry = expected::entry(&expected::made("color/grey_profile.png")).unwrap();
    assert!(left_out(&entry).contains("not one of RGB"), "{:?}", entry.warnings);
}

#[test]
fn a_label_of_a_known_colour_space_serves_where_there_is_no_profile() {
    let labelled = |label| rgb(&colors("stored")).with(0x0028_2002, text("CS", label)).read().unwrap();
    let (_, volume) = labelled("ADOBERGB");
    assert_near(bytes(&in_srgb(&Arc::new(volume))), &colors("adobe"), 2, "ADOBERGB");
    let (entry, volume) = labelled("SRGB");
    assert!(entry.color_profile.unwrap().is_srgb());
    let volume = Arc::new(volume);
    assert_eq!(in_srgb(&volume).id(), volume.id(), "sRGB needs no copy");
    assert!(left_out(&labelled("MYRGB").0).contains("`MYRGB`"));
    // The profile counts where both are there.
    let both = with_profile("scanner").with(0x0028_2002, text("CS", "SRGB"));
    assert_eq!(both.read().unwrap().0.color_profile.unwrap().name(), "Made scanner");
}

#[test]
fn deep_colours_agree_with_shallow_ones() {
    let stored = colors("stored");
    let deep: Vec<u16> = stored.iter().map(|v| u16::from(*v) * 257).collect();
    let deep = with_profile("adobe").bits(16, 16, 15, false).words(&deep);
    let shown = in_srgb(&Arc::new(deep.read().unwrap().1));
    let Voxels::U16(samples) = shown.voxels() else { panic!("16 bits expected") };
    let rounded: Vec<u8> = samples.iter().map(|v| ((u32::from(*v) + 128) / 257) as u8).collect();
    assert_near(&rounded, &colors("adobe"), 2, "16 bits");
    // Twelve bits in sixteen are no darker.
    let twelve: Vec<u16> = stored.iter().map(|v| (u32::from(*v) * 4095 / 255) as u16).collect();
    let twelve = with_profile("adobe").bits(16, 12, 11, false).words(&twelve);
    let shown = in_srgb(&Arc::new(twelve.read().unwrap().1));
    assert_eq!(shown.color_white(), 65535.0);
    let Voxels::U16(samples) = shown.voxels() else { panic!("16 bits expected") };
    let rounded: Vec<u8> = samples.iter().map(|v| ((u32::from(*v) + 128) / 257) as u8).collect();
    assert_near(&rounded, &colors("adobe"), 2, "12 bits");
}

#[test]
fn profiles_that_differ_within_a_series_are_left_out_with_a_warning() {
    let slice = |name, number: i32| with_profile(name).at(number, f64::from(number));
    let (entry, _) = read_series(&[slice("adobe", 1), slice("adobe", 2)]);
    assert!(entry.color_profile.is_some());
    let (entry, _) = read_series(&[slice("adobe", 1), slice("scanner", 2)]);
    assert!(left_out(&entry).contains("different colour profiles"));
}

#[test]
fn grey_values_have_no_colour_profile() {
    let grey = Dicom::image(EXPLICIT, 2, 1).words(&[1, 2]);
    let (entry, _) = grey.with(0x0028_2000, Value::Bytes("OB", profile("adobe"))).read().unwrap();
    assert_eq!(entry.color_profile, None);
    assert!(entry.warnings.iter().all(|warning| !warning.to_string().contains("colour")));
}

#[test]
fn damaged_and_oversized_profiles_are_left_out_and_never_panic() {
    let of = |bytes: Vec<u8>| {
        rgb(&colors("stored")).with(0x0028_2000, Value::Bytes("OB", bytes)).read().unwrap().0
    };
    assert!(left_out(&of(vec![0; 300])).contains("damaged"));
    assert!(left_out(&of(Vec::new())).contains("empty"));
    let mut large = profile("adobe");
    large.resize(5 << 20, 0);
    assert!(left_out(&of(large)).contains("4 MiB"));
    assert_eq!(ColorProfile::read(&profile("grey")), Err(ColorProfileError::NotRgb));
    let mut usable = 0;
    for name in PROFILES {
        let whole = profile(name);
        let cuts = (0..whole.len()).step_by(151).map(|cut| whole[..cut].to_vec());
        // Header, tag table, and the heads of the tables.
        let changes = (0..whole.len().min(640)).step_by(3).map(|at| {
            let mut changed = whole.clone();
            changed[at] ^= [0x80, 0xFF, 0x01, 0x7F][at % 4];
            changed
        });
        usable += cuts.chain(changes).filter(|bytes| ColorProfile::read(bytes).is_ok()).count();
    }
    assert!(usable > 50, "most changes do no harm, {usable} did none");
}
