//! The reference against answers known by calculation.

use std::sync::Arc;

use glam::{DMat3, DVec3};
use imaging::geometry::{AnatomicalPlane, Dims, Geometry};
use imaging::intensity::Window;
use imaging::phantom;

use super::*;
use crate::scene::{Slab, SlicePlane};
use crate::transfer_function::{ControlPoint, TransferFunction};

fn slice_scene(volume: Arc<Volume>, plane: SlicePlane, size_px: [u32; 2]) -> SliceScene {
    SliceScene {
        volume,
        time_point: 0,
        plane,
        size_px,
        interpolation: Interpolation::Linear,
        slab: Slab::default(),
        grey: GreyMapping { window: Window::linear(40.0, 400.0), is_inverted: false },
        color_map: None,
        layers: Vec::new(),
    }
}

#[test]
fn slices_through_a_linear_field_are_exact_at_any_angle() {
    // A trilinear interpolant reproduces hu = 2x − y + 3z without error, so the slice has a known answer.
    let field = |p: DVec3| 2.0 * p.x - p.y + 3.0 * p.z;
    let geometry = Geometry::new(
        Dims::new(30, 30, 30),
        DVec3::new(-30.0, -20.0, -40.0),
        DVec3::new(2.0, 1.0, 3.0),
        DMat3::IDENTITY,
    )
    .unwrap();
    let volume = Arc::new(phantom::volume_from_lps(geometry, field));
    let (right, down) = SlicePlane::oblique_axes(DVec3::new(0.2, 0.4, 0.9), DVec3::NEG_Y).unwrap();
    let plane = SlicePlane { center_lps: geometry.center_lps(), right, down, mm_per_px: 0.8 };
    let scene = slice_scene(volume, plane, [20, 20]);
    let values = slice_values(&scene, 0).unwrap();
    for (i, &value) in values.iter().enumerate() {
        let (x, y) = ((i % 20) as f64 + 0.5, (i / 20) as f64 + 0.5);
        let expected = field(plane.lps_from_px(x, y, [20, 20]));
        assert!((value - expected).abs() < 1e-9, "pixel {x},{y}: {value} instead of {expected}");
    }
}

#[test]
fn axial_picture_has_the_left_anterior_ball_at_the_top_right() {
    let volume = Arc::new(phantom::head(Dims::new(64, 64, 64), DVec3::splat(2.0), DMat3::IDENTITY));
    let radius = 64.0 * 2.0 * 0.45;
    let ball = DVec3::new(0.4, -0.35, 0.3) * radius;
    let plane = SlicePlane::anatomical(AnatomicalPlane::Axial, volume.geometry(), ball, [64, 64]);
    let (px, distance) = plane.px_from_lps(ball, [64, 64]);
    assert!(distance.abs() < 1e-9 && px[0] > 32.0 && px[1] < 32.0, "{px:?}");
    let values = slice_values(&slice_scene(volume, plane, [64, 64]), 0).unwrap();
    assert_eq!(values[px[1] as usize * 64 + px[0] as usize], 300.0);
}

#[test]
fn slabs_combine_what_lies_inside_the_volume() {
    let geometry = Geometry::axis_aligned(Dims::new(8, 8, 8), DVec3::ZERO, DVec3::ONE).unwrap();
    let volume = Arc::new(phantom::volume_from_lps(geometry, |p| p.z * 10.0));
    let plane = SlicePlane { center_lps: DVec3::splat(3.5), right: DVec3::X, down: DVec3::Y, mm_per_px: 1.0 };
    let value = |thickness_mm, mode| {
        let mut scene = slice_scene(volume.clone(), plane, [2, 2]);
        scene.slab = Slab { thickness_mm, mode };
        slice_values(&scene, 0).unwrap()[0]
    };
    assert_eq!(value(4.0, SlabMode::Mean), 35.0);
    assert_eq!(value(4.0, SlabMode::Max), 50.0);
    assert_eq!(value(4.0, SlabMode::Min), 20.0);
    assert_eq!(value(100.0, SlabMode::Max), 70.0);
}

fn glass(opacity: f32) -> Arc<TransferFunction> {
    let point = |value| ControlPoint { value, color: [1.0; 3], opacity };
    Arc::new(TransferFunction::new([point(-100.0), point(200.0)], 1.0))
}

fn block(step_mm: f64, opacity: f32) -> VolumeScene {
    let geometry = Geometry::axis_aligned(Dims::new(20, 20, 20), DVec3::ZERO, DVec3::ONE).unwrap();
    let volume = Arc::new(phantom::volume_from_lps(geometry, |_| 50.0));
    let camera = Camera {
        projection: crate::camera::Projection::Orthographic { height_mm: 10.0 },
        ..Camera::orbit(&geometry, 0.0, 0.0, 1.0)
    };
    VolumeScene {
        crop: CropBox::whole(&geometry),
        volume,
        time_point: 0,
        camera,
        size_px: [4, 4],
        mode: VolumeMode::Composite { transfer_function: glass(opacity), lighting: None },
        step_mm,
        clip_planes: Vec::new(),
        jitter_frame: 0,
    }
}

#[test]
fn opacity_of_a_block_follows_beer_lambert_whatever_the_step() {
    let expected = 1.0 - 0.98f32.powi(20);
    for step in [0.1, 0.5, 1.0, 2.0] {
        let image = volume(&block(step, 0.02)).unwrap();
        for p in &image.pixels {
            assert!((p[3] - expected).abs() < 2e-5, "step {step}: {} instead of {expected}", p[3]);
        }
    }
}

#[test]
fn crop_and_clip_shorten_the_path_exactly() {
    let mut scene = block(0.05, 0.02);
    scene.crop.min_index.y = 4.5;
    scene.clip_planes.push(crate::scene::ClipPlane { normal_lps: DVec3::NEG_Y, offset_mm: -14.5 });
    let expected = 1.0 - 0.98f32.powi(10);
    let alpha = volume(&scene).unwrap().pixels[0][3];
    assert!((alpha - expected).abs() < 1e-4, "{alpha} instead of {expected}");
}

#[test]
fn camera_inside_the_volume_sees_only_what_is_in_front() {
    let mut scene = block(0.05, 0.02);
    let center = scene.volume.geometry().center_lps();
    scene.camera = Camera {
        position_lps: center,
        target_lps: center + DVec3::Y,
        up_lps: DVec3::Z,
        projection: crate::camera::Projection::Perspective { vertical_fov_rad: 0.01 },
    };
    let expected = 1.0 - 0.98f32.powi(10);
    let alpha = volume(&scene).unwrap().pixels[5][3];
    assert!((alpha - expected).abs() < 1e-3, "{alpha} instead of {expected}");
}

#[test]
fn lit_ball_is_brightest_towards_the_lamp() {
    let geometry = Geometry::axis_aligned(Dims::new(48, 48, 48), DVec3::splat(-23.5), DVec3::ONE).unwrap();
    let ball = Arc::new(phantom::volume_from_lps(geometry, |p| (20.0 - p.length()) * 50.0));
    let point = |value, opacity| ControlPoint { value, color: [0.5; 3], opacity };
    let tf = TransferFunction::new([point(0.0, 0.0), point(50.0, 1.0)], 1.0);
    let light = Lighting { towards_lamp: [-1.0, 1.0, 1.0], ..Lighting::default() };
    let scene = VolumeScene {
        camera: Camera::orbit(&geometry, 0.0, 0.0, 1.0),
        mode: VolumeMode::Composite { transfer_function: Arc::new(tf), lighting: Some(light) },
        volume: ball,
        size_px: [64, 64],
        step_mm: 0.5,
        crop: CropBox::whole(&geometry),
        ..block(1.0, 0.0)
    };
    let image = volume(&scene).unwrap();
    let at = |x: usize, y: usize| image.pixels[y * 64 + x][0];
    assert!(at(28, 28) > 1.3 * at(38, 38), "{} against {}", at(28, 28), at(38, 38));
    assert_eq!(image.pixels[0][3], 0.0);
}

#[test]
fn mip_shows_the_highest_value_on_the_ray() {
    let mut scene = block(0.25, 0.0);
    let geometry = *scene.volume.geometry();
    scene.volume = Arc::new(phantom::volume_from_lps(geometry, |p| if p.y == 12.0 { 90.0 } else { 0.0 }));
    let grey = GreyMapping { window: Window::spanning(0.0, 100.0), is_inverted: false };
    scene.mode = VolumeMode::Mip { grey };
    let shown = volume(&scene).unwrap().to_srgb8([0.0; 3]).pixel(1, 1).unwrap()[0];
    // Samples lie 0.125 mm beside the bright plane at worst.
    assert!((f64::from(shown) - 255.0 * 0.9).abs() <= 255.0 * 0.9 * 0.125 + 1.0, "{shown}");
}

#[test]
fn cube_shows_the_plane_between_its_front_and_back_edges() {
    let volume = Arc::new(phantom::head(Dims::new(32, 32, 32), DVec3::splat(2.0), DMat3::IDENTITY));
    let g = *volume.geometry();
    let plane = SlicePlane::anatomical(AnatomicalPlane::Axial, &g, g.center_lps(), [64, 64]);
    let scene = CubeScene {
        slice: slice_scene(volume, plane, [1, 1]),
        camera: Camera::orbit(&g, 0.5, 0.6, 1.0),
        size_px: [96, 96],
        axis_colors: [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
    };
    let image = cube(&scene).unwrap();
    let (center, _) = scene.camera.project(g.center_lps(), scene.size_px).unwrap();
    let middle = image.pixels[center.y as usize * 96 + center.x as usize];
    assert!(middle[3] > 0.99 && (middle[0] - middle[1]).abs() < 1e-6, "plane is grey: {middle:?}");
    let is_red = |p: &&[f32; 4]| p[3] > 0.9 && p[0] > 0.9 && p[1] < 0.1;
    assert!(image.pixels.iter().filter(is_red).count() > 60, "edges along x are red");
    assert_eq!(image.pixels[0], [0.0; 4]);
}

#[test]
fn cube_shows_colour_volumes_in_their_colours() {
    let g = Geometry::axis_aligned(Dims::new(8, 8, 8), DVec3::ZERO, DVec3::ONE).unwrap();
    let meta =
        imaging::volume::VolumeMeta { channels: Channels::Rgb, ..imaging::volume::VolumeMeta::scalar(g) };
    let volume = Arc::new(Volume::new(meta, [10u8, 128, 250].repeat(512)).unwrap());
    let plane = SlicePlane::anatomical(AnatomicalPlane::Axial, &g, g.center_lps(), [64, 64]);
    let scene = CubeScene {
        slice: slice_scene(volume, plane, [1, 1]),
        camera: Camera::orbit(&g, 0.3, 1.0, 1.0),
        size_px: [64, 64],
        axis_colors: [[0.0; 3]; 3],
    };
    let (center, _) = scene.camera.project(g.center_lps(), scene.size_px).unwrap();
    let shown = cube(&scene).unwrap().to_srgb8([0.0; 3]).pixel(center.x as u32, center.y as u32);
    assert_eq!(shown, Some([10, 128, 250, 255]));
}

#[test]
fn full_intensity_is_what_the_volume_says() {
    let g = Geometry::axis_aligned(Dims::new(1, 1, 1), DVec3::ZERO, DVec3::ONE).unwrap();
    let plane = SlicePlane::anatomical(AnatomicalPlane::Axial, &g, g.center_lps(), [1, 1]);
    let shown = |channels, color_white, samples: &[u16]| {
        let meta =
            imaging::volume::VolumeMeta { channels, color_white, ..imaging::volume::VolumeMeta::scalar(g) };
        let volume = Arc::new(Volume::new(meta, samples.to_vec()).unwrap());
        slice(&slice_scene(volume, plane, [1, 1])).unwrap().pixel(0, 0).unwrap()
    };
    assert_eq!(shown(Channels::Rgb, Some(4095.0), &[4095, 2048, 0]), [255, 128, 0, 255]);
    assert_eq!(shown(Channels::Rgb, Some(4095.0), &[9000, 16, 17]), [255, 1, 1, 255]);
    assert_eq!(shown(Channels::Rgba, Some(4095.0), &[4095, 2048, 0, 2048]), [128, 64, 0, 255]);
    assert_eq!(shown(Channels::Rgb, None, &[65535, 32768, 4095]), [255, 128, 16, 255]);
}
