//! Colours of a picture that carries an ICC profile.

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};
use imaging::volume::Voxels;

use crate::SMALL;
use crate::driver::Window;

const STORED: [u8; 3] = [128, 200, 64];
/// What Little CMS makes of it through the profile (`tests/data/made/color/expected.json`).
const SHOWN: [u8; 3] = [77, 201, 44];

/// The colour in the middle of the picture.
fn middle(window: &mut Window) -> [u8; 3] {
    window.leave();
    let at = window.rect("Axial").center();
    let [r, g, b, _] = window.picture().get_pixel(at.x as u32 + 5, at.y as u32 + 5).0;
    [r, g, b]
}

fn is_near(a: [u8; 3], b: [u8; 3]) -> bool {
    a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= 2)
}

#[test]
fn colours_go_through_the_profile_and_a_badge_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("green.png");
    let mut encoder = PngEncoder::new(std::fs::File::create(&path).unwrap());
    let profile = std::fs::read(test_support::repository_data("made/color/adobe.icc")).unwrap();
    encoder.set_icc_profile(profile).unwrap();
    encoder.write_image(&STORED.repeat(64 * 64), 64, 64, ExtendedColorType::Rgb8).unwrap();
    let mut window = Window::with_paths(SMALL, 1.0, vec![path]);
    window.settle();
    assert!(window.description("Axial").ends_with("ICC"), "{}", window.description("Axial"));
    let shown = middle(&mut window);
    assert!(is_near(shown, SHOWN), "{shown:?}");

    window.key(Modifiers::COMMAND, Key::K);
    window.harness.get_by_label("Command to search for").type_text("colour profile");
    window.settle();
    window.key(Modifiers::NONE, Key::Enter);
    assert!(window.description("Axial").ends_with("ICC off"), "{}", window.description("Axial"));
    let shown = middle(&mut window);
    assert!(is_near(shown, STORED), "{shown:?}");

    // What is measured was never converted.
    let key = window.document().active_viewport().series.unwrap();
    let loaded = window.document().series(key).unwrap().loaded().unwrap();
    let Voxels::U8(samples) = loaded.volume.voxels() else { panic!("8 bits expected") };
    assert_eq!(samples[..3], STORED);
}
