//! Criterion benchmarks of the CPU path: `cargo bench -p render-core --bench cpu`.
//!
//! The volume is a 256³ head with noise in every voxel, so that skipping is not flattered. For real data and for
//! comparison with other programs see `examples/cpu_frames.rs`.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use glam::DVec3;
use imaging::geometry::{AnatomicalPlane, Dims, Geometry};
use imaging::intensity::Window;
use imaging::phantom;
use imaging::volume::Volume;
use render_core::camera::Camera;
use render_core::cpu::CpuRenderer;
use render_core::scene::{
    CropBox, CubeScene, GreyMapping, Interpolation, Lighting, Slab, SlicePlane, SliceScene, VolumeMode,
    VolumeScene,
};
use render_core::transfer_function::VolumePreset;

const EDGE: usize = 256;

fn noisy_head() -> Arc<Volume> {
    let dims = Dims::new(EDGE, EDGE, EDGE);
    let origin = DVec3::splat(-(EDGE as f64 - 1.0) / 2.0);
    let geometry = Geometry::axis_aligned(dims, origin, DVec3::ONE).expect("a sound geometry");
    let noise = |p: DVec3| {
        let bits = (p.x * 7919.0 + p.y * 104_729.0 + p.z * 1_299_709.0).to_bits();
        (bits.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as f64 - 32.0
    };
    Arc::new(phantom::volume_from_lps(geometry, |p| phantom::head_hu(p, EDGE as f64 * 0.45) + noise(p)))
}

fn grey() -> GreyMapping {
    GreyMapping { window: Window::linear(40.0, 400.0), is_inverted: false }
}

fn slice_scene(volume: &Arc<Volume>, plane: SlicePlane) -> SliceScene {
    SliceScene {
        volume: volume.clone(),
        time_point: 0,
        plane,
        size_px: [512; 2],
        interpolation: Interpolation::Linear,
        slab: Slab::default(),
        grey: grey(),
        color_map: None,
        layers: Vec::new(),
    }
}

fn slices(c: &mut Criterion) {
    let volume = noisy_head();
    let g = *volume.geometry();
    let mut renderer = CpuRenderer::new();
    for plane in AnatomicalPlane::ALL {
        let scene = slice_scene(
            &volume,
            SlicePlane::anatomical(plane, &g, g.center_lps() + DVec3::splat(0.3), [512; 2]),
        );
        c.bench_function(&format!("slice {}", plane.name()), |b| {
            b.iter(|| renderer.slice(black_box(&scene)).expect("a sound scene"));
        });
    }
    let camera = Camera::orbit(&g, 0.5, 0.4, 1.0);
    let plane = SlicePlane::anatomical(AnatomicalPlane::Axial, &g, g.center_lps(), [512; 2]);
    let cube = CubeScene {
        slice: slice_scene(&volume, plane),
        camera,
        size_px: [256; 2],
        axis_colors: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
    };
    c.bench_function("cube 256", |b| {
        b.iter(|| renderer.cube(black_box(&cube)).expect("a sound scene"));
    });
}

fn volumes(c: &mut Criterion) {
    let volume = noisy_head();
    let g = *volume.geometry();
    let mut renderer = CpuRenderer::new();
    let preset = |name: &str, lighting| {
        let function = VolumePreset::by_name(name).expect("a shipped preset").transfer_function();
        VolumeMode::Composite { transfer_function: Arc::new(function), lighting }
    };
    for (name, mode) in [
        ("bone", preset("CT-Bone", None)),
        ("soft tissue, shaded", preset("CT-Soft-Tissue", Some(Lighting::default()))),
        ("MIP", VolumeMode::Mip { grey: grey() }),
    ] {
        let mut azimuth = 0.0;
        c.bench_function(&format!("volume {name} 512"), |b| {
            b.iter(|| {
                azimuth += 0.1;
                let scene = VolumeScene {
                    volume: volume.clone(),
                    time_point: 0,
                    camera: Camera::orbit(&g, azimuth, 0.2, 1.0),
                    size_px: [512; 2],
                    mode: mode.clone(),
                    step_mm: VolumeScene::full_quality_step_mm(&g),
                    crop: CropBox::whole(&g),
                    clip_planes: Vec::new(),
                    jitter_frame: 0,
                };
                renderer.volume(black_box(&scene)).expect("a sound scene")
            });
        });
    }
}

criterion_group! {
    name = cpu;
    config = Criterion::default().sample_size(20);
    targets = slices, volumes
}
criterion_main!(cpu);
