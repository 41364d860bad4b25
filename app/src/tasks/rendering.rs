//! Drawing in the background: the latest request of each viewport wins, slices before volumes, and volume pictures
//! refine until they are free of noise.
//!
//! How good each frame of a volume is, [`Progressive`] decides. A full frame that the processor draws is given up as
//! soon as something else is wanted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use imaging::volume::VolumeId;
use render_core::gpu::{DeviceWatch, GpuOptions};
use render_core::image::Image8;
use render_core::progressive::{FramePlan, Next, Progressive, ProgressiveOptions};
use render_core::scene::{CubeScene, SliceScene, VolumeScene};
use render_core::{Accumulation, RenderError, Renderer, RendererChoice};

use super::{Message, Outbox, spawn};
use crate::document::{SeriesKey, ViewportId};

/// Jittered frames that are averaged into a still.
const STILL_FRAMES: u32 = 8;
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
        /// Whether that device is still there.
        watch: DeviceWatch,
    },
}

impl RendererSource {
    fn open(self) -> Result<(Renderer, bool), RenderError> {
        match self {
            Self::Open(choice) => Renderer::new(choice).map(|renderer| (renderer, false)),
            Self::Shared { adapter, device, queue, watch } => {
                Ok((Renderer::with_device(&adapter, device, queue, &watch, GpuOptions::default()), true))
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

impl Scene {
    /// Whether a volume is part of the picture.
    fn shows(&self, volume: VolumeId) -> bool {
        match self {
            Self::Slice(scene) => scene.shows(volume),
            Self::Volume { scene, .. } => scene.volume.id() == volume,
            Self::Cube(scene) => scene.slice.shows(volume),
        }
    }
}

/// What the workers are told.
#[derive(Debug)]
pub(super) enum RenderWork {
    Draw(Box<RenderRequest>),
    /// The volume is closed.
    Forget(VolumeId),
}

/// A request for one viewport.
#[derive(Debug, Clone)]
pub struct RenderRequest {
    /// Whose picture.
    pub viewport: ViewportId,
    /// What it shows; returned with the picture.
    pub series: SeriesKey,
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

impl Pixels {
    /// Width of the picture.
    pub fn width_px(&self) -> u32 {
        match self {
            Self::Memory(image) => image.width,
            Self::Texture(texture) => texture.width(),
        }
    }
}

/// How good a picture is, and whether better ones follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Fewer pixels or longer steps than asked for, while something moves.
    Reduced,
    /// All pixels and steps, free of noise; what follows only smooths it.
    Sharp,
    /// Nothing better follows.
    Final,
}

/// A finished picture.
#[derive(Debug, Clone)]
pub struct Picture {
    /// Whose.
    pub viewport: ViewportId,
    /// What it shows, which may no longer be what the viewport is to show.
    pub series: SeriesKey,
    /// Of which request.
    pub generation: u64,
    /// Whether it belongs into the corner of the viewport.
    pub is_inset: bool,
    /// Pixels; may be fewer than asked for while the camera moves.
    pub pixels: Pixels,
    /// How good it is.
    pub stage: Stage,
    /// Time it took.
    pub duration: Duration,
}

/// Order of work among slices and insets: slices first.
type Slot = (u8, ViewportId);

/// Another worker that draws the volumes.
struct VolumeWorker {
    sender: Sender<RenderWork>,
    /// Set when something new is wanted.
    cancel: Arc<AtomicBool>,
}

/// Starts the render workers.
///
/// On a GPU one worker draws everything: frames are short, and the volume lies in graphics memory once. On the
/// processor, from the start or once the GPU has failed, volumes get a worker of their own, so that scrolling never
/// waits for a ray march.
pub(super) fn start(source: RendererSource, outbox: Outbox) -> Sender<RenderWork> {
    let (sender, inbox) = channel();
    spawn_with_pool("render", move || {
        let (renderer, is_shared) = match source.open() {
            Ok(opened) => opened,
            Err(error) => {
                outbox.send(Message::Renderer(Err(error)));
                return;
            }
        };
        outbox.send(Message::Renderer(Ok(renderer.report().clone())));
        Worker { is_shared, may_split: true, ..Worker::new(renderer, outbox) }.run(&inbox);
    });
    sender
}

/// Starts a worker with threads of its own for what it does in parallel.
///
/// The threads of one pool turn to new work only when they have run out of the old: in a pool shared with volumes and
/// decoders, a slice of one millisecond would wait for a whole ray march or a whole series.
fn spawn_with_pool(name: &'static str, work: impl FnOnce() + Send + 'static) {
    let pool = rayon::ThreadPoolBuilder::new().thread_name(move |i| format!("{name} {i}")).build();
    spawn(name, move || match pool {
        Ok(pool) => pool.install(work),
        Err(error) => {
            tracing::warn!(%error, "`{name}` shares its threads");
            work();
        }
    });
}

/// Starts a worker that draws volumes on the processor.
fn start_volumes(outbox: Outbox) -> VolumeWorker {
    let (sender, inbox) = channel();
    let cancel = Arc::new(AtomicBool::new(false));
    let worker_cancel = cancel.clone();
    spawn_with_pool("render volumes", move || {
        if let Ok(renderer) = Renderer::new(RendererChoice::Cpu) {
            Worker { cancel: worker_cancel, ..Worker::new(renderer, outbox) }.run(&inbox);
        }
    });
    VolumeWorker { sender, cancel }
}

/// A volume viewport and how far its picture is.
struct VolumeView {
    request: RenderRequest,
    progressive: Progressive<u64>,
    /// The mean of the full frames so far.
    still: Accumulation,
}

struct Worker {
    renderer: Renderer,
    outbox: Outbox,
    /// Where volume requests go instead, if another worker draws them.
    volumes: Option<VolumeWorker>,
    /// Whether volumes go to another worker as soon as the processor draws.
    may_split: bool,
    /// Whether the renderer's textures can be shown by the window.
    is_shared: bool,
    /// Gives a full frame up.
    cancel: Arc<AtomicBool>,
    /// Slices and insets that wait.
    jobs: BTreeMap<Slot, RenderRequest>,
    views: BTreeMap<ViewportId, VolumeView>,
    started: Instant,
}

/// What the volumes want next.
enum VolumeWork {
    Draw(ViewportId, FramePlan),
    WaitUntil(Duration),
    Nothing,
}

impl Worker {
    fn new(renderer: Renderer, outbox: Outbox) -> Self {
        Self {
            renderer,
            outbox,
            volumes: None,
            may_split: false,
            is_shared: false,
            cancel: Arc::default(),
            jobs: BTreeMap::new(),
            views: BTreeMap::new(),
            started: Instant::now(),
        }
    }

    /// Works until the window is gone.
    fn run(mut self, inbox: &Receiver<RenderWork>) {
        loop {
            // Reset before looking, so that a request that comes in between still cancels.
            self.cancel.store(false, Ordering::Relaxed);
            self.split();
            for work in inbox.try_iter() {
                self.accept(work);
            }
            if let Some((_, request)) = self.jobs.pop_first() {
                self.draw(&request);
                continue;
            }
            let received = match self.next_volume_work() {
                VolumeWork::Draw(viewport, plan) => {
                    self.draw_volume(viewport, &plan);
                    continue;
                }
                VolumeWork::WaitUntil(time) => {
                    inbox.recv_timeout(time.saturating_sub(self.started.elapsed()))
                }
                VolumeWork::Nothing => inbox.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match received {
                Ok(work) => self.accept(work),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Hands the volumes to a worker of their own if the processor draws now.
    fn split(&mut self) {
        if !self.may_split || self.volumes.is_some() || self.renderer.gpu().is_some() {
            return;
        }
        let worker = start_volumes(self.outbox.clone());
        for view in std::mem::take(&mut self.views).into_values() {
            // The worker ends only with this one.
            let _ = worker.sender.send(RenderWork::Draw(Box::new(view.request)));
        }
        self.volumes = Some(worker);
    }

    fn accept(&mut self, work: RenderWork) {
        match work {
            RenderWork::Draw(request) => self.accept_request(*request),
            RenderWork::Forget(volume) => {
                self.jobs.retain(|_, request| !request.scene.shows(volume));
                self.views.retain(|_, view| !view.request.scene.shows(volume));
                self.renderer.forget(volume);
                if let Some(worker) = &self.volumes {
                    let _ = worker.sender.send(RenderWork::Forget(volume));
                    worker.cancel.store(true, Ordering::Relaxed);
                }
            }
        }
    }

    fn accept_request(&mut self, request: RenderRequest) {
        match (&request.scene, &self.volumes) {
            (Scene::Slice(_), _) => {
                self.jobs.insert((0, request.viewport), request);
            }
            (Scene::Cube(_), _) => {
                self.jobs.insert((1, request.viewport), request);
            }
            (Scene::Volume { .. }, Some(worker)) => {
                // The worker ends only with the window.
                let _ = worker.sender.send(RenderWork::Draw(Box::new(request)));
                worker.cancel.store(true, Ordering::Relaxed);
            }
            (Scene::Volume { .. }, None) => match self.views.get_mut(&request.viewport) {
                Some(view) => view.request = request,
                None => {
                    let options =
                        ProgressiveOptions { still_frames: STILL_FRAMES, ..ProgressiveOptions::default() };
                    let progressive = Progressive::new(options);
                    let view = VolumeView { request, progressive, still: Accumulation::default() };
                    self.views.insert(view.request.viewport, view);
                }
            },
        }
    }

    /// Draws a slice or an inset.
    fn draw(&mut self, request: &RenderRequest) {
        let started = Instant::now();
        let (picture, is_inset) = match &request.scene {
            Scene::Slice(scene) => (self.renderer.slice_picture(scene), false),
            Scene::Cube(scene) => (self.renderer.cube_picture(scene, BACKGROUND), true),
            Scene::Volume { .. } => return,
        };
        let pixels = picture.and_then(|picture| self.to_pixels(picture));
        self.send(request, pixels, is_inset, Stage::Final, started.elapsed());
    }

    fn next_volume_work(&mut self) -> VolumeWork {
        let now = self.started.elapsed();
        let mut earliest: Option<Duration> = None;
        for (&viewport, view) in &mut self.views {
            let Scene::Volume { scene, is_moving } = &view.request.scene else { continue };
            match view.progressive.next(view.request.generation, scene.size_px, *is_moving, now) {
                Next::Draw(plan) => return VolumeWork::Draw(viewport, plan),
                Next::WaitUntil(time) => earliest = Some(earliest.map_or(time, |e| e.min(time))),
                Next::Settled => {}
            }
        }
        earliest.map_or(VolumeWork::Nothing, VolumeWork::WaitUntil)
    }

    fn draw_volume(&mut self, viewport: ViewportId, plan: &FramePlan) {
        let Some(view) = self.views.get_mut(&viewport) else { return };
        let Scene::Volume { scene, .. } = &view.request.scene else { return };
        let request = view.request.clone();
        let started = Instant::now();
        let picture = if plan.is_full {
            if plan.jitter_frame == 0 {
                view.still = Accumulation::default();
            }
            self.renderer.accumulate_cancellable(&mut view.still, scene, BACKGROUND, &self.cancel)
        } else {
            self.renderer.volume_picture(&plan.apply(scene), BACKGROUND).map(Some)
        };
        let pixels = match picture {
            Ok(Some(picture)) => self.to_pixels(picture),
            Ok(None) => return,
            Err(error) => Err(error),
        };
        // The GPU works on its own: without waiting, frames would queue up before those of the window.
        let pixels =
            if self.is_shared { pixels.and_then(|p| self.renderer.wait().map(|()| p)) } else { pixels };
        let took = started.elapsed();
        tracing::trace!(size_px = ?plan.size_px, step = plan.step_factor, is_full = plan.is_full, ?took, "volume");
        let Some(view) = self.views.get_mut(&viewport) else { return };
        if pixels.is_err() {
            // The window says why; the view asks again when something changes.
            self.views.remove(&viewport);
        } else if !view.progressive.deliver(plan, took, self.started.elapsed()) {
            return;
        }
        let stage = match self.views.get(&viewport).map(|view| &view.progressive) {
            Some(progressive) if !progressive.is_sharp() => Stage::Reduced,
            Some(progressive) if !progressive.is_settled() => Stage::Sharp,
            _ => Stage::Final,
        };
        self.send(&request, pixels, false, stage, took);
    }

    fn send(
        &mut self,
        request: &RenderRequest,
        pixels: Result<Pixels, RenderError>,
        is_inset: bool,
        stage: Stage,
        duration: Duration,
    ) {
        for notice in self.renderer.take_notices() {
            self.outbox.send(Message::RenderNotice(notice, self.renderer.report().clone()));
        }
        let RenderRequest { viewport, series, generation, .. } = *request;
        self.outbox.send(match pixels {
            Ok(pixels) => {
                Message::Picture(Picture { viewport, series, generation, is_inset, pixels, stage, duration })
            }
            Err(error) => Message::PictureFailed { viewport, error },
        });
    }

    /// Leaves a picture on the window's device, reads it from any other.
    fn to_pixels(&self, picture: render_core::Picture) -> Result<Pixels, RenderError> {
        Ok(match picture {
            render_core::Picture::Cpu(image) => Pixels::Memory(image),
            render_core::Picture::Gpu(picture) if self.is_shared => {
                Pixels::Texture(picture.texture().clone())
            }
            picture => Pixels::Memory(self.renderer.read(&picture)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use rayon::prelude::*;

    use super::*;

    #[test]
    fn a_render_worker_needs_no_thread_that_others_share() {
        let arrived = Arc::new(Barrier::new(rayon::current_num_threads() + 1));
        let left = Arc::new(Barrier::new(rayon::current_num_threads() + 1));
        let (a, b) = (arrived.clone(), left.clone());
        rayon::spawn_broadcast(move |_| {
            a.wait();
            b.wait();
        });
        arrived.wait();
        let (sender, sum) = channel();
        spawn_with_pool("test", move || {
            let sum: u32 = (0..1000u32).into_par_iter().sum();
            let _ = sender.send(sum);
        });
        let sum = sum.recv_timeout(Duration::from_secs(60));
        left.wait();
        assert_eq!(sum, Ok(499_500));
    }
}
