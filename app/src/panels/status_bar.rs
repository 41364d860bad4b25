//! The line at the bottom: what is under the pointer, who draws, memory, and work in progress.

use egui::{Align, Layout, ProgressBar, RichText, Ui};
use egui_phosphor::regular as icons;
use render_core::AdapterReport;

use crate::command::{Command, CommandQueue, FileCommand, JobsCommand};
use crate::console::{TransferKind, View};
use crate::document::Document;
use crate::tasks::Tasks;
use crate::text;
use crate::theme;
use crate::viewports::Probe;

/// Memory in use, measured now and then.
#[derive(Debug, Default)]
pub struct MemoryMeter {
    measured_at: Option<f64>,
    resident_bytes: Option<u64>,
}

impl MemoryMeter {
    /// Resident memory of this process, at most twice a second; `None` where the system does not tell.
    fn resident_bytes(&mut self, now_secs: f64) -> Option<u64> {
        if self.measured_at.is_none_or(|then| now_secs - then > 0.5) {
            self.measured_at = Some(now_secs);
            self.resident_bytes = resident_bytes();
        }
        self.resident_bytes
    }
}

/// From the kernel's memory (no disk is touched).
#[cfg(target_os = "linux")]
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(not(target_os = "linux"))]
fn resident_bytes() -> Option<u64> {
    None
}

/// Draws the bar.
pub fn status_bar_ui(
    ui: &mut Ui,
    document: &Document,
    probe: Option<&Probe>,
    adapter: Option<&AdapterReport>,
    (tasks, server): (&Tasks, &View),
    (queue, memory): (&CommandQueue, &mut MemoryMeter),
) {
    let small = |text: String| RichText::new(text).size(theme::size::SMALL);
    ui.horizontal_centered(|ui| {
        match probe {
            Some(probe) => {
                let [x, y, z] = probe.lps.to_array().map(|v| text::number(v, 1));
                let place = probe.lengths.text(&format!("{x}  {y}  {z}"));
                ui.label(small(format!("LPS {place}")).color(theme::TEXT_QUIET));
                ui.label(small(probe.value.clone().unwrap_or_else(|| "outside".to_owned())));
                if let Some(over) = &probe.over {
                    ui.label(small(over.clone()));
                }
                if !probe.regions.is_empty() {
                    ui.label(small(probe.regions.join(", ")).color(theme::TEXT_QUIET));
                }
            }
            None if document.series.is_empty() => {}
            None => {
                ui.label(small("LPS –".to_owned()).color(theme::TEXT_QUIET));
            }
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.label(
                theme::semibold("NOT FOR DIAGNOSTIC USE").size(theme::size::SMALL).color(theme::TEXT_QUIET),
            );
            ui.separator();
            if let Some(bytes) = memory.resident_bytes(ui.input(|i| i.time)) {
                ui.label(small(text::bytes(bytes)).color(theme::TEXT_QUIET)).on_hover_text("Memory in use");
            }
            if let Some(adapter) = adapter {
                let name = if adapter.backend == "CPU" { "Processor, " } else { "" };
                let name = small(format!("{name}{}", adapter.name)).color(theme::TEXT_QUIET);
                let label = ui.add(egui::Label::new(name).truncate());
                label.on_hover_text(format!("Pictures are drawn by {adapter}"));
            }
            work_ui(ui, document, (tasks, server), queue);
        });
    });
}

/// Progress of scans, loads and transfers, each with a way to stop it.
fn work_ui(ui: &mut Ui, document: &Document, (tasks, server): (&Tasks, &View), queue: &CommandQueue) {
    let mut row = |name: String, fraction: Option<f32>, cancel: Command| {
        let button = egui::Button::new(theme::icon(icons::X).size(12.0)).small().frame_when_inactive(false);
        let response = ui.add(button).on_hover_text("Cancel").accessible_name(format!("Cancel {name}"));
        if response.clicked() {
            queue.send(cancel);
        }
        match fraction {
            Some(f) => {
                ui.add(ProgressBar::new(f).desired_width(96.0).desired_height(6.0).fill(theme::ACCENT))
            }
            None => ui.add(egui::Spinner::new().size(12.0)),
        };
        ui.label(RichText::new(name).size(theme::size::SMALL));
    };
    for series in &document.series {
        if let Some(progress) = series.volume.progress() {
            let cancel = Command::File(FileCommand::CancelLoad(series.key));
            row("Loading".to_owned(), progress.fraction(), cancel);
        }
    }
    if let Some(scan) = &tasks.scan {
        let count = scan.progress.done();
        let cancel = Command::File(FileCommand::CancelScan);
        row(format!("Searching, {count} files"), scan.progress.fraction(), cancel);
    }
    for transfer in &server.transfers {
        let name = match transfer.kind {
            TransferKind::Send(_) => "Sending the series",
            TransferKind::Fetch(_) => "Fetching the result",
        };
        let cancel = Command::Jobs(JobsCommand::CancelTransfer(transfer.id));
        row(name.to_owned(), transfer.fraction(), cancel);
    }
}
