//! Scrolling, windows, framing, turning, undo.

use egui::{Key, Modifiers, PointerButton, vec2};
use glam::DVec3;
use imaging::phantom::dicom_file;
use lantern::document::{Tool, ViewportId};

use crate::driver::Window;
use crate::{LAPTOP, SMALL};

fn cursor(window: &Window) -> DVec3 {
    let document = window.document();
    document.active_viewport().series.and_then(|key| document.cursor(key)).expect("a volume is shown")
}

fn voi(window: &Window) -> (f64, f64) {
    let document = window.document();
    let key = document.active_viewport().series.expect("a series is shown");
    let w = document.workspace.displays[&key].window;
    (w.center, w.width)
}

#[test]
fn one_notch_of_the_wheel_is_one_image_and_keys_do_the_same() {
    let mut window = Window::with_phantom(SMALL);
    assert!(window.description("Axial").contains("Im 11/20"), "{}", window.description("Axial"));
    let middle = window.rect("Axial").center();
    window.wheel(middle, -1.0, Modifiers::NONE);
    assert!(window.description("Axial").contains("Im 12/20"), "{}", window.description("Axial"));
    window.wheel(middle, 3.0, Modifiers::NONE);
    assert!(window.description("Axial").contains("Im 9/20"));
    for (key, modifiers, expected) in [
        (Key::ArrowDown, Modifiers::NONE, "Im 10/20"),
        (Key::ArrowUp, Modifiers::NONE, "Im 9/20"),
        (Key::ArrowDown, Modifiers::SHIFT, "Im 19/20"),
        (Key::Home, Modifiers::NONE, "Im 1/20"),
        (Key::End, Modifiers::NONE, "Im 20/20"),
        (Key::ArrowDown, Modifiers::NONE, "Im 20/20"),
    ] {
        window.key(modifiers, key);
        assert!(window.description("Axial").contains(expected), "{key:?}: {}", window.description("Axial"));
    }
    // The first image is the one nearest the head.
    assert!((cursor(&window).z - -28.5).abs() < 1e-9, "{}", cursor(&window));
}

#[test]
fn each_image_has_its_own_window_of_the_file_and_alt_digits_offer_it() {
    let folder = tempfile::tempdir().unwrap();
    for z in 0..3u16 {
        let image = dicom_file::object("1.2.840.10008.5.1.4.1.1.4", "MR")
            .text(0x0008_0018, "UI", &format!("1.2.3.4.{z}"))
            .ds(0x0020_0032, &[0.0, 0.0, f64::from(z)])
            .ds(0x0020_0037, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
            .us(0x0028_0002, &[1])
            .text(0x0028_0004, "CS", "MONOCHROME2")
            .us(0x0028_0010, &[2])
            .us(0x0028_0011, &[2])
            .ds(0x0028_0030, &[1.0, 1.0])
            .us(0x0028_0100, &[16])
            .us(0x0028_0101, &[16])
            .us(0x0028_0102, &[15])
            .us(0x0028_0103, &[0])
            .ds(0x0028_1050, &[100.0 * f64::from(z), 1000.0 + f64::from(z)])
            .ds(0x0028_1051, &[50.0, 60.0])
            .bytes(0x7FE0_0010, "OW", &[z as u8, 0, 100, 0, 200, 0, 44, 1]);
        std::fs::write(folder.path().join(format!("{z}.dcm")), image.file()).unwrap();
    }
    let mut window = Window::with_paths(SMALL, 1.0, vec![folder.path().to_path_buf()]);
    assert_eq!(voi(&window), (100.0, 50.0));
    // The next image is further from the head.
    window.key(Modifiers::NONE, Key::ArrowDown);
    assert_eq!(voi(&window), (0.0, 50.0));
    window.key(Modifiers::NONE, Key::Home);
    assert!(window.description("Axial").contains("C 200  W 50"), "{}", window.description("Axial"));
    window.key(Modifiers::ALT, Key::Num2);
    assert_eq!(voi(&window), (1002.0, 60.0));
    window.key(Modifiers::NONE, Key::ArrowDown);
    assert_eq!(voi(&window), (1001.0, 60.0));
}

#[test]
fn trackpads_add_up_to_whole_images() {
    let mut window = Window::with_phantom(SMALL);
    let middle = window.rect("Axial").center();
    for _ in 0..4 {
        window.wheel(middle, -0.25, Modifiers::NONE);
    }
    assert!(window.description("Axial").contains("Im 12/20"), "{}", window.description("Axial"));
}

#[test]
fn dragging_changes_the_window_and_digits_set_presets() {
    let mut window = Window::with_phantom(SMALL);
    window.key(Modifiers::NONE, Key::Num1);
    assert_eq!(voi(&window), (40.0, 400.0));
    assert!(window.description("Axial").contains("C 40  W 400"), "{}", window.description("Axial"));
    let middle = window.rect("Axial").center();
    window.drag(middle, vec2(60.0, 0.0), PointerButton::Primary, Modifiers::NONE);
    let (center, width) = voi(&window);
    assert!(width > 420.0 && center == 40.0, "right is wider: C {center} W {width}");
    window.drag(middle, vec2(0.0, -60.0), PointerButton::Primary, Modifiers::NONE);
    let (center, _) = voi(&window);
    assert!(center < 30.0, "up is brighter, so the level falls: {center}");
    window.key(Modifiers::NONE, Key::Num2);
    assert_eq!(voi(&window), (-600.0, 1500.0));
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(voi(&window).0, center, "undo takes back the preset, not the drag before it");
    window.key(Modifiers::COMMAND, Key::Z);
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(voi(&window), (40.0, 400.0));
    window.key(Modifiers { shift: true, ..Modifiers::COMMAND }, Key::Z);
    assert!(voi(&window).1 > 420.0);
}

#[test]
fn inverting_makes_the_air_bright() {
    let mut window = Window::with_phantom(SMALL);
    window.key(Modifiers::NONE, Key::O);
    let corner = window.rect("Axial");
    // Left of the letters and below the corner text, within the phantom's air.
    let at = corner.center() - vec2(0.0, corner.height() * 0.38) + vec2(24.0, 0.0);
    let value = |window: &mut Window| {
        let picture = window.picture();
        picture.get_pixel(at.x as u32, at.y as u32).0[0]
    };
    let before = value(&mut window);
    window.key(Modifiers::NONE, Key::I);
    let after = value(&mut window);
    assert!(before < 20 && after > 235, "air was {before}, inverted {after}");
}

#[test]
fn double_click_maximises_and_restores_without_touching_the_camera() {
    let mut window = Window::with_phantom(LAPTOP);
    let rect = window.rect("Coronal");
    window.wheel(rect.center(), 2.0, Modifiers::COMMAND);
    let before = window.document().workspace.viewports.clone();
    assert!(before[1].slice().unwrap().zoom > 1.2);
    window.double_click(rect.center());
    assert_eq!(window.document().workspace.layout.maximised, Some(ViewportId(1)));
    let large = window.rect("Coronal");
    assert!(large.width() > rect.width() * 1.5, "{large:?} after {rect:?}");
    window.double_click(large.center());
    assert_eq!(window.document().workspace.layout.maximised, None);
    assert_eq!(window.document().workspace.viewports, before);
}

#[test]
fn the_volume_turns_with_the_pointer_and_the_turn_is_one_step() {
    let mut window = Window::with_phantom(SMALL);
    let camera = |w: &Window| w.document().workspace.viewports[3].volume().unwrap().camera;
    let before = camera(&window);
    let middle = window.rect("Volume").center();
    window.drag(middle, vec2(50.0, 0.0), PointerButton::Primary, Modifiers::NONE);
    let after = camera(&window);
    let moved = after.position_lps - before.position_lps;
    assert!(moved.dot(before.basis().right) < 0.0, "the front follows the pointer to the right");
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(camera(&window), before);
    let picture = window.picture();
    let bright = picture.get_pixel(middle.x as u32, middle.y as u32).0;
    assert!(bright[..3].iter().any(|c| *c > 40), "the skull is seen in the middle: {bright:?}");
}

#[test]
fn pan_and_zoom_by_middle_and_right_button() {
    let mut window = Window::with_phantom(SMALL);
    let view = |w: &Window| *w.document().workspace.viewports[0].slice().unwrap();
    let middle = window.rect("Axial").center();
    window.drag(middle, vec2(20.0, 10.0), PointerButton::Middle, Modifiers::NONE);
    assert!(view(&window).pan_lps.x < 0.0 && view(&window).pan_lps.y < 0.0);
    window.drag(middle, vec2(0.0, -60.0), PointerButton::Secondary, Modifiers::NONE);
    assert!(view(&window).zoom > 1.3);
    window.key(Modifiers::NONE, Key::Space);
    assert_eq!((view(&window).pan_lps, view(&window).zoom), (DVec3::ZERO, 1.0));
}

#[test]
fn crosshair_links_all_planes() {
    let mut window = Window::with_phantom(SMALL);
    window.key(Modifiers::NONE, Key::X);
    assert_eq!(window.document().tool, Tool::Crosshair);
    let rect = window.rect("Axial");
    let before = cursor(&window);
    // Right and down of the picture's middle is left and posterior in the patient.
    window.drag(rect.center(), vec2(30.0, 20.0), PointerButton::Primary, Modifiers::NONE);
    let after = cursor(&window);
    assert!(after.x > before.x + 3.0 && after.y > before.y + 2.0, "{before} to {after}");
    assert!((after.z - before.z).abs() < 1e-9);
    assert!(window.description("Coronal").contains("y "), "{}", window.description("Coronal"));
}

#[test]
fn letters_follow_the_keys_that_turn_and_flip() {
    let mut window = Window::with_phantom(SMALL);
    assert!(window.description("Axial").contains("left R, top A, right L, bottom P"));
    window.key(Modifiers::NONE, Key::R);
    assert!(window.description("Axial").contains("left P, top R, right A, bottom L"));
    window.key(Modifiers::NONE, Key::L);
    window.key(Modifiers::NONE, Key::H);
    assert!(window.description("Axial").contains("left L, top A, right R, bottom P"));
    window.key(Modifiers::NONE, Key::V);
    assert!(window.description("Axial").contains("left L, top P, right R, bottom A"));
    assert!(window.description("Coronal").contains("left R, top H, right L, bottom F"));
    assert!(window.description("Sagittal").contains("left A, top H, right P, bottom F"));
}

#[test]
fn the_picture_itself_is_mirrored_when_the_letters_are() {
    let mut window = Window::with_phantom(SMALL);
    window.key(Modifiers::NONE, Key::O);
    window.key(Modifiers::NONE, Key::Num1);
    // Through the ball: 14.4 mm left, 12.6 mm front, 10.8 mm towards the head of the middle.
    for _ in 0..4 {
        window.key(Modifiers::NONE, Key::ArrowUp);
    }
    let rect = window.rect("Axial");
    let brightness = |window: &mut Window, left: bool| {
        let picture = window.picture();
        let mut sum = 0u64;
        let mm = rect.height() / 72.0;
        for dy in -4..=4 {
            for dx in -4..=4 {
                let x = rect.center().x + (if left { -10.8 } else { 10.8 }) * mm + dx as f32;
                let y = rect.center().y - 9.5 * mm + dy as f32;
                sum += u64::from(picture.get_pixel(x as u32, y as u32).0[0]);
            }
        }
        sum / 81
    };
    let (left, right) = (brightness(&mut window, true), brightness(&mut window, false));
    assert!(
        right > left + 60,
        "the ball lies in the patient's left, on the right of the screen: {left} {right}"
    );
    window.key(Modifiers::NONE, Key::H);
    let (left, right) = (brightness(&mut window, true), brightness(&mut window, false));
    assert!(left > right + 60, "flipped, it lies on the left: {left} {right}");
}

#[test]
fn tilting_a_plane_says_so_and_undo_makes_it_straight() {
    let mut window = Window::with_phantom(LAPTOP);
    window.key(Modifiers::NONE, Key::Q);
    let middle = window.rect("Axial").center();
    window.drag(middle, vec2(80.0, 0.0), PointerButton::Primary, Modifiers::NONE);
    assert!(window.description("Axial").contains("oblique 20°"), "{}", window.description("Axial"));
    window.keep_picture("oblique");
    window.key(Modifiers::COMMAND, Key::Z);
    assert!(window.description("Axial").contains("Im 11/20"));
}

#[test]
fn pictures_that_stay_on_the_graphics_device_are_shown_like_others() {
    let shot = |mut window: Window| {
        window.key(Modifiers::NONE, Key::Num1);
        let rects = ["Axial", "Volume"].map(|name| window.rect(name));
        (window.picture(), rects)
    };
    let (shared, rects) = shot(Window::sharing_its_device(SMALL));
    let (copied, _) = shot(Window::with_phantom(SMALL));
    // Both are free of noise, but how many frames smooth the volume's edges depends on how fast each was drawn.
    for (rect, most) in rects.into_iter().zip([0.02, 0.08]) {
        let inner = rect.shrink(40.0);
        let differences = (inner.left() as u32..inner.right() as u32)
            .flat_map(|x| (inner.top() as u32..inner.bottom() as u32).map(move |y| (x, y)))
            .map(|(x, y)| shared.get_pixel(x, y).0[0].abs_diff(copied.get_pixel(x, y).0[0]))
            .filter(|difference| *difference > 24)
            .count();
        let share = differences as f32 / inner.area();
        assert!(share < most, "{:.1} % of the pixels differ", share * 100.0);
    }
}
