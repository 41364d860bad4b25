//! The jobs of the server, newest first, and the one that is looked at.

use std::time::{Duration, SystemTime};

use egui::{Align, Color32, FontId, Layout, Rect, RichText, ScrollArea, Sense, Ui, WidgetInfo, pos2, vec2};
use egui_phosphor::regular as icons;
use platform_client::job::{JobDetails, JobState, JobStatus};

use crate::command::{
    Action, AppCommand, Command, CommandQueue, FileCommand, JobsCommand, KeyMap, PanelKind,
};
use crate::console::{JobRow, MAX_JOBS, TransferKind, View};
use crate::document::Document;
use crate::panels::studies::line;
use crate::panels::{job_details, server};
use crate::text;
use crate::theme;
use crate::widgets::{hint, icon_button};

const ROW_HEIGHT: f32 = 26.0;
/// How often lengths of time that grow are drawn anew.
const TICK: Duration = Duration::from_secs(1);
/// Narrower lists leave out pipelines and messages.
const ROOM_FOR_ALL: f32 = 620.0;

/// What the panel is drawn from.
pub struct JobsContext<'a> {
    /// What is known of the server.
    pub view: &'a View,
    /// For the active series.
    pub document: &'a Document,
    /// For key hints.
    pub keymap: &'a KeyMap,
    /// Where changes are sent.
    pub queue: &'a CommandQueue,
}

/// How a job is marked: a shape, its colour, a word.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mark {
    pub(super) glyph: &'static str,
    pub(super) color: Color32,
    pub(super) word: String,
}

/// The mark of a job's state and status.
pub(super) fn mark(job: &JobDetails) -> Mark {
    let (glyph, color, word) = match (job.state, job.status) {
        (JobState::Pending, _) => (icons::CIRCLE, theme::TEXT_QUIET, "Pending"),
        (JobState::Running, JobStatus::Healthy) => (icons::PLAY_CIRCLE, theme::TEXT, "Running"),
        (JobState::Running, _) => (icons::WARNING_CIRCLE, theme::WARNING, "Running, faulted"),
        (JobState::Stopped, JobStatus::Healthy) => (icons::CHECK_CIRCLE, theme::GOOD, "Healthy"),
        (JobState::Stopped, JobStatus::Faulted) => (icons::X_CIRCLE, theme::DANGER, "Faulted"),
        (JobState::Stopped, JobStatus::Canceled) => (icons::MINUS_CIRCLE, theme::TEXT_QUIET, "Canceled"),
        (JobState::Stopped, JobStatus::Evicted) => (icons::PROHIBIT, theme::WARNING, "Evicted"),
        (JobState::Stopped, JobStatus::Terminated) => (icons::HOURGLASS, theme::WARNING, "Terminated"),
    };
    Mark { glyph, color, word: word.to_owned() }
}

/// The mark of a row, which knows of files under way.
fn row_mark(job: &JobRow, view: &View) -> Mark {
    let sent = |kind| kind == TransferKind::Send(Some(job.details.id));
    let sending = view.transfers.iter().find(|transfer| sent(transfer.kind));
    match sending {
        Some(transfer) => {
            let share = transfer.fraction().unwrap_or_default();
            let word = format!("Sending {:.0} %", share * 100.0);
            Mark { glyph: icons::UPLOAD_SIMPLE, color: theme::TEXT, word }
        }
        None => mark(&job.details),
    }
}

/// Draws the panel.
pub fn jobs_ui(ui: &mut Ui, ctx: &JobsContext<'_>) {
    // As high as it was made, whatever there is to show.
    ui.set_min_height(ui.available_height());
    header_ui(ui, ctx);
    let view = ctx.view;
    if view.jobs.is_empty() {
        ui.add_space(theme::space::PANEL);
        empty_ui(ui, ctx);
        return;
    }
    server::trouble_ui(ui, view, ctx.queue);
    let has_log = view.log.is_some();
    let details_width = match (&view.selected, has_log) {
        (None, false) => 0.0,
        (_, false) => (ui.available_width() * 0.42).min(400.0),
        (_, true) => ui.available_width() * 0.62,
    };
    let height = ui.available_height();
    ui.horizontal_top(|ui| {
        let width = ui.available_width() - details_width - if details_width > 0.0 { 17.0 } else { 0.0 };
        ui.allocate_ui_with_layout(vec2(width, height), Layout::top_down(Align::LEFT), |ui| {
            ui.set_width(width);
            list_ui(ui, ctx);
        });
        if details_width > 0.0 {
            ui.separator();
            ui.allocate_ui_with_layout(vec2(details_width, height), Layout::top_down(Align::LEFT), |ui| {
                ui.set_width(details_width);
                job_details::details_ui(ui, view, ctx.queue);
            });
        }
    });
    if view.jobs.iter().any(|job| job.details.state == JobState::Running) && view.session.is_running() {
        ui.ctx().request_repaint_after(TICK);
    }
}

fn header_ui(ui: &mut Ui, ctx: &JobsContext<'_>) {
    ui.horizontal(|ui| {
        ui.label(theme::semibold("Jobs"));
        let view = ctx.view;
        if view.has_more_jobs {
            let text = format!("the newest {MAX_JOBS}");
            ui.label(RichText::new(text).size(theme::size::SMALL).color(theme::TEXT_QUIET));
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let tip = hint(Action::ToggleJobs, ctx.keymap);
            if icon_button(ui, icons::X, "Hide jobs", &tip, false).clicked() {
                ctx.queue.send(Command::App(AppCommand::TogglePanel(PanelKind::Jobs)));
            }
            if !view.jobs.is_empty() {
                run_button_ui(ui, ctx);
            }
        });
    });
}

fn run_button_ui(ui: &mut Ui, ctx: &JobsContext<'_>) {
    let command = Action::RunPipeline.command(ctx.document).filter(|_| ctx.view.session.is_running());
    let response = ui.add_enabled(command.is_some(), egui::Button::new("Run on this series…"));
    let response = response.on_hover_text(hint(Action::RunPipeline, ctx.keymap));
    if response.on_disabled_hover_text("Open a series first.").clicked()
        && let Some(command) = command
    {
        ctx.queue.send(command);
    }
}

fn empty_ui(ui: &mut Ui, ctx: &JobsContext<'_>) {
    if !ctx.view.session.is_running() {
        server::state_ui(ui, ctx.view, ctx.queue);
        return;
    }
    ui.label(theme::semibold("No jobs yet."));
    if ctx.document.active_series().is_some() {
        let text = "A pipeline makes new images, masks and measurements of a series.";
        ui.label(RichText::new(text).color(theme::TEXT_QUIET));
        ui.add_space(theme::space::TIGHT);
        run_button_ui(ui, ctx);
    } else {
        let text = "Open a series to run a pipeline on it.";
        ui.label(RichText::new(text).color(theme::TEXT_QUIET));
        ui.add_space(theme::space::TIGHT);
        if ui.button("Open sample study").clicked() {
            ctx.queue.send(Command::File(FileCommand::OpenSample));
        }
    }
}

/// Left edges of the columns, and the right edge of the last.
#[derive(Debug, Clone, Copy)]
struct Columns {
    status: f32,
    name: f32,
    pipeline: Option<f32>,
    start: f32,
    duration: f32,
    message: Option<f32>,
    right: f32,
}

impl Columns {
    fn of(rect: Rect) -> Self {
        let (left, right) = (rect.left() + 4.0, rect.right() - 8.0);
        let (status, start, duration) = (120.0, 116.0, 84.0);
        let flexible = (right - left - status - start - duration).max(40.0);
        let is_wide = right - left >= ROOM_FOR_ALL;
        let (name, pipeline) = if is_wide { (flexible * 0.38, flexible * 0.27) } else { (flexible, 0.0) };
        let name_at = left + status;
        let start_at = name_at + name + pipeline;
        Self {
            status: left,
            name: name_at,
            pipeline: is_wide.then_some(name_at + name),
            start: start_at,
            duration: start_at + start,
            message: is_wide.then_some(start_at + start + duration),
            right,
        }
    }
}

fn list_ui(ui: &mut Ui, ctx: &JobsContext<'_>) {
    let (rect, _) = ui.allocate_exact_size(vec2(ui.available_width(), 18.0), Sense::hover());
    let columns = Columns::of(rect);
    let head = |at: Option<f32>, text: &str| {
        if let Some(at) = at {
            line(ui, pos2(at, rect.center().y), columns.right, text, theme::size::SMALL, theme::TEXT_QUIET);
        }
    };
    head(Some(columns.status), "Status");
    head(Some(columns.name), "Name");
    head(columns.pipeline, "Pipeline");
    head(Some(columns.start), "Start");
    head(Some(columns.duration), "Duration");
    head(columns.message, "Message");
    let jobs = &ctx.view.jobs;
    ui.spacing_mut().item_spacing.y = 0.0;
    ScrollArea::vertical().auto_shrink(false).min_scrolled_height(0.0).show_rows(
        ui,
        ROW_HEIGHT,
        jobs.len(),
        |ui, range| {
            for job in jobs.get(range).into_iter().flatten() {
                row_ui(ui, job, ctx);
            }
        },
    );
}

fn row_ui(ui: &mut Ui, job: &JobRow, ctx: &JobsContext<'_>) {
    let view = ctx.view;
    let id = job.details.id;
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), ROW_HEIGHT), Sense::click());
    let is_selected = view.selected.as_ref().is_some_and(|selected| selected.id == id);
    let mark = row_mark(job, view);
    let now = SystemTime::now();
    let pipeline = match view.pipeline_name(job.details.pipeline_id) {
        "" => "deleted",
        name => name,
    };
    // What may have ended since grows no further.
    let known_until = view.session.stale_since().unwrap_or(now);
    let duration = job.duration(known_until).map(text::span).unwrap_or_default();
    let label = format!("Job {}, {pipeline}, {}, {duration}", job.details.name, mark.word.to_lowercase());
    response.widget_info(|| WidgetInfo::selected(egui::accesskit::Role::Row, true, is_selected, &label));
    if response.clicked() {
        ctx.queue.send(Command::Jobs(JobsCommand::Select((!is_selected).then_some(id))));
    }
    if !ui.is_rect_visible(rect) {
        return;
    }
    let painter = ui.painter_at(rect);
    if is_selected {
        painter.rect_filled(rect, 3.0, theme::SELECTION);
    } else if response.hovered() || response.has_focus() {
        painter.rect_filled(rect, 3.0, theme::RAISED);
    }
    // What may have changed since is not shown as if it were so.
    let is_stale = !view.session.is_running();
    let color = |color| if is_stale { theme::TEXT_QUIET } else { color };
    let columns = Columns::of(rect);
    let y = rect.center().y;
    let cell = |at: f32, right: f32, text: &str, ink| {
        line(ui, pos2(at, y), right - 8.0, text, theme::size::BODY, color(ink));
    };
    let glyph = pos2(columns.status + 7.0, y);
    let font = FontId::proportional(15.0);
    painter.text(glyph, egui::Align2::CENTER_CENTER, mark.glyph, font, color(mark.color));
    cell(columns.status + 20.0, columns.name, &mark.word, theme::TEXT);
    let after_name = columns.pipeline.unwrap_or(columns.start);
    cell(columns.name, after_name, &job.details.name, theme::TEXT);
    if let Some(at) = columns.pipeline {
        cell(at, columns.start, pipeline, theme::TEXT_QUIET);
    }
    let start = text::clock(job.details.started.unwrap_or(job.details.created), now);
    cell(columns.start, columns.duration, &start, theme::TEXT_QUIET);
    cell(columns.duration, columns.message.unwrap_or(columns.right + 8.0), &duration, theme::TEXT_QUIET);
    if let Some(at) = columns.message {
        cell(at, columns.right + 8.0, &job.message, theme::TEXT_QUIET);
    }
    let said = if job.message.is_empty() { String::new() } else { format!("\n{}", job.message) };
    response.on_hover_text(format!("{} · {}{said}\n{id}", job.details.name, mark.word));
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use platform_client::id::{JobId, PayloadId, PipelineId};
    use platform_client::job::JobPriority;
    use platform_client::metadata::Metadata;

    use super::*;

    #[test]
    fn every_end_of_a_job_has_its_own_shape_and_word() {
        let marks: Vec<Mark> = JobStatus::ALL
            .iter()
            .map(|status| {
                mark(&JobDetails {
                    id: JobId::from_bits(1),
                    pipeline_id: PipelineId::from_bits(2),
                    payload_id: PayloadId::from_bits(3),
                    name: String::new(),
                    state: JobState::Stopped,
                    status: *status,
                    priority: JobPriority::Normal,
                    created: UNIX_EPOCH,
                    started: None,
                    stopped: None,
                    metadata: Metadata::new(),
                })
            })
            .collect();
        for (i, mark) in marks.iter().enumerate() {
            assert!(marks[..i].iter().all(|other| other.glyph != mark.glyph && other.word != mark.word));
        }
    }

    #[test]
    fn columns_keep_their_order_at_every_width() {
        for width in [200.0, 480.0, 619.0, 900.0, 1900.0] {
            let c = Columns::of(Rect::from_min_size(pos2(0.0, 0.0), vec2(width, 26.0)));
            let edges: Vec<f32> =
                [Some(c.status), Some(c.name), c.pipeline, Some(c.start), Some(c.duration), c.message]
                    .into_iter()
                    .flatten()
                    .collect();
            assert!(edges.windows(2).all(|pair| pair[0] < pair[1]), "{width}: {edges:?}");
        }
    }
}
