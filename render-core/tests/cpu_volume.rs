//! The fast volume pass against its readable twin.
#![expect(clippy::unwrap_used, reason = "helpers of tests; a failure should stop the test")]

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use glam::{DMat3, DVec3};
use imaging::geometry::{Dims, Geometry};
use imaging::intensity::{VoiFunction, Window};
use imaging::volume::{Rescale, Volume, VolumeMeta, Voxels};
use render_core::camera::{Camera, Projection};
use render_core::cpu::CpuRenderer;
use render_core::image::{Image8, ImageF32};
use render_core::reference;
use render_core::scene::{ClipPlane, CropBox, GreyMapping, Lighting, VolumeMode, VolumeScene};
use render_core::transfer_function::{ControlPoint, TransferFunction, VolumePreset};

/// HU of a body with air, textured soft tissue, lung, a bony column and a dense ball; `p` in `-1.0..=1.0`.
fn body_hu(p: DVec3) -> f64 {
    let texture = 30.0 * (p.x * 19.0).sin() * (p.y * 23.0).cos() * (p.z * 17.0).sin();
    let r = (p * DVec3::new(1.0, 1.25, 0.9)).length();
    if (p - DVec3::new(0.1, 0.35, 0.0)).truncate().length() < 0.15 {
        700.0 + 5.0 * texture
    } else if p.distance(DVec3::new(-0.3, -0.2, 0.2)) < 0.2 {
        1200.0
    } else if r < 0.8 {
        if p.distance(DVec3::new(0.4, 0.0, 0.0)) < 0.3 { -820.0 + texture } else { 40.0 + texture }
    } else {
        -1000.0 + 0.3 * texture
    }
}

fn geometry(dims: Dims, spacing: DVec3, direction: DMat3) -> Geometry {
    Geometry::new(dims, DVec3::new(-40.0, 25.0, 310.0), spacing, direction).unwrap()
}

fn body_on(geometry: Geometry) -> Vec<f64> {
    let d = geometry.dims();
    let unit = |i: usize, n: usize| (i as f64 + 0.5) / n as f64 * 2.0 - 1.0;
    let voxel = |i: usize| [i % d.x, i / d.x % d.y, i / d.x / d.y];
    let hu = |[x, y, z]: [usize; 3]| body_hu(DVec3::new(unit(x, d.x), unit(y, d.y), unit(z, d.z)));
    (0..d.x * d.y * d.z).map(voxel).map(hu).collect()
}

/// The body in a number type, as stored values of a rescale.
fn volume(geometry: Geometry, rescale: Rescale, type_name: &str) -> Arc<Volume> {
    let v: Vec<f64> =
        body_on(geometry).into_iter().map(|v| (v - rescale.intercept) / rescale.slope).collect();
    let voxels: Voxels = match type_name {
        "uint8" => v.iter().map(|&v| v.round() as u8).collect::<Vec<_>>().into(),
        "int8" => v.iter().map(|&v| v.round() as i8).collect::<Vec<_>>().into(),
        "uint16" => v.iter().map(|&v| v.round() as u16).collect::<Vec<_>>().into(),
        "int16" => v.iter().map(|&v| v.round() as i16).collect::<Vec<_>>().into(),
        "uint32" => v.iter().map(|&v| v.round() as u32).collect::<Vec<_>>().into(),
        "int32" => v.iter().map(|&v| v.round() as i32).collect::<Vec<_>>().into(),
        "float32" => v.iter().map(|&v| v as f32).collect::<Vec<_>>().into(),
        _ => v.into(),
    };
    Arc::new(Volume::new(VolumeMeta { rescale, ..VolumeMeta::scalar(geometry) }, voxels).unwrap())
}

const CT: Rescale = Rescale { slope: 1.0, intercept: -1024.0 };

fn body() -> Arc<Volume> {
    let g = geometry(Dims::new(61, 54, 47), DVec3::new(1.0, 1.1, 1.4), DMat3::IDENTITY);
    volume(g, CT, "int16")
}

fn preset(name: &str, lighting: Option<Lighting>) -> VolumeMode {
    let transfer_function = Arc::new(VolumePreset::by_name(name).unwrap().transfer_function());
    VolumeMode::Composite { transfer_function, lighting }
}

fn mip(window: Window, is_inverted: bool) -> VolumeMode {
    VolumeMode::Mip { grey: GreyMapping { window, is_inverted } }
}

fn modes() -> Vec<(&'static str, VolumeMode)> {
    let sigmoid = Window { function: VoiFunction::Sigmoid, ..Window::linear(300.0, 900.0) };
    let blunt = Lighting { shininess: 7.5, ..Lighting::default() };
    vec![
        ("bone", preset("CT-Bone", None)),
        ("bone lit", preset("CT-Bone", Some(Lighting::default()))),
        ("soft lit", preset("CT-Soft-Tissue", Some(blunt))),
        ("lung", preset("CT-Lung", None)),
        ("mip", mip(Window::linear(300.0, 1400.0), false)),
        ("mip sigmoid inverted", mip(sigmoid, true)),
    ]
}

fn scene(volume: &Arc<Volume>, mode: VolumeMode, size_px: [u32; 2]) -> VolumeScene {
    let g = *volume.geometry();
    VolumeScene {
        volume: volume.clone(),
        time_point: 0,
        camera: Camera::orbit(&g, 0.6, 0.3, 1.2),
        size_px,
        mode,
        step_mm: VolumeScene::full_quality_step_mm(&g),
        crop: CropBox::whole(&g),
        clip_planes: Vec::new(),
        jitter_frame: 0,
    }
}

fn psnr_db(a: &Image8, b: &Image8) -> f64 {
    let square = |(x, y): (&u8, &u8)| (f64::from(*x) - f64::from(*y)).powi(2);
    let sum: f64 = a.rgba.iter().zip(&b.rgba).map(square).sum();
    10.0 * (255.0 * 255.0 / (sum / (a.rgba.len() / 4 * 3) as f64).max(1e-9)).log10()
}

/// Both instruction sets against the reference, over grey so that errors in opacity show too.
fn check(what: &str, scene: &VolumeScene, least_db: f64) {
    let truth = reference::volume(scene).unwrap();
    for (path, mut renderer) in [("native", CpuRenderer::new()), ("portable", CpuRenderer::new().portable())]
    {
        let ours = renderer.volume(scene).unwrap();
        let found = psnr_db(&ours.to_srgb8([0.2; 3]), &truth.to_srgb8([0.2; 3]));
        assert!(found >= least_db, "{what}, {path}: {found:.1} dB");
    }
}

#[test]
fn every_mode_matches_the_reference() {
    let volume = body();
    for (name, mode) in modes() {
        check(name, &scene(&volume, mode, [96, 80]), 48.0);
    }
}

#[test]
fn odd_picture_sizes_match_the_reference() {
    let volume = body();
    for (name, mode) in modes() {
        for size in [[1, 1], [7, 5], [33, 17], [4, 70]] {
            check(&format!("{name} {size:?}"), &scene(&volume, mode.clone(), size), 42.0);
        }
    }
}

#[test]
fn every_voxel_type_matches_the_reference() {
    let g = geometry(Dims::new(40, 36, 44), DVec3::ONE, DMat3::IDENTITY);
    let types = [
        ("uint8", Rescale { slope: 12.0, intercept: -1100.0 }),
        ("int8", Rescale { slope: 12.0, intercept: 200.0 }),
        ("uint16", CT),
        ("uint16", Rescale { slope: 0.05, intercept: -1200.0 }),
        ("int16", Rescale { slope: -0.5, intercept: 300.0 }),
        ("uint32", Rescale { slope: 1.0, intercept: -1100.0 }),
        ("int32", Rescale::IDENTITY),
        ("float32", Rescale::IDENTITY),
        ("float64", Rescale { slope: 1e6, intercept: 0.0 }),
    ];
    for (name, rescale) in types {
        let volume = volume(g, rescale, name);
        for (mode_name, mode) in modes() {
            check(&format!("{name} {mode_name}"), &scene(&volume, mode, [48, 48]), 42.0);
        }
    }
}

#[test]
fn projections_jitter_crop_clip_and_cameras_inside_match_the_reference() {
    let volume = body();
    let g = *volume.geometry();
    let center = g.center_lps();
    let orthographic = Projection::Orthographic { height_mm: 70.0 };
    for (name, mode) in modes() {
        let plain = scene(&volume, mode, [64, 56]);
        let flat = Camera { projection: orthographic, ..plain.camera };
        let target_lps = center + DVec3::new(3.0, 1.0, 0.5);
        let inside = Camera { position_lps: center, target_lps, ..plain.camera };
        let position_lps = center + DVec3::Z * 200.0;
        let along_z = Camera { position_lps, target_lps: center, up_lps: DVec3::Y, projection: orthographic };
        let mut cut = plain.clone();
        cut.crop =
            CropBox { min_index: DVec3::new(5.3, -9.0, 11.0), max_index: DVec3::new(50.0, 40.2, 90.0) };
        let tilted = DVec3::new(1.0, 2.0, -0.5).normalize();
        cut.clip_planes = vec![
            ClipPlane { normal_lps: tilted, offset_mm: tilted.dot(center) - 8.0 },
            ClipPlane { normal_lps: DVec3::NEG_Z, offset_mm: -center.z - 20.0 },
        ];
        let far = Camera::orbit(&g, 2.0, -0.4, 0.05);
        let cases = [
            ("orthographic", VolumeScene { camera: flat, ..plain.clone() }),
            ("along an axis", VolumeScene { camera: along_z, ..plain.clone() }),
            ("inside", VolumeScene { camera: inside, ..plain.clone() }),
            ("cut along an axis", VolumeScene { camera: along_z, ..cut.clone() }),
            ("jittered", VolumeScene { jitter_frame: 5, ..cut.clone() }),
            ("cut", cut),
            ("coarse step", VolumeScene { step_mm: 3.7, ..plain.clone() }),
            ("fine step", VolumeScene { step_mm: 0.3, ..plain.clone() }),
            ("far away", VolumeScene { camera: far, ..plain }),
        ];
        for (what, scene) in cases {
            check(&format!("{name} {what}"), &scene, 42.0);
        }
    }
}

#[test]
fn sheared_anisotropic_and_flat_grids_match_the_reference() {
    let shear = DMat3::from_cols(DVec3::X, DVec3::Y, DVec3::new(0.1, 0.35, 0.93));
    let turned = DMat3::from_rotation_x(0.4) * DMat3::from_rotation_z(-0.8);
    let grids = [
        geometry(Dims::new(40, 44, 30), DVec3::new(0.8, 0.8, 1.3), shear),
        geometry(Dims::new(33, 20, 9), DVec3::new(0.7, 1.0, 6.0), turned),
        geometry(Dims::new(30, 30, 1), DVec3::ONE, turned),
        geometry(Dims::new(30, 1, 30), DVec3::ONE, DMat3::IDENTITY),
        geometry(Dims::new(1, 20, 30), DVec3::ONE, DMat3::IDENTITY),
        geometry(Dims::new(2, 3, 2), DVec3::ONE, DMat3::IDENTITY),
        geometry(Dims::new(1, 1, 1), DVec3::ONE, DMat3::IDENTITY),
    ];
    for g in grids {
        let volume = volume(g, CT, "int16");
        for (name, mode) in modes() {
            check(&format!("{name} {:?}", g.dims()), &scene(&volume, mode, [48, 40]), 42.0);
        }
    }
}

#[test]
fn time_points_are_drawn_from_their_own_voxels() {
    let g = geometry(Dims::new(16, 16, 16), DVec3::ONE, DMat3::IDENTITY);
    let mut samples: Vec<i16> = body_on(g).iter().map(|&v| v as i16).collect();
    samples.extend(samples.clone().iter().rev().map(|v| v / 2));
    let meta = VolumeMeta { time_points: 2, ..VolumeMeta::scalar(g) };
    let volume = Arc::new(Volume::new(meta, samples).unwrap());
    for (name, mode) in modes() {
        for time_point in [0, 1] {
            let scene = VolumeScene { time_point, ..scene(&volume, mode.clone(), [32, 32]) };
            check(&format!("{name} at {time_point}"), &scene, 42.0);
        }
    }
}

#[test]
fn both_instruction_sets_draw_the_same_picture() {
    let volume = body();
    for (name, mode) in modes() {
        let scene = scene(&volume, mode, [80, 60]);
        let native = CpuRenderer::new().volume(&scene).unwrap();
        let portable = CpuRenderer::new().portable().volume(&scene).unwrap();
        let is_far = |a: &[f32; 4], b: &[f32; 4]| a.iter().zip(b).any(|(a, b)| (a - b).abs() > 0.004);
        let far = native.pixels.iter().zip(&portable.pixels).filter(|(a, b)| is_far(a, b)).count();
        // Fused arithmetic may move a sample across a table entry or end a ray one step earlier.
        assert!(far <= native.pixels.len() / 100, "{name}: {far} pixels differ");
    }
}

#[test]
fn changed_transfer_function_is_not_drawn_with_the_old_cells() {
    let volume = body();
    let mut renderer = CpuRenderer::new();
    for (name, mode) in modes().into_iter().chain(modes()) {
        let scene = scene(&volume, mode, [40, 40]);
        let (kept, fresh) = (renderer.volume(&scene).unwrap(), CpuRenderer::new().volume(&scene).unwrap());
        assert_eq!(kept, fresh, "{name}");
    }
    let point = ControlPoint { value: 0.0, color: [1.0; 3], opacity: 0.0 };
    let invisible = Arc::new(TransferFunction::new([point], 1.0));
    let mode = VolumeMode::Composite { transfer_function: invisible, lighting: None };
    assert_eq!(renderer.volume(&scene(&volume, mode, [9, 4])).unwrap(), ImageF32::new(9, 4));
}

/// A small ball of bone in much air, large enough for many bricks.
fn ball_in_air() -> Arc<Volume> {
    let g = geometry(Dims::new(100, 90, 81), DVec3::ONE, DMat3::IDENTITY);
    let voxel = |i: usize| DVec3::new((i % 100) as f64, (i / 100 % 90) as f64, (i / 9000) as f64);
    let is_bone = |i: usize| voxel(i).distance(DVec3::new(50.0, 45.0, 40.0)) < 9.0;
    let hu: Vec<i16> = (0..100 * 90 * 81).map(|i| if is_bone(i) { 900 } else { -1000 }).collect();
    Arc::new(Volume::new(VolumeMeta::scalar(g), hu).unwrap())
}

#[test]
fn what_no_picture_shows_costs_no_memory() {
    let volume = ball_in_air();
    let mut renderer = CpuRenderer::new();
    renderer.prepare(&volume, 0);
    let before = renderer.cached_bytes();
    let voxels = volume.voxels().size_bytes();
    for mode in [preset("CT-Bone", None), mip(Window::linear(300.0, 1400.0), false)] {
        check("ball", &scene(&volume, mode.clone(), [64, 64]), 48.0);
        renderer.volume(&scene(&volume, mode, [64, 64])).unwrap();
        let bricks = renderer.cached_bytes() - before;
        assert!(bricks > 0 && bricks < voxels / 4, "{bricks} of {voxels}");
    }
    // A window that begins below air shows all of it.
    renderer.volume(&scene(&volume, mip(Window::linear(0.0, 3000.0), false), [64, 64])).unwrap();
    assert!(renderer.cached_bytes() - before > voxels);
}

#[test]
fn frames_drawn_at_once_do_not_disturb_each_other() {
    let volume = body();
    let renderer = CpuRenderer::new();
    std::thread::scope(|threads| {
        for (name, mode) in modes() {
            let scene = scene(&volume, mode, [48, 40]);
            let mut renderer = renderer.clone();
            threads.spawn(move || {
                let alone = CpuRenderer::new().volume(&scene).unwrap();
                for _ in 0..3 {
                    assert_eq!(renderer.volume(&scene).unwrap(), alone, "{name}");
                }
            });
        }
    });
}

#[test]
fn cancelled_frames_are_not_delivered() {
    let volume = body();
    let mut renderer = CpuRenderer::new();
    let scene = scene(&volume, preset("CT-Bone", None), [64, 64]);
    assert!(renderer.volume_cancellable(&scene, &AtomicBool::new(true)).unwrap().is_none());
    let drawn = renderer.volume_cancellable(&scene, &AtomicBool::new(false)).unwrap().unwrap();
    assert_eq!(drawn, renderer.volume(&scene).unwrap());
}
