//! GPU slices against the reference: numbers first, then pictures.
#![expect(clippy::unwrap_used, reason = "helpers of tests may")]

mod phantoms;

use std::sync::Arc;

use glam::{DMat3, DVec3};
use imaging::geometry::AnatomicalPlane;
use imaging::intensity::{VoiFunction, Window};
use imaging::volume::{Rescale, Volume};
use phantoms::{geometry, volume_of, wavy};
use render_core::gpu::{GpuOptions, GpuRenderer};
use render_core::reference;
use render_core::scene::{GreyMapping, Interpolation, Slab, SlabMode, SlicePlane, SliceScene};
use render_core::testing;

fn scene(volume: &Arc<Volume>, plane: SlicePlane) -> SliceScene {
    SliceScene {
        volume: volume.clone(),
        time_point: 0,
        plane,
        size_px: [57, 49],
        interpolation: Interpolation::Linear,
        slab: Slab::default(),
        grey: GreyMapping { window: Window::linear(40.0, 400.0), is_inverted: false },
        color_map: None,
        layers: Vec::new(),
    }
}

/// Axial, coronal, sagittal and two oblique planes, none of them through ties between voxels.
fn planes(volume: &Volume) -> Vec<SlicePlane> {
    let g = volume.geometry();
    let through = g.center_lps() + DVec3::new(0.313, -0.271, 0.177);
    let mut planes: Vec<SlicePlane> =
        AnatomicalPlane::ALL.iter().map(|&p| SlicePlane::anatomical(p, g, through, [57, 49])).collect();
    for normal in [DVec3::new(0.3, -0.5, 0.8), DVec3::new(-0.9, 0.2, 0.1)] {
        let (right, down) = SlicePlane::oblique_axes(normal, DVec3::Z).unwrap();
        planes.push(SlicePlane::fitted(right, down, g, through, [57, 49]));
    }
    for plane in &mut planes {
        plane.mm_per_px *= 1.0371;
        plane.center_lps += plane.right * 0.0123 + plane.down * 0.0217;
    }
    planes
}

/// Largest difference as a share of the volume's range; fails where only one of the two is outside.
fn worst_difference(gpu: &mut GpuRenderer, scene: &SliceScene, channel: usize) -> f64 {
    let expected = reference::slice_values(scene, channel).unwrap();
    let actual = gpu.slice_values(scene, channel).unwrap();
    let range = scene.volume.statistics();
    let mut worst = 0.0f64;
    assert_eq!(actual.len(), expected.len());
    assert!(expected.iter().any(|v| v.is_finite()), "the plane misses the volume");
    for (i, (a, e)) in actual.iter().zip(&expected).enumerate() {
        assert_eq!(a.is_nan(), e.is_nan(), "pixel {i}: {a} instead of {e}");
        if !e.is_nan() {
            worst = worst.max((a - e).abs());
        }
    }
    worst / (range.max - range.min)
}

#[test]
fn numbers_match_the_reference_for_every_plane_interpolation_and_slab() {
    let Some(mut gpu) = testing::gpu_renderer(GpuOptions::default()) else { return };
    let volume = Arc::new(wavy(DMat3::from_rotation_y(0.2)));
    for plane in planes(&volume) {
        for interpolation in [Interpolation::Linear, Interpolation::Nearest] {
            for (thickness_mm, mode) in
                [(0.0, SlabMode::Mean), (7.3, SlabMode::Mean), (7.3, SlabMode::Max), (500.0, SlabMode::Min)]
            {
                let slab = Slab { thickness_mm, mode };
                let scene = SliceScene { interpolation, slab, ..scene(&volume, plane) };
                let worst = worst_difference(&mut gpu, &scene, 0);
                // One sample of a nearest mean may fall to the other side of a tie.
                assert!(worst < 1e-3, "{interpolation:?} {slab:?}: {worst}");
            }
        }
    }
}

#[test]
fn numbers_of_every_voxel_type_match_the_reference() {
    let Some(mut gpu) = testing::gpu_renderer(GpuOptions::default()) else { return };
    let g = geometry(DMat3::IDENTITY);
    let wave = |i: usize| ((i * 7919) % 251) as f64;
    let n = g.dims().checked_count().unwrap();
    let of = |f: &dyn Fn(f64) -> f64| (0..n).map(|i| f(wave(i))).collect::<Vec<f64>>();
    let rescale = Rescale { slope: -0.75, intercept: 12.5 };
    let volumes = [
        volume_of(g, rescale, of(&|w| w).iter().map(|&v| v as u8).collect::<Vec<_>>()),
        volume_of(g, rescale, of(&|w| w - 125.0).iter().map(|&v| v as i8).collect::<Vec<_>>()),
        volume_of(g, rescale, of(&|w| w * 260.0).iter().map(|&v| v as u16).collect::<Vec<_>>()),
        volume_of(g, rescale, of(&|w| (w - 125.0) * 260.0).iter().map(|&v| v as i16).collect::<Vec<_>>()),
        volume_of(g, rescale, of(&|w| 4e9 + w).iter().map(|&v| v as u32).collect::<Vec<_>>()),
        volume_of(g, rescale, of(&|w| -2e9 + w).iter().map(|&v| v as i32).collect::<Vec<_>>()),
        volume_of(g, rescale, of(&|w| 1e-3 * w - 5.0).iter().map(|&v| v as f32).collect::<Vec<_>>()),
        volume_of(g, rescale, of(&|w| 1e7 + 1e-2 * w)),
    ];
    for volume in volumes {
        let volume = Arc::new(volume);
        for plane in planes(&volume).into_iter().skip(2).take(2) {
            for mode in [SlabMode::Max, SlabMode::Min, SlabMode::Mean] {
                let slab = Slab { thickness_mm: 3.0, mode };
                let scene = SliceScene { slab, ..scene(&volume, plane) };
                let worst = worst_difference(&mut gpu, &scene, 0);
                assert!(worst < 1e-3, "{} {mode:?}: {worst}", volume.voxels().type_name());
            }
        }
    }
}

#[test]
fn bricked_volumes_give_the_same_numbers() {
    let options = GpuOptions { max_texture_dimension_3d: Some(24), ..GpuOptions::default() };
    let Some(mut gpu) = testing::gpu_renderer(options) else { return };
    let volume = Arc::new(wavy(DMat3::IDENTITY));
    assert_eq!(gpu.reduction(&volume), Some(1), "bricks hold the full resolution");
    for plane in planes(&volume) {
        let worst = worst_difference(&mut gpu, &scene(&volume, plane), 0);
        assert!(worst < 1e-3, "{worst}");
    }
}

#[test]
fn pictures_match_the_reference_for_every_window() {
    let Some(mut gpu) = testing::gpu_renderer(GpuOptions::default()) else { return };
    let volume = Arc::new(wavy(DMat3::from_rotation_x(-0.4)));
    let windows = [
        Window::linear(40.0, 400.0),
        Window::linear(40.0, 1.0),
        Window::new(30.0, 350.0, VoiFunction::LinearExact).unwrap(),
        Window::new(0.0, 300.0, VoiFunction::Sigmoid).unwrap(),
    ];
    for window in windows {
        for is_inverted in [false, true] {
            for plane in planes(&volume) {
                let grey = GreyMapping { window, is_inverted };
                let scene = SliceScene { grey, ..scene(&volume, plane) };
                let (actual, expected) = (gpu.slice(&scene).unwrap(), reference::slice(&scene).unwrap());
                let off = actual.rgba.iter().zip(&expected.rgba).filter(|(a, e)| a.abs_diff(**e) > 1).count();
                // A threshold turns rounding of the position into black or white.
                assert!(off * 500 <= actual.rgba.len(), "{window:?}: {off} of {}", actual.rgba.len());
            }
        }
    }
}

#[test]
fn colour_volumes_are_shown_as_they_are() {
    let Some(mut gpu) = testing::gpu_renderer(GpuOptions::default()) else { return };
    for volume in [phantoms::color_rgb8(), phantoms::color_rgba16(), phantoms::color_rgb12()] {
        let volume = Arc::new(volume);
        for plane in planes(&volume) {
            let scene = scene(&volume, plane);
            let (actual, expected) = (gpu.slice(&scene).unwrap(), reference::slice(&scene).unwrap());
            let worst = actual.rgba.iter().zip(&expected.rgba).map(|(a, e)| a.abs_diff(*e)).max();
            assert!(worst <= Some(1), "{worst:?}");
            assert!(actual.rgba.chunks(4).any(|p| p[0] != p[1] && p[1] != p[2]), "no colour");
            assert!(worst_difference(&mut gpu, &scene, 2) < 1e-3);
        }
    }
}

#[test]
fn missing_values_are_black_and_not_numbers() {
    let Some(mut gpu) = testing::gpu_renderer(GpuOptions::default()) else { return };
    let g = geometry(DMat3::IDENTITY);
    let n = g.dims().checked_count().unwrap();
    let samples: Vec<f32> = (0..n).map(|i| if i % 2 == 0 { f32::NAN } else { 100.0 }).collect();
    let volume = Arc::new(volume_of(g, Rescale::IDENTITY, samples));
    let grey = GreyMapping { window: Window::spanning(0.0, 100.0), is_inverted: true };
    let scene =
        SliceScene { grey, interpolation: Interpolation::Nearest, ..scene(&volume, planes(&volume)[0]) };
    assert_eq!(gpu.slice(&scene).unwrap(), reference::slice(&scene).unwrap());
    let values = gpu.slice_values(&scene, 0).unwrap();
    assert!(values.iter().any(|v| v.is_nan()) && values.contains(&100.0));
}

#[test]
fn every_time_point_has_its_own_picture() {
    let Some(mut gpu) = testing::gpu_renderer(GpuOptions::default()) else { return };
    let volume = Arc::new(phantoms::two_time_points());
    for time_point in [0, 1, 0] {
        let scene = SliceScene { time_point, ..scene(&volume, planes(&volume)[1]) };
        assert!(worst_difference(&mut gpu, &scene, 0) < 1e-3, "time point {time_point}");
    }
    assert_eq!(gpu.resident_count(), 2);
}
