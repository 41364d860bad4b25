//! Every implementation of a slice side by side: the reference, the processor twice, and the GPU where there is one.
#![allow(dead_code, reason = "every test program uses another part")]

use imaging::label_volume::LabelVolume;
use imaging::volume::{Volume, VolumeMeta, Voxels};
use render_core::color_map::ColorMap;
use render_core::cpu::CpuRenderer;
use render_core::gpu::{GpuOptions, GpuRenderer};
use render_core::image::Image8;
use render_core::layers::{LabelColors, LabelLayer, SliceLayer};
use render_core::scene::{GreyMapping, Interpolation, Slab, SlicePlane, SliceScene};
use render_core::{reference, testing};

use std::sync::Arc;

use glam::DVec3;
use imaging::geometry::{Dims, Geometry};
use imaging::intensity::Window;

pub(crate) struct Painters {
    native: CpuRenderer,
    portable: CpuRenderer,
    gpu: Option<GpuRenderer>,
}

impl Painters {
    pub(crate) fn new() -> Self {
        Self {
            native: CpuRenderer::new(),
            portable: CpuRenderer::new().portable(),
            gpu: testing::gpu_renderer(GpuOptions::default()),
        }
    }

    /// The picture of each, the reference's first.
    pub(crate) fn pictures(&mut self, scene: &SliceScene) -> Vec<(&'static str, Image8)> {
        let mut pictures = vec![
            ("reference", reference::slice(scene).unwrap()),
            ("native", self.native.slice(scene).unwrap()),
            ("portable", self.portable.slice(scene).unwrap()),
        ];
        pictures.extend(self.gpu.as_mut().map(|gpu| ("GPU", gpu.slice(scene).unwrap())));
        pictures
    }

    /// The labels of each, the reference's first.
    pub(crate) fn labels(&mut self, scene: &SliceScene, layer: &LabelLayer) -> Vec<(&'static str, Vec<u16>)> {
        let mut labels = vec![
            ("reference", reference::slice_labels(scene, layer).unwrap()),
            ("processor", self.native.slice_labels(scene, layer).unwrap()),
        ];
        labels.extend(self.gpu.as_mut().map(|gpu| ("GPU", gpu.slice_labels(scene, layer).unwrap())));
        labels
    }
}

/// A box of cubic voxels whose lower corner (the edge, not the centre) is at `corner`.
pub(crate) fn grid(dims: [usize; 3], corner: DVec3, spacing_mm: f64) -> Geometry {
    let dims = Dims::new(dims[0], dims[1], dims[2]);
    Geometry::axis_aligned(dims, corner + 0.5 * spacing_mm, DVec3::splat(spacing_mm)).unwrap()
}

/// One value per voxel.
pub(crate) fn each<T>(geometry: &Geometry, value: impl Fn([usize; 3]) -> T) -> Vec<T> {
    let d = geometry.dims();
    let index = |i: usize| [i % d.x, i / d.x % d.y, i / (d.x * d.y)];
    (0..d.x * d.y * d.z).map(|i| value(index(i))).collect()
}

pub(crate) fn scalar(geometry: Geometry, voxels: impl Into<Voxels>) -> Arc<Volume> {
    Arc::new(Volume::new(VolumeMeta::scalar(geometry), voxels).unwrap())
}

pub(crate) fn labels(geometry: Geometry, voxels: impl Into<Voxels>) -> Arc<LabelVolume> {
    Arc::new(LabelVolume::from_volume(&scalar(geometry, voxels), 0).unwrap())
}

/// Fill and outline of all labels in their own colours.
pub(crate) fn label_layer(labels: &Arc<LabelVolume>, fill: f32, outline: f32, outline_px: u32) -> LabelLayer {
    LabelLayer {
        labels: labels.clone(),
        colors: Arc::new(LabelColors::new()),
        fill_opacity: fill,
        outline_opacity: outline,
        outline_px,
    }
}

/// Looks along z at the picture's upper left corner `corner`.
pub(crate) fn along_z(corner: DVec3, size_px: [u32; 2], mm_per_px: f64) -> SlicePlane {
    let half = DVec3::new(f64::from(size_px[0]), f64::from(size_px[1]), 0.0) * (0.5 * mm_per_px);
    SlicePlane { center_lps: corner + half, right: DVec3::X, down: DVec3::Y, mm_per_px }
}

pub(crate) fn scene(
    volume: &Arc<Volume>,
    plane: SlicePlane,
    size_px: [u32; 2],
    layers: Vec<SliceLayer>,
) -> SliceScene {
    SliceScene {
        volume: volume.clone(),
        time_point: 0,
        plane,
        size_px,
        interpolation: Interpolation::Linear,
        slab: Slab::default(),
        grey: GreyMapping { window: Window::linear(128.0, 256.0), is_inverted: false },
        color_map: None,
        layers,
    }
}

pub(crate) fn map(id: &str) -> Arc<ColorMap> {
    ColorMap::by_id(id).unwrap()
}

/// Colours of a picture, without alpha.
pub(crate) fn colors(picture: &Image8) -> Vec<[u8; 3]> {
    picture.rgba.chunks_exact(4).map(|p| [p[0], p[1], p[2]]).collect()
}

/// Largest difference of two pictures, and how many bytes differ by more than one level.
pub(crate) fn difference(a: &Image8, b: &Image8) -> (u8, usize) {
    assert_eq!((a.width, a.height), (b.width, b.height));
    let each = a.rgba.iter().zip(&b.rgba).map(|(a, b)| a.abs_diff(*b));
    (each.clone().max().unwrap_or(0), each.filter(|&d| d > 1).count())
}
