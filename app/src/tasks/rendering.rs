//! Drawing in the background: the latest request of each viewport wins, slices before volumes, and volume pictures
//! refine until they are free of noise.
//!
//! While a camera moves, frames are drawn small enough to keep the pace; when it rests, jittered frames at full
//! size are averaged. Between two frames new requests are looked at, so a stale picture is never finished.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use render_core::gpu::GpuOptions;
use render_core::image::Image8;
use render_core::scene::{CubeScene, SliceScene, VolumeScene};
use render_core::{Accumulation, RenderError, Renderer, RendererChoice};

use super::{Message, Outbox, spawn};
use crate::document::ViewportId;

/// Time a frame may take while the camera moves.
const INTERACTIVE_FRAME: Duration = Duration::from_millis(35);
/// Jittered frames that are averaged into a still.
const STILL_FRAMES: u32 = 8;
/// Smallest scale of an interactive frame.
const SMALLEST_SCALE: f64 = 0.25;
/// Behind volumes: black, as behind all pixels.
const BACKGROUND: [f32; 3] = [0.0; 3];

/// Where the renderer comes from.
#[derive(Debug, Clone)]
pub enum RendererSource {
    /// Opened by the worker.
    Open(RendererChoice),
    /// The window's own device, so that pictures are shown without leaving the GPU.
    Shared {
        /// The window's adapter.
        adapter: wgpu::Adapter,
        /// The window's device.
        device: wgpu::Device,
        /// The window's queue.
        queue: wgpu::Queue,
    },
}

impl RendererSource {
    fn open(self) -> Result<(Renderer, bool), RenderError> {
        match self {
            Self::Open(choice) => Renderer::new(choice).map(|renderer| (renderer, false)),
            Self::Shared { adapter, device, queue } => {
                Ok((Renderer::with_device(&adapter, device, queue, GpuOptions::default()), true))
            }
        }
    }
}

/// What to draw.
#[derive(Debug, Clone)]
pub enum Scene {
    /// A slice.
    Slice(SliceScene),
    /// A volume; at a lower resolution while the camera moves.
    Volume {
        /// At full size.
        scene: VolumeScene,
        /// Whether the camera is being moved.
        is_moving: bool,
    },
    /// The plane of a slice within the volume's edges, as an inset of that viewport.
    Cube(CubeScene),
}

/// A request for one viewport.
#[derive(Debug, Clone)]
pub struct RenderRequest {
    /// Whose picture.
    pub viewport: ViewportId,
    /// Returned with the picture, so that the window knows what it shows.
    pub generation: u64,
    /// What.
    pub scene: Scene,
}

/// Where the pixels of a picture are.
#[derive(Debug, Clone)]
pub enum Pixels {
    /// In memory.
    Memory(Image8),
    /// On the window's own device.
    Texture(wgpu::Texture),
}

/// A finished picture.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Whose.
    pub viewport: ViewportId,
    /// Of which request.
    pub generation: u64,
    /// Whether it belongs into the corner of the viewport.
    pub is_inset: bool,
    /// Pixels; may be fewer than asked for while the camera moves.
    pub pixels: Pixels,
    /// Whether nothing better follows.
    pub is_final: bool,
    /// Time it took.
    pub duration: Duration,
}

/// Order of work within a worker: viewports' slices, then insets, then volumes.
type Slot = (u8, ViewportId);

fn slot(request: &RenderRequest) -> Slot {
    let class = match request.scene {
        Scene::Slice(_) => 0,
        Scene::Cube(_) => 1,
        Scene::Volume { .. } => 2,
    };
    (class, request.viewport)
}

/// Starts the render workers.
///
/// On a GPU one worker draws everything: frames are short, and the volume lies in graphics memory once. On the
/// processor volumes get a worker of their own, so that scrolling never waits for a ray march.
pub(super) fn start(source: RendererSource, outbox: Outbox) -> Sender<RenderRequest> {
    let (sender, inbox) = channel();
    spawn("render", move || {
        let (renderer, is_shared) = match source.open() {
            Ok(opened) => opened,
            Err(error) => {
                outbox.send(Message::Renderer(Err(error)));
                return;
            }
        };
        outbox.send(Message::Renderer(Ok(renderer.report().clone())));
        let volumes = (!renderer.report().is_gpu && renderer.gpu().is_none()).then(|| {
            let (sender, inbox) = channel();
            let outbox = outbox.clone();
            spawn("render volumes", move || {
                if let Ok(renderer) = Renderer::new(RendererChoice::Cpu) {
                    Worker::new(renderer, outbox, None).run(&inbox);
                }
            });
            sender
        });
        Worker { is_shared, ..Worker::new(renderer, outbox, volumes) }.run(&inbox);
    });
    sender
}

struct Job {
    request: RenderRequest,
    /// The mean of the frames of a still volume picture so far.
    still: Accumulation,
}

struct Worker {
    renderer: Renderer,
    outbox: Outbox,
    /// Where volume requests go instead, if another worker draws them.
    volumes: Option<Sender<RenderRequest>>,
    /// Whether the renderer's textures can be shown by the window.
    is_shared: bool,
    jobs: BTreeMap<Slot, Job>,
    /// Seconds per megapixel of a volume frame at full step, smoothed.
    volume_cost: Option<f64>,
}

impl Worker {
    fn new(renderer: Renderer, outbox: Outbox, volumes: Option<Sender<RenderRequest>>) -> Self {
        Self { renderer, outbox, volumes, is_shared: false, jobs: BTreeMap::new(), volume_cost: None }
    }

    /// Works until the window is gone.
    fn run(mut self, inbox: &Receiver<RenderRequest>) {
        loop {
            if self.jobs.is_empty() {
                match inbox.recv() {
                    Ok(request) => self.accept(request),
                    Err(_) => return,
                }
            }
            for request in inbox.try_iter() {
                self.accept(request);
            }
            if let Some((slot, job)) = self.jobs.pop_first()
                && let Some(unfinished) = self.work(job)
            {
                self.jobs.insert(slot, unfinished);
            }
        }
    }

    fn accept(&mut self, request: RenderRequest) {
        match (&self.volumes, &request.scene) {
            (Some(worker), Scene::Volume { .. }) => {
                let _ = worker.send(request);
            }
            _ => {
                self.jobs.insert(slot(&request), Job { request, still: Accumulation::default() });
            }
        }
    }

    /// Draws one frame; returns the job if more frames are to follow.
    fn work(&mut self, mut job: Job) -> Option<Job> {
        let started = Instant::now();
        let Job { request, still } = &mut job;
        let result = match &request.scene {
            Scene::Slice(scene) => self.renderer.slice_picture(scene).map(|p| (p, true)),
            Scene::Cube(scene) => self.renderer.cube_picture(scene, BACKGROUND).map(|p| (p, true)),
            Scene::Volume { scene, is_moving: true } => {
                let scene = self.smaller(scene);
                self.renderer.volume_picture(&scene, BACKGROUND).map(|p| (p, true))
            }
            Scene::Volume { scene, is_moving: false } => {
                let picture = self.renderer.accumulate(still, scene, BACKGROUND);
                picture.map(|p| (p, still.frames() >= STILL_FRAMES))
            }
        };
        let result = result.and_then(|(picture, is_final)| Ok((self.to_pixels(picture)?, is_final)));
        for notice in self.renderer.take_notices() {
            self.outbox.send(Message::RenderNotice(notice, self.renderer.report().clone()));
        }
        match result {
            Ok((pixels, is_final)) => {
                let duration = started.elapsed();
                self.note_cost(&request.scene, &pixels, duration);
                self.outbox.send(Message::Picture(Picture {
                    viewport: request.viewport,
                    generation: request.generation,
                    is_inset: matches!(request.scene, Scene::Cube(_)),
                    pixels,
                    is_final,
                    duration,
                }));
                (!is_final).then_some(job)
            }
            Err(error) => {
                self.outbox.send(Message::PictureFailed { viewport: request.viewport, error });
                None
            }
        }
    }

    /// Leaves a picture on the window's device, reads it from any other.
    fn to_pixels(&self, picture: render_core::Picture) -> Result<Pixels, RenderError> {
        Ok(match picture {
            render_core::Picture::Cpu(image) => Pixels::Memory(image),
            // A shared renderer never opens another device, so its pictures are always the window's.
            render_core::Picture::Gpu(picture) if self.is_shared => {
                Pixels::Texture(picture.texture().clone())
            }
            picture => Pixels::Memory(self.renderer.read(&picture)?),
        })
    }

    /// Remembers how long volume frames take; meaningless where the GPU works on its own.
    fn note_cost(&mut self, scene: &Scene, pixels: &Pixels, duration: Duration) {
        let (Scene::Volume { .. }, Pixels::Memory(image)) = (scene, pixels) else { return };
        let megapixels = f64::from(image.width) * f64::from(image.height) / 1e6;
        let cost = duration.as_secs_f64() / megapixels.max(1e-6);
        self.volume_cost = Some(self.volume_cost.map_or(cost, |old| old * 0.6 + cost * 0.4));
    }

    /// The scene at a size that is drawn in time for the next frame of the screen.
    fn smaller(&self, scene: &VolumeScene) -> VolumeScene {
        let megapixels = f64::from(scene.size_px[0]) * f64::from(scene.size_px[1]) / 1e6;
        if self.is_shared {
            return scene.clone();
        }
        let allowed = INTERACTIVE_FRAME.as_secs_f64();
        let expected = self.volume_cost.map_or(allowed * 4.0, |cost| cost * megapixels);
        let scale = (allowed / expected).sqrt().clamp(SMALLEST_SCALE, 1.0);
        let size_px = scene.size_px.map(|px| ((f64::from(px) * scale).round() as u32).max(1));
        // What the smallest size cannot save, longer steps do.
        let still_too_slow = (expected * scale * scale / allowed).clamp(1.0, 3.0);
        VolumeScene { size_px, step_mm: scene.step_mm * still_too_slow, ..scene.clone() }
    }
}
