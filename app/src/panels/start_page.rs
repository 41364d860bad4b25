//! What a new window shows: the ways to open something.

use egui::{Button, RichText, Ui, vec2};
use egui_phosphor::regular as icons;

use crate::command::{Action, Command, CommandQueue, FileCommand, KeyMap};
use crate::document::Document;
use crate::settings::Settings;
use crate::tasks::Scan;
use crate::text::UserMessage;
use crate::theme;
use crate::widgets::hint;

/// What the page remembers: the path being typed.
#[derive(Debug, Default)]
pub struct StartState {
    /// Text in the path field.
    pub path: String,
}

/// What the page is drawn from.
pub struct StartContext<'a> {
    /// Preferences: recent studies.
    pub settings: &'a Settings,
    /// Where changes are sent.
    pub queue: &'a CommandQueue,
    /// For key hints.
    pub keymap: &'a KeyMap,
    /// For the availability of actions.
    pub document: &'a Document,
    /// A search that is going on.
    pub scan: Option<&'a Scan>,
    /// Whether there is a sample study.
    pub has_sample: bool,
    /// Why the last attempt to open something failed.
    pub failure: Option<&'a UserMessage>,
    /// What a program that was killed left behind, in words.
    pub left_behind: Option<String>,
}

/// Draws the page.
pub fn start_page_ui(ui: &mut Ui, ctx: &StartContext<'_>, state: &mut StartState) {
    let width = 520.0f32.min(ui.available_width() - 32.0);
    ui.vertical_centered(|ui| {
        ui.add_space((ui.available_height() * 0.16).max(8.0));
        ui.set_max_width(width);
        ui.label(RichText::new("Lantern").text_style(theme::title_style()));
        ui.label(RichText::new("Open a study, or drop a folder or files here.").color(theme::TEXT_QUIET));
        ui.add_space(theme::space::GROUP);
        if let Some(scan) = ctx.scan {
            searching_ui(ui, scan, ctx.queue);
            return;
        }
        if let Some(failure) = ctx.failure {
            failure_ui(ui, failure);
        }
        if let Some(what) = &ctx.left_behind {
            left_behind_ui(ui, what, ctx.queue);
        }
        ui.horizontal(|ui| {
            let buttons = 2 + usize::from(ctx.has_sample);
            let each = (width - 8.0 * (buttons as f32 - 1.0)) / buttons as f32;
            let mut button = |glyph: &str, action: Action, text: &str| {
                let label = format!("{glyph}  {text}");
                let response = ui.add(Button::new(label).min_size(vec2(each, 36.0)));
                if response.on_hover_text(hint(action, ctx.keymap)).accessible_name(text).clicked()
                    && let Some(command) = action.command(ctx.document)
                {
                    ctx.queue.send(command);
                }
            };
            button(icons::FOLDER_OPEN, Action::OpenFolder, "Open folder…");
            button(icons::FILE, Action::OpenFiles, "Open files…");
            if ctx.has_sample {
                button(icons::LIGHTBULB, Action::OpenSample, "Open sample study");
            }
        });
        ui.add_space(theme::space::PANEL);
        path_field_ui(ui, ctx.queue, state);
        ui.add_space(theme::space::GROUP * 2.0);
        recent_ui(ui, ctx, width);
    });
}

fn searching_ui(ui: &mut Ui, scan: &Scan, queue: &CommandQueue) {
    let path = scan.paths.first().map(|p| p.display().to_string()).unwrap_or_default();
    ui.add(egui::Label::new(format!("Searching {path}")).truncate());
    ui.add(
        egui::ProgressBar::new(scan.progress.fraction().unwrap_or(0.0))
            .desired_width(280.0)
            .desired_height(6.0)
            .fill(theme::ACCENT),
    );
    ui.label(RichText::new(format!("{} files", scan.progress.done())).color(theme::TEXT_QUIET));
    if ui.button("Cancel").clicked() {
        queue.send(Command::File(FileCommand::CancelScan));
    }
}

/// Offers what would otherwise be lost.
fn left_behind_ui(ui: &mut Ui, what: &str, queue: &CommandQueue) {
    let frame = egui::Frame::new().fill(theme::RAISED).corner_radius(4).inner_margin(12);
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal_top(|ui| {
            ui.label(theme::icon(icons::WARNING).color(theme::WARNING));
            ui.vertical(|ui| {
                ui.label(theme::semibold("Lantern did not end as it should."));
                ui.label(RichText::new("What was drawn until then is kept.").color(theme::TEXT_QUIET));
                ui.horizontal_wrapped(|ui| {
                    if ui.button(format!("Restore {what}")).clicked() {
                        queue.send(Command::File(FileCommand::RestoreAutosave));
                    }
                    if ui.button("Discard").clicked() {
                        queue.send(Command::File(FileCommand::DiscardAutosave));
                    }
                });
            });
        });
    });
    ui.add_space(theme::space::GROUP);
}

fn failure_ui(ui: &mut Ui, failure: &UserMessage) {
    let frame = egui::Frame::new().fill(theme::RAISED).corner_radius(4).inner_margin(12);
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.horizontal_top(|ui| {
            ui.label(theme::icon(icons::WARNING_CIRCLE).color(theme::DANGER));
            ui.vertical(|ui| {
                ui.add(egui::Label::new(theme::semibold(&failure.what)).selectable(true));
                ui.label(RichText::new(&failure.advice).color(theme::TEXT_QUIET))
                    .on_hover_text(&failure.detail);
            });
        });
    });
    ui.add_space(theme::space::GROUP);
}

/// A field that always works, whatever dialogs the desktop has.
pub fn path_field_ui(ui: &mut Ui, queue: &CommandQueue, state: &mut StartState) -> egui::Response {
    let field = egui::TextEdit::singleline(&mut state.path)
        .hint_text("Path of a folder or file, then Enter")
        .desired_width(f32::INFINITY)
        .margin(egui::Margin::symmetric(8, 6));
    let response = ui.add(field).accessible_name("Path to open");
    let is_entered = response.lost_focus() && ui.input(|i| i.key_pressed(egui::Key::Enter));
    let path = state.path.trim();
    if is_entered && !path.is_empty() {
        queue.send(Command::File(FileCommand::Open(vec![path.into()])));
    }
    response
}

fn recent_ui(ui: &mut Ui, ctx: &StartContext<'_>, width: f32) {
    if ctx.settings.recent.is_empty() {
        return;
    }
    ui.allocate_ui(vec2(width, 200.0), |ui| {
        ui.with_layout(egui::Layout::top_down(egui::Align::Min), |ui| {
            ui.label(RichText::new("Recent").color(theme::TEXT_QUIET));
            for recent in &ctx.settings.recent {
                let name = recent.path.file_name().map_or_else(Default::default, |n| n.to_string_lossy());
                let button = Button::new(format!("{}  {name}", icons::CLOCK_COUNTER_CLOCKWISE))
                    .right_text(RichText::new(&recent.label).color(theme::TEXT_QUIET))
                    .frame_when_inactive(false)
                    .truncate()
                    .min_size(vec2(width, 28.0));
                let response = ui.add(button).on_hover_text(recent.path.display().to_string());
                if response.accessible_name(format!("Open recent {name}")).clicked() {
                    ctx.queue.send(Command::File(FileCommand::Open(vec![recent.path.clone()])));
                }
            }
        });
    });
}
