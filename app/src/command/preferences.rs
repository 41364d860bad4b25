//! Changes of the preferences, as values.

use super::{Action, Chord, InputProfile, MouseEffect, MouseGesture};

/// Sizes of the interface that are offered, as shares of the screen's own.
pub const INTERFACE_SCALES: [f32; 5] = [1.0, 1.25, 1.5, 1.75, 2.0];

/// One preference and its new value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Preference {
    /// Whose keys hold where nothing was changed.
    KeyProfile(InputProfile),
    /// A key for an action; whoever had it loses it.
    BindKey {
        /// What it is to do.
        action: Action,
        /// The key.
        chord: Chord,
        /// The key of the action that it replaces, if any.
        instead_of: Option<Chord>,
    },
    /// An action loses a key.
    UnbindKey {
        /// The action.
        action: Action,
        /// The key.
        chord: Chord,
    },
    /// An action has the keys of the profile again.
    ResetKeys(Action),
    /// All actions have the keys of the profile again.
    ResetAllKeys,
    /// Whose mouse holds where nothing was changed.
    MouseProfile(InputProfile),
    /// What a gesture does.
    Mouse(MouseGesture, MouseEffect),
    /// The mouse is as the profile has it.
    ResetMouse,
    /// Size of the interface, as a share of the screen's own.
    InterfaceScale(f32),
    /// Dragging up lowers brightness instead of raising it.
    InvertedLevelDrag(bool),
    /// The patient's left is on the left of the screen.
    Neurological(bool),
    /// Corner texts are drawn.
    CornerTexts(bool),
    /// Series of one frame of reference scroll together.
    Linked(bool),
}
