//! How the window looks, and what a document begins with.

use egui::Ui;

use super::prefer;
use crate::command::{Action, CommandQueue, INTERFACE_SCALES, KeyMap, Preference};
use crate::settings::Settings;
use crate::theme;
use crate::widgets::{choice, quiet};

/// Draws the page.
pub(super) fn display_ui(ui: &mut Ui, settings: &Settings, keymap: &KeyMap, queue: &CommandQueue) {
    ui.label(theme::semibold("Size of the interface"));
    ui.horizontal(|ui| {
        for scale in INTERFACE_SCALES {
            let name = format!("{:.0} %", scale * 100.0);
            if choice(ui, "Size", &name, "", settings.interface_scale == scale) {
                prefer(queue, Preference::InterfaceScale(scale));
            }
        }
    });
    let keys = [Action::EnlargeInterface, Action::ShrinkInterface].map(|action| keymap.text(action));
    if let [Some(larger), Some(smaller)] = keys {
        quiet(ui, &format!("{larger} and {smaller} do the same."));
    }
    ui.add_space(theme::space::GROUP);
    ui.label(theme::semibold("Dragging the window"));
    let is_inverted = settings.is_level_drag_inverted;
    if let Some(value) = switch_ui(ui, "Dragging up makes the picture darker", is_inverted) {
        prefer(queue, Preference::InvertedLevelDrag(value));
    }
    ui.add_space(theme::space::GROUP);
    ui.label(theme::semibold("When something is opened"));
    let neurological = "Neurological side: the patient's left is on the left of the screen";
    if let Some(value) = switch_ui(ui, neurological, settings.is_neurological) {
        prefer(queue, Preference::Neurological(value));
    }
    if let Some(value) = switch_ui(ui, "Texts in the corners of pictures", settings.is_overlay_visible) {
        prefer(queue, Preference::CornerTexts(value));
    }
    let linked = "Series of one frame of reference scroll together";
    if let Some(value) = switch_ui(ui, linked, settings.is_linked) {
        prefer(queue, Preference::Linked(value));
    }
    quiet(ui, "They change what is open now, too; menus and keys change it until it is closed.");
}

/// Returns the new value when it is switched.
fn switch_ui(ui: &mut Ui, text: &str, value: bool) -> Option<bool> {
    let mut switched = value;
    ui.checkbox(&mut switched, text).changed().then_some(switched)
}
