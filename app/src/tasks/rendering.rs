//! Drawing in the background: the latest request of each viewport wins, slices before volumes, and volume pictures
//! refine until they are free of noise.
//!
//! While a camera moves, frames are drawn small enough to keep the pace; when it rests, jittered frames at full
//! size are averaged. Between two frames new requests are looked at, so a stale picture is never finished.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use render_core::image::{Image8, ImageF32};
use render_core::scene::{CubeScene, SliceScene, VolumeScene};
use render_core::{RenderError, Renderer, RendererChoice};

use super::{Message, Outbox, spawn};
use crate::document::ViewportId;

/// Time a frame may take while the camera moves.
const INTERACTIVE_FRAME: Duration = Duration::from_millis(35);
/// Jittered frames that are averaged into a still.
const STILL_FRAMES: u32 = 8;
/// Smallest scale of an interactive frame.
const SMALLEST_SCALE: f64 = 0.25;

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

/// A finished picture.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Whose.
    pub viewport: ViewportId,
    /// Of which request.
    pub generation: u64,
    /// Whether it belongs into the corner of the viewport.
    pub is_inset: bool,
    /// Pixels; may be smaller than asked for while the camera moves.
    pub image: Image8,
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
pub(super) fn start(choice: RendererChoice, outbox: Outbox) -> Sender<RenderRequest> {
    let (sender, inbox) = channel();
    spawn("render", move || {
        let renderer = match Renderer::new(choice) {
            Ok(renderer) => renderer,
            Err(error) => {
                outbox.send(Message::Renderer(Err(error)));
                return;
            }
        };
        outbox.send(Message::Renderer(Ok(renderer.report().clone())));
        let volumes = (!renderer.report().is_gpu).then(|| {
            let (sender, inbox) = channel();
            let outbox = outbox.clone();
            spawn("render volumes", move || {
                if let Ok(renderer) = Renderer::new(RendererChoice::Cpu) {
                    Worker::new(renderer, outbox, None).run(&inbox);
                }
            });
            sender
        });
        Worker::new(renderer, outbox, volumes).run(&inbox);
    });
    sender
}

/// Refinement of one still volume picture.
struct Still {
    sum: ImageF32,
    frames: u32,
    started: Instant,
}

struct Job {
    request: RenderRequest,
    still: Option<Still>,
}

struct Worker {
    renderer: Renderer,
    outbox: Outbox,
    /// Where volume requests go instead, if another worker draws them.
    volumes: Option<Sender<RenderRequest>>,
    jobs: BTreeMap<Slot, Job>,
    /// Seconds per megapixel of an interactive volume frame at full step, smoothed.
    volume_cost: Option<f64>,
}

impl Worker {
    fn new(renderer: Renderer, outbox: Outbox, volumes: Option<Sender<RenderRequest>>) -> Self {
        Self { renderer, outbox, volumes, jobs: BTreeMap::new(), volume_cost: None }
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
                self.jobs.insert(slot(&request), Job { request, still: None });
            }
        }
    }

    /// Draws one frame; returns the job if more frames are to follow.
    fn work(&mut self, mut job: Job) -> Option<Job> {
        let started = Instant::now();
        let result = match &job.request.scene {
            Scene::Slice(scene) => self.renderer.slice(scene).map(|image| (image, true)),
            Scene::Cube(scene) => self.renderer.cube(scene).map(|p| (p.to_srgb8([0.0; 3]), true)),
            Scene::Volume { scene, is_moving: true } => {
                let scene = self.smaller(scene);
                self.timed_volume(&scene).map(|p| (p.to_srgb8([0.0; 3]), true))
            }
            Scene::Volume { scene, is_moving: false } => {
                let scene = scene.clone();
                self.refine(&scene, &mut job)
            }
        };
        match result {
            Ok((image, is_final)) => {
                self.outbox.send(Message::Picture(Picture {
                    viewport: job.request.viewport,
                    generation: job.request.generation,
                    is_inset: matches!(job.request.scene, Scene::Cube(_)),
                    image,
                    is_final,
                    duration: started.elapsed(),
                }));
                (!is_final).then_some(job)
            }
            Err(error) => {
                self.outbox.send(Message::PictureFailed { viewport: job.request.viewport, error });
                None
            }
        }
    }

    /// The next picture of a still: a plain frame, then the mean of jittered ones.
    fn refine(&mut self, scene: &VolumeScene, job: &mut Job) -> Result<(Image8, bool), RenderError> {
        let Some(still) = &mut job.still else {
            let first = self.timed_volume(scene)?;
            let image = first.to_srgb8([0.0; 3]);
            let sum = ImageF32::new(first.width, first.height);
            job.still = Some(Still { sum, frames: 0, started: Instant::now() });
            return Ok((image, false));
        };
        still.frames += 1;
        let frame = VolumeScene { jitter_frame: still.frames, ..scene.clone() };
        let picture = self.renderer.volume(&frame)?;
        for (sum, pixel) in still.sum.pixels.iter_mut().zip(&picture.pixels) {
            for (s, p) in sum.iter_mut().zip(pixel) {
                *s += p;
            }
        }
        let is_final = still.frames >= STILL_FRAMES;
        tracing::trace!(frames = still.frames, elapsed = ?still.started.elapsed(), "volume refined");
        let share = 1.0 / still.frames as f32;
        let mut mean = still.sum.clone();
        mean.pixels.iter_mut().flatten().for_each(|c| *c *= share);
        Ok((mean.to_srgb8([0.0; 3]), is_final))
    }

    fn timed_volume(&mut self, scene: &VolumeScene) -> Result<ImageF32, RenderError> {
        let started = Instant::now();
        let picture = self.renderer.volume(scene)?;
        let megapixels = f64::from(scene.size_px[0]) * f64::from(scene.size_px[1]) / 1e6;
        let step = scene.step_mm / VolumeScene::full_quality_step_mm(scene.volume.geometry());
        let cost = started.elapsed().as_secs_f64() * step / megapixels.max(1e-6);
        self.volume_cost = Some(self.volume_cost.map_or(cost, |old| old * 0.6 + cost * 0.4));
        Ok(picture)
    }

    /// The scene at a size that is drawn in time for the next frame of the screen.
    fn smaller(&self, scene: &VolumeScene) -> VolumeScene {
        let megapixels = f64::from(scene.size_px[0]) * f64::from(scene.size_px[1]) / 1e6;
        let allowed = INTERACTIVE_FRAME.as_secs_f64();
        let expected = self.volume_cost.map_or(allowed * 4.0, |cost| cost * megapixels);
        let scale = (allowed / expected).sqrt().clamp(SMALLEST_SCALE, 1.0);
        let size_px = scene.size_px.map(|px| ((f64::from(px) * scale).round() as u32).max(1));
        // What the smallest size cannot save, longer steps do.
        let still_too_slow = (expected * scale * scale / allowed).clamp(1.0, 3.0);
        VolumeScene { size_px, step_mm: scene.step_mm * still_too_slow, ..scene.clone() }
    }
}
