//! The window around a [`Canvas`]: events in, frames out.
//!
//! Frames come when something asks for one, and not more often than the screen shows them. Where the desktop itself
//! tells when to draw (Wayland) it is asked; elsewhere a request to draw means that the window was uncovered, and what
//! is there is shown again.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use eframe::UserEvent;
use egui::{ViewportBuilder, ViewportEvent, ViewportId, ViewportInfo};
use egui_winit::ActionRequested;
use egui_winit::accesskit_winit::WindowEvent as AccessEvent;
use winit::application::ApplicationHandler;
use winit::event::WindowEvent;
use winit::event_loop::{ActiveEventLoop, ControlFlow, EventLoop, EventLoopProxy, OwnedDisplayHandle};
use winit::platform::run_on_demand::EventLoopExtRunOnDemand as _;
use winit::raw_window_handle::{HasDisplayHandle as _, RawDisplayHandle};
use winit::window::{Window, WindowId};

use super::canvas::{Canvas, CanvasFrame, PixelRect};
use super::storage::FileStorage;
use crate::theme;

/// Key of the window's place in the toolkit's storage.
const PLACE_KEY: &str = "window";
/// Key of panel widths, scroll bars and the like.
const MEMORY_KEY: &str = "egui";
/// Time between frames of a window that nobody sees.
const HIDDEN_INTERVAL: Duration = Duration::from_millis(100);
/// Buffers that the desktop may use in turn.
const MAX_BUFFERS: usize = 4;

/// A window to open.
pub(in crate::window) struct SoftwareWindow<'a> {
    /// Size, title, icon.
    pub(in crate::window) viewport: ViewportBuilder,
    /// Names the file of preferences; `None` to read and write none.
    pub(in crate::window) storage_name: Option<&'static str>,
    /// Makes the application once the window is there.
    pub(in crate::window) create: eframe::AppCreator<'a>,
}

/// Opens a window on `event_loop` and returns when it is closed.
///
/// # Errors
/// If the window, or memory that the desktop would show, cannot be had; `window.create` was not called then.
pub(in crate::window) fn run(
    event_loop: &mut EventLoop<UserEvent>,
    window: SoftwareWindow<'_>,
) -> anyhow::Result<()> {
    let proxy = event_loop.create_proxy();
    let mut runner = Runner { opening: Some(window), running: None, proxy, error: None };
    event_loop.run_app_on_demand(&mut runner).context("the desktop ended the connection")?;
    runner.error.map_or(Ok(()), Err)
}

struct Runner<'a> {
    opening: Option<SoftwareWindow<'a>>,
    running: Option<Running<'a>>,
    proxy: EventLoopProxy<UserEvent>,
    error: Option<anyhow::Error>,
}

/// A window that is open.
struct Running<'a> {
    window: Arc<Window>,
    screen: Screen,
    input: egui_winit::State,
    ctx: egui::Context,
    app: Box<dyn eframe::App + 'a>,
    frame: eframe::Frame,
    info: ViewportInfo,
    storage: Option<FileStorage>,
    settings: Option<egui_winit::WindowSettings>,
    saved_at: Instant,
    started: Instant,
    is_shown: bool,
    pace: Pace,
}

/// When the next frame is due.
struct Pace {
    interval: Duration,
    /// Start of the last frame, or when it should have been.
    last: Instant,
    wanted: Option<Instant>,
}

impl Pace {
    fn ask(&mut self, when: Instant) {
        self.wanted = Some(self.wanted.map_or(when, |wanted| wanted.min(when)));
    }

    fn due(&self, is_hidden: bool) -> Option<Instant> {
        let interval = if is_hidden { HIDDEN_INTERVAL } else { self.interval };
        self.wanted.map(|wanted| wanted.max(self.last + interval))
    }

    fn start_frame(&mut self, now: Instant) {
        self.wanted = None;
        // A late wake-up must not delay all frames after it.
        let planned = self.last + self.interval;
        self.last = if now.saturating_duration_since(planned) < self.interval { planned } else { now };
    }
}

/// Memory that the desktop shows.
struct Screen {
    surface: softbuffer::Surface<OwnedDisplayHandle, Arc<Window>>,
    canvas: Canvas,
    /// What changed in the frames before, the latest first.
    changes: VecDeque<Vec<PixelRect>>,
    is_stale: bool,
}

impl Screen {
    /// Gives the parts that changed to the desktop; everything if `is_whole`.
    ///
    /// The desktop is told of a frame only if one follows: it would tell when to draw the next one only after that,
    /// and the window would stand still.
    fn show(
        &mut self,
        window: &Window,
        changed: Vec<PixelRect>,
        is_whole: bool,
    ) -> Result<(), softbuffer::SoftBufferError> {
        let [Some(width), Some(height)] = self.canvas.size().map(NonZeroU32::new) else { return Ok(()) };
        let is_whole = is_whole || self.is_stale;
        if changed.is_empty() && !is_whole {
            return Ok(());
        }
        self.is_stale = true;
        self.surface.resize(width, height)?;
        let mut buffer = self.surface.buffer_mut()?;
        let age = usize::from(buffer.age());
        let shown = if is_whole { vec![self.canvas.whole()] } else { changed };
        if is_whole || age == 0 || age > self.changes.len() + 1 {
            self.canvas.copy(self.canvas.whole(), &mut buffer);
        } else {
            let missed = self.changes.iter().take(age - 1).flatten();
            missed.chain(&shown).for_each(|part| self.canvas.copy(*part, &mut buffer));
        }
        let damage: Vec<softbuffer::Rect> = shown.iter().copied().filter_map(to_damage).collect();
        self.changes.push_front(shown);
        self.changes.truncate(MAX_BUFFERS);
        window.pre_present_notify();
        buffer.present_with_damage(&damage)?;
        self.is_stale = false;
        Ok(())
    }
}

fn to_damage(part: PixelRect) -> Option<softbuffer::Rect> {
    let (width, height) = (NonZeroU32::new(part.width)?, NonZeroU32::new(part.height)?);
    Some(softbuffer::Rect { x: part.x, y: part.y, width, height })
}

impl<'a> Running<'a> {
    fn open(
        opening: SoftwareWindow<'a>,
        event_loop: &ActiveEventLoop,
        proxy: &EventLoopProxy<UserEvent>,
    ) -> anyhow::Result<Self> {
        let ctx = egui::Context::default();
        let storage = opening.storage_name.and_then(FileStorage::open);
        let stored = storage.as_ref().map(|s| s as &dyn eframe::Storage);
        if let Some(memory) = stored.and_then(|s| eframe::get_value(s, MEMORY_KEY)) {
            ctx.memory_mut(|m| *m = memory);
        }
        let settings: Option<egui_winit::WindowSettings> =
            stored.and_then(|s| eframe::get_value(s, PLACE_KEY));
        // Shown once there is something in it; screen readers attach before.
        let mut builder = opening.viewport.with_visible(false);
        if let Some(settings) = &settings {
            builder = settings.initialize_viewport_builder(ctx.zoom_factor(), builder);
        }
        let window = egui_winit::create_window(&ctx, event_loop, &builder)
            .map_err(|error| anyhow!("cannot open a window: {error}"))?;
        let window = Arc::new(window);
        if let Some(settings) = &settings {
            settings.initialize_window(&window);
        }
        let refuse = |error: softbuffer::SoftBufferError| anyhow!("cannot draw into a window: {error}");
        let display = softbuffer::Context::new(event_loop.owned_display_handle()).map_err(refuse)?;
        let mut surface = softbuffer::Surface::new(&display, window.clone()).map_err(refuse)?;
        // Whether there is memory shows only now.
        let size = window.inner_size();
        if let (Some(width), Some(height)) = (NonZeroU32::new(size.width), NonZeroU32::new(size.height)) {
            surface.resize(width, height).map_err(refuse)?;
            surface.buffer_mut().map_err(refuse)?;
        }
        let scale = window.scale_factor() as f32;
        let theme = event_loop.system_theme();
        let mut input =
            egui_winit::State::new(ctx.clone(), ViewportId::ROOT, event_loop, Some(scale), theme, None);
        input.init_accesskit(event_loop, &window, proxy.clone());
        let mut info = ViewportInfo::default();
        egui_winit::update_viewport_info(&mut info, &ctx, &window, true);
        let wake = proxy.clone();
        ctx.set_request_repaint_callback(move |request| {
            let Some(when) = Instant::now().checked_add(request.delay) else { return };
            // A window that is gone needs no frame.
            let _ = wake.send_event(UserEvent::RequestRepaint {
                viewport_id: request.viewport_id,
                when,
                cumulative_pass_nr: request.current_cumulative_pass_nr,
            });
        });
        let mut cc = eframe::CreationContext::_new_kittest(ctx.clone());
        cc.storage = stored;
        let app = (opening.create)(&cc).map_err(|error| anyhow!("cannot start: {error}"))?;
        let now = Instant::now();
        let rate = window.current_monitor().and_then(|m| m.refresh_rate_millihertz());
        // Screens that do not exist report anything.
        let rate = rate.filter(|rate| (24_000..=240_000).contains(rate)).unwrap_or(60_000);
        let interval = Duration::from_secs_f64(1000.0 / f64::from(rate));
        Ok(Self {
            screen: Screen { surface, canvas: Canvas::new(), changes: VecDeque::new(), is_stale: true },
            window,
            input,
            ctx,
            app,
            frame: eframe::Frame::_new_kittest(),
            info,
            storage,
            settings,
            saved_at: now,
            started: now,
            is_shown: false,
            pace: Pace { interval, last: now, wanted: Some(now) },
        })
    }

    /// Runs the application once and shows the result; true once the window is to be closed.
    fn draw_frame(&mut self, event_loop: &ActiveEventLoop) -> bool {
        let now = Instant::now();
        self.pace.start_frame(now);
        let Self { window, ctx, info, app, frame, .. } = self;
        egui_winit::update_viewport_info(info, ctx, window, false);
        let mut raw = self.input.take_egui_input(window);
        raw.time = Some(self.started.elapsed().as_secs_f64());
        raw.viewports = std::iter::once((ViewportId::ROOT, info.clone())).collect();
        app.raw_input_hook(ctx, &mut raw);
        let is_closing = raw.viewport().close_requested();
        info.events.clear();
        let output = ctx.run_ui(raw, |ui| {
            app.logic(ui.ctx(), frame);
            app.ui(ui, frame);
        });
        let laid_out = now.elapsed();
        self.input.handle_platform_output_with_event_loop(window, event_loop, output.platform_output);
        let mut actions = Vec::new();
        let mut is_kept_open = false;
        for (_, viewport) in output.viewport_output {
            is_kept_open |= viewport.commands.contains(&egui::ViewportCommand::CancelClose);
            egui_winit::process_viewport_commands(ctx, info, viewport.commands, window, &mut actions);
        }
        if !info.events.is_empty() {
            self.pace.ask(now);
        }
        let primitives = ctx.tessellate(output.shapes, output.pixels_per_point);
        let tessellated = now.elapsed();
        let mut textures = output.textures_delta;
        let canvas = &mut self.screen.canvas;
        let size = window.inner_size();
        canvas.resize([size.width, size.height]);
        canvas.set_textures(&textures);
        let background = theme::CHROME;
        let changed =
            canvas.draw(&CanvasFrame { primitives: &primitives, scale: output.pixels_per_point, background });
        canvas.free_textures(&textures);
        textures.clear();
        let drawn = now.elapsed();
        if !self.is_shown {
            self.is_shown = true;
            if let Some(settings) = &self.settings {
                settings.before_first_show(window);
            }
            window.set_visible(true);
            if let Some(settings) = &self.settings {
                settings.after_first_show(window);
            }
        }
        let area: u64 = changed.iter().map(|r| u64::from(r.width) * u64::from(r.height)).sum();
        self.show(changed, false);
        tracing::trace!(
            ?laid_out, ?tessellated, ?drawn, shown = ?now.elapsed(), pixels = area,
            at = ?self.started.elapsed(), "frame"
        );
        self.act(actions);
        if self.saved_at.elapsed() > self.app.auto_save_interval() {
            self.save();
        }
        is_closing && !is_kept_open
    }

    fn show(&mut self, changed: Vec<PixelRect>, is_whole: bool) {
        if let Err(error) = self.screen.show(&self.window, changed, is_whole) {
            tracing::warn!("a frame could not be shown: {error}");
            self.pace.ask(Instant::now() + HIDDEN_INTERVAL);
        }
    }

    fn act(&mut self, actions: Vec<ActionRequested>) {
        for action in actions {
            let event = match action {
                ActionRequested::Screenshot(callback) => {
                    callback.complete(Arc::new(self.screen.canvas.image()));
                    None
                }
                ActionRequested::PaintWhileHidden => None,
                ActionRequested::Cut => Some(egui::Event::Cut),
                ActionRequested::Copy => Some(egui::Event::Copy),
                ActionRequested::Paste => {
                    let text = self.input.clipboard_text().map(|t| t.replace("\r\n", "\n"));
                    text.filter(|t| !t.is_empty()).map(egui::Event::Paste)
                }
            };
            if let Some(event) = event {
                self.input.egui_input_mut().events.push(event);
                self.pace.ask(Instant::now());
            }
        }
    }

    fn save(&mut self) {
        self.saved_at = Instant::now();
        let Some(storage) = &mut self.storage else { return };
        let before = self.settings.as_ref().map(egui_winit::WindowSettings::normal_geometry);
        let settings = egui_winit::WindowSettings::from_window(self.ctx.zoom_factor(), &self.window, before);
        eframe::set_value(storage, PLACE_KEY, &settings);
        self.settings = Some(settings);
        if self.app.persist_egui_memory() {
            self.ctx.memory(|memory| eframe::set_value(storage, MEMORY_KEY, memory));
        }
        self.app.save(storage);
        eframe::Storage::flush(storage);
    }

    fn is_hidden(&self) -> bool {
        self.is_shown && self.info.visible() == Some(false)
    }

    /// Whether the desktop says when to draw.
    fn is_paced_by_desktop(&self) -> bool {
        self.window.display_handle().is_ok_and(|h| matches!(h.as_raw(), RawDisplayHandle::Wayland(_)))
    }
}

impl ApplicationHandler<UserEvent> for Runner<'_> {
    fn resumed(&mut self, event_loop: &ActiveEventLoop) {
        let Some(opening) = self.opening.take() else { return };
        match Running::open(opening, event_loop, &self.proxy) {
            Ok(running) => self.running = Some(running),
            Err(error) => {
                self.error = Some(error);
                event_loop.exit();
            }
        }
    }

    fn user_event(&mut self, _event_loop: &ActiveEventLoop, event: UserEvent) {
        let Some(running) = &mut self.running else { return };
        match event {
            UserEvent::RequestRepaint { when, .. } => running.pace.ask(when),
            UserEvent::AccessKitActionRequest(event) => {
                match event.window_event {
                    AccessEvent::InitialTreeRequested => running.ctx.enable_accesskit(),
                    AccessEvent::ActionRequested(request) => {
                        running.input.on_accesskit_action_request(request);
                    }
                    AccessEvent::AccessibilityDeactivated => running.ctx.disable_accesskit(),
                }
                running.pace.ask(Instant::now());
            }
        }
    }

    fn window_event(&mut self, event_loop: &ActiveEventLoop, _window: WindowId, event: WindowEvent) {
        let Some(running) = &mut self.running else { return };
        match &event {
            WindowEvent::RedrawRequested if running.is_paced_by_desktop() => {
                if running.draw_frame(event_loop) {
                    event_loop.exit();
                }
                return;
            }
            WindowEvent::RedrawRequested => {
                let whole = running.screen.canvas.whole();
                running.show(vec![whole], true);
                return;
            }
            WindowEvent::CloseRequested => running.info.events.push(ViewportEvent::Close),
            WindowEvent::Destroyed => event_loop.exit(),
            _ => {}
        }
        let is_decisive = matches!(event, WindowEvent::CloseRequested | WindowEvent::Resized(_));
        let response = running.input.on_window_event(&running.window, &event);
        if response.repaint || is_decisive {
            running.pace.ask(Instant::now());
        }
    }

    fn about_to_wait(&mut self, event_loop: &ActiveEventLoop) {
        let Some(running) = &mut self.running else { return };
        let is_due = |due: Instant| due <= Instant::now();
        if running.pace.due(running.is_hidden()).is_some_and(is_due) {
            if running.is_paced_by_desktop() {
                running.pace.wanted = None;
                running.window.request_redraw();
            } else if running.draw_frame(event_loop) {
                event_loop.exit();
            }
        }
        event_loop.set_control_flow(
            running.pace.due(running.is_hidden()).map_or(ControlFlow::Wait, ControlFlow::WaitUntil),
        );
    }

    fn exiting(&mut self, _event_loop: &ActiveEventLoop) {
        if let Some(mut running) = self.running.take() {
            running.save();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_keep_their_pace_though_each_wakes_up_late() {
        let start = Instant::now();
        let interval = Duration::from_millis(10);
        let mut pace = Pace { interval, last: start, wanted: None };
        for frame in 1..=100u32 {
            pace.ask(start);
            let due = pace.due(false).unwrap();
            assert_eq!(due, start + interval * frame);
            pace.start_frame(due + Duration::from_millis(1));
            assert_eq!(pace.due(false), None, "nothing is drawn unasked");
        }
        // After a pause the next frame comes at once, and not all that were missed.
        let later = start + Duration::from_secs(9);
        pace.ask(later);
        assert_eq!(pace.due(false), Some(later));
        pace.start_frame(later);
        pace.ask(later);
        assert_eq!(pace.due(false), Some(later + interval));
    }
}
