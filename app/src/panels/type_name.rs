//! Names a file where the desktop has no dialog to offer.

use egui::{Key, Modal, TextEdit};

use crate::command::{AppCommand, Command, CommandQueue, FileCommand, FilePurpose, NamedFile};
use crate::theme;

/// Draws the dialog; nothing that exists is replaced by a name that was typed.
pub fn type_name_ui(ctx: &egui::Context, purpose: FilePurpose, name: &mut String, queue: &CommandQueue) {
    let response = Modal::new(egui::Id::unique("type name")).frame(theme::dialog_frame()).show(ctx, |ui| {
        ui.set_width(460.0);
        ui.heading(purpose.title());
        ui.add_space(theme::space::PANEL);
        let field = TextEdit::singleline(name)
            .hint_text(purpose.hint())
            .desired_width(f32::INFINITY)
            .margin(egui::Margin::symmetric(8, 6));
        let field = ui.add(field).accessible_name("Path of the file");
        let is_entered = field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
        let path = name.trim();
        if is_entered && !path.is_empty() {
            let file = NamedFile { purpose, path: path.into(), may_replace: false };
            queue.send(Command::File(FileCommand::Named(file)));
        }
        if !field.lost_focus() {
            field.request_focus();
        }
    });
    if response.should_close() {
        queue.send(Command::App(AppCommand::CloseOverlay));
    }
}
