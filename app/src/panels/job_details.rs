//! One job: what it says, its results, its operators, and the end of an operator's log.

use std::time::SystemTime;

use egui::{Align, Button, Color32, Layout, RichText, ScrollArea, TextStyle, Ui};
use egui_phosphor::regular as icons;
use platform_client::id::JobId;
use platform_client::job::{JobState, JobStatus, OperatorStatus};
use platform_client::jobs::{JobSnapshot, OperatorSnapshot};

use crate::command::{Command, CommandQueue, JobsCommand};
use crate::console::{JobView, LogView, Output, TransferKind, View};
use crate::panels::jobs::mark;
use crate::text;
use crate::theme;
use crate::widgets::icon_button;

/// The platform's own log of a job.
const PLATFORM_LOG: &str = "clara-pod-manager";

/// Draws the job that is looked at, or the log.
pub(super) fn details_ui(ui: &mut Ui, view: &View, queue: &CommandQueue) {
    let send = |command| queue.send(Command::Jobs(command));
    if let Some(log) = &view.log {
        log_ui(ui, log, &send);
    } else if let Some(job) = &view.selected {
        job_ui(ui, job, view, &send);
    }
}

fn job_ui(ui: &mut Ui, job: &JobView, view: &View, send: &impl Fn(JobsCommand)) {
    let row = view.job(job.id);
    let name = job.snapshot.as_ref().map(|job| job.details.name.as_str());
    ui.horizontal(|ui| {
        if let Some(row) = row {
            let mark = mark(&row.details);
            ui.label(theme::icon(mark.glyph).color(mark.color));
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if icon_button(ui, icons::X, "Close job", "Close", false).clicked() {
                send(JobsCommand::Select(None));
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                let name = name.or(row.map(|row| row.details.name.as_str())).unwrap_or("Job");
                ui.add(egui::Label::new(theme::semibold(name)).truncate());
            });
        });
    });
    ScrollArea::vertical().auto_shrink(false).min_scrolled_height(0.0).id_salt("job").show(ui, |ui| {
        match (&job.snapshot, &job.problem) {
            (Some(snapshot), _) => {
                for message in &snapshot.messages {
                    ui.add(egui::Label::new(message).selectable(true).wrap());
                }
                if snapshot.messages.is_empty() && !snapshot.pending_reason.is_empty() {
                    ui.label(RichText::new(&snapshot.pending_reason).color(theme::TEXT_QUIET));
                }
                actions_ui(ui, snapshot, job.outputs.as_deref(), view, send);
                ui.add_space(theme::space::PANEL);
                operators_ui(ui, snapshot, send);
            }
            (None, Some(problem)) => {
                ui.label("The server does not tell about this job.");
                ui.label(RichText::new(problem).size(theme::size::SMALL).color(theme::TEXT_QUIET));
            }
            (None, None) => {
                ui.label(RichText::new("Asking the server…").color(theme::TEXT_QUIET));
            }
        }
    });
}

/// The next steps, the likeliest first.
fn actions_ui(
    ui: &mut Ui,
    job: &JobSnapshot,
    outputs: Option<&[Output]>,
    view: &View,
    send: &impl Fn(JobsCommand),
) {
    let id = job.details.id;
    let is_running = view.session.is_running();
    if job.details.state != JobState::Stopped {
        if ui.add_enabled(is_running, Button::new("Cancel job")).clicked() {
            send(JobsCommand::Cancel(id));
        }
        return;
    }
    let is_fetching = view.transfers.iter().any(|transfer| transfer.kind == TransferKind::Fetch(id));
    let can_open = is_running && !is_fetching;
    match outputs {
        None => {
            ui.label(RichText::new("Looking for results…").color(theme::TEXT_QUIET));
        }
        Some([]) => {
            let text = if job.details.status == JobStatus::Healthy {
                "It left no images."
            } else {
                "It left no images. The logs say what happened."
            };
            ui.label(RichText::new(text).color(theme::TEXT_QUIET));
        }
        Some(outputs) => {
            ui.horizontal_wrapped(|ui| {
                // The last operator's is what people come for.
                for (number, output) in outputs.iter().enumerate().rev() {
                    let is_main = number + 1 == outputs.len();
                    let words = if is_main {
                        format!("Open result  {}", output.name)
                    } else {
                        format!("{} {}", output.operator, output.name)
                    };
                    let button = Button::new(words).frame_when_inactive(is_main);
                    let response = ui.add_enabled(can_open, button);
                    let tip =
                        format!("{} of {}, {}", output.name, output.operator, text::bytes(output.bytes));
                    let name = format!("Open {} of {}", output.name, output.operator);
                    if response.on_hover_text(tip).accessible_name(name).clicked() {
                        send(JobsCommand::OpenResult { job: id, output: number });
                    }
                }
            });
        }
    }
}

fn operator_mark(operator: &OperatorSnapshot) -> (&'static str, Color32, String) {
    let end = operator.end.as_ref().map(|end| end.reason.to_string());
    match operator.status {
        OperatorStatus::Pending => (icons::CIRCLE, theme::TEXT_QUIET, "pending".to_owned()),
        OperatorStatus::Running => {
            let share = operator.progress.map(|share| format!(" {:.0} %", share * 100.0)).unwrap_or_default();
            (icons::PLAY_CIRCLE, theme::TEXT, format!("running{share}"))
        }
        OperatorStatus::Completed => (icons::CHECK_CIRCLE, theme::GOOD, "completed".to_owned()),
        OperatorStatus::Faulted => {
            (icons::X_CIRCLE, theme::DANGER, end.unwrap_or_else(|| "faulted".to_owned()))
        }
    }
}

fn operators_ui(ui: &mut Ui, job: &JobSnapshot, send: &impl Fn(JobsCommand)) {
    let id = job.details.id;
    let now = SystemTime::now();
    for operator in &job.operators {
        let (glyph, color, word) = operator_mark(operator);
        let time = operator.started.map(|started| {
            let end = operator.stopped.unwrap_or(now);
            text::span(end.duration_since(started).unwrap_or_default())
        });
        ui.horizontal(|ui| {
            ui.label(theme::icon(glyph).size(14.0).color(color));
            ui.label(&operator.name);
            let facts = time.map_or(word.clone(), |time| format!("{word} · {time}"));
            ui.label(RichText::new(facts).size(theme::size::SMALL).color(theme::TEXT_QUIET));
            log_button_ui(ui, id, &operator.name, send);
        });
        if let Some(end) =
            operator.end.as_ref().filter(|end| !end.reason.is_success() && !end.message.is_empty())
        {
            let message = RichText::new(&end.message).size(theme::size::SMALL).color(theme::TEXT_QUIET);
            ui.add(egui::Label::new(message).selectable(true).wrap());
        }
    }
    ui.horizontal(|ui| {
        ui.label(RichText::new("Platform").color(theme::TEXT_QUIET));
        log_button_ui(ui, id, PLATFORM_LOG, send);
    });
}

fn log_button_ui(ui: &mut Ui, job: JobId, operator: &str, send: &impl Fn(JobsCommand)) {
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        let button = Button::new("Log").small().frame_when_inactive(false);
        let name = format!("Show log of {operator}");
        if ui.add(button).on_hover_text(&name).accessible_name(&name).clicked() {
            send(JobsCommand::ShowLog { job, operator: operator.to_owned() });
        }
    });
}

fn log_ui(ui: &mut Ui, log: &LogView, send: &impl Fn(JobsCommand)) {
    ui.horizontal(|ui| {
        if icon_button(ui, icons::ARROW_LEFT, "Close log", "Back to the job", false).clicked() {
            send(JobsCommand::CloseLog);
        }
        let name = if log.operator == PLATFORM_LOG { "platform" } else { &log.operator };
        ui.label(theme::semibold(format!("Log of {name}")));
        let mut facts = Vec::new();
        if log.is_cut {
            facts.push("the end of it");
        }
        if log.is_growing {
            facts.push("growing");
        }
        ui.label(RichText::new(facts.join(" · ")).size(theme::size::SMALL).color(theme::TEXT_QUIET));
        if !log.lines.is_empty() {
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if icon_button(ui, icons::COPY, "Copy log", "Copy what is shown", false).clicked() {
                    ui.ctx().copy_text(log.lines.join("\n"));
                }
            });
        }
    });
    if let Some(problem) = &log.problem {
        ui.label(RichText::new(format!("Reading ended: {problem}")).color(theme::WARNING));
    }
    if log.lines.is_empty() {
        let text = if log.is_growing { "Nothing is written yet." } else { "It wrote nothing." };
        ui.label(RichText::new(text).color(theme::TEXT_QUIET));
        return;
    }
    egui::Frame::new().fill(theme::FIELD).inner_margin(egui::Margin::same(4)).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        let area = ScrollArea::both().auto_shrink(false).min_scrolled_height(0.0).stick_to_bottom(true);
        let row_height = ui.text_style_height(&TextStyle::Small);
        area.id_salt("log").show_rows(ui, row_height, log.lines.len(), |ui, range| {
            for line in log.lines.get(range).into_iter().flatten() {
                // An empty line is as high as the others.
                let line = if line.is_empty() { " " } else { line };
                ui.add(egui::Label::new(RichText::new(line).small()).selectable(true).extend());
            }
        });
    });
}
