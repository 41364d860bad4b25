//! The study browser: patient, study, series; each series with a small picture and what matters for choosing it.

use std::collections::BTreeSet;

use egui::{Align2, FontId, Rect, ScrollArea, Sense, Ui, WidgetInfo, pos2, vec2};
use egui_phosphor::regular as icons;

use crate::command::{Command, CommandQueue, FileCommand, SeriesCommand};
use crate::document::{Document, Series, SeriesKey};
use crate::gpu_bridge::Pictures;
use crate::settings::Settings;
use crate::text;
use crate::theme;

const SERIES_HEIGHT: f32 = 56.0;
const THUMBNAIL: f32 = 48.0;
const GROUP_HEIGHT: f32 = 24.0;

/// What the browser remembers between frames.
#[derive(Debug, Default)]
pub struct StudiesState {
    /// Thumbnails that were asked for.
    pub requested: BTreeSet<SeriesKey>,
    /// Series whose row is on screen and whose thumbnail is still to be asked for.
    pub wanted: Vec<SeriesKey>,
    folded: BTreeSet<String>,
}

/// Draws the browser.
pub fn studies_ui(
    ui: &mut Ui,
    document: &Document,
    pictures: &Pictures,
    settings: &Settings,
    queue: &CommandQueue,
    state: &mut StudiesState,
) {
    ui.add_space(2.0);
    ui.label(theme::semibold("Studies"));
    ui.add_space(theme::space::TIGHT);
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        let (mut patient, mut study) = (None, None);
        for series in &document.series {
            let this_patient = patient_title(series);
            let this_study = study_title(series);
            if patient.as_ref() != Some(&this_patient) {
                group_ui(ui, &this_patient, 0.0, state);
                patient = Some(this_patient.clone());
                study = None;
            }
            if state.folded.contains(&this_patient) {
                continue;
            }
            let study_id = format!("{this_patient}\n{this_study}");
            if study.as_ref() != Some(&study_id) {
                group_ui_named(ui, &study_id, &this_study, 12.0, state);
                study = Some(study_id.clone());
            }
            if !state.folded.contains(&study_id) {
                series_ui(ui, series, document, pictures, queue, state);
            }
        }
        if !settings.recent.is_empty() {
            recent_ui(ui, settings, queue, state);
        }
    });
}

fn patient_title(series: &Series) -> String {
    let a = &series.attributes;
    let name = text::patient_name(&a.patient_name);
    match (name.is_empty(), a.patient_id.trim().is_empty()) {
        (true, true) => "No patient".to_owned(),
        (true, false) => a.patient_id.trim().to_owned(),
        (false, true) => name,
        (false, false) if name == a.patient_id.trim() => name,
        (false, false) => format!("{name} · {}", a.patient_id.trim()),
    }
}

fn study_title(series: &Series) -> String {
    let a = &series.attributes;
    let parts = [text::study_date(&a.study_date), a.study_description.trim().to_owned()];
    let title = parts.into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(" · ");
    if title.is_empty() { "Study".to_owned() } else { title }
}

fn group_ui(ui: &mut Ui, title: &str, indent: f32, state: &mut StudiesState) {
    group_ui_named(ui, title, title, indent, state);
}

/// A row that folds what is below it.
fn group_ui_named(ui: &mut Ui, id: &str, title: &str, indent: f32, state: &mut StudiesState) {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), GROUP_HEIGHT), Sense::click());
    let is_folded = state.folded.contains(id);
    response.widget_info(|| WidgetInfo::selected(egui::accesskit::Role::TreeItem, true, !is_folded, title));
    if response.clicked() {
        if is_folded {
            state.folded.remove(id);
        } else {
            state.folded.insert(id.to_owned());
        }
    }
    if !ui.is_rect_visible(rect) {
        return;
    }
    let painter = ui.painter_at(rect);
    if response.hovered() {
        painter.rect_filled(rect, 3.0, theme::RAISED);
    }
    let caret = if is_folded { icons::CARET_RIGHT } else { icons::CARET_DOWN };
    let left = rect.left() + indent;
    let small = FontId::proportional(theme::size::SMALL);
    painter.text(pos2(left, rect.center().y), Align2::LEFT_CENTER, caret, small, theme::TEXT_QUIET);
    let color = if indent == 0.0 { theme::TEXT } else { theme::TEXT_QUIET };
    line(ui, pos2(left + 16.0, rect.center().y), rect.right() - 4.0, title, theme::size::BODY, color);
    response.on_hover_text(title);
}

/// One line of text, cut with an ellipsis.
pub(super) fn line(
    ui: &Ui,
    left_center: egui::Pos2,
    right: f32,
    text: &str,
    size: f32,
    color: egui::Color32,
) {
    let mut job =
        egui::text::LayoutJob::simple_singleline(text.to_owned(), FontId::proportional(size), color);
    job.wrap = egui::text::TextWrapping::truncate_at_width((right - left_center.x).max(8.0));
    let galley = ui.painter().layout_job(job);
    let pos = pos2(left_center.x, left_center.y - galley.size().y / 2.0);
    ui.painter().galley(pos, galley, color);
}

fn series_ui(
    ui: &mut Ui,
    series: &Series,
    document: &Document,
    pictures: &Pictures,
    queue: &CommandQueue,
    state: &mut StudiesState,
) {
    let (rect, response) =
        ui.allocate_exact_size(vec2(ui.available_width(), SERIES_HEIGHT), Sense::click_and_drag());
    response.dnd_set_drag_payload(series.key);
    let is_shown = document.active_viewport().series == Some(series.key);
    let warnings = series.all_warnings();
    let dims = dims_text(series);
    let label = format!("Series {}, {}, {dims}", series.title(), series.attributes.modality);
    response.widget_info(|| WidgetInfo::selected(egui::accesskit::Role::TreeItem, true, is_shown, &label));
    if response.clicked() {
        queue.send(Command::Series(SeriesCommand::Show(series.key)));
    }
    if !ui.is_rect_visible(rect) {
        return;
    }
    if state.requested.insert(series.key) {
        state.wanted.push(series.key);
    }
    let row = rect.shrink2(vec2(0.0, 1.0));
    let painter = ui.painter_at(rect);
    if is_shown {
        painter.rect_filled(row, 3.0, theme::SELECTION);
    } else if response.hovered() {
        painter.rect_filled(row, 3.0, theme::RAISED);
    }
    let picture = Rect::from_min_size(
        pos2(row.left() + 12.0, row.center().y - THUMBNAIL / 2.0),
        vec2(THUMBNAIL, THUMBNAIL),
    );
    painter.rect_filled(picture, 2.0, theme::PIXELS);
    if let Some(texture) = pictures.thumbnail(series.key) {
        let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        painter.image(texture, picture, whole, egui::Color32::WHITE);
    }
    let left = picture.right() + 8.0;
    let right = row.right() - if warnings.is_empty() { 4.0 } else { 22.0 };
    let quiet = theme::TEXT_QUIET;
    line(ui, pos2(left, row.top() + 11.0), right, &series.title(), theme::size::BODY, theme::TEXT);
    line(ui, pos2(left, row.center().y + 1.0), right, &dims, theme::size::SMALL, quiet);
    let mut facts = vec![series.attributes.modality.trim().to_owned()];
    if let Some(number) = series.attributes.series_number {
        facts.push(format!("series {number}"));
    }
    let body_part = series.attributes.body_part.trim().to_lowercase();
    facts.push(body_part);
    facts.retain(|f| !f.is_empty());
    line(ui, pos2(left, row.bottom() - 10.0), right, &facts.join(" · "), theme::size::SMALL, quiet);
    if !warnings.is_empty() {
        let pos = pos2(row.right() - 12.0, row.top() + 12.0);
        painter.text(pos, Align2::CENTER_CENTER, icons::WARNING, FontId::proportional(14.0), theme::WARNING);
    }
    let hover: Vec<String> =
        std::iter::once(series.title()).chain(warnings.iter().map(|w| w.to_string())).collect();
    response.on_hover_text(hover.join("\n"));
}

/// `512 × 512 × 133`, and the count of time points.
pub fn dims_text(series: &Series) -> String {
    let d = series.dims;
    let mut text = format!("{} × {}", d.x, d.y);
    if d.z > 1 {
        text.push_str(&format!(" × {}", d.z));
    }
    if series.time_points > 1 {
        text.push_str(&format!(", {} time points", series.time_points));
    }
    text
}

fn recent_ui(ui: &mut Ui, settings: &Settings, queue: &CommandQueue, state: &mut StudiesState) {
    ui.add_space(theme::space::PANEL);
    group_ui(ui, "Recent", 0.0, state);
    if state.folded.contains("Recent") {
        return;
    }
    for recent in &settings.recent {
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 36.0), Sense::click());
        let name = recent.path.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned());
        response.widget_info(|| {
            WidgetInfo::labeled(egui::accesskit::Role::Button, true, format!("Open recent {name}"))
        });
        if response.clicked() {
            queue.send(Command::File(FileCommand::Open(vec![recent.path.clone()])));
        }
        if ui.is_rect_visible(rect) {
            if response.hovered() {
                ui.painter().rect_filled(rect, 3.0, theme::RAISED);
            }
            let left = rect.left() + 16.0;
            line(
                ui,
                pos2(left, rect.top() + 10.0),
                rect.right() - 4.0,
                &name,
                theme::size::BODY,
                theme::TEXT,
            );
            let below = pos2(left, rect.bottom() - 10.0);
            line(ui, below, rect.right() - 4.0, &recent.label, theme::size::SMALL, theme::TEXT_QUIET);
        }
        response.on_hover_text(recent.path.display().to_string());
    }
}
