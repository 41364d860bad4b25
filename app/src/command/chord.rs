//! A key together with Ctrl, Alt and Shift: how it is matched, shown and saved.

use std::str::FromStr;

use egui::{Event, Key, Modifiers};

/// A key and the modifiers that are held with it, and no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chord {
    /// Modifiers that must be held.
    pub modifiers: Modifiers,
    /// The key.
    pub key: Key,
}

/// Keys that are typed with Shift on some keyboards and without on others: Shift is ignored for them.
fn is_symbol(key: Key) -> bool {
    matches!(key, Key::Plus | Key::Minus | Key::Equals | Key::Questionmark)
}

/// Keys that mean something in a field of text even while Ctrl is held.
fn edits_text_with_ctrl(key: Key) -> bool {
    matches!(
        key,
        Key::A
            | Key::C
            | Key::H
            | Key::U
            | Key::V
            | Key::W
            | Key::X
            | Key::Y
            | Key::Z
            | Key::ArrowDown
            | Key::ArrowLeft
            | Key::ArrowRight
            | Key::ArrowUp
            | Key::Backspace
            | Key::Delete
            | Key::End
            | Key::Enter
            | Key::Home
            | Key::Insert
            | Key::Space
    )
}

/// Keys that are only held while another is pressed, or that the system keeps for itself.
fn is_no_command(key: Key) -> bool {
    matches!(
        key,
        Key::ShiftLeft
            | Key::ShiftRight
            | Key::ControlLeft
            | Key::ControlRight
            | Key::AltLeft
            | Key::AltRight
            | Key::SuperLeft
            | Key::SuperRight
            | Key::CapsLock
            | Key::NumLock
            | Key::ScrollLock
            | Key::Fn
            | Key::Power
            | Key::Sleep
    )
}

fn is_function_key(key: Key) -> bool {
    key.name().strip_prefix('F').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

/// Why a key cannot be given to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChordError {
    /// Escape leaves dialogs, drawings and this very question.
    #[error("Esc always cancels, so it cannot be given to a command")]
    Escape,
    /// Tab is how the keyboard reaches everything.
    #[error("Tab moves between controls, so it cannot be given to a command")]
    Tab,
    /// Not the name of a key.
    #[error("this is not a key")]
    Unknown,
}

impl Chord {
    /// A key with modifiers.
    pub const fn new(modifiers: Modifiers, key: Key) -> Self {
        Self { modifiers, key }
    }

    /// A key that was pressed, as it would be bound; `None` while only modifiers are held.
    ///
    /// Copying, cutting and pasting come from the toolkit as such, not as keys.
    pub fn pressed(event: &Event) -> Option<Self> {
        match event {
            Event::Copy => Some(Self::new(Modifiers::COMMAND, Key::C)),
            Event::Cut => Some(Self::new(Modifiers::COMMAND, Key::X)),
            Event::Paste(_) => Some(Self::new(Modifiers::COMMAND, Key::V)),
            Event::Key { key, pressed: true, repeat: false, modifiers, .. } if !is_no_command(*key) => {
                Some(Self::new(*modifiers, *key).normalised())
            }
            _ => None,
        }
    }

    /// Whether a person may bind it.
    ///
    /// # Errors
    /// [`ChordError`] for keys that everything else relies on.
    pub fn check(self) -> Result<Self, ChordError> {
        match self.key {
            Key::Escape => Err(ChordError::Escape),
            Key::Tab => Err(ChordError::Tab),
            key if is_no_command(key) => Err(ChordError::Unknown),
            _ => Ok(self),
        }
    }

    /// Only what counts: Ctrl and the command key are one, Shift does not make another key of a symbol.
    fn normalised(self) -> Self {
        let m = self.modifiers;
        let modifiers = Modifiers {
            alt: m.alt,
            shift: m.shift && !is_symbol(self.key),
            command: m.command || m.ctrl,
            ..Modifiers::NONE
        };
        Self { modifiers, ..self }
    }

    /// Whether this key press is meant.
    pub fn matches(self, key: Key, modifiers: Modifiers) -> bool {
        self.normalised() == Self::new(modifiers, key).normalised()
    }

    /// Whether one key press means both.
    pub fn is_same_as(self, other: Self) -> bool {
        self.normalised() == other.normalised()
    }

    /// Whether it is taken even while text is edited or a dialog is open: function keys, Escape, and keys with Ctrl
    /// that no field of text knows.
    pub fn reaches_through_text(self) -> bool {
        let is_with_ctrl = self.modifiers.command && !edits_text_with_ctrl(self.key);
        self.key == Key::Escape || is_function_key(self.key) || is_with_ctrl
    }

    /// Whether buttons and lists that have the focus need the key themselves.
    pub fn operates_widgets(self) -> bool {
        matches!(self.key, Key::Space | Key::Enter | Key::Delete | Key::Backspace)
    }

    fn joined(self, key: &str) -> String {
        let m = self.normalised().modifiers;
        let held = [(m.command, "Ctrl"), (m.alt, "Alt"), (m.shift, "Shift")];
        let mut parts: Vec<&str> =
            held.iter().filter(|(is_held, _)| *is_held).map(|(_, name)| *name).collect();
        parts.push(key);
        parts.join("+")
    }

    /// As printed on menus and in the help sheet, e.g. `Ctrl+Shift+Z`.
    pub fn text(self) -> String {
        self.joined(match self.key {
            Key::ArrowUp => "Up",
            Key::ArrowDown => "Down",
            Key::ArrowLeft => "Left",
            Key::ArrowRight => "Right",
            Key::PageUp => "PgUp",
            Key::PageDown => "PgDn",
            Key::Escape => "Esc",
            Key::Delete => "Del",
            Key::Plus => "+",
            Key::Minus => "−",
            Key::Equals => "=",
            Key::Questionmark => "?",
            Key::Comma => ",",
            Key::Period => ".",
            Key::OpenBracket => "[",
            Key::CloseBracket => "]",
            key => key.name(),
        })
    }

    /// As saved: words only, the same in all versions.
    pub fn saved(self) -> String {
        self.joined(self.key.name())
    }
}

impl FromStr for Chord {
    type Err = ChordError;

    /// Reads what [`Chord::saved`] writes.
    fn from_str(text: &str) -> Result<Self, ChordError> {
        let mut parts: Vec<&str> = text.split('+').collect();
        let key = parts.pop().and_then(Key::from_name).ok_or(ChordError::Unknown)?;
        let mut modifiers = Modifiers::NONE;
        for part in parts {
            match part {
                "Ctrl" => modifiers.command = true,
                "Alt" => modifiers.alt = true,
                "Shift" => modifiers.shift = true,
                _ => return Err(ChordError::Unknown),
            }
        }
        Ok(Self::new(modifiers, key).normalised())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read_back_as_it_was_saved() {
        for key in Key::ALL {
            for modifiers in [Modifiers::NONE, Modifiers::ALT, Modifiers::COMMAND | Modifiers::SHIFT] {
                let chord = Chord::new(modifiers, *key);
                let read: Chord = chord.saved().parse().unwrap_or_else(|e| panic!("{}: {e}", chord.saved()));
                assert!(read.is_same_as(chord), "{}", chord.saved());
            }
        }
        for nonsense in ["", "+", "Ctrl+", "Hyper+A", "Ctrl+Banana", "A+Ctrl"] {
            assert_eq!(nonsense.parse::<Chord>(), Err(ChordError::Unknown), "{nonsense}");
        }
    }

    #[test]
    fn shift_makes_another_key_of_a_letter_but_not_of_a_symbol() {
        let plus = Chord::new(Modifiers::NONE, Key::Plus);
        assert!(plus.matches(Key::Plus, Modifiers::SHIFT));
        assert!(!Chord::new(Modifiers::NONE, Key::D).matches(Key::D, Modifiers::SHIFT));
        assert!(Chord::new(Modifiers::COMMAND, Key::D).matches(Key::D, Modifiers::CTRL));
        assert_eq!(Chord::new(Modifiers::COMMAND, Key::Minus).text(), "Ctrl+−");
    }

    #[test]
    fn keys_that_edit_text_stay_with_the_text() {
        for (modifiers, key, reaches) in [
            (Modifiers::NONE, Key::F3, true),
            (Modifiers::NONE, Key::F, false),
            (Modifiers::NONE, Key::Escape, true),
            (Modifiers::COMMAND, Key::K, true),
            (Modifiers::COMMAND, Key::Comma, true),
            (Modifiers::COMMAND, Key::Z, false),
            (Modifiers::ALT, Key::Num1, false),
        ] {
            assert_eq!(Chord::new(modifiers, key).reaches_through_text(), reaches, "{key:?}");
        }
    }

    #[test]
    fn what_everything_relies_on_cannot_be_bound() {
        assert_eq!(Chord::new(Modifiers::NONE, Key::Escape).check(), Err(ChordError::Escape));
        assert_eq!(Chord::new(Modifiers::SHIFT, Key::Tab).check(), Err(ChordError::Tab));
        let held = Event::Key {
            key: Key::ShiftLeft,
            physical_key: None,
            pressed: true,
            repeat: false,
            modifiers: Modifiers::SHIFT,
        };
        assert_eq!(Chord::pressed(&held), None);
    }
}
