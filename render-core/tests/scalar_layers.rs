//! What scalar layers and colour maps must look like, worked out by hand; every implementation is held to it.
#![expect(clippy::unwrap_used, reason = "helpers of tests may")]

mod painters;

use std::sync::Arc;

use glam::DVec3;
use imaging::geometry::Geometry;
use imaging::intensity::Window;
use imaging::volume::{Channels, Rescale, Volume, VolumeMeta, Voxels};
use painters::{Painters, along_z, colors, each, grid, map, scalar, scene};
use render_core::RenderError;
use render_core::layers::{ScalarLayer, SliceLayer};
use render_core::reference;
use render_core::scene::{GreyMapping, Interpolation, Slab, SlabMode, SliceScene};

const CORNER: DVec3 = DVec3::new(-7.0, 3.0, 11.0);
/// Where the middle of the pictures is.
const MIDDLE: DVec3 = DVec3::new(0.0, 0.0, 8.0);

fn image() -> Arc<Volume> {
    let g = grid([16; 3], CORNER, 1.0);
    scalar(g, each(&g, |[x, y, z]| (x * 8 + y * 5 + z * 3) as u8))
}

fn layer(volume: &Arc<Volume>, window: Window, opacity: f32) -> ScalarLayer {
    ScalarLayer {
        volume: volume.clone(),
        time_point: 0,
        window: GreyMapping { window, is_inverted: false },
        color_map: map("hot-iron"),
        opacity,
        threshold: None,
        interpolation: Interpolation::Linear,
    }
}

fn volume(geometry: Geometry, rescale: Rescale, voxels: impl Into<Voxels>) -> Arc<Volume> {
    Arc::new(Volume::new(VolumeMeta { rescale, ..VolumeMeta::scalar(geometry) }, voxels).unwrap())
}

/// Channel by channel at most one level apart.
fn is_near(a: [u8; 3], b: [f64; 3]) -> bool {
    a.iter().zip(b).all(|(&a, b)| (f64::from(a) - b).abs() <= 1.01)
}

#[test]
fn a_coarse_volume_with_an_offset_lies_where_the_patient_is() {
    let mut painters = Painters::new();
    let image = image();
    // Half the resolution, shifted by fractions of a voxel; values are a plane through patient space, which linear
    // interpolation keeps exactly.
    let g = grid([7, 6, 8], CORNER + DVec3::new(0.3, 1.7, -0.45), 2.0);
    let value = |p: DVec3| 3.0 * (p.x - CORNER.x) - 2.0 * (p.y - CORNER.y) + 0.5 * (p.z - CORNER.z) + 40.0;
    let stored = |index: [usize; 3]| {
        let index = DVec3::from_array(index.map(|i| i as f64));
        // The rescale below makes this the value again.
        ((value(g.lps_from_index().transform_point3(index)) - 5.0) / 0.125) as f32
    };
    let fused = volume(g, Rescale { slope: 0.125, intercept: 5.0 }, each(&g, stored));
    let window = Window::spanning(10.0, 90.0);
    let plane = along_z(CORNER + DVec3::Z * MIDDLE.z, [40, 40], 0.4);
    for opacity in [0.3, 1.0] {
        let own = layer(&fused, window, opacity);
        let fusion = scene(&image, plane, [40, 40], vec![SliceLayer::Scalar(own.clone())]);
        let below = painters.pictures(&SliceScene { layers: Vec::new(), ..fusion.clone() });
        for ((who, picture), (_, below)) in painters.pictures(&fusion).into_iter().zip(below) {
            let mut counts = [0; 2];
            for (i, (shown, below)) in colors(&picture).into_iter().zip(colors(&below)).enumerate() {
                let (x, y) = ((i % 40) as f64 + 0.5, (i / 40) as f64 + 0.5);
                let p = plane.lps_from_px(x, y, [40, 40]);
                let index = g.index_from_lps().transform_point3(p);
                let last = g.dims().as_dvec3() - 1.0;
                if index.cmplt(DVec3::splat(-0.5)).any() || index.cmpgt(last + 0.5).any() {
                    counts[0] += 1;
                    assert_eq!(shown, below, "{who}: outside the layer nothing is blended");
                } else if index.cmpgt(DVec3::ZERO).all() && index.cmplt(last).all() {
                    counts[1] += 1;
                    let color = own.color_map.color_at(window.apply(value(p)));
                    let blend = |c: usize| {
                        let below = f64::from(below[c]);
                        below + (color[c] - below) * f64::from(opacity)
                    };
                    assert!(is_near(shown, [0, 1, 2].map(blend)), "{who}: {shown:?} at {p}");
                }
            }
            assert!(counts.iter().all(|&n| n > 300), "{counts:?}");
        }
    }
}

#[test]
fn a_checker_of_four_by_four_is_exact_to_the_pixel_also_half_a_voxel_further() {
    let mut painters = Painters::new();
    let image = image();
    let plane = along_z(CORNER + DVec3::Z * 0.5, [24, 24], 0.25);
    for shift in [0, 1, 2, 3] {
        let g = grid([4, 4, 1], CORNER + DVec3::new(0.0, f64::from(shift) * 0.5, 0.0), 1.0);
        let checker = scalar(g, each(&g, |[x, y, _]| ((x + y) % 2) as i16 * 1000 - 500));
        let mut own = layer(&checker, Window::spanning(-500.0, 500.0), 1.0);
        own.interpolation = Interpolation::Nearest;
        let fusion = scene(&image, plane, [24, 24], vec![SliceLayer::Scalar(own)]);
        let below = painters.pictures(&SliceScene { layers: Vec::new(), ..fusion.clone() });
        for ((who, picture), (_, below)) in painters.pictures(&fusion).into_iter().zip(below) {
            for (i, (shown, below)) in colors(&picture).into_iter().zip(colors(&below)).enumerate() {
                // In eighths of a voxel.
                let (x, y) = ((i as i32 % 24) * 2 + 1, (i as i32 / 24) * 2 + 1 - shift * 4);
                let is_inside = x < 32 && (0..32).contains(&y);
                let own = if (x / 8 + y / 8) % 2 == 1 { [255; 3] } else { [0; 3] };
                assert_eq!(
                    shown,
                    if is_inside { own } else { below },
                    "{who}, shifted by {shift} halves: {i}"
                );
            }
        }
    }
}

#[test]
fn what_lies_below_the_threshold_shows_the_image() {
    let mut painters = Painters::new();
    let image = image();
    let g = grid([16; 3], CORNER, 1.0);
    let plane = along_z(CORNER + DVec3::Z * 0.5, [16, 2], 1.0);
    let rising = Rescale { slope: 2.0, intercept: -10.0 };
    let falling = Rescale { slope: -0.5, intercept: 6.0 };
    for (rescale, threshold) in
        [(rising, 6.0), (rising, 6.01), (falling, 0.0), (falling, 0.1), (falling, -1e30)]
    {
        let stored: [Voxels; 3] = [
            each(&g, |[x, ..]| x as u16).into(),
            each(&g, |[x, ..]| x as u8).into(),
            each(&g, |[x, ..]| x as f64).into(),
        ];
        for voxels in stored {
            let what = format!("{} {rescale:?} from {threshold}", voxels.type_name());
            let mut own = layer(&volume(g, rescale, voxels), Window::spanning(-100.0, -50.0), 1.0);
            own.threshold = Some(threshold);
            own.interpolation = Interpolation::Nearest;
            let fusion = scene(&image, plane, [16, 2], vec![SliceLayer::Scalar(own)]);
            for (who, picture) in painters.pictures(&fusion) {
                // The window shows all values as white, which the image is nowhere.
                let shown: Vec<bool> = colors(&picture).iter().map(|&c| c == [255; 3]).take(16).collect();
                let expected: Vec<bool> = (0..16).map(|x| rescale.apply(f64::from(x)) >= threshold).collect();
                assert_eq!(shown, expected, "{who}: {what}");
            }
        }
    }
}

#[test]
fn missing_values_of_a_layer_show_the_image() {
    let mut painters = Painters::new();
    let g = grid([16; 3], CORNER, 1.0);
    let own = layer(
        &scalar(g, each(&g, |[x, ..]| if x < 8 { f32::NAN } else { 5.0 })),
        Window::spanning(0.0, 1.0),
        1.0,
    );
    let own = ScalarLayer { interpolation: Interpolation::Nearest, ..own };
    let plane = along_z(CORNER + DVec3::Z * 0.5, [16, 1], 1.0);
    let fusion = scene(&image(), plane, [16, 1], vec![SliceLayer::Scalar(own)]);
    for (who, picture) in painters.pictures(&fusion) {
        let white = colors(&picture).iter().map(|&c| c == [255; 3]).collect::<Vec<_>>();
        assert_eq!(white, (0..16).map(|x| x >= 8).collect::<Vec<_>>(), "{who}");
    }
}

#[test]
fn a_slab_projects_the_layers_own_values_at_its_own_spacing() {
    let mut painters = Painters::new();
    // One bright slice, thinner than the spacing of the image: a slab sampled at the image's spacing would miss it.
    let g = Geometry::axis_aligned(
        imaging::geometry::Dims::new(16, 16, 64),
        CORNER + DVec3::new(0.5, 0.5, 0.125),
        DVec3::new(1.0, 1.0, 0.25),
    )
    .unwrap();
    let fused = scalar(g, each(&g, |[.., z]| if z == 21 { 200u8 } else { 100 }));
    let plane = along_z(CORNER + DVec3::Z * 6.0, [8, 8], 1.0);
    // Sixteen samples: one of 200 among 100s.
    for (mode, value) in [(SlabMode::Max, 200.0), (SlabMode::Min, 100.0), (SlabMode::Mean, 106.25)] {
        let own = ScalarLayer {
            interpolation: Interpolation::Nearest,
            ..layer(&fused, Window::spanning(0.0, 255.0), 1.0)
        };
        let expected = own.color_map.color_at(value / 255.0);
        let plain = scene(&image(), plane, [8, 8], vec![SliceLayer::Scalar(own)]);
        let slab = Slab { thickness_mm: 4.0, mode };
        for (who, picture) in painters.pictures(&SliceScene { slab, ..plain }) {
            let all = colors(&picture);
            assert!(
                all.iter().all(|&c| is_near(c, expected)),
                "{who} {mode:?}: {:?}, not {expected:?}",
                all[0]
            );
        }
    }
}

#[test]
fn opacity_0_changes_no_bit_and_opacity_1_hides_the_image() {
    let mut painters = Painters::new();
    let image = image();
    let g = grid([20, 18, 9], CORNER - 1.0, 1.3);
    let fused = scalar(g, each(&g, |[x, y, z]| (x * 900 + y * 700 + z * 5000) as u16));
    let window = Window::spanning(0.0, 60_000.0);
    let plane = along_z(CORNER + DVec3::Z * 4.1, [31, 27], 0.45);
    let bare = scene(&image, plane, [31, 27], Vec::new());
    let covered = |opacity| SliceScene {
        layers: vec![SliceLayer::Scalar(layer(&fused, window, opacity))],
        ..bare.clone()
    };
    let bare_pictures = painters.pictures(&bare);
    for ((who, picture), (_, bare)) in painters.pictures(&covered(0.0)).into_iter().zip(&bare_pictures) {
        assert_eq!(picture, *bare, "{who}");
    }
    // The layer as an image with its map.
    let grey = GreyMapping { window, is_inverted: false };
    let alone = SliceScene { volume: fused.clone(), grey, color_map: Some(map("hot-iron")), ..bare.clone() };
    for ((who, picture), (_, alone)) in
        painters.pictures(&covered(1.0)).into_iter().zip(painters.pictures(&alone))
    {
        assert!(painters::difference(&picture, &alone).0 <= 1, "{who}");
    }
}

#[test]
fn an_image_in_a_grey_map_is_the_grey_image_and_inversion_turns_maps_round() {
    let mut painters = Painters::new();
    let image = image();
    let plane = along_z(CORNER + DVec3::Z * 4.1, [31, 27], 0.6);
    let grey = scene(&image, plane, [31, 27], Vec::new());
    let in_map = |id: &str, is_inverted| SliceScene {
        color_map: Some(map(id)),
        grey: GreyMapping { is_inverted, ..grey.grey },
        ..grey.clone()
    };
    let inverted = SliceScene { grey: GreyMapping { is_inverted: true, ..grey.grey }, ..grey.clone() };
    // Outside the image both are black, so only the inside is compared.
    let is_same = |a: &SliceScene, b: &SliceScene, painters: &mut Painters| {
        for ((who, a), (_, b)) in painters.pictures(a).into_iter().zip(painters.pictures(b)) {
            assert!(painters::difference(&a, &b).0 <= 1, "{who}");
        }
    };
    is_same(&in_map("grey", false), &grey, &mut painters);
    is_same(&in_map("inverted-grey", false), &inverted, &mut painters);
    is_same(&in_map("inverted-grey", true), &grey, &mut painters);
    let turned = painters.pictures(&in_map("rainbow", true)).remove(0).1;
    assert_ne!(turned, painters.pictures(&in_map("rainbow", false)).remove(0).1);
}

#[test]
fn layers_that_cannot_be_drawn_are_refused() {
    let g = grid([2; 3], CORNER, 1.0);
    let meta = VolumeMeta { channels: Channels::Rgb, ..VolumeMeta::scalar(g) };
    let color = Arc::new(Volume::new(meta, vec![0u8; 24]).unwrap());
    let good = layer(&scalar(g, vec![0u8; 8]), Window::spanning(0.0, 1.0), 0.5);
    let plane = along_z(CORNER, [4, 4], 1.0);
    let refused = |layer: ScalarLayer| {
        let scene = scene(&image(), plane, [4, 4], vec![SliceLayer::Scalar(layer)]);
        let errors = [
            reference::slice(&scene).unwrap_err(),
            render_core::cpu::CpuRenderer::new().slice(&scene).unwrap_err(),
        ];
        assert_eq!(errors[0].to_string(), errors[1].to_string());
        errors.into_iter().next().unwrap()
    };
    assert!(matches!(refused(ScalarLayer { volume: color, ..good.clone() }), RenderError::ColorLayer));
    let late = refused(ScalarLayer { time_point: 1, ..good.clone() });
    assert!(matches!(late, RenderError::TimePoint { time_point: 1, count: 1 }));
    for broken in [
        ScalarLayer { opacity: f32::NAN, ..good.clone() },
        ScalarLayer { threshold: Some(f64::NAN), ..good.clone() },
    ] {
        assert!(matches!(refused(broken), RenderError::NotFinite { .. }));
    }
}
