//! The look, chosen once: colours, type sizes, spacing and widget visuals. Nothing else names a colour or a size.
//!
//! A reading room: the pixels of the images are the brightest thing on the screen, so the chrome is a neutral dark
//! grey, text is quiet, and one accent marks selection and focus.

mod colors;
mod fonts;

use std::collections::BTreeMap;

use egui::{CornerRadius, FontId, Margin, Stroke, Style, TextStyle, Vec2, Visuals, vec2};

pub use colors::*;
pub use fonts::{icon, missing_letters, semibold};

/// Sizes of text in points.
pub mod size {
    /// Overlays, captions, key hints.
    pub const SMALL: f32 = 11.0;
    /// Everything that is read.
    pub const BODY: f32 = 12.5;
    /// Section titles.
    pub const HEADING: f32 = 14.0;
    /// The start page's title.
    pub const TITLE: f32 = 18.0;
}

/// Spacing on a 4-point grid.
pub mod space {
    /// Between parts of one control.
    pub const TIGHT: f32 = 4.0;
    /// Inside panels and between controls.
    pub const PANEL: f32 = 8.0;
    /// Between groups.
    pub const GROUP: f32 = 12.0;
}

/// The style of 18-point titles.
pub fn title_style() -> TextStyle {
    TextStyle::Name("title".into())
}

/// Installs fonts, colours and widget visuals. Call once, before the first frame.
pub fn install(ctx: &egui::Context) {
    ctx.set_fonts(fonts::definitions());
    ctx.set_theme(egui::Theme::Dark);
    ctx.set_style_of(egui::Theme::Dark, style());
    ctx.set_style_of(egui::Theme::Light, style());
}

/// Adds fonts of the system, behind the bundled ones.
pub fn add_fonts(ctx: &egui::Context, system: &[crate::tasks::SystemFont]) {
    ctx.set_fonts(fonts::definitions_with(system));
}

fn style() -> Style {
    let mut style = Style { visuals: visuals(), animation_time: 0.08, ..Style::default() };
    style.text_styles = BTreeMap::from([
        (TextStyle::Small, FontId::proportional(size::SMALL)),
        (TextStyle::Body, FontId::proportional(size::BODY)),
        (TextStyle::Button, FontId::proportional(size::BODY)),
        (TextStyle::Monospace, FontId::proportional(size::BODY)),
        (TextStyle::Heading, FontId::new(size::HEADING, fonts::semibold_family())),
        (title_style(), FontId::new(size::TITLE, fonts::semibold_family())),
    ]);
    style.drag_value_text_style = TextStyle::Body;
    let s = &mut style.spacing;
    s.item_spacing = vec2(space::PANEL, space::TIGHT);
    s.button_padding = vec2(8.0, 4.0);
    s.interact_size = vec2(24.0, 24.0);
    s.menu_margin = Margin::same(4);
    s.window_margin = Margin::same(12);
    s.indent = 12.0;
    s.icon_width = 14.0;
    s.icon_spacing = 6.0;
    s.combo_width = 80.0;
    s.tooltip_width = 320.0;
    s.scroll.floating = true;
    s.scroll.bar_width = 8.0;
    style.interaction.selectable_labels = false;
    style.interaction.tooltip_delay = 0.4;
    style
}

fn visuals() -> Visuals {
    let mut v = Visuals::dark();
    let radius = CornerRadius::same(3);
    let widget = |fill, text, line| egui::style::WidgetVisuals {
        bg_fill: fill,
        weak_bg_fill: fill,
        bg_stroke: line,
        corner_radius: radius,
        fg_stroke: Stroke::new(1.0, text),
        expansion: 0.0,
    };
    v.widgets.noninteractive = widget(CHROME, TEXT, Stroke::new(1.0, LINE));
    v.widgets.inactive = widget(CONTROL, TEXT, Stroke::NONE);
    v.widgets.hovered = widget(CONTROL_HOVERED, TEXT, Stroke::NONE);
    v.widgets.active = widget(CONTROL_PRESSED, TEXT, Stroke::NONE);
    v.widgets.open = widget(CONTROL_HOVERED, TEXT, Stroke::NONE);
    v.selection.bg_fill = SELECTION;
    v.selection.stroke = Stroke::new(1.0, ACCENT);
    v.weak_text_color = Some(TEXT_QUIET);
    v.hyperlink_color = ACCENT;
    v.panel_fill = CHROME;
    v.window_fill = RAISED;
    v.window_stroke = Stroke::new(1.0, LINE);
    v.window_corner_radius = CornerRadius::same(6);
    v.menu_corner_radius = CornerRadius::same(4);
    v.extreme_bg_color = FIELD;
    v.text_edit_bg_color = Some(FIELD);
    v.faint_bg_color = RAISED;
    v.code_bg_color = FIELD;
    v.warn_fg_color = WARNING;
    v.error_fg_color = DANGER;
    v.popup_shadow.spread = 0;
    v.window_shadow.spread = 0;
    v.indent_has_left_vline = false;
    v.collapsing_header_frame = false;
    v
}

/// Frame of a side panel. The window's background shows through: filling large areas twice is what costs time where a
/// processor draws the window.
pub fn panel_frame() -> egui::Frame {
    egui::Frame::new().inner_margin(Margin::same(space::PANEL as i8))
}

/// Frame of the menu and status bars.
pub fn bar_frame() -> egui::Frame {
    egui::Frame::new().inner_margin(Margin::symmetric(8, 2))
}

/// Frame of dialogs over the window.
pub fn dialog_frame() -> egui::Frame {
    egui::Frame::new()
        .fill(RAISED)
        .stroke(Stroke::new(1.0, LINE))
        .corner_radius(6)
        .inner_margin(Margin::same(16))
}

/// Smallest comfortable square button.
pub const ICON_BUTTON: Vec2 = vec2(24.0, 24.0);
