//! Menus, tool strip and the door to the command palette.

use egui::{Align, Layout, MenuBar, RichText, Ui};
use egui_phosphor::regular as icons;
use imaging::geometry::AnatomicalPlane;
use imaging::intensity::CT_PRESETS;
use imaging::measurement::DrawingKind;
use render_core::transfer_function::VOLUME_PRESETS;

use crate::command::{Action, AppCommand, Command, CommandQueue, FileCommand, KeyMap, LayoutCommand};
use crate::console::View;
use crate::document::{Arrangement, Document, MAX_GRID, Tool, VolumeStyle};
use crate::panels::side::SidePanels;
use crate::panels::{pipelines, server};
use crate::settings::Settings;
use crate::theme;
use crate::widgets::{hint, icon_button, menu_action};

/// Room for what is written in the search button, in points.
const ROOM_FOR_WORDS: f32 = 190.0;
/// Room for its key, in points.
const ROOM_FOR_KEY: f32 = 80.0;

fn tool_icon(tool: Tool) -> &'static str {
    match tool {
        Tool::WindowLevel => icons::CIRCLE_HALF,
        Tool::Scroll => icons::STACK,
        Tool::Pan => icons::HAND,
        Tool::Zoom => icons::MAGNIFYING_GLASS,
        Tool::Crosshair => icons::CROSSHAIR,
        Tool::Oblique => icons::PERSPECTIVE,
        Tool::Draw(kind) => drawing_icon(kind),
    }
}

/// The sign of a kind of drawing.
pub(super) fn drawing_icon(kind: DrawingKind) -> &'static str {
    match kind {
        DrawingKind::Length => icons::RULER,
        DrawingKind::Bidirectional => icons::ARROWS_OUT_CARDINAL,
        DrawingKind::Polyline => icons::LINE_SEGMENTS,
        DrawingKind::Angle => icons::ANGLE,
        DrawingKind::CobbAngle => icons::LESS_THAN,
        DrawingKind::Rectangle => icons::RECTANGLE,
        DrawingKind::Ellipse => icons::CIRCLE,
        DrawingKind::Circle => icons::CIRCLE_DASHED,
        DrawingKind::Polygon => icons::POLYGON,
        DrawingKind::Freehand => icons::SCRIBBLE_LOOP,
        DrawingKind::Spline => icons::BEZIER_CURVE,
        DrawingKind::Probe => icons::EYEDROPPER,
        DrawingKind::Arrow => icons::ARROW_UP_LEFT,
        DrawingKind::Text => icons::TEXT_T,
    }
}

/// Draws the bar along the top.
pub fn menu_bar_ui(
    ui: &mut Ui,
    (document, server): (&Document, &View),
    (settings, sides): (&Settings, SidePanels),
    keymap: &KeyMap,
    queue: &CommandQueue,
) {
    let entries = |ui: &mut Ui, actions: &[Action]| {
        for action in actions {
            menu_action(ui, *action, document, keymap, queue);
        }
    };
    MenuBar::new().ui(ui, |ui| {
        ui.label(theme::semibold("Lantern"));
        ui.add_space(theme::space::TIGHT);
        ui.menu_button("File", |ui| {
            entries(ui, &[Action::OpenFolder, Action::OpenFiles, Action::OpenPath, Action::OpenSample]);
            recent_menu(ui, settings, queue);
            ui.separator();
            entries(ui, &[Action::OpenSession, Action::SaveSession, Action::SaveSessionAs]);
            ui.separator();
            entries(ui, &[Action::ImportMeasurements, Action::ExportMeasurements]);
            ui.separator();
            entries(ui, &[Action::CloseAll, Action::Quit]);
        });
        ui.menu_button("Edit", |ui| {
            history_entry(ui, Action::Undo, document.history.undo_title(), document, keymap, queue);
            history_entry(ui, Action::Redo, document.history.redo_title(), document, keymap, queue);
            ui.separator();
            entries(ui, &[Action::Preferences]);
        });
        ui.menu_button("View", |ui| {
            entries(ui, &[Action::ZoomIn, Action::ZoomOut, Action::ZoomFit, Action::ResetView]);
            ui.separator();
            let turns =
                [Action::RotateLeft, Action::RotateRight, Action::FlipHorizontal, Action::FlipVertical];
            entries(ui, &turns);
            ui.separator();
            entries(ui, &[Action::AcquiredPlanes, Action::PatientPlanes]);
            ui.menu_button("Window", |ui| {
                entries(ui, &[Action::WindowAuto, Action::WindowReset, Action::Invert]);
                ui.separator();
                entries(ui, &(0..CT_PRESETS.len() as u8).map(Action::WindowPreset).collect::<Vec<_>>());
            });
            ui.menu_button("Volume", |ui| {
                entries(ui, &AnatomicalPlane::ALL.map(Action::Face));
                ui.separator();
                entries(ui, &VolumeStyle::ALL.map(|(style, _)| Action::VolumeStyle(style)));
                ui.separator();
                entries(ui, &(0..VOLUME_PRESETS.len() as u8).map(Action::VolumePreset).collect::<Vec<_>>());
            });
            ui.separator();
            ui.menu_button("Layout", |ui| {
                entries(ui, &Arrangement::NAMED.map(|(arrangement, _)| Action::Arrange(arrangement)));
                ui.separator();
                grid_picker_ui(ui, document, queue);
            });
            entries(ui, &[Action::Neurological, Action::LinkSeries, Action::LinkByOffset]);
            ui.separator();
            entries(ui, &[Action::ToggleMaximised, Action::ToggleOverlay]);
            entries(ui, &[Action::ToggleStudies, Action::ToggleInspector, Action::ToggleFullScreen]);
        });
        ui.menu_button("Tools", |ui| {
            entries(ui, &Tool::VIEWING.map(Action::Tool));
            ui.separator();
            ui.menu_button("Measure", |ui| {
                entries(ui, &DrawingKind::ALL.map(|kind| Action::Tool(Tool::Draw(kind))));
            });
            ui.menu_button("Measurements", |ui| {
                entries(ui, &[Action::CopyAnnotation, Action::PasteAnnotation, Action::DeleteAnnotation]);
                ui.separator();
                entries(ui, &[Action::LockAnnotation, Action::HideAnnotation, Action::ToggleAnnotations]);
                ui.separator();
                entries(ui, &[Action::ToggleMasks]);
            });
            ui.separator();
            entries(
                ui,
                &[
                    Action::InterpolationLinear,
                    Action::InterpolationNearest,
                    Action::ColorProfile,
                    Action::InvertLevelDrag,
                ],
            );
        });
        ui.menu_button("Jobs", |ui| {
            entries(ui, &[Action::ToggleJobs]);
            pipelines::pipelines_menu_ui(ui, document, server, queue);
            ui.separator();
            if !server.session.is_running() {
                entries(ui, &[Action::RetryServer]);
            }
            entries(ui, &[Action::ToggleServer]);
        });
        ui.menu_button("Help", |ui| {
            entries(ui, &[Action::Help, Action::Palette, Action::VerifyWorkstation, Action::About]);
        });
        ui.add_space(theme::space::GROUP);
        let is_open = !document.series.is_empty();
        if is_open {
            for tool in Tool::VIEWING {
                tool_ui(ui, tool, document, keymap, queue);
            }
            measure_ui(ui, document, keymap, queue);
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            server::indicator_ui(ui, server, settings.is_jobs_open, keymap, queue);
            if is_open {
                panel_toggles(ui, sides, keymap, document, queue);
            }
            let key = keymap.text(Action::Palette).unwrap_or_default();
            // In narrow windows the tools need the room.
            let words = if ui.available_width() < ROOM_FOR_WORDS { "" } else { "Search commands   " };
            let text = if ui.available_width() < ROOM_FOR_KEY {
                icons::MAGNIFYING_GLASS.to_owned()
            } else {
                format!("{}  {words}{key}", icons::MAGNIFYING_GLASS)
            };
            let button = egui::Button::new(RichText::new(text).color(theme::TEXT_QUIET)).fill(theme::FIELD);
            if ui.add(button).accessible_name("Search commands").clicked() {
                queue.send(Command::App(AppCommand::ShowPalette));
            }
        });
    });
}

fn tool_ui(ui: &mut Ui, tool: Tool, document: &Document, keymap: &KeyMap, queue: &CommandQueue) {
    let action = Action::Tool(tool);
    let hint = format!("{}\n{}", hint(action, keymap), tool.explanation());
    if icon_button(ui, tool_icon(tool), &tool.title(), &hint, document.tool == tool).clicked() {
        queue.send(Command::Tool(tool));
    }
}

/// The measuring tool that is or was in use, and the others behind an arrow.
fn measure_ui(ui: &mut Ui, document: &Document, keymap: &KeyMap, queue: &CommandQueue) {
    tool_ui(ui, Tool::Draw(document.measuring), document, keymap, queue);
    let button = egui::Button::new(theme::icon(icons::CARET_DOWN)).frame_when_inactive(false);
    let (response, _) = egui::containers::menu::MenuButton::from_button(button).ui(ui, |ui| {
        for kind in DrawingKind::ALL {
            menu_action(ui, Action::Tool(Tool::Draw(kind)), document, keymap, queue);
        }
    });
    response.on_hover_text("More measuring tools").accessible_name("More measuring tools");
}

fn panel_toggles(ui: &mut Ui, sides: SidePanels, keymap: &KeyMap, document: &Document, queue: &CommandQueue) {
    let toggles = [
        (Action::ToggleInspector, icons::SLIDERS_HORIZONTAL, sides.inspector),
        (Action::ToggleStudies, icons::SIDEBAR_SIMPLE, sides.studies),
    ];
    for (action, glyph, is_open) in toggles {
        if icon_button(ui, glyph, &action.title(), &hint(action, keymap), is_open).clicked()
            && let Some(command) = action.command(document)
        {
            queue.send(command);
        }
    }
}

/// Rows and columns, pointed at: the cells up to the pointer become the grid.
fn grid_picker_ui(ui: &mut Ui, document: &Document, queue: &CommandQueue) {
    const CELL: f32 = 18.0;
    let current = match document.workspace.layout.arrangement {
        Arrangement::Grid { rows, columns } => [rows, columns],
        _ => [0, 0],
    };
    let most = f32::from(MAX_GRID) * CELL;
    let (area, _) = ui.allocate_exact_size(egui::vec2(most, most), egui::Sense::hover());
    let cell = |row: u8, column: u8| {
        let corner = area.min + egui::vec2(f32::from(column), f32::from(row)) * CELL;
        egui::Rect::from_min_size(corner, egui::Vec2::splat(CELL)).shrink(1.5)
    };
    let places = || (0..MAX_GRID).flat_map(|row| (0..MAX_GRID).map(move |column| [row, column]));
    let responses: Vec<([u8; 2], egui::Response)> = places()
        .map(|[row, column]| {
            let id = ui.scope_id().with(("grid", row, column));
            let response = ui.interact(cell(row, column), id, egui::Sense::click());
            let name = Arrangement::grid(row + 1, column + 1).name();
            response.widget_info(|| {
                egui::WidgetInfo::labeled(egui::accesskit::Role::Button, true, format!("Grid {name}"))
            });
            ([row, column], response.on_hover_text(name))
        })
        .collect();
    let hovered = responses.iter().find(|(_, r)| r.hovered() || r.has_focus()).map(|(place, _)| *place);
    let [rows, columns] = hovered.map_or(current, |[row, column]| [row + 1, column + 1]);
    for [row, column] in places() {
        let is_in = row < rows && column < columns;
        let fill = if is_in { theme::ACCENT } else { theme::FIELD };
        ui.painter().rect_filled(cell(row, column), 2.0, fill);
    }
    if let Some(([row, column], _)) = responses.iter().find(|(_, r)| r.clicked()) {
        let arrangement = Arrangement::grid(row + 1, column + 1);
        queue.send(Command::Layout(LayoutCommand::Arrange(arrangement)));
        ui.close();
    }
}

/// `Undo window`, so that one knows what will be taken back.
fn history_entry(
    ui: &mut Ui,
    action: Action,
    what: Option<&str>,
    document: &Document,
    keymap: &KeyMap,
    queue: &CommandQueue,
) {
    let command = action.command(document);
    let title = what.map_or_else(|| action.title(), |what| format!("{} {what}", action.title()));
    let mut button = egui::Button::new(title).frame_when_inactive(false);
    if let Some(key) = keymap.text(action) {
        button = button.shortcut_text(RichText::new(key).size(theme::size::SMALL).color(theme::TEXT_QUIET));
    }
    if ui.add_enabled(command.is_some(), button).clicked() {
        if let Some(command) = command {
            queue.send(command);
        }
        ui.close();
    }
}

fn recent_menu(ui: &mut Ui, settings: &Settings, queue: &CommandQueue) {
    if settings.recent.is_empty() {
        return;
    }
    ui.menu_button("Open recent", |ui| {
        for recent in &settings.recent {
            let name = recent.path.file_name().map_or_else(Default::default, |n| n.to_string_lossy());
            let button = egui::Button::new(format!("{name}   {}", recent.label)).frame_when_inactive(false);
            if ui.add(button).on_hover_text(recent.path.display().to_string()).clicked() {
                queue.send(Command::File(FileCommand::Open(vec![recent.path.clone()])));
                ui.close();
            }
        }
        ui.separator();
        if ui.add(egui::Button::new("Clear list").frame_when_inactive(false)).clicked() {
            queue.send(Command::File(FileCommand::ForgetRecent));
            ui.close();
        }
    });
}
