//! One series: what its header says, and its voxels as far as they have been read.

use std::path::PathBuf;
use std::sync::Arc;

use imaging::geometry::{Dims, Geometry};
use imaging::intensity::{Histogram, NamedWindow};
use imaging::series::{SeriesAttributes, SeriesEntry, SeriesWarning};
use imaging::spacing::{SpacingSource, UltrasoundRegion};
use imaging::verdict::Verdict;
use imaging::volume::{Unit, Volume};

use crate::tasks::Task;

/// Names a series within this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesKey(pub u32);

/// Where the voxels come from.
#[derive(Debug, Clone)]
pub enum SeriesSource {
    /// Files on disk.
    Files(Box<SeriesEntry>),
    /// Made in this process.
    Memory(Arc<Volume>),
}

/// A volume and what was derived from it while loading.
#[derive(Debug)]
pub struct LoadedVolume {
    /// The voxels; what is measured.
    pub volume: Arc<Volume>,
    /// The same colours in sRGB, for pictures only; `volume` itself where no profile says otherwise.
    pub shown: Arc<Volume>,
    /// Counts of modality values.
    pub histogram: Histogram,
}

/// One series.
#[derive(Debug)]
pub struct Series {
    /// Its name in this process.
    pub key: SeriesKey,
    /// Header attributes. Patient data: show, never log.
    pub attributes: Arc<SeriesAttributes>,
    /// Voxel counts.
    pub dims: Dims,
    /// Volumes along time.
    pub time_points: usize,
    /// Samples per voxel.
    pub channels: usize,
    /// Stored number type.
    pub voxel_type: &'static str,
    /// Unit of modality values.
    pub unit: Unit,
    /// Windows the file suggests for the middle slice.
    pub windows: Vec<NamedWindow>,
    /// Whether low values are bright.
    pub is_inverted: bool,
    /// From headers; loading adds more.
    pub warnings: Vec<SeriesWarning>,
    /// Per slice.
    pub instance_numbers: Vec<Option<i64>>,
    /// Where the distance between pixels comes from.
    pub spacing_source: SpacingSource,
    /// Decoded size.
    pub decoded_bytes: u64,
    /// The path that was opened to find it.
    pub opened_path: PathBuf,
    /// Where to read it from.
    pub source: SeriesSource,
    /// One slice, shown until the whole volume is there.
    pub preview: Option<Arc<Volume>>,
    /// The whole volume.
    pub volume: Task<LoadedVolume>,
}

impl Series {
    /// From a scan.
    pub fn from_entry(key: SeriesKey, entry: SeriesEntry, opened_path: PathBuf) -> Self {
        Self {
            key,
            attributes: Arc::new(entry.attributes.clone()),
            dims: entry.dims,
            time_points: entry.time_points,
            channels: entry.channels,
            voxel_type: entry.voxel_type,
            unit: entry.unit.clone(),
            windows: entry.windows.clone(),
            is_inverted: entry.is_inverted,
            warnings: entry.warnings.clone(),
            instance_numbers: entry.instance_numbers.clone(),
            spacing_source: entry.spacing_source.clone(),
            decoded_bytes: entry.decoded_bytes,
            opened_path,
            source: SeriesSource::Files(Box::new(entry)),
            preview: None,
            volume: Task::Idle,
        }
    }

    /// From a volume in memory.
    pub fn from_volume(key: SeriesKey, attributes: SeriesAttributes, volume: Arc<Volume>) -> Self {
        Self {
            key,
            attributes: Arc::new(attributes),
            dims: volume.dims(),
            time_points: volume.time_points(),
            channels: volume.channels().count(),
            voxel_type: volume.voxels().type_name(),
            unit: volume.unit().clone(),
            windows: Vec::new(),
            is_inverted: false,
            warnings: Vec::new(),
            instance_numbers: Vec::new(),
            spacing_source: SpacingSource::Patient,
            decoded_bytes: volume.voxels().size_bytes() as u64,
            opened_path: PathBuf::new(),
            source: SeriesSource::Memory(volume),
            preview: None,
            volume: Task::Idle,
        }
    }

    /// Windows the file suggests for one slice.
    pub fn windows_of_slice(&self, z: usize) -> &[NamedWindow] {
        match &self.source {
            SeriesSource::Files(entry) => entry.windows_of_slice(z, 0),
            SeriesSource::Memory(_) => &self.windows,
        }
    }

    /// The whole volume, once loaded.
    pub fn loaded(&self) -> Option<&LoadedVolume> {
        self.volume.value()
    }

    /// Whole volume or first slice.
    pub fn best_volume(&self) -> Option<&Arc<Volume>> {
        self.loaded().map(|l| &l.volume).or(self.preview.as_ref())
    }

    /// What pictures are drawn from: [`Self::best_volume`], or its colours in sRGB.
    pub fn shown_volume(&self, is_color_managed: bool) -> Option<&Arc<Volume>> {
        let managed = self.loaded().map(|l| &l.shown).filter(|_| is_color_managed);
        managed.or_else(|| self.best_volume())
    }

    /// Whether a colour profile changes what is shown.
    pub fn has_color_profile(&self) -> bool {
        self.loaded().is_some_and(|l| l.shown.id() != l.volume.id())
    }

    /// Every volume that pictures may have been drawn from.
    pub fn volumes(&self) -> impl Iterator<Item = &Arc<Volume>> {
        self.best_volume().into_iter().chain(self.loaded().map(|l| &l.shown))
    }

    /// Grid of whatever is there.
    pub fn geometry(&self) -> Option<&Geometry> {
        self.best_volume().map(|v| v.geometry())
    }

    /// Warnings of header and voxels, each once.
    pub fn all_warnings(&self) -> Vec<&SeriesWarning> {
        let mut all: Vec<&SeriesWarning> = self.warnings.iter().collect();
        let loaded = self.loaded().map_or(&[][..], |l| l.volume.warnings());
        for warning in loaded {
            if !all.contains(&warning) {
                all.push(warning);
            }
        }
        all
    }

    /// How far the geometry can be trusted.
    pub fn verdict(&self) -> Verdict {
        Verdict::of(self.all_warnings())
    }

    /// Whether the series has more than one slice, so that other planes and a volume view make sense.
    pub fn is_volume(&self) -> bool {
        self.dims.z > 1
    }

    /// Calibrated regions, if it is an ultrasound picture.
    pub fn ultrasound_regions(&self) -> &[UltrasoundRegion] {
        match &self.source {
            SeriesSource::Files(entry) => &entry.ultrasound_regions,
            SeriesSource::Memory(_) => &[],
        }
    }

    /// Whether positions mean the same place in both: one frame of reference.
    pub fn shares_space_with(&self, other: &Self) -> bool {
        let (a, b) = (&self.attributes.frame_of_reference_uid, &other.attributes.frame_of_reference_uid);
        self.key == other.key || (a.is_some() && a == b)
    }

    /// What to call it in a list: description, else protocol-free fallback.
    pub fn title(&self) -> String {
        let a = &self.attributes;
        if !a.series_description.trim().is_empty() {
            return a.series_description.trim().to_owned();
        }
        match (&self.source, a.series_number) {
            (_, Some(number)) => format!("Series {number}"),
            (SeriesSource::Files(entry), None) => entry
                .first_path()
                .file_name()
                .map_or_else(|| "Series".to_owned(), |n| n.to_string_lossy().into_owned()),
            (SeriesSource::Memory(_), None) => "Volume".to_owned(),
        }
    }

    /// Order in which the slices of the stack are numbered.
    pub fn stack_order(&self) -> Option<StackOrder> {
        let geometry = self.loaded().map(|l| l.volume.geometry())?;
        Some(StackOrder::of(&self.instance_numbers, geometry))
    }
}

/// In which direction the slices of the acquired stack are counted.
///
/// Instance numbers decide where they rise or fall steadily along the stack; else the anatomical direction does
/// (head to feet, front to back, right to left).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StackOrder {
    /// Whether slice number 1 is the one with the highest index along z.
    pub is_reversed: bool,
    /// Whether instance numbers said so.
    pub is_from_instances: bool,
}

impl StackOrder {
    /// Decides for a stack.
    pub fn of(instance_numbers: &[Option<i64>], geometry: &Geometry) -> Self {
        let numbers: Option<Vec<i64>> = instance_numbers.iter().copied().collect();
        if let Some(numbers) = numbers.filter(|n| n.len() == geometry.dims().z && n.len() > 1) {
            let rises = numbers.windows(2).all(|w| w[0] < w[1]);
            let falls = numbers.windows(2).all(|w| w[0] > w[1]);
            if rises || falls {
                return Self { is_reversed: falls, is_from_instances: true };
            }
        }
        let axis = geometry.direction().z_axis;
        let is_forward = super::slice_view::counts_forward(axis);
        Self { is_reversed: !is_forward, is_from_instances: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::DVec3;

    #[test]
    fn stack_is_counted_by_instance_numbers_else_from_head_to_feet() {
        let g = Geometry::axis_aligned(Dims::new(4, 4, 3), DVec3::ZERO, DVec3::ONE).unwrap();
        let order = |n: &[i64]| StackOrder::of(&n.iter().map(|&i| Some(i)).collect::<Vec<_>>(), &g);
        assert_eq!(order(&[10, 11, 12]), StackOrder { is_reversed: false, is_from_instances: true });
        assert_eq!(order(&[7, 5, 1]), StackOrder { is_reversed: true, is_from_instances: true });
        // Randomised numbers and missing ones: index z rises towards the head, so number 1 is the last index.
        assert_eq!(order(&[7, 1, 5]), StackOrder { is_reversed: true, is_from_instances: false });
        assert_eq!(StackOrder::of(&[], &g), StackOrder { is_reversed: true, is_from_instances: false });
    }
}
