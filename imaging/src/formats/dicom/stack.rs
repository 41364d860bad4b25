//! Orders frames into a stack: by position along the slice normal, by time, or by number where there is no position.
//!
//! Rules: frames are projected onto row × column and sorted ascending; distances come from positions, never from
//! slice thickness; the third axis is the step from slice to slice, so a tilted gantry gives a sheared grid.
//! Gaps of whole multiples of the spacing stay empty. Positions that fit no regular grid are resampled onto one.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;

use glam::{DMat3, DVec3};

use super::instance::{Frame, Instance, TimeKeys};
use crate::geometry::{Dims, Geometry};
use crate::series::SeriesWarning;

/// Frames closer than this along the normal are at the same place; positions are written to about 1 µm.
const SAME_PLACE_MM: f64 = 0.002;
/// A tilt below this is rounding of the written positions.
const MIN_TILT_DEGREES: f64 = 0.5;

/// A frame, by its place in the list of instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameRef {
    pub(crate) instance: usize,
    pub(crate) frame: usize,
}

/// A frame with its header.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed<'a> {
    pub(crate) at: FrameRef,
    pub(crate) frame: &'a Frame,
    pub(crate) instance: &'a Instance,
}

/// How slices of the volume come from frames.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Layout {
    /// Slice z is frame z.
    Direct,
    /// Slice z lies between frames `i` and `i + 1`, at the given share of the way.
    Resampled(Vec<(usize, f64)>),
}

/// Frames in order, with the grid they form.
#[derive(Debug, Clone)]
pub(crate) struct Stack {
    pub(crate) geometry: Geometry,
    pub(crate) time_points: usize,
    /// `time × slices + slice`; `None` where a slice is missing.
    pub(crate) slots: Vec<Option<FrameRef>>,
    pub(crate) slices: usize,
    pub(crate) layout: Layout,
    pub(crate) warnings: Vec<SeriesWarning>,
}

/// What became of a set of frames.
pub(crate) enum Stacking<'a> {
    Stack(Box<Stack>),
    /// They must be treated apart, for the reason given.
    Split(Vec<Vec<Placed<'a>>>, String),
    Impossible(String),
}

/// Orders frames that share matrix, pixel format, orientation and pixel spacing.
pub(crate) fn build(frames: Vec<Placed<'_>>) -> Stacking<'_> {
    let Some(first) = frames.first().copied() else { return Stacking::Impossible("no frames".to_owned()) };
    match first.frame.orientation {
        Some(axes) if first.frame.position.is_some() => by_position(frames, axes),
        _ => by_number(frames),
    }
}

/// A frame with its position and the position's projection on the normal.
#[derive(Clone, Copy)]
struct Slice<'a> {
    placed: Placed<'a>,
    position: DVec3,
    depth: f64,
}

fn by_position<'a>(frames: Vec<Placed<'a>>, [row, column]: [DVec3; 2]) -> Stacking<'a> {
    let normal = row.cross(column).normalize();
    let mut slices: Vec<Slice<'a>> = frames
        .into_iter()
        .filter_map(|placed| {
            let position = placed.frame.position?;
            Some(Slice { placed, position, depth: normal.dot(position) })
        })
        .collect();
    slices.sort_by(|a, b| a.depth.total_cmp(&b.depth).then_with(|| by_instance(&a.placed, &b.placed)));
    let mut places: Vec<Vec<Slice<'a>>> = Vec::new();
    for slice in slices {
        match places.last_mut() {
            Some(place) if place.first().is_some_and(|s| slice.depth - s.depth < SAME_PLACE_MM) => {
                place.push(slice);
            }
            _ => places.push(vec![slice]),
        }
    }
    let mut warnings = Vec::new();
    let times = match resolve_places(places, &mut warnings) {
        Ok(times) => times,
        Err((parts, reason)) => return Stacking::Split(parts, reason),
    };
    assemble(times, [row, column], warnings)
}

/// Total order among frames at the same place: instance number, then frame, then file name.
fn by_instance(a: &Placed<'_>, b: &Placed<'_>) -> Ordering {
    let number = |placed: &Placed<'_>| placed.frame.instance_number.unwrap_or(i64::MAX);
    number(a)
        .cmp(&number(b))
        .then_with(|| natural_order(a.instance.location.path(), b.instance.location.path()))
        .then_with(|| a.at.frame.cmp(&b.at.frame))
}

type Split<'a> = (Vec<Vec<Placed<'a>>>, String);

/// Makes sense of several frames at one place: parts to split into, points in time, or duplicates.
///
/// The result is indexed by time, then place.
fn resolve_places<'a>(
    mut places: Vec<Vec<Slice<'a>>>,
    warnings: &mut Vec<SeriesWarning>,
) -> Result<Vec<Vec<Option<Slice<'a>>>>, Split<'a>> {
    let one_each = |places: Vec<Vec<Slice<'a>>>| -> Vec<Vec<Option<Slice<'a>>>> {
        vec![places.into_iter().map(|place| place.into_iter().next()).collect()]
    };
    let most = places.iter().map(Vec::len).max().unwrap_or(0);
    if most <= 1 {
        return Ok(one_each(places));
    }
    split_by(&places, "image type differs", |p| p.frame.image_type.clone())?;
    split_by(&places, "echo time differs", |p| format!("{:?}", p.frame.echo_time))?;
    split_by(&places, "positions within the plane differ", |p| {
        let offset = p.frame.position.zip(p.frame.orientation).map(|(position, [row, column])| {
            let step = |axis: DVec3, size: f64| (axis.dot(position) / size).round() as i64;
            (step(row, p.frame.spacing.column_mm), step(column, p.frame.spacing.row_mm))
        });
        format!("{offset:?}")
    })?;
    if places.iter().all(|place| place.len() == most) {
        let key = time_key(&places);
        for place in &mut places {
            place.sort_by(|a, b| {
                let time = |slice: &Slice<'_>| key(&slice.placed.frame.times).unwrap_or(0.0);
                time(a).total_cmp(&time(b)).then_with(|| by_instance(&a.placed, &b.placed))
            });
        }
        let times = (0..most).map(|t| places.iter().map(|place| place.get(t).copied()).collect());
        return Ok(times.collect());
    }
    if let Some(times) = by_temporal_position(&places) {
        return Ok(times);
    }
    split_by(&places, "acquisition number differs", |p| format!("{:?}", p.frame.acquisition_number))?;
    let count = places.iter().map(|place| place.len() - 1).sum();
    warnings.push(SeriesWarning::DuplicateSlices { count });
    Ok(one_each(places))
}

/// Fails with the parts if frames at one place differ in `key`.
fn split_by<'a>(
    places: &[Vec<Slice<'a>>],
    reason: &str,
    key: impl Fn(&Placed<'a>) -> String,
) -> Result<(), Split<'a>> {
    let differs = |place: &Vec<Slice<'a>>| {
        let mut keys = place.iter().map(|slice| key(&slice.placed));
        let first = keys.next();
        keys.any(|other| Some(other) != first)
    };
    if !places.iter().any(differs) {
        return Ok(());
    }
    let mut parts: BTreeMap<String, Vec<Placed<'a>>> = BTreeMap::new();
    for slice in places.iter().flatten() {
        parts.entry(key(&slice.placed)).or_default().push(slice.placed);
    }
    Err((parts.into_values().collect(), reason.to_owned()))
}

/// The first time attribute that tells all frames at each place apart; instance numbers decide otherwise.
fn time_key(places: &[Vec<Slice<'_>>]) -> fn(&TimeKeys) -> Option<f64> {
    let keys: [fn(&TimeKeys) -> Option<f64>; 4] =
        [|t| t.temporal_position, |t| t.trigger, |t| t.acquisition, |t| t.content];
    let tells_apart = |key: &fn(&TimeKeys) -> Option<f64>| {
        places.iter().all(|place| {
            let times: Option<Vec<f64>> = place.iter().map(|s| key(&s.placed.frame.times)).collect();
            times.is_some_and(|mut times| {
                times.sort_by(f64::total_cmp);
                times.windows(2).all(|pair| pair.first() != pair.last())
            })
        })
    };
    keys.into_iter().find(tells_apart).unwrap_or(|_| None)
}

/// Fills a grid of temporal positions × places in which some frames are missing, or gives up.
fn by_temporal_position<'a>(places: &[Vec<Slice<'a>>]) -> Option<Vec<Vec<Option<Slice<'a>>>>> {
    let time = |slice: &Slice<'a>| slice.placed.frame.times.temporal_position;
    let mut times: Vec<f64> = places.iter().flatten().map(time).collect::<Option<_>>()?;
    let count = times.len();
    times.sort_by(f64::total_cmp);
    times.dedup();
    // Mostly filled, or the attribute means something else.
    if count * 5 < times.len() * places.len() * 4 {
        return None;
    }
    let mut grid = vec![vec![None; places.len()]; times.len()];
    for (z, place) in places.iter().enumerate() {
        for slice in place {
            let t = times.binary_search_by(|t| t.total_cmp(&time(slice).unwrap_or(f64::NAN))).ok()?;
            let cell = grid.get_mut(t)?.get_mut(z)?;
            if cell.replace(*slice).is_some() {
                return None;
            }
        }
    }
    Some(grid)
}

/// How the depths of consecutive slices fit a grid.
#[derive(Debug, PartialEq)]
enum Fit {
    Regular,
    /// Index of each slice on a grid with empty places.
    Gaps(Vec<usize>),
    /// Number of slices of the grid to resample to.
    Uneven(usize),
    /// Gaps far larger than the slices around them, before these slices.
    Apart(Vec<usize>),
}

fn fit(depths: &[f64]) -> Fit {
    let (Some(&first), Some(&last)) = (depths.first(), depths.last()) else { return Fit::Regular };
    if depths.len() < 3 {
        return Fit::Regular;
    }
    let span = last - first;
    let on_grid = |indices: &[usize]| {
        let steps = indices.last().copied().unwrap_or(1).max(1);
        let step = span / steps as f64;
        // Positions are often rounded to 0.1 mm; that is no uneven spacing.
        let tolerance = (0.1 * step).clamp(0.001, 0.1);
        depths.iter().zip(indices).all(|(d, &i)| (d - first - step * i as f64).abs() <= tolerance)
    };
    let regular: Vec<usize> = (0..depths.len()).collect();
    if on_grid(&regular) {
        return Fit::Regular;
    }
    let gaps: Vec<f64> = depths.iter().zip(depths.iter().skip(1)).map(|(a, b)| b - a).collect();
    let median = median(&gaps);
    let room = 2 * depths.len() + 16;
    if span / median > room as f64 {
        let apart: Vec<usize> =
            gaps.iter().enumerate().filter(|(_, gap)| **gap > 3.0 * median).map(|(i, _)| i + 1).collect();
        return if apart.is_empty() { Fit::Uneven(room) } else { Fit::Apart(apart) };
    }
    let mut at = 0;
    let mut indices = vec![0];
    for gap in &gaps {
        at += ((gap / median).round() as usize).max(1);
        indices.push(at);
    }
    if at + 1 > depths.len() && on_grid(&indices) {
        return Fit::Gaps(indices);
    }
    Fit::Uneven((span / median).round().max(1.0) as usize + 1)
}

/// Lower median, so that with two gaps the smaller counts as the spacing.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len().saturating_sub(1) / 2).copied().unwrap_or(1.0).max(SAME_PLACE_MM)
}

fn assemble<'a>(
    times: Vec<Vec<Option<Slice<'a>>>>,
    [row, column]: [DVec3; 2],
    mut warnings: Vec<SeriesWarning>,
) -> Stacking<'a> {
    // A place exists because some frame is there, at whatever time.
    let count = times.first().map_or(0, Vec::len);
    let places: Vec<Slice<'a>> =
        (0..count).filter_map(|z| times.iter().find_map(|time| *time.get(z)?)).collect();
    let (Some(first), Some(last)) = (places.first().copied(), places.last().copied()) else {
        return Stacking::Impossible("no frames".to_owned());
    };
    let depths: Vec<f64> = places.iter().map(|slice| slice.depth).collect();
    let mut missing_cells = times.iter().flatten().filter(|cell| cell.is_none()).count();
    let mut after_slice = Vec::new();
    let mut order: Vec<Option<usize>> = (0..count).map(Some).collect();
    let (slices, layout) = match fit(&depths) {
        Fit::Regular => (count, Layout::Direct),
        Fit::Gaps(indices) => {
            let total = indices.last().map_or(0, |last| last + 1);
            order = vec![None; total];
            for (z, &index) in indices.iter().enumerate() {
                if let Some(place) = order.get_mut(index) {
                    *place = Some(z);
                }
            }
            let gaps = indices.iter().zip(indices.iter().skip(1)).filter(|(a, b)| *b - *a > 1);
            after_slice = gaps.map(|(a, _)| *a).collect();
            missing_cells += (total - count) * times.len();
            (total, Layout::Direct)
        }
        Fit::Uneven(total) => {
            let gaps = depths.iter().zip(depths.iter().skip(1)).map(|(a, b)| b - a);
            let (min_mm, max_mm) = gaps.fold((f64::MAX, 0.0f64), |(lo, hi), gap| (lo.min(gap), hi.max(gap)));
            warnings.push(SeriesWarning::UnevenSpacing { min_mm, max_mm });
            (total, Layout::Resampled(resampling(&depths, total)))
        }
        Fit::Apart(before) => {
            let mut parts: Vec<Vec<Placed<'a>>> = Vec::new();
            for z in 0..count {
                if z == 0 || before.contains(&z) {
                    parts.push(Vec::new());
                }
                let here = times.iter().filter_map(|time| Some((*time.get(z)?)?.placed));
                if let Some(part) = parts.last_mut() {
                    part.extend(here);
                }
            }
            return Stacking::Split(parts, "blocks of slices lie far apart".to_owned());
        }
    };
    if missing_cells > 0 {
        warnings.push(SeriesWarning::MissingSlices { count: missing_cells, after_slice });
    }
    let frame = first.placed.frame;
    let normal = row.cross(column).normalize();
    let step = if slices > 1 {
        (last.position - first.position) / (slices - 1) as f64
    } else {
        normal * frame.spacing_between_slices.or(frame.thickness).unwrap_or(1.0)
    };
    let tilt = normal.dot(step.normalize_or(normal)).clamp(-1.0, 1.0).acos().to_degrees();
    if tilt > MIN_TILT_DEGREES {
        warnings.push(SeriesWarning::GantryTilt { degrees: tilt });
    }
    let span = (last.depth - first.depth).max(f64::MIN_POSITIVE);
    let shift = places
        .iter()
        .map(|s| {
            let line = first.position + (last.position - first.position) * ((s.depth - first.depth) / span);
            line.distance(s.position)
        })
        .fold(0.0, f64::max);
    if places.len() > 2 && shift > 0.5 * frame.spacing.row_mm.min(frame.spacing.column_mm) {
        let text = format!("slices are shifted within their plane by up to {shift:.2} mm");
        warnings.push(SeriesWarning::Other(text));
    }
    let cell = |time: &Vec<Option<Slice<'a>>>, place: Option<usize>| {
        time.get(place?).copied().flatten().map(|slice| slice.placed.at)
    };
    let slots = times.iter().flat_map(|time| order.iter().map(|place| cell(time, *place))).collect();
    let dims = Dims::new(
        usize::from(first.placed.instance.format.columns),
        usize::from(first.placed.instance.format.rows),
        slices,
    );
    let spacing = DVec3::new(frame.spacing.column_mm, frame.spacing.row_mm, step.length());
    match Geometry::new(dims, first.position, spacing, DMat3::from_cols(row, column, step)) {
        Ok(geometry) => Stacking::Stack(Box::new(Stack {
            geometry,
            time_points: times.len(),
            slots,
            slices: order.len(),
            layout,
            warnings,
        })),
        Err(error) => Stacking::Impossible(error.to_string()),
    }
}

/// For each of `total` evenly spread depths: the slice below and the share of the way to the next.
fn resampling(depths: &[f64], total: usize) -> Vec<(usize, f64)> {
    let first = depths.first().copied().unwrap_or(0.0);
    let last = depths.last().copied().unwrap_or(0.0);
    let step = (last - first) / total.saturating_sub(1).max(1) as f64;
    (0..total)
        .map(|k| {
            let depth = first + step * k as f64;
            let below = depths.partition_point(|&d| d <= depth + 1e-9).saturating_sub(1);
            match (depths.get(below), depths.get(below + 1)) {
                (Some(&a), Some(&b)) => (below, ((depth - a) / (b - a)).clamp(0.0, 1.0)),
                _ => (below, 0.0),
            }
        })
        .collect()
}

/// Orders frames without positions: one clip along time, or a pile by instance number.
fn by_number(mut frames: Vec<Placed<'_>>) -> Stacking<'_> {
    frames.sort_by(by_instance);
    let Some(first) = frames.first().copied() else { return Stacking::Impossible("no frames".to_owned()) };
    let is_multi_frame = frames.iter().any(|placed| placed.instance.frames.len() > 1);
    let is_one_object = frames.iter().all(|placed| placed.at.instance == first.at.instance);
    if is_multi_frame && !is_one_object {
        let mut parts: BTreeMap<usize, Vec<Placed<'_>>> = BTreeMap::new();
        for placed in frames {
            parts.entry(placed.at.instance).or_default().push(placed);
        }
        let parts = parts.into_values().collect();
        return Stacking::Split(parts, "each multi-frame object without positions stands alone".to_owned());
    }
    let frame = first.frame;
    let is_volume = matches!(first.instance.attributes.modality.as_str(), "CT" | "MR" | "PT");
    let is_clip = is_multi_frame && !is_volume;
    let (slices, time_points) = if is_clip { (1, frames.len()) } else { (frames.len(), 1) };
    let mut warnings = vec![SeriesWarning::NoPosition];
    let known = frame.spacing_between_slices.or(frame.thickness);
    if known.is_none() && slices > 1 {
        warnings.push(SeriesWarning::SpacingAssumed { axis: 'z', mm: 1.0 });
    }
    let [row, column] = frame.orientation.unwrap_or([DVec3::X, DVec3::Y]);
    let format = &first.instance.format;
    let dims = Dims::new(usize::from(format.columns), usize::from(format.rows), slices);
    let spacing = DVec3::new(frame.spacing.column_mm, frame.spacing.row_mm, known.unwrap_or(1.0));
    let direction = DMat3::from_cols(row, column, row.cross(column));
    match Geometry::new(dims, frame.position.unwrap_or(DVec3::ZERO), spacing, direction) {
        Ok(geometry) => Stacking::Stack(Box::new(Stack {
            geometry,
            time_points,
            slots: frames.iter().map(|placed| Some(placed.at)).collect(),
            slices,
            layout: Layout::Direct,
            warnings,
        })),
        Err(error) => Stacking::Impossible(error.to_string()),
    }
}

/// Orders paths as people do: `I9` before `I10`.
pub(crate) fn natural_order(a: &Path, b: &Path) -> Ordering {
    let (a, b) = (a.to_string_lossy(), b.to_string_lossy());
    let (mut left, mut right) = (a.as_ref(), b.as_ref());
    loop {
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (m, n) = (digits(left), digits(right));
        if m > 0 && n > 0 {
            let (x, rest_left) = left.split_at(m);
            let (y, rest_right) = right.split_at(n);
            let (x, y) = (x.trim_start_matches('0'), y.trim_start_matches('0'));
            match x.len().cmp(&y.len()).then_with(|| x.cmp(y)) {
                Ordering::Equal => (left, right) = (rest_left, rest_right),
                unequal => return unequal,
            }
            continue;
        }
        let (mut x, mut y) = (left.chars(), right.chars());
        match (x.next(), y.next()) {
            (None, None) => return a.cmp(&b),
            (p, q) if p == q => (left, right) = (x.as_str(), y.as_str()),
            (p, q) => return p.cmp(&q),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_of_whole_multiples_are_places_left_empty() {
        assert_eq!(fit(&[0.0, 1.0, 2.0, 3.0]), Fit::Regular);
        assert_eq!(fit(&[0.0, 1.0, 3.0, 4.0]), Fit::Gaps(vec![0, 1, 3, 4]));
        assert_eq!(fit(&[0.0, 5.0, 15.0]), Fit::Gaps(vec![0, 1, 3]));
    }

    #[test]
    fn rounded_positions_are_regular_and_uneven_ones_are_not() {
        let rounded: Vec<f64> = (0..40).map(|i| (f64::from(i) * 0.625 * 10.0).round() / 10.0).collect();
        assert_eq!(fit(&rounded), Fit::Regular);
        assert_eq!(fit(&[0.0, 2.5, 5.1, 7.5]), Fit::Regular);
        assert_eq!(fit(&[0.0, 4.0, 8.0, 13.5, 17.5]), Fit::Uneven(5));
    }

    #[test]
    fn blocks_that_lie_far_apart_are_not_bridged() {
        assert_eq!(fit(&[0.0, 1.0, 2.0, 5000.0, 5001.0]), Fit::Apart(vec![3]));
    }

    #[test]
    fn resampling_hits_both_ends_and_keeps_positions_true() {
        let depths = [0.0, 4.0, 6.0, 14.0];
        let weights = resampling(&depths, 8);
        for (k, (below, share)) in weights.iter().enumerate() {
            let next = depths.get(below + 1).unwrap_or(&depths[*below]);
            let depth = depths[*below] + share * (next - depths[*below]);
            assert!((depth - 2.0 * k as f64).abs() < 1e-9, "{k}: {depth}");
        }
    }

    #[test]
    fn file_names_sort_as_people_read_them() {
        let mut names = ["I10", "I9", "i1", "I100", "I09b"].map(Path::new);
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(names, ["I9", "I09b", "I10", "I100", "i1"].map(Path::new));
    }
}
