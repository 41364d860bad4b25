//! Opens the window: toolkit set-up, icon, another window when the graphics device was lost, and scripts that drive
//! the window for a screenshot or a measurement.

mod measure;
mod screenshot;
pub mod software;

use std::any::Any;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;

use eframe::UserEvent;
use eframe::egui_wgpu::{WgpuConfiguration, WgpuSetup, WgpuSetupCreateNew};
use egui::{Pos2, Vec2, ViewportBuilder, ViewportCommand};
use render_core::RendererChoice;
use render_core::gpu::GpuContext;
use winit::event_loop::EventLoop;
use winit::platform::run_on_demand::EventLoopExtRunOnDemand as _;

use crate::app::LanternApp;
use crate::console::ServerOptions;
use crate::settings::Settings;

pub use measure::{MeasureOptions, Scrolling, Turning, WindowReport, measure_window};
use screenshot::Screenshot;

/// Windows whose graphics device may be lost before the last attempt, on a software adapter.
const MAX_LOSSES: u32 = 3;

/// How to open the window.
#[derive(Debug, Clone)]
pub struct WindowOptions {
    /// What to open.
    pub paths: Vec<PathBuf>,
    /// Which path draws.
    pub renderer: RendererChoice,
    /// Size of a window that was never open before, in points.
    pub size: [u32; 2],
    /// Take a picture of the complete window and end.
    pub screenshot: Option<ScreenshotRequest>,
    /// Whether there is an embedded server.
    pub server: ServerChoice,
}

/// Whether a window has an embedded server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ServerChoice {
    /// On the user's own data folder, unless the preferences switch it off; windows that scripts drive have none.
    #[default]
    OfUser,
    /// On this data folder.
    On(PathBuf),
    /// None, until somebody switches it on.
    Off,
}

impl ServerChoice {
    /// Gives the window its server. A server that cannot even be named is worth no window less.
    fn apply(&self, app: &mut LanternApp, is_scripted: bool) {
        let options = match self {
            Self::OfUser | Self::Off if is_scripted => return,
            Self::OfUser | Self::Off => ServerOptions::of_user(),
            Self::On(folder) => ServerOptions::on_folder(folder),
        };
        match options {
            Ok(options) => {
                let options = ServerOptions { asks_before_leaving: !is_scripted, ..options };
                app.set_server(options, *self != Self::Off);
            }
            Err(error) => tracing::warn!("there is no embedded server: {error:#}"),
        }
    }
}

/// A picture of the window, for scripts.
#[derive(Debug, Clone)]
pub struct ScreenshotRequest {
    /// PNG to write.
    pub path: PathBuf,
    /// Size of the window in points.
    pub size: [u32; 2],
}

/// Drives the window instead of a person.
trait Script {
    /// Adds to what the pointer and keys did before a frame.
    fn input(&mut self, _app: &LanternApp, _input: &mut egui::RawInput) {}

    /// Before a frame: whatever was drawn in the one before is on screen now.
    fn before_frame(&mut self, _app: &LanternApp, _ctx: &egui::Context) {}

    /// After a frame was laid out; it will be on screen soon.
    fn after_frame(&mut self, app: &LanternApp, ctx: &egui::Context);
}

/// Opens the window and returns when it is closed, or once the screenshot is written.
///
/// # Errors
/// If no window can be opened (no display, no adapter), if something asked for could not be opened while taking a
/// screenshot, or if the screenshot cannot be written.
pub fn run_window(options: WindowOptions) -> anyhow::Result<()> {
    let Some(request) = options.screenshot.clone() else { return open(&options, None) };
    let options = WindowOptions { size: request.size, ..options };
    let (screenshot, outcome) = Screenshot::new(request.path);
    open(&options, Some(Box::new(screenshot)))?;
    outcome
        .try_recv()
        .unwrap_or_else(|_| Err(anyhow::anyhow!("the window was closed before the picture was complete")))
}

/// What outlives a window whose graphics device is lost.
struct Session {
    /// There from the first window on.
    app: Option<LanternApp>,
    script: Option<Box<dyn Script>>,
    /// The window is to be closed and another one opened.
    is_reopening: bool,
    /// Where the window lay.
    place: Place,
}

/// Place of a window, to open the next one there.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    position: Option<Pos2>,
    size: Option<Vec2>,
    is_maximised: bool,
    is_full_screen: bool,
}

/// Opens the window, and again after its graphics device was lost, until it is closed.
///
/// The toolkit keeps a device for as long as a window lives, so another device needs another window. The application
/// moves there as it is.
fn open(options: &WindowOptions, script: Option<Box<dyn Script>>) -> anyhow::Result<()> {
    let session =
        Rc::new(RefCell::new(Session { app: None, script, is_reopening: false, place: Place::default() }));
    open_until_closed(options, &session)?;
    // Whatever ends otherwise leaves a copy of what was drawn behind.
    if let Some(app) = &mut session.borrow_mut().app {
        app.end_orderly();
    }
    Ok(())
}

fn open_until_closed(options: &WindowOptions, session: &Rc<RefCell<Session>>) -> anyhow::Result<()> {
    let mut losses = 0;
    let mut is_software = false;
    // Used for another attempt, for a process may have only one.
    let mut event_loop = None;
    if !is_drawn_by_card() {
        match open_without_card(options, session, &mut event_loop) {
            Err(error) if session.borrow().app.is_none() && event_loop.is_some() => {
                tracing::warn!("{error:#}; trying a software graphics device");
                is_software = true;
            }
            ended => return ended,
        }
    }
    loop {
        let ended = open_once(options, session, is_software, event_loop.as_mut());
        let (is_reopening, is_lost) = {
            let mut session = session.borrow_mut();
            let is_lost = session.app.as_ref().is_some_and(LanternApp::is_device_lost);
            (std::mem::take(&mut session.is_reopening), is_lost)
        };
        match ended {
            Ok(Ok(())) if !is_reopening => return Ok(()),
            // The toolkit may panic when a device vanishes while it draws.
            Err(panic) if !is_lost => resume_unwind(panic),
            Ok(Err(error)) if !is_lost || is_software => {
                if is_software {
                    return Err(error);
                }
                tracing::warn!("no window on this graphics device, trying a software one: {error:#}");
                is_software = true;
            }
            _ if losses >= MAX_LOSSES && is_software => {
                anyhow::bail!("the graphics device was lost {losses} times")
            }
            _ => {
                losses += 1;
                is_software = losses >= MAX_LOSSES;
            }
        }
    }
}

type Panic = Box<dyn Any + Send>;

/// Whether a graphics card draws the window. `LANTERN_WINDOW`, `card` or `processor`, decides if it is set.
fn is_drawn_by_card() -> bool {
    match std::env::var("LANTERN_WINDOW").as_deref() {
        Ok("card") => true,
        Ok("processor") => false,
        _ => GpuContext::is_hardware_present(),
    }
}

/// Opens a window that the processor draws and returns when it is gone.
///
/// Leaves the event loop behind if there is one.
fn open_without_card(
    options: &WindowOptions,
    session: &Rc<RefCell<Session>>,
    event_loop: &mut Option<EventLoop<UserEvent>>,
) -> anyhow::Result<()> {
    let made = EventLoop::<UserEvent>::with_user_event().build();
    let event_loop = event_loop.insert(made.map_err(|e| anyhow::anyhow!("cannot open a window: {e}"))?);
    let is_scripted = session.borrow().script.is_some();
    // There is no card for pictures either; looking for one again takes time.
    let renderer =
        if options.renderer == RendererChoice::Auto { RendererChoice::Cpu } else { options.renderer };
    let window = software::SoftwareWindow {
        viewport: viewport_builder(options, session.borrow().place),
        storage_name: (!is_scripted).then_some("lantern"),
        create: app_creator(options, session, renderer),
    };
    software::run(event_loop, window)
}

/// Makes the application in its first window, and moves it into any other.
fn app_creator<'a>(
    options: &'a WindowOptions,
    session: &Rc<RefCell<Session>>,
    renderer: RendererChoice,
) -> eframe::AppCreator<'a> {
    let shared = session.clone();
    Box::new(move |cc| {
        let mut session = shared.borrow_mut();
        let is_scripted = session.script.is_some();
        match &mut session.app {
            Some(app) => app.move_to(cc, renderer),
            none => {
                let settings = (!is_scripted).then(|| Settings::load(cc.storage));
                let mut app = LanternApp::new(cc, renderer, options.paths.clone(), settings);
                options.server.apply(&mut app, is_scripted);
                *none = Some(app);
            }
        }
        drop(session);
        Ok(Box::new(Shell { session: shared }) as Box<dyn eframe::App>)
    })
}

/// Opens one window on a graphics device and returns when it is gone. The outer error is a panic.
fn open_once(
    options: &WindowOptions,
    session: &Rc<RefCell<Session>>,
    is_software: bool,
    event_loop: Option<&mut EventLoop<UserEvent>>,
) -> Result<anyhow::Result<()>, Panic> {
    let is_scripted = session.borrow().script.is_some();
    let native = native_options(options, session.borrow().place, is_software, is_scripted);
    let create = app_creator(options, session, options.renderer);
    let result = catch_unwind(AssertUnwindSafe(|| match event_loop {
        None => eframe::run_native("lantern", native, create),
        Some(event_loop) => {
            let mut window = eframe::create_native("lantern", native, create, event_loop);
            event_loop.run_app_on_demand(&mut window).map_err(eframe::Error::from)
        }
    }));
    // The toolkit's error is not `Send`, which anyhow needs.
    result.map(|ended| ended.map_err(|error| anyhow::anyhow!("cannot open a window: {error}")))
}

fn native_options(
    options: &WindowOptions,
    place: Place,
    is_software: bool,
    is_scripted: bool,
) -> eframe::NativeOptions {
    eframe::NativeOptions {
        viewport: viewport_builder(options, place),
        renderer: eframe::Renderer::Wgpu,
        wgpu_options: WgpuConfiguration {
            wgpu_setup: wgpu_setup(is_software),
            ..WgpuConfiguration::default()
        },
        persist_window: !is_scripted,
        // Grey values of pixels are shown as they were computed.
        dithering: false,
        ..eframe::NativeOptions::default()
    }
}

fn viewport_builder(options: &WindowOptions, place: Place) -> ViewportBuilder {
    let size = place.size.unwrap_or_else(|| Vec2::from(options.size.map(|points| points as f32)));
    let viewport = ViewportBuilder::default()
        .with_app_id("lantern")
        .with_title("Lantern")
        .with_icon(icon())
        .with_inner_size(size)
        .with_min_inner_size([640.0, 420.0])
        .with_maximized(place.is_maximised)
        .with_fullscreen(place.is_full_screen)
        .with_drag_and_drop(true);
    match place.position {
        Some(position) => viewport.with_position(position),
        None => viewport,
    }
}

/// The application in one window.
struct Shell {
    session: Rc<RefCell<Session>>,
}

impl Shell {
    fn with_app(&self, act: impl FnOnce(&mut LanternApp, &mut Option<Box<dyn Script>>)) {
        let mut session = self.session.borrow_mut();
        let Session { app, script, .. } = &mut *session;
        if let Some(app) = app {
            act(app, script);
        }
    }
}

impl eframe::App for Shell {
    fn raw_input_hook(&mut self, _ctx: &egui::Context, input: &mut egui::RawInput) {
        self.with_app(|app, script| {
            if let Some(script) = script {
                script.input(app, input);
            }
        });
    }

    fn logic(&mut self, ctx: &egui::Context, frame: &mut eframe::Frame) {
        self.with_app(|app, script| {
            if let Some(script) = script {
                script.before_frame(app, ctx);
            }
            app.logic(ctx, frame);
        });
    }

    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut eframe::Frame) {
        self.with_app(|app, script| {
            app.ui(ui, frame);
            if let Some(script) = script {
                script.after_frame(app, ui.ctx());
            }
        });
        let mut session = self.session.borrow_mut();
        if session.app.as_ref().is_some_and(LanternApp::is_device_lost) {
            let ctx = ui.ctx();
            session.place = ctx.input(|i| {
                let window = i.viewport();
                Place {
                    position: window.outer_rect.map(|r| r.min),
                    size: window.inner_rect.map(|r| r.size()),
                    is_maximised: window.maximized.unwrap_or(false),
                    is_full_screen: window.fullscreen.unwrap_or(false),
                }
            });
            session.is_reopening = true;
            ctx.send_viewport_cmd(ViewportCommand::Close);
            ctx.request_repaint();
        }
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        self.with_app(|app, _| app.save(storage));
    }

    fn persist_egui_memory(&self) -> bool {
        self.session.borrow().app.as_ref().is_some_and(eframe::App::persist_egui_memory)
    }
}

/// Asks for everything the adapter can do: the renderer may share the device, and volumes need its true limits.
fn wgpu_setup(is_software: bool) -> WgpuSetup {
    let mut setup = WgpuSetupCreateNew::without_display_handle();
    setup.device_descriptor = Arc::new(|adapter| wgpu::DeviceDescriptor {
        label: Some("lantern window"),
        required_features: GpuContext::wanted_features(adapter),
        required_limits: adapter.limits(),
        ..Default::default()
    });
    if is_software {
        setup.native_adapter_selector = Some(Arc::new(|adapters, surface| {
            let fits = |a: &&wgpu::Adapter| surface.is_none_or(|s| a.is_surface_supported(s));
            let software = adapters.iter().filter(fits).find(|a| !GpuContext::is_real_gpu(a));
            software.cloned().ok_or_else(|| "there is no software adapter".to_owned())
        }));
    }
    WgpuSetup::CreateNew(setup)
}

/// The icon in the title bar and task list; the toolkit's own if the embedded picture cannot be decoded.
fn icon() -> egui::IconData {
    let png = include_bytes!("../../assets/icons/lantern-128.png");
    eframe::icon_data::from_png_bytes(png).unwrap_or_default()
}
