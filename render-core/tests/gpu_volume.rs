//! GPU volume views and cubes against the reference.
#![expect(clippy::unwrap_used, reason = "helpers of tests may")]

mod phantoms;

use std::sync::Arc;

use glam::{DMat3, DVec3};
use imaging::geometry::{Dims, Geometry};
use imaging::intensity::Window;
use imaging::phantom;
use imaging::volume::{Rescale, Volume};
use phantoms::{psnr_db, volume_of, wavy};
use render_core::camera::{Camera, Projection};
use render_core::gpu::{GpuOptions, GpuRenderer};
use render_core::image::ImageF32;
use render_core::reference;
use render_core::scene::{
    ClipPlane, CropBox, CubeScene, GreyMapping, Interpolation, Lighting, Slab, SlicePlane, SliceScene,
    VolumeMode, VolumeScene,
};
use render_core::testing;
use render_core::transfer_function::{ControlPoint, TransferFunction, VolumePreset};

fn head(direction: DMat3) -> Arc<Volume> {
    Arc::new(phantom::head(Dims::new(56, 60, 44), DVec3::new(1.0, 1.0, 1.4), direction))
}

fn soft_tissue(lighting: Option<Lighting>) -> VolumeMode {
    let preset = VolumePreset::by_name("CT-Soft-Tissue").unwrap();
    VolumeMode::Composite { transfer_function: Arc::new(preset.transfer_function()), lighting }
}

fn scene(volume: &Arc<Volume>, mode: VolumeMode) -> VolumeScene {
    let g = *volume.geometry();
    VolumeScene {
        volume: volume.clone(),
        time_point: 0,
        camera: Camera::orbit(&g, 0.5, 0.35, 1.4),
        size_px: [96, 80],
        mode,
        step_mm: VolumeScene::full_quality_step_mm(&g) * 0.5,
        crop: CropBox::whole(&g),
        clip_planes: Vec::new(),
        jitter_frame: 0,
    }
}

fn psnr(a: &ImageF32, b: &ImageF32) -> f64 {
    psnr_db(&a.to_srgb8([0.0; 3]), &b.to_srgb8([0.0; 3]))
}

/// Holds a GPU picture against the reference's, which must show something.
fn check(gpu: &mut GpuRenderer, name: &str, scene: &VolumeScene) {
    let expected = reference::volume(scene).unwrap();
    let visible = expected.pixels.iter().filter(|p| p[3] > 0.05).count();
    assert!(visible * 20 > expected.pixels.len(), "{name}: the picture is empty");
    let actual = gpu.volume(scene).unwrap();
    let db = psnr(&actual, &expected);
    assert!(db >= 45.0, "{name}: {db:.1} dB");
    let worst_alpha =
        actual.pixels.iter().zip(&expected.pixels).map(|(a, e)| (a[3] - e[3]).abs()).fold(0.0, f32::max);
    assert!(worst_alpha < 0.35, "{name}: opacity differs by {worst_alpha}");
}

/// Named scenes that each use another part of the definition.
fn scenes(volume: &Arc<Volume>) -> Vec<(&'static str, VolumeScene)> {
    let lit = || soft_tissue(Some(Lighting::default()));
    let grey = GreyMapping { window: Window::linear(450.0, 2400.0), is_inverted: false };
    let center = volume.geometry().center_lps();
    let radius = volume.geometry().diagonal_mm() * 0.5;
    let clip = |normal: DVec3, distance: f64| {
        let normal_lps = normal.normalize();
        ClipPlane { normal_lps, offset_mm: normal_lps.dot(center) - distance }
    };
    let base = scene(volume, lit());
    let mut crop = base.crop;
    crop.min_index += DVec3::new(13.3, 0.0, 4.6);
    crop.max_index -= DVec3::new(0.0, 11.7, 9.9);
    let with = |change: &dyn Fn(&mut VolumeScene)| {
        let mut scene = base.clone();
        change(&mut scene);
        scene
    };
    vec![
        ("lit", base.clone()),
        ("unlit", scene(volume, soft_tissue(None))),
        ("mip", scene(volume, VolumeMode::Mip { grey })),
        ("mip inverted", {
            let grey = GreyMapping { is_inverted: true, ..grey };
            scene(volume, VolumeMode::Mip { grey })
        }),
        ("cropped", with(&|s| s.crop = crop)),
        (
            "clipped",
            with(&|s| {
                s.clip_planes = vec![
                    clip(DVec3::new(0.2, 1.0, -0.3), 3.0),
                    clip(DVec3::new(-1.0, 0.1, 0.2), 12.0),
                    clip(DVec3::Z, 20.0),
                ];
            }),
        ),
        (
            "inside",
            with(&|s| {
                s.camera = Camera {
                    position_lps: center + DVec3::new(1.3, -2.7, 3.1),
                    target_lps: center + DVec3::new(-0.4, 5.0, 2.0),
                    up_lps: DVec3::Z,
                    projection: Projection::Perspective { vertical_fov_rad: 1.2 },
                }
            }),
        ),
        (
            "orthographic",
            with(&|s| s.camera.projection = Projection::Orthographic { height_mm: radius * 1.3 }),
        ),
        ("far away", with(&|s| s.camera = Camera::orbit(volume.geometry(), -2.0, -0.4, 0.02))),
        ("jittered", with(&|s| s.jitter_frame = 5)),
        ("coarse step", with(&|s| s.step_mm = 3.7)),
    ]
    .into_iter()
    .map(|(name, mut scene)| {
        if name == "far away" {
            // Zoom back in by the angle instead.
            scene.camera.projection = Projection::Perspective { vertical_fov_rad: 0.5 * 0.02 };
        }
        (name, scene)
    })
    .collect()
}

#[test]
fn volume_views_match_the_reference() {
    let Some(mut gpu) = testing::gpu_renderer(GpuOptions::default()) else { return };
    let volume = head(DMat3::IDENTITY);
    for (name, scene) in scenes(&volume) {
        check(&mut gpu, name, &scene);
    }
}

#[test]
fn projections_of_volumes_with_values_everywhere_match_the_reference() {
    let Some(mut gpu) = testing::gpu_renderer(GpuOptions::default()) else { return };
    for direction in [DMat3::IDENTITY, DMat3::from_rotation_z(0.6)] {
        let volume = Arc::new(wavy(direction));
        let preset = VolumePreset::by_name("MR-Default").unwrap();
        let function = Arc::new(preset.transfer_function().fitted_to(-700.0, 700.0));
        for is_inverted in [false, true] {
            let grey = GreyMapping { window: Window::linear(450.0, 700.0), is_inverted };
            check(&mut gpu, "wavy mip", &scene(&volume, VolumeMode::Mip { grey }));
        }
        for lighting in [None, Some(Lighting::default())] {
            let mode = VolumeMode::Composite { transfer_function: function.clone(), lighting };
            check(&mut gpu, "wavy composite", &scene(&volume, mode));
        }
    }
}

#[test]
fn turned_and_sheared_grids_match_the_reference() {
    let Some(mut gpu) = testing::gpu_renderer(GpuOptions::default()) else { return };
    let turned = DMat3::from_rotation_z(0.4) * DMat3::from_rotation_x(0.3);
    let sheared = DMat3::from_cols(DVec3::X, DVec3::Y, DVec3::new(0.0, 0.35, 0.94));
    let left_handed = DMat3::from_diagonal(DVec3::new(1.0, -1.0, 1.0));
    for (name, direction) in [("turned", turned), ("sheared", sheared), ("left-handed", left_handed)] {
        let volume = head(direction);
        for (mode_name, scene) in scenes(&volume).into_iter().take(3) {
            check(&mut gpu, &format!("{name} {mode_name}"), &scene);
        }
    }
}

#[test]
fn falling_rescales_and_float_voxels_match_the_reference() {
    let Some(mut gpu) = testing::gpu_renderer(GpuOptions::default()) else { return };
    let v = head(DMat3::IDENTITY);
    let hu: Vec<f64> = (0..v.voxels().len()).map(|i| v.rescale().apply(v.voxels().get(i).unwrap())).collect();
    let stored = |slope: f64, intercept: f64| hu.iter().map(move |h| (h - intercept) / slope);
    let falling: Vec<i16> = stored(-2.0, 500.0).map(|s| s.round() as i16).collect();
    let float: Vec<f32> = stored(0.5, -1000.0).map(|s| s as f32).collect();
    let volumes = [
        volume_of(*v.geometry(), Rescale { slope: -2.0, intercept: 500.0 }, falling),
        volume_of(*v.geometry(), Rescale { slope: 0.5, intercept: -1000.0 }, float),
    ];
    for volume in volumes {
        let volume = Arc::new(volume);
        for (name, scene) in scenes(&volume).into_iter().take(4) {
            check(&mut gpu, &format!("{} {name}", volume.voxels().type_name()), &scene);
        }
    }
}

#[test]
fn formats_that_the_device_cannot_filter_are_filtered_in_the_shader() {
    // A device without the optional features, as on the oldest drivers.
    let Some(context) = testing::gpu_context_without_features() else { return };
    assert!(context.features().is_empty());
    let mut gpu = GpuRenderer::new(context, GpuOptions::default());
    for (name, scene) in scenes(&head(DMat3::IDENTITY)).into_iter().take(3) {
        check(&mut gpu, &format!("unfiltered {name}"), &scene);
    }
}

#[test]
fn bricked_volumes_render_the_same_as_whole_ones() {
    let options = GpuOptions { max_texture_dimension_3d: Some(64), ..GpuOptions::default() };
    let Some(mut bricked) = testing::gpu_renderer(options) else { return };
    let Some(mut whole) = testing::gpu_renderer(GpuOptions::default()) else { return };
    let dims = Dims::new(150, 90, 70);
    let volume = Arc::new(phantom::head(dims, DVec3::new(0.5, 0.8, 1.0), DMat3::IDENTITY));
    assert_eq!(bricked.reduction(&volume), Some(1), "bricks hold the full resolution");
    for (name, scene) in scenes(&volume).into_iter().take(4) {
        let (a, b) = (bricked.volume(&scene).unwrap(), whole.volume(&scene).unwrap());
        let db = psnr(&a, &b);
        assert!(db >= 60.0, "{name}: {db:.1} dB");
    }
}

#[test]
fn skipping_empty_space_changes_no_picture() {
    let Some(mut skipping) = testing::gpu_renderer(GpuOptions::default()) else { return };
    let options = GpuOptions { is_skipping: false, ..GpuOptions::default() };
    let Some(mut plain) = testing::gpu_renderer(options) else { return };
    // Thin shells, and values that are visible only in a narrow band.
    let band = |low: f64, high: f64| {
        let point = |value, opacity| ControlPoint { value, color: [0.9, 0.6, 0.3], opacity };
        let points = [point(-1100.0, 0.0), point(low, 0.0), point((low + high) * 0.5, 0.8), point(high, 0.0)];
        let mut points = points.to_vec();
        points.push(point(1500.0, 0.0));
        VolumeMode::Composite {
            transfer_function: Arc::new(TransferFunction::new(points, 1.0)),
            lighting: Some(Lighting::default()),
        }
    };
    let volumes = [
        head(DMat3::IDENTITY),
        Arc::new(wavy(DMat3::from_rotation_y(0.7))),
        head(DMat3::from_rotation_x(1.0)),
    ];
    for volume in &volumes {
        let mut all = scenes(volume);
        for (low, high) in [(200.0, 320.0), (600.0, 640.0), (-690.0, -600.0)] {
            all.push(("band", scene(volume, band(low, high))));
        }
        for (name, scene) in all {
            let (a, b) = (skipping.volume(&scene).unwrap(), plain.volume(&scene).unwrap());
            let differs = |(p, q): (&[f32; 4], &[f32; 4])| (0..4).any(|c| (p[c] - q[c]).abs() > 1e-6);
            let different = a.pixels.iter().zip(&b.pixels).filter(|&pair| differs(pair)).count();
            assert_eq!(different, 0, "{name}: {different} pixels");
        }
    }
}

#[test]
fn changing_the_transfer_function_shows_what_was_skipped_before() {
    let Some(mut gpu) = testing::gpu_renderer(GpuOptions::default()) else { return };
    let volume = head(DMat3::IDENTITY);
    for preset in ["CT-Bone", "CT-Soft-Tissue", "CT-Skin", "CT-Bone"] {
        let transfer_function = Arc::new(VolumePreset::by_name(preset).unwrap().transfer_function());
        let lighting = Some(Lighting::default());
        check(&mut gpu, preset, &scene(&volume, VolumeMode::Composite { transfer_function, lighting }));
    }
}

#[test]
fn cubes_match_the_reference() {
    let Some(mut gpu) = testing::gpu_renderer(GpuOptions::default()) else { return };
    for volume in [head(DMat3::from_rotation_z(0.2)), Arc::new(phantoms::color_rgb8())] {
        check_cubes(&mut gpu, &volume);
    }
}

fn check_cubes(gpu: &mut GpuRenderer, volume: &Arc<Volume>) {
    let g = *volume.geometry();
    let cameras = [
        Camera::orbit(&g, 0.6, 0.4, 1.0),
        Camera {
            projection: Projection::Orthographic { height_mm: g.diagonal_mm() },
            ..Camera::orbit(&g, -2.1, -0.7, 1.0)
        },
        // Stands inside: edges behind the camera are left out.
        Camera {
            position_lps: g.center_lps() + DVec3::new(3.0, 2.0, 9.0),
            ..Camera::orbit(&g, 0.3, 0.2, 1.0)
        },
    ];
    for (i, camera) in cameras.into_iter().enumerate() {
        let (right, down) = SlicePlane::oblique_axes(DVec3::new(0.2, 0.3, 0.9), DVec3::NEG_Y).unwrap();
        let plane =
            SlicePlane { center_lps: g.center_lps() + DVec3::splat(0.31), right, down, mm_per_px: 1.0 };
        let slice = SliceScene {
            volume: volume.clone(),
            time_point: 0,
            plane,
            size_px: [1, 1],
            interpolation: Interpolation::Linear,
            slab: Slab::default(),
            grey: GreyMapping { window: Window::linear(40.0, 400.0), is_inverted: false },
            color_map: None,
            layers: Vec::new(),
        };
        let axis_colors = [[1.0, 0.3, 0.3], [0.3, 1.0, 0.3], [0.4, 0.5, 1.0]];
        let scene = CubeScene { slice, camera, size_px: [120, 100], axis_colors };
        let db = psnr(&gpu.cube(&scene).unwrap(), &reference::cube(&scene).unwrap());
        assert!(db >= 45.0, "camera {i}: {db:.1} dB");
    }
}

#[test]
fn mean_of_jittered_frames_is_the_mean_and_tone_maps_to_the_same_bytes() {
    let Some(mut renderer) = testing::renderer(GpuOptions::default()) else { return };
    let volume = head(DMat3::IDENTITY);
    let base = VolumeScene { step_mm: 4.0, ..scene(&volume, soft_tissue(None)) };
    let mut accumulation = render_core::Accumulation::default();
    let frames = 8;
    let mut last = None;
    for _ in 0..frames {
        last = Some(renderer.accumulate(&mut accumulation, &base, [0.1, 0.2, 0.3]).unwrap());
    }
    assert_eq!(accumulation.frames(), frames);
    let shown = renderer.read(&last.unwrap()).unwrap();
    let mut mean = ImageF32::new(96, 80);
    for jitter_frame in 0..frames {
        let frame = reference::volume(&VolumeScene { jitter_frame, ..base.clone() }).unwrap();
        for (m, f) in mean.pixels.iter_mut().zip(&frame.pixels) {
            *m = std::array::from_fn(|c| m[c] + f[c] / frames as f32);
        }
    }
    let db = psnr_db(&shown, &mean.to_srgb8([0.1, 0.2, 0.3]));
    assert!(db >= 45.0, "{db:.1} dB");
    // Another size starts again.
    renderer.accumulate(&mut accumulation, &VolumeScene { size_px: [40, 30], ..base }, [0.0; 3]).unwrap();
    assert_eq!(accumulation.frames(), 1);
}

#[test]
fn constant_volumes_and_thin_slices_draw() {
    let Some(mut gpu) = testing::gpu_renderer(GpuOptions::default()) else { return };
    let g = Geometry::axis_aligned(Dims::new(40, 30, 1), DVec3::ZERO, DVec3::new(1.0, 1.0, 5.0)).unwrap();
    let volume = Arc::new(volume_of(g, Rescale::IDENTITY, vec![300i16; 1200]));
    for (name, scene) in scenes(&volume).into_iter().take(3) {
        check(&mut gpu, name, &scene);
    }
}
