//! The device: which adapter was chosen, what it can do, and whether it is still there.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::RenderError;
use crate::renderer::AdapterReport;

/// Which adapters may be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdapterChoice {
    /// Real GPUs only.
    RealGpu,
    /// A real GPU if there is one, else software.
    Any,
    /// Software if there is one, else a real GPU: repeatable pixels for tests.
    PreferSoftware,
}

/// Features that are used where the adapter has them.
const WANTED_FEATURES: wgpu::Features = wgpu::Features::TEXTURE_FORMAT_16BIT_NORM
    .union(wgpu::Features::FLOAT32_FILTERABLE)
    .union(wgpu::Features::TIMESTAMP_QUERY);

/// An open device and what it can do, asked once at the start.
#[derive(Debug, Clone)]
pub struct GpuContext {
    /// The device.
    pub device: wgpu::Device,
    /// Its queue.
    pub queue: wgpu::Queue,
    report: AdapterReport,
    limits: wgpu::Limits,
    features: wgpu::Features,
    health: Arc<Health>,
    id: ContextId,
}

/// Tells devices apart within this process; never reused.
///
/// wgpu's own handles do not: those of different instances may compare equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ContextId(u64);

/// Tells whether a device that several parties use is still there.
#[derive(Debug, Clone, Default)]
pub struct DeviceWatch {
    health: Arc<Health>,
}

impl DeviceWatch {
    /// Watches a device in place of its loss and error callbacks: errors that nobody catches are logged, and
    /// `on_loss` runs on whatever thread notices the loss.
    pub fn install(device: &wgpu::Device, on_loss: impl Fn() + Send + 'static) -> Self {
        let watch = Self::default();
        watch.health.watch_loss(device, on_loss);
        device
            .on_uncaptured_error(Arc::new(|error: wgpu::Error| tracing::error!("graphics device: {error}")));
        watch
    }

    /// Whether the device is gone for good.
    pub fn is_lost(&self) -> bool {
        self.health.is_lost.load(Ordering::Acquire)
    }
}

/// What the driver told us out of turn.
#[derive(Debug, Default)]
struct Health {
    is_lost: AtomicBool,
    error: Mutex<Option<RenderError>>,
}

impl GpuContext {
    /// Opens a device without a window.
    ///
    /// # Errors
    /// [`RenderError::NoAdapter`] if no adapter of the wanted kind can draw volumes, [`RenderError::Device`] if it
    /// refuses to open.
    pub fn headless(choice: AdapterChoice) -> Result<Self, RenderError> {
        pollster::block_on(Self::open(choice, WANTED_FEATURES))
    }

    /// [`GpuContext::headless`] without any optional feature, as on the oldest drivers; for tests.
    ///
    /// # Errors
    /// As [`GpuContext::headless`].
    #[cfg(feature = "testing")]
    pub(crate) fn without_features(choice: AdapterChoice) -> Result<Self, RenderError> {
        pollster::block_on(Self::open(choice, wgpu::Features::empty()))
    }

    /// The same device as if it were the window's; for tests.
    #[cfg(feature = "testing")]
    pub(crate) fn watched(self) -> Self {
        let health = DeviceWatch::install(&self.device, || {}).health;
        Self { health, ..self }
    }

    async fn open(choice: AdapterChoice, wanted: wgpu::Features) -> Result<Self, RenderError> {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = wgpu::Backends::from_env().unwrap_or(wgpu::Backends::all());
        let instance = wgpu::Instance::new(descriptor);
        let mut adapters = instance.enumerate_adapters(wgpu::Backends::all()).await;
        adapters.retain(|a| {
            can_draw_volumes(&a.limits()) && (choice != AdapterChoice::RealGpu || is_real_gpu(&a.get_info()))
        });
        adapters.sort_by_key(|a| {
            let info = a.get_info();
            let is_wanted = is_real_gpu(&info) != (choice == AdapterChoice::PreferSoftware);
            (!is_wanted, device_rank(info.device_type), backend_rank(info.backend))
        });
        let mut refusal = RenderError::NoAdapter;
        // A driver that enumerates but does not open must not hide one that works.
        for adapter in adapters {
            let descriptor = wgpu::DeviceDescriptor {
                label: Some("lantern"),
                required_features: adapter.features() & wanted,
                required_limits: adapter.limits(),
                ..Default::default()
            };
            match adapter.request_device(&descriptor).await {
                Ok((device, queue)) => return Ok(Self::owned(&adapter, device, queue)),
                Err(e) => {
                    tracing::warn!(adapter = adapter.get_info().name, "adapter does not open: {e}");
                    refusal = RenderError::Device { reason: e.to_string() };
                }
            }
        }
        Err(refusal)
    }

    /// The optional features to ask for when opening a device that will be shared.
    pub fn wanted_features(adapter: &wgpu::Adapter) -> wgpu::Features {
        adapter.features() & WANTED_FEATURES
    }

    /// Whether this machine has any adapter that is hardware. Opens none.
    pub fn is_hardware_present() -> bool {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = wgpu::Backends::from_env().unwrap_or(wgpu::Backends::all());
        let instance = wgpu::Instance::new(descriptor);
        let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
        adapters.iter().any(Self::is_real_gpu)
    }

    /// Whether an adapter is hardware, not a software rasteriser.
    pub fn is_real_gpu(adapter: &wgpu::Adapter) -> bool {
        is_real_gpu(&adapter.get_info())
    }

    /// Uses a device that exists, the window's, which `watch` was installed on.
    ///
    /// Errors of whoever else uses the device stay theirs: here only those count that our own calls cause. Limits and
    /// features are those the device was opened with; ask for [`Self::wanted_features`] and all of the adapter's
    /// limits.
    pub fn shared(
        adapter: &wgpu::Adapter,
        device: wgpu::Device,
        queue: wgpu::Queue,
        watch: &DeviceWatch,
    ) -> Self {
        Self::with_health(adapter, device, queue, watch.health.clone())
    }

    /// Uses a device of our own: whatever the driver reports concerns us.
    fn owned(adapter: &wgpu::Adapter, device: wgpu::Device, queue: wgpu::Queue) -> Self {
        let health = Arc::new(Health::default());
        health.watch_loss(&device, || {});
        let on_error = health.clone();
        device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| {
            tracing::error!("graphics device: {error}");
            on_error.record(RenderError::Device { reason: error.to_string() });
        }));
        Self::with_health(adapter, device, queue, health)
    }

    fn with_health(
        adapter: &wgpu::Adapter,
        device: wgpu::Device,
        queue: wgpu::Queue,
        health: Arc<Health>,
    ) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let id = ContextId(NEXT_ID.fetch_add(1, Ordering::Relaxed));
        let (limits, features) = (device.limits(), device.features());
        Self { report: report(&adapter.get_info()), limits, features, device, queue, health, id }
    }

    /// Whether the device's limits suffice for the passes here.
    pub fn can_draw_volumes(&self) -> bool {
        can_draw_volumes(&self.limits)
    }

    /// Which device this is.
    pub fn id(&self) -> ContextId {
        self.id
    }

    /// What draws.
    pub fn report(&self) -> &AdapterReport {
        &self.report
    }

    /// Limits of the open device.
    pub fn limits(&self) -> &wgpu::Limits {
        &self.limits
    }

    /// Features of the open device.
    pub fn features(&self) -> wgpu::Features {
        self.features
    }

    /// Whether the device is gone for good.
    pub fn is_lost(&self) -> bool {
        self.health.is_lost.load(Ordering::Acquire)
    }

    /// Errors the driver reported since the last call, the loss of the device first.
    ///
    /// # Errors
    /// [`RenderError::DeviceLost`] or [`RenderError::Device`].
    pub fn check(&self) -> Result<(), RenderError> {
        // Callbacks run while polling.
        let poll = self.device.poll(wgpu::PollType::Poll);
        if self.is_lost() {
            return Err(RenderError::DeviceLost);
        }
        match self.health.error.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(error) => Err(error),
            None => match poll {
                Ok(_) => Ok(()),
                Err(e) => Err(RenderError::Device { reason: e.to_string() }),
            },
        }
    }

    /// Runs `draw`; what the driver objects to in it becomes its error.
    ///
    /// Error scopes are of this thread and device alone, so that errors of other users of the device are not taken
    /// for ours.
    pub(crate) fn catching<T>(
        &self,
        draw: impl FnOnce() -> Result<T, RenderError>,
    ) -> Result<T, RenderError> {
        // Later scopes lie within earlier ones and are popped first.
        let internal = self.device.push_error_scope(wgpu::ErrorFilter::Internal);
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let drawn = draw();
        let errors = [validation, memory, internal].map(|scope| pollster::block_on(scope.pop()));
        let drawn = drawn?;
        match errors.into_iter().flatten().next() {
            Some(error) => Err(RenderError::Device { reason: error.to_string() }),
            None => Ok(drawn),
        }
    }

    /// Runs `make` and tells whether the device ran out of memory in it.
    pub(crate) fn ran_out_of_memory<T>(&self, make: impl FnOnce() -> T) -> (T, bool) {
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let made = make();
        let error = pollster::block_on(scope.pop());
        (made, error.is_some())
    }

    /// Waits until everything submitted is done.
    pub(crate) fn wait(&self) -> Result<(), RenderError> {
        match self.device.poll(wgpu::PollType::wait_indefinitely()) {
            Ok(_) => self.check(),
            Err(_) if self.is_lost() => Err(RenderError::DeviceLost),
            Err(e) => Err(RenderError::Device { reason: e.to_string() }),
        }
    }
}

impl Health {
    fn watch_loss(self: &Arc<Self>, device: &wgpu::Device, on_loss: impl Fn() + Send + 'static) {
        let health = self.clone();
        device.set_device_lost_callback(move |reason, message| {
            tracing::error!("graphics device lost ({reason:?}): {message}");
            health.is_lost.store(true, Ordering::Release);
            on_loss();
        });
    }

    fn record(&self, error: RenderError) {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }
}

fn can_draw_volumes(limits: &wgpu::Limits) -> bool {
    // Ray marching binds a bricked volume (8), the lookup table and two brick textures.
    limits.max_texture_dimension_3d >= 256 && limits.max_sampled_textures_per_shader_stage >= 11
}

/// Whether an adapter is hardware; software rasterisers call themselves by these names where the type is unclear.
fn is_real_gpu(info: &wgpu::AdapterInfo) -> bool {
    let name = format!("{} {} {}", info.name, info.driver, info.driver_info).to_lowercase();
    let software = ["llvmpipe", "lavapipe", "softpipe", "swiftshader", "microsoft basic render"];
    info.device_type != wgpu::DeviceType::Cpu && !software.iter().any(|s| name.contains(s))
}

fn device_rank(kind: wgpu::DeviceType) -> u8 {
    match kind {
        wgpu::DeviceType::DiscreteGpu => 0,
        wgpu::DeviceType::IntegratedGpu => 1,
        wgpu::DeviceType::VirtualGpu => 2,
        wgpu::DeviceType::Other => 3,
        wgpu::DeviceType::Cpu => 4,
    }
}

fn backend_rank(backend: wgpu::Backend) -> u8 {
    match backend {
        wgpu::Backend::Vulkan | wgpu::Backend::Metal => 0,
        wgpu::Backend::Dx12 => 1,
        _ => 2,
    }
}

fn report(info: &wgpu::AdapterInfo) -> AdapterReport {
    let driver = format!("{} {}", info.driver, info.driver_info).trim().to_owned();
    AdapterReport {
        name: info.name.clone(),
        backend: format!("{:?}", info.backend),
        driver,
        is_gpu: is_real_gpu(info),
    }
}
