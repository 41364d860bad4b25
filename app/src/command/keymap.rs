//! Which key does what: data, with a check for conflicts; the help sheet is made from it.

use egui::{Event, Key, Modifiers};
use imaging::measurement::DrawingKind;

use super::{Action, Chord};
use crate::document::Tool;

/// A key with modifiers, bound to an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Binding {
    /// The key and what is held with it.
    pub chord: Chord,
    /// What it does.
    pub action: Action,
}

impl Binding {
    /// A key with modifiers that must be held, and no others.
    pub const fn new(modifiers: Modifiers, key: Key, action: Action) -> Self {
        Self { chord: Chord::new(modifiers, key), action }
    }

    /// As printed on menus and in the help sheet, e.g. `Ctrl+Shift+Z`.
    pub fn text(&self) -> String {
        self.chord.text()
    }
}

/// What has the keyboard focus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the kinds name themselves")]
pub enum Focus {
    Nothing,
    Widget,
    Text,
}

/// All bindings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyMap {
    bindings: Vec<Binding>,
}

impl Default for KeyMap {
    fn default() -> Self {
        use Action as A;
        const NONE: Modifiers = Modifiers::NONE;
        const CTRL: Modifiers = Modifiers::COMMAND;
        const SHIFT: Modifiers = Modifiers::SHIFT;
        const ALT: Modifiers = Modifiers::ALT;
        const CTRL_SHIFT: Modifiers = Modifiers { shift: true, ..Modifiers::COMMAND };
        const DIGITS: [Key; 9] = [
            Key::Num1,
            Key::Num2,
            Key::Num3,
            Key::Num4,
            Key::Num5,
            Key::Num6,
            Key::Num7,
            Key::Num8,
            Key::Num9,
        ];
        let bind = Binding::new;
        let mut bindings = vec![
            bind(CTRL, Key::O, A::OpenFolder),
            bind(CTRL_SHIFT, Key::O, A::OpenFiles),
            bind(CTRL, Key::L, A::OpenPath),
            bind(CTRL, Key::Q, A::Quit),
            bind(CTRL, Key::Z, A::Undo),
            bind(CTRL, Key::Y, A::Redo),
            bind(CTRL_SHIFT, Key::Z, A::Redo),
            bind(CTRL, Key::Comma, A::Preferences),
            bind(NONE, Key::Num0, A::WindowAuto),
            bind(NONE, Key::I, A::Invert),
            bind(NONE, Key::ArrowDown, A::NextSlice),
            bind(NONE, Key::ArrowUp, A::PreviousSlice),
            bind(SHIFT, Key::ArrowDown, A::TenSlicesForward),
            bind(SHIFT, Key::ArrowUp, A::TenSlicesBack),
            bind(NONE, Key::Home, A::FirstSlice),
            bind(NONE, Key::End, A::LastSlice),
            bind(NONE, Key::PageDown, A::NextSeries),
            bind(NONE, Key::PageUp, A::PreviousSeries),
            bind(NONE, Key::Plus, A::ZoomIn),
            bind(NONE, Key::Minus, A::ZoomOut),
            bind(NONE, Key::Equals, A::ZoomFit),
            bind(NONE, Key::Space, A::ResetView),
            bind(NONE, Key::R, A::RotateRight),
            bind(NONE, Key::L, A::RotateLeft),
            bind(NONE, Key::H, A::FlipHorizontal),
            bind(NONE, Key::V, A::FlipVertical),
            bind(NONE, Key::O, A::ToggleOverlay),
            bind(NONE, Key::W, A::Tool(Tool::WindowLevel)),
            bind(NONE, Key::S, A::Tool(Tool::Scroll)),
            bind(NONE, Key::T, A::Tool(Tool::Pan)),
            bind(NONE, Key::Z, A::Tool(Tool::Zoom)),
            bind(NONE, Key::X, A::Tool(Tool::Crosshair)),
            bind(NONE, Key::Q, A::Tool(Tool::Oblique)),
            bind(NONE, Key::D, A::Tool(Tool::Draw(DrawingKind::Length))),
            bind(SHIFT, Key::D, A::Tool(Tool::Draw(DrawingKind::Bidirectional))),
            bind(NONE, Key::A, A::Tool(Tool::Draw(DrawingKind::Angle))),
            bind(SHIFT, Key::A, A::Tool(Tool::Draw(DrawingKind::CobbAngle))),
            bind(NONE, Key::B, A::Tool(Tool::Draw(DrawingKind::Text))),
            bind(SHIFT, Key::B, A::Tool(Tool::Draw(DrawingKind::Arrow))),
            bind(NONE, Key::Y, A::Tool(Tool::Draw(DrawingKind::Polyline))),
            bind(NONE, Key::E, A::Tool(Tool::Draw(DrawingKind::Ellipse))),
            bind(SHIFT, Key::E, A::Tool(Tool::Draw(DrawingKind::Rectangle))),
            bind(NONE, Key::G, A::Tool(Tool::Draw(DrawingKind::Freehand))),
            bind(SHIFT, Key::G, A::Tool(Tool::Draw(DrawingKind::Polygon))),
            bind(NONE, Key::P, A::Tool(Tool::Draw(DrawingKind::Probe))),
            bind(NONE, Key::Delete, A::DeleteAnnotation),
            bind(NONE, Key::Backspace, A::DeleteAnnotation),
            bind(CTRL, Key::C, A::CopyAnnotation),
            bind(CTRL, Key::V, A::PasteAnnotation),
            bind(SHIFT, Key::O, A::ToggleAnnotations),
            bind(NONE, Key::M, A::ToggleMasks),
            bind(NONE, Key::N, A::Neurological),
            bind(NONE, Key::ArrowRight, A::NextViewport),
            bind(NONE, Key::ArrowLeft, A::PreviousViewport),
            bind(NONE, Key::Enter, A::ToggleMaximised),
            bind(NONE, Key::F2, A::ToggleStudies),
            bind(NONE, Key::F3, A::ToggleInspector),
            bind(NONE, Key::F4, A::ToggleJobs),
            bind(CTRL, Key::J, A::RunPipeline),
            bind(NONE, Key::F11, A::ToggleFullScreen),
            bind(CTRL, Key::Plus, A::EnlargeInterface),
            // Where Shift makes the plus sign.
            bind(CTRL, Key::Equals, A::EnlargeInterface),
            bind(CTRL, Key::Minus, A::ShrinkInterface),
            bind(CTRL, Key::K, A::Palette),
            bind(NONE, Key::Questionmark, A::Help),
            bind(NONE, Key::F1, A::Help),
            bind(NONE, Key::Escape, A::Cancel),
        ];
        let digits = || DIGITS.into_iter().zip(0u8..);
        bindings.extend(digits().map(|(key, n)| bind(NONE, key, A::WindowPreset(n))));
        bindings.extend(digits().take(4).map(|(key, n)| bind(ALT, key, A::FileWindow(n))));
        Self { bindings }
    }
}

impl KeyMap {
    /// A map of these bindings; where two claim a key, the earlier one has it.
    pub(super) fn new(bindings: Vec<Binding>) -> Self {
        Self { bindings }
    }

    /// All bindings.
    pub fn bindings(&self) -> &[Binding] {
        &self.bindings
    }

    /// The action of a key.
    pub fn action(&self, key: Key, modifiers: Modifiers) -> Option<Action> {
        self.bindings.iter().find(|b| b.chord.matches(key, modifiers)).map(|b| b.action)
    }

    /// All keys of an action.
    pub fn chords(&self, action: Action) -> impl Iterator<Item = Chord> {
        self.bindings.iter().filter(move |b| b.action == action).map(|b| b.chord)
    }

    /// The first key of an action, for menus and tooltips.
    pub fn text(&self, action: Action) -> Option<String> {
        self.chords(action).next().map(Chord::text)
    }

    /// Who else than `action` has this key.
    pub fn holder(&self, chord: Chord, action: Action) -> Option<Action> {
        self.bindings.iter().find(|b| b.chord.is_same_as(chord) && b.action != action).map(|b| b.action)
    }

    /// Pairs of bindings that claim the same key; the first of each pair has it.
    pub fn conflicts(&self) -> Vec<(Binding, Binding)> {
        let pairs = self.bindings.iter().enumerate();
        pairs
            .flat_map(|(i, a)| self.bindings.iter().skip(i + 1).map(move |b| (*a, *b)))
            .filter(|(a, b)| a.chord.is_same_as(b.chord))
            .collect()
    }

    /// Copying, cutting and pasting come from the toolkit as such, not as keys.
    fn of_clipboard(&self, event: &Event) -> Option<Action> {
        match event {
            Event::Copy => self.action(Key::C, Modifiers::COMMAND),
            Event::Cut => self.action(Key::X, Modifiers::COMMAND),
            Event::Paste(_) => self.action(Key::V, Modifiers::COMMAND),
            _ => None,
        }
    }

    /// Takes the keys that are bound out of the input and returns what they mean, in order.
    ///
    /// While text is edited only keys with Ctrl, function keys and Escape are taken; while another widget has the
    /// focus, the keys that operate it stay its own.
    pub fn take_actions(&self, input: &mut egui::InputState, focus: Focus) -> Vec<Action> {
        let mut actions = Vec::new();
        input.events.retain(|event| {
            // Text that is marked is copied by whoever shows it, so the event stays.
            if let (Some(action), true) = (self.of_clipboard(event), focus == Focus::Nothing) {
                actions.push(action);
                return true;
            }
            let Event::Key { key, pressed: true, modifiers, .. } = event else { return true };
            let chord = Chord::new(*modifiers, *key);
            match focus {
                Focus::Text if !chord.reaches_through_text() => return true,
                Focus::Widget if chord.operates_widgets() => return true,
                _ => {}
            }
            match self.action(*key, *modifiers) {
                Some(action) => {
                    actions.push(action);
                    false
                }
                None => true,
            }
        });
        actions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things() {
        assert_eq!(KeyMap::default().conflicts(), []);
        let mut map = KeyMap::default();
        map.bindings.push(Binding::new(Modifiers::SHIFT, Key::Plus, Action::ZoomOut));
        assert_eq!(map.conflicts().len(), 1, "Shift does not make another key of a symbol");
    }

    #[test]
    fn shift_decides_between_undo_and_redo() {
        let map = KeyMap::default();
        let ctrl_shift = Modifiers { shift: true, ..Modifiers::COMMAND };
        assert_eq!(map.action(Key::Z, Modifiers::COMMAND), Some(Action::Undo));
        assert_eq!(map.action(Key::Z, ctrl_shift), Some(Action::Redo));
        assert_eq!(map.action(Key::Z, Modifiers::NONE), Some(Action::Tool(Tool::Zoom)));
        assert_eq!(map.action(Key::Plus, Modifiers::SHIFT), Some(Action::ZoomIn));
    }

    #[test]
    fn every_bound_action_is_in_the_registry_and_titles_are_unique() {
        let all = Action::all();
        for binding in KeyMap::default().bindings() {
            assert!(all.contains(&binding.action), "{:?}", binding.action);
        }
        for (i, action) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|a| a.title() != action.title()), "{}", action.title());
        }
    }
}
