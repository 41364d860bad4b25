//! The self-test as a table: what was checked, how far off it was, whether that is good enough.

use egui::{Grid, Modal, ProgressBar, RichText, ScrollArea, Ui};
use egui_phosphor::regular as icons;
use selftest::{Outcome, Report, Status};

use crate::command::{AppCommand, Command, CommandQueue};
use crate::tasks::Task;
use crate::theme;

/// Draws the dialog.
pub fn verification_ui(ctx: &egui::Context, task: &Task<Report>, queue: &CommandQueue) {
    let send = |command| queue.send(Command::App(command));
    let response =
        Modal::new(egui::Id::unique("verification")).frame(theme::dialog_frame()).show(ctx, |ui| {
            let size = ctx.content_rect().size();
            ui.set_width(880.0f32.min(size.x - 64.0));
            ui.heading("Verify this workstation");
            let text = "Phantoms with known answers are written, read, measured and drawn on this machine.";
            ui.label(RichText::new(text).color(theme::TEXT_QUIET));
            ui.add_space(theme::space::PANEL);
            state_ui(ui, task);
            ui.add_space(theme::space::PANEL);
            if let Some(report) = task.value() {
                // Heading, state and buttons keep their place.
                let height = size.y - 220.0;
                let table = ScrollArea::both().max_height(height).min_scrolled_height(height);
                table.show(ui, |ui| table_ui(ui, report));
                ui.add_space(theme::space::GROUP);
            }
            ui.horizontal(|ui| {
                if task.progress().is_some() {
                    if ui.button("Cancel").clicked() {
                        send(AppCommand::CancelVerification);
                    }
                } else if ui.button("Run again").clicked() {
                    send(AppCommand::VerifyWorkstation);
                }
                if let Some(report) = task.value()
                    && ui.button("Copy report").clicked()
                {
                    ctx.copy_text(report.text());
                }
                if ui.button("Close").clicked() {
                    send(AppCommand::CloseOverlay);
                }
            });
        });
    if response.should_close() {
        send(AppCommand::CloseOverlay);
    }
}

fn state_ui(ui: &mut Ui, task: &Task<Report>) {
    match task {
        Task::Idle => {
            ui.label("Stopped before the end.");
        }
        Task::Pending { progress, .. } => {
            ui.label(format!("Check {} of {}", progress.done() + 1, progress.total().max(1)));
            let share = progress.fraction().unwrap_or(0.0);
            ui.add(ProgressBar::new(share).desired_width(280.0).desired_height(6.0).fill(theme::ACCENT));
        }
        Task::Failed { message, .. } => {
            ui.horizontal(|ui| {
                ui.label(theme::icon(icons::WARNING_CIRCLE).color(theme::DANGER));
                ui.label(&message.what);
            });
            ui.label(RichText::new(&message.advice).color(theme::TEXT_QUIET));
            ui.label(RichText::new(&message.detail).size(theme::size::SMALL));
        }
        Task::Ready(report) => {
            let (glyph, color, words) = if report.is_passed() {
                (icons::CHECK_CIRCLE, theme::GOOD, "This workstation reads, measures and draws correctly.")
            } else {
                (icons::X_CIRCLE, theme::DANGER, "Do not rely on this workstation: a check failed.")
            };
            ui.horizontal(|ui| {
                ui.label(theme::icon(glyph).color(color));
                ui.label(theme::semibold(words));
            });
            let adapter = report.adapter.as_ref().map_or_else(
                || "no graphics adapter was checked".to_owned(),
                |adapter| format!("graphics adapter {adapter}"),
            );
            ui.label(RichText::new(format!("{}; {adapter}", report.summary())).color(theme::TEXT_QUIET));
        }
    }
}

fn table_ui(ui: &mut Ui, report: &Report) {
    Grid::new("checks").num_columns(4).spacing([16.0, 4.0]).show(ui, |ui| {
        // What needs attention comes first.
        let order = [Status::Failed, Status::Passed, Status::Skipped];
        for status in order {
            report.outcomes.iter().filter(|o| o.status == status).for_each(|outcome| row_ui(ui, outcome));
        }
    });
}

fn row_ui(ui: &mut Ui, outcome: &Outcome) {
    let (glyph, color, word) = match outcome.status {
        Status::Passed => (icons::CHECK_CIRCLE, theme::GOOD, "Passed"),
        Status::Failed => (icons::X_CIRCLE, theme::DANGER, "Failed"),
        Status::Skipped => (icons::MINUS_CIRCLE, theme::TEXT_QUIET, "Skipped"),
    };
    ui.horizontal(|ui| {
        ui.label(theme::icon(glyph).color(color));
        ui.label(word);
    });
    ui.label(&outcome.name);
    ui.label(outcome.result_text());
    ui.label(RichText::new(outcome.what).color(theme::TEXT_QUIET));
    ui.end_row();
}
