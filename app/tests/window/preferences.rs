//! Keys, mouse and looks as a person wants them, set in the dialog.

use egui::{Key, Modifiers, PointerButton, vec2};
use egui_kittest::kittest::Queryable;
use imaging::measurement::DrawingKind;
use lantern::command::{
    Action, AppCommand, Command, InputProfile, KeyMap, MouseEffect, MouseGesture, Preference,
};
use lantern::document::Tool;

use crate::LAPTOP;
use crate::driver::Window;

const LENGTH: Action = Action::Tool(Tool::Draw(DrawingKind::Length));

fn has(window: &Window, label: &str) -> bool {
    window.harness.query_all_by_label(label).next().is_some()
}

fn zoom(window: &Window) -> f64 {
    window.document().workspace.viewports[0].slice().expect("a slice").zoom
}

fn prefer(window: &mut Window, preference: Preference) {
    window.harness.state().send(Command::App(AppCommand::Prefer(preference)));
    window.settle();
}

/// Opens the dialog and finds a command in it.
fn look_up(window: &mut Window, words: &str) {
    window.key(Modifiers::COMMAND, Key::Comma);
    window.click("Search keys");
    window.harness.get_by_label("Search keys").type_text(words);
    window.settle();
}

#[test]
fn a_key_that_is_rebound_in_the_dialog_does_something_else_at_once() {
    let mut window = Window::with_phantom(LAPTOP);
    look_up(&mut window, "length tool");
    window.click("Change D of Length tool");
    assert!(has(&window, "Press the new key for “Length tool”. Esc leaves it as it is."));
    window.keep_picture("preferences keys");
    window.key(Modifiers::NONE, Key::F);
    assert!(has(&window, "Change F of Length tool"), "the dialog shows the new key");
    assert_eq!(window.document().tool, Tool::WindowLevel, "the answer itself did nothing");
    window.key(Modifiers::NONE, Key::Escape);
    assert!(!has(&window, "Search keys"), "the dialog closed");
    window.key(Modifiers::NONE, Key::D);
    assert_eq!(window.document().tool, Tool::WindowLevel, "the old key is free");
    window.key(Modifiers::NONE, Key::F);
    assert_eq!(window.document().tool, Tool::Draw(DrawingKind::Length));
}

#[test]
fn a_key_that_is_taken_is_named_and_taken_over_only_when_asked() {
    let mut window = Window::with_phantom(LAPTOP);
    look_up(&mut window, "length tool");
    for (answer, expected) in [("Leave it", Action::Invert), ("Take the key over", LENGTH)] {
        window.click("Change D of Length tool");
        window.key(Modifiers::NONE, Key::I);
        assert!(has(&window, "I already means “Invert grey values”."));
        window.click(answer);
        let keymap = window.harness.state().keymap();
        assert_eq!(keymap.action(Key::I, Modifiers::NONE), Some(expected), "{answer}");
    }
    assert_eq!(window.harness.state().keymap().text(Action::Invert), None);
    window.click("Reset all keys");
    assert_eq!(*window.harness.state().keymap(), KeyMap::default());
}

#[test]
fn keys_that_lead_out_are_refused_and_keys_are_removed_and_added() {
    let mut window = Window::with_phantom(LAPTOP);
    look_up(&mut window, "length tool");
    window.click("Add a key for Length tool");
    window.key(Modifiers::NONE, Key::Tab);
    assert!(has(&window, "Tab moves between controls, so it cannot be given to a command."));
    window.key(Modifiers::NONE, Key::Escape);
    assert!(has(&window, "Search keys"), "Escape gave up the question, not the dialog");
    assert_eq!(*window.harness.state().keymap(), KeyMap::default());
    window.click("Add a key for Length tool");
    window.key(Modifiers::COMMAND, Key::M);
    window.click("Remove D from Length tool");
    let keymap = window.harness.state().keymap();
    assert_eq!(keymap.text(LENGTH).as_deref(), Some("Ctrl+M"));
    window.click("Reset keys of Length tool");
    assert_eq!(*window.harness.state().keymap(), KeyMap::default());
}

#[test]
fn another_profile_shows_which_of_ones_own_keys_it_clashes_with() {
    let mut window = Window::with_phantom(LAPTOP);
    look_up(&mut window, "length tool");
    window.click("Add a key for Length tool");
    window.key(Modifiers::NONE, Key::F);
    window.click("Key profile");
    window.click("Key profile 3D Slicer");
    assert!(has(&window, "F is given to “Length tool” and to “Next image”; it does the first."));
    window.key(Modifiers::NONE, Key::Escape);
    window.key(Modifiers::NONE, Key::ArrowRight);
    assert!(window.description("Axial").contains("Im 12/20"), "{}", window.description("Axial"));
}

#[test]
fn the_wheel_and_the_left_button_do_what_the_preferences_say() {
    let mut window = Window::with_phantom(LAPTOP);
    prefer(&mut window, Preference::Mouse(MouseGesture::Wheel, MouseEffect::Zoom));
    let middle = window.rect("Axial").center();
    window.wheel(middle, 2.0, Modifiers::NONE);
    assert!(zoom(&window) > 1.2 && window.description("Axial").contains("Im 11/20"));
    prefer(&mut window, Preference::ResetMouse);
    window.wheel(middle, -1.0, Modifiers::NONE);
    assert!(window.description("Axial").contains("Im 12/20"), "{}", window.description("Axial"));

    window.key(Modifiers::COMMAND, Key::Comma);
    window.click("Page Mouse");
    window.keep_picture("preferences mouse");
    window.click("The left button scrolls; with Ctrl it is the active tool");
    window.key(Modifiers::NONE, Key::Escape);
    let window_before = window.document().workspace.displays.clone();
    window.drag(middle, vec2(0.0, -56.0), PointerButton::Primary, Modifiers::NONE);
    assert!(!window.description("Axial").contains("Im 12/20"), "{}", window.description("Axial"));
    assert_eq!(window.document().workspace.displays, window_before, "no window was dragged");
    window.drag(middle, vec2(40.0, 0.0), PointerButton::Primary, Modifiers::COMMAND);
    assert_ne!(window.document().workspace.displays, window_before, "with Ctrl it is the tool");
    window.key(Modifiers::NONE, Key::Questionmark);
    assert!(has(&window, "Scroll"), "the help sheet tells it");
}

#[test]
fn the_mouse_of_weasis_leaves_the_right_button_to_the_menu() {
    let mut window = Window::with_phantom(LAPTOP);
    let middle = window.rect("Axial").center();
    window.key(Modifiers::COMMAND, Key::Comma);
    window.click("Page Mouse");
    window.click("Mouse profile");
    window.key(Modifiers::NONE, Key::Escape);
    assert!(has(&window, "Page Mouse") && !has(&window, "Mouse profile Weasis"), "only the list closed");
    window.click("Mouse profile");
    window.click("Mouse profile Weasis");
    window.key(Modifiers::NONE, Key::Escape);
    window.drag(middle, vec2(0.0, -60.0), PointerButton::Secondary, Modifiers::NONE);
    assert_eq!(zoom(&window), 1.0);
    prefer(&mut window, Preference::MouseProfile(InputProfile::Ohif));
    window.drag(middle, vec2(0.0, -60.0), PointerButton::Secondary, Modifiers::NONE);
    assert!(zoom(&window) > 1.3);
}

#[test]
fn the_interface_grows_and_documents_begin_as_they_are_wanted() {
    let mut window = Window::with_phantom(LAPTOP);
    window.key(Modifiers::COMMAND, Key::Comma);
    window.click("Page Display");
    window.keep_picture("preferences display");
    window.click("Size 150 %");
    assert_eq!(window.harness.ctx.zoom_factor(), 1.5);
    window.key(Modifiers::COMMAND, Key::Minus);
    assert_eq!(window.harness.ctx.zoom_factor(), 1.25);
    window.key(Modifiers::COMMAND, Key::Minus);
    window.click("Neurological side: the patient's left is on the left of the screen");
    window.click("Series of one frame of reference scroll together");
    window.click("Texts in the corners of pictures");
    for is_new in [false, true] {
        let d = window.document();
        assert!(d.workspace.is_neurological && !d.is_linked && !d.is_overlay_visible, "new: {is_new}");
        window.harness.state().send(Command::File(lantern::command::FileCommand::CloseAll));
        window.settle();
        window.open_phantom();
    }
    assert!(window.description("Axial").contains("left L"), "{}", window.description("Axial"));
}
