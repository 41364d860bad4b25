//! What a viewport says when it has no picture: nothing open, loading, failed, nothing to show.

use egui::{Align2, FontId, Rect, Ui, UiBuilder, vec2};

use super::ViewportContext;
use crate::command::{Command, SeriesCommand};
use crate::document::{Series, Viewport};
use crate::tasks::Task;
use crate::text::UserMessage;
use crate::theme;

/// A quiet sentence in the middle.
pub(super) fn sentence_ui(ui: &Ui, rect: Rect, text: &str) {
    let font = FontId::proportional(theme::size::BODY);
    ui.painter_at(rect).text(rect.center(), Align2::CENTER_CENTER, text, font, theme::TEXT_QUIET);
}

/// A message with a button for the next step.
fn message_ui(ui: &mut Ui, rect: Rect, message: &UserMessage, button: &str) -> bool {
    let width = (rect.width() - 32.0).clamp(60.0, 360.0);
    let inner = Rect::from_center_size(rect.center(), vec2(width, 120.0)).intersect(rect);
    let mut clicked = false;
    ui.scope_builder(UiBuilder::new().max_rect(inner), |ui| {
        ui.set_clip_rect(rect);
        ui.vertical_centered(|ui| {
            ui.label(theme::icon(egui_phosphor::regular::WARNING_CIRCLE).color(theme::DANGER));
            ui.label(theme::semibold(&message.what));
            ui.label(egui::RichText::new(&message.advice).color(theme::TEXT_QUIET))
                .on_hover_text(&message.detail);
            ui.add_space(theme::space::TIGHT);
            clicked = ui.button(button).clicked();
        });
    });
    clicked
}

/// Draws the state of a viewport without a picture.
pub(super) fn state_ui(
    ui: &mut Ui,
    rect: Rect,
    viewport: &Viewport,
    series: Option<&Series>,
    ctx: &ViewportContext<'_>,
) {
    let Some(series) = series else {
        sentence_ui(ui, rect, "Choose a series on the left.");
        return;
    };
    match &series.volume {
        Task::Failed { message, .. } => {
            if message_ui(ui, rect, message, "Try again") {
                ctx.queue.send(Command::Series(SeriesCommand::Reload(series.key)));
            }
        }
        Task::Pending { progress, .. } => {
            let percent = progress.fraction().map(|f| format!(" {:.0} %", f * 100.0)).unwrap_or_default();
            sentence_ui(ui, rect, &format!("Loading…{percent}"));
        }
        Task::Idle => {
            let inner = Rect::from_center_size(rect.center(), vec2(160.0, 56.0)).intersect(rect);
            ui.scope_builder(UiBuilder::new().max_rect(inner), |ui| {
                ui.vertical_centered(|ui| {
                    ui.label("Loading was cancelled.");
                    if ui.button("Load series").clicked() {
                        ctx.queue.send(Command::Series(SeriesCommand::Reload(series.key)));
                    }
                });
            });
        }
        Task::Ready(_) => {
            if let Some(error) = ctx.pictures.error(viewport.id) {
                sentence_ui(ui, rect, &error.what);
            } else if viewport.volume().is_some() && !series.is_volume() {
                sentence_ui(ui, rect, "A single image has no volume view.");
            } else if viewport.volume().is_some() && series.channels > 1 {
                sentence_ui(ui, rect, "Colour images have no volume view.");
            }
        }
    }
}

/// A thin progress line along the bottom of a viewport whose volume is still being read.
pub(super) fn progress_ui(ui: &Ui, rect: Rect, series: &Series) {
    let Some(progress) = series.volume.progress() else { return };
    let fraction = progress.fraction().unwrap_or(0.0);
    let bar = Rect::from_min_max(rect.left_bottom() - vec2(0.0, 2.0), rect.right_bottom());
    let painter = ui.painter_at(rect);
    painter.rect_filled(bar, 0.0, theme::LINE);
    let done = Rect::from_min_size(bar.min, vec2(bar.width() * fraction, bar.height()));
    painter.rect_filled(done, 0.0, theme::ACCENT);
}
