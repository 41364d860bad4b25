//! Labels what lies between two modality values, component by component, and measures it.

use clap::{Args, ValueEnum};
use glam::DVec3;
use imaging::geometry::{Dims, Geometry};
use imaging::labelmap::voxel_volume_mm3;
use imaging::memory;
use imaging::with_voxels;
use serde::Serialize;

use crate::components::{Component, Components, Connectivity};
use crate::input::{InputOptions, InputVolume};
use crate::modality::NumberType;
use crate::operator::{Context, Operator};
use crate::threshold::Threshold;
use crate::{OperatorError, metaimage, output};

const MAX_LABELS: usize = u8::MAX as usize;

/// Sides of the volume that a component may be told not to touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Sides {
    /// Any may be touched
    #[default]
    None,
    /// The first and last index along x and y
    Xy,
    /// The first and last index along every axis
    Xyz,
}

/// Parameters of the operator.
#[derive(Debug, Clone, Args)]
#[group(skip)]
#[expect(missing_docs, reason = "documented at its type")]
pub struct ThresholdSegmentation {
    #[command(flatten)]
    pub input: InputOptions,
    #[command(flatten)]
    pub threshold: Threshold,
    /// Neighbours of a voxel: 6 (faces) or 26 (faces, edges, corners)
    #[arg(long, default_value = "6", value_parser = ["6", "26"])]
    pub connectivity: String,
    /// Leave out components that touch these sides of the volume (air around the patient)
    #[arg(long, value_enum, default_value_t, value_name = "SIDES")]
    pub exclude_border: Sides,
    /// Keep the N largest components, each with its own label; without this and --at-least-ml everything has label 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=255))]
    pub largest: Option<u16>,
    /// Keep components of at least this size, each with its own label
    #[arg(long, value_name = "ML")]
    pub at_least_ml: Option<f64>,
    /// Give all that is kept label 1
    #[arg(long)]
    pub merge: bool,
    /// Fill cavities that do not reach the volume's border
    #[arg(long)]
    pub fill_holes: bool,
    /// Compress the label map with zlib
    #[arg(long)]
    pub compress: bool,
}

/// `mask.json`.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Report<'a> {
    dims: [usize; 3],
    spacing_mm: [f64; 3],
    origin_lps_mm: [f64; 3],
    /// Unit vectors of the index axes, one after the other.
    direction: [f64; 9],
    voxel_ml: f64,
    geometry: &'a str,
    warnings: &'a [String],
    min: Option<f64>,
    max: Option<f64>,
    connectivity: u8,
    components_found: usize,
    hole_voxels_filled: u64,
    labels: Vec<Label>,
}

/// What one label covers.
#[derive(Debug, Clone, PartialEq, Serialize)]
struct Label {
    label: u8,
    voxels: u64,
    ml: f64,
    centroid_lps_mm: [f64; 3],
    /// First and last index, both included.
    first_index: [usize; 3],
    last_index: [usize; 3],
    /// Box along the patient's axes around the voxels' edges.
    min_lps_mm: [f64; 3],
    max_lps_mm: [f64; 3],
}

impl Operator for ThresholdSegmentation {
    fn run(&self, context: &Context<'_>) -> Result<(), OperatorError> {
        self.threshold.check()?;
        if self.at_least_ml.is_some_and(|ml| !(ml >= 0.0 && ml.is_finite())) {
            return Err(OperatorError::Parameter { what: "--at-least-ml is not a volume".to_owned() });
        }
        let input = InputVolume::read(context, &self.input)?;
        let (dims, geometry) = (input.dims(), input.geometry());
        let components = with_voxels!(input.stored(), samples => {
            Components::of(dims, self.neighbours(), self.threshold.test(&input, samples))
        })?;
        let found = components.all().len();
        context.listener.progress(&format!("found {found} components"));
        let label_of = self.labels_of(&components, geometry)?;
        let count = dims.checked_count().unwrap_or(usize::MAX);
        let mut labels: Vec<u8> =
            memory::zeroed(count).map_err(|needed_bytes| OperatorError::NoMemory { needed_bytes })?;
        components.for_each_run(|component, first, len| {
            let label = label_of.get(component).copied().unwrap_or(0);
            labels.get_mut(first..first + len).unwrap_or_default().fill(label);
        });
        drop(components);
        let filled = if self.fill_holes { self.fill(&mut labels, dims)? } else { 0 };
        let measured = measured(&labels, geometry);
        if measured.is_empty() {
            context.listener.warning("nothing was found; the label map is empty");
        }
        for label in &measured {
            let Label { label, voxels, ml, .. } = label;
            context.listener.progress(&format!("label {label}: {voxels} voxels, {ml:.3} ml"));
        }
        let report = Report {
            dims: dims.to_array(),
            spacing_mm: geometry.spacing_mm().to_array(),
            origin_lps_mm: geometry.origin_lps().to_array(),
            direction: geometry.direction().to_cols_array(),
            voxel_ml: voxel_volume_mm3(geometry) / 1000.0,
            geometry: input.geometry_level().name(),
            warnings: input.warnings(),
            min: Some(self.threshold.min).filter(|v| v.is_finite()),
            max: Some(self.threshold.max).filter(|v| v.is_finite()),
            connectivity: if self.neighbours() == Connectivity::Faces { 6 } else { 26 },
            components_found: found,
            hole_voxels_filled: filled,
            labels: measured,
        };
        let header =
            metaimage::Header { geometry, number_type: NumberType::U8, is_compressed: self.compress };
        output::write_file(&context.output, "mask.mha", |out| {
            metaimage::write(header, |out| out.write_all(&labels), out)
        })?;
        output::write_file(&context.output, "mask.json", |out| {
            serde_json::to_writer_pretty(&mut *out, &report)?;
            out.write_all(b"\n")
        })?;
        context.listener.progress("wrote mask.mha and mask.json");
        Ok(())
    }
}

impl ThresholdSegmentation {
    fn neighbours(&self) -> Connectivity {
        if self.connectivity == "26" { Connectivity::Corners } else { Connectivity::Faces }
    }

    /// The label of each component; 0 for those that are not kept.
    fn labels_of(&self, components: &Components, geometry: &Geometry) -> Result<Vec<u8>, OperatorError> {
        let axes = match self.exclude_border {
            Sides::None => [false; 3],
            Sides::Xy => [true, true, false],
            Sides::Xyz => [true; 3],
        };
        let voxel_ml = voxel_volume_mm3(geometry) / 1000.0;
        let is_wanted = |component: &Component| {
            !component.touches_border(geometry.dims(), axes)
                && self.at_least_ml.is_none_or(|ml| component.voxels as f64 * voxel_ml >= ml)
        };
        let is_one = self.merge || (self.largest.is_none() && self.at_least_ml.is_none());
        let most = self.largest.map_or(usize::MAX, usize::from);
        let mut kept = 0;
        let mut labels = Vec::with_capacity(components.all().len());
        for component in components.all() {
            let is_kept = kept < most && is_wanted(component);
            kept += usize::from(is_kept);
            // Checked below, before anyone sees it.
            labels.push(if !is_kept {
                0
            } else if is_one {
                1
            } else {
                kept as u8
            });
        }
        if !is_one && kept > MAX_LABELS {
            return Err(OperatorError::TooManyLabels { found: kept, max: MAX_LABELS });
        }
        Ok(labels)
    }

    /// Gives cavities the label of what is before their first voxel; how many voxels there were.
    ///
    /// Neighbourhood of the background is the other one, so that a closed surface has an inside (Rosenfeld, 1970). An
    /// axis with one voxel only has no border.
    fn fill(&self, labels: &mut [u8], dims: Dims) -> Result<u64, OperatorError> {
        let other = match self.neighbours() {
            Connectivity::Faces => Connectivity::Corners,
            Connectivity::Corners => Connectivity::Faces,
        };
        let background = Components::of(dims, other, |i| labels.get(i).is_some_and(|&label| label == 0))?;
        let holes: Vec<bool> =
            background.all().iter().map(|hole| !hole.touches_border(dims, [true; 3])).collect();
        let mut label_of: Vec<u8> = vec![0; holes.len()];
        let mut filled = 0;
        background.for_each_run(|component, first, len| {
            if holes.get(component) != Some(&true) {
                return;
            }
            let before = first.checked_sub(1).and_then(|i| labels.get(i)).copied().unwrap_or(0);
            let Some(label) = label_of.get_mut(component) else { return };
            if *label == 0 {
                *label = before;
            }
            labels.get_mut(first..first + len).unwrap_or_default().fill(*label);
            filled += len as u64;
        });
        Ok(filled)
    }
}

fn measured(labels: &[u8], geometry: &Geometry) -> Vec<Label> {
    let d = geometry.dims();
    let mut found: Vec<Option<Component>> = vec![None; MAX_LABELS + 1];
    for (row, values) in labels.chunks(d.x.max(1)).enumerate() {
        let mut x = 0;
        for run in values.chunk_by(|a, b| a == b) {
            let label = run.first().copied().unwrap_or(0);
            if label > 0
                && let Some(place) = found.get_mut(usize::from(label))
            {
                let part = Component::of_voxels(x..x + run.len(), row % d.y, row / d.y);
                place.get_or_insert(Component::NOTHING).add(&part);
            }
            x += run.len();
        }
    }
    let label = |(label, component): (usize, Option<Component>)| {
        component.map(|component| label_of(label as u8, &component, geometry))
    };
    found.into_iter().enumerate().filter_map(label).collect()
}

fn label_of(label: u8, component: &Component, geometry: &Geometry) -> Label {
    let [first_index, last_index] = component.bounds;
    let corner = |i: usize| {
        let pick = |axis: usize| {
            let of = |index: [usize; 3]| index.get(axis).map_or(f64::NAN, |&i| i as f64);
            if i >> axis & 1 == 0 { of(first_index) - 0.5 } else { of(last_index) + 0.5 }
        };
        geometry.lps_from_index().transform_point3(DVec3::new(pick(0), pick(1), pick(2)))
    };
    let (low, high) =
        (0..8).map(corner).fold((DVec3::INFINITY, DVec3::NEG_INFINITY), |(low, high), corner| {
            (low.min(corner), high.max(corner))
        });
    let centroid = geometry.lps_from_index().transform_point3(component.mean_index().into());
    Label {
        label,
        voxels: component.voxels,
        ml: component.voxels as f64 * voxel_volume_mm3(geometry) / 1000.0,
        centroid_lps_mm: centroid.to_array(),
        first_index,
        last_index,
        min_lps_mm: low.to_array(),
        max_lps_mm: high.to_array(),
    }
}
