//! A cube on the sheared grid of a tilted gantry: what is upright in the patient is upright in the picture.
#![expect(clippy::unwrap_used, reason = "helpers of tests; a failure should stop the test")]

use std::sync::Arc;

use glam::{DMat3, DVec3};
use imaging::geometry::{AnatomicalPlane, Dims, Geometry};
use imaging::intensity::{VoiFunction, Window};
use imaging::phantom;
use imaging::volume::Volume;
use render_core::cpu::CpuRenderer;
use render_core::image::Image8;
use render_core::reference;
use render_core::scene::{GreyMapping, Interpolation, Slab, SlicePlane, SliceScene};

const SIZE_PX: [u32; 2] = [240, 240];

/// A cube of 40 mm whose surface is 4 mm soft, on slices that lean by `degrees` and step straight along z.
fn cube(degrees: f64) -> Arc<Volume> {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let direction = DMat3::from_cols(DVec3::X, DVec3::new(0.0, cos, -sin), DVec3::Z);
    let dims = Dims::new(100, 100, 90);
    let spacing = DVec3::new(0.7, 0.7, 1.0);
    let middle = direction * DMat3::from_diagonal(spacing) * ((dims.as_dvec3() - 1.0) * 0.5);
    let geometry = Geometry::new(dims, -middle, spacing, direction).unwrap();
    let hu = |lps: DVec3| 1000.0 * (0.5 - (lps.abs().max_element() - 20.0) / 4.0).clamp(0.0, 1.0);
    Arc::new(phantom::volume_from_lps(geometry, hu))
}

/// Where grey passes the middle along a row or column between two pixels, in pixels.
fn crossing(picture: &Image8, at: u32, is_row: bool, range: std::ops::Range<u32>) -> Option<f64> {
    let grey = |i: u32| {
        let (x, y) = if is_row { (i, at) } else { (at, i) };
        f64::from(picture.pixel(x, y).unwrap()[0]) - 127.5
    };
    let before = range.clone().find(|&i| grey(i) * grey(i + 1) <= 0.0 && grey(i) != grey(i + 1))?;
    Some(f64::from(before) + grey(before) / (grey(before) - grey(before + 1)))
}

/// Slope of an edge in degrees, and its place in the middle of the picture in pixels.
fn edge(picture: &Image8, is_row: bool, range: std::ops::Range<u32>) -> (f64, f64) {
    let points: Vec<(f64, f64)> = (80..160)
        .map(|at| (f64::from(at) - 119.5, crossing(picture, at, is_row, range.clone()).unwrap()))
        .collect();
    let square: f64 = points.iter().map(|(a, _)| a * a).sum();
    let slope = points.iter().map(|(a, p)| a * p).sum::<f64>() / square;
    (slope.atan().to_degrees(), points.iter().map(|(_, p)| p).sum::<f64>() / points.len() as f64)
}

fn check(picture: &Image8, mm_per_px: f64, what: &str) {
    let left = edge(picture, true, 0..119);
    let right = edge(picture, true, 120..239);
    let top = edge(picture, false, 0..119);
    let bottom = edge(picture, false, 120..239);
    for (degrees, _) in [left, right, top, bottom] {
        assert!(degrees.abs() < 0.2, "{what}: an edge leans by {degrees}°");
    }
    for (a, b) in [(left, right), (top, bottom)] {
        let length = (b.1 - a.1) * mm_per_px;
        assert!((length - 40.0).abs() < 0.2, "{what}: the cube measures {length} mm");
    }
}

#[test]
fn a_cube_scanned_with_a_tilted_gantry_has_right_angles_in_every_plane() {
    for degrees in [0.0, 13.5, -25.0] {
        let volume = cube(degrees);
        assert!((volume.geometry().tilt_rad().to_degrees() - degrees.abs()).abs() < 1e-9);
        for plane in AnatomicalPlane::ALL {
            let (right, down) = plane.screen_axes_lps();
            let plane_of_scene = SlicePlane { center_lps: DVec3::ZERO, right, down, mm_per_px: 0.25 };
            let window = Window::new(500.0, 1001.0, VoiFunction::Linear).unwrap();
            let scene = SliceScene {
                volume: volume.clone(),
                time_point: 0,
                plane: plane_of_scene,
                size_px: SIZE_PX,
                interpolation: Interpolation::Linear,
                slab: Slab::default(),
                grey: GreyMapping { window, is_inverted: false },
                color_map: None,
                layers: Vec::new(),
            };
            let what = format!("{} at {degrees}°", plane.name());
            check(&reference::slice(&scene).unwrap(), 0.25, &format!("reference, {what}"));
            check(&CpuRenderer::new().slice(&scene).unwrap(), 0.25, &format!("fast path, {what}"));
        }
    }
}
