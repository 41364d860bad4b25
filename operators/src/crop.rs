//! Cuts a volume to a box; every voxel that stays keeps its place in the patient.

use std::str::FromStr;

use clap::{ArgGroup, Args};
use glam::DVec3;
use imaging::geometry::Geometry;

use crate::input::{InputOptions, InputVolume};
use crate::modality::ModalityValues;
use crate::operator::{Context, Operator};
use crate::threshold::Threshold;
use crate::{OperatorError, metaimage, output};

/// Three numbers, written `x,y,z`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Triple<T>(pub [T; 3]);

impl<T: FromStr> FromStr for Triple<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers: Option<Vec<T>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
        let numbers = numbers.and_then(|numbers| numbers.try_into().ok());
        numbers.map(Self).ok_or_else(|| "three numbers like `1,2,3` are needed".to_owned())
    }
}

/// Parameters of the operator; exactly one way to name the box.
#[derive(Debug, Clone, Args)]
#[group(skip)]
#[command(group = ArgGroup::new("box").required(true).args(["first_index", "first_lps", "to_threshold"]))]
#[expect(missing_docs, reason = "documented at its type")]
pub struct Crop {
    #[command(flatten)]
    pub input: InputOptions,
    /// First voxel of the box, from 0
    #[arg(long, value_name = "X,Y,Z", requires = "size")]
    pub first_index: Option<Triple<usize>>,
    /// Voxels of the box along each axis
    #[arg(long, value_name = "X,Y,Z", requires = "first_index")]
    pub size: Option<Triple<usize>>,
    /// One corner of a box in the patient (LPS, mm); voxels whose centres lie in it stay
    #[arg(long, value_name = "X,Y,Z", requires = "last_lps", allow_hyphen_values = true)]
    pub first_lps: Option<Triple<f64>>,
    /// The opposite corner
    #[arg(long, value_name = "X,Y,Z", requires = "first_lps", allow_hyphen_values = true)]
    pub last_lps: Option<Triple<f64>>,
    /// Cut to the voxels between --min and --max
    #[arg(long)]
    pub to_threshold: bool,
    #[command(flatten)]
    pub threshold: Threshold,
    /// What stays around the box on each side, in mm; rounded up to whole voxels, ends at the volume's border
    #[arg(long, value_name = "MM", default_value_t = 0.0)]
    pub margin_mm: f64,
    /// Compress the voxels with zlib
    #[arg(long)]
    pub compress: bool,
}

/// First index and number of voxels along each axis.
type IndexBox = ([usize; 3], [usize; 3]);

impl Operator for Crop {
    fn run(&self, context: &Context<'_>) -> Result<(), OperatorError> {
        self.check()?;
        let input = InputVolume::read(context, &self.input)?;
        let (first, size) = self.index_box(&input)?;
        let values = ModalityValues::new(&input, first, size, context.listener)?;
        let dims = imaging::geometry::Dims::new(size[0], size[1], size[2]);
        let geometry = input.geometry().region(first, dims)?;
        context.listener.progress(&format!("box from {first:?}, {size:?} voxels"));
        let header = metaimage::Header {
            geometry: &geometry,
            number_type: values.number_type(),
            is_compressed: self.compress,
        };
        output::write_file(&context.output, "volume.mha", |out| {
            metaimage::write(header, |out| values.write_to(out), out)
        })?;
        context.listener.progress("wrote volume.mha");
        Ok(())
    }
}

impl Crop {
    fn check(&self) -> Result<(), OperatorError> {
        let bad = |what: &str| Err(OperatorError::Parameter { what: what.to_owned() });
        if !(self.margin_mm >= 0.0 && self.margin_mm.is_finite()) {
            return bad("--margin-mm is not a length");
        }
        if self.to_threshold {
            return self.threshold.check();
        }
        if self.threshold.min != f64::NEG_INFINITY || self.threshold.max != f64::INFINITY {
            return bad("--min and --max go with --to-threshold");
        }
        Ok(())
    }

    fn index_box(&self, input: &InputVolume) -> Result<IndexBox, OperatorError> {
        let d = input.dims();
        let outside = || OperatorError::BoxOutside { x: d.x, y: d.y, z: d.z };
        let [low, high] = if let Some((Triple(first), Triple(size))) = self.first_index.zip(self.size) {
            let mut last = first;
            for (last, size) in last.iter_mut().zip(size) {
                *last = size.checked_sub(1).and_then(|more| last.checked_add(more)).ok_or_else(outside)?;
            }
            if !d.contains(last.map(|i| i64::try_from(i).unwrap_or(i64::MAX))) {
                return Err(outside());
            }
            [first, last]
        } else if let Some((Triple(a), Triple(b))) = self.first_lps.zip(self.last_lps) {
            centres_in(input.geometry(), a.into(), b.into()).ok_or_else(outside)?
        } else {
            let Threshold { min, max } = self.threshold;
            self.threshold.bounds(input).ok_or(OperatorError::NothingInRange { min, max })?
        };
        Ok(self.with_margin([low, high], input.geometry()))
    }

    fn with_margin(&self, [mut low, mut high]: [[usize; 3]; 2], geometry: &Geometry) -> IndexBox {
        let spacing = geometry.spacing_mm().to_array();
        let ends = geometry.dims().to_array();
        let mut size = [0; 3];
        let axes = low.iter_mut().zip(&mut high).zip(&mut size).zip(spacing.into_iter().zip(ends));
        for (((low, high), size), (spacing, count)) in axes {
            // Lengths that are whole voxels but for rounding stay whole.
            let margin = (self.margin_mm / spacing - 1e-9).ceil().max(0.0) as usize;
            *low = low.saturating_sub(margin);
            *high = high.saturating_add(margin).min(count - 1);
            *size = *high - *low + 1;
        }
        (low, size)
    }
}

/// The smallest index box with every voxel whose centre lies in the box between two LPS points.
fn centres_in(geometry: &Geometry, a: DVec3, b: DVec3) -> Option<[[usize; 3]; 2]> {
    if !(a.is_finite() && b.is_finite()) {
        return None;
    }
    let corners: [DVec3; 8] = std::array::from_fn(|i| {
        let pick = |axis: usize, a: f64, b: f64| if i >> axis & 1 == 0 { a } else { b };
        let lps = DVec3::new(pick(0, a.x, b.x), pick(1, a.y, b.y), pick(2, a.z, b.z));
        geometry.index_from_lps().transform_point3(lps)
    });
    // A centre on the border belongs to the box, rounding or not.
    let low = (corners.iter().copied().reduce(DVec3::min)? - 1e-6).ceil().max(DVec3::ZERO);
    let high = (corners.iter().copied().reduce(DVec3::max)? + 1e-6).floor();
    let high = high.min(geometry.dims().as_dvec3() - 1.0);
    let index = |v: DVec3| v.to_array().map(|i| i as usize);
    low.cmple(high).all().then(|| [index(low), index(high)])
}
