//! What the window says about a geometry that cannot be trusted.

use egui_kittest::kittest::Queryable;
use lantern::command::Action;

use crate::driver::Window;

/// Twelve slices of the sample, one of them left out.
fn with_a_missing_slice() -> tempfile::TempDir {
    let sample = test_support::data::workspace_root().join("assets/sample");
    let folder = tempfile::tempdir().expect("a folder for the test");
    for number in (1..=12).filter(|n| *n != 6) {
        let name = format!("I{number:04}.dcm");
        std::fs::copy(sample.join(&name), folder.path().join(&name)).expect("the sample is there");
    }
    folder
}

#[test]
fn millimetres_are_withheld_on_red_until_somebody_takes_note() {
    let folder = with_a_missing_slice();
    let mut window = Window::with_paths(egui::vec2(1280.0, 1600.0), 1.0, vec![folder.path().to_path_buf()]);
    assert!(window.harness.query_by_label("Geometry red").is_some());
    assert!(window.harness.query_all_by_label_contains("1 slice is missing").next().is_some());
    window.keep_picture("geometry red");
    let withheld = window.description("Axial");
    assert!(withheld.contains("mm withheld") && !withheld.contains(" z "), "{withheld}");
    window.click("Show them anyway");
    let shown = window.description("Axial");
    assert!(!shown.contains("withheld") && shown.contains(" z "), "{shown}");
    assert!(window.harness.query_by_label("Show them anyway").is_none());
    assert!(window.harness.query_by_label("Geometry red").is_some(), "the verdict stays");
    window.harness.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::Z);
    window.settle();
    assert_eq!(window.description("Axial"), withheld, "{}", Action::Undo.title());
}
