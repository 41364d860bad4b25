//! Drives the window as a person would: finds things by label, clicks, types, drags, waits for workers.

use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use egui::{Event, Modifiers, MouseWheelUnit, PointerButton, Pos2, Rect, TouchPhase, Vec2, vec2};
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use glam::{DMat3, DVec3};
use imaging::geometry::Dims;
use imaging::phantom;
use imaging::series::SeriesAttributes;
use lantern::app::LanternApp;
use lantern::document::Document;
use lantern::tasks::RendererSource;
use render_core::RendererChoice;

/// A window under test.
pub(crate) struct Window {
    pub(crate) harness: Harness<'static, LanternApp>,
}

/// No worker of a test takes longer than this, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

impl Window {
    /// A window of this size in points that opens `paths`.
    pub(crate) fn with_paths(size: Vec2, pixels_per_point: f32, paths: Vec<PathBuf>) -> Self {
        let harness = Harness::builder()
            .with_size(size)
            .with_pixels_per_point(pixels_per_point)
            .with_max_steps(64)
            .with_step_dt(1.0 / 60.0)
            .wgpu()
            .build_eframe(|cc| LanternApp::new(cc, RendererChoice::Cpu, paths, None));
        let mut window = Self { harness };
        window.settle();
        window
    }

    /// A window whose pictures stay on its own graphics device, as with a real GPU.
    pub(crate) fn sharing_its_device(size: Vec2) -> Self {
        let harness = Harness::builder().with_size(size).with_step_dt(1.0 / 60.0).wgpu().build_eframe(|cc| {
            let state = cc.wgpu_render_state.as_ref().expect("the harness draws with wgpu");
            let source = RendererSource::Shared {
                adapter: state.adapter.clone(),
                device: state.device.clone(),
                queue: state.queue.clone(),
                watch: render_core::gpu::DeviceWatch::install(&state.device, || {}),
            };
            LanternApp::with_renderer(cc, source, Vec::new(), None)
        });
        let mut window = Self { harness };
        window.open_phantom();
        window
    }

    /// A window with a small CT phantom: 32 × 36 × 20 voxels, the ball towards left, front and head.
    pub(crate) fn with_phantom(size: Vec2) -> Self {
        Self::with_phantom_scaled(size, 1.0)
    }

    pub(crate) fn with_phantom_scaled(size: Vec2, pixels_per_point: f32) -> Self {
        let mut window = Self::with_paths(size, pixels_per_point, Vec::new());
        window.open_phantom();
        window
    }

    /// The same application in another window, with another graphics device.
    pub(crate) fn reopened(self, size: Vec2) -> Self {
        let state = Rc::new(RefCell::new(Some(self.harness)));
        let harness =
            Harness::builder().with_size(size).with_step_dt(1.0 / 60.0).wgpu().build_eframe(move |cc| {
                let mut before = state.borrow_mut().take().expect("the window is built once");
                let empty = LanternApp::with_renderer(
                    cc,
                    RendererSource::Open(RendererChoice::Cpu),
                    Vec::new(),
                    None,
                );
                let mut app = std::mem::replace(before.state_mut(), empty);
                app.move_to(cc, RendererChoice::Cpu);
                app
            });
        let mut window = Self { harness };
        window.settle();
        window
    }

    pub(crate) fn open_phantom(&mut self) {
        let volume = phantom::head(Dims::new(32, 36, 20), DVec3::new(2.0, 2.0, 3.0), DMat3::IDENTITY);
        let attributes = SeriesAttributes {
            patient_name: "Phantom^Head".into(),
            patient_id: "P-1".into(),
            modality: "CT".into(),
            series_description: "Head phantom".into(),
            ..SeriesAttributes::default()
        };
        self.harness.state_mut().open_volume(attributes, Arc::new(volume));
        self.settle();
    }

    /// Runs frames until nothing is being read or drawn.
    pub(crate) fn settle(&mut self) {
        let started = Instant::now();
        let mut quiet = 0;
        while quiet < 3 {
            self.harness.step();
            quiet = if self.harness.state().is_settled() { quiet + 1 } else { 0 };
            if quiet == 0 {
                std::thread::sleep(Duration::from_millis(2));
            }
            assert!(started.elapsed() < PATIENCE, "the window did not settle");
        }
    }

    pub(crate) fn document(&self) -> &Document {
        self.harness.state().document()
    }

    /// Sentence that a viewport tells a screen reader: letters, position, window.
    pub(crate) fn description(&self, viewport: &str) -> String {
        let prefix = format!("{viewport} view");
        let node = self.harness.get_by_label_contains(&prefix);
        node.accesskit_node().label().unwrap_or_default()
    }

    pub(crate) fn rect(&self, viewport: &str) -> Rect {
        self.harness.get_by_label_contains(&format!("{viewport} view")).rect()
    }

    pub(crate) fn click(&mut self, label: &str) {
        self.harness.get_by_label(label).click();
        self.settle();
    }

    pub(crate) fn key(&mut self, modifiers: Modifiers, key: egui::Key) {
        self.harness.key_press_modifiers(modifiers, key);
        self.settle();
    }

    /// Moves the pointer in steps with a button held.
    pub(crate) fn drag(&mut self, from: Pos2, by: Vec2, button: PointerButton, modifiers: Modifiers) {
        let press = |pos, pressed| Event::PointerButton { pos, button, pressed, modifiers };
        self.harness.event(Event::ModifiersChanged(modifiers));
        self.harness.event(Event::PointerMoved(from));
        self.harness.event(press(from, true));
        for i in 1..=8 {
            self.harness.event(Event::PointerMoved(from + by * (i as f32 / 8.0)));
        }
        self.harness.event(press(from + by, false));
        self.harness.event(Event::ModifiersChanged(Modifiers::NONE));
        self.settle();
    }

    pub(crate) fn double_click(&mut self, pos: Pos2) {
        // Long enough after earlier clicks not to become a triple one.
        self.harness.run_steps(60);
        self.harness.event(Event::PointerMoved(pos));
        for pressed in [true, false, true, false] {
            self.harness.event(Event::PointerButton {
                pos,
                button: PointerButton::Primary,
                pressed,
                modifiers: Modifiers::NONE,
            });
        }
        self.settle();
        // Let the time pass within which the toolkit would take a further click for part of this one.
        self.harness.run_steps(45);
    }

    /// Turns the wheel; positive is away from the user.
    pub(crate) fn wheel(&mut self, pos: Pos2, notches: f32, modifiers: Modifiers) {
        self.harness.event(Event::PointerMoved(pos));
        self.harness.event(Event::MouseWheel {
            unit: MouseWheelUnit::Line,
            delta: vec2(0.0, notches),
            phase: TouchPhase::Move,
            source: egui::MouseWheelSource::Wheel,
            modifiers,
        });
        self.settle();
    }

    /// Puts fingers on the screen, moves each from its first to its second place, and lifts them.
    ///
    /// As on a real screen the first finger is the pointer too.
    pub(crate) fn touch(&mut self, fingers: &[(Pos2, Pos2)]) {
        const STEPS: u16 = 8;
        for step in 0..=STEPS + 1 {
            for (i, (from, to)) in fingers.iter().enumerate() {
                let pos = *from + (*to - *from) * (f32::from(step.min(STEPS)) / f32::from(STEPS));
                let phase = match step {
                    0 => TouchPhase::Start,
                    step if step <= STEPS => TouchPhase::Move,
                    _ => TouchPhase::End,
                };
                let (device_id, id) = (egui::TouchDeviceId(1), egui::TouchId(i as u64));
                self.harness.event(Event::Touch { device_id, id, phase, pos, force: None });
                if i > 0 {
                    continue;
                }
                let (button, modifiers) = (PointerButton::Primary, Modifiers::NONE);
                self.harness.event(Event::PointerMoved(pos));
                if phase != TouchPhase::Move {
                    let pressed = phase == TouchPhase::Start;
                    self.harness.event(Event::PointerButton { pos, button, pressed, modifiers });
                }
            }
            self.harness.step();
        }
        self.harness.event(Event::PointerGone);
        self.settle();
    }

    /// Moves the pointer away, so that nothing is hovered.
    pub(crate) fn leave(&mut self) {
        self.harness.remove_cursor();
        self.settle();
    }

    /// What is on screen.
    pub(crate) fn picture(&mut self) -> image::RgbaImage {
        self.leave();
        self.harness.render().expect("the test adapter renders")
    }

    /// Keeps a picture for people to look at, if `LANTERN_TEST_PICTURES` names a folder.
    pub(crate) fn keep_picture(&mut self, name: &str) {
        if let Some(folder) = std::env::var_os("LANTERN_TEST_PICTURES") {
            let path = PathBuf::from(folder).join(format!("{name}.png"));
            self.picture().save(path).expect("the folder exists");
        }
    }
}
