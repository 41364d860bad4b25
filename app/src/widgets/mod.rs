//! Reusable parts of panels.

use egui::{Button, DragValue, Response, RichText, Ui};

use crate::command::{Action, CommandQueue, KeyMap};
use crate::document::Document;
use crate::text;
use crate::theme;

/// A menu entry for an action, with its key; greyed where it makes no sense now.
pub fn menu_action(ui: &mut Ui, action: Action, document: &Document, keymap: &KeyMap, queue: &CommandQueue) {
    let command = action.command(document);
    let mut button = Button::new(action.title()).frame_when_inactive(false);
    if let Some(key) = keymap.text(action) {
        button = button.shortcut_text(RichText::new(key).size(theme::size::SMALL).color(theme::TEXT_QUIET));
    }
    if ui.add_enabled(command.is_some(), button).clicked() {
        if let Some(command) = command {
            queue.send(command);
        }
        ui.close();
    }
}

/// An icon button; the tooltip names the action and its key.
pub fn icon_button(ui: &mut Ui, glyph: &str, name: &str, hint: &str, is_selected: bool) -> Response {
    let color = if is_selected { theme::ACCENT } else { theme::TEXT };
    let button = Button::new(theme::icon(glyph).color(color))
        .min_size(theme::ICON_BUTTON)
        .selected(is_selected)
        .frame_when_inactive(is_selected);
    ui.add(button).on_hover_text(hint).accessible_name(name)
}

/// Name and key of an action, for a tooltip.
pub fn hint(action: Action, keymap: &KeyMap) -> String {
    keymap.text(action).map_or_else(|| action.title(), |key| format!("{}   {key}", action.title()))
}

/// A number that is dragged or typed; returns the new value while it changes.
pub fn number_field(ui: &mut Ui, name: &str, value: f64, options: NumberOptions<'_>) -> Option<f64> {
    let mut edited = value;
    let decimals = options.decimals;
    let field = DragValue::new(&mut edited)
        .speed(options.speed)
        .range(options.range.clone())
        .suffix(options.suffix.to_owned())
        .custom_formatter(move |v, _| text::number(v, decimals))
        .custom_parser(text::parse_number)
        .update_while_editing(false)
        .min_size(egui::vec2(options.width, 22.0));
    let response = ui.add(field).accessible_name(name);
    // A field that is only entered and left gives back what it showed, rounded.
    let shown = |v| text::number(v, decimals);
    (response.changed() && shown(edited) != shown(value)).then_some(edited)
}

/// How a number field behaves.
pub struct NumberOptions<'a> {
    /// Change per point of dragging.
    pub speed: f64,
    /// Allowed values.
    pub range: std::ops::RangeInclusive<f64>,
    /// Digits after the point.
    pub decimals: usize,
    /// Unit behind the number.
    pub suffix: &'a str,
    /// Width in points.
    pub width: f32,
}

/// A quiet label in front of a control or value.
pub fn quiet(ui: &mut Ui, text: &str) -> Response {
    ui.label(RichText::new(text).color(theme::TEXT_QUIET))
}

/// One of several choices; returns whether it was chosen anew. Tests and screen readers find it as `group name`.
pub fn choice(ui: &mut Ui, group: &str, name: &str, hint: &str, is_current: bool) -> bool {
    let response = ui.selectable_label(is_current, name);
    let response = if hint.is_empty() { response } else { response.on_hover_text(hint) };
    response.accessible_name(format!("{group} {name}")).clicked() && !is_current
}

/// A row of facts: quiet name left, value right of it.
pub fn fact(ui: &mut Ui, name: &str, value: &str) {
    quiet(ui, name);
    ui.add(egui::Label::new(value).truncate().selectable(true)).on_hover_text(value);
    ui.end_row();
}

/// A section that folds, with a semibold title.
pub fn section(ui: &mut Ui, title: &str, is_open: bool, content: impl FnOnce(&mut Ui)) {
    egui::CollapsingHeader::new(theme::semibold(title)).id_salt(title).default_open(is_open).show_unindented(
        ui,
        |ui| {
            ui.add_space(2.0);
            content(ui);
            ui.add_space(theme::space::PANEL);
        },
    );
}
