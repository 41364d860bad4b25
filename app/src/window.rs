//! Opens the window: toolkit set-up, icon, and the mode that takes a screenshot and ends.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use anyhow::Context as _;
use eframe::egui_wgpu::{WgpuConfiguration, WgpuSetup, WgpuSetupCreateNew};
use egui::{ColorImage, ScreenshotCallback, ViewportBuilder, ViewportCommand};
use render_core::RendererChoice;

use crate::app::LanternApp;
use crate::settings::Settings;

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
}

/// A picture of the window, for scripts.
#[derive(Debug, Clone)]
pub struct ScreenshotRequest {
    /// PNG to write.
    pub path: PathBuf,
    /// Size of the window in points.
    pub size: [u32; 2],
}

/// Opens the window and returns when it is closed, or once the screenshot is written.
///
/// # Errors
/// If no window can be opened (no display, no adapter), if something asked for could not be opened while taking a
/// screenshot, or if the screenshot cannot be written.
pub fn run_window(options: WindowOptions) -> anyhow::Result<()> {
    let size = options.screenshot.as_ref().map_or(options.size, |s| s.size).map(|points| points as f32);
    let is_screenshot = options.screenshot.is_some();
    let native = eframe::NativeOptions {
        viewport: ViewportBuilder::default()
            .with_app_id("lantern")
            .with_title("Lantern")
            .with_icon(icon())
            .with_inner_size(size)
            .with_min_inner_size([640.0, 420.0])
            .with_drag_and_drop(true),
        renderer: eframe::Renderer::Wgpu,
        wgpu_options: WgpuConfiguration { wgpu_setup: wgpu_setup(), ..WgpuConfiguration::default() },
        persist_window: !is_screenshot,
        // Grey values of pixels are shown as they were computed.
        dithering: false,
        ..eframe::NativeOptions::default()
    };
    let (sender, outcome) = channel();
    let result = eframe::run_native(
        "lantern",
        native,
        Box::new(move |cc| {
            let settings = (!is_screenshot).then(|| Settings::load(cc.storage));
            let app = LanternApp::new(cc, options.renderer, options.paths, settings);
            Ok(match options.screenshot {
                None => Box::new(app) as Box<dyn eframe::App>,
                Some(request) => {
                    Box::new(ScreenshotApp { app, request, settled_frames: 0, image: None, sender })
                }
            })
        }),
    );
    // The toolkit's error is not `Send`, which anyhow needs.
    result.map_err(|error| anyhow::anyhow!("{error}")).context("cannot open a window")?;
    match outcome.try_recv() {
        Ok(outcome) => outcome,
        Err(_) if is_screenshot => anyhow::bail!("the window was closed before the picture was complete"),
        Err(_) => Ok(()),
    }
}

/// Asks for everything the adapter can do: the renderer may share the device, and volumes need its true limits.
fn wgpu_setup() -> WgpuSetup {
    let mut setup = WgpuSetupCreateNew::without_display_handle();
    setup.device_descriptor = Arc::new(|adapter| {
        let wanted = wgpu::Features::TEXTURE_FORMAT_16BIT_NORM
            | wgpu::Features::FLOAT32_FILTERABLE
            | wgpu::Features::TIMESTAMP_QUERY;
        wgpu::DeviceDescriptor {
            label: Some("lantern window"),
            required_features: adapter.features() & wanted,
            required_limits: adapter.limits(),
            ..Default::default()
        }
    });
    WgpuSetup::CreateNew(setup)
}

/// The icon in the title bar and task list; the toolkit's own if the embedded picture cannot be decoded.
fn icon() -> egui::IconData {
    let png = include_bytes!("../../assets/icons/lantern-128.png");
    eframe::icon_data::from_png_bytes(png).unwrap_or_default()
}

/// Frames without change after which the window is taken to be complete.
const SETTLED_FRAMES: u32 = 4;

/// The application in a frame that waits until the window is complete, saves it and closes.
struct ScreenshotApp {
    app: LanternApp,
    request: ScreenshotRequest,
    settled_frames: u32,
    image: Option<Receiver<Arc<ColorImage>>>,
    sender: std::sync::mpsc::Sender<anyhow::Result<()>>,
}

impl eframe::App for ScreenshotApp {
    fn logic(&mut self, ctx: &egui::Context, frame: &mut eframe::Frame) {
        self.app.logic(ctx, frame);
    }

    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut eframe::Frame) {
        self.app.ui(ui, frame);
        let ctx = ui.ctx();
        match &self.image {
            Some(receiver) => {
                if let Ok(image) = receiver.try_recv() {
                    let saved = save_png(&self.request.path, &image);
                    let outcome = match self.app.open_failure() {
                        Some(failure) => saved.and(Err(anyhow::anyhow!("{}", failure.detail))),
                        None => saved,
                    };
                    // The receiver outlives the window.
                    let _ = self.sender.send(outcome);
                    ctx.send_viewport_cmd(ViewportCommand::Close);
                }
                ctx.request_repaint();
            }
            None => {
                self.settled_frames = if self.app.is_settled() { self.settled_frames + 1 } else { 0 };
                if self.settled_frames >= SETTLED_FRAMES {
                    let (sender, receiver) = channel();
                    let wake = ctx.clone();
                    let callback = ScreenshotCallback::new(move |image| {
                        let _ = sender.send(image);
                        wake.request_repaint();
                    });
                    ctx.send_viewport_cmd(ViewportCommand::Screenshot(callback));
                    self.image = Some(receiver);
                }
                ctx.request_repaint_after(std::time::Duration::from_millis(30));
            }
        }
    }

    fn persist_egui_memory(&self) -> bool {
        false
    }
}

fn save_png(path: &std::path::Path, image: &ColorImage) -> anyhow::Result<()> {
    let [width, height] = image.size.map(|v| u32::try_from(v).unwrap_or(u32::MAX));
    let rgb: Vec<u8> = image.pixels.iter().flat_map(|p| [p.r(), p.g(), p.b()]).collect();
    image::save_buffer(path, &rgb, width, height, image::ColorType::Rgb8)
        .with_context(|| format!("cannot write `{}`", path.display()))
}
