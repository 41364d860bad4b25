//! Which key does what: a list that is searched, and a key that is pressed.

use egui::{Button, Event, Grid, RichText, ScrollArea, Ui};
use egui_phosphor::regular as icons;

use super::{prefer, profile_ui};
use crate::command::{Action, Chord, ChordError, CommandQueue, Group, KeyMap, Preference};
use crate::settings::Settings;
use crate::theme;
use crate::widgets::{icon_button, quiet};

/// Width of the names, in points.
const NAME_WIDTH: f32 = 280.0;

/// An action that is to have another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Question {
    action: Action,
    instead_of: Option<Chord>,
}

/// A key that somebody else has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Clash {
    question: Question,
    chord: Chord,
    holder: Action,
}

/// What the page remembers.
#[derive(Debug, Default)]
pub(super) struct KeysState {
    query: String,
    /// Waits for a key.
    question: Option<Question>,
    clash: Option<Clash>,
    refusal: Option<ChordError>,
}

impl KeysState {
    pub(super) fn is_asking(&self) -> bool {
        self.question.is_some()
    }

    pub(super) fn stop_asking(&mut self) {
        (self.question, self.clash, self.refusal) = (None, None, None);
    }

    fn ask(&mut self, question: Question) {
        self.stop_asking();
        self.question = Some(question);
    }

    /// Takes the key that was asked for, before anything else sees it.
    fn take_answer(&mut self, ui: &Ui, keymap: &KeyMap, queue: &CommandQueue) {
        let Some(question) = self.question else { return };
        let mut pressed = None;
        ui.input_mut(|input| {
            input.events.retain(|event| {
                pressed = pressed.or_else(|| Chord::pressed(event));
                !matches!(
                    event,
                    Event::Key { .. } | Event::Text(_) | Event::Copy | Event::Cut | Event::Paste(_)
                )
            });
        });
        let Some(chord) = pressed else { return };
        self.stop_asking();
        match chord.check() {
            Err(ChordError::Escape) => {}
            Err(error) => {
                self.question = Some(question);
                self.refusal = Some(error);
            }
            Ok(chord) => match keymap.holder(chord, question.action) {
                Some(holder) => self.clash = Some(Clash { question, chord, holder }),
                None => bind(question, chord, queue),
            },
        }
    }
}

fn bind(question: Question, chord: Chord, queue: &CommandQueue) {
    let Question { action, instead_of } = question;
    prefer(queue, Preference::BindKey { action, chord, instead_of });
}

/// Draws the page.
pub(super) fn keys_ui(
    ui: &mut Ui,
    settings: &Settings,
    keymap: &KeyMap,
    queue: &CommandQueue,
    state: &mut KeysState,
) {
    state.take_answer(ui, keymap, queue);
    ui.horizontal(|ui| {
        if let Some(profile) = profile_ui(ui, "Keys like", "Key profile", settings.keys.profile()) {
            state.stop_asking();
            prefer(queue, Preference::KeyProfile(profile));
        }
        let reset = ui.add_enabled(settings.keys.has_changes(), Button::new("Reset all keys"));
        if reset.on_hover_text("All keys as the chosen viewer has them").clicked() {
            state.stop_asking();
            prefer(queue, Preference::ResetAllKeys);
        }
    });
    ui.add_space(theme::space::PANEL);
    let field = egui::TextEdit::singleline(&mut state.query)
        .hint_text("Search commands, or type the name of a key")
        .desired_width(f32::INFINITY)
        .margin(egui::Margin::symmetric(8, 6));
    ui.add(field).accessible_name("Search keys");
    ui.add_space(theme::space::TIGHT);
    message_ui(ui, keymap, queue, state);
    ui.add_space(theme::space::TIGHT);
    let query = state.query.trim().to_lowercase();
    let all = Action::all().into_iter().filter(|action| is_found(*action, &query, keymap));
    let all: Vec<Action> = all.collect();
    ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
        for (group, title) in Group::ALL {
            let found: Vec<Action> = all.iter().copied().filter(|action| action.group() == group).collect();
            if found.is_empty() {
                continue;
            }
            ui.label(theme::semibold(title));
            Grid::new(("keys", title)).num_columns(2).spacing([16.0, 4.0]).show(ui, |ui| {
                for action in found {
                    row_ui(ui, action, (settings, keymap), queue, state);
                    ui.end_row();
                }
            });
            ui.add_space(theme::space::GROUP);
        }
        if all.is_empty() {
            quiet(ui, "No command has these letters, or this key.");
        }
    });
}

fn is_found(action: Action, query: &str, keymap: &KeyMap) -> bool {
    action.title().to_lowercase().contains(query)
        || keymap.chords(action).any(|chord| chord.text().to_lowercase() == query)
}

/// What is asked for, what is refused, and which keys have two meanings.
fn message_ui(ui: &mut Ui, keymap: &KeyMap, queue: &CommandQueue, state: &mut KeysState) {
    if let Some(question) = state.question {
        let text = format!("Press the new key for “{}”. Esc leaves it as it is.", question.action.title());
        ui.label(RichText::new(text).color(theme::ACCENT));
    }
    if let Some(refusal) = state.refusal {
        warning_ui(ui, &format!("{refusal}."));
    }
    if let Some(clash) = state.clash {
        warning_ui(ui, &format!("{} already means “{}”.", clash.chord.text(), clash.holder.title()));
        ui.horizontal(|ui| {
            let take = format!("Use it for “{}”", clash.question.action.title());
            if ui.button(take).accessible_name("Take the key over").clicked() {
                bind(clash.question, clash.chord, queue);
                state.stop_asking();
            }
            if ui.button("Another key").clicked() {
                state.ask(clash.question);
            }
            if ui.button("Leave it").clicked() {
                state.stop_asking();
            }
        });
    }
    for (first, second) in keymap.conflicts() {
        let (key, has, lacks) = (first.text(), first.action.title(), second.action.title());
        warning_ui(ui, &format!("{key} is given to “{has}” and to “{lacks}”; it does the first."));
    }
}

fn warning_ui(ui: &mut Ui, text: &str) {
    ui.horizontal_wrapped(|ui| {
        ui.label(theme::icon(icons::WARNING).color(theme::WARNING));
        ui.label(text);
    });
}

fn row_ui(
    ui: &mut Ui,
    action: Action,
    (settings, keymap): (&Settings, &KeyMap),
    queue: &CommandQueue,
    state: &mut KeysState,
) {
    let title = action.title();
    ui.scope(|ui| {
        ui.set_min_width(NAME_WIDTH);
        ui.label(&title);
    });
    ui.push_id(action.id(), |ui| {
        ui.horizontal(|ui| {
            let chords: Vec<Chord> = keymap.chords(action).collect();
            if action == Action::Cancel {
                // The way out is the same everywhere.
                for chord in chords {
                    quiet(ui, &chord.text());
                }
                return;
            }
            for chord in chords {
                chord_ui(ui, (action, &title), chord, queue, state);
            }
            let question = Question { action, instead_of: None };
            let is_asked = state.question == Some(question);
            let name = format!("Add a key for {title}");
            if icon_button(ui, icons::PLUS, &name, "Add a key", is_asked).clicked() {
                state.ask(question);
            }
            if settings.keys.is_changed(action) {
                let (name, hint) = (format!("Reset keys of {title}"), "As the chosen viewer has it");
                if icon_button(ui, icons::ARROW_COUNTER_CLOCKWISE, &name, hint, false).clicked() {
                    state.stop_asking();
                    prefer(queue, Preference::ResetKeys(action));
                }
            }
        });
    });
}

fn chord_ui(
    ui: &mut Ui,
    (action, title): (Action, &str),
    chord: Chord,
    queue: &CommandQueue,
    state: &mut KeysState,
) {
    let text = chord.text();
    let question = Question { action, instead_of: Some(chord) };
    let is_asked = state.question == Some(question);
    let button = Button::new(if is_asked { "Press a key" } else { &text });
    let button = button.selected(is_asked).min_size(egui::vec2(36.0, 24.0));
    let response = ui.add(button).on_hover_text("Change this key");
    if response.accessible_name(format!("Change {text} of {title}")).clicked() {
        state.ask(question);
    }
    let name = format!("Remove {text} from {title}");
    if icon_button(ui, icons::X, &name, "Remove this key", false).clicked() {
        state.stop_asking();
        prefer(queue, Preference::UnbindKey { action, chord });
    }
}
