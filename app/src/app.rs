//! The frame loop: take in what workers and people sent, apply it, draw, and ask for the pictures that are missing.

mod exchange;
mod server;
mod session;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use egui::{CentralPanel, Panel, ViewportCommand};
use imaging::ImagingError;
use imaging::derived::{DerivedObject, ObjectKind};
use imaging::series::{Catalog, SeriesAttributes};
use imaging::volume::Volume;
use render_core::gpu::DeviceWatch;
use render_core::{AdapterReport, RenderNotice, RendererChoice};

use crate::command::{
    Action, AnnotationCommand, AppCommand, Command, CommandQueue, EditCommand, FileCommand, FilePurpose,
    Focus, KeyMap, LayoutCommand, PanelKind, Preference, SeriesCommand, VoiCommand,
};
use crate::console::Console;
use crate::document::{Document, FoundObject, LoadedVolume, Series, SeriesKey, ViewportId};
use crate::gpu_bridge::{self, Pictures};
use crate::panels::jobs::JobsContext;
use crate::panels::notices::{Notices, Severity};
use crate::panels::palette::PaletteState;
use crate::panels::preferences::PreferencesState;
use crate::panels::side::SidePanels;
use crate::panels::start_page::{StartContext, StartState};
use crate::panels::status_bar::MemoryMeter;
use crate::panels::studies::StudiesState;
use crate::panels::transfer_function::CurveState;
use crate::panels::{
    help, inspector, jobs, leaving, menu_bar, palette, pipelines, preferences, start_page, status_bar,
    studies, type_name, verification,
};
use crate::settings::Settings;
use crate::tasks::{MadeMasks, MaskTarget, Message, Picked, RendererSource, SystemFont, Task, Tasks};
use crate::text::{self, UserMessage};
use crate::theme;
use crate::viewports::{self, ViewportContext, ViewportState};

use session::SessionState;

/// Memory that volumes which are not on screen may keep.
const HIDDEN_VOLUME_BYTES: u64 = 2 << 30;

/// What lies over the window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Overlay {
    #[default]
    None,
    Palette,
    Help,
    About,
    TypePath,
    Verification,
    Pipelines,
    Preferences,
    Leaving,
    /// A file is named where the desktop has no dialog.
    TypeName(FilePurpose),
}

/// Panel state: what drawing remembers and nobody else needs.
#[derive(Default)]
struct PanelState {
    overlay: Overlay,
    /// The side panel that was opened last.
    latest: PanelKind,
    palette: PaletteState,
    preferences: PreferencesState,
    start: StartState,
    /// The name of a file that is being typed.
    name: String,
    studies: StudiesState,
    curve: CurveState,
    viewports: ViewportState,
    memory: MemoryMeter,
    notices: Notices,
}

/// The application.
pub struct LanternApp {
    document: Document,
    /// Loads that were stopped because another series is shown, not because somebody asked.
    abandoned: BTreeSet<SeriesKey>,
    queue: CommandQueue,
    tasks: Tasks,
    console: Console,
    settings: Settings,
    keymap: KeyMap,
    panels: PanelState,
    pictures: Pictures,
    /// Whose window workers wake.
    window: Arc<Mutex<egui::Context>>,
    /// Of the window's graphics device.
    watch: DeviceWatch,
    adapter: Option<AdapterReport>,
    sample: Option<PathBuf>,
    open_failure: Option<UserMessage>,
    /// Fonts of the system that were needed so far.
    fonts: Vec<SystemFont>,
    /// Letters that they were looked for.
    sought_letters: BTreeSet<char>,
    title: String,
    /// Results of jobs that were opened; they lie in a cache and are no recent studies.
    opened_results: BTreeSet<PathBuf>,
    /// The window may close although jobs are not over.
    is_leaving: bool,
    is_saving_settings: bool,
    session: SessionState,
}

impl LanternApp {
    /// Starts the workers and opens `paths`. Does nothing slow.
    ///
    /// `settings` is `None` for a window that neither reads nor writes preferences (screenshots, tests).
    pub fn new(
        cc: &eframe::CreationContext<'_>,
        choice: RendererChoice,
        paths: Vec<PathBuf>,
        settings: Option<Settings>,
    ) -> Self {
        let watch = watch(cc);
        let source = gpu_bridge::renderer_source(choice, cc.wgpu_render_state.as_ref(), &watch);
        Self { watch, ..Self::with_renderer(cc, source, paths, settings) }
    }

    /// [`Self::new`] with a renderer of the caller's choice, and without watching the window's device.
    pub fn with_renderer(
        cc: &eframe::CreationContext<'_>,
        source: RendererSource,
        paths: Vec<PathBuf>,
        settings: Option<Settings>,
    ) -> Self {
        theme::install(&cc.egui_ctx);
        let window = Arc::new(Mutex::new(cc.egui_ctx.clone()));
        let wake = {
            let window = window.clone();
            move || lock(&window).request_repaint()
        };
        let is_saving_settings = settings.is_some();
        let settings = settings.unwrap_or_default();
        let mut app = Self {
            document: Document::new(),
            abandoned: BTreeSet::new(),
            queue: CommandQueue::default(),
            tasks: Tasks::start(source, wake),
            console: Console::default(),
            keymap: settings.keys.map(),
            settings,
            panels: PanelState::default(),
            pictures: Pictures::new(cc.wgpu_render_state.clone()),
            window,
            watch: DeviceWatch::default(),
            adapter: None,
            sample: None,
            open_failure: None,
            fonts: Vec::new(),
            sought_letters: BTreeSet::new(),
            title: String::new(),
            opened_results: BTreeSet::new(),
            is_leaving: false,
            is_saving_settings,
            session: SessionState::default(),
        };
        app.follow_preferences();
        app.scale_interface(&cc.egui_ctx);
        if app.is_saving_settings {
            app.set_autosave_of_user();
        }
        if !paths.is_empty() {
            app.send(Command::File(FileCommand::Open(paths)));
        }
        app
    }

    /// Goes on in another window, after the device of the one before was lost: same document, same undo history,
    /// loads in progress go on; pictures and thumbnails are made again.
    pub fn move_to(&mut self, cc: &eframe::CreationContext<'_>, choice: RendererChoice) {
        let ctx = &cc.egui_ctx;
        theme::install(ctx);
        theme::add_fonts(ctx, &self.fonts);
        self.scale_interface(ctx);
        let before = std::mem::replace(&mut *lock(&self.window), ctx.clone());
        // Widths of panels, places of scroll bars.
        let data = before.data(|data| data.clone());
        ctx.data_mut(|d| *d = data);
        self.watch = watch(cc);
        self.pictures = Pictures::new(cc.wgpu_render_state.clone());
        let source = gpu_bridge::renderer_source(choice, cc.wgpu_render_state.as_ref(), &self.watch);
        self.tasks.replace_renderer(source);
        self.panels.studies.requested.clear();
        self.panels.viewports = ViewportState::default();
        (self.adapter, self.title) = (None, String::new());
        let notice = text::message_for_notice(&RenderNotice::DeviceRebuilt);
        self.panels.notices.push(Severity::Warning, notice);
    }

    /// Whether the window's graphics device is gone, so that only another window can show anything.
    pub fn is_device_lost(&self) -> bool {
        self.pictures.poll_device();
        self.watch.is_lost()
    }

    /// Destroys the window's graphics device, to see whether that is survived.
    #[doc(hidden)]
    pub fn lose_device(&self) {
        self.pictures.lose_device();
    }

    /// The pictures on screen.
    pub fn pictures(&self) -> &Pictures {
        &self.pictures
    }

    /// Where a viewport lay in the last frame, in points.
    pub fn viewport_rect(&self, viewport: ViewportId) -> Option<egui::Rect> {
        self.panels.viewports.rects.get(&viewport).copied()
    }

    /// What draws, once that is known.
    pub fn adapter(&self) -> Option<&AdapterReport> {
        self.adapter.as_ref()
    }

    /// What is open.
    pub fn document(&self) -> &Document {
        &self.document
    }

    /// Key bindings.
    pub fn keymap(&self) -> &KeyMap {
        &self.keymap
    }

    /// Sends a command, as a menu or key would.
    pub fn send(&self, command: Command) {
        self.queue.send(command);
    }

    /// Opens a volume that was made in this process.
    pub fn open_volume(&mut self, attributes: SeriesAttributes, volume: Arc<Volume>) -> SeriesKey {
        let key = self.document.new_key();
        self.document.series.push(Series::from_volume(key, attributes, volume));
        self.seek_fonts();
        self.send(Command::Series(SeriesCommand::Show(key)));
        key
    }

    /// Whether nothing is being read or drawn and every picture is final.
    pub fn is_settled(&self) -> bool {
        self.queue.is_empty()
            && !self.tasks.is_reading()
            && self.pictures.is_settled()
            && self.adapter.is_some()
    }

    /// Why the last attempt to open something failed, if nothing is open.
    pub fn open_failure(&self) -> Option<&UserMessage> {
        self.open_failure.as_ref()
    }

    fn receive(&mut self, ctx: &egui::Context, message: Message) {
        match message {
            Message::Scanned { paths, result, .. } => {
                self.scanned(&paths, result);
                self.scan_for_session();
            }
            Message::FirstSlice { key, slice } => {
                if let Some(series) = self.document.series_mut(key) {
                    series.preview = Some(slice);
                }
                self.document.place_views();
            }
            Message::Loaded { key, result } => self.loaded(key, result),
            Message::Thumbnail { key, image } => self.pictures.accept_thumbnail(ctx, key, image.as_ref()),
            Message::Picked(Picked::Paths(paths)) => self.send(Command::File(FileCommand::Open(paths))),
            Message::Picked(Picked::Named(file)) => self.send(Command::File(FileCommand::Named(file))),
            Message::Picked(Picked::Unavailable(None)) => self.panels.overlay = Overlay::TypePath,
            Message::Picked(Picked::Unavailable(Some(purpose))) => {
                self.panels.name.clear();
                self.panels.overlay = Overlay::TypeName(purpose);
            }
            Message::File(news) => self.file_news(*news),
            Message::Picked(Picked::Cancelled) => {}
            Message::Fonts(fonts) => {
                if !fonts.is_empty() {
                    self.fonts.extend(fonts);
                    theme::add_fonts(ctx, &self.fonts);
                }
            }
            Message::SampleFound(path) => self.sample = path,
            Message::Renderer(Ok(report)) => self.adapter = Some(report),
            Message::Renderer(Err(error)) => {
                self.panels.notices.push(Severity::Failure, UserMessage::from(&error));
            }
            Message::RenderNotice(notice, report) => {
                self.adapter = Some(report);
                self.panels.notices.push(Severity::Warning, text::message_for_notice(&notice));
            }
            Message::Picture(picture) => self.pictures.accept(ctx, picture),
            Message::Console(happening) => self.happened(happening),
            Message::Masks { series, object, result } => self.masks_made(series, &object, result),
            Message::Verified(Ok(report)) => self.tasks.verification = Task::Ready(report),
            Message::Verified(Err(message)) => self.tasks.verification.fail(message),
            Message::PictureFailed { viewport, error } => {
                tracing::warn!(%error, "picture could not be drawn");
                self.pictures.fail(viewport, UserMessage::from(&error));
            }
        }
    }

    /// Looks for fonts if the names of series contain letters that the fonts so far may not have.
    fn seek_fonts(&mut self) {
        let texts = self.document.series.iter().flat_map(|series| {
            let a = &series.attributes;
            [&a.patient_name, &a.patient_id, &a.study_description, &a.series_description, &a.institution]
        });
        let missing = theme::missing_letters(texts.map(String::as_str));
        let new: BTreeSet<char> = missing.difference(&self.sought_letters).copied().collect();
        if !new.is_empty() {
            self.sought_letters.extend(&new);
            self.tasks.find_fonts(new);
        }
    }

    fn scanned(&mut self, paths: &[PathBuf], result: Result<Catalog, ImagingError>) {
        let opened = paths.first().cloned().unwrap_or_default();
        let catalog = match result {
            Ok(catalog) if !catalog.series.is_empty() => catalog,
            Ok(catalog) => {
                let error = match catalog.objects.first() {
                    Some(object) => ImagingError::NotAnImage {
                        path: object.path().to_path_buf(),
                        reason: format!("{}: not shown yet", object.kind.name()),
                    },
                    None => ImagingError::NothingFound { path: opened },
                };
                return self.failed_to_open(&error);
            }
            Err(ImagingError::Cancelled) => return,
            Err(error) => return self.failed_to_open(&error),
        };
        self.open_failure = None;
        let damaged = catalog.skipped.iter().filter(|s| !s.is_sound).count();
        if damaged > 0 {
            let files = if damaged == 1 { "1 file".to_owned() } else { format!("{damaged} files") };
            let list = catalog.skipped.iter().filter(|s| !s.is_sound).take(20);
            let detail: Vec<String> = list.map(|s| format!("{}: {}", s.reason, s.path.display())).collect();
            self.panels.notices.push(
                Severity::Warning,
                UserMessage {
                    what: format!("{files} could not be read."),
                    advice: "Everything else was opened.".to_owned(),
                    detail: detail.join("\n"),
                },
            );
        }
        // Opening the same place again replaces what came from it.
        let known: Vec<SeriesKey> =
            self.document.series.iter().filter(|s| s.opened_path == opened).map(|s| s.key).collect();
        for replaced in self.document.series.iter().filter(|s| known.contains(&s.key)) {
            if let Some(progress) = replaced.volume.progress() {
                progress.cancel();
            }
            for volume in replaced.volumes() {
                self.tasks.forget(volume.id());
            }
        }
        let lifted = self.lift_from(&known);
        self.document.forget_series(&known);
        self.document.series.retain(|s| !known.contains(&s.key));
        self.document.masks.retain(|masks| !known.contains(&masks.series));
        self.document.objects.retain(|found| found.opened_path != opened);
        let found = |object| FoundObject { object, opened_path: opened.clone(), read_for: BTreeSet::new() };
        self.document.objects.extend(catalog.objects.into_iter().map(found));
        let mut best: Option<(usize, SeriesKey)> = None;
        let mut label = None;
        for entry in catalog.series {
            let key = self.document.new_key();
            // The stack with the most slices is what people come for; localizers and reports are not.
            let weight = if entry.channels == 1 { entry.dims.z } else { 0 };
            if best.is_none_or(|(most, _)| weight > most) {
                best = Some((weight, key));
                let a = &entry.attributes;
                let parts =
                    [a.modality.clone(), a.study_description.clone(), text::study_date(&a.study_date)];
                let parts: Vec<String> = parts.into_iter().filter(|p| !p.trim().is_empty()).collect();
                label = Some(parts.join(" · "));
            }
            self.document.series.push(Series::from_entry(key, entry, opened.clone()));
        }
        self.seek_fonts();
        // However the sample was named.
        let is_sample = |sample: &PathBuf| opened.canonicalize().is_ok_and(|path| path == *sample);
        if !self.sample.as_ref().is_some_and(is_sample) && !self.opened_results.contains(&opened) {
            self.settings.remember(&opened, label.unwrap_or_default());
        }
        if self.session.is_restoring() {
            self.note_opening(paths);
            return;
        }
        self.settle_into(paths, lifted);
        if let Some((_, key)) = best {
            self.send(Command::Series(SeriesCommand::Show(key)));
        }
    }

    fn failed_to_open(&mut self, error: &ImagingError) {
        tracing::warn!(%error, "nothing was opened");
        let message = text::message_for(error);
        if self.is_failure_of_session(&message) {
            return;
        }
        if self.document.series.is_empty() {
            self.open_failure = Some(message);
        } else {
            self.panels.notices.push(Severity::Failure, message);
        }
    }

    fn loaded(&mut self, key: SeriesKey, result: Result<LoadedVolume, ImagingError>) {
        match result {
            Ok(loaded) => {
                self.document.volume_loaded(key, loaded);
                let warnings =
                    self.document.series(key).map(|s| s.all_warnings().into_iter().cloned().collect());
                let warnings: Vec<_> = warnings.unwrap_or_default();
                if let Some(message) = text::opened_with_warnings(&warnings) {
                    self.panels.notices.push(Severity::Warning, message);
                }
                self.evict_hidden();
                self.load_masks(key);
            }
            Err(error) => {
                let Some(series) = self.document.series_mut(key) else { return };
                if matches!(error, ImagingError::Cancelled) {
                    series.volume.cancel();
                    if self.abandoned.remove(&key) {
                        // It was paged past; it may be wanted again by now.
                        self.load_shown();
                    }
                } else {
                    series.volume.fail(text::message_for(&error));
                }
            }
        }
    }

    /// Reads the segmentations and structure sets that lie over a series that is there now.
    fn load_masks(&mut self, key: SeriesKey) {
        let Some(series) = self.document.series.iter().find(|s| s.key == key) else { return };
        let Some(loaded) = series.loaded().filter(|_| series.is_volume()) else { return };
        let (series_uid, frame_of_reference_uid) =
            (series.attributes.series_uid.clone(), series.attributes.frame_of_reference_uid.clone());
        for found in &mut self.document.objects {
            let object = &found.object;
            let is_regions = matches!(object.kind, ObjectKind::Segmentation | ObjectKind::StructureSet);
            let is_foreign =
                || object.mismatch(series_uid.as_deref(), frame_of_reference_uid.as_deref()).is_some();
            if !is_regions || found.read_for.contains(&key) || is_foreign() {
                continue;
            }
            found.read_for.insert(key);
            let target = MaskTarget {
                series: key,
                volume: Arc::clone(&loaded.volume),
                series_uid: series_uid.clone(),
                frame_of_reference_uid: frame_of_reference_uid.clone(),
            };
            self.tasks.load_masks(object.clone(), target);
        }
    }

    fn masks_made(&mut self, series: SeriesKey, object: &DerivedObject, result: Result<MadeMasks, String>) {
        match result {
            // The series may have been closed meanwhile.
            Ok(made) if self.document.series(series).is_some() => {
                self.document.masks_made(series, object, made);
            }
            Ok(_) => {}
            Err(what) => self.panels.notices.push(
                Severity::Warning,
                UserMessage {
                    what,
                    advice: "The images are shown without it.".to_owned(),
                    detail: object.path().display().to_string(),
                },
            ),
        }
    }

    /// Drops volumes that are not on screen, the longest loaded first, while they exceed their budget.
    fn evict_hidden(&mut self) {
        let shown = self.document.workspace.shown_series();
        let is_hidden = |s: &Series| s.loaded().is_some() && !shown.contains(&s.key);
        let mut hidden_bytes: u64 =
            self.document.series.iter().filter(|s| is_hidden(s)).map(|s| s.decoded_bytes).sum();
        for series in self.document.series.iter_mut().filter(|s| is_hidden(s)) {
            if hidden_bytes <= HIDDEN_VOLUME_BYTES {
                break;
            }
            hidden_bytes -= series.decoded_bytes;
            for volume in series.volumes() {
                self.tasks.forget(volume.id());
            }
            series.volume = crate::tasks::Task::Idle;
        }
    }

    fn apply(&mut self, ctx: &egui::Context, command: Command) {
        match command {
            Command::App(command) => self.apply_app(ctx, command),
            Command::File(command) => self.apply_file(command),
            Command::Jobs(command) => self.apply_jobs(command),
            Command::Series(SeriesCommand::Reload(key)) => self.load(key),
            command => {
                self.document.apply(&command);
                if self.document.labelled.is_some() {
                    // Words are typed into the list of measurements.
                    self.settings.is_inspector_open = true;
                    self.panels.latest = PanelKind::Inspector;
                }
                if matches!(
                    command,
                    Command::Series(_)
                        | Command::Edit(_)
                        | Command::Layout(_)
                        | Command::Voi(VoiCommand::Fuse(..))
                        | Command::Annotation(AnnotationCommand::JumpTo(_))
                ) {
                    self.load_shown();
                }
            }
        }
    }

    /// Starts to read what is shown and was never tried.
    fn load_shown(&mut self) {
        let shown = self.document.workspace.shown_series();
        for series in &mut self.document.series {
            match (shown.contains(&series.key), series.volume.progress()) {
                (true, _) if series.volume.is_idle() => self.tasks.load(series),
                // Paging through a long study must not read all of it at once.
                (false, Some(progress)) => {
                    progress.cancel();
                    self.abandoned.insert(series.key);
                }
                _ => {}
            }
        }
    }

    fn load(&mut self, key: SeriesKey) {
        if let Some(series) = self.document.series_mut(key)
            && series.volume.progress().is_none()
        {
            self.tasks.load(series);
        }
    }

    fn apply_app(&mut self, ctx: &egui::Context, command: AppCommand) {
        let panels = &mut self.panels;
        match command {
            AppCommand::Quit => ctx.send_viewport_cmd(ViewportCommand::Close),
            AppCommand::QuitAnyway => {
                self.is_leaving = true;
                ctx.send_viewport_cmd(ViewportCommand::Close);
            }
            AppCommand::ToggleFullScreen => {
                let is_full = ctx.input(|i| i.viewport().fullscreen.unwrap_or(false));
                ctx.send_viewport_cmd(ViewportCommand::Fullscreen(!is_full));
            }
            AppCommand::ShowPalette => {
                panels.palette = PaletteState::default();
                panels.overlay = Overlay::Palette;
            }
            AppCommand::ShowHelp => panels.overlay = Overlay::Help,
            AppCommand::ShowAbout => panels.overlay = Overlay::About,
            AppCommand::ShowPreferences => {
                panels.preferences.stop_asking();
                panels.overlay = Overlay::Preferences;
            }
            AppCommand::Prefer(preference) => self.prefer(ctx, preference),
            AppCommand::StepInterfaceScale(steps) => {
                let scale = self.settings.stepped_scale(steps);
                self.prefer(ctx, Preference::InterfaceScale(scale));
            }
            AppCommand::VerifyWorkstation => {
                panels.overlay = Overlay::Verification;
                self.tasks.verify();
            }
            AppCommand::CancelVerification => self.tasks.cancel_verification(),
            AppCommand::CloseOverlay => {
                if panels.overlay == Overlay::None {
                    panels.notices.dismiss_all();
                }
                panels.overlay = Overlay::None;
            }
            AppCommand::TogglePanel(kind) => {
                let width = ctx.content_rect().width();
                let shown = SidePanels::shown(&self.settings, width, panels.latest);
                shown.toggle(kind, &mut self.settings, &mut panels.latest);
            }
            AppCommand::ToggleInvertedLevelDrag => {
                self.settings.is_level_drag_inverted = !self.settings.is_level_drag_inverted;
            }
            AppCommand::DismissNotice(id) => panels.notices.dismiss(id),
            AppCommand::SetSplit(split) => self.settings.split = split,
        }
    }

    /// Takes a preference in, at once.
    fn prefer(&mut self, ctx: &egui::Context, preference: Preference) {
        self.settings.prefer(preference);
        self.keymap = self.settings.keys.map();
        match preference {
            Preference::InterfaceScale(_) => self.scale_interface(ctx),
            Preference::CornerTexts(is_visible) => self.document.is_overlay_visible = is_visible,
            Preference::Linked(is_linked) => self.document.is_linked = is_linked,
            Preference::Neurological(is_neurological)
                if self.document.workspace.is_neurological != is_neurological =>
            {
                self.document.apply(&Command::Layout(LayoutCommand::ToggleNeurological));
            }
            _ => {}
        }
    }

    /// What an empty document begins with.
    fn follow_preferences(&mut self) {
        self.document.workspace.is_neurological = self.settings.is_neurological;
        self.document.is_overlay_visible = self.settings.is_overlay_visible;
        self.document.is_linked = self.settings.is_linked;
    }

    fn scale_interface(&self, ctx: &egui::Context) {
        // The keys for it are ours, so that they are listed and can be changed.
        ctx.options_mut(|options| options.zoom_with_keyboard = false);
        ctx.set_zoom_factor(self.settings.interface_scale);
    }

    fn apply_file(&mut self, command: FileCommand) {
        match command {
            FileCommand::PickFolder => self.tasks.pick_folder(),
            FileCommand::PickFiles => self.tasks.pick_files(),
            FileCommand::TypePath => self.panels.overlay = Overlay::TypePath,
            FileCommand::Open(paths) => {
                self.panels.overlay = Overlay::None;
                self.open_failure = None;
                if !self.opens_session(&paths) {
                    self.abandon_restoring();
                    self.tasks.scan(paths);
                }
            }
            FileCommand::OpenSample => match self.sample.clone() {
                Some(path) => {
                    self.abandon_restoring();
                    self.tasks.scan(vec![path]);
                }
                None => self.panels.notices.push(
                    Severity::Failure,
                    UserMessage {
                        what: "The sample study is not installed.".to_owned(),
                        advice: "Open a folder or file of your own instead.".to_owned(),
                        detail: String::new(),
                    },
                ),
            },
            FileCommand::CancelScan => {
                self.tasks.cancel_scan();
                self.abandon_restoring();
            }
            FileCommand::CancelLoad(key) => {
                if let Some(progress) = self.document.series(key).and_then(|s| s.volume.progress()) {
                    progress.cancel();
                }
            }
            FileCommand::CloseAll => self.close_all_but_unsaved(),
            FileCommand::CloseAllAnyway => {
                self.close_all();
                self.abandon_restoring();
            }
            FileCommand::ForgetRecent => self.settings.recent.clear(),
            command => self.apply_session_file(&command),
        }
    }

    fn take_keys(&mut self, ctx: &egui::Context) {
        if self.panels.overlay == Overlay::Preferences && self.panels.preferences.is_asking() {
            // The next key is an answer, whatever it means otherwise.
            return;
        }
        let focus = if ctx.text_edit_focused() {
            Focus::Text
        } else if ctx.memory(|m| m.focused()).is_some() {
            Focus::Widget
        } else {
            Focus::Nothing
        };
        let is_modal = self.panels.overlay != Overlay::None;
        let actions = ctx
            .input_mut(|input| self.keymap.take_actions(input, if is_modal { Focus::Text } else { focus }));
        for action in actions {
            let command = match action {
                // A menu or list that is open is closed first.
                Action::Cancel if egui::Popup::is_any_open(ctx) => {
                    egui::Popup::close_all(ctx);
                    None
                }
                Action::Cancel if is_modal => Some(Command::App(AppCommand::CloseOverlay)),
                action => action.command(&self.document),
            };
            if let Some(command) = command {
                self.send(command);
            }
        }
    }

    fn take_dropped_files(&self, ctx: &egui::Context) {
        let paths: Vec<PathBuf> =
            ctx.input(|i| i.raw.dropped_files.iter().map(|f| f.path().to_path_buf()).collect());
        if !paths.is_empty() {
            self.send(Command::File(FileCommand::Open(paths)));
        }
    }

    fn draw(&mut self, ui: &mut egui::Ui) {
        let (document, queue, settings) = (&self.document, &self.queue, &self.settings);
        let panels = &mut self.panels;
        self.pictures.background_ui(ui.painter(), ui.ctx().content_rect());
        let sides = SidePanels::shown(settings, ui.ctx().content_rect().width(), panels.latest);
        Panel::top("menu").frame(theme::bar_frame()).show(ui, |ui| {
            let context = (document, self.console.view().as_ref());
            menu_bar::menu_bar_ui(ui, context, (settings, sides), &self.keymap, queue);
        });
        Panel::bottom("status").frame(theme::bar_frame()).exact_size(24.0).show(ui, |ui| {
            let probe = panels.viewports.probe.as_ref();
            let extras = (queue, &mut panels.memory);
            let work = (&self.tasks, self.console.view().as_ref());
            status_bar::status_bar_ui(ui, document, probe, self.adapter.as_ref(), work, extras);
        });
        if settings.is_jobs_open {
            let panel = Panel::bottom("jobs").frame(theme::panel_frame()).default_size(200.0).resizable(true);
            let context = JobsContext { view: self.console.view(), document, keymap: &self.keymap, queue };
            // The pictures keep the larger part.
            let most = (ui.ctx().content_rect().height() * 0.4).clamp(120.0, 480.0);
            panel.size_range(96.0..=most).show(ui, |ui| jobs::jobs_ui(ui, &context));
        }
        let has_series = !document.series.is_empty();
        if has_series && sides.studies {
            let panel = Panel::left("studies").frame(theme::panel_frame()).default_size(248.0);
            panel.size_range(180.0..=480.0).show(ui, |ui| {
                studies::studies_ui(ui, document, &self.pictures, settings, queue, &mut panels.studies);
            });
        }
        if has_series && sides.inspector {
            let panel = Panel::right("inspector").frame(theme::panel_frame()).default_size(272.0);
            panel.size_range(220.0..=480.0).show(ui, |ui| {
                let state = (&mut panels.curve, &mut panels.viewports.numbers);
                inspector::inspector_ui(ui, document, queue, state);
            });
        }
        CentralPanel::default().frame(egui::Frame::new()).show(ui, |ui| {
            if has_series {
                let context = ViewportContext {
                    document,
                    queue,
                    pictures: &self.pictures,
                    settings,
                    keymap: &self.keymap,
                };
                viewports::grid_ui(ui, &context, &mut panels.viewports);
            } else {
                let context = StartContext {
                    settings,
                    queue,
                    keymap: &self.keymap,
                    document,
                    scan: self.tasks.scan.as_ref(),
                    has_sample: self.sample.is_some(),
                    failure: self.open_failure.as_ref(),
                    left_behind: self.session.left_behind_title(),
                };
                panels.viewports.sizes_px.clear();
                start_page::start_page_ui(ui, &context, &mut panels.start);
            }
        });
        self.draw_overlays(&ui.ctx().clone());
    }

    fn draw_overlays(&mut self, ctx: &egui::Context) {
        let unfinished = leaving::Unfinished {
            jobs: self.console.view().unfinished_jobs(),
            drawings: self.unsaved_drawings(),
        };
        let panels = &mut self.panels;
        match panels.overlay {
            Overlay::None => {}
            Overlay::Palette => {
                palette::palette_ui(ctx, &self.document, &self.keymap, &self.queue, &mut panels.palette);
            }
            Overlay::Help => help::help_ui(ctx, &self.keymap, &self.settings, &self.queue),
            Overlay::About => help::about_ui(ctx, &self.queue),
            Overlay::Pipelines => {
                pipelines::pipelines_ui(ctx, &self.document, self.console.view(), &self.queue);
            }
            Overlay::Preferences => {
                let state = &mut panels.preferences;
                preferences::preferences_ui(ctx, &self.settings, &self.keymap, &self.queue, state);
            }
            Overlay::Leaving => {
                leaving::leaving_ui(ctx, unfinished, &self.queue);
            }
            Overlay::Verification => {
                verification::verification_ui(ctx, &self.tasks.verification, &self.queue);
            }
            Overlay::TypeName(purpose) => {
                type_name::type_name_ui(ctx, purpose, &mut panels.name, &self.queue);
            }
            Overlay::TypePath => {
                let response = egui::Modal::new(egui::Id::unique("type path"))
                    .frame(theme::dialog_frame())
                    .show(ctx, |ui| {
                        ui.set_width(460.0);
                        ui.heading("Open path");
                        ui.add_space(theme::space::PANEL);
                        let field = start_page::path_field_ui(ui, &self.queue, &mut panels.start);
                        if !field.lost_focus() {
                            field.request_focus();
                        }
                    });
                if response.should_close() {
                    self.queue.send(Command::App(AppCommand::CloseOverlay));
                }
            }
        }
        panels.notices.ui(ctx, &self.queue);
        if ctx.input(|i| !i.raw.hovered_files.is_empty()) {
            let painter =
                ctx.layer_painter(egui::LayerId::new(egui::Order::Foreground, egui::Id::unique("drop")));
            let rect = ctx.content_rect().shrink(6.0);
            let stroke = egui::Stroke::new(2.0, theme::ACCENT);
            painter.rect_stroke(rect, 4.0, stroke, egui::StrokeKind::Inside);
        }
    }

    /// Ends a gesture once no button is held.
    fn end_gesture(&self, ctx: &egui::Context) {
        if self.document.history.is_in_gesture() && !ctx.input(|i| i.pointer.any_down()) {
            self.send(Command::Edit(EditCommand::EndGesture));
        }
    }

    fn set_title(&mut self, ctx: &egui::Context) {
        let title = self
            .document
            .active_series()
            .map_or_else(|| "Lantern".to_owned(), |series| format!("Lantern — {}", series.title()));
        if title != self.title {
            ctx.send_viewport_cmd(ViewportCommand::Title(title.clone()));
            self.title = title;
        }
    }
}

impl eframe::App for LanternApp {
    fn logic(&mut self, ctx: &egui::Context, _frame: &mut eframe::Frame) {
        while let Some(message) = self.tasks.next_message() {
            self.receive(ctx, message);
        }
        self.console.refresh();
        // Progress does not wake the window by itself.
        if self.tasks.is_reading() || !self.console.view().transfers.is_empty() {
            ctx.request_repaint_after(std::time::Duration::from_millis(100));
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        if self.is_device_lost() {
            // Nothing can be drawn; whoever opened the window opens another one.
            return;
        }
        self.ask_before_leaving(&ctx);
        self.take_keys(&ctx);
        self.take_dropped_files(&ctx);
        // Keys and messages act before this frame is drawn, what the pointer does right after: the renderer starts
        // at once, and the next frame shows the new state.
        for command in self.queue.take() {
            self.apply(&ctx, command);
        }
        self.draw(ui);
        // The wish for the focus ends with the click that placed the text: a click elsewhere takes the focus away.
        if !ctx.input(|i| i.pointer.any_down() || i.pointer.any_released()) {
            self.document.labelled = None;
        }
        self.end_gesture(&ctx);
        let commands = self.queue.take();
        if !commands.is_empty() {
            ctx.request_repaint();
        }
        for command in commands {
            self.apply(&ctx, command);
        }
        // Small pictures wait for the large one.
        if !self.tasks.is_first_picture_awaited() {
            for key in std::mem::take(&mut self.panels.studies.wanted) {
                if let Some(series) = self.document.series(key) {
                    self.tasks.request_thumbnail(series);
                }
            }
        }
        let wanted = viewports::wanted_scenes(&self.document, &self.panels.viewports, ctx.pixels_per_point());
        self.pictures.request(wanted, &self.tasks);
        self.start_server();
        self.keep_measurements();
        self.set_title(&ctx);
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        if self.is_saving_settings {
            self.settings.save(storage);
        }
    }

    fn persist_egui_memory(&self) -> bool {
        self.is_saving_settings
    }
}

/// Watches the window's device and wakes the window when it is lost.
fn watch(cc: &eframe::CreationContext<'_>) -> DeviceWatch {
    let ctx = cc.egui_ctx.clone();
    cc.wgpu_render_state
        .as_ref()
        .map(|state| DeviceWatch::install(&state.device, move || ctx.request_repaint()))
        .unwrap_or_default()
}

fn lock(window: &Mutex<egui::Context>) -> std::sync::MutexGuard<'_, egui::Context> {
    window.lock().unwrap_or_else(PoisonError::into_inner)
}
