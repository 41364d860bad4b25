//! Palette, help sheet, menus, inspector.

use egui::{Key, Modifiers};
use egui_kittest::kittest::Queryable;
use lantern::command::KeyMap;

use crate::SMALL;
use crate::driver::Window;

#[test]
fn the_palette_runs_what_is_typed() {
    let mut window = Window::with_phantom(SMALL);
    window.key(Modifiers::COMMAND, Key::K);
    window.keep_picture("palette");
    window.harness.get_by_label("Command to search for").type_text("lung");
    window.settle();
    window.key(Modifiers::NONE, Key::Enter);
    let document = window.document();
    let key = document.active_viewport().series.unwrap();
    assert_eq!(document.workspace.displays[&key].window_name.as_deref(), Some("Lung"));
    assert!(window.harness.query_by_label("Command to search for").is_none(), "the palette closed");
}

#[test]
fn the_inspector_names_the_verdict_in_words() {
    let window = Window::with_phantom(SMALL);
    assert!(window.harness.query_by_label("Geometry green").is_some());
    assert!(window.harness.query_by_label("Show them anyway").is_none());
}

#[test]
fn letters_typed_into_a_field_are_no_shortcuts() {
    let mut window = Window::with_phantom(SMALL);
    let before = window.document().workspace.clone();
    window.key(Modifiers::COMMAND, Key::K);
    for key in [Key::I, Key::R, Key::Num2, Key::Space] {
        window.key(Modifiers::NONE, key);
    }
    window.key(Modifiers::NONE, Key::Escape);
    assert_eq!(window.document().workspace, before);
}

#[test]
fn help_lists_every_binding() {
    let mut window = Window::with_phantom(egui::vec2(1280.0, 2400.0));
    window.key(Modifiers::NONE, Key::Questionmark);
    window.keep_picture("help");
    for binding in KeyMap::default().bindings() {
        let (key, title) = (binding.text(), binding.action.title());
        assert!(window.harness.query_all_by_label(&key).next().is_some(), "key {key}");
        assert!(window.harness.query_all_by_label(&title).next().is_some(), "action {title}");
    }
    window.key(Modifiers::NONE, Key::Escape);
    assert!(window.harness.query_by_label("Keyboard and mouse").is_none());
}

#[test]
fn window_center_is_typed_with_either_minus() {
    let mut window = Window::with_phantom(SMALL);
    let id = "Window center";
    window.harness.get_by_label(id).click();
    window.settle();
    window.key(Modifiers::COMMAND, Key::A);
    window.harness.event(egui::Event::Text("−250".into()));
    window.settle();
    window.key(Modifiers::NONE, Key::Enter);
    let document = window.document();
    let key = document.active_viewport().series.unwrap();
    assert_eq!(document.workspace.displays[&key].window.center, -250.0);
}

#[test]
fn panels_collapse_and_come_back() {
    let mut window = Window::with_phantom(SMALL);
    let narrow = window.rect("Axial").width();
    window.key(Modifiers::NONE, Key::F3);
    window.key(Modifiers::NONE, Key::F2);
    assert!(window.rect("Axial").width() > narrow + 100.0);
    window.key(Modifiers::NONE, Key::F3);
    window.key(Modifiers::NONE, Key::F2);
    assert!((window.rect("Axial").width() - narrow).abs() < 2.0);
}

#[test]
fn slab_and_interpolation_are_set_in_the_inspector() {
    let mut window = Window::with_phantom(egui::vec2(1280.0, 900.0));
    window.click("Slab MIP");
    window.click("Interpolation None");
    let document = window.document();
    let view = document.workspace.viewport(document.active).slice().unwrap();
    assert_eq!(view.slab.mode, render_core::scene::SlabMode::Max);
    let key = document.active_viewport().series.unwrap();
    let display = &document.workspace.displays[&key];
    assert_eq!(display.interpolation, render_core::scene::Interpolation::Nearest);
}
