//! Settings of what is shown, and what to know about it: grey values, slab, volume look, geometry, warnings.

use std::sync::Arc;

use egui::{ComboBox, Grid, RichText, ScrollArea, Ui};
use egui_phosphor::regular as icons;
use imaging::intensity::{CT_PRESETS, NamedWindow, Window};
use imaging::series::SeriesWarning;
use imaging::verdict::Level;
use render_core::color_map::ColorMap;
use render_core::scene::{Interpolation, Slab, SlabMode};
use render_core::transfer_function::VOLUME_PRESETS;

use super::masks::masks_ui;
use super::measurements::measurements_ui;
use super::transfer_function::{CurveState, curve_ui};
use crate::command::{Command, CommandQueue, SeriesCommand, SliceCommand, VoiCommand, VolumeCommand};
use crate::document::{
    Display, Document, Fusion, Lengths, PlaneFrame, Series, SliceView, ViewportId, VolumeStyle,
    obliqueness_rad,
};
use crate::text;
use crate::theme;
use crate::viewports::annotations::Numbers;
use crate::widgets::{NumberOptions, choice, fact, number_field, quiet, section};

/// Draws the inspector for the active viewport.
pub fn inspector_ui(
    ui: &mut Ui,
    document: &Document,
    queue: &CommandQueue,
    (curve, numbers): (&mut CurveState, &mut Numbers),
) {
    let Some(series) = document.active_series() else {
        quiet(ui, "Nothing is open.");
        return;
    };
    let Some(display) = document.workspace.displays.get(&series.key) else {
        quiet(ui, "Loading…");
        return;
    };
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 6.0;
        if series.channels == 1 {
            let file_windows = document.file_windows(series.key);
            section(ui, "Window", true, |ui| window_ui(ui, series, (display, file_windows), queue));
        }
        let viewport = document.active_viewport();
        if let Some(view) = viewport.slice() {
            section(ui, "Slice", true, |ui| slice_ui(ui, series, display, (viewport.id, view), queue));
        }
        if series.channels == 1 && series.is_volume() {
            section(ui, "Volume", true, |ui| volume_ui(ui, series, display, queue, curve));
        }
        if series.channels == 1 {
            section(ui, "Fusion", false, |ui| fusion_ui(ui, document, series, queue));
        }
        if document.masks_of(series.key).next().is_some() {
            section(ui, "Regions", true, |ui| masks_ui(ui, series, document, queue));
        }
        let count = document.workspace.annotations.len();
        if count > 0 {
            section(ui, "Measurements", true, |ui| measurements_ui(ui, document, queue, numbers));
        }
        section(ui, "Geometry", true, |ui| geometry_ui(ui, document, series, queue));
        // What is about geometry stands there already.
        let mut warnings = series.all_warnings();
        warnings.retain(|warning| warning.geometry_level() == Level::Green);
        if !warnings.is_empty() {
            section(ui, &format!("Warnings ({})", warnings.len()), true, |ui| {
                for warning in warnings {
                    warning_ui(ui, warning);
                }
            });
        }
    });
}

fn window_ui(
    ui: &mut Ui,
    series: &Series,
    (display, file_windows): (&Display, &[NamedWindow]),
    queue: &CommandQueue,
) {
    let w = display.window.adjustable();
    let decimals = if w.width >= 50.0 { 0 } else { 3 };
    let speed = (w.width / 200.0).max(if decimals == 0 { 1.0 } else { 1e-6 });
    let set = |center: f64, width: f64| {
        if let Ok(window) = Window::new(center, width, w.function) {
            queue.send(Command::Voi(VoiCommand::Set { series: series.key, window, name: None }));
        }
    };
    ui.horizontal(|ui| {
        let options =
            |least: f64| NumberOptions { speed, range: least..=1e9, decimals, suffix: "", width: 62.0 };
        quiet(ui, "C");
        if let Some(center) = number_field(ui, "Window center", w.center, options(-1e9)) {
            set(center, w.width);
        }
        quiet(ui, "W");
        if let Some(width) = number_field(ui, "Window width", w.width, options(1e-9)) {
            set(w.center, width);
        }
        if let Some(unit) = series.unit.symbol() {
            quiet(ui, unit);
        }
    });
    ui.horizontal(|ui| {
        let name = display.window_name.clone().unwrap_or_else(|| "Custom".to_owned());
        let send = |command| queue.send(Command::Voi(command));
        let combo = ComboBox::from_id_salt("window preset").selected_text(name).width(150.0);
        let response = combo.show_ui(ui, |ui| {
            for (i, named) in file_windows.iter().enumerate() {
                let label =
                    if named.name.is_empty() { format!("File {}", i + 1) } else { named.name.clone() };
                let is_current = display.file_window.is_some() && display.window == named.window;
                if ui.selectable_label(is_current, format!("{label} (file)")).clicked() {
                    send(VoiCommand::FileWindow(series.key, i));
                }
            }
            if ui.selectable_label(false, "Auto").clicked() {
                send(VoiCommand::Auto(series.key));
            }
            if series.attributes.modality == "CT" {
                ui.separator();
                for (i, preset) in CT_PRESETS.iter().enumerate() {
                    let is_current = display.window_name.as_deref() == Some(preset.name);
                    if ui.selectable_label(is_current, preset.name).clicked() {
                        send(VoiCommand::Preset(series.key, i));
                    }
                }
            }
        });
        response.response.accessible_name("Window preset");
        let mut is_inverted = display.is_inverted;
        if ui.checkbox(&mut is_inverted, "Invert").on_hover_text("Invert grey values").changed() {
            send(VoiCommand::ToggleInverted(series.key));
        }
    });
    ui.horizontal(|ui| {
        quiet(ui, "Colours");
        if let Some(map) = color_map_ui(ui, "Colours of the window", display.color_map.as_deref(), true) {
            queue.send(Command::Voi(VoiCommand::ColorMap(series.key, map)));
        }
    });
}

/// A choice of colours; grey is none.
fn color_map_ui(
    ui: &mut Ui,
    name: &str,
    current: Option<&ColorMap>,
    may_be_grey: bool,
) -> Option<Option<Arc<ColorMap>>> {
    let shown = current.map_or("Grey", ColorMap::name).to_owned();
    let mut chosen = None;
    let response = ComboBox::from_id_salt(name).selected_text(shown).width(150.0).show_ui(ui, |ui| {
        if may_be_grey && ui.selectable_label(current.is_none(), "Grey").clicked() {
            chosen = Some(None);
        }
        for map in ColorMap::all().iter().filter(|map| map.id() != "grey" || !may_be_grey) {
            let is_current = current.is_some_and(|c| c.id() == map.id());
            if ui.selectable_label(is_current, map.name()).clicked() {
                chosen = Some(Some(Arc::clone(map)));
            }
        }
    });
    response.response.accessible_name(name);
    chosen
}

/// A second series over the slices: which, in which colours, how much of it.
fn fusion_ui(ui: &mut Ui, document: &Document, series: &Series, queue: &CommandQueue) {
    let fuse = |fusion| queue.send(Command::Voi(VoiCommand::Fuse(series.key, fusion)));
    let current = document.workspace.fusions.get(&series.key);
    let fitting = || {
        let others = document.series.iter().filter(|other| other.key != series.key);
        others.filter(|other| other.channels == 1 && other.shares_space_with(series))
    };
    if fitting().next().is_none() {
        quiet(ui, "No other series shares the frame of reference.");
        return;
    }
    let name = current.and_then(|f| document.series(f.over)).map_or_else(|| "None".to_owned(), Series::title);
    let combo = ComboBox::from_id_salt("fusion").selected_text(name).width(ui.available_width() - 8.0);
    let response = combo.truncate().show_ui(ui, |ui| {
        if ui.selectable_label(current.is_none(), "None").clicked() {
            fuse(None);
        }
        for other in fitting() {
            let is_current = current.is_some_and(|f| f.over == other.key);
            let title = format!("{}  {}", other.attributes.modality, other.title());
            if ui.selectable_label(is_current, title).clicked() {
                fuse(Some(Fusion::new(other.key)));
            }
        }
    });
    response.response.accessible_name("Series laid over");
    let Some(current) = current else { return };
    ui.horizontal(|ui| {
        quiet(ui, "Colours");
        let chosen = color_map_ui(ui, "Fusion colours", Some(&current.color_map), false);
        if let Some(Some(color_map)) = chosen {
            fuse(Some(Fusion { color_map, ..current.clone() }));
        }
    });
    ui.horizontal(|ui| {
        quiet(ui, "Opacity");
        let mut percent = (current.opacity * 100.0).round();
        let slider = egui::Slider::new(&mut percent, 0.0..=100.0).suffix(" %").trailing_fill(true);
        if ui.add(slider).accessible_name("Fusion opacity").changed() {
            fuse(Some(Fusion { opacity: percent / 100.0, ..current.clone() }));
        }
    });
}

fn slab_ui(ui: &mut Ui, (id, view): (ViewportId, &SliceView), queue: &CommandQueue) {
    ui.horizontal(|ui| {
        quiet(ui, "Slab");
        let set = |slab| queue.send(Command::Slice(SliceCommand::SetSlab { viewport: id, slab }));
        let options =
            NumberOptions { speed: 0.25, range: 0.0..=500.0, decimals: 1, suffix: " mm", width: 70.0 };
        if let Some(mm) = number_field(ui, "Slab thickness", view.slab.thickness_mm, options) {
            set(Slab { thickness_mm: mm, ..view.slab });
        }
        for (mode, name, hint) in [
            (SlabMode::Mean, "Mean", "Average through the slab"),
            (SlabMode::Max, "MIP", "Maximum through the slab"),
            (SlabMode::Min, "MinIP", "Minimum through the slab"),
        ] {
            let is_current = view.slab.mode == mode;
            if choice(ui, "Slab", name, hint, is_current) {
                set(Slab { mode, ..view.slab });
            }
        }
    });
}

fn slice_ui(
    ui: &mut Ui,
    series: &Series,
    display: &Display,
    (id, view): (ViewportId, &SliceView),
    queue: &CommandQueue,
) {
    if series.is_volume() {
        slab_ui(ui, (id, view), queue);
    }
    ui.horizontal(|ui| {
        quiet(ui, "Interpolation");
        for interpolation in [Interpolation::Linear, Interpolation::Nearest] {
            let name = crate::viewports::interpolation_name(interpolation);
            let is_current = display.interpolation == interpolation;
            if choice(ui, "Interpolation", name, "", is_current) {
                queue.send(Command::Voi(VoiCommand::Interpolate(series.key, interpolation)));
            }
        }
    });
    if !series.is_volume() {
        return;
    }
    ui.horizontal(|ui| {
        quiet(ui, "Plane");
        let is_tilted = series.geometry().is_some_and(|g| view.is_tilted(g));
        for (frame, name, hint) in [
            (PlaneFrame::Acquired, "Acquired", "Along the acquired slices: voxel-exact"),
            (PlaneFrame::Patient, "Patient", "Strictly along the patient's axes"),
        ] {
            let is_current = view.frame == frame && !is_tilted;
            if choice(ui, "Plane", name, hint, is_current) {
                queue.send(Command::Slice(SliceCommand::SetFrame { viewport: id, frame }));
            }
        }
        if is_tilted {
            ui.label(RichText::new("tilted").color(theme::WARNING));
        }
    });
}

fn volume_ui(ui: &mut Ui, series: &Series, display: &Display, queue: &CommandQueue, curve: &mut CurveState) {
    let send = |command| queue.send(Command::Volume(command));
    ui.horizontal(|ui| {
        let combo =
            ComboBox::from_id_salt("volume preset").selected_text(display.volume.preset.name()).width(150.0);
        let response = combo.show_ui(ui, |ui| {
            for preset in VOLUME_PRESETS {
                let is_current = display.volume.preset.name() == preset.name;
                if ui.selectable_label(is_current, preset.name).clicked() {
                    send(VolumeCommand::Preset(series.key, preset.name));
                }
            }
        });
        response.response.accessible_name("Volume preset");
    });
    ui.horizontal(|ui| {
        for (style, name) in VolumeStyle::ALL {
            let is_current = display.volume.style == style;
            if choice(ui, "Volume", name, "", is_current) {
                send(VolumeCommand::Style(series.key, style));
            }
        }
    });
    if display.volume.style != VolumeStyle::Mip
        && let Some(loaded) = series.loaded()
    {
        curve_ui(ui, series, display, &loaded.histogram, queue, curve);
    }
}

/// Word, colour and icon of a level.
fn level_look(level: Level) -> (egui::Color32, &'static str, &'static str) {
    match level {
        Level::Green => (theme::GOOD, icons::CHECK_CIRCLE, "Geometry is sound"),
        Level::Amber => (theme::WARNING, icons::WARNING, "Usable, with something to know"),
        Level::Red => (theme::DANGER, icons::WARNING_OCTAGON, "Do not rely on distances"),
    }
}

fn geometry_ui(ui: &mut Ui, document: &Document, series: &Series, queue: &CommandQueue) {
    let verdict = series.verdict();
    let (color, icon, words) = level_look(verdict.level);
    ui.horizontal(|ui| {
        ui.label(RichText::new(icon).color(color));
        ui.label(RichText::new(format!("Geometry {}", verdict.level.name())).color(color));
        ui.add(egui::Label::new(words).truncate());
    });
    for reason in &verdict.reasons {
        let (color, icon, _) = level_look(reason.level);
        ui.horizontal_top(|ui| {
            ui.label(RichText::new(icon).color(color));
            ui.add(egui::Label::new(reason.to_string()).wrap().selectable(true));
        });
    }
    let lengths = document.lengths(series);
    if lengths == Lengths::Withheld {
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new("Millimetres are withheld.").color(theme::DANGER));
            let button =
                ui.button("Show them anyway").on_hover_text("I have read why distances may be wrong");
            if button.clicked() {
                queue.send(Command::Series(SeriesCommand::Acknowledge(series.key)));
            }
        });
    }
    Grid::new("geometry").num_columns(2).spacing([12.0, 4.0]).show(ui, |ui| {
        fact(ui, "Voxels", &super::studies::dims_text(series));
        if let Some(volume) = series.loaded().map(|l| &l.volume) {
            let g = volume.geometry();
            let [x, y, z] = g.spacing_mm().to_array().map(|v| text::number(v, 3));
            fact(ui, "Spacing", &lengths.text(&format!("{x} × {y} × {z}")));
            let [x, y, z] = (g.spacing_mm() * g.dims().as_dvec3()).to_array().map(|v| text::number(v, 0));
            fact(ui, "Extent", &lengths.text(&format!("{x} × {y} × {z}")));
            let [x, y, z] = g.origin_lps().to_array().map(|v| text::number(v, 1));
            fact(ui, "Origin", &lengths.text(&format!("{x}  {y}  {z}")));
            let oblique = obliqueness_rad(g).to_degrees();
            if oblique >= 0.05 {
                fact(ui, "Oblique", &format!("{} °", text::number(oblique, 1)));
            }
            fact(ui, "Values", &values_text(series));
        }
        fact(ui, "Type", series.voxel_type);
        fact(ui, "Memory", &text::bytes(series.decoded_bytes));
    });
}

fn values_text(series: &Series) -> String {
    let Some(loaded) = series.loaded() else { return String::new() };
    let decimals = if series.voxel_type.starts_with("float") { 3 } else { 0 };
    let (low, high) = (loaded.histogram.low, loaded.histogram.high);
    let unit = series.unit.symbol().map(|u| format!(" {u}")).unwrap_or_default();
    format!("{} to {}{unit}", text::number(low, decimals), text::number(high, decimals))
}

fn warning_ui(ui: &mut Ui, warning: &SeriesWarning) {
    ui.horizontal_top(|ui| {
        ui.label(RichText::new(icons::WARNING).color(theme::WARNING));
        let text = warning.to_string();
        let mut chars = text.chars();
        let head: String = chars.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
        ui.add(egui::Label::new(format!("{head}{}.", chars.as_str())).wrap().selectable(true));
    });
}
