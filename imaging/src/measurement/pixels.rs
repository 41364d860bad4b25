//! The voxels of a region: which, and what their values amount to.

use glam::{DMat3, DVec2, DVec3};
use rayon::prelude::*;

use super::curve::{ellipse, outline};
use super::receipt::{Interpolation, Layer, PixelCounts, PlaneKind};
use super::{Drawing, DrawingPlane, MeasureInput};
use crate::geometry::{Dims, Geometry};
use crate::labelmap::Mask;
use crate::statistics::region::{GridSlice, IndexAxis, Shape};
use crate::statistics::{self, Region, Sampling, Values};
use crate::volume::{Channels, Volume, VolumeMeta};

/// What the pixels of a region amount to.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionStatistics {
    /// Pixels with a value.
    pub count: u64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Standard deviation of the population (divisor n).
    pub sd: f64,
    /// Smallest value.
    pub min: f64,
    /// Largest value.
    pub max: f64,
    /// The 50th percentile.
    pub median: f64,
    /// Unit of the values; empty if there is none.
    pub unit: String,
}

/// The pixels of a drawing.
#[derive(Debug, Clone, PartialEq)]
pub enum RegionPixels {
    /// It encloses no area, or is not complete.
    NotARegion,
    /// There are none with a value: say "no pixels".
    NoPixels,
    /// What they amount to.
    Statistics(RegionStatistics),
    /// They cannot be measured.
    Refused(NoStatistics),
}

/// Why pixels have no statistics.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum NoStatistics {
    #[error("colours have no statistics")]
    Colour,
    #[error("time point {time_point} does not exist")]
    NoSuchTimePoint { time_point: usize },
    #[error("the region is too large to be resampled")]
    TooLarge,
}

/// Values in another unit than that of the image: standardised uptake, say.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueScale {
    /// Value in `unit` per modality value.
    pub factor: f64,
    /// Text to print after a value.
    pub unit: String,
}

/// Planes that lean less than this against a layer of voxels lie in it (0.06°).
const PARALLEL_SINE: f64 = 1e-3;
/// Index coordinates are rounded to this part of a pixel, so that drawings that end on pixel centres do so whatever
/// way their coordinates went.
const SNAP: f64 = 1_048_576.0;
/// Most samples of an oblique region.
const MAX_SAMPLES: usize = 1 << 22;

/// Where the plane of a drawing lies among the voxels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placement {
    pub(super) kind: PlaneKind,
    /// Of the nearest layer, if the plane is parallel to one and within the image.
    pub(super) layer: Option<Layer>,
}

impl Placement {
    pub(super) fn of(drawing: &Drawing, geometry: &Geometry) -> Self {
        let m = geometry.lps_from_index().matrix3;
        let axes = [(IndexAxis::Z, 2, m.x_axis, m.y_axis), (IndexAxis::Y, 1, m.x_axis, m.z_axis)];
        let axes = axes.into_iter().chain([(IndexAxis::X, 0, m.y_axis, m.z_axis)]);
        for (axis, number, u, v) in axes {
            let Some(normal) = u.cross(v).try_normalize() else { continue };
            if normal.cross(drawing.plane().normal()).length() > PARALLEL_SINE {
                continue;
            }
            let center = drawing.plane().foot(drawing.center_lps());
            let height = geometry.index_from_lps().transform_point3(center)[number];
            // Half way between two layers the higher index wins, as in `Geometry::nearest_index`.
            let nearest = (snapped(height) + 0.5).floor();
            let count = geometry.dims().to_array()[number];
            let apart_mm = m.col(number).dot(normal).abs();
            let is_inside = nearest >= 0.0 && nearest < count as f64;
            let layer = is_inside.then(|| Layer {
                axis,
                index: nearest as usize,
                distance_mm: (height - nearest).abs() * apart_mm,
            });
            let kind = if axis == IndexAxis::Z { PlaneKind::Acquired } else { PlaneKind::Reformatted };
            return Self { kind, layer };
        }
        Self { kind: PlaneKind::Oblique, layer: None }
    }
}

fn snapped(index: f64) -> f64 {
    (index * SNAP).round() / SNAP
}

/// What the pixels of regions hold.
pub(super) struct Found {
    pub(super) pixels: RegionPixels,
    pub(super) counts: PixelCounts,
    pub(super) interpolation: Option<Interpolation>,
}

impl Found {
    pub(super) fn nothing(pixels: RegionPixels) -> Self {
        Self { pixels, counts: PixelCounts::default(), interpolation: None }
    }
}

/// Refusals that hold for every region of an image.
pub(super) fn refusal(input: &MeasureInput<'_>) -> Option<NoStatistics> {
    if input.volume.channels() != Channels::Scalar {
        return Some(NoStatistics::Colour);
    }
    let time_point = input.time_point;
    (time_point >= input.volume.time_points()).then_some(NoStatistics::NoSuchTimePoint { time_point })
}

/// Measures the pixels of a region.
pub(super) fn of_region(drawing: &Drawing, placement: Placement, input: &MeasureInput<'_>) -> Found {
    of_regions(&[(drawing, placement)], input)
}

/// Measures the pixels of regions together; each voxel counts once.
pub(super) fn of_regions(regions: &[(&Drawing, Placement)], input: &MeasureInput<'_>) -> Found {
    if let Some(reason) = refusal(input) {
        return Found::nothing(RegionPixels::Refused(reason));
    }
    if regions.iter().all(|(_, placement)| placement.kind != PlaneKind::Oblique) {
        return source_voxels(regions, input);
    }
    let volume = input.volume;
    let step_mm = volume.geometry().spacing_mm().min_element();
    let mut samples = Samples::default();
    for (drawing, _) in regions {
        match resampled(drawing, step_mm, input) {
            Ok(more) => samples.extend(more),
            Err(reason) => return Found::nothing(RegionPixels::Refused(reason)),
        }
    }
    let (inside, values) = (samples.inside, all_values(samples.values));
    let counted = values.as_ref().map_or(0, |values| values.count);
    Found {
        pixels: pixels(values, input),
        counts: PixelCounts { inside, beside_missing: inside - counted, ..PixelCounts::default() },
        interpolation: Some(Interpolation::Trilinear { step_mm }),
    }
}

fn source_voxels(regions: &[(&Drawing, Placement)], input: &MeasureInput<'_>) -> Found {
    let geometry = input.volume.geometry();
    let shape = |(drawing, placement): &(&Drawing, Placement)| {
        let layer = placement.layer?;
        let slice = GridSlice { axis: layer.axis, index: layer.index };
        Some((slice, shape_in(drawing, slice, geometry)))
    };
    let shapes: Vec<(GridSlice, Shape)> = regions.iter().filter_map(shape).collect();
    let sampling = Sampling { channel: 0, time_point: input.time_point };
    let measured = match shapes.as_slice() {
        [(slice, shape)] => {
            statistics::measure(input.volume, Region::Shape { slice: *slice, shape }, sampling)
        }
        several => {
            let mut mask = Mask::empty(*geometry);
            for (slice, shape) in several {
                shape.runs(*slice, geometry.dims()).into_iter().for_each(|run| mask.add(run));
            }
            statistics::measure(input.volume, Region::Mask(&mask), sampling)
        }
    };
    // The sample exists and the mask has the volume's own grid.
    let Ok(found) = measured else { return Found::nothing(RegionPixels::NoPixels) };
    Found {
        counts: PixelCounts {
            inside: found.voxel_count,
            padding: found.padding_count,
            in_empty_slices: found.empty_slice_count,
            not_finite: found.non_finite_count,
            beside_missing: 0,
        },
        pixels: pixels(found.values, input),
        interpolation: Some(Interpolation::SourceVoxels),
    }
}

fn pixels(values: Option<Values>, input: &MeasureInput<'_>) -> RegionPixels {
    let Some(values) = values else { return RegionPixels::NoPixels };
    let factor = input.value_scale.map_or(1.0, |scale| scale.factor);
    let ends = [values.min * factor, values.max * factor];
    RegionPixels::Statistics(RegionStatistics {
        count: values.count,
        mean: values.mean * factor,
        sd: values.sd * factor.abs(),
        min: ends[0].min(ends[1]),
        max: ends[0].max(ends[1]),
        median: values.median() * factor,
        unit: value_unit(input),
    })
}

/// Text to print after a value.
pub(super) fn value_unit(input: &MeasureInput<'_>) -> String {
    match input.value_scale {
        Some(scale) => scale.unit.clone(),
        None => input.volume.unit().symbol().unwrap_or_default().to_owned(),
    }
}

/// The shape of a region in a slice of a grid.
fn shape_in(drawing: &Drawing, slice: GridSlice, geometry: &Geometry) -> Shape {
    let index_from_lps = geometry.index_from_lps();
    let point = |lps: DVec3| {
        let point = slice.point_at(index_from_lps.transform_point3(lps));
        DVec2::new(snapped(point.x), snapped(point.y))
    };
    match ellipse(drawing) {
        Some((center, semi_axes)) => Shape::Ellipse {
            center: point(center),
            semi_axes: semi_axes.map(|axis| slice.point_at(index_from_lps.transform_vector3(axis))),
        },
        None => {
            // Far finer than a pixel.
            let tolerance_mm = 1e-3 * geometry.spacing_mm().min_element();
            Shape::Polygon { vertices: outline(drawing, tolerance_mm).into_iter().map(point).collect() }
        }
    }
}

/// Trilinear samples of a region.
#[derive(Default)]
struct Samples {
    /// Within the edges of the image, with or without a value.
    inside: u64,
    values: Vec<f64>,
}

impl Samples {
    fn extend(&mut self, mut more: Self) {
        self.inside += more.inside;
        self.values.append(&mut more.values);
    }
}

/// Samples a region on a square lattice in its plane.
///
/// The lattice goes through the foot of the image's centre, so that it stays where it is while a region moves.
fn resampled(drawing: &Drawing, step_mm: f64, input: &MeasureInput<'_>) -> Result<Samples, NoStatistics> {
    let volume = input.volume;
    let Some(lattice) = lattice(drawing, step_mm, volume.geometry())? else { return Ok(Samples::default()) };
    let slice = GridSlice { axis: IndexAxis::Z, index: 0 };
    let shape = shape_in(drawing, slice, &lattice);
    let width = lattice.dims().x;
    let index_from_lattice = volume.geometry().index_from_lps() * lattice.lps_from_index();
    let sampling = Sampling { channel: 0, time_point: input.time_point };
    let end = volume.dims().as_dvec3() - 0.5;
    let row = |run: crate::statistics::region::Run| {
        let mut samples = Samples::default();
        for at in run.first..run.first + run.count {
            let place = DVec3::new((at % width) as f64, (at / width) as f64, 0.0);
            let index = index_from_lattice.transform_point3(place);
            if index.cmpge(DVec3::splat(-0.5)).all() && index.cmplt(end).all() {
                samples.inside += 1;
                samples.values.extend(statistics::trustworthy_value(volume, index, sampling));
            }
        }
        samples
    };
    let rows: Vec<Samples> = shape.runs(slice, lattice.dims()).into_par_iter().map(row).collect();
    let mut all = Samples::default();
    rows.into_iter().for_each(|row| all.extend(row));
    Ok(all)
}

/// The lattice of samples under a region, cut to what the image can reach; `None` if nothing is left.
fn lattice(drawing: &Drawing, step_mm: f64, image: &Geometry) -> Result<Option<Geometry>, NoStatistics> {
    let plane: &DrawingPlane = drawing.plane();
    let anchor = plane.project(image.center_lps());
    let steps = |lps: DVec3| (plane.project(lps) - anchor) / step_mm;
    let bounds = |points: &mut dyn Iterator<Item = DVec3>| {
        points
            .map(steps)
            .fold([DVec2::INFINITY, DVec2::NEG_INFINITY], |[low, high], p| [low.min(p), high.max(p)])
    };
    let [low, high] = bounds(&mut outline(drawing, step_mm).into_iter());
    let [image_low, image_high] = bounds(&mut image.corners_lps().into_iter());
    // Lines that stand for a curve may cut off a pixel.
    let (low, high) = ((low - 1.0).max(image_low).floor(), (high + 1.0).min(image_high).ceil());
    if !(low.is_finite() && high.is_finite() && low.cmple(high).all()) {
        return Ok(None);
    }
    let counts = high - low + 1.0;
    if counts.x * counts.y > MAX_SAMPLES as f64 {
        return Err(NoStatistics::TooLarge);
    }
    let dims = Dims::new(counts.x as usize, counts.y as usize, 1);
    let origin = plane.lift(anchor + low * step_mm);
    let direction = DMat3::from_cols(plane.right(), plane.down(), plane.normal());
    Ok(Geometry::new(dims, origin, DVec3::splat(step_mm), direction).ok())
}

/// Statistics of plain values.
fn all_values(values: Vec<f64>) -> Option<Values> {
    let geometry = Geometry::axis_aligned(Dims::new(values.len(), 1, 1), DVec3::ZERO, DVec3::ONE).ok()?;
    let volume = Volume::new(VolumeMeta::scalar(geometry), values).ok()?;
    statistics::measure(&volume, Region::Everything, Sampling::default()).ok()?.values
}
