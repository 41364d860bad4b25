//! Which pipeline runs on the active series: a dialog, and the same list as a menu.

use egui::{Button, Modal, RichText, ScrollArea, Ui};

use crate::command::{AppCommand, Command, CommandQueue, JobsCommand};
use crate::console::View;
use crate::document::Document;
use crate::panels::server;
use crate::theme;

/// Draws the dialog.
pub fn pipelines_ui(ctx: &egui::Context, document: &Document, view: &View, queue: &CommandQueue) {
    let close = || queue.send(Command::App(AppCommand::CloseOverlay));
    let response = Modal::new(egui::Id::unique("pipelines")).frame(theme::dialog_frame()).show(ctx, |ui| {
        ui.set_width(420.0);
        ui.heading("Run a pipeline on this series");
        if let Some(series) = document.active_series() {
            ui.label(RichText::new(series.title()).color(theme::TEXT_QUIET));
        }
        ui.add_space(theme::space::PANEL);
        if !view.session.is_running() {
            server::state_ui(ui, view, queue);
        } else if view.pipelines.is_empty() {
            none_ui(ui);
        } else {
            ScrollArea::vertical().max_height(320.0).auto_shrink([false, true]).show(ui, |ui| {
                for pipeline in &view.pipelines {
                    let width = ui.available_width();
                    let button = Button::new(&pipeline.name).min_size(egui::vec2(width, 28.0));
                    let response = ui.add(button).accessible_name(format!("Run {}", pipeline.name));
                    if response.clicked() {
                        close();
                        queue.send(Command::Jobs(JobsCommand::Run(pipeline.id)));
                    }
                }
            });
        }
        ui.add_space(theme::space::GROUP);
        if ui.button("Close").clicked() {
            close();
        }
    });
    if response.should_close() {
        close();
    }
}

fn none_ui(ui: &mut Ui) {
    ui.label("The server has no pipelines.");
    let advice = "Store one with: lantern create pipelines -p FILE --server unix:SOCKET";
    ui.label(RichText::new(advice).color(theme::TEXT_QUIET));
}

/// The pipelines as entries of a menu.
pub fn pipelines_menu_ui(ui: &mut Ui, document: &Document, view: &View, queue: &CommandQueue) {
    let can_run = view.session.is_running() && document.active_series().is_some();
    ui.add_enabled_ui(can_run && !view.pipelines.is_empty(), |ui| {
        ui.menu_button("Run on this series", |ui| {
            for pipeline in &view.pipelines {
                let button = Button::new(&pipeline.name).frame_when_inactive(false);
                if ui.add(button).accessible_name(format!("Run {}", pipeline.name)).clicked() {
                    queue.send(Command::Jobs(JobsCommand::Run(pipeline.id)));
                    ui.close();
                }
            }
        });
    })
    .response
    .on_disabled_hover_text(if !view.session.is_running() {
        view.session.sentence()
    } else if view.pipelines.is_empty() {
        "The server has no pipelines.".to_owned()
    } else {
        "Open a series first.".to_owned()
    });
}
