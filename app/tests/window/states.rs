//! Start page, errors, loading, and every screen at several sizes.

use egui::{Key, Modifiers, vec2};
use egui_kittest::kittest::Queryable;

use crate::driver::Window;
use crate::{LAPTOP, SMALL};

#[test]
fn an_empty_window_offers_what_to_do() {
    let mut window = Window::with_paths(LAPTOP, 1.0, Vec::new());
    window.harness.get_by_label("Open folder…");
    window.harness.get_by_label("Path to open");
    window.keep_picture("start");
}

#[test]
fn a_path_that_does_not_exist_is_named_and_the_page_stays_usable() {
    let missing = std::env::temp_dir().join("lantern no such Ordner ü");
    let mut window = Window::with_paths(LAPTOP, 1.0, vec![missing]);
    window.harness.get_by_label_contains("“lantern no such Ordner ü” does not exist.");
    window.harness.get_by_label("Open folder…");
    window.keep_picture("missing");
}

#[test]
fn an_empty_folder_and_a_text_file_say_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let window = Window::with_paths(SMALL, 1.0, vec![folder.path().to_path_buf()]);
    window.harness.get_by_label_contains("No image was found");
    let file = folder.path().join("notes.txt");
    std::fs::write(&file, "not an image").unwrap();
    let window = Window::with_paths(SMALL, 1.0, vec![file]);
    window.harness.get_by_label_contains("notes.txt");
}

#[test]
fn a_failure_keeps_what_is_open() {
    let mut window = Window::with_phantom(LAPTOP);
    let missing = std::env::temp_dir().join("gone.dcm");
    window
        .harness
        .state()
        .send(lantern::command::Command::File(lantern::command::FileCommand::Open(vec![missing])));
    window.settle();
    window.harness.get_by_label_contains("does not exist");
    assert_eq!(window.document().series.len(), 1);
    window.keep_picture("notice");
    window.key(Modifiers::NONE, Key::Escape);
    assert!(window.harness.query_by_label_contains("does not exist").is_none());
}

#[test]
fn every_size_shows_four_views_and_stays_within_the_window() {
    for (size, scale) in [(LAPTOP, 1.0), (vec2(1920.0, 1080.0), 1.0), (vec2(800.0, 500.0), 2.0)] {
        let mut window = Window::with_phantom_scaled(size, scale);
        for name in ["Axial", "Coronal", "Sagittal", "Volume"] {
            let rect = window.rect(name);
            assert!(rect.width() > 100.0 && rect.height() > 100.0, "{name} at {size}: {rect:?}");
            assert!(rect.right() <= size.x + 0.5 && rect.bottom() <= size.y + 0.5);
        }
        window.keep_picture(&format!("phantom-{}x{}@{scale}", size.x, size.y));
    }
}

#[test]
fn the_sample_study_opens_with_its_true_geometry() {
    let sample = test_support::data::workspace_root().join("assets/sample");
    let mut window = Window::with_paths(LAPTOP, 1.0, vec![sample]);
    let series = window.document().active_series().expect("a series is shown");
    assert_eq!(series.dims.to_array(), [512, 512, 100]);
    assert!(window.description("Axial").contains("left R, top A"), "{}", window.description("Axial"));
    let first = window.description("Axial");
    let middle = window.rect("Axial").center();
    window.wheel(middle, -1.0, Modifiers::NONE);
    assert_ne!(window.description("Axial"), first);
    window.keep_picture("sample");
}

#[test]
fn a_lost_graphics_device_takes_neither_the_document_nor_its_undo_history() {
    let mut window = Window::with_phantom(SMALL);
    window.key(Modifiers::NONE, Key::Num1);
    window.key(Modifiers::NONE, Key::Num2);
    let workspace = window.document().workspace.clone();
    window.harness.state().lose_device();
    assert!(window.harness.state().is_device_lost());
    let mut window = window.reopened(SMALL);
    assert!(!window.harness.state().is_device_lost());
    assert_eq!(window.document().workspace, workspace);
    window.harness.get_by_label_contains("The graphics device was lost and opened again.");
    // Pictures are there again, and undo goes on where it was.
    let rect = window.rect("Axial");
    let picture = window.picture();
    let lit = (0..rect.width() as u32)
        .filter(|x| picture.get_pixel(rect.left() as u32 + x, rect.center().y as u32).0[0] > 60);
    assert!(lit.count() > 20, "the head is on screen");
    window.key(Modifiers::COMMAND, Key::Z);
    let key = window.document().active_viewport().series.unwrap();
    assert_eq!(window.document().workspace.displays[&key].window_name.as_deref(), Some("Abdomen"));
}

#[test]
fn jobs_and_the_mark_of_the_server_fit_into_every_window() {
    for size in [vec2(640.0, 420.0), SMALL, LAPTOP, vec2(1920.0, 1080.0)] {
        let mut window = Window::with_phantom(size);
        window.key(Modifiers::NONE, Key::F4);
        let whole = egui::Rect::from_min_size(egui::Pos2::ZERO, size).expand(0.5);
        for label in ["Server off", "Hide jobs", "Switch on", "Search commands"] {
            let rect = window.harness.get_by_label(label).rect();
            assert!(whole.contains_rect(rect), "{label} at {size}: {rect:?}");
        }
        let rect = |label: &str| window.harness.get_by_label(label).rect();
        let (mark, search, tool) = (rect("Server off"), rect("Search commands"), rect("Oblique tool"));
        let is_apart = !mark.intersects(search) && search.left() > tool.right();
        assert!(is_apart, "{size}: {tool:?} {search:?} {mark:?}");
        assert!(window.rect("Axial").height() > 60.0, "{size}");
        window.keep_picture(&format!("jobs-off-{}x{}", size.x, size.y));
        window.key(Modifiers::NONE, Key::F4);
        assert!(window.harness.query_by_label("Hide jobs").is_none());
    }
}
