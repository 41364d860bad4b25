//! What drags, the wheel and a double click do: data, as the keys are.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::InputProfile;

/// A button of the mouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the buttons name themselves")]
pub enum MouseButton {
    Left,
    Middle,
    Right,
}

/// What is held with a button; Shift counts if both are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the keys name themselves")]
pub enum Held {
    Nothing,
    Shift,
    Ctrl,
}

/// A button that is held down and moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Press {
    /// Which.
    pub button: MouseButton,
    /// With what.
    pub held: Held,
}

impl Press {
    /// All of them, in the order of the preferences.
    pub fn all() -> impl Iterator<Item = Self> {
        [MouseButton::Left, MouseButton::Middle, MouseButton::Right].into_iter().flat_map(|button| {
            [Held::Nothing, Held::Shift, Held::Ctrl].into_iter().map(move |held| Self { button, held })
        })
    }

    /// Whether it is the button that draws.
    pub fn is_plain_left(self) -> bool {
        self == Self { button: MouseButton::Left, held: Held::Nothing }
    }

    /// E.g. `Shift+left drag`.
    pub fn name(self) -> String {
        let button = match self.button {
            MouseButton::Left => "left",
            MouseButton::Middle => "middle",
            MouseButton::Right => "right",
        };
        match self.held {
            Held::Nothing => format!("{button} drag"),
            Held::Shift => format!("Shift+{button} drag"),
            Held::Ctrl => format!("Ctrl+{button} drag"),
        }
    }

    fn id(self) -> String {
        self.name().to_lowercase().replace([' ', '+'], "-")
    }
}

/// Something that the mouse does and that can be given a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MouseGesture {
    /// A drag over a slice.
    Slice(Press),
    /// A drag over the volume.
    Volume(Press),
    /// The wheel over a slice.
    Wheel,
    /// The wheel over a slice, with Ctrl.
    CtrlWheel,
    /// A double click on any viewport.
    DoubleClick,
}

/// What a gesture does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "`name` says what each does")]
pub enum MouseEffect {
    Tool,
    Window,
    Pan,
    Zoom,
    Scroll,
    Rotate,
    Roll,
    Maximise,
    Fit,
    Nothing,
}

impl MouseEffect {
    /// All of them, in the order of menus and of the help sheet.
    pub const ALL: [Self; 10] = [
        Self::Tool,
        Self::Window,
        Self::Rotate,
        Self::Pan,
        Self::Zoom,
        Self::Scroll,
        Self::Roll,
        Self::Maximise,
        Self::Fit,
        Self::Nothing,
    ];

    /// In sentence case.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tool => "Active tool",
            Self::Window => "Window",
            Self::Pan => "Pan",
            Self::Zoom => "Zoom",
            Self::Scroll => "Scroll",
            Self::Rotate => "Turn",
            Self::Roll => "Roll",
            Self::Maximise => "Maximise or restore the viewport",
            Self::Fit => "Fit to viewport",
            Self::Nothing => "Nothing",
        }
    }

    fn id(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Window => "window",
            Self::Pan => "pan",
            Self::Zoom => "zoom",
            Self::Scroll => "scroll",
            Self::Rotate => "rotate",
            Self::Roll => "roll",
            Self::Maximise => "maximise",
            Self::Fit => "fit",
            Self::Nothing => "nothing",
        }
    }
}

impl MouseGesture {
    /// All of them.
    pub fn all() -> impl Iterator<Item = Self> {
        let drags = Press::all().map(Self::Slice).chain(Press::all().map(Self::Volume));
        drags.chain([Self::Wheel, Self::CtrlWheel, Self::DoubleClick])
    }

    /// What it can do.
    pub fn choices(self) -> &'static [MouseEffect] {
        use MouseEffect as E;
        match self {
            Self::Slice(_) => &[E::Tool, E::Window, E::Pan, E::Zoom, E::Scroll, E::Nothing],
            Self::Volume(_) => &[E::Rotate, E::Pan, E::Zoom, E::Roll, E::Nothing],
            Self::Wheel | Self::CtrlWheel => &[E::Scroll, E::Zoom, E::Nothing],
            Self::DoubleClick => &[E::Maximise, E::Fit, E::Nothing],
        }
    }

    fn id(self) -> String {
        match self {
            Self::Slice(press) => format!("slice-{}", press.id()),
            Self::Volume(press) => format!("volume-{}", press.id()),
            Self::Wheel => "wheel".to_owned(),
            Self::CtrlWheel => "ctrl-wheel".to_owned(),
            Self::DoubleClick => "double-click".to_owned(),
        }
    }

    fn initial(self, profile: InputProfile) -> MouseEffect {
        use {InputProfile as P, MouseEffect as E};
        match (profile, self) {
            (P::Slicer, Self::Slice(press)) if press.is_plain_left() => E::Window,
            // The right button has the menu, and nothing else.
            (P::Weasis, Self::Slice(press) | Self::Volume(press)) if press.button == MouseButton::Right => {
                E::Nothing
            }
            (P::Weasis, Self::DoubleClick) => E::Nothing,
            (_, Self::Slice(press) | Self::Volume(press)) if press.button == MouseButton::Middle => E::Pan,
            (_, Self::Slice(press) | Self::Volume(press)) if press.button == MouseButton::Right => E::Zoom,
            (_, Self::Slice(press) | Self::Volume(press)) if press.held == Held::Shift => E::Pan,
            (_, Self::Slice(press)) if press.held == Held::Ctrl => E::Zoom,
            (_, Self::Volume(press)) if press.held == Held::Ctrl => E::Roll,
            (_, Self::Slice(_)) => E::Tool,
            (_, Self::Volume(_)) => E::Rotate,
            (_, Self::Wheel) => E::Scroll,
            (_, Self::CtrlWheel) => E::Zoom,
            (_, Self::DoubleClick) => E::Maximise,
        }
    }
}

/// What each gesture does: a profile, and what a person changed.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "SavedMouse", into = "SavedMouse")]
pub struct MouseMap {
    profile: InputProfile,
    changes: BTreeMap<MouseGesture, MouseEffect>,
}

impl MouseMap {
    /// What holds where nothing was changed.
    pub fn profile(&self) -> InputProfile {
        self.profile
    }

    /// Follows another profile; what a person changed stays.
    pub fn set_profile(&mut self, profile: InputProfile) {
        self.profile = profile;
        self.changes.retain(|gesture, effect| gesture.initial(profile) != *effect);
    }

    /// What a gesture does.
    pub fn effect(&self, gesture: MouseGesture) -> MouseEffect {
        self.changes.get(&gesture).copied().unwrap_or_else(|| gesture.initial(self.profile))
    }

    /// Gives a gesture another meaning; does nothing if it cannot have it.
    pub fn set(&mut self, gesture: MouseGesture, effect: MouseEffect) {
        if effect == gesture.initial(self.profile) {
            self.changes.remove(&gesture);
        } else if gesture.choices().contains(&effect) {
            self.changes.insert(gesture, effect);
        }
    }

    /// Whether anything differs from the profile.
    pub fn is_changed(&self) -> bool {
        !self.changes.is_empty()
    }

    /// As the profile has it.
    pub fn reset(&mut self) {
        self.changes.clear();
    }

    /// Drags that have an effect, as words: `Shift+left drag, middle drag`; empty if there are none.
    pub fn drags(&self, effect: MouseEffect, of: fn(Press) -> MouseGesture) -> String {
        let has = |press| self.effect(of(press)) == effect;
        let names: Vec<String> = Press::all()
            .filter(|press| has(*press))
            // Where Shift and Ctrl change nothing, they are not worth words.
            .filter(|press| press.held == Held::Nothing || !has(Press { held: Held::Nothing, ..*press }))
            .map(Press::name)
            .collect();
        let text = names.join(", ");
        let mut letters = text.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    }
}

/// A [`MouseMap`] as saved: names instead of numbers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
struct SavedMouse {
    profile: InputProfile,
    changes: BTreeMap<String, String>,
}

impl From<SavedMouse> for MouseMap {
    /// Names of other versions are left out.
    fn from(saved: SavedMouse) -> Self {
        let mut map = Self { profile: saved.profile, changes: BTreeMap::new() };
        for (gesture, effect) in &saved.changes {
            let gesture = MouseGesture::all().find(|g| g.id() == *gesture);
            let effect = MouseEffect::ALL.into_iter().find(|e| e.id() == effect);
            if let (Some(gesture), Some(effect)) = (gesture, effect) {
                map.set(gesture, effect);
            }
        }
        map
    }
}

impl From<MouseMap> for SavedMouse {
    fn from(map: MouseMap) -> Self {
        let changes = map.changes.iter().map(|(gesture, effect)| (gesture.id(), effect.id().to_owned()));
        Self { profile: map.profile, changes: changes.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEFT: Press = Press { button: MouseButton::Left, held: Held::Nothing };

    #[test]
    fn every_gesture_can_do_what_its_profiles_say() {
        for profile in InputProfile::ALL {
            for gesture in MouseGesture::all() {
                assert!(gesture.choices().contains(&gesture.initial(profile)), "{gesture:?} of {profile:?}");
            }
        }
    }

    #[test]
    fn drags_are_told_in_words() {
        let mut map = MouseMap::default();
        assert_eq!(map.drags(MouseEffect::Tool, MouseGesture::Slice), "Left drag");
        assert_eq!(map.drags(MouseEffect::Pan, MouseGesture::Slice), "Shift+left drag, middle drag");
        assert_eq!(map.drags(MouseEffect::Zoom, MouseGesture::Slice), "Ctrl+left drag, right drag");
        assert_eq!(map.drags(MouseEffect::Zoom, MouseGesture::Volume), "Right drag");
        assert_eq!(map.drags(MouseEffect::Scroll, MouseGesture::Slice), "");
        map.set(MouseGesture::Slice(LEFT), MouseEffect::Scroll);
        assert_eq!(map.drags(MouseEffect::Scroll, MouseGesture::Slice), "Left drag");
        map.set_profile(InputProfile::Weasis);
        assert_eq!(map.drags(MouseEffect::Nothing, MouseGesture::Volume), "Right drag");
    }

    #[test]
    fn changes_are_kept_by_name_and_unknown_names_are_left_out() {
        let mut map = MouseMap::default();
        map.set_profile(InputProfile::Slicer);
        map.set(MouseGesture::Wheel, MouseEffect::Zoom);
        map.set(MouseGesture::Slice(LEFT), MouseEffect::Scroll);
        let text = serde_json::to_string(&map).unwrap();
        assert!(text.contains(r#""slice-left-drag":"scroll""#), "{text}");
        assert_eq!(serde_json::from_str::<MouseMap>(&text).unwrap(), map);
        let strange =
            r#"{"profile":"acme","changes":{"wheel":"explode","sixth-button":"pan","ctrl-wheel":"roll"}}"#;
        assert_eq!(serde_json::from_str::<MouseMap>(strange).unwrap(), MouseMap::default());
    }

    #[test]
    fn what_equals_the_profile_is_no_change() {
        let mut map = MouseMap::default();
        map.set(MouseGesture::Wheel, MouseEffect::Maximise);
        map.set(MouseGesture::Wheel, MouseEffect::Zoom);
        assert!(map.is_changed());
        map.set(MouseGesture::Wheel, MouseEffect::Scroll);
        assert!(!map.is_changed());
    }
}
