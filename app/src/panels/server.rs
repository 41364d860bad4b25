//! Where the server stands: the mark at the right end of the menu bar, and its states in the list of jobs.

use egui::{Color32, RichText, Sense, Ui, vec2};
use egui_phosphor::regular as icons;

use crate::command::{Action, AppCommand, Command, CommandQueue, JobsCommand, KeyMap, PanelKind};
use crate::console::{Session, View};
use crate::text;
use crate::theme;
use crate::widgets::hint;

/// Room that the words of the mark need, in points.
const ROOM_FOR_WORDS: f32 = 240.0;

/// A sign for a session: its shape says as much as its colour.
fn sign(session: &Session) -> (Sign, Color32) {
    match session {
        Session::Off => (Sign::Glyph(icons::CIRCLE), theme::TEXT_QUIET),
        Session::Starting => (Sign::Glyph(icons::CIRCLE_DASHED), theme::TEXT_QUIET),
        Session::Running(_) => (Sign::Dot, theme::GOOD),
        Session::InUse => (Sign::Glyph(icons::LOCK_KEY), theme::WARNING),
        Session::Lost { .. } => (Sign::Glyph(icons::WARNING), theme::WARNING),
        Session::Failed(_) => (Sign::Glyph(icons::X_CIRCLE), theme::DANGER),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    /// A filled circle.
    Dot,
    Glyph(&'static str),
}

fn sign_ui(ui: &mut Ui, session: &Session) {
    let (sign, color) = sign(session);
    match sign {
        Sign::Dot => {
            let (rect, _) = ui.allocate_exact_size(vec2(10.0, 16.0), Sense::hover());
            ui.painter().circle_filled(rect.center(), 4.0, color);
        }
        Sign::Glyph(glyph) => {
            ui.label(RichText::new(glyph).size(14.0).color(color));
        }
    }
}

/// The mark in the menu bar; a click shows or hides the jobs.
pub fn indicator_ui(ui: &mut Ui, server: &View, is_open: bool, keymap: &KeyMap, queue: &CommandQueue) {
    ui.scope(|ui| mark_ui(ui, server, is_open, keymap, queue));
}

fn mark_ui(ui: &mut Ui, server: &View, is_open: bool, keymap: &KeyMap, queue: &CommandQueue) {
    let session = &server.session;
    let (sign, color) = sign(session);
    // A space for the dot, which is no letter.
    let glyph = if let Sign::Glyph(glyph) = sign { glyph } else { "   " };
    let mut text = egui::text::LayoutJob::default();
    let mut add = |part: &str, color| {
        let format = egui::TextFormat::simple(egui::FontId::proportional(theme::size::BODY), color);
        text.append(part, 0.0, format);
    };
    let has_words = ui.available_width() >= ROOM_FOR_WORDS;
    if has_words {
        add("server  ", theme::TEXT_QUIET);
    }
    add(glyph, color);
    if has_words {
        add("  ", color);
        add(session.word(), theme::TEXT);
    }
    let jobs = match server.unfinished_jobs() {
        0 => String::new(),
        1 => "\n1 job is not over.".to_owned(),
        n => format!("\n{n} jobs are not over."),
    };
    let tooltip = format!("{}{jobs}\n{}", session.sentence(), hint(Action::ToggleJobs, keymap));
    let button = egui::Button::new(text).selected(is_open).frame_when_inactive(is_open);
    // As roomy as the search field beside it.
    ui.spacing_mut().button_padding.x = theme::space::PANEL;
    let response = ui.add(button).on_hover_text(tooltip);
    if sign == Sign::Dot {
        // In the gap between the words, or in the middle of a button without any.
        let after = if has_words { width_of(ui, "server  ") } else { 0.0 };
        let left = response.rect.left() + ui.spacing().button_padding.x + after;
        let center = egui::pos2(left + width_of(ui, "   ") / 2.0, response.rect.center().y);
        ui.painter().circle_filled(center, 4.0, color);
    }
    if response.accessible_name(format!("Server {}", session.word())).clicked() {
        queue.send(Command::App(AppCommand::TogglePanel(PanelKind::Jobs)));
    }
}

fn width_of(ui: &Ui, text: &str) -> f32 {
    let font = egui::FontId::proportional(theme::size::BODY);
    ui.painter().layout_no_wrap(text.to_owned(), font, theme::TEXT).size().x
}

/// One line that says what is not as it should be, with the next step; nothing while all is well.
pub fn trouble_ui(ui: &mut Ui, server: &View, queue: &CommandQueue) {
    let session = &server.session;
    if session.is_running() {
        return;
    }
    let since = session.stale_since().map(|since| {
        let time = text::clock(since, std::time::SystemTime::now());
        format!(" What is listed is as of {time}.")
    });
    ui.horizontal_wrapped(|ui| {
        sign_ui(ui, session);
        ui.label(format!("{}{}", session.sentence(), since.unwrap_or_default()));
        next_step_ui(ui, session, queue);
    });
    detail_ui(ui, session);
}

/// The state of the server where there is nothing else to show.
pub fn state_ui(ui: &mut Ui, server: &View, queue: &CommandQueue) {
    let session = &server.session;
    ui.horizontal(|ui| {
        sign_ui(ui, session);
        let sentence =
            if let Session::Failed(message) = session { message.what.clone() } else { session.sentence() };
        ui.label(theme::semibold(sentence));
    });
    if let Session::Failed(message) = session {
        ui.label(RichText::new(&message.advice).color(theme::TEXT_QUIET));
    }
    ui.add_space(theme::space::TIGHT);
    next_step_ui(ui, session, queue);
    detail_ui(ui, session);
}

fn detail_ui(ui: &mut Ui, session: &Session) {
    let detail = match session {
        Session::Failed(message) => &message.detail,
        Session::Lost { reason, .. } => reason,
        _ => return,
    };
    if detail.is_empty() {
        return;
    }
    ui.collapsing("Details", |ui| {
        let detail = RichText::new(detail).size(theme::size::SMALL);
        ui.add(egui::Label::new(detail).selectable(true).wrap());
    });
}

fn next_step_ui(ui: &mut Ui, session: &Session, queue: &CommandQueue) {
    let step = match session {
        Session::Off => Some(("Switch on", JobsCommand::ToggleServer)),
        Session::InUse | Session::Lost { .. } | Session::Failed(_) => Some(("Try again", JobsCommand::Retry)),
        Session::Starting | Session::Running(_) => None,
    };
    if let Some((words, command)) = step
        && ui.button(words).clicked()
    {
        queue.send(Command::Jobs(command));
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::console::Place;
    use crate::text::UserMessage;

    #[test]
    fn every_state_has_its_own_word_and_a_shape_or_word_beside_its_colour() {
        let all = [
            Session::Off,
            Session::Starting,
            Session::Running(Place::Embedded),
            Session::Running(Place::OtherWindow),
            Session::InUse,
            Session::Lost { since: SystemTime::now(), reason: String::new() },
            Session::Failed(UserMessage::default()),
        ];
        for (i, session) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|other| other.word() != session.word()), "{}", session.word());
            let is_alike = |other: &&Session| sign(other).0 == sign(session).0;
            let alike = all.iter().filter(is_alike).count();
            assert_eq!(alike, if session.is_running() { 2 } else { 1 }, "{}", session.word());
        }
    }
}
