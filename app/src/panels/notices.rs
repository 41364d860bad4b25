//! Messages that came up: in the lower right corner, until read or outdated.

use egui::{Align2, Area, Frame, Id, Margin, RichText, Stroke, vec2};
use egui_phosphor::regular as icons;

use crate::command::{AppCommand, Command, CommandQueue, FileCommand};
use crate::text::UserMessage;
use crate::theme;

/// Messages that are kept at once.
const MAX_NOTICES: usize = 4;

/// How grave a notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the levels name themselves")]
pub enum Severity {
    Note,
    Warning,
    Failure,
}

/// One message on screen.
#[derive(Debug, Clone)]
pub struct Notice {
    /// For dismissing it.
    pub id: u64,
    /// How grave.
    pub severity: Severity,
    /// What it says.
    pub message: UserMessage,
    /// What can be done about it: words of a button, and what it sends.
    pub choices: Vec<(&'static str, Command)>,
}

/// The messages on screen.
#[derive(Debug, Default)]
pub struct Notices {
    shown: Vec<Notice>,
    next_id: u64,
}

impl Notices {
    /// Shows a message; the oldest leaves when there are too many, and the same is not shown twice.
    pub fn push(&mut self, severity: Severity, message: UserMessage) {
        self.push_with_choices(severity, message, Vec::new());
    }

    /// [`Self::push`], with buttons; the message leaves when one is chosen.
    pub fn push_with_choices(
        &mut self,
        severity: Severity,
        message: UserMessage,
        choices: Vec<(&'static str, Command)>,
    ) {
        self.shown.retain(|n| n.message != message);
        self.next_id += 1;
        self.shown.push(Notice { id: self.next_id, severity, message, choices });
        if self.shown.len() > MAX_NOTICES {
            self.shown.remove(0);
        }
    }

    /// Takes a message away.
    pub fn dismiss(&mut self, id: u64) {
        self.shown.retain(|n| n.id != id);
    }

    /// Takes messages away that offer what was done in another way.
    pub fn withdraw(&mut self, done: &FileCommand) {
        let offers =
            |(_, command): &(&'static str, Command)| matches!(command, Command::File(c) if c == done);
        self.shown.retain(|n| !n.choices.iter().any(offers));
    }

    /// Takes all messages away; whether there were any.
    pub fn dismiss_all(&mut self) -> bool {
        let had_any = !self.shown.is_empty();
        self.shown.clear();
        had_any
    }

    /// What is on screen.
    pub fn shown(&self) -> &[Notice] {
        &self.shown
    }

    /// Draws the messages.
    pub fn ui(&self, ctx: &egui::Context, queue: &CommandQueue) {
        if self.shown.is_empty() {
            return;
        }
        let area = Area::new(Id::unique("notices")).anchor(Align2::RIGHT_BOTTOM, vec2(-8.0, -32.0));
        area.order(egui::Order::Foreground).show(ctx, |ui| {
            // As wide as the inspector usually is, so that no picture is covered.
            ui.set_max_width(256.0);
            for notice in &self.shown {
                notice_ui(ui, notice, queue);
            }
        });
    }
}

fn notice_ui(ui: &mut egui::Ui, notice: &Notice, queue: &CommandQueue) {
    let (glyph, color) = match notice.severity {
        Severity::Note => (icons::INFO, theme::ACCENT),
        Severity::Warning => (icons::WARNING, theme::WARNING),
        Severity::Failure => (icons::WARNING_CIRCLE, theme::DANGER),
    };
    let frame = Frame::new()
        .fill(theme::RAISED)
        .stroke(Stroke::new(1.0, theme::LINE))
        .corner_radius(4)
        .inner_margin(Margin::same(8));
    frame.show(ui, |ui| {
        ui.horizontal_top(|ui| {
            ui.label(theme::icon(glyph).color(color));
            ui.vertical(|ui| {
                ui.set_width(184.0);
                ui.label(theme::semibold(&notice.message.what));
                ui.label(RichText::new(&notice.message.advice).color(theme::TEXT_QUIET));
                if !notice.message.detail.is_empty() && notice.message.detail != notice.message.what {
                    ui.collapsing("Details", |ui| {
                        let detail = RichText::new(&notice.message.detail).size(theme::size::SMALL);
                        ui.add(egui::Label::new(detail).selectable(true));
                    });
                }
                ui.horizontal_wrapped(|ui| {
                    for (words, command) in &notice.choices {
                        if ui.button(*words).clicked() {
                            queue.send(command.clone());
                            queue.send(Command::App(AppCommand::DismissNotice(notice.id)));
                        }
                    }
                });
            });
            let close = egui::Button::new(theme::icon(icons::X).size(12.0)).frame_when_inactive(false);
            if ui.add(close).on_hover_text("Dismiss   Esc").accessible_name("Dismiss message").clicked() {
                queue.send(Command::App(AppCommand::DismissNotice(notice.id)));
            }
        });
    });
}
