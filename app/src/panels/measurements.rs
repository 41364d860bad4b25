//! The list of measurements: numbers, words, and what can be done with each.

use egui::{RichText, TextEdit, Ui};
use egui_phosphor::regular as icons;
use imaging::measurement::{DrawingKind, Measured};

use super::menu_bar::drawing_icon;
use crate::command::{AnnotationCommand, Command, CommandQueue};
use crate::document::{Annotation, AnnotationId, Document};
use crate::theme;
use crate::viewports::annotations::{Numbers, label_lines};
use crate::widgets::{NumberOptions, icon_button, number_field, quiet};

/// Draws all measurements of what is open, those of the active series first.
pub(super) fn measurements_ui(ui: &mut Ui, document: &Document, queue: &CommandQueue, numbers: &mut Numbers) {
    let active = document.active_viewport().series;
    let all = || document.workspace.annotations.iter();
    numbers.keep_only(|id| document.workspace.annotations.contains_key(&id));
    for (id, annotation) in all().filter(|(_, a)| Some(a.series) == active) {
        let measured = numbers.of(*id, document);
        row_ui(ui, (*id, annotation), measured.as_deref(), document, queue);
    }
    let others = all().filter(|(_, a)| Some(a.series) != active).count();
    if others > 0 {
        quiet(ui, &format!("{others} on other series"));
        for (id, annotation) in all().filter(|(_, a)| Some(a.series) != active) {
            let measured = numbers.of(*id, document);
            row_ui(ui, (*id, annotation), measured.as_deref(), document, queue);
        }
    }
    if let Some((key, calibration)) =
        active.and_then(|key| Some((key, document.workspace.calibrations.get(&key)?)))
    {
        ui.horizontal_wrapped(|ui| {
            ui.label(RichText::new(icons::WARNING).color(theme::WARNING));
            ui.label(format!("Lengths are calibrated by hand: {}.", calibration.provenance()));
            if ui.button("Remove").clicked() {
                queue.send(Command::Annotation(AnnotationCommand::RemoveCalibration(key)));
            }
        });
    }
}

fn row_ui(
    ui: &mut Ui,
    (id, annotation): (AnnotationId, &Annotation),
    measured: Option<&Measured>,
    document: &Document,
    queue: &CommandQueue,
) {
    let send = |command| queue.send(Command::Annotation(command));
    let is_selected = document.selected == Some(id);
    let kind = annotation.drawing.kind();
    let lines = label_lines(&Annotation { label: String::new(), ..annotation.clone() }, measured);
    let summary = lines.first().cloned().unwrap_or_default();
    ui.horizontal(|ui| {
        let name = format!("Go to {} {}", kind.name().to_lowercase(), id.0);
        if icon_button(ui, drawing_icon(kind), &name, &format!("{} — go to it", kind.name()), is_selected)
            .clicked()
        {
            send(AnnotationCommand::JumpTo(id));
        }
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let buttons = [
                (icons::TRASH, "Delete", AnnotationCommand::Delete(id), !annotation.is_locked),
                (
                    if annotation.is_visible { icons::EYE } else { icons::EYE_SLASH },
                    if annotation.is_visible { "Hide" } else { "Show" },
                    AnnotationCommand::ToggleVisible(id),
                    true,
                ),
                (
                    if annotation.is_locked { icons::LOCK_SIMPLE } else { icons::LOCK_SIMPLE_OPEN },
                    if annotation.is_locked { "Unlock" } else { "Lock" },
                    AnnotationCommand::ToggleLocked(id),
                    true,
                ),
            ];
            for (glyph, what, command, is_possible) in buttons {
                let name = format!("{what} {} {}", kind.name().to_lowercase(), id.0);
                let clicked =
                    ui.add_enabled_ui(is_possible, |ui| icon_button(ui, glyph, &name, what, false).clicked());
                if clicked.inner {
                    send(command);
                }
            }
            label_ui(ui, (id, annotation), &summary, document, queue);
        });
    });
    if is_selected {
        ui.indent(("numbers", id), |ui| {
            for line in lines.iter().skip(1) {
                quiet(ui, line);
            }
            if kind == DrawingKind::Length {
                calibrate_ui(ui, id, measured, queue);
            }
        });
    }
}

/// The words of a measurement, to change in place; where there are none, its number stands there.
fn label_ui(
    ui: &mut Ui,
    (id, annotation): (AnnotationId, &Annotation),
    summary: &str,
    document: &Document,
    queue: &CommandQueue,
) {
    let field_id = ui.scope_id().with(("label", id));
    // What is typed is kept by the toolkit until it is done.
    let typed = ui.data(|d| d.get_temp::<String>(field_id));
    let mut text = typed.clone().unwrap_or_else(|| annotation.label.clone());
    let hint = if summary.is_empty() { annotation.drawing.kind().name() } else { summary };
    let field = TextEdit::singleline(&mut text)
        .id(field_id)
        .hint_text(RichText::new(hint).color(theme::TEXT))
        .desired_width(f32::INFINITY)
        .min_size(egui::vec2(0.0, theme::ICON_BUTTON.y))
        .align(egui::Align2::LEFT_CENTER)
        .frame(egui::Frame::NONE);
    let response = ui.add(field).accessible_name(format!("Words of measurement {}", id.0));
    if document.labelled == Some(id) && typed.is_none() {
        response.request_focus();
        response.scroll_to_me(None);
    }
    if response.has_focus() {
        ui.data_mut(|d| d.insert_temp(field_id, text.clone()));
    }
    if response.lost_focus() {
        ui.data_mut(|d| d.remove::<String>(field_id));
        if text != annotation.label {
            queue.send(Command::Annotation(AnnotationCommand::SetLabel { id, label: text }));
        }
    }
    if !summary.is_empty() && !annotation.label.trim().is_empty() {
        response.on_hover_text(summary);
    }
}

/// Sets the true length of a line, from which all lengths of the series follow.
fn calibrate_ui(ui: &mut Ui, id: AnnotationId, measured: Option<&Measured>, queue: &CommandQueue) {
    let Some(length) = measured.and_then(|m| m.quantities.first()).and_then(|q| q.value) else { return };
    ui.horizontal(|ui| {
        quiet(ui, "In truth");
        let options =
            NumberOptions { speed: 0.1, range: 0.01..=10_000.0, decimals: 1, suffix: " mm", width: 70.0 };
        if let Some(known_mm) = number_field(ui, "Known length", length, options) {
            let by = ["USER", "USERNAME"].into_iter().find_map(|name| std::env::var(name).ok());
            let at = chrono::Local::now().format("%Y-%m-%d %H:%M").to_string();
            let by = by.unwrap_or_else(|| "unknown user".to_owned());
            queue.send(Command::Annotation(AnnotationCommand::Calibrate { id, known_mm, by, at }));
        }
    });
}
