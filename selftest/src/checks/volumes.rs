//! Volume views: a length that is known, and the reference for the rest.

use std::sync::Arc;

use glam::{DMat3, DVec3};
use imaging::geometry::Dims;
use imaging::intensity::Window;
use imaging::phantom;
use imaging::volume::Volume;
use render_core::camera::{Camera, Projection};
use render_core::image::ImageF32;
use render_core::reference;
use render_core::scene::{
    CropBox, CubeScene, GreyMapping, Interpolation, Lighting, Slab, SlicePlane, SliceScene, VolumeMode,
    VolumeScene,
};
use render_core::transfer_function::{ControlPoint, TransferFunction};

use crate::painter::Painter;
use crate::phantoms::{volume_of, worst};
use crate::workplace::Workplace;
use crate::{Measured, SelftestError};

fn scene(volume: &Arc<Volume>, camera: Camera, mode: VolumeMode) -> VolumeScene {
    let geometry = volume.geometry();
    VolumeScene {
        volume: volume.clone(),
        time_point: 0,
        camera,
        size_px: [96, 80],
        mode,
        step_mm: VolumeScene::full_quality_step_mm(geometry) * 0.5,
        crop: CropBox::whole(geometry),
        clip_planes: Vec::new(),
        jitter_frame: 0,
    }
}

fn head() -> Arc<Volume> {
    Arc::new(phantom::head(Dims::new(56, 60, 44), DVec3::new(1.0, 1.0, 1.4), DMat3::from_rotation_y(0.2)))
}

fn level(picture: &ImageF32, x: u32, y: u32) -> f64 {
    let shown = picture.to_srgb8([0.0; 3]);
    shown.pixel(x, y).map_or(f64::NAN, |pixel| f64::from(pixel[0]))
}

/// A block of 40 × 30 × 20 voxels of a millimetre from the front, without perspective: 40 mm wide and 20 mm high.
pub(super) fn length(_: &Workplace, painter: &mut Painter) -> Result<Measured, SelftestError> {
    let block = [(12, 52), (17, 47), (22, 42)];
    let is_inside =
        |index: [usize; 3]| index.iter().zip(block).all(|(i, (low, high))| (low..high).contains(i));
    let volume = volume_of([64; 3], DVec3::ZERO, DMat3::IDENTITY, |i| if is_inside(i) { 1000 } else { 0 })?;
    let volume = Arc::new(volume);
    let height_mm = 60.0;
    let camera = Camera {
        projection: Projection::Orthographic { height_mm },
        ..Camera::orbit(volume.geometry(), 0.0, 0.0, 1.0)
    };
    let grey = GreyMapping { window: Window::spanning(499.0, 501.0), is_inverted: false };
    let size = 240u32;
    let scene = VolumeScene { size_px: [size; 2], ..scene(&volume, camera, VolumeMode::Mip { grey }) };
    let picture = painter.volume(&scene)?;
    let shown = picture.to_srgb8([0.0; 3]);
    let lit = |at: &dyn Fn(u32) -> (u32, u32)| {
        let is_lit = |i: &u32| {
            let (x, y) = at(*i);
            shown.pixel(x, y).is_some_and(|pixel| pixel[0] > 127)
        };
        (0..size).filter(is_lit).count() as f64 * height_mm / f64::from(size)
    };
    let (across, along) = (lit(&|i| (i, size / 2)), lit(&|i| (size / 2, i)));
    // Half way between two voxels lies the edge of a block; a pixel is 0.25 mm.
    Ok(Measured { deviation: worst([across - 40.0, along - 20.0]), limit: 0.5, unit: "mm" })
}

/// Root of the mean square of the differences of two pictures, which must show something.
fn difference(found: &ImageF32, expected: &ImageF32) -> Result<Measured, SelftestError> {
    let visible = expected.pixels.iter().filter(|pixel| pixel[3] > 0.05).count();
    let same_size = (found.width, found.height) == (expected.width, expected.height);
    if visible * 20 < expected.pixels.len() || !same_size {
        return Err(SelftestError::unexpected("the picture of the reference is empty"));
    }
    let (found, expected) = (found.to_srgb8([0.0; 3]), expected.to_srgb8([0.0; 3]));
    let squares = found.rgba.iter().zip(&expected.rgba).map(|(f, e)| (f64::from(*f) - f64::from(*e)).powi(2));
    // Three colours count; the fourth byte is always full.
    let mean = squares.sum::<f64>() / (found.rgba.len() as f64 * 0.75);
    // 45 dB: the texture unit keeps 8 bits of a fraction, and a ray may gain or lose its last sample at an edge.
    Ok(Measured { deviation: mean.sqrt(), limit: 1.43, unit: "levels RMS" })
}

pub(super) fn mip(_: &Workplace, painter: &mut Painter) -> Result<Measured, SelftestError> {
    let volume = head();
    let grey = GreyMapping { window: Window::linear(450.0, 2400.0), is_inverted: false };
    let camera = Camera::orbit(volume.geometry(), 0.5, 0.35, 1.4);
    let scene = scene(&volume, camera, VolumeMode::Mip { grey });
    difference(&painter.volume(&scene)?, &reference::volume(&scene)?)
}

pub(super) fn lit(_: &Workplace, painter: &mut Painter) -> Result<Measured, SelftestError> {
    let volume = head();
    let point = |value, color, opacity| ControlPoint { value, color, opacity };
    let transfer_function = Arc::new(TransferFunction::new(
        [
            point(-200.0, [0.0; 3], 0.0),
            point(30.0, [0.8, 0.4, 0.3], 0.08),
            point(300.0, [1.0, 0.8, 0.6], 0.3),
            point(1000.0, [1.0; 3], 0.6),
        ],
        1.0,
    ));
    let mode = VolumeMode::Composite { transfer_function, lighting: Some(Lighting::default()) };
    let scene = scene(&volume, Camera::orbit(volume.geometry(), -0.7, 0.4, 1.3), mode);
    difference(&painter.volume(&scene)?, &reference::volume(&scene)?)
}

pub(super) fn cube(_: &Workplace, painter: &mut Painter) -> Result<Measured, SelftestError> {
    let volume = head();
    let geometry = *volume.geometry();
    let oblique = SlicePlane::oblique_axes(DVec3::new(0.3, -0.5, 0.8), DVec3::Z);
    let (right, down) = oblique.ok_or_else(|| SelftestError::unexpected("an oblique plane has no axes"))?;
    let size_px = [96, 80];
    let slice = SliceScene {
        time_point: 0,
        plane: SlicePlane::fitted(right, down, &geometry, geometry.center_lps(), size_px),
        size_px,
        interpolation: Interpolation::Linear,
        slab: Slab::default(),
        grey: GreyMapping { window: Window::linear(40.0, 400.0), is_inverted: false },
        volume,
        color_map: None,
        layers: Vec::new(),
    };
    let axis_colors = [[0.9, 0.2, 0.2], [0.2, 0.9, 0.2], [0.3, 0.4, 1.0]];
    let camera = Camera::orbit(&geometry, 0.6, 0.4, 1.2);
    let scene = CubeScene { slice, camera, size_px, axis_colors };
    let found = painter.cube(&scene)?;
    if level(&found, 48, 40).is_nan() {
        return Err(SelftestError::unexpected("the picture has another size"));
    }
    difference(&found, &reference::cube(&scene)?)
}
