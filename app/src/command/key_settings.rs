//! Which keys a person wants: a profile, and what they changed of it.

use std::collections::BTreeMap;

use egui::{Key, Modifiers};
use imaging::measurement::DrawingKind;
use serde::{Deserialize, Serialize};

use super::{Action, Binding, Chord, InputProfile, KeyMap};
use crate::document::Tool;

/// Keys that a profile has besides, or instead of, the default ones: they replace all keys of their actions, and whoever
/// has such a key by default loses it.
fn own_bindings(profile: InputProfile) -> Vec<Binding> {
    use Action as A;
    const NONE: Modifiers = Modifiers::NONE;
    const CTRL: Modifiers = Modifiers::COMMAND;
    const SHIFT: Modifiers = Modifiers::SHIFT;
    const ALT: Modifiers = Modifiers::ALT;
    let bind = Binding::new;
    match profile {
        InputProfile::Lantern => Vec::new(),
        // Its windows come in another order: soft tissue, lung, liver, bone, brain.
        InputProfile::Ohif => vec![
            bind(NONE, Key::Num3, A::WindowPreset(5)),
            bind(NONE, Key::Num4, A::WindowPreset(2)),
            bind(NONE, Key::Num5, A::WindowPreset(3)),
            bind(NONE, Key::Num6, A::WindowPreset(4)),
        ],
        // Escape resets there; here it leaves what is being done, so the reset has a key beside Space.
        InputProfile::Weasis => {
            const DIGITS: [Key; 7] =
                [Key::Num3, Key::Num4, Key::Num5, Key::Num6, Key::Num7, Key::Num8, Key::Num9];
            let mut own = vec![
                bind(NONE, Key::Num1, A::FileWindow(0)),
                bind(NONE, Key::Num2, A::FileWindow(1)),
                bind(NONE, Key::Space, A::ToggleOverlay),
                bind(NONE, Key::I, A::ToggleOverlay),
                bind(SHIFT, Key::I, A::Invert),
                bind(SHIFT, Key::Space, A::ResetView),
                bind(ALT, Key::L, A::RotateLeft),
                bind(ALT, Key::R, A::RotateRight),
                bind(ALT, Key::F, A::FlipHorizontal),
                bind(CTRL, Key::Plus, A::ZoomIn),
                bind(CTRL, Key::Equals, A::ZoomIn),
                bind(CTRL, Key::Minus, A::ZoomOut),
                bind(CTRL, Key::Enter, A::ZoomFit),
            ];
            own.extend(DIGITS.into_iter().zip(0u8..).map(|(key, n)| bind(NONE, key, A::WindowPreset(n))));
            own
        }
        InputProfile::Radiant => vec![
            bind(NONE, Key::L, A::Tool(Tool::Draw(DrawingKind::Length))),
            bind(SHIFT, Key::R, A::RotateLeft),
        ],
        InputProfile::Slicer => vec![
            bind(NONE, Key::R, A::ResetView),
            bind(NONE, Key::ArrowRight, A::NextSlice),
            bind(NONE, Key::F, A::NextSlice),
            bind(NONE, Key::ArrowDown, A::NextSlice),
            bind(NONE, Key::ArrowLeft, A::PreviousSlice),
            bind(NONE, Key::B, A::PreviousSlice),
            bind(NONE, Key::ArrowUp, A::PreviousSlice),
            bind(CTRL, Key::ArrowRight, A::NextViewport),
            bind(CTRL, Key::ArrowLeft, A::PreviousViewport),
            bind(SHIFT, Key::R, A::RotateRight),
            bind(SHIFT, Key::L, A::RotateLeft),
            bind(ALT, Key::B, A::Tool(Tool::Draw(DrawingKind::Text))),
        ],
    }
}

fn bindings_of(profile: InputProfile) -> Vec<Binding> {
    let own = own_bindings(profile);
    let is_replaced = |b: &Binding| own.iter().any(|o| o.action == b.action || o.chord.is_same_as(b.chord));
    let mut bindings: Vec<Binding> =
        KeyMap::default().bindings().iter().filter(|b| !is_replaced(b)).copied().collect();
    bindings.extend(own);
    bindings
}

/// A profile, and all keys of those actions that a person changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "SavedKeys", into = "SavedKeys")]
pub struct KeySettings {
    profile: InputProfile,
    changes: Vec<(Action, Vec<Chord>)>,
}

impl KeySettings {
    /// What holds where nothing was changed.
    pub fn profile(&self) -> InputProfile {
        self.profile
    }

    /// Follows another profile; what a person changed stays, and may then clash with it.
    pub fn set_profile(&mut self, profile: InputProfile) {
        self.profile = profile;
        let of_profile = KeyMap::new(bindings_of(profile));
        self.changes.retain(|(action, chords)| !of_profile.chords(*action).eq(chords.iter().copied()));
    }

    /// The keys as they are. What a person chose comes first, and so has the key where both claim one.
    pub fn map(&self) -> KeyMap {
        let own = self.changes.iter();
        let mut bindings: Vec<Binding> = own
            .flat_map(|(action, chords)| {
                chords.iter().map(move |chord| Binding { chord: *chord, action: *action })
            })
            .collect();
        bindings.extend(bindings_of(self.profile).into_iter().filter(|b| !self.is_changed(b.action)));
        KeyMap::new(bindings)
    }

    /// Whether a person changed the keys of an action.
    pub fn is_changed(&self, action: Action) -> bool {
        self.changes.iter().any(|(changed, _)| *changed == action)
    }

    /// Whether anything differs from the profile.
    pub fn has_changes(&self) -> bool {
        !self.changes.is_empty()
    }

    /// Gives a key to an action, in the place of another key or besides those it has; whoever had it loses it.
    pub fn bind(&mut self, action: Action, chord: Chord, instead_of: Option<Chord>) {
        let Ok(chord) = chord.check() else { return };
        if action == Action::Cancel {
            return;
        }
        while let Some(holder) = self.map().holder(chord, action) {
            self.unbind(holder, chord);
        }
        let mut chords: Vec<Chord> = self.map().chords(action).filter(|c| !c.is_same_as(chord)).collect();
        let place = instead_of.and_then(|old| chords.iter().position(|c| c.is_same_as(old)));
        match place.and_then(|i| chords.get_mut(i)) {
            Some(old) => *old = chord,
            None => chords.push(chord),
        }
        self.set(action, chords);
    }

    /// Takes a key from an action.
    pub fn unbind(&mut self, action: Action, chord: Chord) {
        let chords = self.map().chords(action).filter(|c| !c.is_same_as(chord)).collect();
        self.set(action, chords);
    }

    /// Gives an action the keys of the profile again. A key that another action was given in the meantime stays there.
    pub fn reset(&mut self, action: Action) {
        let of_profile = KeyMap::new(bindings_of(self.profile));
        let is_free = |chord: &Chord| {
            !self.changes.iter().any(|(a, own)| *a != action && own.iter().any(|c| c.is_same_as(*chord)))
        };
        let chords = of_profile.chords(action).filter(is_free).collect();
        self.set(action, chords);
    }

    /// All keys as the profile has them.
    pub fn reset_all(&mut self) {
        self.changes.clear();
    }

    fn set(&mut self, action: Action, chords: Vec<Chord>) {
        self.changes.retain(|(changed, _)| *changed != action);
        let of_profile = KeyMap::new(bindings_of(self.profile));
        if !of_profile.chords(action).eq(chords.iter().copied()) {
            self.changes.push((action, chords));
        }
    }
}

/// [`KeySettings`] as saved: names instead of values.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct SavedKeys {
    profile: InputProfile,
    changes: BTreeMap<String, Vec<String>>,
}

impl From<SavedKeys> for KeySettings {
    /// Actions and keys of other versions are left out.
    fn from(saved: SavedKeys) -> Self {
        let mut settings = Self { profile: saved.profile, changes: Vec::new() };
        for (id, keys) in &saved.changes {
            let action = Action::from_id(id).filter(|action| *action != Action::Cancel);
            let chords: Vec<Chord> =
                keys.iter().filter_map(|key| key.parse::<Chord>().and_then(Chord::check).ok()).collect();
            // An action whose keys are all unknown keeps those of the profile.
            if let (Some(action), true) = (action, keys.is_empty() || !chords.is_empty()) {
                settings.set(action, chords);
            }
        }
        settings
    }
}

impl From<KeySettings> for SavedKeys {
    fn from(settings: KeySettings) -> Self {
        let saved = |chords: &[Chord]| chords.iter().map(|chord| chord.saved()).collect();
        let changes = settings.changes.iter().map(|(action, chords)| (action.id(), saved(chords)));
        Self { profile: settings.profile, changes: changes.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Action = Action::Tool(Tool::Draw(DrawingKind::Length));
    const F: Chord = Chord::new(Modifiers::NONE, Key::F);
    const D: Chord = Chord::new(Modifiers::NONE, Key::D);
    const I: Chord = Chord::new(Modifiers::NONE, Key::I);

    fn of(profile: InputProfile) -> KeySettings {
        let mut settings = KeySettings::default();
        settings.set_profile(profile);
        settings
    }

    #[test]
    fn no_profile_gives_a_key_two_meanings_and_all_keep_the_way_out() {
        for profile in InputProfile::ALL {
            let map = of(profile).map();
            assert_eq!(map.conflicts(), [], "{}", profile.name());
            assert_eq!(map.action(Key::Escape, Modifiers::NONE), Some(Action::Cancel));
            for action in [Action::Help, Action::Preferences, Action::Undo, Action::ResetView, Action::Invert]
            {
                assert!(map.text(action).is_some(), "{} has a key in {}", action.title(), profile.name());
            }
            for binding in map.bindings().iter().filter(|b| b.action != Action::Cancel) {
                assert!(binding.chord.check().is_ok(), "{} in {}", binding.text(), profile.name());
            }
        }
        assert_eq!(of(InputProfile::Lantern).map(), KeyMap::default());
    }

    #[test]
    fn profiles_change_what_keys_mean() {
        let action = |profile, key| of(profile).map().action(key, Modifiers::NONE);
        assert_eq!(action(InputProfile::Slicer, Key::R), Some(Action::ResetView));
        assert_eq!(action(InputProfile::Weasis, Key::Num3), Some(Action::WindowPreset(0)));
        assert_eq!(action(InputProfile::Weasis, Key::Num1), Some(Action::FileWindow(0)));
        assert_eq!(action(InputProfile::Ohif, Key::Num4), Some(Action::WindowPreset(2)));
        assert_eq!(action(InputProfile::Radiant, Key::L), Some(LENGTH));
    }

    #[test]
    fn a_key_that_is_taken_over_leaves_its_holder() {
        let mut settings = KeySettings::default();
        assert_eq!(settings.map().holder(I, LENGTH), Some(Action::Invert));
        settings.bind(LENGTH, I, Some(D));
        let map = settings.map();
        assert_eq!(map.action(Key::I, Modifiers::NONE), Some(LENGTH));
        assert_eq!(map.action(Key::D, Modifiers::NONE), None);
        assert_eq!(map.text(Action::Invert), None);
        assert_eq!(map.conflicts(), []);
        // What has gone elsewhere is not fetched back by a reset.
        settings.reset(Action::Invert);
        assert_eq!(settings.map().text(Action::Invert), None);
        settings.reset(LENGTH);
        settings.reset(Action::Invert);
        assert_eq!(settings, KeySettings::default());
    }

    #[test]
    fn several_keys_may_mean_one_thing_and_each_is_taken_away_alone() {
        let mut settings = KeySettings::default();
        settings.bind(LENGTH, F, None);
        assert_eq!(settings.map().chords(LENGTH).collect::<Vec<_>>(), [D, F]);
        settings.unbind(LENGTH, D);
        assert_eq!(settings.map().chords(LENGTH).collect::<Vec<_>>(), [F]);
        settings.unbind(LENGTH, F);
        assert!(settings.map().text(LENGTH).is_none() && settings.is_changed(LENGTH));
        settings.bind(Action::Cancel, F, None);
        settings.bind(LENGTH, Chord::new(Modifiers::NONE, Key::Escape), None);
        assert_eq!(settings.map().action(Key::Escape, Modifiers::NONE), Some(Action::Cancel));
        settings.reset_all();
        assert_eq!(settings.map(), KeyMap::default());
    }

    #[test]
    fn another_profile_may_clash_with_a_persons_own_keys_and_that_is_found() {
        let mut settings = KeySettings::default();
        settings.bind(LENGTH, F, None);
        settings.set_profile(InputProfile::Slicer);
        let map = settings.map();
        let conflicts = map.conflicts();
        let [(winner, loser)] = conflicts.as_slice() else { panic!("{conflicts:?}") };
        assert_eq!((winner.action, loser.action), (LENGTH, Action::NextSlice));
        assert_eq!(map.action(Key::F, Modifiers::NONE), Some(LENGTH), "the person's own key wins");
    }

    #[test]
    fn keys_are_kept_by_name_and_what_other_versions_know_is_left_out() {
        let mut settings = of(InputProfile::Weasis);
        settings.bind(LENGTH, Chord::new(Modifiers::COMMAND, Key::Plus), Some(D));
        settings.unbind(Action::Palette, Chord::new(Modifiers::COMMAND, Key::K));
        let text = serde_json::to_string(&settings).unwrap();
        assert!(text.contains(r#""tool-length":["Ctrl+Plus"]"#), "{text}");
        let read: KeySettings = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (read.map().action(Key::Plus, Modifiers::COMMAND), read.profile()),
            (Some(LENGTH), settings.profile())
        );
        assert_eq!(read.map().text(Action::Palette), None);
        let strange = r#"{"profile":"acme","later":1,"changes":{"brew-coffee":["C"],"invert":["Hyper+Q"],
            "tool-length":["F","Escape"],"cancel":["A"]}}"#;
        let read: KeySettings = serde_json::from_str(strange).unwrap();
        let mut expected = KeySettings::default();
        expected.bind(LENGTH, F, Some(D));
        assert_eq!(read, expected);
    }
}
