//! One family in two weights, and one icon set.

use std::collections::BTreeSet;
use std::sync::Arc;

use egui::{FontData, FontDefinitions, FontFamily, RichText};
use skrifa::{FontRef, MetadataProvider};

use crate::tasks::SystemFont;

static REGULAR: &[u8] = include_bytes!("../../../assets/fonts/IBMPlexSans-Regular.ttf");
static SEMIBOLD: &[u8] = include_bytes!("../../../assets/fonts/IBMPlexSans-SemiBold.ttf");

/// The family of the heavier weight.
pub(super) fn semibold_family() -> FontFamily {
    FontFamily::Name("semibold".into())
}

/// Text in the heavier weight.
pub fn semibold(text: impl Into<String>) -> RichText {
    RichText::new(text).family(semibold_family())
}

/// An icon of the set, as text.
pub fn icon(glyph: &str) -> RichText {
    RichText::new(glyph).size(16.0)
}

/// Letters of `text` that the bundled font does not have.
pub fn missing_letters<'a>(texts: impl IntoIterator<Item = &'a str>) -> BTreeSet<char> {
    let Ok(font) = FontRef::new(REGULAR) else { return BTreeSet::new() };
    let charmap = font.charmap();
    let letters = texts.into_iter().flat_map(str::chars).filter(|c| !c.is_ascii() && !c.is_control());
    letters.filter(|c| charmap.map(*c).is_none()).collect()
}

/// The bundled fonts, and after them fonts of the system for what those do not have.
pub(super) fn definitions_with(system: &[SystemFont]) -> FontDefinitions {
    let mut fonts = definitions();
    for (i, font) in system.iter().enumerate() {
        let name = format!("system {i} {}", font.name);
        let data = FontData { index: font.index, ..FontData::from_owned(font.data.to_vec()) };
        fonts.font_data.insert(name.clone(), Arc::new(data));
        for stack in fonts.families.values_mut() {
            stack.push(name.clone());
        }
    }
    fonts
}

pub(super) fn definitions() -> FontDefinitions {
    let mut fonts = FontDefinitions::empty();
    let mut add = |name: &str, data: FontData| {
        fonts.font_data.insert(name.to_owned(), Arc::new(data));
    };
    add("plex", FontData::from_static(REGULAR));
    add("plex-semibold", FontData::from_static(SEMIBOLD));
    add("icons", FontData::from_static(egui_phosphor::Variant::Regular.font_bytes()));
    let stack = |first: &str| vec![first.to_owned(), "icons".to_owned(), "plex".to_owned()];
    fonts.families.insert(FontFamily::Proportional, stack("plex"));
    fonts.families.insert(FontFamily::Monospace, stack("plex"));
    fonts.families.insert(semibold_family(), stack("plex-semibold"));
    fonts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_other_scripts_are_missing_and_european_ones_are_not() {
        assert_eq!(missing_letters(["Müller^Zoë", "Łukasz", "Иванов", "−12 °"]), BTreeSet::new());
        assert_eq!(missing_letters(["Yamada^Tarou=山田^太郎"]), "山田太郎".chars().collect());
    }
}
