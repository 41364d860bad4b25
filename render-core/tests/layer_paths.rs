//! The fast implementations of layers and colour maps against their readable twin.
#![expect(clippy::unwrap_used, reason = "helpers of tests may")]

mod painters;

use std::sync::Arc;

use glam::{DMat3, DVec3};
use imaging::geometry::{AnatomicalPlane, Dims, Geometry};
use imaging::intensity::{VoiFunction, VoiTable, Window};
use imaging::volume::{Channels, Rescale, Volume, VolumeMeta, Voxels};
use painters::{Painters, difference, each, label_layer, labels, map, scene};
use render_core::gpu::GpuOptions;
use render_core::layers::{ScalarLayer, SliceLayer};
use render_core::scene::{GreyMapping, Interpolation, Slab, SlabMode, SlicePlane, SliceScene};
use render_core::{Picture, reference, testing};

const SIZE_PX: [u32; 2] = [53, 41];

fn tilted(angle: f64) -> DMat3 {
    DMat3::from_rotation_z(angle) * DMat3::from_rotation_x(angle * 1.3)
}

fn image() -> Arc<Volume> {
    let g = Geometry::new(
        Dims::new(19, 23, 17),
        DVec3::new(5.0, -9.0, 2.0),
        DVec3::new(1.1, 0.9, 1.4),
        tilted(0.1),
    )
    .unwrap();
    let voxels = each(&g, |[x, y, z]| (x * 31 + y * 17 + z * 23) as i16 - 300);
    Arc::new(Volume::new(VolumeMeta::scalar(g), voxels).unwrap())
}

/// Grids as layers have them: that of the image, turned, at half the resolution, shifted by fractions, flat.
fn grids(image: &Volume) -> Vec<(&'static str, Geometry)> {
    let g = image.geometry();
    let d = g.dims();
    let grid = |dims, origin, spacing, direction| Geometry::new(dims, origin, spacing, direction).unwrap();
    let half = Dims::new(d.x / 2, d.y / 2, d.z / 2);
    let center = g.center_lps();
    let turned = tilted(-0.6);
    let from_center = turned * DVec3::new(9.0, 9.0, 9.0);
    vec![
        ("same", *g),
        ("turned", grid(Dims::new(15, 15, 15), center - from_center, DVec3::splat(1.3), turned)),
        ("half", grid(half, g.origin_lps() + DVec3::splat(0.21), g.spacing_mm() * 2.0, g.direction())),
        ("shifted", grid(d, g.origin_lps() + DVec3::new(0.37, -0.41, 0.29), g.spacing_mm(), g.direction())),
        (
            "flat",
            grid(
                Dims::new(30, 1, 30),
                center - DVec3::new(12.0, 0.3, 12.0),
                DVec3::new(0.8, 9.0, 0.8),
                DMat3::IDENTITY,
            ),
        ),
    ]
}

/// Anatomical planes and an oblique one, none of them through ties between voxels.
fn planes(image: &Volume) -> Vec<SlicePlane> {
    let g = image.geometry();
    let through = g.center_lps() + DVec3::new(0.313, -0.271, 0.177);
    let mut planes: Vec<SlicePlane> =
        AnatomicalPlane::ALL.iter().map(|&p| SlicePlane::anatomical(p, g, through, SIZE_PX)).collect();
    let (right, down) = SlicePlane::oblique_axes(DVec3::new(0.3, -0.5, 0.8), DVec3::Z).unwrap();
    planes.push(SlicePlane::fitted(right, down, g, through, SIZE_PX));
    for plane in &mut planes {
        plane.center_lps += plane.right * 0.0123 + plane.down * 0.0217;
    }
    planes
}

fn slabs() -> [Slab; 3] {
    let slab = |thickness_mm, mode| Slab { thickness_mm, mode };
    [Slab::default(), slab(4.7, SlabMode::Mean), slab(9.3, SlabMode::Max)]
}

/// Both instruction sets within one grey level everywhere; the GPU but where rounding of a position decides.
fn check(painters: &mut Painters, what: &str, scene: &SliceScene) {
    let mut pictures = painters.pictures(scene).into_iter();
    let (_, truth) = pictures.next().unwrap();
    for (who, picture) in pictures {
        let (most, off) = difference(&picture, &truth);
        let is_close = if who == "GPU" { off * 250 <= truth.rgba.len() } else { most <= 1 };
        assert!(is_close, "{what}, {who}: {most} levels, {off} of {} bytes", truth.rgba.len());
    }
}

#[test]
fn labels_on_other_grids_are_found_alike() {
    let mut painters = Painters::new();
    let image = image();
    for (what, g) in grids(&image) {
        let label = |[x, y, z]: [usize; 3]| (x / 3 + 2 * (y / 4) + 3 * (z / 2)) % 7;
        let narrow: Voxels = each(&g, |index| label(index) as u8).into();
        let wide: Voxels = each(&g, |index| label(index) as u16 * 9000).into();
        for voxels in [narrow, wide] {
            let labels = labels(g, voxels);
            for plane in planes(&image) {
                for slab in slabs() {
                    let layer = label_layer(&labels, 0.4, 0.9, 2);
                    let what = format!("{what} {} {slab:?}", labels.volume().voxels().type_name());
                    let layers = vec![SliceLayer::Labels(layer.clone())];
                    let scene = SliceScene { slab, ..scene(&image, plane, SIZE_PX, layers) };
                    let mut found = painters.labels(&scene, &layer).into_iter();
                    let (_, truth) = found.next().unwrap();
                    assert!(truth.iter().any(|&label| label != 0), "{what}: the plane misses the labels");
                    for (who, found) in found {
                        let off = found.iter().zip(&truth).filter(|(a, b)| a != b).count();
                        let allowed = if who == "GPU" { truth.len() / 500 } else { 0 };
                        assert!(off <= allowed, "{what}, {who}: {off} labels");
                    }
                    check(&mut painters, &what, &scene);
                }
            }
        }
    }
}

/// A volume of any type whose values are waves in space, so that a wrong voxel or weight shows.
fn waves(g: Geometry, type_name: &str, rescale: Rescale) -> Arc<Volume> {
    let wave = |[x, y, z]: [usize; 3]| {
        let [x, y, z] = [x, y, z].map(|i| i as f64);
        100.0 + 40.0 * (x * 0.7).sin() + 35.0 * (y * 0.5).cos() + 24.0 * (z * 0.9).sin()
    };
    let voxels: Voxels = match type_name {
        "uint8" => each(&g, |i| wave(i) as u8).into(),
        "int8" => each(&g, |i| (wave(i) - 128.0) as i8).into(),
        "uint16" => each(&g, |i| (wave(i) * 300.0) as u16).into(),
        "int16" => each(&g, |i| (wave(i) * 100.0 - 9000.0) as i16).into(),
        _ => each(&g, |i| (wave(i) * 1e-3) as f32).into(),
    };
    let meta = VolumeMeta { rescale, ..VolumeMeta::scalar(g) };
    Arc::new(Volume::new(meta, voxels).unwrap())
}

fn over(volume: &Arc<Volume>, interpolation: Interpolation) -> ScalarLayer {
    let s = volume.statistics();
    let window = Window::new(s.mean, (s.max - s.min).max(1.0) * 0.8, VoiFunction::LinearExact).unwrap();
    ScalarLayer {
        volume: volume.clone(),
        time_point: 0,
        window: GreyMapping { window, is_inverted: false },
        color_map: map("hot-iron"),
        opacity: 0.45,
        threshold: None,
        interpolation,
    }
}

#[test]
fn fusion_of_every_type_grid_and_slab_is_blended_alike() {
    let mut painters = Painters::new();
    let image = image();
    let types = ["uint8", "int8", "uint16", "int16", "float32"];
    for (i, (what, g)) in grids(&image).into_iter().enumerate() {
        for (j, type_name) in types.into_iter().enumerate() {
            let rescale = Rescale { slope: if (i + j) % 2 == 0 { 0.7 } else { -2.0 }, intercept: -30.0 };
            let volume = waves(g, type_name, rescale);
            let plane = planes(&image)[(i + j) % 4];
            for interpolation in [Interpolation::Linear, Interpolation::Nearest] {
                for slab in slabs() {
                    let layers = vec![SliceLayer::Scalar(over(&volume, interpolation))];
                    let scene = SliceScene { slab, ..scene(&image, plane, SIZE_PX, layers) };
                    check(&mut painters, &format!("{what} {type_name} {interpolation:?} {slab:?}"), &scene);
                }
            }
        }
    }
}

#[test]
fn every_map_window_and_threshold_is_blended_alike() {
    let mut painters = Painters::new();
    let image = image();
    let plane = planes(&image)[3];
    let volume = waves(grids(&image)[2].1, "int16", Rescale { slope: 0.5, intercept: 100.0 });
    let plain = over(&volume, Interpolation::Linear);
    let s = volume.statistics();
    let show = |layer: ScalarLayer| scene(&image, plane, SIZE_PX, vec![SliceLayer::Scalar(layer)]);
    for id in ["grey", "inverted-grey", "hot-iron", "pet", "hot-metal-blue", "viridis", "rainbow"] {
        check(&mut painters, id, &show(ScalarLayer { color_map: map(id), ..plain.clone() }));
        let grey = GreyMapping { window: Window::spanning(-300.0, 600.0), is_inverted: false };
        let image_in_colour =
            SliceScene { color_map: Some(map(id)), grey, layers: Vec::new(), ..show(plain.clone()) };
        check(&mut painters, &format!("image in {id}"), &image_in_colour);
    }
    for function in [VoiFunction::Linear, VoiFunction::LinearExact, VoiFunction::Sigmoid] {
        for is_inverted in [false, true] {
            let window = GreyMapping { window: Window::new(s.mean, 300.0, function).unwrap(), is_inverted };
            check(
                &mut painters,
                &format!("{function:?} {is_inverted}"),
                &show(ScalarLayer { window, ..plain.clone() }),
            );
        }
    }
    // Voxels at the threshold itself, where nothing is interpolated.
    let at_voxel = volume.value_at([4, 5, 3], 0, 0).unwrap();
    for threshold in [at_voxel, s.mean + 0.01, f64::NEG_INFINITY, f64::INFINITY, -1e300] {
        let layer = over(&volume, Interpolation::Nearest);
        check(
            &mut painters,
            &format!("from {threshold}"),
            &show(ScalarLayer { threshold: Some(threshold), ..layer }),
        );
    }
}

#[test]
fn stacked_layers_are_blended_in_their_order() {
    let mut painters = Painters::new();
    let image = image();
    let grids = grids(&image);
    let labels = labels(grids[1].1, each(&grids[1].1, |[x, y, z]| ((x / 4 + y / 4 + z / 4) % 3) as u8));
    let volume = waves(grids[2].1, "uint16", Rescale::IDENTITY);
    let first = SliceLayer::Labels(label_layer(&labels, 0.5, 1.0, 1));
    let second = SliceLayer::Scalar(over(&volume, Interpolation::Linear));
    let mut pictures = Vec::new();
    for layers in [vec![first.clone(), second.clone()], vec![second, first]] {
        let scene = scene(&image, planes(&image)[0], SIZE_PX, layers);
        check(&mut painters, "two layers", &scene);
        pictures.push(reference::slice(&scene).unwrap());
    }
    assert!(difference(&pictures[0], &pictures[1]).0 > 20, "the order shows");
}

#[test]
fn layers_lie_over_colour_images_too() {
    let mut painters = Painters::new();
    let g = *image().geometry();
    let meta = VolumeMeta { channels: Channels::Rgb, ..VolumeMeta::scalar(g) };
    let n = g.dims().checked_count().unwrap();
    let color =
        Arc::new(Volume::new(meta, (0..3 * n).map(|i| (i * 7 % 251) as u8).collect::<Vec<_>>()).unwrap());
    let labels = labels(g, each(&g, |[x, ..]| (x / 5) as u8));
    let layers = vec![SliceLayer::Labels(label_layer(&labels, 0.3, 0.7, 3))];
    for plane in planes(&color) {
        let scene = scene(&color, plane, SIZE_PX, layers.clone());
        check(&mut painters, "colour", &SliceScene { color_map: Some(map("pet")), ..scene });
    }
}

#[test]
fn odd_sizes_and_far_planes_are_drawn_alike() {
    let mut painters = Painters::new();
    let image = image();
    for dims in [[1, 1, 1], [2, 1, 1], [1, 9, 9], [9, 1, 9], [9, 9, 1]] {
        let dims = Dims::new(dims[0], dims[1], dims[2]);
        let g = Geometry::new(dims, image.geometry().center_lps(), DVec3::new(1.5, 1.2, 1.9), tilted(0.2))
            .unwrap();
        let label = label_layer(&labels(g, each(&g, |[x, y, z]| (1 + x + y + z) as u8)), 0.4, 0.4, 16);
        let layers = vec![
            SliceLayer::Labels(label),
            SliceLayer::Scalar(over(&waves(g, "uint8", Rescale::IDENTITY), Interpolation::Linear)),
        ];
        for size in [[1, 1], [7, 5], [33, 17], [8, 1]] {
            let mut plane = planes(&image)[1];
            plane.mm_per_px = 0.77;
            check(&mut painters, &format!("{dims:?} {size:?}"), &scene(&image, plane, size, layers.clone()));
            for mm_per_px in [0.0, -0.5, 1e300] {
                let plane = SlicePlane { mm_per_px, center_lps: g.center_lps(), ..plane };
                let scene = scene(&image, plane, size, layers.clone());
                assert!(painters.pictures(&scene).len() >= 3, "no plane stops a renderer");
            }
        }
    }
}

#[test]
fn layers_are_uploaded_once_and_forgotten_by_their_volume() {
    let Some(mut gpu) = testing::gpu_renderer(GpuOptions::default()) else { return };
    let image = image();
    let g = *image.geometry();
    let labels = labels(g, each(&g, |[x, ..]| (x % 3) as u8));
    let volume = waves(g, "uint16", Rescale::IDENTITY);
    let layers = vec![
        SliceLayer::Labels(label_layer(&labels, 0.5, 1.0, 1)),
        SliceLayer::Scalar(over(&volume, Interpolation::Linear)),
    ];
    let scene = scene(&image, planes(&image)[0], SIZE_PX, layers);
    assert!(scene.shows(labels.id()) && scene.shows(volume.id()) && scene.shows(image.id()));
    for _ in 0..2 {
        gpu.slice(&scene).unwrap();
        assert_eq!(gpu.resident_count(), 3);
    }
    gpu.forget(labels.id());
    assert_eq!(gpu.resident_count(), 2);
    gpu.forget(volume.id());
    assert_eq!(gpu.resident_count(), 1);
    assert_eq!(gpu.slice(&scene).unwrap().width, SIZE_PX[0], "what is forgotten is uploaded again");
}

#[test]
fn the_processor_draws_what_the_gpu_cannot_in_full() {
    let budget_bytes = 20_000;
    let Some(mut renderer) = testing::renderer(GpuOptions { budget_bytes, ..GpuOptions::default() }) else {
        return;
    };
    let image = image();
    let plane = planes(&image)[0];
    let bare = scene(&image, plane, SIZE_PX, Vec::new());
    assert!(matches!(renderer.slice_picture(&bare).unwrap(), Picture::Gpu(_)), "the image fits");
    let g = Geometry::new(
        Dims::new(40, 40, 40),
        image.geometry().origin_lps(),
        DVec3::splat(0.6),
        DMat3::IDENTITY,
    )
    .unwrap();
    let fine = labels(g, each(&g, |[x, y, z]| ((x + y + z) % 5) as u8));
    let with = |layer| SliceScene { layers: vec![layer], ..bare.clone() };
    // Means of labels would be labels that nobody drew.
    let covered = with(SliceLayer::Labels(label_layer(&fine, 0.5, 1.0, 2)));
    assert!(matches!(renderer.slice_picture(&covered).unwrap(), Picture::Cpu(_)));
    let (most, _) = difference(&renderer.slice(&covered).unwrap(), &reference::slice(&covered).unwrap());
    assert!(most <= 1);
    let table = VoiTable::new(-200, &(0..600).collect::<Vec<u16>>(), 10).unwrap();
    let small = over(&image, Interpolation::Nearest);
    let window = GreyMapping { window: Window::table(table), is_inverted: false };
    let tabled = with(SliceLayer::Scalar(ScalarLayer { window, ..small.clone() }));
    assert!(matches!(renderer.slice_picture(&tabled).unwrap(), Picture::Cpu(_)), "shaders know no tables");
    let plain = with(SliceLayer::Scalar(small));
    assert!(matches!(renderer.slice_picture(&plain).unwrap(), Picture::Gpu(_)));
    let (most, _) = difference(&renderer.slice(&tabled).unwrap(), &reference::slice(&tabled).unwrap());
    assert!(most <= 1);
}
