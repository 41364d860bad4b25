//! A series entry into a volume: slices in parallel, straight into their place.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use rayon::prelude::*;

use super::codec;
use super::color;
use super::grid::Fill;
use super::group::{DicomSeries, number_type};
use super::instance::SampleFormat;
use super::pixels::{FrameColor, OpenInstance, Stored, VoxelKind};
use super::stack::FrameRef;
use crate::ImagingError;
use crate::formats::ReadLimits;
use crate::geometry::Dims;
use crate::series::{SeriesEntry, SeriesWarning};
use crate::source::Progress;
use crate::volume::{Channels, Volume, VolumeMeta, Voxels};

/// Runs an expression with `$number` bound to the voxel type of a kind.
macro_rules! with_number_type {
    ($kind:expr, $number:ident => $body:expr) => {{
        match $kind {
            VoxelKind::Rgb { sample_bytes: 2 } | VoxelKind::LookedUp { is_masked: false } => {
                type $number = u16;
                $body
            }
            VoxelKind::Rgb { .. } | VoxelKind::Stored(SampleFormat::Bit) => {
                type $number = u8;
                $body
            }
            VoxelKind::Rescaled
            | VoxelKind::LookedUp { is_masked: true }
            | VoxelKind::Stored(SampleFormat::Float32) => {
                type $number = f32;
                $body
            }
            VoxelKind::Stored(SampleFormat::Float64) => {
                type $number = f64;
                $body
            }
            VoxelKind::Stored(SampleFormat::Integer { bytes, is_signed }) => match (bytes, is_signed) {
                (1, false) => {
                    type $number = u8;
                    $body
                }
                (1, true) => {
                    type $number = i8;
                    $body
                }
                (2, false) => {
                    type $number = u16;
                    $body
                }
                (2, true) => {
                    type $number = i16;
                    $body
                }
                (_, false) => {
                    type $number = u32;
                    $body
                }
                (_, true) => {
                    type $number = i32;
                    $body
                }
            },
        }
    }};
}

/// Reads all slices of all points in time.
pub(crate) fn load(
    entry: &SeriesEntry,
    series: &DicomSeries,
    limits: ReadLimits,
    progress: &Progress,
) -> Result<Volume, ImagingError> {
    let path = || entry.first_path().to_path_buf();
    let dims = series.stack.geometry.dims();
    let (_, sample_bytes) = number_type(series.kind);
    let samples = dims
        .checked_count()
        .and_then(|n| n.checked_mul(series.channels))
        .and_then(|n| n.checked_mul(series.stack.time_points))
        .unwrap_or(usize::MAX);
    let needed_bytes = (samples as u64).saturating_mul(sample_bytes);
    if needed_bytes > limits.max_volume_bytes {
        let limit_bytes = limits.max_volume_bytes;
        return Err(ImagingError::TooLarge { path: path(), needed_bytes, limit_bytes });
    }
    check_claim(series)?;
    progress.set_total(needed_bytes);
    let mut warnings = entry.warnings.clone();
    let reader = Reader::new(series);
    let (voxels, empty_slices) = with_number_type!(series.kind, Number => {
        let (voxels, empty_slices) = read_all::<Number>(&reader, samples, progress, &mut warnings)?;
        (Voxels::from(voxels), empty_slices)
    });
    let color_white = reader.color_white();
    let meta = VolumeMeta { warnings, empty_slices, color_white, ..meta(entry, series) };
    Volume::new(meta, voxels)
}

/// Holds what the headers claim against what the files hold, so that no header alone can reserve memory.
///
/// All compressed bytes together bound all pixels together, and one frame must be as large as its header says.
fn check_claim(series: &DicomSeries) -> Result<(), ImagingError> {
    let used: BTreeSet<usize> = series.stack.slots.iter().flatten().map(|at| at.instance).collect();
    let used = || used.iter().filter_map(|&i| series.instances.get(i));
    if let Some(first) = used().find(|instance| !codec::is_native(&instance.transfer_syntax)) {
        let found = used().fold(0u64, |sum, instance| sum.saturating_add(instance.pixel_bytes));
        let claimed = used().fold(0u64, |sum, instance| {
            sum.saturating_add(instance.format.native_bytes(instance.frames.len() as u64))
        });
        if claimed > codec::most_decoded_bytes(&first.transfer_syntax, found) {
            let reason = format!("{claimed} bytes of pixels cannot come from {found} compressed ones");
            let path = first.location.path().to_path_buf();
            return Err(ImagingError::Damaged { path, reason });
        }
    }
    let mut first_error = None;
    for at in series.stack.slots.iter().flatten().take(16) {
        let Some(instance) = series.instance(*at).filter(|instance| instance.truncation.is_none()) else {
            continue;
        };
        match OpenInstance::open(instance).and_then(|open| open.check_claim(at.frame)) {
            Ok(()) => return Ok(()),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    first_error.map_or(Ok(()), Err)
}

/// Reads one slice of one point in time.
pub(crate) fn load_slice(
    entry: &SeriesEntry,
    series: &DicomSeries,
    z: usize,
    time_point: usize,
) -> Result<Volume, ImagingError> {
    let dims = series.stack.geometry.dims();
    let out_of_range = || ImagingError::NotAnImage {
        path: entry.first_path().to_path_buf(),
        reason: format!("slice {z} at time {time_point} does not exist"),
    };
    if z >= dims.z || time_point >= series.stack.time_points {
        return Err(out_of_range());
    }
    let slice_samples = dims.x * dims.y * series.channels;
    check_claim(series)?;
    let geometry = series
        .stack
        .geometry
        .region([0, 0, z], Dims::new(dims.x, dims.y, 1))
        .map_err(|source| ImagingError::Geometry { path: entry.first_path().to_path_buf(), source })?;
    let reader = Reader::new(series);
    let mut empty_slices = Vec::new();
    let voxels = with_number_type!(series.kind, Number => {
        let mut slice = vec![Number::default(); slice_samples];
        if !reader.read_slice(z, time_point, &mut slice)? {
            empty_slices.push(0);
            slice.fill(reader.nearest_minimum(z, time_point, slice_samples));
        }
        Voxels::from(slice)
    });
    let color_white = reader.color_white();
    let mut meta = VolumeMeta { geometry, time_points: 1, empty_slices, color_white, ..meta(entry, series) };
    meta.warnings.extend(reader.surplus_warning());
    Volume::new(meta, voxels)
}

fn meta(entry: &SeriesEntry, series: &DicomSeries) -> VolumeMeta {
    VolumeMeta {
        geometry: series.stack.geometry,
        channels: if series.channels == 3 { Channels::Rgb } else { Channels::Scalar },
        time_points: series.stack.time_points,
        rescale: series.rescale,
        unit: entry.unit.clone(),
        padding: series.padding,
        empty_slices: Vec::new(),
        color_profile: entry.color_profile.clone(),
        color_white: None,
        warnings: entry.warnings.clone(),
    }
}

/// Value for places without data: the padding value, else nothing is known before reading.
fn padding_value<T: Stored>(series: &DicomSeries) -> Option<T> {
    series.padding.map(|[low, _]| T::from_f64(low))
}

/// All voxels, and the slices (counted through all time points) that no file filled.
fn read_all<T: Stored + Default>(
    reader: &Reader<'_>,
    samples: usize,
    progress: &Progress,
    warnings: &mut Vec<SeriesWarning>,
) -> Result<(Vec<T>, Vec<usize>), ImagingError> {
    let series = reader.series;
    let dims = series.stack.geometry.dims();
    let slice_samples = dims.x * dims.y * series.channels;
    let mut voxels = crate::memory::zeroed::<T>(samples).map_err(|needed_bytes| ImagingError::TooLarge {
        path: series.first_instance().map(|i| i.location.path().to_path_buf()).unwrap_or_default(),
        needed_bytes,
        limit_bytes: needed_bytes.saturating_sub(1),
    })?;
    let failures = Failures::default();
    let slice_bytes = (slice_samples * size_of::<T>()) as u64;
    let empty: Vec<usize> = voxels
        .par_chunks_mut(slice_samples)
        .enumerate()
        .map(|(i, slice)| {
            progress.check()?;
            let is_filled = match reader.read_slice(i % dims.z, i / dims.z, slice) {
                Ok(is_filled) => is_filled,
                Err(ImagingError::Cancelled) => return Err(ImagingError::Cancelled),
                Err(error) => {
                    failures.add(error);
                    false
                }
            };
            progress.advance(slice_bytes);
            Ok((!is_filled).then_some(i))
        })
        .filter_map(Result::transpose)
        .collect::<Result<_, _>>()?;
    warnings.extend(reader.surplus_warning());
    let is_all_empty = empty.len() * slice_samples >= voxels.len();
    // Frames of one object stand or fall together: most of them broken is a broken object, and filling their
    // places would take the memory that only its header claims.
    let is_mostly_broken =
        series.has_multi_frame() && failures.count() * 2 > series.stack.slots.iter().flatten().count();
    failures.report(is_all_empty || is_mostly_broken, warnings)?;
    if !empty.is_empty() {
        let fill = padding_value(series).unwrap_or_else(|| smallest(&voxels, slice_samples, &empty));
        for &i in &empty {
            if let Some(slice) = voxels.get_mut(i * slice_samples..(i + 1) * slice_samples) {
                slice.fill(fill);
            }
        }
    }
    Ok((voxels, empty))
}

/// Smallest value outside the empty slices.
fn smallest<T: Stored + Default>(voxels: &[T], slice_samples: usize, empty: &[usize]) -> T {
    voxels
        .par_chunks(slice_samples)
        .enumerate()
        .filter(|(i, _)| empty.binary_search(i).is_err())
        .filter_map(|(_, slice)| minimum(slice))
        .reduce_with(|a, b| if b < a { b } else { a })
        .unwrap_or_default()
}

fn minimum<T: Stored>(slice: &[T]) -> Option<T> {
    slice.iter().copied().reduce(|a, b| if b < a { b } else { a })
}

/// Files that could not be read, collected from all threads.
#[derive(Default)]
struct Failures {
    first: Mutex<Option<ImagingError>>,
    paths: Mutex<std::collections::BTreeSet<PathBuf>>,
    count: AtomicU64,
}

impl Failures {
    fn add(&self, error: ImagingError) {
        if let Some(path) = error.path() {
            self.paths.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_path_buf());
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed) as usize
    }

    /// The error itself if the series is unusable, else a warning.
    fn report(self, is_unusable: bool, warnings: &mut Vec<SeriesWarning>) -> Result<(), ImagingError> {
        let Some(error) = self.first.into_inner().unwrap_or_else(PoisonError::into_inner) else {
            return Ok(());
        };
        if is_unusable {
            return Err(error);
        }
        let paths = self.paths.into_inner().unwrap_or_else(PoisonError::into_inner);
        warnings.retain(|warning| !matches!(warning, SeriesWarning::UnreadableFiles { .. }));
        warnings.push(SeriesWarning::UnreadableFiles {
            count: paths.len().max(1),
            first: paths.into_iter().next().unwrap_or_default(),
            reason: error.reason(),
        });
        Ok(())
    }
}

/// Reads slices; objects with several frames are opened once and shared.
struct Reader<'a> {
    series: &'a DicomSeries,
    shared: HashMap<usize, OnceLock<Option<OpenInstance<'a>>>>,
    /// Whether compressed data held more than the image that it was read into.
    has_surplus: AtomicBool,
    /// What all colour frames that were read so far have together.
    color: Mutex<Option<FrameColor>>,
}

impl<'a> Reader<'a> {
    fn new(series: &'a DicomSeries) -> Self {
        let shared = series
            .instances
            .iter()
            .enumerate()
            .filter(|(_, instance)| instance.frames.len() > 1)
            .map(|(i, _)| (i, OnceLock::new()))
            .collect();
        Self { series, shared, has_surplus: AtomicBool::new(false), color: Mutex::new(None) }
    }

    /// What to know about frames that were read so far and held too much.
    fn surplus_warning(&self) -> Option<SeriesWarning> {
        let text =
            "compressed data decodes to more than the image; the surplus was left out, values may be wrong";
        self.has_surplus.load(Ordering::Relaxed).then(|| SeriesWarning::Other(text.to_owned()))
    }

    /// Full intensity of the colours that were read so far, unless it is the largest value of their type.
    fn color_white(&self) -> Option<f64> {
        let VoxelKind::Rgb { sample_bytes } = self.series.kind else { return None };
        let bits = self.color.lock().unwrap_or_else(PoisonError::into_inner).as_ref()?.bits;
        (1..sample_bytes * 8).contains(&bits).then(|| f64::from(color::white(bits)))
    }

    /// Fills a slice of the volume; `false` if there is no data for it.
    fn read_slice<T: Stored + Default>(
        &self,
        z: usize,
        time_point: usize,
        target: &mut [T],
    ) -> Result<bool, ImagingError> {
        let fill = self.series.stack.fills.get(z).copied().unwrap_or(Fill::Empty);
        let (below, share) = match fill {
            Fill::Place(place) => return self.read_source(place, time_point, target),
            Fill::Empty => return Ok(false),
            Fill::Between(below, share) => (below, share),
        };
        let mut above = vec![T::default(); target.len()];
        if !self.read_source(below, time_point, target)? {
            return Ok(false);
        }
        if !self.read_source(below + 1, time_point, &mut above)? {
            return Ok(false);
        }
        self.blend(target, &above, share);
        Ok(true)
    }

    /// Linear interpolation towards `above`; next to padding the nearer value is taken instead.
    fn blend<T: Stored>(&self, target: &mut [T], above: &[T], share: f64) {
        let is_padding =
            |value: f64| value.is_nan() || self.series.padding.is_some_and(|[a, b]| value >= a && value <= b);
        for (low, high) in target.iter_mut().zip(above) {
            let (a, b) = (low.to_f64(), high.to_f64());
            *low = if is_padding(a) || is_padding(b) {
                if share < 0.5 { *low } else { *high }
            } else {
                T::from_f64(a + (b - a) * share)
            };
        }
    }

    fn slot(&self, slice: usize, time_point: usize) -> Option<FrameRef> {
        self.series.stack.slots.get(time_point * self.series.stack.places + slice).copied().flatten()
    }

    fn read_source<T: Stored>(
        &self,
        slice: usize,
        time_point: usize,
        target: &mut [T],
    ) -> Result<bool, ImagingError> {
        let Some(at) = self.slot(slice, time_point) else { return Ok(false) };
        let Some(instance) = self.series.instance(at) else { return Ok(false) };
        if let Some((expected_bytes, found_bytes)) = instance.truncation {
            let path = instance.location.path().to_path_buf();
            return Err(ImagingError::Truncated { path, expected_bytes, found_bytes });
        }
        let kind = self.series.kind;
        if let Some(open) = self.shared.get(&at.instance) {
            // An object that cannot be opened is tried again for each frame, to report the error.
            if let Some(open) = open.get_or_init(|| OpenInstance::open(instance).ok()) {
                return self.read_frame(open, at.frame, kind, target);
            }
        }
        self.read_frame(&OpenInstance::open(instance)?, at.frame, kind, target)
    }

    fn read_frame<T: Stored>(
        &self,
        open: &OpenInstance<'_>,
        frame: usize,
        kind: VoxelKind,
        target: &mut [T],
    ) -> Result<bool, ImagingError> {
        let color = open.read_frame(frame, kind, target)?;
        if open.has_surplus() {
            self.has_surplus.store(true, Ordering::Relaxed);
        }
        if let Some(found) = color {
            let mut known = self.color.lock().unwrap_or_else(PoisonError::into_inner);
            let bits = known.as_ref().map_or(0, |known| known.bits).max(found.bits);
            *known = Some(FrameColor { bits });
        }
        Ok(true)
    }

    /// For an empty slice shown alone: padding, else the smallest value of the nearest slice that can be read.
    fn nearest_minimum<T: Stored + Default>(&self, z: usize, time_point: usize, samples: usize) -> T {
        if let Some(value) = padding_value(self.series) {
            return value;
        }
        let count = self.series.stack.geometry.dims().z;
        let mut others: Vec<usize> = (0..count).filter(|&other| other != z).collect();
        others.sort_by_key(|other| other.abs_diff(z));
        let mut slice = vec![T::default(); samples];
        for other in others.into_iter().take(8) {
            if matches!(self.read_slice(other, time_point, &mut slice), Ok(true)) {
                return minimum(&slice).unwrap_or_default();
            }
        }
        T::default()
    }
}
