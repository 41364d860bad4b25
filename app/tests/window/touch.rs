//! Fingers: one is the tool, two pan and zoom, three scroll.

use egui::vec2;

use crate::SMALL;
use crate::driver::Window;

fn axial(window: &Window) -> lantern::document::SliceView {
    *window.document().workspace.viewports[0].slice().expect("the first viewport shows slices")
}

#[test]
fn one_finger_is_the_tool() {
    let mut window = Window::with_phantom(SMALL);
    let key = window.document().active_viewport().series.unwrap();
    let width = |w: &Window| w.document().workspace.displays[&key].window.width;
    let before = (width(&window), axial(&window));
    let middle = window.rect("Axial").center();
    window.touch(&[(middle, middle + vec2(60.0, 0.0))]);
    assert!(width(&window) > before.0, "right is wider");
    assert_eq!(axial(&window), before.1);
}

#[test]
fn two_fingers_zoom_by_their_distance_and_pan_with_their_middle_in_one_step() {
    let mut window = Window::with_phantom(SMALL);
    let key = window.document().active_viewport().series.unwrap();
    let voi = |w: &Window| w.document().workspace.displays[&key].window;
    let before = (voi(&window), axial(&window));
    let middle = window.rect("Axial").center();
    let apart = vec2(30.0, 0.0);
    window.touch(&[(middle - apart, middle - apart * 2.0), (middle + apart, middle + apart * 2.0)]);
    let zoom = axial(&window).zoom;
    assert!((1.7..2.1).contains(&zoom), "twice as far apart: {zoom}");
    assert_eq!(voi(&window), before.0, "the first finger is no tool any more");
    window.key(egui::Modifiers::COMMAND, egui::Key::Z);
    assert_eq!(axial(&window), before.1, "one step");
    let down = vec2(0.0, 40.0);
    window.touch(&[(middle - apart, middle - apart + down), (middle + apart, middle + apart + down)]);
    assert!((axial(&window).zoom - 1.0).abs() < 1e-6);
    // The picture follows the fingers down, so its middle moves to the front.
    assert!(axial(&window).pan_lps.y < -1.0, "{}", axial(&window).pan_lps);
    assert!(axial(&window).pan_lps.x.abs() < 1e-6);
}

#[test]
fn three_fingers_scroll_and_do_nothing_else() {
    let mut window = Window::with_phantom(SMALL);
    let before = axial(&window);
    assert!(window.description("Axial").contains("Im 11/20"), "{}", window.description("Axial"));
    let middle = window.rect("Axial").center();
    let finger = |x: f32| {
        let from = middle + vec2(x, 0.0);
        (from, from + vec2(0.0, 60.0))
    };
    window.touch(&[finger(-40.0), finger(0.0), finger(40.0)]);
    let text = window.description("Axial");
    assert!(["Im 15/20", "Im 16/20"].iter().any(|t| text.contains(t)), "60 points are five images: {text}");
    assert_eq!(axial(&window), before);
}

#[test]
fn one_finger_turns_the_volume_and_two_zoom_it() {
    let mut window = Window::with_phantom(SMALL);
    let camera = |w: &Window| w.document().workspace.viewports[3].volume().unwrap().camera;
    let before = camera(&window);
    let middle = window.rect("Volume").center();
    window.touch(&[(middle, middle + vec2(50.0, 0.0))]);
    let turned = camera(&window);
    assert!((turned.position_lps - before.position_lps).dot(before.basis().right) < 0.0);
    let apart = vec2(30.0, 0.0);
    window.touch(&[(middle - apart, middle - apart * 2.0), (middle + apart, middle + apart * 2.0)]);
    let zoomed = camera(&window);
    assert!(zoomed.height_at_target_mm() < turned.height_at_target_mm() * 0.65);
    let turn = zoomed.basis().forward.angle_between(turned.basis().forward);
    assert!(turn < 0.2, "two fingers hardly turn: {turn}");
}
