//! What label layers must look like, worked out by hand; every implementation is held to it.
#![expect(clippy::unwrap_used, reason = "helpers of tests may")]

mod painters;

use std::collections::BTreeSet;
use std::sync::Arc;

use glam::{DMat3, DVec3};
use imaging::geometry::{Dims, Geometry};
use imaging::volume::{Volume, Voxels};
use painters::{Painters, along_z, colors, each, grid, label_layer, labels, scalar, scene};
use render_core::layers::{LabelColors, LabelLayer, SliceLayer};
use render_core::scene::{Slab, SlabMode, SlicePlane, SliceScene};

const CORNER: DVec3 = DVec3::new(-7.0, 3.0, 11.0);

/// A ramp of greys, 16 voxels of 1 mm along each axis from [`CORNER`] on.
fn image() -> Arc<Volume> {
    let g = grid([16; 3], CORNER, 1.0);
    scalar(g, each(&g, |[x, y, z]| (x * 8 + y * 5 + z * 3) as u8))
}

/// The plane through the middle of the first layer of voxels.
fn first_layer(size_px: [u32; 2], mm_per_px: f64) -> SlicePlane {
    along_z(CORNER + DVec3::Z * 0.5, size_px, mm_per_px)
}

#[test]
fn a_checker_of_four_by_four_is_exact_to_the_pixel_also_half_a_voxel_further() {
    let mut painters = Painters::new();
    let image = image();
    // Pixel centres are an eighth of a voxel off the voxels' edges at least.
    let plane = first_layer([24, 24], 0.25);
    for shift in [0, 1, 2, 3] {
        let g = grid([4, 4, 1], CORNER + DVec3::new(f64::from(shift) * 0.5, 0.0, 0.0), 1.0);
        let checker = labels(g, each(&g, |[x, y, _]| ((x + y) % 2) as u16 * 500 + 7));
        let layer = label_layer(&checker, 1.0, 0.0, 0);
        let scene = scene(&image, plane, [24, 24], vec![SliceLayer::Labels(layer.clone())]);
        let expected: Vec<u16> = (0..24 * 24)
            .map(|i| {
                // In eighths of a voxel.
                let (x, y) = ((i % 24) * 2 + 1 - shift * 4, (i / 24) * 2 + 1);
                let is_inside = (0..32).contains(&x) && y < 32;
                if is_inside { ((x / 8 + y / 8) % 2) as u16 * 500 + 7 } else { 0 }
            })
            .collect();
        for (who, found) in painters.labels(&scene, &layer) {
            assert_eq!(found, expected, "{who}, shifted by {shift} halves");
        }
        let below = painters.pictures(&SliceScene { layers: Vec::new(), ..scene.clone() });
        for ((who, picture), (_, below)) in painters.pictures(&scene).into_iter().zip(below) {
            for ((shown, label), below) in colors(&picture).into_iter().zip(&expected).zip(colors(&below)) {
                let own = if *label == 0 { below } else { layer.colors.color(*label) };
                assert_eq!(shown, own, "{who}, shifted by {shift} halves");
            }
        }
    }
}

#[test]
fn outlines_are_as_wide_at_every_zoom_and_lie_inside() {
    let mut painters = Painters::new();
    let image = image();
    let g = grid([16, 16, 1], CORNER, 1.0);
    // Two regions side by side, voxels 4..8 and 8..12 along x.
    let regions =
        labels(g, each(&g, |[x, y, _]| if (4..12).contains(&y) { [0, 1, 2, 0][x / 4] } else { 0u8 }));
    for (px_per_voxel, width_px) in [(3.0, 1), (3.0, 2), (5.0, 3), (11.0, 3), (11.0, 16)] {
        let size = (16.0 * px_per_voxel) as u32;
        let plane = first_layer([size; 2], 1.0 / px_per_voxel);
        let mut layer = label_layer(&regions, 0.0, 1.0, width_px);
        let mut tints = LabelColors::new();
        tints.set_color(1, [255, 0, 0]);
        tints.set_color(2, [0, 0, 255]);
        layer.colors = Arc::new(tints);
        let scene = scene(&image, plane, [size; 2], vec![SliceLayer::Labels(layer)]);
        let voxel = px_per_voxel as usize;
        let near = |at: usize, edges: [usize; 2]| {
            at - edges[0] < width_px as usize || edges[1] - at <= width_px as usize
        };
        for (who, picture) in painters.pictures(&scene) {
            for (i, color) in colors(&picture).into_iter().enumerate() {
                let (x, y) = (i % size as usize, i / size as usize);
                let (column, row) = (x / voxel / 4, y / voxel);
                let is_region = (4..12).contains(&row) && (column == 1 || column == 2);
                let edges = [4 * column * voxel, 4 * (column + 1) * voxel];
                let is_edge = is_region && (near(x, edges) || near(y, [4 * voxel, 12 * voxel]));
                let expected = [[255, 0, 0], [0, 0, 255]][usize::from(column == 2)];
                assert_eq!(
                    color == expected,
                    is_edge,
                    "{who}, {px_per_voxel} px a voxel, {width_px} px: {x}, {y}"
                );
            }
        }
    }
}

#[test]
fn outlines_lie_over_the_fill_in_the_stated_proportion() {
    let mut painters = Painters::new();
    let g = grid([16; 3], CORNER, 1.0);
    let image = scalar(g, vec![100u8; 16 * 16 * 16]);
    let all = labels(g, each(&g, |[x, ..]| u8::from(x < 8)));
    let mut layer = label_layer(&all, 0.5, 0.5, 1);
    let mut tints = LabelColors::new();
    tints.set_color(1, [200, 100, 0]);
    layer.colors = Arc::new(tints);
    let scene = scene(&image, first_layer([16, 4], 1.0), [16, 4], vec![SliceLayer::Labels(layer)]);
    let below =
        f64::from(painters.pictures(&SliceScene { layers: Vec::new(), ..scene.clone() })[0].1.rgba[0]);
    let over = |own: f64, opacity: f64| (below + (own - below) * opacity + 0.5) as u8;
    let tinted = |opacity: f64| [over(200.0, opacity), over(100.0, opacity), over(0.0, opacity)];
    for (who, picture) in painters.pictures(&scene) {
        let row = &colors(&picture)[16..32];
        let is_near = |a: [u8; 3], b: [u8; 3]| a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= 1);
        assert!(row[..7].iter().all(|&c| is_near(c, tinted(0.5))), "{who}: {row:?}");
        assert!(is_near(row[7], tinted(0.75)), "{who}: {row:?}");
        assert!(row[8..].iter().all(|&c| c == [below as u8; 3]), "{who}: {row:?}");
    }
}

#[test]
fn labels_are_never_mixed_into_others() {
    let mut painters = Painters::new();
    let image = image();
    let direction = DMat3::from_rotation_z(0.4) * DMat3::from_rotation_x(0.3);
    let g = Geometry::new(Dims::new(9, 8, 7), CORNER + 2.0, DVec3::new(1.3, 1.7, 1.9), direction).unwrap();
    // The mean of any two is a label that no voxel has.
    let mixed = labels(g, each(&g, |[x, y, z]| [10u16, 30, 1000][(x + 2 * y + z) % 3]));
    let (right, down) = SlicePlane::oblique_axes(DVec3::new(0.3, 0.5, 0.8), DVec3::NEG_Y).unwrap();
    let center_lps = image.geometry().center_lps() + DVec3::new(0.013, 0.021, 0.034);
    let plane = SlicePlane { center_lps, right, down, mm_per_px: 0.31 };
    for thickness_mm in [0.0, 5.0] {
        let layer = label_layer(&mixed, 1.0, 0.0, 0);
        let slab = Slab { thickness_mm, mode: SlabMode::Mean };
        let plain = scene(&image, plane, [60, 50], vec![SliceLayer::Labels(layer.clone())]);
        let scene = SliceScene { slab, ..plain };
        for (who, found) in painters.labels(&scene, &layer) {
            let kinds: BTreeSet<u16> = found.into_iter().collect();
            assert_eq!(kinds, BTreeSet::from([0, 10, 30, 1000]), "{who}");
        }
        for (who, picture) in painters.pictures(&scene) {
            let tinted = colors(&picture).into_iter().filter(|[r, g, b]| r != g || g != b);
            let allowed = [10, 30, 1000].map(|label| layer.colors.color(label));
            assert!(tinted.into_iter().all(|color| allowed.contains(&color)), "{who}");
        }
    }
}

/// The voxels of a grid in another order of axes, some of them backwards, at the same places.
fn reordered(
    g: &Geometry,
    order: [usize; 3],
    is_flipped: [bool; 3],
    label: impl Fn([usize; 3]) -> u16,
) -> (Geometry, Voxels) {
    let dims = g.dims().to_array();
    let new_dims = order.map(|axis| dims[axis]);
    let mut first = [0; 3];
    let mut columns = [DVec3::ZERO; 3];
    for (new, &axis) in order.iter().enumerate() {
        first[axis] = if is_flipped[new] { dims[axis] - 1 } else { 0 };
        columns[new] = g.direction().col(axis) * if is_flipped[new] { -1.0 } else { 1.0 };
    }
    let origin = g.lps_from_index().transform_point3(DVec3::from_array(first.map(|i| i as f64)));
    let spacing = DVec3::from_array(order.map(|axis| g.spacing_mm()[axis]));
    let direction = DMat3::from_cols(columns[0], columns[1], columns[2]);
    let turned =
        Geometry::new(Dims::new(new_dims[0], new_dims[1], new_dims[2]), origin, spacing, direction).unwrap();
    let voxels = each(&turned, |index| {
        let mut old = [0; 3];
        for (new, &axis) in order.iter().enumerate() {
            old[axis] = if is_flipped[new] { dims[axis] - 1 - index[new] } else { index[new] };
        }
        label(old)
    });
    (turned, voxels.into())
}

#[test]
fn all_48_orders_of_the_voxels_show_the_same_picture() {
    let mut painters = Painters::new();
    let image = image();
    let direction = DMat3::from_rotation_y(0.25);
    let g = Geometry::new(Dims::new(6, 5, 7), CORNER + 3.0, DVec3::new(1.1, 1.6, 1.3), direction).unwrap();
    let label = |[x, y, z]: [usize; 3]| ((x * 7 + y * 3 + z * 5) % 11) as u16;
    let (right, down) = SlicePlane::oblique_axes(DVec3::new(-0.2, 0.6, 0.7), DVec3::NEG_Y).unwrap();
    let center_lps = g.center_lps() + DVec3::new(0.017, 0.029, 0.011);
    let plane = SlicePlane { center_lps, right, down, mm_per_px: 0.29 };
    let show = |order, is_flipped| {
        let (turned, voxels) = reordered(&g, order, is_flipped, label);
        let layer = label_layer(&labels(turned, voxels), 0.6, 0.8, 2);
        (scene(&image, plane, [40, 36], vec![SliceLayer::Labels(layer.clone())]), layer)
    };
    let (plain, layer) = show([0, 1, 2], [false; 3]);
    let expected = painters.labels(&plain, &layer).remove(0).1;
    assert!(expected.iter().filter(|&&label| label != 0).count() > 300, "the plane misses the labels");
    let expected_picture = painters.pictures(&plain).remove(0).1;
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for flips in 0..8 {
            let is_flipped = [0, 1, 2].map(|axis| flips >> axis & 1 == 1);
            let (scene, layer) = show(order, is_flipped);
            for (who, found) in painters.labels(&scene, &layer) {
                assert_eq!(found, expected, "{who}: {order:?} {is_flipped:?}");
            }
            for (who, picture) in painters.pictures(&scene) {
                let (most, _) = painters::difference(&picture, &expected_picture);
                assert!(most <= 1, "{who}: {order:?} {is_flipped:?}");
            }
        }
    }
}

/// Slices of labels along z, 1 mm apart from [`CORNER`] on.
fn stacked(slices: &[u8]) -> LabelLayer {
    let g = grid([16, 16, slices.len()], CORNER, 1.0);
    label_layer(&labels(g, each(&g, |[.., z]| slices[z])), 1.0, 0.0, 0)
}

#[test]
fn through_a_slab_the_label_nearest_to_its_middle_is_shown() {
    let mut painters = Painters::new();
    let image = image();
    // The view goes along +z, so the viewer is at low z.
    let mut check = |what: &str, layer: &LabelLayer, middle_mm: f64, thickness_mm: f64, expected: u16| {
        let plane = along_z(CORNER + DVec3::Z * middle_mm, [4, 4], 1.0);
        let slab = Slab { thickness_mm, mode: SlabMode::Max };
        let plain = scene(&image, plane, [4, 4], vec![SliceLayer::Labels(layer.clone())]);
        for (who, found) in painters.labels(&SliceScene { slab, ..plain }, layer) {
            assert_eq!(found, [expected; 16], "{who}: {what}");
        }
    };
    let layer = stacked(&[1, 2, 0, 0, 3, 4]);
    check("thin", &layer, 2.5, 0.0, 0);
    check("too thin to reach", &layer, 2.5, 1.0, 0);
    check("the nearer one", &layer, 2.5, 5.0, 2);
    check("equally near: towards the viewer", &layer, 3.0, 6.0, 2);
    check("the whole stack", &layer, 3.5, 21.0, 3);
    let mut hidden = stacked(&[1, 2, 0, 0, 3, 4]);
    let mut colors = LabelColors::new();
    colors.show_only(&[1, 4]);
    hidden.colors = Arc::new(colors);
    check("hidden labels hide nothing", &hidden, 2.5, 5.0, 1);
    check("hidden labels are not shown", &hidden, 1.5, 0.0, 0);
}

#[test]
fn what_cannot_be_seen_changes_no_bit() {
    let mut painters = Painters::new();
    let image = image();
    let g = grid([16; 3], CORNER, 1.0);
    let all = labels(g, each(&g, |[x, y, z]| (1 + (x + y + z) % 9) as u8));
    let mut hidden = label_layer(&all, 1.0, 1.0, 2);
    let mut colors = LabelColors::new();
    colors.show_only(&[]);
    hidden.colors = Arc::new(colors);
    let far = grid([4; 3], CORNER + 1000.0, 1.0);
    let elsewhere = label_layer(&labels(far, vec![1u8; 64]), 1.0, 1.0, 2);
    let plane = first_layer([33, 29], 0.47);
    let bare = scene(&image, plane, [33, 29], Vec::new());
    for layer in [label_layer(&all, 0.0, 0.0, 3), hidden, elsewhere] {
        let layers = vec![SliceLayer::Labels(layer.clone()), SliceLayer::Labels(layer)];
        let covered = painters.pictures(&SliceScene { layers, ..bare.clone() });
        for ((who, covered), (_, bare)) in covered.into_iter().zip(painters.pictures(&bare)) {
            assert_eq!(covered, bare, "{who}");
        }
    }
}
