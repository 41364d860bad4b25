//! Drawing on slices, as a hand does it.

use egui::{Key, Modifiers, PointerButton, Pos2, vec2};
use egui_kittest::kittest::Queryable;
use imaging::measurement::DrawingKind;
use lantern::document::{Annotation, Arrangement, Tool, ViewportId};

use crate::LAPTOP;
use crate::driver::Window;

fn only(window: &Window) -> Annotation {
    let mut all = window.document().workspace.annotations.values();
    let annotation = all.next().expect("something was drawn");
    assert!(all.next().is_none(), "one thing was drawn");
    (**annotation).clone()
}

/// Words on screen that begin like this.
fn said(window: &Window, beginning: &str) -> bool {
    window.harness.query_all_by_label_contains(beginning).next().is_some()
}

fn press(window: &mut Window, pos: Pos2) {
    window.drag(pos, vec2(0.0, 0.0), PointerButton::Primary, Modifiers::NONE);
}

/// Millimetres between two points of the axial viewport.
fn mm_per_point(window: &Window) -> f64 {
    let d = window.document();
    let viewport = d.workspace.viewport(ViewportId(0));
    let key = viewport.series.expect("a series is shown");
    let view = viewport.slice().expect("a slice");
    let size = window.rect("Axial").size();
    let size_px = [size.x.round() as u32, size.y.round() as u32];
    let (geometry, cursor) = (d.geometry(key).expect("a grid"), d.cursor(key).expect("a crosshair"));
    view.slice_plane(geometry, cursor, size_px).mm_per_px
}

#[test]
fn a_dragged_length_is_what_the_screen_says_at_every_zoom() {
    let mut window = Window::with_phantom(LAPTOP);
    window.key(Modifiers::NONE, Key::D);
    assert_eq!(window.document().tool, Tool::Draw(DrawingKind::Length));
    let middle = window.rect("Axial").center();
    window.wheel(middle, 4.0, Modifiers::COMMAND);
    let expected = mm_per_point(&window) * 80.0;
    window.drag(middle - vec2(40.0, 0.0), vec2(80.0, 0.0), PointerButton::Primary, Modifiers::NONE);
    let a = only(&window);
    let length = a.drawing.points_lps()[0].distance(a.drawing.points_lps()[1]);
    assert!((length - expected).abs() < 0.02, "{length} for {expected}");
    assert!(said(&window, &format!("Length: {length:.1} mm")), "the number stands beside the line");
    window.keep_picture("length");
    // Zooming, turning and scrolling away and back change nothing.
    window.wheel(middle, -6.0, Modifiers::COMMAND);
    window.key(Modifiers::NONE, Key::R);
    window.key(Modifiers::NONE, Key::ArrowDown);
    assert!(!said(&window, "Length: "), "it lies on another slice");
    window.key(Modifiers::NONE, Key::ArrowUp);
    assert!(said(&window, &format!("Length: {length:.1} mm")));
    assert_eq!(only(&window).drawing, a.drawing);
}

#[test]
fn a_handle_is_dragged_with_any_tool_and_undo_brings_it_back() {
    let mut window = Window::with_phantom(LAPTOP);
    window.key(Modifiers::NONE, Key::D);
    let start = window.rect("Axial").center() - vec2(30.0, 20.0);
    window.drag(start, vec2(60.0, 0.0), PointerButton::Primary, Modifiers::NONE);
    let before = only(&window);
    window.key(Modifiers::NONE, Key::W);
    let voi = window.document().workspace.displays.clone();
    window.drag(start + vec2(60.0, 0.0), vec2(0.0, 40.0), PointerButton::Primary, Modifiers::NONE);
    let after = only(&window);
    assert_eq!(after.drawing.points_lps()[0], before.drawing.points_lps()[0]);
    assert_ne!(after.drawing.points_lps()[1], before.drawing.points_lps()[1]);
    assert_eq!(window.document().workspace.displays, voi, "the window stayed");
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(only(&window), before);
    window.key(Modifiers::NONE, Key::Delete);
    assert!(window.document().workspace.annotations.is_empty(), "without a question");
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(only(&window), before);
}

#[test]
fn regions_tell_area_and_values_and_the_list_goes_to_them() {
    let mut window = Window::with_phantom(LAPTOP);
    window.key(Modifiers::NONE, Key::E);
    let middle = window.rect("Axial").center();
    window.drag(middle - vec2(30.0, 30.0), vec2(60.0, 60.0), PointerButton::Primary, Modifiers::NONE);
    assert!(said(&window, "Area "), "area");
    assert!(said(&window, "Mean "), "values");
    window.keep_picture("ellipse");
    window.key(Modifiers::NONE, Key::End);
    let last = window.description("Axial");
    assert!(last.contains("Im 20/20"));
    window.click("Go to ellipse 1");
    assert!(window.description("Axial").contains("Im 11/20"), "{}", window.description("Axial"));
}

#[test]
fn words_are_typed_where_a_text_was_placed_and_keys_are_keys_again_after_enter() {
    let mut window = Window::with_phantom(LAPTOP);
    window.key(Modifiers::NONE, Key::B);
    let pos = window.rect("Axial").center();
    // As a hand does it: the button comes up some frames after it went down.
    let button = |pressed| egui::Event::PointerButton {
        pos,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    };
    window.harness.event(egui::Event::PointerMoved(pos));
    window.harness.event(button(true));
    window.harness.run_steps(4);
    window.harness.event(button(false));
    window.settle();
    let before = window.document().workspace.displays.clone();
    window.harness.event(egui::Event::Text("lesion 2".to_owned()));
    window.key(Modifiers::NONE, Key::Enter);
    assert_eq!(only(&window).label, "lesion 2");
    assert_eq!(window.document().workspace.displays, before, "no letter was a key");
    window.key(Modifiers::NONE, Key::I);
    assert_ne!(window.document().workspace.displays, before, "and now they are");
}

#[test]
fn polygons_close_at_their_first_place_and_escape_gives_up() {
    let mut window = Window::with_phantom(LAPTOP);
    window.key(Modifiers::SHIFT, Key::G);
    let start = window.rect("Axial").center();
    let places = [vec2(0.0, 0.0), vec2(50.0, 0.0), vec2(50.0, 40.0)];
    for place in places {
        press(&mut window, start + place);
    }
    assert!(window.document().workspace.annotations.is_empty());
    press(&mut window, start + vec2(2.0, 1.0));
    assert_eq!(only(&window).drawing.points_lps().len(), 3);
    press(&mut window, start - vec2(60.0, 60.0));
    assert!(window.document().draft.is_some());
    window.key(Modifiers::NONE, Key::Escape);
    assert!(window.document().draft.is_none());
    window.key(Modifiers::NONE, Key::Escape);
    assert_eq!(window.document().tool, Tool::WindowLevel);
    only(&window);
}

#[test]
fn grids_are_chosen_by_pointing_and_every_cell_is_drawn() {
    let mut window = Window::with_phantom(LAPTOP);
    window.open_phantom();
    window.harness.get_by_label("View").click();
    window.settle();
    window.harness.get_by_label_contains("Layout").click();
    window.settle();
    window.click("Grid 1 × 3");
    assert_eq!(window.document().workspace.layout.arrangement, Arrangement::grid(1, 3));
    let shown = window.document().workspace.visible().filter(|v| v.series.is_some()).count();
    assert_eq!(shown, 2, "there are two series");
    window.keep_picture("grid");
    window.key(Modifiers::NONE, Key::N);
    assert!(window.harness.query_all_by_label_contains("NEURO").next().is_some());
    window.keep_picture("neuro");
}
