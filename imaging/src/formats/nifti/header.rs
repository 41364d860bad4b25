//! The fields of NIfTI-1 and NIfTI-2 headers that say where voxels are and what they mean.

use std::path::Path;

use crate::ImagingError;
use crate::formats::raw::{ByteOrder, damaged, unsupported};

/// Bytes of a NIfTI-2 header, the longer of the two.
pub(super) const LONGEST: usize = 540;

const NIFTI_1_BYTES: i32 = 348;
const NIFTI_2_BYTES: i32 = 540;

/// Whether voxels follow in the same file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Single,
    Pair,
}

/// A header in numbers of this machine; see the standard for the fields.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub(super) order: ByteOrder,
    pub(super) layout: Layout,
    /// Sizes of all seven dimensions; 1 where unused.
    pub(super) dims: [u64; 7],
    pub(super) datatype: i16,
    pub(super) pixdim: [f64; 8],
    /// Where voxels begin, in bytes.
    pub(super) voxel_offset: u64,
    pub(super) slope: f64,
    pub(super) intercept: f64,
    pub(super) xyzt_units: i32,
    pub(super) qform_code: i32,
    pub(super) sform_code: i32,
    /// b, c, d of the rotation.
    pub(super) quaternion: [f64; 3],
    pub(super) qform_offset: [f64; 3],
    /// Rows of the affine, RAS.
    pub(super) sform: [[f64; 4]; 3],
}

/// Whether these bytes begin with a NIfTI header.
pub(super) fn is_header(head: &[u8]) -> bool {
    match Fields::detect(head) {
        Some((_, NIFTI_2_BYTES)) => head.get(4..7).is_some_and(|m| m == b"n+2" || m == b"ni2"),
        Some(_) => is_nifti_1(head),
        None => false,
    }
}

/// Whether the first field is as in a header of NIfTI, or of its ancestor ANALYZE 7.5.
pub(super) fn may_be_header(head: &[u8]) -> bool {
    Fields::detect(head).is_some()
}

fn is_nifti_1(head: &[u8]) -> bool {
    head.get(344..347).is_some_and(|m| m == b"n+1" || m == b"ni1")
}

impl Header {
    pub(super) fn parse(path: &Path, head: &[u8]) -> Result<Self, ImagingError> {
        let (fields, size) = Fields::detect(head).ok_or_else(|| damaged(path, "no NIfTI header"))?;
        if head.len() < size as usize {
            return Err(damaged(path, format!("the NIfTI header ends after {} of {size} bytes", head.len())));
        }
        if size == NIFTI_1_BYTES && !is_nifti_1(head) {
            return Err(unsupported(path, "ANALYZE 7.5 (a header without the NIfTI mark)"));
        }
        let raw = if size == NIFTI_1_BYTES { fields.nifti_1() } else { fields.nifti_2() };
        raw.and_then(|raw| raw.check(path))
            .unwrap_or_else(|| Err(damaged(path, "the NIfTI header is incomplete")))
    }
}

/// Fields as they are in the file, not yet believed.
struct Unchecked {
    header: Header,
    dim: [i64; 8],
    voxel_offset: f64,
}

impl Unchecked {
    /// `None` never comes from a complete header; it spares the caller a case of its own.
    fn check(self, path: &Path) -> Option<Result<Header, ImagingError>> {
        let Self { mut header, dim: [count, sizes @ ..], voxel_offset } = self;
        if !(1..=7).contains(&count) {
            return Some(Err(damaged(path, format!("the number of dimensions is `{count}`"))));
        }
        for (i, (target, size)) in header.dims.iter_mut().zip(sizes).enumerate() {
            // Sizes beyond the number of dimensions mean nothing, whatever they say.
            *target = if (i as i64) < count { u64::try_from(size).unwrap_or(0) } else { 1 };
            if *target == 0 {
                return Some(Err(damaged(path, format!("dimension {} has the size `{size}`", i + 1))));
            }
        }
        // The reference library takes an offset that lies within the header for "right behind it".
        let least = if header.layout == Layout::Single { 348.0 } else { 0.0 };
        if !(0.0..=9e15).contains(&voxel_offset) {
            return Some(Err(damaged(path, format!("voxels begin at byte `{voxel_offset}`"))));
        }
        let first = if voxel_offset == 0.0 && least > 0.0 { 352.0 } else { voxel_offset.max(least) };
        header.voxel_offset = first as u64;
        Some(Ok(header))
    }
}

/// Reads numbers at fixed places.
struct Fields<'a> {
    bytes: &'a [u8],
    order: ByteOrder,
}

macro_rules! readers {
    ($($name:ident -> $number:ty),*) => {$(
        fn $name(&self, at: usize) -> Option<$number> {
            let bytes = self.bytes.get(at..)?.first_chunk()?;
            Some(match self.order {
                ByteOrder::Little => <$number>::from_le_bytes(*bytes),
                ByteOrder::Big => <$number>::from_be_bytes(*bytes),
            })
        }
    )*};
}

impl<'a> Fields<'a> {
    readers!(i16_at -> i16, i32_at -> i32, i64_at -> i64, f32_at -> f32, f64_at -> f64);

    /// Byte order and header size, from the first field, which is the header's own size.
    fn detect(bytes: &'a [u8]) -> Option<(Self, i32)> {
        [ByteOrder::Little, ByteOrder::Big].into_iter().find_map(|order| {
            let fields = Self { bytes, order };
            let size = fields.i32_at(0)?;
            matches!(size, NIFTI_1_BYTES | NIFTI_2_BYTES).then_some((fields, size))
        })
    }

    fn layout(&self, magic_at: usize) -> Layout {
        match self.bytes.get(magic_at + 1) {
            Some(b'i') => Layout::Pair,
            _ => Layout::Single,
        }
    }

    fn floats<const N: usize>(&self, at: usize) -> Option<[f64; N]> {
        let mut values = [0.0; N];
        for (i, value) in values.iter_mut().enumerate() {
            *value = f64::from(self.f32_at(at + 4 * i)?);
        }
        Some(values)
    }

    fn doubles<const N: usize>(&self, at: usize) -> Option<[f64; N]> {
        let mut values = [0.0; N];
        for (i, value) in values.iter_mut().enumerate() {
            *value = self.f64_at(at + 8 * i)?;
        }
        Some(values)
    }

    fn nifti_1(&self) -> Option<Unchecked> {
        let mut dim = [0; 8];
        for (i, size) in dim.iter_mut().enumerate() {
            *size = i64::from(self.i16_at(40 + 2 * i)?);
        }
        let header = Header {
            order: self.order,
            layout: self.layout(344),
            dims: [1; 7],
            datatype: self.i16_at(70)?,
            pixdim: self.floats(76)?,
            voxel_offset: 0,
            slope: f64::from(self.f32_at(112)?),
            intercept: f64::from(self.f32_at(116)?),
            xyzt_units: i32::from(*self.bytes.get(123)?),
            qform_code: i32::from(self.i16_at(252)?),
            sform_code: i32::from(self.i16_at(254)?),
            quaternion: self.floats(256)?,
            qform_offset: self.floats(268)?,
            sform: [self.floats(280)?, self.floats(296)?, self.floats(312)?],
        };
        Some(Unchecked { header, dim, voxel_offset: f64::from(self.f32_at(108)?) })
    }

    fn nifti_2(&self) -> Option<Unchecked> {
        let mut dim = [0; 8];
        for (i, size) in dim.iter_mut().enumerate() {
            *size = self.i64_at(16 + 8 * i)?;
        }
        let header = Header {
            order: self.order,
            layout: self.layout(4),
            dims: [1; 7],
            datatype: self.i16_at(12)?,
            pixdim: self.doubles(104)?,
            voxel_offset: 0,
            slope: self.f64_at(176)?,
            intercept: self.f64_at(184)?,
            xyzt_units: self.i32_at(500)?,
            qform_code: self.i32_at(344)?,
            sform_code: self.i32_at(348)?,
            quaternion: self.doubles(352)?,
            qform_offset: self.doubles(376)?,
            sform: [self.doubles(400)?, self.doubles(432)?, self.doubles(464)?],
        };
        Some(Unchecked { header, dim, voxel_offset: self.i64_at(168)? as f64 })
    }
}
