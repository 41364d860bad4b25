//! Measures the real window: opens a study, turns its volume, scrolls its slices, rests; all through pointer events.
//!
//! Nothing is called that a person could not cause, so the figures hold for a person. A picture counts once the frame
//! that shows it was given to the screen.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use egui::{Event, Modifiers, MouseWheelUnit, PointerButton, Pos2, TouchPhase, ViewportCommand, vec2};
use render_core::RendererChoice;
use serde::Serialize;

use super::{Script, ServerChoice, WindowOptions, open};
use crate::app::LanternApp;
use crate::command::{Command, FileCommand, LayoutCommand};
use crate::document::ViewportId;
use crate::tasks::Stage;

/// The viewport whose slices are scrolled.
const AXIAL: ViewportId = ViewportId(0);
/// The viewport whose camera is turned.
const VOLUME: ViewportId = ViewportId(3);
/// A mouse moves at most this often: once per frame of a common screen.
const POINTER_INTERVAL: Duration = Duration::from_micros(16_667);
/// Angular speed of the pointer on its circle.
const RADIANS_PER_SEC: f64 = 2.0;
/// No step takes longer, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often a step looks whether it has ended, if nothing else causes a frame.
const HEARTBEAT: Duration = Duration::from_millis(100);
/// Notches of the wheel in one direction before it turns.
const NOTCHES: i32 = 40;

/// What to measure.
#[derive(Debug, Clone)]
pub struct MeasureOptions {
    /// The study.
    pub path: PathBuf,
    /// Which path draws.
    pub renderer: RendererChoice,
    /// Of the window, in points.
    pub size: [u32; 2],
    /// Time for turning and for scrolling, each.
    pub duration: Duration,
    /// Whether the volume fills the window while it is turned.
    pub is_maximised: bool,
    /// Whether the graphics device is destroyed at the end, to see whether the window comes back.
    pub is_losing_device: bool,
    /// When the process began.
    pub started: Instant,
}

/// What was measured. Times in ms.
#[derive(Debug, Clone, Default, Serialize)]
pub struct WindowReport {
    /// Always `window`.
    pub what: &'static str,
    /// Size of the window in points.
    pub size: [u32; 2],
    /// From the start of the process until the window takes input.
    pub start_ms: f64,
    /// From asking for the study until its first picture is on screen.
    pub first_picture_ms: f64,
    /// From asking for the study until everything is read and every picture is final.
    pub complete_ms: f64,
    /// The volume under the pointer.
    pub turn: Turning,
    /// From the last movement of the pointer until the picture with all its pixels and steps, free of noise, is on
    /// screen.
    pub settle_ms: f64,
    /// From the last movement of the pointer until that picture is as smooth as it gets.
    pub refined_ms: f64,
    /// Slices under the wheel.
    pub scroll: Scrolling,
    /// Processor time while nothing happens, in percent of one core; `null` where the system does not tell.
    pub idle_cpu_percent: Option<f64>,
    /// Frames drawn while nothing happens.
    pub idle_frames: u64,
    /// From losing the graphics device until the same pictures are complete in another window; only if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_loss_ms: Option<f64>,
    /// What draws the pictures.
    pub adapter: String,
    /// What draws the window.
    pub window_adapter: String,
    /// Worker threads.
    pub threads: usize,
    /// Bytes of the voxels.
    pub bytes: u64,
}

/// A volume being turned.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Turning {
    /// Time measured.
    pub seconds: f64,
    /// Different pictures that were on screen.
    pub pictures: u64,
    /// Pictures per second.
    pub fps: f64,
    /// Frames of the window, with a new picture or without.
    pub frames: u64,
    /// Longest time one picture stayed.
    pub longest_ms: f64,
    /// Size of the viewport in pixels.
    pub size_px: [u32; 2],
    /// Mean width of the pictures in pixels, before they are scaled up.
    pub mean_width_px: f64,
}

/// Slices being scrolled.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Scrolling {
    /// Time measured.
    pub seconds: f64,
    /// Different pictures that were on screen.
    pub pictures: u64,
    /// Pictures per second.
    pub fps: f64,
    /// Frames of the window, with a new picture or without.
    pub frames: u64,
    /// Longest time one picture stayed.
    pub longest_ms: f64,
}

/// Opens a window, measures and closes it.
///
/// # Errors
/// If no window can be opened, the study cannot be opened or shows no volume, or a step does not end.
pub fn measure_window(options: MeasureOptions) -> anyhow::Result<WindowReport> {
    let window = WindowOptions {
        paths: Vec::new(),
        renderer: options.renderer,
        size: options.size,
        screenshot: None,
        server: ServerChoice::Off,
    };
    let (measure, outcome) = Measure::new(options);
    open(&window, Some(Box::new(measure)))?;
    outcome
        .try_recv()
        .unwrap_or_else(|_| Err(anyhow::anyhow!("the window was closed during the measurement")))
}

/// What the script is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Waiting for the first frame and the renderer.
    Start,
    /// The study is being read.
    Open,
    /// The layout changes.
    Arrange,
    Turn,
    /// The pointer was released.
    Settle,
    Scroll,
    /// Waiting for the last picture.
    Rest,
    Idle,
    /// The graphics device is gone.
    Lose,
    Done,
}

/// Counts how often the picture on screen changes.
#[derive(Debug, Clone, Copy, Default)]
struct Changes {
    last_count: u64,
    pictures: u64,
    widths: f64,
    changed_at: Option<Instant>,
    longest: Duration,
}

impl Changes {
    fn starting_with(count: u64) -> Self {
        Self { last_count: count, ..Self::default() }
    }

    /// Takes note of what is on screen now.
    fn see(&mut self, count: u64, width_px: u32, now: Instant) {
        if count == self.last_count {
            return;
        }
        self.last_count = count;
        self.pictures += 1;
        self.widths += f64::from(width_px);
        if let Some(before) = self.changed_at {
            self.longest = self.longest.max(now - before);
        }
        self.changed_at = Some(now);
    }
}

struct Measure {
    options: MeasureOptions,
    sender: Sender<anyhow::Result<WindowReport>>,
    report: WindowReport,
    step: Step,
    /// When the step began.
    since: Instant,
    /// When the pointer was last moved.
    pointer_at: Instant,
    changes: Changes,
    /// Pictures as the last frame drew them; on screen when the next one begins.
    drawn: (u64, u32),
    is_complete: bool,
    /// Whether the volume has a full picture of what was asked for last.
    is_sharp: bool,
    has_picture: bool,
    frames: u64,
    notches: i32,
    is_pressed: bool,
    cpu_at: Option<Duration>,
}

impl Measure {
    fn new(options: MeasureOptions) -> (Self, Receiver<anyhow::Result<WindowReport>>) {
        let (sender, outcome) = channel();
        let now = Instant::now();
        let report = WindowReport {
            what: "window",
            size: options.size,
            threads: rayon::current_num_threads(),
            ..WindowReport::default()
        };
        let measure = Self {
            options,
            sender,
            report,
            step: Step::Start,
            since: now,
            pointer_at: now,
            changes: Changes::default(),
            drawn: (0, 0),
            is_complete: false,
            is_sharp: false,
            has_picture: false,
            frames: 0,
            notches: 0,
            is_pressed: false,
            cpu_at: None,
        };
        (measure, outcome)
    }

    fn enter(&mut self, step: Step) {
        tracing::debug!(?step, frames_before = self.frames, report = ?self.report, "measuring");
        self.step = step;
        self.since = Instant::now();
        self.frames = 0;
        self.is_complete = false;
        self.is_sharp = false;
    }

    fn elapsed_ms(&self, now: Instant) -> f64 {
        (now - self.since).as_secs_f64() * 1e3
    }

    /// The viewport whose pictures count in this step.
    fn watched(&self) -> ViewportId {
        if matches!(self.step, Step::Turn | Step::Settle | Step::Arrange) { VOLUME } else { AXIAL }
    }

    /// Starts to count the pictures of the step that begins.
    fn start_counting(&mut self, app: &LanternApp) {
        self.changes = Changes::starting_with(app.pictures().count(self.watched()));
        self.drawn = (self.changes.last_count, 0);
    }

    /// Where the pointer is `secs` after it was pressed: on a circle through the middle of its viewport.
    fn pointer(&self, app: &LanternApp, secs: f64) -> Option<Pos2> {
        let rect = app.viewport_rect(self.watched())?;
        let radius = rect.height().min(rect.width()) * 0.3;
        let (sin, cos) = (secs * RADIANS_PER_SEC).sin_cos();
        Some(rect.center() + vec2((1.0 - cos) as f32, sin as f32) * radius * 0.5)
    }

    fn finish(&mut self, ctx: &egui::Context, outcome: anyhow::Result<WindowReport>) {
        // The receiver outlives the window.
        let _ = self.sender.send(outcome);
        self.enter(Step::Done);
        ctx.send_viewport_cmd(ViewportCommand::Close);
        ctx.request_repaint();
    }

    fn name(&self) -> &'static str {
        match self.step {
            Step::Start => "the first frame",
            Step::Open => "opening the study",
            Step::Arrange => "arranging the window",
            Step::Turn => "turning the volume",
            Step::Settle => "refining the volume",
            Step::Scroll => "scrolling",
            Step::Rest | Step::Idle => "resting",
            Step::Lose => "coming back after the loss of the graphics device",
            Step::Done => "closing",
        }
    }

    /// What follows from the frame that is on screen now.
    fn advance(&mut self, app: &LanternApp, ctx: &egui::Context, now: Instant) {
        match self.step {
            Step::Start if self.frames >= 1 && self.report.start_ms == 0.0 => {
                self.report.start_ms = (now - self.options.started).as_secs_f64() * 1e3;
                ctx.request_repaint();
            }
            Step::Start if self.report.start_ms > 0.0 && app.adapter().is_some() => {
                self.enter(Step::Open);
                app.send(Command::File(FileCommand::Open(vec![self.options.path.clone()])));
                ctx.request_repaint();
            }
            Step::Open => {
                if self.has_picture && self.report.first_picture_ms == 0.0 {
                    self.report.first_picture_ms = self.elapsed_ms(now);
                }
                if self.is_complete {
                    self.report.complete_ms = self.elapsed_ms(now);
                    let series = app.document().active_series().and_then(|s| s.loaded());
                    self.report.bytes = series.map_or(0, |s| s.volume.voxels().size_bytes() as u64);
                    self.enter(Step::Arrange);
                    if self.options.is_maximised {
                        app.send(Command::Layout(LayoutCommand::ToggleMaximised(VOLUME)));
                    }
                    ctx.request_repaint();
                }
            }
            Step::Arrange if self.is_complete && self.frames > 2 => {
                self.enter(Step::Turn);
                self.start_counting(app);
                ctx.request_repaint();
            }
            Step::Turn if now - self.since >= self.options.duration => {
                let seconds = (now - self.since).as_secs_f64();
                let Changes { pictures, widths, longest, .. } = self.changes;
                let turned = &mut self.report.turn;
                (turned.seconds, turned.pictures, turned.fps) =
                    (seconds, pictures, pictures as f64 / seconds);
                turned.frames = self.frames;
                turned.longest_ms = longest.as_secs_f64() * 1e3;
                turned.mean_width_px = if pictures > 0 { widths / pictures as f64 } else { 0.0 };
                let size = app.viewport_rect(VOLUME).map_or(vec2(0.0, 0.0), |r| r.size());
                let scale = ctx.pixels_per_point();
                turned.size_px = [size.x, size.y].map(|points| (points * scale).round() as u32);
                self.enter(Step::Settle);
                ctx.request_repaint();
            }
            // The first frames are those in which the button is released and the gesture ends.
            Step::Settle
                if self.is_sharp && self.report.settle_ms == 0.0 && !self.is_pressed && self.frames > 4 =>
            {
                self.report.settle_ms = (now - self.pointer_at).as_secs_f64() * 1e3;
                ctx.request_repaint();
            }
            Step::Settle if self.is_complete && self.report.settle_ms > 0.0 => {
                self.report.refined_ms = (now - self.pointer_at).as_secs_f64() * 1e3;
                if self.options.is_maximised {
                    app.send(Command::Layout(LayoutCommand::ToggleMaximised(VOLUME)));
                }
                self.enter(Step::Scroll);
                self.start_counting(app);
                ctx.request_repaint();
            }
            Step::Scroll if now - self.since >= self.options.duration => {
                let seconds = (now - self.since).as_secs_f64();
                let pictures = self.changes.pictures;
                self.report.scroll = Scrolling {
                    seconds,
                    pictures,
                    fps: pictures as f64 / seconds,
                    frames: self.frames,
                    longest_ms: self.changes.longest.as_secs_f64() * 1e3,
                };
                self.enter(Step::Rest);
                ctx.request_repaint();
            }
            Step::Rest if self.is_complete && now - self.since > Duration::from_secs(1) => {
                self.cpu_at = processor_time();
                self.enter(Step::Idle);
            }
            Step::Idle if now - self.since >= self.options.duration => {
                let seconds = (now - self.since).as_secs_f64();
                self.report.idle_cpu_percent = self
                    .cpu_at
                    .and_then(|before| Some(processor_time()?.saturating_sub(before)))
                    .map(|used| used.as_secs_f64() / seconds * 100.0);
                self.report.idle_frames = self.frames;
                self.report.adapter = app.adapter().map(ToString::to_string).unwrap_or_default();
                self.report.window_adapter = app.pictures().window_adapter();
                if self.options.is_losing_device {
                    self.enter(Step::Lose);
                    app.lose_device();
                    ctx.request_repaint();
                } else {
                    let report = self.report.clone();
                    self.finish(ctx, Ok(report));
                }
            }
            Step::Lose if self.is_complete => {
                self.report.device_loss_ms = Some(self.elapsed_ms(now));
                let report = self.report.clone();
                self.finish(ctx, Ok(report));
            }
            _ => {}
        }
    }
}

impl Script for Measure {
    fn input(&mut self, app: &LanternApp, input: &mut egui::RawInput) {
        let now = Instant::now();
        let button = |pos, pressed| Event::PointerButton {
            pos,
            button: PointerButton::Primary,
            pressed,
            modifiers: Modifiers::NONE,
        };
        let secs = (now - self.since).as_secs_f64();
        let Some(pos) = self.pointer(app, if self.step == Step::Turn { secs } else { 0.0 }) else { return };
        match self.step {
            Step::Turn => {
                input.events.push(Event::PointerMoved(pos));
                if !std::mem::replace(&mut self.is_pressed, true) {
                    input.events.push(button(pos, true));
                }
                self.pointer_at = now;
            }
            Step::Settle if std::mem::take(&mut self.is_pressed) => {
                input.events.push(button(pos, false));
                self.pointer_at = now;
            }
            Step::Scroll => {
                input.events.push(Event::PointerMoved(pos));
                let is_forward = (self.notches + NOTCHES / 2).rem_euclid(2 * NOTCHES) < NOTCHES;
                self.notches += 1;
                input.events.push(Event::MouseWheel {
                    unit: MouseWheelUnit::Line,
                    delta: vec2(0.0, if is_forward { -1.0 } else { 1.0 }),
                    phase: TouchPhase::Move,
                    source: egui::MouseWheelSource::Wheel,
                    modifiers: Modifiers::NONE,
                });
            }
            Step::Rest => input.events.push(Event::PointerGone),
            _ => {}
        }
    }

    fn before_frame(&mut self, app: &LanternApp, ctx: &egui::Context) {
        let now = Instant::now();
        let (count, width_px) = self.drawn;
        self.changes.see(count, width_px, now);
        if app.open_failure().is_some() && self.step == Step::Open {
            let detail = app.open_failure().map(|f| f.detail.clone()).unwrap_or_default();
            self.finish(ctx, Err(anyhow::anyhow!("{detail}")));
        } else if self.step != Step::Done && now - self.since > PATIENCE {
            let error = anyhow::anyhow!("{} did not end within {} s", self.name(), PATIENCE.as_secs());
            self.finish(ctx, Err(error));
        } else {
            self.advance(app, ctx, now);
        }
    }

    fn after_frame(&mut self, app: &LanternApp, ctx: &egui::Context) {
        self.frames += 1;
        let pictures = app.pictures();
        let watched = self.watched();
        self.drawn = (pictures.count(watched), pictures.width_px(watched));
        self.has_picture |= (0..3).any(|id| pictures.count(ViewportId(id)) > 0);
        let is_complete = app.is_settled() && !app.is_device_lost() && !app.document().series.is_empty();
        let is_sharp = pictures.stage(VOLUME) >= Some(Stage::Sharp);
        let has_changed = (is_complete, is_sharp) != (self.is_complete, self.is_sharp);
        (self.is_complete, self.is_sharp) = (is_complete, is_sharp);
        match self.step {
            // The next frame tells that this one is on screen.
            Step::Start | Step::Arrange | Step::Scroll => ctx.request_repaint(),
            Step::Settle if self.frames <= 4 => ctx.request_repaint(),
            Step::Turn => {
                let spent = self.pointer_at.elapsed();
                ctx.request_repaint_after(POINTER_INTERVAL.saturating_sub(spent));
            }
            Step::Open if self.has_picture && self.report.first_picture_ms == 0.0 => ctx.request_repaint(),
            Step::Open | Step::Settle | Step::Rest | Step::Lose if has_changed => ctx.request_repaint(),
            Step::Idle => {
                let left = self.options.duration.saturating_sub(self.since.elapsed());
                ctx.request_repaint_after(left + Duration::from_millis(1));
            }
            Step::Done => {}
            // Nothing else may come that lets this end.
            _ => ctx.request_repaint_after(HEARTBEAT),
        }
    }
}

/// Processor time of all threads of this process.
#[cfg(target_os = "linux")]
fn processor_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // After the command in parentheses: state is field 3, user and system time 14 and 15, in 1/100 s.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |i: usize| fields.get(i)?.parse::<u64>().ok();
    Some(Duration::from_millis((ticks(11)? + ticks(12)?) * 10))
}

/// Processor time of all threads of this process; not known on this system.
#[cfg(not(target_os = "linux"))]
fn processor_time() -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_count_once_and_the_longest_stay_is_kept() {
        let start = Instant::now();
        let mut changes = Changes::starting_with(7);
        for (ms, count) in [(0, 7), (10, 8), (20, 8), (60, 10), (70, 11)] {
            changes.see(count, 100, start + Duration::from_millis(ms));
        }
        assert_eq!((changes.pictures, changes.widths), (3, 300.0));
        assert_eq!(changes.longest, Duration::from_millis(50));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn work_takes_processor_time() {
        let before = processor_time().unwrap();
        let started = Instant::now();
        let mut sum = 0u64;
        while started.elapsed() < Duration::from_millis(200) {
            sum = std::hint::black_box(sum.wrapping_mul(31) + 1);
        }
        assert!(processor_time().unwrap() > before);
    }
}
