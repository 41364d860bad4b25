//! Orders frames into a stack: by position along the slice normal, by time, or by number where there is no position.
//!
//! Rules: frames are projected onto row × column and sorted ascending; distances come from positions, never from
//! slice thickness; the third axis is the step from slice to slice, so a tilted gantry gives a sheared grid. What
//! becomes of uneven distances and gaps is decided in [`super::grid`].

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;

use glam::{DMat3, DVec3};

use super::grid::{self, Distances, Fill, Fit, Place, SAME_PLACE_MM};
use super::instance::{Frame, Instance};
use crate::fault::{self, Fault};
use crate::geometry::{Dims, Geometry};
use crate::series::SeriesWarning;

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

/// Frames in order, with the grid they form.
#[derive(Debug, Clone)]
pub(crate) struct Stack {
    pub(crate) geometry: Geometry,
    pub(crate) time_points: usize,
    /// `time × places + place`; `None` where a frame is missing.
    pub(crate) slots: Vec<Option<FrameRef>>,
    /// Acquired places along the stack.
    pub(crate) places: usize,
    /// For each slice of the volume, which places it comes from.
    pub(crate) fills: Vec<Fill>,
    pub(crate) warnings: Vec<SeriesWarning>,
}

impl Stack {
    /// The frame that a slice of the volume shows, or the nearer one if it is mixed; `None` if it is empty.
    pub(crate) fn nearest_frame(&self, z: usize, time_point: usize) -> Option<FrameRef> {
        let place = match self.fills.get(z)? {
            Fill::Place(place) => *place,
            Fill::Between(below, share) => below + usize::from(*share >= 0.5),
            Fill::Empty => return None,
        };
        self.slots.get(time_point * self.places + place).copied().flatten()
    }
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

/// Frames by frame of reference, if there are several and each holds at least three frames on average.
///
/// Positions of different frames of reference have nothing to do with each other. A UID for every file is what some
/// de-identification leaves; it says nothing.
fn by_frame_of_reference<'a>(frames: &[Placed<'a>]) -> Option<Vec<Vec<Placed<'a>>>> {
    let uid = |placed: &Placed<'a>| placed.instance.attributes.frame_of_reference_uid.as_deref();
    let first = uid(frames.first()?);
    if frames.iter().all(|placed| uid(placed) == first) {
        return None;
    }
    let mut parts: BTreeMap<&str, Vec<Placed<'a>>> = BTreeMap::new();
    for placed in frames {
        parts.entry(uid(placed)?).or_default().push(*placed);
    }
    let is_meant = parts.len() * 3 <= frames.len();
    is_meant.then(|| parts.into_values().collect())
}

fn by_position<'a>(frames: Vec<Placed<'a>>, [row, column]: [DVec3; 2]) -> Stacking<'a> {
    if let Some(parts) = by_frame_of_reference(&frames) {
        return Stacking::Split(parts, "frame of reference differs".to_owned());
    }
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

/// Total order among frames at the same place: instance number, SOP instance UID, file name, then frame.
fn by_instance(a: &Placed<'_>, b: &Placed<'_>) -> Ordering {
    let number = |placed: &Placed<'_>| placed.frame.instance_number.unwrap_or(i64::MAX);
    number(a)
        .cmp(&number(b))
        .then_with(|| a.instance.sop_uid.cmp(&b.instance.sop_uid))
        .then_with(|| natural_order(a.instance.location.path(), b.instance.location.path()))
        .then_with(|| a.at.frame.cmp(&b.at.frame))
}

/// Total order among frames without positions: declared dimensions, instance number, then file name.
fn by_sequence(a: &Placed<'_>, b: &Placed<'_>) -> Ordering {
    let number = |placed: &Placed<'_>| placed.frame.instance_number.unwrap_or(i64::MAX);
    let offset =
        |placed: &Placed<'_>| placed.instance.concatenation.as_ref().map_or(0, |(_, offset)| *offset);
    offset(a)
        .cmp(&offset(b))
        .then_with(|| number(a).cmp(&number(b)))
        .then_with(|| natural_order(a.instance.location.path(), b.instance.location.path()))
        .then_with(|| a.instance.sop_uid.cmp(&b.instance.sop_uid))
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
    split_by(&places, "frame of reference differs", |p| {
        p.instance.attributes.frame_of_reference_uid.clone().unwrap_or_default()
    })?;
    split_by(&places, "stack differs", |p| p.frame.stack_id.clone())?;
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
                let time = |slice: &Slice<'_>| key(slice.placed.frame).unwrap_or(0.0);
                let dimensions = |slice: &Slice<'a>| &slice.placed.frame.dimension_indices;
                time(a)
                    .total_cmp(&time(b))
                    .then_with(|| dimensions(a).cmp(dimensions(b)))
                    .then_with(|| by_instance(&a.placed, &b.placed))
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

/// The first time attribute that tells all frames at each place apart; declared dimensions, then instance numbers
/// decide otherwise.
fn time_key(places: &[Vec<Slice<'_>>]) -> fn(&Frame) -> Option<f64> {
    let keys: [fn(&Frame) -> Option<f64>; 4] =
        [|f| f.times.temporal_position, |f| f.times.trigger, |f| f.times.acquisition, |f| f.times.content];
    let has_dimensions = places.iter().flatten().all(|s| !s.placed.frame.dimension_indices.is_empty());
    let tells_apart = |key: &fn(&Frame) -> Option<f64>| {
        places.iter().all(|place| {
            let times: Option<Vec<f64>> = place.iter().map(|s| key(s.placed.frame)).collect();
            times.is_some_and(|mut times| {
                times.sort_by(f64::total_cmp);
                times.windows(2).all(|pair| pair.first() != pair.last())
            })
        })
    };
    // What an object declares itself comes before clocks.
    let usable = if has_dimensions { 2 } else { keys.len() };
    keys.into_iter().take(usable).find(tells_apart).unwrap_or(|_| None)
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
    let missing_frames = times.iter().flatten().filter(|cell| cell.is_none()).count();
    if missing_frames > 0 {
        warnings.push(SeriesWarning::MissingFrames { count: missing_frames });
    }
    let frame = first.placed.frame;
    let of_slice =
        |slice: &Slice<'_>| Place { depth_mm: slice.depth, thickness_mm: slice.placed.frame.thickness };
    let fitted = grid::fit(&places.iter().map(of_slice).collect::<Vec<_>>(), frame.spacing_between_slices);
    let grid = match fitted {
        Fit::Grid(grid) => grid,
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
    warn_of(&grid.distances, &mut warnings);
    let slices = grid.fills.len();
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
        warnings.push(SeriesWarning::ShiftedSlices { mm: shift });
    }
    let slots = times.iter().flatten().map(|cell| cell.map(|slice| slice.placed.at)).collect();
    let dims = Dims::new(
        usize::from(first.placed.instance.format.columns),
        usize::from(first.placed.instance.format.rows),
        slices,
    );
    let spacing = DVec3::new(frame.spacing.column_mm, frame.spacing.row_mm, step.length());
    let row = if fault::is_active(Fault::FlippedAxis) { -row } else { row };
    let half_pixel = row * (0.5 * spacing.x) + column * (0.5 * spacing.y);
    let corner = if fault::is_active(Fault::HalfPixelShift) { half_pixel } else { DVec3::ZERO };
    match Geometry::new(dims, first.position + corner, spacing, DMat3::from_cols(row, column, step)) {
        Ok(geometry) => Stacking::Stack(Box::new(Stack {
            geometry,
            time_points: times.len(),
            slots,
            places: count,
            fills: grid.fills,
            warnings,
        })),
        Err(error) => Stacking::Impossible(error.to_string()),
    }
}

/// Notes what a person should know about the distances of slices.
fn warn_of(distances: &Distances, warnings: &mut Vec<SeriesWarning>) {
    let Distances { min_mm, max_mm, usual_mm: median_mm, .. } = *distances;
    let after_slice = distances.after_slice.clone();
    match distances.missing {
        Some(count) => warnings.push(SeriesWarning::MissingSlices { count, after_slice }),
        None if !after_slice.is_empty() => {
            warnings.push(SeriesWarning::SliceGaps { after_slice, largest_mm: max_mm, median_mm });
        }
        None => {}
    }
    // Gaps of whole multiples alone leave the other distances even.
    if distances.is_uneven && distances.missing.is_none() {
        warnings.push(SeriesWarning::UnevenSpacing { min_mm, max_mm, median_mm });
    }
    if distances.is_unconfirmed {
        warnings.push(SeriesWarning::UnconfirmedDistance { mm: max_mm });
    }
}

/// Orders frames without positions: one clip along time, or a pile by instance number.
fn by_number(mut frames: Vec<Placed<'_>>) -> Stacking<'_> {
    frames.sort_by(by_sequence);
    let Some(first) = frames.first().copied() else { return Stacking::Impossible("no frames".to_owned()) };
    let is_multi_frame = frames.iter().any(|placed| placed.instance.frames.len() > 1);
    // Pieces of one concatenation are one object.
    let object = |placed: &Placed<'_>| match &placed.instance.concatenation {
        Some((uid, _)) => (uid.clone(), 0),
        None => (String::new(), placed.at.instance),
    };
    let of_first = object(&first);
    if is_multi_frame && frames.iter().any(|placed| object(placed) != of_first) {
        let mut parts: BTreeMap<(String, usize), Vec<Placed<'_>>> = BTreeMap::new();
        for placed in frames {
            parts.entry(object(&placed)).or_default().push(placed);
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
    match known {
        None if slices > 1 => warnings.push(SeriesWarning::SpacingAssumed { axis: 'z', mm: 1.0 }),
        Some(spacing_mm) if slices > 1 => warnings.push(SeriesWarning::StackedByNumber { spacing_mm }),
        _ => {}
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
            places: slices,
            fills: (0..slices).map(Fill::Place).collect(),
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
    fn file_names_sort_as_people_read_them() {
        let mut names = ["I10", "I9", "i1", "I100", "I09b"].map(Path::new);
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(names, ["I9", "I09b", "I10", "I100", "i1"].map(Path::new));
    }
}
