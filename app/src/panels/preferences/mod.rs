//! The preferences: keys, mouse, and how the window looks. Every change acts at once and is remembered.

mod display;
mod keys;
mod mouse;

use egui::{ComboBox, Modal, Ui};

use crate::command::{AppCommand, Command, CommandQueue, InputProfile, KeyMap, Preference};
use crate::settings::Settings;
use crate::theme;
use crate::widgets::{choice, quiet};

/// What is shown of the preferences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Page {
    #[default]
    Keys,
    Mouse,
    Display,
}

impl Page {
    const ALL: [(Self, &'static str); 3] =
        [(Self::Keys, "Keys"), (Self::Mouse, "Mouse"), (Self::Display, "Display")];
}

/// What the dialog remembers.
#[derive(Debug, Default)]
pub struct PreferencesState {
    page: Page,
    keys: keys::KeysState,
}

impl PreferencesState {
    /// Whether the next key that is pressed is an answer to a question.
    pub fn is_asking(&self) -> bool {
        self.keys.is_asking()
    }

    /// Takes no key for an answer any more.
    pub fn stop_asking(&mut self) {
        self.keys.stop_asking();
    }
}

/// Draws the dialog.
pub fn preferences_ui(
    ctx: &egui::Context,
    settings: &Settings,
    keymap: &KeyMap,
    queue: &CommandQueue,
    state: &mut PreferencesState,
) {
    let close = || queue.send(Command::App(AppCommand::CloseOverlay));
    let response = Modal::new(egui::Id::unique("preferences")).frame(theme::dialog_frame()).show(ctx, |ui| {
        let size = ctx.content_rect().size();
        ui.set_width(640.0f32.min(size.x - 64.0));
        ui.heading("Preferences");
        ui.add_space(theme::space::PANEL);
        ui.horizontal(|ui| {
            for (page, name) in Page::ALL {
                if choice(ui, "Page", name, "", state.page == page) {
                    state.page = page;
                    state.stop_asking();
                }
            }
        });
        ui.separator();
        ui.add_space(theme::space::TIGHT);
        // So that the dialog keeps its size from page to page.
        let height = (size.y - 180.0).clamp(120.0, 520.0);
        let width = ui.available_width();
        ui.allocate_ui(egui::vec2(width, height), |ui| {
            ui.set_min_height(height);
            match state.page {
                Page::Keys => keys::keys_ui(ui, settings, keymap, queue, &mut state.keys),
                Page::Mouse => mouse::mouse_ui(ui, settings, queue),
                Page::Display => display::display_ui(ui, settings, keymap, queue),
            }
        });
        ui.add_space(theme::space::GROUP);
        if ui.button("Close").clicked() {
            close();
        }
    });
    if response.should_close() {
        close();
    }
}

fn prefer(queue: &CommandQueue, preference: Preference) {
    queue.send(Command::App(AppCommand::Prefer(preference)));
}

/// Whose habits are followed; returns the profile that was chosen.
fn profile_ui(ui: &mut Ui, text: &str, name: &str, current: InputProfile) -> Option<InputProfile> {
    quiet(ui, text);
    let combo = ComboBox::from_id_salt(name).selected_text(current.name()).width(120.0);
    let response = combo.show_ui(ui, |ui| {
        let mut chosen = None;
        for profile in InputProfile::ALL {
            if choice(ui, name, profile.name(), "", profile == current) {
                chosen = Some(profile);
            }
        }
        chosen
    });
    response.response.accessible_name(name);
    response.inner.flatten()
}
