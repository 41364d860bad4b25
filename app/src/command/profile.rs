//! Whose habits keys and mouse follow before a person changes them.

use serde::{Deserialize, Serialize};

/// A viewer whose keys, or whose mouse, people know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum InputProfile {
    /// What `docs/manual.md` lists.
    #[default]
    Lantern,
    /// Like the OHIF viewer.
    Ohif,
    /// Like Weasis.
    Weasis,
    /// Like RadiAnt.
    Radiant,
    /// Like 3D Slicer.
    Slicer,
}

impl InputProfile {
    /// In the order of menus.
    pub const ALL: [Self; 5] = [Self::Lantern, Self::Ohif, Self::Weasis, Self::Radiant, Self::Slicer];

    /// As people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lantern => "Lantern",
            Self::Ohif => "OHIF",
            Self::Weasis => "Weasis",
            Self::Radiant => "RadiAnt",
            Self::Slicer => "3D Slicer",
        }
    }

    fn id(self) -> &'static str {
        match self {
            Self::Lantern => "lantern",
            Self::Ohif => "ohif",
            Self::Weasis => "weasis",
            Self::Radiant => "radiant",
            Self::Slicer => "slicer",
        }
    }
}

impl From<String> for InputProfile {
    /// Profiles of other versions become the default.
    fn from(id: String) -> Self {
        Self::ALL.into_iter().find(|profile| profile.id() == id).unwrap_or_default()
    }
}

impl From<InputProfile> for String {
    fn from(profile: InputProfile) -> Self {
        profile.id().to_owned()
    }
}
