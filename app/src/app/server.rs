//! The window's part in the embedded server: when it starts, what it is asked, and what comes back.

use crate::command::JobsCommand;
use crate::console::{Happening, Order, RunRequest, ServerOptions, View};
use crate::document::{Series, SeriesSource};
use crate::panels::notices::Severity;
use crate::text::UserMessage;

use super::{LanternApp, Overlay};

impl LanternApp {
    /// Gives the window a server. With `is_on` it starts once the first picture is there, unless the preferences
    /// switch it off.
    pub fn set_server(&mut self, options: ServerOptions, is_on: bool) {
        self.console.set_options(options, is_on && self.settings.is_server_on);
    }

    /// What is known of the server.
    pub fn server(&self) -> &View {
        self.console.view()
    }

    /// Whether the server is up, or will not come up by itself.
    pub fn is_server_settled(&self) -> bool {
        self.console.is_settled()
    }

    /// Starts the server when nothing that people wait for competes with it.
    pub(super) fn start_server(&mut self) {
        if self.tasks.scan.is_none() && !self.tasks.is_first_picture_awaited() && self.queue.is_empty() {
            self.console.start_if_wanted(&self.tasks.outbox());
        }
    }

    /// Keeps the window open for a question, if it is about to close while jobs are not over or drawings are in no
    /// session.
    pub(super) fn ask_before_leaving(&mut self, ctx: &egui::Context) {
        let is_closing = ctx.input(|i| i.viewport().close_requested());
        if is_closing && !self.is_leaving && (self.console.has_jobs_to_leave() || self.unsaved_drawings() > 0)
        {
            ctx.send_viewport_cmd(egui::ViewportCommand::CancelClose);
            self.panels.overlay = Overlay::Leaving;
        }
    }

    pub(super) fn apply_jobs(&mut self, command: JobsCommand) {
        let order = match command {
            JobsCommand::ChoosePipeline => {
                self.panels.overlay = Overlay::Pipelines;
                return;
            }
            JobsCommand::ToggleServer => {
                let is_on = !self.console.is_on();
                self.settings.is_server_on = is_on;
                self.console.switch(is_on);
                return;
            }
            JobsCommand::Run(pipeline) => {
                let request = self.document.active_series().map(|series| run_request(series, pipeline));
                match request {
                    Some(Ok(request)) => {
                        self.settings.is_jobs_open = true;
                        Order::Run(request)
                    }
                    Some(Err(message)) => {
                        self.panels.notices.push(Severity::Failure, message);
                        return;
                    }
                    None => return,
                }
            }
            JobsCommand::Cancel(job) => Order::Cancel(job),
            JobsCommand::Select(job) => Order::Select(job),
            JobsCommand::OpenResult { job, output } => Order::OpenResult { job, output },
            JobsCommand::ShowLog { job, operator } => Order::ShowLog { job, operator },
            JobsCommand::CloseLog => Order::CloseLog,
            JobsCommand::CancelTransfer(id) => Order::CancelTransfer(id),
            JobsCommand::Retry => Order::Retry,
        };
        self.console.send(order);
    }

    pub(super) fn happened(&mut self, happening: Happening) {
        match happening {
            Happening::Failed(message) => self.panels.notices.push(Severity::Failure, message),
            Happening::ResultReady(path) => {
                self.opened_results.insert(path.clone());
                self.tasks.scan(vec![path]);
            }
        }
    }
}

/// A job for the series, under a name that tells no patient.
fn run_request(
    series: &Series,
    pipeline: platform_client::id::PipelineId,
) -> Result<RunRequest, UserMessage> {
    let SeriesSource::Files(entry) = &series.source else {
        return Err(UserMessage {
            what: "This series lies in no file.".to_owned(),
            advice: "Only series that were opened from files can be sent to a pipeline.".to_owned(),
            detail: String::new(),
        });
    };
    let attributes = &series.attributes;
    let modality = attributes.modality.trim();
    let kind = if modality.is_empty() { "Series" } else { modality };
    let number = attributes.series_number.map(|number| format!(" series {number}")).unwrap_or_default();
    let dims = series.dims;
    let uid = attributes.series_uid.as_deref().map(str::trim).filter(|uid| !uid.is_empty());
    Ok(RunRequest {
        pipeline,
        name: format!("{kind}{number}, {} × {} × {}", dims.x, dims.y, dims.z),
        series: entry.clone(),
        series_uid: uid.map(str::to_owned),
    })
}
