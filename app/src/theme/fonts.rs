//! One family in two weights, and one icon set.

use std::sync::Arc;

use egui::{FontData, FontDefinitions, FontFamily, RichText};

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
