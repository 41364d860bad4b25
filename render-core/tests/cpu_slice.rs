//! The fast slice and cube passes against their readable twins.
#![expect(clippy::unwrap_used, reason = "helpers of tests; a failure should stop the test")]

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use glam::{DMat3, DVec3};
use imaging::geometry::{AnatomicalPlane, Dims, Geometry};
use imaging::intensity::{VoiFunction, VoiTable, Window};
use imaging::volume::{Channels, Rescale, Volume, VolumeMeta, Voxels};
use proptest::prelude::*;
use render_core::RenderError;
use render_core::camera::{Camera, Projection};
use render_core::cpu::CpuRenderer;
use render_core::reference;
use render_core::scene::{
    CropBox, CubeScene, GreyMapping, Interpolation, Lighting, Slab, SlabMode, SlicePlane, SliceScene,
    VolumeMode, VolumeScene,
};
use render_core::transfer_function::VolumePreset;

const TYPES: [&str; 8] = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"];

/// Voxels without any symmetry, over most of the range of a type.
fn voxels(type_name: &str, count: usize) -> Voxels {
    // A linear congruence: neighbours differ wildly, so a wrong voxel or weight shows.
    let noise = |i: usize| (i as u32).wrapping_mul(2_654_435_761).wrapping_add(12_345) >> 8;
    let all = 0..count;
    match type_name {
        "uint8" => all.map(|i| noise(i) as u8).collect::<Vec<_>>().into(),
        "int8" => all.map(|i| noise(i) as i8).collect::<Vec<_>>().into(),
        "uint16" => all.map(|i| noise(i) as u16).collect::<Vec<_>>().into(),
        "int16" => all.map(|i| noise(i) as i16).collect::<Vec<_>>().into(),
        "uint32" => all.map(noise).collect::<Vec<_>>().into(),
        "int32" => all.map(|i| noise(i) as i32 - 8_000_000).collect::<Vec<_>>().into(),
        "float32" => all.map(|i| noise(i) as f32 * 1e-3).collect::<Vec<_>>().into(),
        _ => all.map(|i| f64::from(noise(i)) * -1e3).collect::<Vec<_>>().into(),
    }
}

fn volume(type_name: &str, dims: Dims, rescale: Rescale, channels: Channels) -> Arc<Volume> {
    let direction = DMat3::from_rotation_z(0.2) * DMat3::from_rotation_x(0.3);
    let geometry =
        Geometry::new(dims, DVec3::new(11.0, -7.0, 3.0), DVec3::new(0.9, 1.1, 1.7), direction).unwrap();
    let meta = VolumeMeta { rescale, channels, time_points: 2, ..VolumeMeta::scalar(geometry) };
    let count = dims.x * dims.y * dims.z * channels.count() * 2;
    Arc::new(Volume::new(meta, voxels(type_name, count)).unwrap())
}

fn window_over(volume: &Volume, function: VoiFunction) -> Window {
    let s = volume.statistics();
    Window::new(s.mean, (s.max - s.min).max(2.0) * 0.8, function).unwrap()
}

fn scene(volume: &Arc<Volume>, plane: SlicePlane, size_px: [u32; 2]) -> SliceScene {
    SliceScene {
        volume: volume.clone(),
        time_point: 1,
        plane,
        size_px,
        interpolation: Interpolation::Linear,
        slab: Slab::default(),
        grey: GreyMapping { window: window_over(volume, VoiFunction::Linear), is_inverted: false },
        color_map: None,
        layers: Vec::new(),
    }
}

fn oblique(volume: &Volume, size_px: [u32; 2]) -> SlicePlane {
    let g = volume.geometry();
    let (right, down) = SlicePlane::oblique_axes(DVec3::new(0.31, 0.47, 0.81), DVec3::NEG_Y).unwrap();
    SlicePlane::fitted(right, down, g, g.center_lps() + DVec3::new(0.013, 0.027, 0.031), size_px)
}

/// Both instruction sets within one grey level of the reference, in every pixel.
fn check(what: &str, scene: &SliceScene) {
    let truth = reference::slice(scene).unwrap();
    for (path, mut renderer) in [("native", CpuRenderer::new()), ("portable", CpuRenderer::new().portable())]
    {
        let ours = renderer.slice(scene).unwrap();
        assert_eq!((ours.width, ours.height), (truth.width, truth.height));
        let most = ours.rgba.iter().zip(&truth.rgba).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        assert!(most <= 1, "{what}, {path}: {most} grey levels off");
    }
}

#[test]
fn every_type_interpolation_and_slab_is_within_one_grey_level() {
    let thick = [SlabMode::Mean, SlabMode::Max, SlabMode::Min].map(|mode| Slab { thickness_mm: 7.0, mode });
    for type_name in TYPES {
        for rescale in [Rescale { slope: 0.7, intercept: -30.0 }, Rescale { slope: -2.0, intercept: 5.0 }] {
            let volume = volume(type_name, Dims::new(19, 14, 11), rescale, Channels::Scalar);
            for interpolation in [Interpolation::Linear, Interpolation::Nearest] {
                for slab in [Slab::default()].into_iter().chain(thick) {
                    let plain = scene(&volume, oblique(&volume, [41, 33]), [41, 33]);
                    let scene = SliceScene { interpolation, slab, ..plain };
                    check(&format!("{type_name} {rescale:?} {interpolation:?} {slab:?}"), &scene);
                }
            }
        }
    }
}

#[test]
fn every_window_function_is_within_one_grey_level() {
    let volume = volume("int16", Dims::new(20, 20, 20), Rescale::IDENTITY, Channels::Scalar);
    let plain = scene(&volume, oblique(&volume, [50, 50]), [50, 50]);
    for function in [VoiFunction::Linear, VoiFunction::LinearExact, VoiFunction::Sigmoid] {
        for is_inverted in [false, true] {
            let grey = GreyMapping { window: window_over(&volume, function), is_inverted };
            check(&format!("{function:?} {is_inverted}"), &SliceScene { grey, ..plain.clone() });
            let threshold = Window { center: 40.3, width: 1.0, function: VoiFunction::Linear };
            let grey = GreyMapping { window: threshold, is_inverted };
            let nearest = SliceScene { grey, interpolation: Interpolation::Nearest, ..plain.clone() };
            check("threshold", &nearest);
        }
    }
    for is_inverted in [false, true] {
        // A curve with a step in it, over part of the values.
        let curve: Vec<u16> =
            (0..600u32).map(|i| (i * i / 90 + if i > 300 { 90 } else { 0 }) as u16).collect();
        let window = Window::table(VoiTable::new(-200, &curve, 12).unwrap());
        let grey = GreyMapping { window, is_inverted };
        check("table", &SliceScene { grey, interpolation: Interpolation::Nearest, ..plain.clone() });
    }
    let flat =
        self::volume("int16", Dims::new(5, 5, 5), Rescale { slope: 0.0, intercept: 40.0 }, Channels::Scalar);
    let grey = GreyMapping { window: Window::linear(40.0, 400.0), is_inverted: false };
    check("constant", &SliceScene { grey, ..scene(&flat, oblique(&flat, [9, 9]), [9, 9]) });
}

#[test]
fn odd_sizes_and_flat_volumes_are_within_one_grey_level() {
    for dims in [[1, 1, 1], [2, 1, 1], [1, 9, 9], [9, 1, 9], [9, 9, 1], [23, 7, 3]] {
        let dims = Dims::new(dims[0], dims[1], dims[2]);
        for type_name in ["uint8", "int16", "float32"] {
            let volume = volume(type_name, dims, Rescale::IDENTITY, Channels::Scalar);
            for size in [[1, 1], [7, 5], [33, 17], [8, 1]] {
                let g = volume.geometry();
                for plane in AnatomicalPlane::ALL {
                    let plane = SlicePlane::anatomical(plane, g, g.center_lps(), size);
                    check(&format!("{type_name} {dims:?} {size:?}"), &scene(&volume, plane, size));
                }
            }
        }
    }
}

#[test]
fn colour_is_shown_as_it_is() {
    for (type_name, channels) in
        [("uint8", Channels::Rgb), ("uint8", Channels::Rgba), ("uint16", Channels::Rgb)]
    {
        let full = volume(type_name, Dims::new(12, 9, 4), Rescale::IDENTITY, channels);
        let meta = VolumeMeta { color_white: Some(100.0), ..full.meta().clone() };
        let shallow = Arc::new(Volume::new(meta, full.voxels().clone()).unwrap());
        for volume in [full, shallow] {
            for interpolation in [Interpolation::Linear, Interpolation::Nearest] {
                let plain = scene(&volume, oblique(&volume, [30, 30]), [30, 30]);
                check(&format!("{type_name} {channels:?}"), &SliceScene { interpolation, ..plain });
            }
        }
    }
}

#[test]
fn both_instruction_sets_cut_the_same_slice() {
    let volume = volume("uint16", Dims::new(31, 30, 29), Rescale::IDENTITY, Channels::Scalar);
    let scene = scene(&volume, oblique(&volume, [67, 45]), [67, 45]);
    let native = CpuRenderer::new().slice(&scene).unwrap();
    let portable = CpuRenderer::new().portable().slice(&scene).unwrap();
    assert!(native.rgba.iter().zip(&portable.rgba).all(|(a, b)| a.abs_diff(*b) <= 1));
}

#[test]
fn cancelled_slices_are_not_delivered() {
    let volume = volume("int16", Dims::new(8, 8, 8), Rescale::IDENTITY, Channels::Scalar);
    let scene = scene(&volume, oblique(&volume, [20, 20]), [20, 20]);
    let mut renderer = CpuRenderer::new();
    assert!(renderer.slice_cancellable(&scene, &AtomicBool::new(true)).unwrap().is_none());
    let drawn = renderer.slice_cancellable(&scene, &AtomicBool::new(false)).unwrap().unwrap();
    assert_eq!(drawn, renderer.slice(&scene).unwrap());
}

#[test]
fn cube_matches_the_reference() {
    let volume = volume("int16", Dims::new(18, 16, 15), Rescale::IDENTITY, Channels::Scalar);
    let g = *volume.geometry();
    for projection in [None, Some(Projection::Orthographic { height_mm: 40.0 })] {
        for interpolation in [Interpolation::Linear, Interpolation::Nearest] {
            let camera = Camera::orbit(&g, 0.5, 0.4, 1.1);
            let camera = Camera { projection: projection.unwrap_or(camera.projection), ..camera };
            let slice = SliceScene { interpolation, ..scene(&volume, oblique(&volume, [1, 1]), [1, 1]) };
            let cube = CubeScene { slice, camera, size_px: [71, 52], axis_colors: [[0.9, 0.1, 0.2]; 3] };
            let (ours, truth) = (CpuRenderer::new().cube(&cube).unwrap(), reference::cube(&cube).unwrap());
            let is_far = |(a, b): (&[f32; 4], &[f32; 4])| a.iter().zip(b).any(|(a, b)| (a - b).abs() > 1e-5);
            let far = ours.pixels.iter().zip(&truth.pixels).filter(|&p| is_far(p)).count();
            assert_eq!(far, 0, "{projection:?} {interpolation:?}");
        }
    }
}

#[test]
fn scenes_that_do_not_validate_are_refused() {
    let volume = volume("int16", Dims::new(4, 4, 4), Rescale::IDENTITY, Channels::Scalar);
    let good = scene(&volume, oblique(&volume, [4, 4]), [4, 4]);
    let mut renderer = CpuRenderer::new();
    let late = SliceScene { time_point: 2, ..good.clone() };
    assert!(matches!(renderer.slice(&late), Err(RenderError::TimePoint { time_point: 2, count: 2 })));
    let empty = SliceScene { size_px: [0, 4], ..good.clone() };
    assert!(matches!(renderer.slice(&empty), Err(RenderError::Size { .. })));
    let mut lost = good;
    lost.plane.center_lps.y = f64::NAN;
    assert!(matches!(renderer.slice(&lost), Err(RenderError::NotFinite { .. })));
}

fn any_point(reach: f64) -> impl Strategy<Value = DVec3> {
    (-reach..reach, -reach..reach, -reach..reach).prop_map(|(x, y, z)| DVec3::new(x, y, z))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Run with debug assertions, every table and voxel index is checked on the way.
    #[test]
    fn no_camera_or_plane_reads_outside_the_volume(
        dims in (1usize..20, 1usize..20, 1usize..20),
        position in any_point(60.0),
        target in any_point(60.0),
        crop in (any_point(30.0), any_point(30.0)),
        size in (1u32..20, 1u32..20),
        step in prop_oneof![Just(1.0), Just(1e-9), Just(f64::NAN), 0.01..50.0],
        fov in prop_oneof![Just(0.5), Just(3.2), Just(0.0), Just(-1.0), Just(f64::NAN)],
        is_orthographic: bool,
        jitter_frame in 0u32..4,
        type_name in prop::sample::select(TYPES.to_vec()),
        mm_per_px in prop_oneof![Just(0.0), Just(-1.0), Just(1e300), 0.01..5.0],
    ) {
        let dims = Dims::new(dims.0, dims.1, dims.2);
        let volume = volume(type_name, dims, Rescale { slope: 0.3, intercept: -400.0 }, Channels::Scalar);
        let projection = if is_orthographic {
            Projection::Orthographic { height_mm: fov * 50.0 }
        } else {
            Projection::Perspective { vertical_fov_rad: fov }
        };
        let camera = Camera { position_lps: position, target_lps: target, up_lps: DVec3::Z, projection };
        let transfer_function = Arc::new(VolumePreset::by_name("CT-Soft-Tissue").unwrap().transfer_function());
        let grey = GreyMapping { window: Window::linear(40.0, 400.0), is_inverted: false };
        let size_px = [size.0, size.1];
        for mode in [
            VolumeMode::Composite { transfer_function, lighting: Some(Lighting::default()) },
            VolumeMode::Mip { grey },
        ] {
            let scene = VolumeScene {
                volume: volume.clone(),
                time_point: 1,
                camera,
                size_px,
                mode,
                step_mm: step,
                crop: CropBox { min_index: crop.0, max_index: crop.1 },
                clip_planes: Vec::new(),
                jitter_frame,
            };
            for mut renderer in [CpuRenderer::new(), CpuRenderer::new().portable()] {
                let image = renderer.volume(&scene).unwrap();
                prop_assert_eq!(image.pixels.len(), (size.0 * size.1) as usize);
            }
        }
        let normal = (target - position).normalize_or(DVec3::Z);
        if let Some((right, down)) = SlicePlane::oblique_axes(normal, DVec3::Y) {
            let plane = SlicePlane { center_lps: position, right, down, mm_per_px };
            for interpolation in [Interpolation::Linear, Interpolation::Nearest] {
                let slice = SliceScene { interpolation, ..scene(&volume, plane, size_px) };
                for mut renderer in [CpuRenderer::new(), CpuRenderer::new().portable()] {
                    prop_assert!(renderer.slice(&slice).is_ok());
                }
            }
        }
    }
}
