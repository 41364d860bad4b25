//! One renderer for callers that do not care where pictures are made.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::AtomicBool;

use imaging::volume::{Volume, VolumeId};

use crate::RenderError;
use crate::cpu::CpuRenderer;
use crate::gpu::{AdapterChoice, ContextId, DeviceWatch, GpuContext, GpuOptions, GpuRenderer};
use crate::image::{Image8, ImageF32};
use crate::layers::SliceLayer;
use crate::reference;
use crate::scene::{CubeScene, SliceScene, VolumeMode, VolumeScene};

/// Which path draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RendererChoice {
    /// The GPU where there is a real one, else the processor.
    #[default]
    Auto,
    /// The GPU or a software adapter; an error where there is none.
    Gpu,
    /// The processor.
    Cpu,
}

/// What draws, for the status bar, benchmarks and bug reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdapterReport {
    /// Adapter or processor name.
    pub name: String,
    /// `Vulkan`, `Gl`, …, or `CPU`.
    pub backend: String,
    /// Driver and its version, empty for the processor.
    pub driver: String,
    /// Whether a real GPU draws.
    pub is_gpu: bool,
}

impl fmt::Display for AdapterReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name, self.backend)
    }
}

/// What a user should know about the last picture or about the renderer since the last picture.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RenderNotice {
    /// The volume does not fit the graphics memory budget; the volume view shows every `factor`-th voxel's
    /// surroundings as their mean. Slices are always drawn at full resolution.
    ReducedResolution {
        /// Voxels per drawn voxel along each axis.
        factor: u32,
    },
    /// The graphics device was lost and opened again.
    DeviceRebuilt,
    /// The processor draws from now on.
    FellBackToCpu {
        /// Why, for the log.
        reason: String,
    },
}

/// A finished picture, sRGB-coded and opaque, where it was made.
#[derive(Debug, Clone)]
pub enum Picture {
    /// In memory.
    Cpu(Image8),
    /// On the renderer's device.
    Gpu(GpuPicture),
}

/// An `Rgba8Unorm` texture, a new one for each picture, so it may be shown while the next one is drawn.
#[derive(Debug, Clone)]
pub struct GpuPicture {
    texture: wgpu::Texture,
    context: ContextId,
}

impl GpuPicture {
    /// The texture, with usages `TEXTURE_BINDING` and `COPY_SRC`. Useful only on the device it was made on, which
    /// matters when a renderer that opened its own device had to open another.
    pub fn texture(&self) -> &wgpu::Texture {
        &self.texture
    }

    /// Which device that is.
    pub fn context(&self) -> ContextId {
        self.context
    }
}

impl Picture {
    /// Width and height.
    pub fn size_px(&self) -> [u32; 2] {
        match self {
            Self::Cpu(image) => [image.width, image.height],
            Self::Gpu(GpuPicture { texture, .. }) => [texture.width(), texture.height()],
        }
    }
}

/// The mean of a growing number of frames of one view; start a new one when the view changes.
#[derive(Debug, Default)]
pub struct Accumulation {
    frames: u32,
    mean: Mean,
}

#[derive(Debug, Default)]
enum Mean {
    #[default]
    Empty,
    Cpu(ImageF32),
    Gpu {
        texture: wgpu::Texture,
        context: ContextId,
    },
}

impl Accumulation {
    /// Frames in the mean so far.
    pub fn frames(&self) -> u32 {
        self.frames
    }

    fn size_px(&self) -> Option<[u32; 2]> {
        match &self.mean {
            Mean::Empty => None,
            Mean::Cpu(image) => Some([image.width, image.height]),
            Mean::Gpu { texture, .. } => Some([texture.width(), texture.height()]),
        }
    }
}

/// Lost devices that are replaced before the processor takes over for good.
const MAX_REBUILDS: u32 = 3;

/// Draws scenes on whatever [`RendererChoice`] led to.
///
/// A lost device is opened again and everything on it rebuilt from the scenes' volumes; after a few losses, or when
/// the device was the window's, the processor draws for good. [`Renderer::take_notices`] tells.
#[derive(Debug)]
pub struct Renderer {
    cpu: CpuRenderer,
    gpu: Option<GpuRenderer>,
    /// How to open another device; `None` for the window's.
    adapter_choice: Option<AdapterChoice>,
    options: GpuOptions,
    /// Devices lost so far.
    losses: u32,
    report: AdapterReport,
    notices: Vec<RenderNotice>,
    /// Reductions that were told of.
    announced: BTreeSet<(VolumeId, u32)>,
}

impl Renderer {
    /// Opens the chosen path.
    ///
    /// # Errors
    /// [`RenderError::NoAdapter`] if a GPU was demanded and there is none.
    pub fn new(choice: RendererChoice) -> Result<Self, RenderError> {
        Self::with_options(choice, GpuOptions::default())
    }

    /// [`Renderer::new`] with other limits for the GPU.
    ///
    /// # Errors
    /// [`RenderError::NoAdapter`] if a GPU was demanded and there is none.
    pub fn with_options(choice: RendererChoice, options: GpuOptions) -> Result<Self, RenderError> {
        let adapter_choice = match choice {
            RendererChoice::Cpu => return Ok(Self::on_cpu(options)),
            RendererChoice::Auto => AdapterChoice::RealGpu,
            RendererChoice::Gpu => AdapterChoice::Any,
        };
        match GpuContext::headless(adapter_choice) {
            Ok(context) => Ok(Self::on_gpu(context, Some(adapter_choice), options)),
            Err(RenderError::NoAdapter) if choice == RendererChoice::Auto => Ok(Self::on_cpu(options)),
            Err(e) if choice == RendererChoice::Auto => {
                tracing::warn!("drawing on the processor: {e}");
                Ok(Self::on_cpu(options))
            }
            Err(e) => Err(e),
        }
    }

    /// Shares the window's device, so that its pictures can be shown without leaving it.
    ///
    /// Draws on it even if it is software; whoever wants the processor then asks [`GpuContext::is_real_gpu`] first.
    /// If its limits do not suffice the processor draws, and a notice says so. Errors that others cause on the device
    /// are not ours; `watch` tells whether it is lost.
    pub fn with_device(
        adapter: &wgpu::Adapter,
        device: wgpu::Device,
        queue: wgpu::Queue,
        watch: &DeviceWatch,
        options: GpuOptions,
    ) -> Self {
        let context = GpuContext::shared(adapter, device, queue, watch);
        if context.can_draw_volumes() {
            return Self::on_gpu(context, None, options);
        }
        let mut renderer = Self::on_cpu(options);
        let reason = "the window's graphics device is too limited".to_owned();
        renderer.notices.push(RenderNotice::FellBackToCpu { reason });
        renderer
    }

    /// Uses an open device; with `adapter_choice` another is opened if it is lost.
    pub(crate) fn on_gpu(
        context: GpuContext,
        adapter_choice: Option<AdapterChoice>,
        options: GpuOptions,
    ) -> Self {
        let report = context.report().clone();
        let gpu = Some(GpuRenderer::new(context, options));
        Self {
            cpu: CpuRenderer::new(),
            gpu,
            adapter_choice,
            options,
            losses: 0,
            report,
            notices: Vec::new(),
            announced: BTreeSet::new(),
        }
    }

    fn on_cpu(options: GpuOptions) -> Self {
        Self {
            cpu: CpuRenderer::new(),
            gpu: None,
            adapter_choice: None,
            options,
            losses: 0,
            report: cpu_report(),
            notices: Vec::new(),
            announced: BTreeSet::new(),
        }
    }

    /// What draws.
    pub fn report(&self) -> &AdapterReport {
        &self.report
    }

    /// The GPU path, where it draws.
    pub fn gpu(&self) -> Option<&GpuRenderer> {
        self.gpu.as_ref()
    }

    /// What happened since the last call: reduced resolution, a device rebuilt or given up.
    pub fn take_notices(&mut self) -> Vec<RenderNotice> {
        std::mem::take(&mut self.notices)
    }

    /// Waits until the GPU has drawn everything it was given, so that time can be measured and frames do not queue up.
    ///
    /// # Errors
    /// If the device failed meanwhile.
    pub fn wait(&self) -> Result<(), RenderError> {
        self.gpu.as_ref().map_or(Ok(()), GpuRenderer::wait)
    }

    /// Frees what is kept for a volume that will not be drawn again. Pictures made of it stay.
    pub fn forget(&mut self, volume: VolumeId) {
        self.cpu.forget(volume);
        if let Some(gpu) = &mut self.gpu {
            gpu.forget(volume);
        }
    }

    /// Draws a slice.
    ///
    /// # Errors
    /// If the scene does not validate or the device fails.
    pub fn slice(&mut self, scene: &SliceScene) -> Result<Image8, RenderError> {
        if !self.draws_slice(scene) {
            return self.cpu.slice(scene);
        }
        self.on_either(|gpu| gpu.slice(scene), |cpu| cpu.slice(scene))
    }

    /// Draws a slice where it will be shown from.
    ///
    /// # Errors
    /// If the scene does not validate or the device fails.
    pub fn slice_picture(&mut self, scene: &SliceScene) -> Result<Picture, RenderError> {
        if !self.draws_slice(scene) {
            return self.cpu.slice(scene).map(Picture::Cpu);
        }
        self.on_either(
            |gpu| gpu.slice_texture(scene).map(|texture| picture_on(gpu, texture)),
            |cpu| cpu.slice(scene).map(Picture::Cpu),
        )
    }

    /// Modality values of a slice, one per pixel, NaN outside, always at full resolution.
    ///
    /// On the GPU they carry the precision of `f32`. For colour volumes channel `channel`.
    ///
    /// # Errors
    /// If the scene does not validate or the device fails.
    pub fn slice_values(&mut self, scene: &SliceScene, channel: usize) -> Result<Vec<f64>, RenderError> {
        if !self.draws_image(scene) {
            return reference::slice_values(scene, channel);
        }
        self.on_either(|gpu| gpu.slice_values(scene, channel), |_| reference::slice_values(scene, channel))
    }

    /// Draws a volume: linear, premultiplied.
    ///
    /// # Errors
    /// If the scene does not validate or the device fails.
    pub fn volume(&mut self, scene: &VolumeScene) -> Result<ImageF32, RenderError> {
        if !self.draws_volume(scene) {
            return self.cpu.volume(scene);
        }
        self.on_either(|gpu| gpu.volume(scene), |cpu| cpu.volume(scene))
    }

    /// As [`Renderer::volume`]; on the processor `None` soon after `cancel` is set. The GPU finishes what it began.
    ///
    /// # Errors
    /// If the scene does not validate or the device fails.
    pub fn volume_cancellable(
        &mut self,
        scene: &VolumeScene,
        cancel: &AtomicBool,
    ) -> Result<Option<ImageF32>, RenderError> {
        if !self.draws_volume(scene) {
            return self.cpu.volume_cancellable(scene, cancel);
        }
        self.on_either(|gpu| gpu.volume(scene).map(Some), |cpu| cpu.volume_cancellable(scene, cancel))
    }

    /// Draws one frame of a volume over a background (linear RGB) where it will be shown from.
    ///
    /// # Errors
    /// If the scene does not validate or the device fails.
    pub fn volume_picture(
        &mut self,
        scene: &VolumeScene,
        background: [f32; 3],
    ) -> Result<Picture, RenderError> {
        self.accumulate(&mut Accumulation::default(), scene, background)
    }

    /// As [`Renderer::accumulate`]; on the processor `None` soon after `cancel` is set, with the mean as it was.
    /// The GPU finishes what it began.
    ///
    /// # Errors
    /// If the scene does not validate or the device fails.
    pub fn accumulate_cancellable(
        &mut self,
        accumulation: &mut Accumulation,
        scene: &VolumeScene,
        background: [f32; 3],
        cancel: &AtomicBool,
    ) -> Result<Option<Picture>, RenderError> {
        if accumulation.size_px().is_some_and(|size| size != scene.size_px) {
            *accumulation = Accumulation::default();
        }
        if !self.draws_volume(scene) {
            return accumulate_cpu(&mut self.cpu, accumulation, scene, background, cancel);
        }
        let accumulated = std::cell::RefCell::new(accumulation);
        self.on_either(
            |gpu| accumulate_gpu(gpu, &mut accumulated.borrow_mut(), scene, background).map(Some),
            |cpu| accumulate_cpu(cpu, &mut accumulated.borrow_mut(), scene, background, cancel),
        )
    }

    /// Adds the next jittered frame to a view's mean and returns the mean over a background (linear RGB).
    ///
    /// The scene's own `jitter_frame` is ignored: frame n of the mean is jittered as frame n, so the first is the
    /// plain picture. A change of size starts again; after any other change of the scene pass a new `accumulation`.
    ///
    /// # Errors
    /// If the scene does not validate or the device fails.
    pub fn accumulate(
        &mut self,
        accumulation: &mut Accumulation,
        scene: &VolumeScene,
        background: [f32; 3],
    ) -> Result<Picture, RenderError> {
        let never = AtomicBool::new(false);
        let picture = self.accumulate_cancellable(accumulation, scene, background, &never)?;
        Ok(picture.expect("only a cancelled frame has no picture"))
    }

    /// Draws a slice plane inside its cube: linear, premultiplied.
    ///
    /// # Errors
    /// If the scene does not validate or the device fails.
    pub fn cube(&mut self, scene: &CubeScene) -> Result<ImageF32, RenderError> {
        if !self.draws_image(&scene.slice) {
            return self.cpu.cube(scene);
        }
        self.on_either(|gpu| gpu.cube(scene), |cpu| cpu.cube(scene))
    }

    /// Draws a slice plane inside its cube over a background (linear RGB) where it will be shown from.
    ///
    /// # Errors
    /// If the scene does not validate or the device fails.
    pub fn cube_picture(&mut self, scene: &CubeScene, background: [f32; 3]) -> Result<Picture, RenderError> {
        let on_cpu = |cpu: &mut CpuRenderer| Ok(Picture::Cpu(cpu.cube(scene)?.to_srgb8(background)));
        if !self.draws_image(&scene.slice) {
            return on_cpu(&mut self.cpu);
        }
        self.on_either(
            |gpu| {
                let frame = gpu.cube_texture(scene)?;
                gpu.tone_map(&frame, background).map(|texture| picture_on(gpu, texture))
            },
            on_cpu,
        )
    }

    /// Reads a picture of this renderer into memory; waits for the GPU.
    ///
    /// # Errors
    /// [`RenderError::DeviceLost`] if the picture went with its device.
    pub fn read(&self, picture: &Picture) -> Result<Image8, RenderError> {
        match (picture, &self.gpu) {
            (Picture::Cpu(image), _) => Ok(image.clone()),
            (Picture::Gpu(p), Some(gpu)) if p.context == gpu.context().id() => gpu.read_image8(&p.texture),
            (Picture::Gpu(_), _) => Err(RenderError::DeviceLost),
        }
    }

    /// The GPU's own time for the last volume in ms; needs [`GpuOptions::is_timing`].
    pub fn volume_pass_ms(&self) -> Option<f64> {
        self.gpu.as_ref()?.volume_pass_ms()
    }

    /// Whether the GPU draws this slice with its layers.
    fn draws_slice(&self, scene: &SliceScene) -> bool {
        self.draws_image(scene)
            && scene.layers.iter().all(|layer| match layer {
                SliceLayer::Labels(layer) => self.draws_at_full_resolution(layer.labels.volume()),
                SliceLayer::Scalar(layer) => {
                    !layer.window.window.is_table() && self.draws_at_full_resolution(&layer.volume)
                }
            })
    }

    /// Whether the GPU draws the image of this slice: only with windows that its shaders know, which lookup tables of
    /// single images are not worth.
    fn draws_image(&self, scene: &SliceScene) -> bool {
        !scene.grey.window.is_table() && self.draws_at_full_resolution(&scene.volume)
    }

    /// Numbers and labels must not come from means.
    fn draws_at_full_resolution(&self, volume: &Volume) -> bool {
        let gpu = self.gpu.as_ref();
        gpu.is_some_and(|gpu| has_usable_rescale(volume) && gpu.reduction(volume) == Some(1))
    }

    fn draws_volume(&mut self, scene: &VolumeScene) -> bool {
        if matches!(&scene.mode, VolumeMode::Mip { grey } if grey.window.is_table()) {
            return false;
        }
        let volume = &scene.volume;
        let Some(gpu) = &self.gpu else { return false };
        match gpu.reduction(volume) {
            Some(factor) if has_usable_rescale(volume) => {
                let notice = RenderNotice::ReducedResolution { factor };
                // Told once per volume; a notice that comes back with every frame cannot be dismissed.
                if factor > 1 && self.announced.insert((volume.id(), factor)) {
                    self.notices.push(notice);
                }
                true
            }
            _ => false,
        }
    }

    /// Draws on the GPU; on a new device if it was lost; on the processor if that does not help.
    fn on_either<T>(
        &mut self,
        draw_gpu: impl Fn(&mut GpuRenderer) -> Result<T, RenderError>,
        draw_cpu: impl Fn(&mut CpuRenderer) -> Result<T, RenderError>,
    ) -> Result<T, RenderError> {
        while let Some(gpu) = &mut self.gpu {
            let context = gpu.context().clone();
            let error = match context.catching(|| draw_gpu(gpu)) {
                Err(e) if gpu.context().is_lost() || is_device_failure(&e) => e,
                // The device has less memory than it said; means of labels would be other labels.
                Err(RenderError::ReducedLabels) => return draw_cpu(&mut self.cpu),
                result => return result,
            };
            self.replace_device(&error);
        }
        draw_cpu(&mut self.cpu)
    }

    /// Opens another device in place of one that failed, or gives the GPU up.
    fn replace_device(&mut self, error: &RenderError) {
        self.gpu = None;
        self.losses += 1;
        let reopened = match self.adapter_choice {
            Some(choice) if self.losses <= MAX_REBUILDS => GpuContext::headless(choice),
            _ => Err(RenderError::DeviceLost),
        };
        match reopened {
            Ok(context) => {
                tracing::warn!("graphics device rebuilt: {error}");
                self.report = context.report().clone();
                self.gpu = Some(GpuRenderer::new(context, self.options));
                self.notices.push(RenderNotice::DeviceRebuilt);
            }
            Err(_) => {
                tracing::warn!("drawing on the processor from now on: {error}");
                self.report = cpu_report();
                self.notices.push(RenderNotice::FellBackToCpu { reason: error.to_string() });
            }
        }
    }
}

/// Errors that another device or the processor may not have, unlike those of a scene.
fn is_device_failure(error: &RenderError) -> bool {
    matches!(error, RenderError::DeviceLost | RenderError::Device { .. } | RenderError::OutOfMemory { .. })
}

/// The shaders work in stored units and need a way back from modality values.
fn has_usable_rescale(volume: &Volume) -> bool {
    let rescale = volume.rescale();
    rescale.slope.is_normal() && rescale.intercept.is_finite()
}

fn cpu_report() -> AdapterReport {
    AdapterReport {
        name: format!("{} threads", rayon::current_num_threads()),
        backend: "CPU".to_owned(),
        driver: String::new(),
        is_gpu: false,
    }
}

fn picture_on(gpu: &GpuRenderer, texture: wgpu::Texture) -> Picture {
    Picture::Gpu(GpuPicture { texture, context: gpu.context().id() })
}

fn accumulate_gpu(
    gpu: &mut GpuRenderer,
    accumulation: &mut Accumulation,
    scene: &VolumeScene,
    background: [f32; 3],
) -> Result<Picture, RenderError> {
    let context = gpu.context().id();
    let before = match &accumulation.mean {
        Mean::Gpu { texture, context: made_on } if *made_on == context => Some(texture.clone()),
        // Nothing yet, or made elsewhere: start again.
        _ => None,
    };
    let frames = if before.is_some() { accumulation.frames } else { 0 };
    let newest = gpu.volume_texture(&VolumeScene { jitter_frame: frames, ..scene.clone() })?;
    let mean = match before {
        Some(before) => gpu.accumulate(&before, &newest, frames + 1)?,
        None => newest,
    };
    let shown = gpu.tone_map(&mean, background)?;
    *accumulation = Accumulation { frames: frames + 1, mean: Mean::Gpu { texture: mean, context } };
    Ok(picture_on(gpu, shown))
}

fn accumulate_cpu(
    cpu: &mut CpuRenderer,
    accumulation: &mut Accumulation,
    scene: &VolumeScene,
    background: [f32; 3],
    cancel: &AtomicBool,
) -> Result<Option<Picture>, RenderError> {
    if !matches!(accumulation.mean, Mean::Cpu(_)) {
        *accumulation = Accumulation::default();
    }
    let frames = accumulation.frames;
    let frame = VolumeScene { jitter_frame: frames, ..scene.clone() };
    let Some(mut mean) = cpu.volume_cancellable(&frame, cancel)? else { return Ok(None) };
    if let Mean::Cpu(before) = &accumulation.mean {
        let share = 1.0 / (frames + 1) as f32;
        for (newest, before) in mean.pixels.iter_mut().zip(&before.pixels) {
            *newest = std::array::from_fn(|c| before[c] + (newest[c] - before[c]) * share);
        }
    }
    let shown = mean.to_srgb8(background);
    *accumulation = Accumulation { frames: frames + 1, mean: Mean::Cpu(mean) };
    Ok(Some(Picture::Cpu(shown)))
}
