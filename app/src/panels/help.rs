//! The sheet of keys and mouse gestures, made from the live key map, and the About box.

use egui::{Grid, Modal, RichText, ScrollArea, Ui};

use crate::command::{AppCommand, Command, CommandQueue, Group, KeyMap, MouseEffect, MouseGesture};
use crate::document::Tool;
use crate::settings::Settings;
use crate::theme;

/// What the mouse and fingers do, as the preferences have it.
pub(crate) fn mouse_lines(settings: &Settings) -> Vec<(String, String)> {
    let mouse = &settings.mouse;
    let mut lines: Vec<(String, String)> = Vec::new();
    let mut line = |gesture: String, effect: &str| {
        if !gesture.is_empty() && !effect.is_empty() {
            lines.push((gesture, effect.to_owned()));
        }
    };
    let effects = || MouseEffect::ALL.into_iter().filter(|effect| *effect != MouseEffect::Nothing);
    for effect in effects() {
        line(mouse.drags(effect, MouseGesture::Slice), effect.name());
    }
    for effect in effects() {
        let drags = mouse.drags(effect, MouseGesture::Volume);
        let gesture = if drags.is_empty() { drags } else { format!("{drags} in the volume") };
        line(gesture, effect.name());
    }
    line("Right click".to_owned(), "Menu");
    line("Wheel".to_owned(), wheel_text(mouse.effect(MouseGesture::Wheel)));
    line("Ctrl+wheel".to_owned(), wheel_text(mouse.effect(MouseGesture::CtrlWheel)));
    line("Wheel in the volume".to_owned(), "Zoom");
    line("Shift+move".to_owned(), "Crosshair follows the pointer");
    let double_click = mouse.effect(MouseGesture::DoubleClick);
    if double_click != MouseEffect::Nothing {
        line("Double click".to_owned(), double_click.name());
    }
    line("Window drag sideways".to_owned(), "Width: right is wider");
    let is_inverted = settings.is_level_drag_inverted;
    let upwards = if is_inverted { "Darker (level rises)" } else { "Brighter (level falls)" };
    line("Window drag up".to_owned(), upwards);
    for (gesture, effect) in FIXED {
        line(gesture.to_owned(), effect);
    }
    lines
}

/// What is the same for everybody.
const FIXED: [(&str, &str); 5] = [
    ("Drag between viewports", "Resize; double click to even out"),
    ("Drop a folder or files", "Open"),
    ("One finger", "As left drag"),
    ("Two fingers", "Pan and zoom"),
    ("Three fingers up or down", "Previous or next image"),
];

fn wheel_text(effect: MouseEffect) -> &'static str {
    match effect {
        MouseEffect::Scroll => "Next or previous image",
        MouseEffect::Zoom => "Zoom at the pointer",
        _ => "",
    }
}

/// Draws the sheet.
pub fn help_ui(ctx: &egui::Context, keymap: &KeyMap, settings: &Settings, queue: &CommandQueue) {
    let response = Modal::new(egui::Id::unique("help")).frame(theme::dialog_frame()).show(ctx, |ui| {
        let size = ctx.content_rect().size();
        let is_wide = size.x >= 960.0;
        ui.set_width(if is_wide { 880.0 } else { 440.0f32.min(size.x - 64.0) });
        ui.heading("Keyboard and mouse");
        ui.add_space(theme::space::PANEL);
        ScrollArea::vertical().max_height(size.y - 160.0).auto_shrink([false, true]).show(ui, |ui| {
            let (left, right) = Group::ALL.split_at(5);
            if is_wide {
                ui.columns(2, |columns| {
                    if let [first, second] = columns {
                        groups_ui(first, left, keymap);
                        groups_ui(second, right, keymap);
                        mouse_ui(second, settings);
                    }
                });
            } else {
                groups_ui(ui, &Group::ALL, keymap);
                mouse_ui(ui, settings);
            }
        });
    });
    if response.should_close() {
        queue.send(Command::App(AppCommand::CloseOverlay));
    }
}

fn groups_ui(ui: &mut Ui, groups: &[(Group, &str)], keymap: &KeyMap) {
    for (group, title) in groups {
        group_ui(ui, *group, title, keymap);
    }
}

fn mouse_ui(ui: &mut Ui, settings: &Settings) {
    ui.label(theme::semibold("Mouse"));
    Grid::new("mouse").num_columns(2).spacing([16.0, 4.0]).show(ui, |ui| {
        for (gesture, effect) in mouse_lines(settings) {
            row_ui(ui, &gesture, &effect);
        }
        for tool in Tool::all() {
            row_ui(ui, &tool.title(), tool.explanation());
        }
    });
}

fn group_ui(ui: &mut Ui, group: Group, title: &str, keymap: &KeyMap) {
    let bindings: Vec<_> = keymap.bindings().iter().filter(|b| b.action.group() == group).collect();
    if bindings.is_empty() {
        return;
    }
    ui.label(theme::semibold(title));
    Grid::new(title).num_columns(2).spacing([16.0, 4.0]).show(ui, |ui| {
        for binding in bindings {
            row_ui(ui, &binding.text(), &binding.action.title());
        }
    });
    ui.add_space(theme::space::GROUP);
}

fn row_ui(ui: &mut Ui, key: &str, effect: &str) {
    ui.scope(|ui| {
        ui.set_min_width(150.0);
        ui.label(RichText::new(key).color(theme::TEXT_QUIET));
    });
    ui.label(effect);
    ui.end_row();
}

/// Draws the About box.
pub fn about_ui(ctx: &egui::Context, queue: &CommandQueue) {
    let response = Modal::new(egui::Id::unique("about")).frame(theme::dialog_frame()).show(ctx, |ui| {
        ui.set_width(380.0);
        ui.heading("Lantern");
        ui.label(format!("Version {}", env!("CARGO_PKG_VERSION")));
        ui.add_space(theme::space::PANEL);
        ui.label("A viewer for medical images. For research and development; not for diagnostic use.");
        ui.add_space(theme::space::PANEL);
        let text = "Set in IBM Plex Sans (SIL Open Font License). Icons by Phosphor (MIT).";
        ui.label(RichText::new(text).color(theme::TEXT_QUIET));
        ui.add_space(theme::space::GROUP);
        if ui.button("Close").clicked() {
            queue.send(Command::App(AppCommand::CloseOverlay));
        }
    });
    if response.should_close() {
        queue.send(Command::App(AppCommand::CloseOverlay));
    }
}
