//! The list of regions over a series: what they are, how large, how they are drawn.

use egui::{RichText, Sense, Slider, Ui, vec2};
use egui_phosphor::regular as icons;

use crate::command::{Command, CommandQueue, MaskCommand};
use crate::document::{Document, MaskLook, MaskRegion, Masks, Series};
use crate::text;
use crate::theme;
use crate::widgets::{icon_button, quiet};

/// Draws all sets of regions over a series.
pub(super) fn masks_ui(ui: &mut Ui, series: &Series, document: &Document, queue: &CommandQueue) {
    for masks in document.masks_of(series.key) {
        let Some(look) = document.workspace.mask_looks.get(&masks.key) else { continue };
        set_ui(ui, series, masks, look, queue);
        ui.add_space(theme::space::TIGHT);
    }
}

fn set_ui(ui: &mut Ui, series: &Series, masks: &Masks, look: &MaskLook, queue: &CommandQueue) {
    let send = |command| queue.send(Command::Mask(command));
    ui.horizontal(|ui| {
        let (glyph, what) = if look.is_visible { (icons::EYE, "Hide") } else { (icons::EYE_SLASH, "Show") };
        if icon_button(ui, glyph, &format!("{what} {}", masks.title), what, false).clicked() {
            send(MaskCommand::Toggle(masks.key));
        }
        ui.add(egui::Label::new(&masks.title).truncate()).on_hover_text(masks.kind);
    });
    for (name, value) in [("Fill", look.fill_opacity), ("Outline", look.outline_opacity)] {
        ui.horizontal(|ui| {
            quiet(ui, name);
            let mut percent = (value * 100.0).round();
            let slider = Slider::new(&mut percent, 0.0..=100.0).suffix(" %").trailing_fill(true);
            let response = ui.add(slider).accessible_name(format!("{name} of {}", masks.title));
            if response.changed() {
                let opacity = percent / 100.0;
                let (fill, outline) = if name == "Fill" {
                    (opacity, look.outline_opacity)
                } else {
                    (look.fill_opacity, opacity)
                };
                send(MaskCommand::SetOpacity { key: masks.key, fill, outline });
            }
        });
    }
    for region in &masks.regions {
        region_ui(ui, series, masks, look, region, queue);
    }
    for warning in &masks.warnings {
        ui.horizontal_top(|ui| {
            ui.label(RichText::new(icons::WARNING).color(theme::WARNING));
            ui.add(egui::Label::new(format!("{warning}.")).wrap().selectable(true));
        });
    }
}

fn region_ui(
    ui: &mut Ui,
    series: &Series,
    masks: &Masks,
    look: &MaskLook,
    region: &MaskRegion,
    queue: &CommandQueue,
) {
    let send = |command| queue.send(Command::Mask(command));
    let is_shown = !look.hidden.contains(&region.label);
    let name =
        if region.name.trim().is_empty() { format!("Region {}", region.label) } else { region.name.clone() };
    ui.horizontal(|ui| {
        let (rect, _) = ui.allocate_exact_size(vec2(12.0, 12.0), Sense::hover());
        let [r, g, b] = region.color;
        ui.painter().rect_filled(rect, 2.0, egui::Color32::from_rgb(r, g, b));
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let (glyph, what) = if is_shown { (icons::EYE, "Hide") } else { (icons::EYE_SLASH, "Show") };
            if icon_button(ui, glyph, &format!("{what} {name}"), what, false).clicked() {
                send(MaskCommand::ToggleRegion { key: masks.key, label: region.label });
            }
            if icon_button(ui, icons::CROSSHAIR_SIMPLE, &format!("Go to {name}"), "Go to its middle", false)
                .clicked()
                && let Some(lps) = region.center_lps
            {
                send(MaskCommand::JumpTo { series: masks.series, lps });
            }
            quiet(
                ui,
                &format!(
                    "{} ml",
                    text::number(region.volume_ml, if region.volume_ml < 10.0 { 2 } else { 1 })
                ),
            );
            let label = egui::Label::new(&name).truncate().sense(Sense::click());
            let response =
                ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| ui.add(label)).inner;
            if response.on_hover_text(facts(series, region)).clicked() {
                send(MaskCommand::ToggleOnly { key: masks.key, label: region.label });
            }
        });
    });
}

fn facts(series: &Series, region: &MaskRegion) -> String {
    let mut lines = Vec::new();
    if !region.kind.trim().is_empty() {
        lines.push(region.kind.clone());
    }
    if let Some([mean, sd]) = region.values {
        let unit = series.unit.symbol().map(|u| format!(" {u}")).unwrap_or_default();
        lines.push(format!("Mean {} ± {}{unit}", text::number(mean, 1), text::number(sd, 1)));
    }
    lines.push("Click to show it alone, or all again.".to_owned());
    lines.join("\n")
}
