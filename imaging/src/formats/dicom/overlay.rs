//! Overlay planes (PS3.3 C.9.2): graphics and regions of interest of one bit per pixel, in groups 6000 to 601E.
//!
//! Planes are read when somebody asks for those of a slice, from the header of its file. They are drawn over the
//! picture and never become part of values.

use super::dataset::{self, DataSet};
use super::instance::SampleFormat;
use super::pixels::OpenInstance;
use super::tags::{self, Tag};
use crate::ImagingError;
use crate::formats::Origin;
use crate::series::SeriesEntry;

/// What an overlay plane marks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverlayKind {
    /// Lines and text.
    Graphics,
    /// A region of interest.
    Region,
}

/// One overlay plane as it lies over one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overlay {
    /// Number of the plane, from 0 (group 6000) to 15.
    pub index: u8,
    /// What it marks.
    pub kind: OverlayKind,
    /// Its name, else its description, else empty.
    pub label: String,
    /// Pixels of a row.
    pub columns: usize,
    /// Rows.
    pub rows: usize,
    /// Image column and row of the plane's first pixel, from 0; negative where the plane begins outside.
    pub origin: [i32; 2],
    /// Whether each pixel is set, row by row.
    pub pixels: Vec<bool>,
}

impl Overlay {
    /// Whether the plane is set over a pixel of the image.
    pub fn is_set(&self, column: usize, row: usize) -> bool {
        let inside = |at: usize, origin: i32, count: usize| {
            usize::try_from(at as i64 - i64::from(origin)).ok().filter(|&place| place < count)
        };
        let (Some(x), Some(y)) =
            (inside(column, self.origin[0], self.columns), inside(row, self.origin[1], self.rows))
        else {
            return false;
        };
        self.pixels.get(y * self.columns + x).copied().unwrap_or(false)
    }
}

/// Overlay planes of a slice (index along z) at a point in time; none for other formats and for missing slices.
///
/// Planes that make no sense are left out. Blocks on disk; call from a worker.
///
/// # Errors
/// If the file cannot be read any more.
pub fn overlays(entry: &SeriesEntry, z: usize, time_point: usize) -> Result<Vec<Overlay>, ImagingError> {
    let Origin::Dicom(series) = &entry.origin else { return Ok(Vec::new()) };
    let Some(at) = series.stack.nearest_frame(z, time_point) else { return Ok(Vec::new()) };
    let Some(instance) = series.instance(at) else { return Ok(Vec::new()) };
    let path = instance.location.path();
    let io = |source| ImagingError::io(path, source);
    let mut bytes = instance.location.open().map_err(io)?;
    let Ok(header) = dataset::read_header(&mut bytes) else {
        let reason = "changed since it was found".to_owned();
        return Err(ImagingError::Damaged { path: path.to_path_buf(), reason });
    };
    let mut planes = Vec::new();
    for index in 0..16u8 {
        let plane = Plane { set: &header.data_set, offset: u32::from(index) << 17 };
        let Some(shape) = plane.shape(at.frame) else { continue };
        let pixels = match plane.set.bytes(plane.tag(tags::OVERLAY_DATA)) {
            Some(packed) => unpack(packed, shape.first_bit, shape.columns * shape.rows),
            None => embedded(&OpenInstance::open(instance)?, at.frame, &plane, &shape)?,
        };
        let Some(pixels) = pixels else { continue };
        let Shape { kind, columns, rows, origin, .. } = shape;
        planes.push(Overlay { index, kind, label: plane.label(), columns, rows, origin, pixels });
    }
    Ok(planes)
}

struct Plane<'a> {
    set: &'a DataSet,
    /// From group 6000 to the plane's own.
    offset: u32,
}

struct Shape {
    kind: OverlayKind,
    columns: usize,
    rows: usize,
    origin: [i32; 2],
    /// First bit of the frame within the plane's own data.
    first_bit: usize,
}

impl Plane<'_> {
    fn tag(&self, in_group_6000: Tag) -> Tag {
        in_group_6000 + self.offset
    }

    /// The plane over a frame, or `None` if there is none.
    fn shape(&self, frame_index: usize) -> Option<Shape> {
        let rows = usize::from(self.set.u16(self.tag(tags::OVERLAY_ROWS))?);
        let columns = usize::from(self.set.u16(self.tag(tags::OVERLAY_COLUMNS))?);
        let kind = match self.set.text(self.tag(tags::OVERLAY_TYPE)).as_deref() {
            Some("R") => OverlayKind::Region,
            _ => OverlayKind::Graphics,
        };
        // Row, then column, of the upper left pixel, from 1; writers are known to begin at 0 for the first.
        let [row, column] = self.set.array(self.tag(tags::OVERLAY_ORIGIN)).unwrap_or([1.0, 1.0]);
        // A plane may lie over some of the frames only (C.9.2.1.2, C.9.2.1.3); without a count over all of them.
        let count = self.set.integer(self.tag(tags::OVERLAY_FRAMES)).filter(|&count| count > 0);
        let start = self.set.u16(self.tag(tags::OVERLAY_FRAME_ORIGIN)).map_or(0, |n| i64::from(n.max(1)) - 1);
        let nth = match count {
            Some(count) => {
                let nth = frame_index as i64 - start;
                usize::try_from(nth).ok().filter(|_| nth < count)?
            }
            None => 0,
        };
        let is_empty = rows == 0 || columns == 0;
        (!is_empty).then_some(Shape {
            kind,
            columns,
            rows,
            origin: [column as i32 - 1, row as i32 - 1],
            first_bit: nth * rows * columns,
        })
    }

    fn label(&self) -> String {
        let text = |tag| self.set.text(self.tag(tag));
        text(tags::OVERLAY_LABEL).or_else(|| text(tags::OVERLAY_DESCRIPTION)).unwrap_or_default()
    }
}

/// Bits from `first_bit` on, least significant bit of each byte first; frames are not aligned to bytes.
fn unpack(packed: &[u8], first_bit: usize, count: usize) -> Option<Vec<bool>> {
    if packed.len() < (first_bit + count).div_ceil(8) {
        return None;
    }
    let bit = |i: usize| packed.get(i / 8).is_some_and(|byte| byte >> (i % 8) & 1 == 1);
    Some((first_bit..first_bit + count).map(bit).collect())
}

/// A plane in an unused high bit of the pixels (retired, but found in the archives).
fn embedded(
    open: &OpenInstance<'_>,
    frame_index: usize,
    plane: &Plane<'_>,
    shape: &Shape,
) -> Result<Option<Vec<bool>>, ImagingError> {
    let format = open.format();
    let Some(bit) = plane.set.u16(plane.tag(tags::OVERLAY_BIT_POSITION)) else { return Ok(None) };
    let SampleFormat::Integer { bytes, .. } = format.sample else { return Ok(None) };
    let low_bit = u16::from(format.high_bit + 1 - format.bits_stored);
    let is_used = bit >= low_bit && bit <= u16::from(format.high_bit);
    let fits = (shape.rows, shape.columns) == (usize::from(format.rows), usize::from(format.columns));
    if is_used || bit >= u16::from(bytes) * 8 || !fits || format.samples != 1 {
        return Ok(None);
    }
    let Some(words) = open.raw_samples(frame_index)? else { return Ok(None) };
    Ok(Some(words.into_iter().map(|word| word >> bit & 1 == 1).collect()))
}
