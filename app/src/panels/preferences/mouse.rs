//! What drags, the wheel and a double click do.

use egui::{Button, ComboBox, Grid, ScrollArea, Ui};

use super::{prefer, profile_ui};
use crate::command::{
    CommandQueue, Held, MouseButton, MouseEffect, MouseGesture, MouseMap, Preference, Press,
};
use crate::settings::Settings;
use crate::theme;
use crate::widgets::{choice, quiet};

const LEFT: MouseGesture = MouseGesture::Slice(Press { button: MouseButton::Left, held: Held::Nothing });
const CTRL_LEFT: MouseGesture = MouseGesture::Slice(Press { button: MouseButton::Left, held: Held::Ctrl });

/// Draws the page.
pub(super) fn mouse_ui(ui: &mut Ui, settings: &Settings, queue: &CommandQueue) {
    let mouse = &settings.mouse;
    ui.horizontal(|ui| {
        if let Some(profile) = profile_ui(ui, "Mouse like", "Mouse profile", mouse.profile()) {
            prefer(queue, Preference::MouseProfile(profile));
        }
        let reset = ui.add_enabled(mouse.is_changed(), Button::new("Reset mouse"));
        if reset.on_hover_text("The mouse as the chosen viewer has it").clicked() {
            prefer(queue, Preference::ResetMouse);
        }
    });
    ui.add_space(theme::space::PANEL);
    scroll_by_left_ui(ui, mouse, queue);
    ui.add_space(theme::space::PANEL);
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        Grid::new("drags").num_columns(3).spacing([16.0, 4.0]).show(ui, |ui| {
            ui.label("");
            ui.label(theme::semibold("Over slices"));
            ui.label(theme::semibold("Over the volume"));
            ui.end_row();
            for press in Press::all() {
                let name = sentence_case(&press.name());
                quiet(ui, &name);
                effect_ui(ui, &format!("{name} over slices"), MouseGesture::Slice(press), mouse, queue);
                effect_ui(ui, &format!("{name} over the volume"), MouseGesture::Volume(press), mouse, queue);
                ui.end_row();
            }
            for (text, name, gesture) in [
                ("Wheel", "Wheel over slices", MouseGesture::Wheel),
                ("Ctrl+wheel", "Ctrl+wheel over slices", MouseGesture::CtrlWheel),
                ("Double click", "Double click on a viewport", MouseGesture::DoubleClick),
            ] {
                quiet(ui, text);
                effect_ui(ui, name, gesture, mouse, queue);
                if gesture == MouseGesture::Wheel {
                    quiet(ui, MouseEffect::Zoom.name());
                }
                ui.end_row();
            }
        });
        ui.add_space(theme::space::GROUP);
        quiet(ui, "Measuring tools always draw with the left button. A right click opens the menu.");
    });
}

/// What radiologists who come from another archive ask for.
fn scroll_by_left_ui(ui: &mut Ui, mouse: &MouseMap, queue: &CommandQueue) {
    let mut is_scrolling = mouse.effect(LEFT) == MouseEffect::Scroll;
    let text = "The left button scrolls; with Ctrl it is the active tool";
    if ui.checkbox(&mut is_scrolling, text).changed() {
        let (left, ctrl_left) = if is_scrolling {
            (MouseEffect::Scroll, MouseEffect::Tool)
        } else {
            (MouseEffect::Tool, MouseEffect::Zoom)
        };
        prefer(queue, Preference::Mouse(LEFT, left));
        prefer(queue, Preference::Mouse(CTRL_LEFT, ctrl_left));
    }
}

fn effect_ui(ui: &mut Ui, name: &str, gesture: MouseGesture, mouse: &MouseMap, queue: &CommandQueue) {
    let current = mouse.effect(gesture);
    let combo = ComboBox::from_id_salt(name).selected_text(current.name()).width(190.0);
    let response = combo.show_ui(ui, |ui| {
        for effect in gesture.choices() {
            if choice(ui, name, effect.name(), "", *effect == current) {
                prefer(queue, Preference::Mouse(gesture, *effect));
            }
        }
    });
    response.response.accessible_name(name);
}

fn sentence_case(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
