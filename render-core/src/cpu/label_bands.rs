//! Labels over a slice: the nearest label of each pixel of a row, then fill and outline of whole bands.
//!
//! Along a row the index grows linearly, so the pixels that lie inside the volume are one run, found once; within it
//! nothing needs to be checked, and in planes along the grid most of the index stays the same.

use std::ops::Range;

use glam::DVec3;
use imaging::volume::Voxels;
use rayon::prelude::*;

use super::paint::blended;
use crate::layers::{LabelColors, LabelLayer, middle_out};
use crate::scene::SliceScene;

/// A label layer, ready to be blended over bands of a picture.
pub(crate) struct LabelBands<'a> {
    view: LabelView<'a>,
    /// Inside a region and on its outline.
    opacities: [f32; 2],
    reach: usize,
}

/// Where the labels of pixels are found.
struct LabelView<'a> {
    labels: Labels<'a>,
    colors: &'a LabelColors,
    dims: [usize; 3],
    width: usize,
    height: usize,
    /// Continuous index of the first pixel's centre, and its change along a row and down a column.
    first: DVec3,
    per_column: DVec3,
    per_row: DVec3,
    /// Samples through the slab in continuous index, in the order in which they are looked at.
    offsets: Vec<DVec3>,
}

#[derive(Clone, Copy)]
enum Labels<'a> {
    U8(&'a [u8]),
    U16(&'a [u16]),
}

/// The labels of a layer, one per pixel; twin of [`crate::reference::slice_labels`].
pub(crate) fn labels(layer: &LabelLayer, scene: &SliceScene) -> Vec<u16> {
    let view = LabelView::new(layer, scene);
    let mut labels = vec![0; view.width * view.height];
    labels.par_chunks_mut(view.width).enumerate().for_each(|(y, row)| view.find(y, row));
    labels
}

impl<'a> LabelBands<'a> {
    /// `scene` is validated.
    pub(crate) fn new(layer: &'a LabelLayer, scene: &SliceScene) -> Self {
        let reach = layer.outline_reach_px() as usize;
        Self { view: LabelView::new(layer, scene), opacities: layer.opacities(), reach }
    }

    /// Blends over rows of the picture from `first_row` on.
    pub(crate) fn blend_band(&self, first_row: usize, bytes: &mut [u8]) {
        let width = self.view.width;
        let row_count = bytes.len() / (width * 4);
        // Outlines also depend on the rows around the band.
        let start = first_row.saturating_sub(self.reach);
        let end = (first_row + row_count + self.reach).min(self.view.height);
        let mut labels = vec![0; (end - start) * width];
        for (i, row) in labels.chunks_exact_mut(width).enumerate() {
            self.view.find(start + i, row);
        }
        if labels.iter().all(|&label| label == 0) {
            return;
        }
        let rows: Vec<&[u16]> = labels.chunks_exact(width).collect();
        let mut differs = vec![0; width];
        for (i, line) in bytes.chunks_exact_mut(width * 4).enumerate() {
            let at = first_row - start + i;
            self.compare(&rows, at, &mut differs);
            if let Some(row) = rows.get(at) {
                self.blend_row(row, &differs, line);
            }
        }
    }

    /// Makes not 0 what differs from a pixel within reach.
    fn compare(&self, rows: &[&[u16]], at: usize, differs: &mut [u16]) {
        differs.fill(0);
        let Some(row) = rows.get(at) else { return };
        for k in 1..=self.reach {
            let above = at.checked_sub(k).and_then(|i| rows.get(i));
            for other in above.into_iter().chain(rows.get(at + k)) {
                mark(differs, row, other);
            }
            if let (Some(rest), Some(shifted)) = (row.get(..row.len().saturating_sub(k)), row.get(k..)) {
                mark(differs, rest, shifted);
                mark(differs.get_mut(k..).unwrap_or_default(), shifted, rest);
            }
        }
    }

    fn blend_row(&self, row: &[u16], differs: &[u16], line: &mut [u8]) {
        let [inside, on_outline] = self.opacities;
        for ((&label, &differs), pixel) in row.iter().zip(differs).zip(line.chunks_exact_mut(4)) {
            if label != 0 {
                let opacity = if differs == 0 { inside } else { on_outline };
                for (byte, own) in pixel.iter_mut().zip(self.view.colors.color(label)) {
                    *byte = blended(*byte, f32::from(own), opacity);
                }
            }
        }
    }
}

fn mark(differs: &mut [u16], row: &[u16], other: &[u16]) {
    for ((differs, a), b) in differs.iter_mut().zip(row).zip(other) {
        *differs |= a ^ b;
    }
}

impl<'a> LabelView<'a> {
    fn new(layer: &'a LabelLayer, scene: &SliceScene) -> Self {
        let geometry = layer.labels.geometry();
        let to_index = geometry.index_from_lps();
        let plane = &scene.plane;
        let offsets_mm = scene.slab.offsets_mm(geometry);
        let normal = to_index.transform_vector3(plane.normal());
        Self {
            labels: match layer.labels.volume().voxels() {
                Voxels::U8(labels) => Labels::U8(labels),
                Voxels::U16(labels) => Labels::U16(labels),
                // A label volume has no others.
                _ => Labels::U8(&[]),
            },
            colors: &layer.colors,
            dims: geometry.dims().to_array(),
            width: scene.size_px[0] as usize,
            height: scene.size_px[1] as usize,
            first: to_index.transform_point3(plane.lps_from_px(0.5, 0.5, scene.size_px)),
            per_column: to_index.transform_vector3(plane.right * plane.mm_per_px),
            per_row: to_index.transform_vector3(plane.down * plane.mm_per_px),
            offsets: middle_out(offsets_mm.len())
                .filter_map(|i| offsets_mm.get(i))
                .map(|&mm| normal * mm)
                .collect(),
        }
    }

    /// Shown labels of a row of pixels, which holds zeros before.
    fn find(&self, y: usize, row: &mut [u16]) {
        for &offset in &self.offsets {
            // Half a voxel up, so that the whole part is the nearest voxel.
            let start = self.first + self.per_row * y as f64 + offset + 0.5;
            match self.labels {
                Labels::U8(labels) => self.fill(start, labels, row),
                Labels::U16(labels) => self.fill(start, labels, row),
            }
        }
    }

    /// Fills what is still 0 with labels whose index begins at `start`.
    fn fill<T: Copy + Into<u16>>(&self, start: DVec3, labels: &[T], row: &mut [u16]) {
        let step = self.per_column;
        let [nx, ny, _] = self.dims;
        let line_at = |at: DVec3| (at.z as i64 as usize * ny + at.y as i64 as usize) * nx;
        let run = self.inside(start);
        let Some(pixels) = row.get_mut(run.clone()).filter(|pixels| !pixels.is_empty()) else { return };
        let is_along_line = step.y == 0.0 && step.z == 0.0;
        let first_line = line_at(start + step * run.start as f64);
        for (x, pixel) in run.zip(pixels) {
            if *pixel != 0 {
                continue;
            }
            let at = start + step * x as f64;
            let line = if is_along_line { first_line } else { line_at(at) };
            let label = labels.get(line + at.x as i64 as usize).map_or(0, |&label| label.into());
            if label != 0 && self.colors.is_visible(label) {
                *pixel = label;
            }
        }
    }

    /// The pixels of a row that lie inside the volume; one run, because the index grows or falls all along.
    fn inside(&self, start: DVec3) -> Range<usize> {
        let end = DVec3::from_array(self.dims.map(|n| n as f64));
        let is_inside = |x: usize| {
            let at = start + self.per_column * x as f64;
            at.cmpge(DVec3::ZERO).all() && at.cmplt(end).all()
        };
        let (mut low, mut high) = (0.0, self.width as f64);
        for axis in 0..3 {
            let (a, step) = (start[axis], self.per_column[axis]);
            if step != 0.0 {
                let (t, u) = (-a / step, (end[axis] - a) / step);
                low = f64::max(low, t.min(u).floor() - 1.0);
                high = f64::min(high, t.max(u).ceil() + 1.0);
            }
        }
        // Rounding decides at the ends as it does in between.
        let (mut low, mut high) = (low as usize, high.max(0.0) as usize);
        while low < high && !is_inside(low) {
            low += 1;
        }
        while low < high && !is_inside(high - 1) {
            high -= 1;
        }
        low..high.max(low)
    }
}
