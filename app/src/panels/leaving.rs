//! Closing the window while jobs are not over, or drawings are in no session: says what becomes of them.

use egui::Modal;

use crate::command::{AppCommand, Command, CommandQueue, FileCommand};
use crate::theme;

/// What would be left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unfinished {
    /// Jobs that are not over.
    pub jobs: usize,
    /// Drawings that no session holds.
    pub drawings: usize,
}

/// Draws the dialog.
pub fn leaving_ui(ctx: &egui::Context, unfinished: Unfinished, queue: &CommandQueue) {
    let send = |command| queue.send(Command::App(command));
    let Unfinished { jobs, drawings } = unfinished;
    let response = Modal::new(egui::Id::unique("leaving")).frame(theme::dialog_frame()).show(ctx, |ui| {
        ui.set_width(400.0);
        if drawings > 0 {
            ui.heading(match drawings {
                1 => "1 measurement is in no session".to_owned(),
                n => format!("{n} measurements are in no session"),
            });
            ui.add_space(theme::space::PANEL);
            ui.label("What is drawn is gone once the window is closed, unless a session is saved or it is exported.");
            ui.add_space(theme::space::PANEL);
        }
        if jobs > 0 || drawings == 0 {
            ui.heading(match jobs {
                1 => "1 job is not over".to_owned(),
                n => format!("{n} jobs are not over"),
            });
            ui.add_space(theme::space::PANEL);
            ui.label(
                "Steps that are at work go on without the window; those after them wait. Nothing is lost: Lantern \
                 takes the jobs up again when it is started next.",
            );
        }
        ui.add_space(theme::space::GROUP);
        ui.horizontal(|ui| {
            if drawings > 0 && ui.button("Save session…").clicked() {
                send(AppCommand::CloseOverlay);
                queue.send(Command::File(FileCommand::SaveSession));
            }
            if ui.button("Quit").clicked() {
                send(AppCommand::QuitAnyway);
            }
            let stay = ui.button("Stay");
            if stay.clicked() {
                send(AppCommand::CloseOverlay);
            }
        });
    });
    if response.should_close() {
        send(AppCommand::CloseOverlay);
    }
}
