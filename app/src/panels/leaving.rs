//! Closing the window while jobs are not over: says what becomes of them.

use egui::Modal;

use crate::command::{AppCommand, Command, CommandQueue};
use crate::theme;

/// Draws the dialog.
pub fn leaving_ui(ctx: &egui::Context, unfinished: usize, queue: &CommandQueue) {
    let send = |command| queue.send(Command::App(command));
    let response = Modal::new(egui::Id::unique("leaving")).frame(theme::dialog_frame()).show(ctx, |ui| {
        ui.set_width(400.0);
        ui.heading(match unfinished {
            1 => "1 job is not over".to_owned(),
            n => format!("{n} jobs are not over"),
        });
        ui.add_space(theme::space::PANEL);
        ui.label(
            "Steps that are at work go on without the window; those after them wait. Nothing is lost: Lantern takes \
             the jobs up again when it is started next.",
        );
        ui.add_space(theme::space::GROUP);
        ui.horizontal(|ui| {
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
