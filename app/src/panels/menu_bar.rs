//! Menus, tool strip and the door to the command palette.

use egui::{Align, Layout, MenuBar, RichText, Ui};
use egui_phosphor::regular as icons;
use imaging::geometry::AnatomicalPlane;
use imaging::intensity::CT_PRESETS;
use render_core::transfer_function::VOLUME_PRESETS;

use crate::command::{Action, AppCommand, Command, CommandQueue, FileCommand, KeyMap};
use crate::console::View;
use crate::document::{Document, Tool, VolumeStyle};
use crate::panels::side::SidePanels;
use crate::panels::{pipelines, server};
use crate::settings::Settings;
use crate::theme;
use crate::widgets::{hint, icon_button, menu_action};

/// Room for what is written in the search button, in points.
const ROOM_FOR_WORDS: f32 = 190.0;
/// Room for its key, in points.
const ROOM_FOR_KEY: f32 = 80.0;

fn tool_icon(tool: Tool) -> &'static str {
    match tool {
        Tool::WindowLevel => icons::CIRCLE_HALF,
        Tool::Scroll => icons::STACK,
        Tool::Pan => icons::HAND,
        Tool::Zoom => icons::MAGNIFYING_GLASS,
        Tool::Crosshair => icons::CROSSHAIR,
        Tool::Oblique => icons::PERSPECTIVE,
    }
}

/// Draws the bar along the top.
pub fn menu_bar_ui(
    ui: &mut Ui,
    (document, server): (&Document, &View),
    (settings, sides): (&Settings, SidePanels),
    keymap: &KeyMap,
    queue: &CommandQueue,
) {
    let entries = |ui: &mut Ui, actions: &[Action]| {
        for action in actions {
            menu_action(ui, *action, document, keymap, queue);
        }
    };
    MenuBar::new().ui(ui, |ui| {
        ui.label(theme::semibold("Lantern"));
        ui.add_space(theme::space::TIGHT);
        ui.menu_button("File", |ui| {
            entries(ui, &[Action::OpenFolder, Action::OpenFiles, Action::OpenPath, Action::OpenSample]);
            recent_menu(ui, settings, queue);
            ui.separator();
            entries(ui, &[Action::CloseAll, Action::Quit]);
        });
        ui.menu_button("Edit", |ui| {
            history_entry(ui, Action::Undo, document.history.undo_title(), document, keymap, queue);
            history_entry(ui, Action::Redo, document.history.redo_title(), document, keymap, queue);
        });
        ui.menu_button("View", |ui| {
            entries(ui, &[Action::ZoomIn, Action::ZoomOut, Action::ZoomFit, Action::ResetView]);
            ui.separator();
            let turns =
                [Action::RotateLeft, Action::RotateRight, Action::FlipHorizontal, Action::FlipVertical];
            entries(ui, &turns);
            ui.separator();
            entries(ui, &[Action::AcquiredPlanes, Action::PatientPlanes]);
            ui.menu_button("Window", |ui| {
                entries(ui, &[Action::WindowAuto, Action::WindowReset, Action::Invert]);
                ui.separator();
                entries(ui, &(0..CT_PRESETS.len() as u8).map(Action::WindowPreset).collect::<Vec<_>>());
            });
            ui.menu_button("Volume", |ui| {
                entries(ui, &AnatomicalPlane::ALL.map(Action::Face));
                ui.separator();
                entries(ui, &VolumeStyle::ALL.map(|(style, _)| Action::VolumeStyle(style)));
                ui.separator();
                entries(ui, &(0..VOLUME_PRESETS.len() as u8).map(Action::VolumePreset).collect::<Vec<_>>());
            });
            ui.separator();
            entries(ui, &[Action::ToggleMaximised, Action::FourUp, Action::ToggleOverlay]);
            entries(ui, &[Action::ToggleStudies, Action::ToggleInspector, Action::ToggleFullScreen]);
        });
        ui.menu_button("Tools", |ui| {
            entries(ui, &Tool::ALL.map(Action::Tool));
            ui.separator();
            entries(
                ui,
                &[
                    Action::InterpolationLinear,
                    Action::InterpolationNearest,
                    Action::ColorProfile,
                    Action::InvertLevelDrag,
                ],
            );
        });
        ui.menu_button("Jobs", |ui| {
            entries(ui, &[Action::ToggleJobs]);
            pipelines::pipelines_menu_ui(ui, document, server, queue);
            ui.separator();
            if !server.session.is_running() {
                entries(ui, &[Action::RetryServer]);
            }
            entries(ui, &[Action::ToggleServer]);
        });
        ui.menu_button("Help", |ui| {
            entries(ui, &[Action::Help, Action::Palette, Action::VerifyWorkstation, Action::About]);
        });
        ui.add_space(theme::space::GROUP);
        let is_open = !document.series.is_empty();
        for tool in Tool::ALL.into_iter().filter(|_| is_open) {
            let action = Action::Tool(tool);
            let hint = format!("{}\n{}", hint(action, keymap), tool.explanation());
            if icon_button(ui, tool_icon(tool), tool.title(), &hint, document.tool == tool).clicked() {
                queue.send(Command::Tool(tool));
            }
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            server::indicator_ui(ui, server, settings.is_jobs_open, keymap, queue);
            if is_open {
                panel_toggles(ui, sides, keymap, document, queue);
            }
            let key = keymap.text(Action::Palette).unwrap_or_default();
            // In narrow windows the tools need the room.
            let words = if ui.available_width() < ROOM_FOR_WORDS { "" } else { "Search commands   " };
            let text = if ui.available_width() < ROOM_FOR_KEY {
                icons::MAGNIFYING_GLASS.to_owned()
            } else {
                format!("{}  {words}{key}", icons::MAGNIFYING_GLASS)
            };
            let button = egui::Button::new(RichText::new(text).color(theme::TEXT_QUIET)).fill(theme::FIELD);
            if ui.add(button).accessible_name("Search commands").clicked() {
                queue.send(Command::App(AppCommand::ShowPalette));
            }
        });
    });
}

fn panel_toggles(ui: &mut Ui, sides: SidePanels, keymap: &KeyMap, document: &Document, queue: &CommandQueue) {
    let toggles = [
        (Action::ToggleInspector, icons::SLIDERS_HORIZONTAL, sides.inspector),
        (Action::ToggleStudies, icons::SIDEBAR_SIMPLE, sides.studies),
    ];
    for (action, glyph, is_open) in toggles {
        if icon_button(ui, glyph, &action.title(), &hint(action, keymap), is_open).clicked()
            && let Some(command) = action.command(document)
        {
            queue.send(command);
        }
    }
}

/// `Undo window`, so that one knows what will be taken back.
fn history_entry(
    ui: &mut Ui,
    action: Action,
    what: Option<&str>,
    document: &Document,
    keymap: &KeyMap,
    queue: &CommandQueue,
) {
    let command = action.command(document);
    let title = what.map_or_else(|| action.title(), |what| format!("{} {what}", action.title()));
    let mut button = egui::Button::new(title).frame_when_inactive(false);
    if let Some(key) = keymap.text(action) {
        button = button.shortcut_text(RichText::new(key).size(theme::size::SMALL).color(theme::TEXT_QUIET));
    }
    if ui.add_enabled(command.is_some(), button).clicked() {
        if let Some(command) = command {
            queue.send(command);
        }
        ui.close();
    }
}

fn recent_menu(ui: &mut Ui, settings: &Settings, queue: &CommandQueue) {
    if settings.recent.is_empty() {
        return;
    }
    ui.menu_button("Open recent", |ui| {
        for recent in &settings.recent {
            let name = recent.path.file_name().map_or_else(Default::default, |n| n.to_string_lossy());
            let button = egui::Button::new(format!("{name}   {}", recent.label)).frame_when_inactive(false);
            if ui.add(button).on_hover_text(recent.path.display().to_string()).clicked() {
                queue.send(Command::File(FileCommand::Open(vec![recent.path.clone()])));
                ui.close();
            }
        }
        ui.separator();
        if ui.add(egui::Button::new("Clear list").frame_when_inactive(false)).clicked() {
            queue.send(Command::File(FileCommand::ForgetRecent));
            ui.close();
        }
    });
}
