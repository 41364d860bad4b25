//! Writes NIfTI-1 in one gzip file (`.nii.gz`).
//!
//! Space is RAS: LPS is turned here and nowhere else. Both forms are written, with code 1 (scanner): the sform holds any
//! grid, the qform only one with perpendicular axes; where they would differ by more than a hundredth of a voxel, the
//! qform is left out (code 0). The header has room for float32 only, so positions are exact to about seven digits.
//! Source: nifti1.h (2007), byte offsets of `struct nifti_1_header`.

use std::io::{self, Write};

use glam::{DAffine3, DMat3, DQuat, DVec3};
use imaging::geometry::Geometry;

use crate::OperatorError;
use crate::deflate::{Deflate, Frame};
use crate::modality::NumberType;

const HEADER_BYTES: usize = 348;
/// Header and four bytes that say that no extension follows.
const VOXEL_OFFSET: usize = 352;

/// A header that fits a volume.
#[derive(Debug, Clone)]
pub struct Header {
    bytes: [u8; VOXEL_OFFSET],
    has_qform: bool,
}

impl Header {
    /// Header of a still, scalar volume.
    ///
    /// # Errors
    /// [`OperatorError::DimensionTooLarge`]: the format counts to 32767.
    pub fn new(geometry: &Geometry, number_type: NumberType) -> Result<Self, OperatorError> {
        let d = geometry.dims();
        let size = |size: usize| {
            let max = i16::MAX as usize;
            i16::try_from(size).map_err(|_| OperatorError::DimensionTooLarge { size, max })
        };
        let ras_from_index = DAffine3::from_scale(DVec3::new(-1.0, -1.0, 1.0)) * geometry.lps_from_index();
        let quaternion = Quaternion::of(ras_from_index, geometry.spacing_mm());
        let has_qform = quaternion.deviation_voxels(ras_from_index, geometry) < 0.01;

        let mut fields = Fields([0; VOXEL_OFFSET]);
        fields.put(0, &(HEADER_BYTES as i32).to_le_bytes());
        fields.shorts(40, &[3, size(d.x)?, size(d.y)?, size(d.z)?, 1, 1, 1, 1]);
        let (datatype, bits) = match number_type {
            NumberType::U8 => (2, 8),
            NumberType::I16 => (4, 16),
            NumberType::F32 => (16, 32),
        };
        fields.shorts(70, &[datatype, bits]);
        let s = geometry.spacing_mm();
        fields.floats(76, &[quaternion.handedness, s.x, s.y, s.z, 0.0, 0.0, 0.0, 0.0]);
        fields.floats(108, &[VOXEL_OFFSET as f64, 1.0, 0.0]);
        // Millimetres, seconds.
        fields.put(123, &[2 | 8]);
        fields.shorts(252, &[i16::from(has_qform), 1]);
        if has_qform {
            let q = quaternion.rotation;
            let o = ras_from_index.translation;
            fields.floats(256, &[q.x, q.y, q.z, o.x, o.y, o.z]);
        }
        let m = ras_from_index.matrix3.transpose();
        let o = ras_from_index.translation;
        for (at, row, offset) in [(280, m.x_axis, o.x), (296, m.y_axis, o.y), (312, m.z_axis, o.z)] {
            fields.floats(at, &[row.x, row.y, row.z, offset]);
        }
        fields.put(344, b"n+1\0");
        Ok(Self { bytes: fields.0, has_qform })
    }

    /// Whether the qform could hold the grid.
    pub fn has_qform(&self) -> bool {
        self.has_qform
    }
}

/// Writes a file; `voxels` writes all values, little endian, x fastest.
///
/// # Errors
/// Those of `out` and `voxels`.
pub fn write(
    header: &Header,
    voxels: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let mut deflate = Deflate::new(Frame::Gzip, out)?;
    deflate.write_all(&header.bytes)?;
    voxels(&mut deflate)?;
    deflate.finish()
}

struct Fields([u8; VOXEL_OFFSET]);

impl Fields {
    fn put(&mut self, at: usize, bytes: &[u8]) {
        let place = self.0.get_mut(at..at + bytes.len()).expect("fields of the header lie in it");
        place.copy_from_slice(bytes);
    }

    fn shorts(&mut self, at: usize, values: &[i16]) {
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.put(at, &bytes);
    }

    fn floats(&mut self, at: usize, values: &[f64]) {
        let bytes: Vec<u8> = values.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect();
        self.put(at, &bytes);
    }
}

/// The rotation of the qform, and −1 if the third axis is turned round before it.
struct Quaternion {
    rotation: DQuat,
    handedness: f64,
}

impl Quaternion {
    fn of(ras_from_index: DAffine3, spacing_mm: DVec3) -> Self {
        let axes = ras_from_index.matrix3 * DMat3::from_diagonal(1.0 / spacing_mm);
        let handedness = if axes.determinant() < 0.0 { -1.0 } else { 1.0 };
        let mut rotation = axes * DMat3::from_diagonal(DVec3::new(1.0, 1.0, handedness));
        // The nearest rotation (Higham, 1986): direction cosines of files are rounded.
        for _ in 0..20 {
            rotation = (rotation + rotation.inverse().transpose()) * 0.5;
        }
        let rotation = DQuat::from_mat3(&rotation).normalize();
        // The header leaves out w, which is never negative.
        Self { rotation: if rotation.w < 0.0 { -rotation } else { rotation }, handedness }
    }

    /// How far the corners of the grid would be off, in voxels.
    fn deviation_voxels(&self, ras_from_index: DAffine3, geometry: &Geometry) -> f64 {
        let scale = geometry.spacing_mm() * DVec3::new(1.0, 1.0, self.handedness);
        let own = DMat3::from_quat(self.rotation) * DMat3::from_diagonal(scale);
        let difference = own - ras_from_index.matrix3;
        let far = geometry.dims().as_dvec3() - 1.0;
        let corner = |i: usize| {
            let pick = |axis: usize, far: f64| if i >> axis & 1 == 0 { 0.0 } else { far };
            (difference * DVec3::new(pick(0, far.x), pick(1, far.y), pick(2, far.z))).length()
        };
        (1..8).map(corner).fold(0.0, f64::max) / geometry.spacing_mm().min_element()
    }
}
