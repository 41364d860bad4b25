//! The command palette: type a few letters, press Enter.

use egui::{Key, Modal, Modifiers, RichText, ScrollArea, Ui};

use crate::command::{Action, AppCommand, Command, CommandQueue, KeyMap};
use crate::document::Document;
use crate::theme;

/// What the palette remembers while open.
#[derive(Debug, Default)]
pub struct PaletteState {
    query: String,
    selected: usize,
}

/// How well `text` matches the letters of `query` in order; higher is better, `None` if they are not all there.
///
/// Letters at the start of words and in a row count more, long texts a little less.
pub fn fuzzy_score(query: &str, text: &str) -> Option<i32> {
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let mut score = 0;
    let mut at = 0;
    let mut previous: Option<usize> = None;
    for wanted in query.to_lowercase().chars().filter(|c| !c.is_whitespace()) {
        let found = at + text.get(at..)?.iter().position(|c| *c == wanted)?;
        let starts_word = found == 0 || text.get(found - 1).is_some_and(|c| !c.is_alphanumeric());
        score += if starts_word { 8 } else { 1 };
        if previous.is_some_and(|p| p + 1 == found) {
            score += 5;
        }
        previous = Some(found);
        at = found + 1;
    }
    Some(score * 4 - text.len() as i32 / 8)
}

fn matches(query: &str) -> Vec<Action> {
    let mut scored: Vec<(i32, Action)> =
        Action::all().into_iter().filter_map(|a| Some((fuzzy_score(query, &a.title())?, a))).collect();
    if !query.trim().is_empty() {
        scored.sort_by_key(|(score, _)| -score);
    }
    scored.into_iter().map(|(_, action)| action).collect()
}

/// Draws the palette over everything.
pub fn palette_ui(
    ctx: &egui::Context,
    document: &Document,
    keymap: &KeyMap,
    queue: &CommandQueue,
    state: &mut PaletteState,
) {
    let close = || queue.send(Command::App(AppCommand::CloseOverlay));
    let response = Modal::new(egui::Id::unique("palette")).frame(theme::dialog_frame()).show(ctx, |ui| {
        ui.set_width(460.0);
        let field = egui::TextEdit::singleline(&mut state.query)
            .hint_text("Search commands")
            .desired_width(f32::INFINITY)
            .margin(egui::Margin::symmetric(8, 6));
        let edit = ui.add(field).accessible_name("Command to search for");
        edit.request_focus();
        if edit.changed() {
            state.selected = 0;
        }
        let found = matches(&state.query);
        let is_pressed = |key| ui.input_mut(|i| i.consume_key(Modifiers::NONE, key));
        if is_pressed(Key::ArrowDown) {
            state.selected = (state.selected + 1).min(found.len().saturating_sub(1));
        }
        if is_pressed(Key::ArrowUp) {
            state.selected = state.selected.saturating_sub(1);
        }
        let is_entered = ui.input(|i| i.key_pressed(Key::Enter));
        ui.add_space(theme::space::TIGHT);
        ScrollArea::vertical().max_height(360.0).auto_shrink([false, true]).show(ui, |ui| {
            for (i, action) in found.iter().enumerate() {
                let is_selected = i == state.selected;
                let is_chosen =
                    row_ui(ui, *action, is_selected, document, keymap) || (is_selected && is_entered);
                if let (true, Some(command)) = (is_chosen, action.command(document)) {
                    close();
                    queue.send(command);
                }
            }
            if found.is_empty() {
                ui.label(RichText::new("No command has these letters.").color(theme::TEXT_QUIET));
            }
        });
    });
    if response.should_close() {
        close();
    }
}

fn row_ui(ui: &mut Ui, action: Action, is_selected: bool, document: &Document, keymap: &KeyMap) -> bool {
    let is_possible = action.command(document).is_some();
    let color = if is_possible { theme::TEXT } else { theme::TEXT_QUIET };
    let mut button = egui::Button::new(RichText::new(action.title()).color(color))
        .selected(is_selected)
        .frame_when_inactive(is_selected)
        .min_size(egui::vec2(ui.available_width(), 24.0));
    let key = keymap.text(action).unwrap_or_default();
    let note = if is_possible { key } else { "not now".to_owned() };
    button = button.right_text(RichText::new(note).size(theme::size::SMALL).color(theme::TEXT_QUIET));
    let response = ui.add(button).accessible_name(action.title());
    if is_selected {
        response.scroll_to_me(None);
    }
    response.clicked()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_letters_find_the_obvious_command_first() {
        let first = |q: &str| matches(q).first().map(|a| a.title());
        assert_eq!(first("lung").as_deref(), Some("Window: Lung"));
        assert_eq!(first("flip h").as_deref(), Some("Flip horizontally"));
        assert_eq!(first("undo").as_deref(), Some("Undo"));
        assert!(matches("zzzz").is_empty());
        assert_eq!(matches("").len(), Action::all().len());
    }
}
