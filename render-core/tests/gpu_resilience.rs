//! What happens when graphics memory is short or the device goes away.
#![expect(clippy::unwrap_used, reason = "helpers of tests may")]

mod phantoms;

use std::sync::Arc;

use glam::{DMat3, DVec3};
use imaging::geometry::{AnatomicalPlane, Dims};
use imaging::intensity::Window;
use imaging::phantom;
use imaging::volume::{Rescale, Volume};
use phantoms::psnr_db;
use render_core::camera::Camera;
use render_core::gpu::GpuOptions;
use render_core::scene::{
    CropBox, GreyMapping, Interpolation, Slab, SlicePlane, SliceScene, VolumeMode, VolumeScene,
};
use render_core::transfer_function::VolumePreset;
use render_core::{
    Accumulation, Picture, RenderError, RenderNotice, Renderer, RendererChoice, reference, testing,
};

fn head() -> Arc<Volume> {
    Arc::new(phantom::head(Dims::new(48, 48, 48), DVec3::splat(1.5), DMat3::IDENTITY))
}

fn slice(volume: &Arc<Volume>) -> SliceScene {
    let g = volume.geometry();
    SliceScene {
        volume: volume.clone(),
        time_point: 0,
        plane: SlicePlane::anatomical(AnatomicalPlane::Coronal, g, g.center_lps() + 0.3, [40, 40]),
        size_px: [40, 40],
        interpolation: Interpolation::Linear,
        slab: Slab::default(),
        grey: GreyMapping { window: Window::linear(40.0, 400.0), is_inverted: false },
        color_map: None,
        layers: Vec::new(),
    }
}

fn view(volume: &Arc<Volume>) -> VolumeScene {
    let g = *volume.geometry();
    let transfer_function = Arc::new(VolumePreset::by_name("CT-Soft-Tissue").unwrap().transfer_function());
    VolumeScene {
        volume: volume.clone(),
        time_point: 0,
        camera: Camera::orbit(&g, 0.5, 0.3, 1.2),
        size_px: [48, 48],
        mode: VolumeMode::Composite { transfer_function, lighting: None },
        step_mm: VolumeScene::full_quality_step_mm(&g),
        crop: CropBox::whole(&g),
        clip_planes: Vec::new(),
        jitter_frame: 0,
    }
}

fn lose_device(renderer: &Renderer) {
    renderer.gpu().expect("draws on the GPU").context().device.destroy();
}

#[test]
fn a_lost_device_is_replaced_and_everything_on_it_rebuilt() {
    let Some(mut renderer) = testing::renderer(GpuOptions::default()) else { return };
    let volume = head();
    let before = (renderer.slice(&slice(&volume)).unwrap(), renderer.volume(&view(&volume)).unwrap());
    lose_device(&renderer);
    let after = (renderer.slice(&slice(&volume)).unwrap(), renderer.volume(&view(&volume)).unwrap());
    assert_eq!(before, after);
    assert_eq!(renderer.take_notices(), [RenderNotice::DeviceRebuilt]);
    assert!(renderer.gpu().is_some());
}

#[test]
fn pictures_that_are_not_read_back_survive_the_loss_too() {
    let Some(mut renderer) = testing::renderer(GpuOptions::default()) else { return };
    let volume = head();
    let mut accumulation = Accumulation::default();
    renderer.accumulate(&mut accumulation, &view(&volume), [0.0; 3]).unwrap();
    renderer.accumulate(&mut accumulation, &view(&volume), [0.0; 3]).unwrap();
    let lost = renderer.slice_picture(&slice(&volume)).unwrap();
    lose_device(&renderer);
    let picture = renderer.accumulate(&mut accumulation, &view(&volume), [0.0; 3]).unwrap();
    assert_eq!(accumulation.frames(), 1, "the mean went with its device");
    let expected = reference::volume(&view(&volume)).unwrap().to_srgb8([0.0; 3]);
    assert!(psnr_db(&renderer.read(&picture).unwrap(), &expected) > 40.0);
    assert!(renderer.read(&lost).is_err(), "a picture of the lost device cannot be read");
    assert!(renderer.slice(&slice(&volume)).is_ok(), "and does not harm what follows");
}

#[test]
fn a_device_that_is_lost_again_and_again_gives_way_to_the_processor() {
    let Some(mut renderer) = testing::renderer(GpuOptions::default()) else { return };
    let volume = head();
    let expected = reference::slice(&slice(&volume)).unwrap();
    for _ in 0..10 {
        if renderer.gpu().is_none() {
            break;
        }
        lose_device(&renderer);
        let actual = renderer.slice(&slice(&volume)).unwrap();
        let worst = actual.rgba.iter().zip(&expected.rgba).map(|(a, e)| a.abs_diff(*e)).max();
        assert!(worst <= Some(1));
    }
    assert!(renderer.gpu().is_none() && renderer.report().backend == "CPU" && !renderer.report().is_gpu);
    let notices = renderer.take_notices();
    assert!(matches!(notices.last(), Some(RenderNotice::FellBackToCpu { .. })), "{notices:?}");
    assert!(matches!(renderer.slice_picture(&slice(&volume)), Ok(Picture::Cpu(_))));
}

#[test]
fn a_shared_device_that_is_lost_is_not_replaced() {
    let Some(context) = testing::gpu_context() else { return };
    let (device, queue) = (context.device.clone(), context.queue.clone());
    let mut renderer = testing::renderer_on_shared(context, GpuOptions::default());
    let volume = head();
    renderer.slice(&slice(&volume)).unwrap();
    device.destroy();
    drop(queue);
    assert!(renderer.slice(&slice(&volume)).is_ok());
    assert_eq!(renderer.report().backend, "CPU");
}

#[test]
fn errors_of_others_on_a_shared_device_do_not_switch_to_the_processor() {
    let Some(context) = testing::gpu_context() else { return };
    let device = context.device.clone();
    let mut renderer = testing::renderer_on_shared(context, GpuOptions::default());
    let volume = head();
    renderer.slice(&slice(&volume)).unwrap();
    // No buffer may be mapped for reading and writing.
    let _refused = device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("somebody else's mistake"),
        size: 16,
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::MAP_WRITE,
        mapped_at_creation: false,
    });
    assert!(matches!(renderer.slice_picture(&slice(&volume)), Ok(Picture::Gpu(_))));
    assert_eq!(renderer.take_notices(), []);
}

#[test]
fn volumes_beyond_the_budget_are_reduced_in_3d_and_exact_in_slices() {
    let volume = head();
    let full_bytes = volume.voxels().size_bytes() as u64;
    let options = GpuOptions { budget_bytes: full_bytes / 2, ..GpuOptions::default() };
    let Some(mut renderer) = testing::renderer(options) else { return };
    let expected = reference::volume(&view(&volume)).unwrap().to_srgb8([0.0; 3]);
    let shown = renderer.volume(&view(&volume)).unwrap().to_srgb8([0.0; 3]);
    let db = psnr_db(&shown, &expected);
    assert!(db > 20.0 && db < 45.0, "half the resolution looks alike but is not the same: {db:.1} dB");
    assert_eq!(renderer.take_notices(), [RenderNotice::ReducedResolution { factor: 2 }]);
    let values = renderer.slice_values(&slice(&volume), 0).unwrap();
    let exact = reference::slice_values(&slice(&volume), 0).unwrap();
    assert!(values.iter().zip(&exact).all(|(a, e)| (a - e).abs() < 0.5 || a.is_nan() && e.is_nan()));
    assert!(renderer.gpu().unwrap().resident_bytes() <= full_bytes / 2);
}

#[test]
fn reduced_volumes_stay_in_their_place() {
    // 65 voxels reduced by 2 and 4: the last reduced voxel is cut, not squeezed.
    let geometry = imaging::geometry::Geometry::axis_aligned(
        Dims::new(65, 47, 33),
        DVec3::new(-20.0, 5.0, 0.0),
        DVec3::new(1.0, 1.2, 1.5),
    )
    .unwrap();
    let smooth = |p: DVec3| 300.0 * (p.x * 0.05).sin() + 200.0 * (p.y * 0.06).cos() + p.z * 5.0;
    let volume = Arc::new(phantom::volume_from_lps(geometry, smooth));
    let full_bytes = volume.voxels().size_bytes() as u64;
    let grey = GreyMapping { window: Window::linear(200.0, 1200.0), is_inverted: false };
    let scene = VolumeScene { mode: VolumeMode::Mip { grey }, ..view(&volume) };
    let expected = reference::volume(&scene).unwrap().to_srgb8([0.0; 3]);
    for (budget_bytes, factor) in [(full_bytes / 4, 2), (full_bytes / 20, 4)] {
        let options = GpuOptions { budget_bytes, ..GpuOptions::default() };
        let Some(mut gpu) = testing::gpu_renderer(options) else { return };
        assert_eq!(gpu.reduction(&volume), Some(factor));
        let db = psnr_db(&gpu.volume(&scene).unwrap().to_srgb8([0.0; 3]), &expected);
        assert!(db > 33.0, "reduced by {factor}: {db:.1} dB");
    }
}

#[test]
fn least_recently_used_volumes_leave_first() {
    let volumes = [head(), head(), head()];
    let one = volumes[0].voxels().size_bytes() as u64;
    let options = GpuOptions { budget_bytes: 2 * one, ..GpuOptions::default() };
    let Some(mut gpu) = testing::gpu_renderer(options) else { return };
    for i in [0, 1, 0, 2, 0] {
        gpu.slice(&slice(&volumes[i])).unwrap();
        assert!(gpu.resident_bytes() <= 2 * one);
    }
    assert_eq!(gpu.resident_count(), 2);
    gpu.forget(volumes[0].id());
    assert_eq!((gpu.resident_count(), gpu.resident_bytes()), (1, one));
}

#[test]
fn a_renderer_can_be_handed_to_a_worker() {
    fn is_send<T: Send + 'static>() {}
    is_send::<Renderer>();
    is_send::<Picture>();
    is_send::<Accumulation>();
}

#[test]
fn broken_scenes_are_errors_on_every_path() {
    let volume = head();
    let mut renderers = vec![Renderer::new(RendererChoice::Cpu).unwrap()];
    renderers.extend(testing::renderer(GpuOptions::default()));
    for mut renderer in renderers {
        let empty = SliceScene { size_px: [0, 10], ..slice(&volume) };
        assert!(matches!(renderer.slice(&empty), Err(RenderError::Size { .. })));
        let late = VolumeScene { time_point: 9, ..view(&volume) };
        assert!(matches!(renderer.volume(&late), Err(RenderError::TimePoint { .. })));
        let colour = VolumeScene { volume: Arc::new(phantoms::color_rgb8()), ..view(&volume) };
        assert!(matches!(renderer.volume(&colour), Err(RenderError::ColorVolume)));
        assert!(renderer.slice(&slice(&volume)).is_ok(), "an error leaves the renderer usable");
    }
}

#[test]
fn cancelled_volumes_are_nothing_on_the_processor_and_whole_on_the_gpu() {
    let cancelled = std::sync::atomic::AtomicBool::new(true);
    let scene = view(&head());
    let mut cpu = Renderer::new(RendererChoice::Cpu).unwrap();
    assert_eq!(cpu.volume_cancellable(&scene, &cancelled).unwrap(), None);
    let Some(mut gpu) = testing::renderer(GpuOptions::default()) else { return };
    let whole = gpu.volume(&scene).unwrap();
    assert_eq!(gpu.volume_cancellable(&scene, &cancelled).unwrap(), Some(whole));
}

#[test]
fn a_rescale_without_slope_is_drawn_by_the_processor() {
    let Some(mut renderer) = testing::renderer(GpuOptions::default()) else { return };
    let g = *head().geometry();
    let flat = phantoms::volume_of(g, Rescale { slope: 0.0, intercept: 40.0 }, vec![7u8; 48 * 48 * 48]);
    let scene = slice(&Arc::new(flat));
    assert_eq!(renderer.slice(&scene).unwrap(), reference::slice(&scene).unwrap());
}

#[test]
fn auto_draws_on_the_processor_where_every_adapter_is_software() {
    let renderer = Renderer::new(RendererChoice::Auto).unwrap();
    assert_eq!(renderer.gpu().is_some(), renderer.report().is_gpu);
    assert_eq!(renderer.report().backend == "CPU", !renderer.report().is_gpu);
}

#[test]
fn the_gpu_pass_can_be_timed() {
    let options = GpuOptions { is_timing: true, ..GpuOptions::default() };
    let Some(mut renderer) = testing::renderer(options) else { return };
    renderer.volume(&view(&head())).unwrap();
    let has_timestamps =
        renderer.gpu().unwrap().context().features().contains(wgpu::Features::TIMESTAMP_QUERY);
    assert_eq!(renderer.volume_pass_ms().is_some_and(|ms| ms > 0.0 && ms < 60_000.0), has_timestamps);
}
