//! The window as the processor draws it, next to the same window from a graphics device.

use egui::{Color32, FullOutput, Modifiers, PointerButton, Rect, TexturesDelta, Vec2, pos2, vec2};
use egui_kittest::TestRenderer;
use image::RgbaImage;
use lantern::app::LanternApp;
use lantern::tasks::RendererSource;
use lantern::theme;
use lantern::window::software::{Canvas, CanvasFrame, PixelRect};
use render_core::RendererChoice;

use crate::SMALL;
use crate::driver::Window;

/// Draws each frame twice: once as the window does, only what changed, and once from nothing.
struct Processor {
    kept: Canvas,
    fresh: Canvas,
    before: Option<RgbaImage>,
    freed: TexturesDelta,
}

impl Processor {
    fn new() -> Self {
        let (kept, fresh) = (Canvas::new(), Canvas::new());
        Self { kept, fresh, before: None, freed: TexturesDelta::default() }
    }
}

impl Drop for Processor {
    fn drop(&mut self) {
        self.freed.clear();
    }
}

impl TestRenderer for Processor {
    fn handle_delta(&mut self, delta: &mut TexturesDelta) {
        for canvas in [&mut self.kept, &mut self.fresh] {
            // Those freed by a frame are still used in it.
            canvas.free_textures(&self.freed);
            canvas.set_textures(delta);
        }
        self.freed.clear();
        self.freed.free = std::mem::take(&mut delta.free);
        delta.clear();
    }

    fn render(&mut self, ctx: &egui::Context, output: &FullOutput) -> Result<RgbaImage, String> {
        let scale = output.pixels_per_point;
        let primitives = ctx.tessellate(output.shapes.clone(), scale);
        let size = (ctx.content_rect().size() * scale).round();
        let size = [size.x as u32, size.y as u32];
        self.fresh.resize([1, 1]);
        let frame = CanvasFrame { primitives: &primitives, scale, background: theme::CHROME };
        let [kept, fresh] = [&mut self.kept, &mut self.fresh].map(|canvas| {
            canvas.resize(size);
            let changed = canvas.draw(&frame);
            (image(canvas), changed)
        });
        if kept.0 != fresh.0 {
            return Err("a frame drawn in part differs from one drawn whole".to_owned());
        }
        if let Some(before) = self.before.replace(kept.0.clone())
            && before.dimensions() == kept.0.dimensions()
        {
            let changes = before.enumerate_pixels().zip(kept.0.pixels()).filter(|((.., a), b)| a != b);
            for ((x, y, _), _) in changes {
                if !kept.1.iter().any(|r| contains(*r, x, y)) {
                    return Err(format!("pixel {x}, {y} changed outside of what was reported"));
                }
            }
        }
        Ok(kept.0)
    }
}

fn contains(r: PixelRect, x: u32, y: u32) -> bool {
    (r.x..r.x + r.width).contains(&x) && (r.y..r.y + r.height).contains(&y)
}

fn image(canvas: &Canvas) -> RgbaImage {
    let image = canvas.image();
    let bytes = image.pixels.iter().flat_map(Color32::to_array).collect();
    let [width, height] = canvas.size();
    RgbaImage::from_raw(width, height, bytes).expect("four bytes per pixel")
}

fn drawn_by_processor(size: Vec2, scale: f32) -> Window {
    Window::drawn_by(Processor::new(), size, scale)
}

/// Mean difference of channels, and the share of pixels that differ by more than 12 in one, outside of the volume: how
/// often that has been refined is a matter of time.
fn difference(a: &RgbaImage, b: &RgbaImage, scale: f32, volume: Rect) -> (f64, f64) {
    assert_eq!(a.dimensions(), b.dimensions());
    let (mut sum, mut far) = (0u64, 0u64);
    // Memory in use stands at the right of the status bar, and differs.
    let status = a.height() - (24.0 * scale) as u32;
    let is_meter = |x: u32, y: u32| y >= status && x > a.width() / 2;
    for ((x, y, a), b) in a.enumerate_pixels().zip(b.pixels()) {
        if is_meter(x, y) || volume.contains(pos2(x as f32, y as f32) / scale) {
            continue;
        }
        let off = [0, 1, 2].map(|i| a.0[i].abs_diff(b.0[i]));
        sum += off.iter().map(|d| u64::from(*d)).sum::<u64>();
        far += u64::from(off.iter().any(|d| *d > 12));
    }
    let pixels = f64::from(a.width() * a.height());
    (sum as f64 / pixels / 3.0, far as f64 / pixels)
}

#[test]
fn processor_draws_the_window_as_a_graphics_device_does() {
    for scale in [1.0, 1.25, 2.0] {
        let mut windows = [drawn_by_processor(SMALL, scale), Window::with_phantom_scaled(SMALL, scale)];
        let volume = windows[0].rect("Volume");
        assert!(volume.area() < SMALL.x * SMALL.y / 3.0, "only the view is left out: {volume}");
        let [processor, device] = windows.each_mut().map(|window| {
            window.key(Modifiers::NONE, egui::Key::F1);
            let help = window.picture();
            window.key(Modifiers::NONE, egui::Key::Escape);
            [window.picture(), help]
        });
        if let Some(folder) = std::env::var_os("LANTERN_TEST_PICTURES") {
            for (name, pictures) in [("processor", &processor), ("device", &device)] {
                for (i, picture) in pictures.iter().enumerate() {
                    let file = format!("window-{name}-{scale}-{i}.png");
                    picture.save(std::path::Path::new(&folder).join(file)).expect("the folder exists");
                }
            }
        }
        for (processor, device) in processor.iter().zip(&device) {
            let (mean, far) = difference(processor, device, scale, volume);
            assert!(mean < 0.1 && far < 1e-3, "at {scale}: {mean:.3} on average, {far:.5} of pixels far off");
        }
    }
}

#[test]
fn drawing_only_what_changed_shows_the_same_as_drawing_everything() {
    let mut window = drawn_by_processor(SMALL, 1.0);
    window.picture();
    let axial = window.rect("Axial").center();
    window.wheel(axial, -1.0, Modifiers::NONE);
    window.picture();
    window.drag(axial, vec2(30.0, 20.0), PointerButton::Secondary, Modifiers::NONE);
    window.picture();
    let volume = window.rect("Volume").center();
    window.drag(volume, vec2(40.0, 10.0), PointerButton::Primary, Modifiers::NONE);
    window.picture();
    window.double_click(volume);
    let maximised = window.picture();
    window.harness.set_size(vec2(700.0, 500.0));
    window.settle();
    assert_ne!(maximised.dimensions(), window.picture().dimensions());
}

#[test]
fn a_frame_without_change_costs_no_pixel() {
    let mut canvas = Canvas::new();
    canvas.resize([300, 200]);
    let ctx = egui::Context::default();
    theme::install(&ctx);
    let mut frame = |text: &str| {
        let mut output = ctx.run_ui(egui::RawInput::default(), |ui| {
            ui.painter().circle_filled(egui::pos2(30.0, 30.0), 9.0, Color32::RED);
            ui.painter().text(
                egui::pos2(210.0, 140.0),
                egui::Align2::LEFT_TOP,
                text,
                egui::FontId::default(),
                Color32::WHITE,
            );
        });
        canvas.set_textures(&output.textures_delta);
        let primitives = ctx.tessellate(output.shapes, 1.0);
        let changed =
            canvas.draw(&CanvasFrame { primitives: &primitives, scale: 1.0, background: Color32::BLACK });
        output.textures_delta.clear();
        changed
    };
    frame("12");
    frame("21");
    assert_eq!(frame("21"), []);
    let changed = frame("12");
    let area: u32 = changed.iter().map(|r| r.width * r.height).sum();
    assert!(area > 0 && area <= 2 * 64 * 64, "only around the text: {changed:?}");
    assert!(!changed.iter().any(|r| contains(*r, 30, 30)), "not the circle");
}

impl Window {
    fn drawn_by(renderer: impl TestRenderer + 'static, size: Vec2, scale: f32) -> Self {
        let harness = egui_kittest::Harness::builder()
            .with_size(size)
            .with_pixels_per_point(scale)
            .with_max_steps(64)
            .with_step_dt(1.0 / 60.0)
            .renderer(renderer)
            .build_eframe(|cc| {
                let source = RendererSource::Open(RendererChoice::Cpu);
                LanternApp::with_renderer(cc, source, Vec::new(), None)
            });
        let mut window = Self { harness };
        window.open_phantom();
        window
    }
}
