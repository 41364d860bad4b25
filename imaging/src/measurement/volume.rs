//! The volume of a region that is drawn on several parallel slices.

use super::metric::{LengthUnit, Metric};
use super::pixels::{self, Found, Placement};
use super::quantity::quantities;
use super::receipt::{PlaneKind, Receipt};
use super::{Dimension, Drawing, MeasureInput, Quantity, QuantityName, RegionPixels};

/// What regions on parallel slices amount to.
#[derive(Debug, Clone, PartialEq)]
pub struct VolumeMeasured {
    /// The volume, then the area and distance it rests on are in the receipt.
    pub volume: Quantity,
    /// Planes that hold a region.
    pub plane_count: usize,
    /// Pixels of all regions together; a voxel that lies in two of them counts once on source voxels.
    pub pixels: RegionPixels,
    /// What all of it rests on.
    pub receipt: Receipt,
}

/// Why regions make no volume.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum NoVolume {
    #[error("there is no finished region")]
    NoRegion,
    #[error("a `{kind}` encloses no area")]
    NotARegion { kind: &'static str },
    #[error("the regions lie in planes that are not parallel")]
    NotParallel,
    #[error("there is no distance across the plane: it is a single oblique one, or an ultrasound picture")]
    NoThickness,
    #[error("a region crosses itself too often to have an area")]
    NoArea,
    #[error("the regions have lengths of different sources")]
    MixedUnits,
}

/// Planes closer than this share of a voxel are one.
const SAME_PLANE: f64 = 0.01;
/// Planes that lean less than this against each other are parallel (0.06°).
const PARALLEL_SINE: f64 = 1e-3;

/// Regions of one plane.
struct Slab<'a> {
    height_mm: f64,
    regions: Vec<&'a Drawing>,
}

/// Adds up regions on parallel planes: area times slice distance.
///
/// Each plane stands for the space half way to its neighbours, at their true positions. The first and the last also
/// stand for half a layer of voxels outwards (in oblique planes: for half the distance to their only neighbour). With a
/// region on every slice this is the sum of areas times slice distance; slices that were left out between two regions
/// are filled from both, and the receipt says how many. Regions of one plane are added.
///
/// # Errors
/// [`NoVolume`] where that is no number.
pub fn region_volume(drawings: &[&Drawing], input: &MeasureInput<'_>) -> Result<VolumeMeasured, NoVolume> {
    let first = drawings.first().ok_or(NoVolume::NoRegion)?;
    let normal = first.plane().normal();
    let mut metrics = Vec::new();
    for drawing in drawings {
        if !drawing.kind().is_region() || !drawing.is_complete() {
            return Err(NoVolume::NotARegion { kind: drawing.kind().id() });
        }
        if drawing.plane().normal().cross(normal).length() > PARALLEL_SINE {
            return Err(NoVolume::NotParallel);
        }
        metrics.push(Metric::of(drawing, input));
    }
    let metric = metrics.first().ok_or(NoVolume::NoRegion)?;
    if metrics.iter().any(|other| other.unit != metric.unit) {
        return Err(NoVolume::MixedUnits);
    }
    let reach = voxel_reach(first, input);
    let slabs = slabs(drawings, reach);
    let placement = Placement::of(first, input.volume.geometry());
    let layer_mm = (placement.kind != PlaneKind::Oblique).then_some(layer_distance(first, input));
    let (value, plus_minus) = sum(&slabs, metric, layer_mm)?;
    let placed: Vec<(&Drawing, Placement)> =
        drawings.iter().map(|drawing| (*drawing, Placement::of(drawing, input.volume.geometry()))).collect();
    let found = pixels::of_regions(&placed, input);
    Ok(measured(Total { value, plus_minus, slabs: &slabs, layer_mm }, metric, placement, found, input))
}

struct Total<'a> {
    value: f64,
    plus_minus: f64,
    slabs: &'a [Slab<'a>],
    layer_mm: Option<f64>,
}

fn measured(
    total: Total<'_>,
    metric: &Metric,
    placement: Placement,
    found: Found,
    input: &MeasureInput<'_>,
) -> VolumeMeasured {
    let mut volume = Quantity {
        name: QuantityName::Volume,
        value: Some(total.value),
        unit: metric.unit.label(3),
        plus_minus: Some(total.plus_minus),
    };
    super::withhold(std::slice::from_mut(&mut volume), &metric.unit, input);
    let across = total.slabs.first().and_then(|slab| slab.regions.first()).map(|drawing| drawing.plane());
    let plus_minus =
        across.map_or(0.0, |plane| metric.voxel_reach(plane.right()).max(metric.voxel_reach(plane.down())));
    let mut receipt = super::receipt(&metric.unit, plus_minus, placement, &found, input);
    receipt.notes.insert(0, rule(&total, &metric.unit));
    VolumeMeasured { volume, plane_count: total.slabs.len(), pixels: found.pixels, receipt }
}

/// How the volume came about, as a sentence.
fn rule(total: &Total<'_>, unit: &LengthUnit) -> String {
    let planes = total.slabs.len();
    let mut text = format!("Volume: area times slice distance of {planes} planes");
    let gaps = total.slabs.iter().zip(total.slabs.iter().skip(1)).map(|(a, b)| b.height_mm - a.height_mm);
    if let Some(layer) = total.layer_mm {
        let skipped: f64 = gaps.map(|gap| (gap / layer).round() - 1.0).filter(|&count| count > 0.0).sum();
        if skipped > 0.0 {
            text += &format!(
                "; {skipped} slices between them hold no region and are filled from their neighbours"
            );
        }
    }
    format!("{text} ({}).", unit.label(3))
}

/// Distance of neighbouring layers of voxels along the normal of a plane that lies in one.
fn layer_distance(drawing: &Drawing, input: &MeasureInput<'_>) -> f64 {
    let normal = drawing.plane().normal();
    let m = input.volume.geometry().lps_from_index().matrix3;
    let along = |step: glam::DVec3| step.dot(normal).abs();
    along(m.x_axis).max(along(m.y_axis)).max(along(m.z_axis))
}

/// Reach of a voxel along the normal, in mm of the grid.
fn voxel_reach(drawing: &Drawing, input: &MeasureInput<'_>) -> f64 {
    let steps = (input.volume.geometry().index_from_lps().matrix3 * drawing.plane().normal()).abs();
    1.0 / steps.max_element()
}

/// Sorts regions into planes, in order along the normal of the first.
fn slabs<'a>(drawings: &[&'a Drawing], voxel_mm: f64) -> Vec<Slab<'a>> {
    let Some(first) = drawings.first() else { return Vec::new() };
    let height = |drawing: &Drawing| first.plane().height_mm(drawing.center_lps());
    let mut sorted: Vec<(f64, &Drawing)> =
        drawings.iter().map(|drawing| (height(drawing), *drawing)).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut slabs: Vec<Slab<'a>> = Vec::new();
    for (height_mm, drawing) in sorted {
        match slabs.last_mut() {
            Some(slab) if height_mm - slab.height_mm <= SAME_PLANE * voxel_mm => slab.regions.push(drawing),
            _ => slabs.push(Slab { height_mm, regions: vec![drawing] }),
        }
    }
    slabs
}

/// Volume and how far it may be off: half a voxel all along every edge, and half a layer at both ends.
fn sum(slabs: &[Slab<'_>], metric: &Metric, layer_mm: Option<f64>) -> Result<(f64, f64), NoVolume> {
    let normal = slabs.first().and_then(|slab| slab.regions.first()).map(|drawing| drawing.plane().normal());
    // Regions of ultrasound pictures have no millimetres across the picture, but for rounding.
    let scale = normal.map(|normal| metric.length(normal)).filter(|scale| *scale > 1e-9);
    let scale = scale.ok_or(NoVolume::NoThickness)?;
    let height = |i: usize| slabs.get(i).map(|slab| slab.height_mm);
    let (mut volume, mut plus_minus) = (0.0, 0.0);
    for (i, slab) in slabs.iter().enumerate() {
        let here = slab.height_mm;
        let below = i.checked_sub(1).and_then(height).map(|other| here - other);
        let above = height(i + 1).map(|other| other - here);
        let outwards = |inwards: Option<f64>| layer_mm.or(inwards).ok_or(NoVolume::NoThickness);
        let thickness = 0.5
            * scale
            * match (below, above) {
                (Some(below), Some(above)) => below + above,
                (inwards, None) | (None, inwards) => {
                    let end = outwards(inwards)?;
                    // A lone plane ends on both sides.
                    inwards.unwrap_or(end) + end
                }
            };
        let (area, edge) = areas(&slab.regions, metric)?;
        volume += area * thickness;
        plus_minus += edge * thickness;
        let is_end = below.is_none() || above.is_none();
        if is_end {
            let ends = f64::from(u8::from(below.is_none()) + u8::from(above.is_none()));
            plus_minus += 0.5 * area * scale * ends * outwards(below.or(above))?;
        }
    }
    Ok((volume, plus_minus))
}

/// Sum of areas and of what they may be off.
fn areas(regions: &[&Drawing], metric: &Metric) -> Result<(f64, f64), NoVolume> {
    let mut sums = (0.0, 0.0);
    for drawing in regions {
        let found = quantities(drawing, metric);
        let area = found.iter().find(|quantity| quantity.name.dimension() == Dimension::Area);
        let area = area.ok_or(NoVolume::NoArea)?;
        sums.0 += area.value.unwrap_or(0.0);
        sums.1 += area.plus_minus.unwrap_or(0.0);
    }
    Ok(sums)
}
