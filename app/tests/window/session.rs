//! Sessions, and what a window that was killed leaves behind.

use std::path::PathBuf;

use egui::{Key, Modifiers, PointerButton, vec2};
use egui_kittest::kittest::Queryable;
use lantern::command::{Command, FileCommand, FilePurpose, NamedFile};
use lantern::document::Workspace;

use crate::driver::Window;
use crate::{LAPTOP, SMALL};

fn sample() -> PathBuf {
    test_support::data::workspace_root().join("assets/sample")
}

/// The sample study with one length on it.
fn drawn_on() -> Window {
    let mut window = Window::with_paths(LAPTOP, 1.0, vec![sample()]);
    window.key(Modifiers::NONE, Key::D);
    let middle = window.rect("Axial").center();
    window.drag(middle, vec2(60.0, 20.0), PointerButton::Primary, Modifiers::NONE);
    assert_eq!(window.document().workspace.annotations.len(), 1);
    window
}

fn name(window: &mut Window, purpose: FilePurpose, path: &std::path::Path) {
    let file = NamedFile { purpose, path: path.to_path_buf(), may_replace: false };
    window.harness.state().send(Command::File(FileCommand::Named(file)));
    window.settle();
}

/// What was drawn, by where it lies.
fn drawings(workspace: &Workspace) -> Vec<String> {
    workspace.annotations.values().map(|a| format!("{:.6?}", a.drawing.points_lps())).collect()
}

#[test]
fn a_saved_session_is_opened_like_a_study_and_shows_what_was_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reading.lantern");
    let mut window = drawn_on();
    window.key(Modifiers::NONE, Key::Num2);
    name(&mut window, FilePurpose::SaveSession, &path);
    assert!(window.harness.query_all_by_label_contains("The session was saved").next().is_some());
    let before = window.document().workspace.clone();
    drop(window);

    let window = Window::with_paths(LAPTOP, 1.0, vec![path]);
    let after = &window.document().workspace;
    assert_eq!(drawings(after), drawings(&before));
    let voi = |workspace: &Workspace| {
        workspace.displays.values().map(|d| (d.window.center, d.window.width)).collect::<Vec<_>>()
    };
    assert_eq!((voi(after), after.layout), (voi(&before), before.layout));
    assert!(window.harness.query_all_by_label_contains("Length: ").next().is_some(), "its number is shown");
}

#[test]
fn a_file_that_is_no_session_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letter.lantern");
    std::fs::write(&path, "Dear colleague").unwrap();
    let window = Window::with_paths(SMALL, 1.0, vec![path]);
    let failure = window.harness.state().open_failure().expect("it says so");
    assert_eq!(failure.what, "“letter.lantern” is not a session of Lantern.");
}

#[test]
fn drawings_of_a_window_that_was_killed_are_offered_and_restored() {
    let folder = tempfile::tempdir().unwrap();
    let keep = folder.path().to_path_buf();
    let mut window = Window::with_paths(LAPTOP, 1.0, vec![sample()]);
    window.harness.state_mut().set_autosave(keep.clone());
    window.key(Modifiers::NONE, Key::D);
    let middle = window.rect("Axial").center();
    window.drag(middle, vec2(60.0, 20.0), PointerButton::Primary, Modifiers::NONE);
    let before = drawings(&window.document().workspace);
    // Not closed as it should be: nobody said that the copy is not needed.
    drop(window);

    let mut window = Window::with_paths(LAPTOP, 1.0, Vec::new());
    window.harness.state_mut().set_autosave(keep.clone());
    window.settle();
    window.harness.get_by_label_contains("Restore 1 measurement").click();
    window.settle();
    assert_eq!(drawings(&window.document().workspace), before);
    window.harness.state_mut().end_orderly();
    drop(window);
    assert_eq!(std::fs::read_dir(&keep).unwrap().count(), 0, "closed as it should be");
}

#[test]
fn imported_measurements_are_one_step_and_nothing_comes_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("measurements.json");
    let mut window = drawn_on();
    name(&mut window, FilePurpose::ExportMeasurements, &path);
    name(&mut window, FilePurpose::ImportMeasurements, &path);
    assert_eq!(window.document().workspace.annotations.len(), 1, "it is there already");
    let before = drawings(&window.document().workspace);
    drop(window);

    let mut window = Window::with_paths(LAPTOP, 1.0, vec![sample()]);
    name(&mut window, FilePurpose::ImportMeasurements, &path);
    assert_eq!(drawings(&window.document().workspace), before);
    window.key(Modifiers::COMMAND, Key::Z);
    assert!(window.document().workspace.annotations.is_empty());
}
