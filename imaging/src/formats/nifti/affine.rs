//! The place of a NIfTI grid in the patient, turned from the file's RAS to LPS.

use glam::{DAffine3, DMat3, DQuat, DVec3};

use super::header::Header;
use crate::series::SeriesWarning;

/// Where the grid is, and what was doubtful about it.
pub(super) struct Placed {
    pub(super) lps_from_index: DAffine3,
    pub(super) warnings: Vec<SeriesWarning>,
}

/// The sform if the file has one, else the qform, else spacing alone, at the origin and along the axes.
///
/// Lengths in metres or micrometres become millimetres.
/// Source: nifti1.h, "3D image (volume) orientation and location in space"; the order of preference is nibabel's.
pub(super) fn lps_from_index(header: &Header) -> Placed {
    let mm_per_unit = match header.xyzt_units & 0x07 {
        1 => 1000.0,
        3 => 0.001,
        _ => 1.0,
    };
    let mut warnings = Vec::new();
    let lps_from_ras = DAffine3::from_scale(DVec3::new(-1.0, -1.0, 1.0) * mm_per_unit);

    let sform = (header.sform_code > 0).then(|| sform(header));
    if sform.is_some_and(|affine| !is_usable(&affine)) {
        let text = "the orientation matrix of the file (sform) is not usable and was left out";
        warnings.push(SeriesWarning::Other(text.to_owned()));
    }
    if let Some(ras_from_index) = sform.filter(is_usable) {
        return Placed { lps_from_index: lps_from_ras * ras_from_index, warnings };
    }

    let spacing = spacing(header, mm_per_unit, &mut warnings);
    let qform = (header.qform_code > 0).then(|| qform(header, spacing));
    if let Some(ras_from_index) = qform.filter(is_usable) {
        return Placed { lps_from_index: lps_from_ras * ras_from_index, warnings };
    }

    // Without either form nobody knows the directions. ITK takes the axes as they come, and so do we.
    warnings.push(SeriesWarning::NoPosition);
    Placed { lps_from_index: DAffine3::from_scale(spacing * mm_per_unit), warnings }
}

fn sform(header: &Header) -> DAffine3 {
    let [x, y, z] = header.sform;
    let column = |i: usize| {
        let pick = |row: [f64; 4]| row.get(i).copied().unwrap_or(f64::NAN);
        DVec3::new(pick(x), pick(y), pick(z))
    };
    DAffine3 { matrix3: DMat3::from_cols(column(0), column(1), column(2)), translation: column(3) }
}

fn qform(header: &Header, spacing: DVec3) -> DAffine3 {
    let v = DVec3::from_array(header.quaternion);
    // The header leaves out the fourth number. Rounding may leave the other three a little too long.
    let w_squared = 1.0 - v.length_squared();
    let rotation = if w_squared < 1e-7 {
        let v = v.normalize_or_zero();
        DQuat::from_xyzw(v.x, v.y, v.z, 0.0)
    } else {
        DQuat::from_xyzw(v.x, v.y, v.z, w_squared.sqrt())
    };
    let handedness = if header.pixdim[0] < 0.0 { -1.0 } else { 1.0 };
    let scale = spacing * DVec3::new(1.0, 1.0, handedness);
    DAffine3 {
        matrix3: DMat3::from_quat(rotation) * DMat3::from_diagonal(scale),
        translation: DVec3::from_array(header.qform_offset),
    }
}

/// Spacing in the file's unit; what is missing or no length is 1, with a warning.
fn spacing(header: &Header, mm_per_unit: f64, warnings: &mut Vec<SeriesWarning>) -> DVec3 {
    let mut value = |axis: char, length: f64, size: u64| {
        let length = length.abs();
        if length > 0.0 && length.is_finite() {
            return length;
        }
        // The thickness of a flat image does not matter to anyone.
        if size > 1 {
            warnings.push(SeriesWarning::SpacingAssumed { axis, mm: mm_per_unit });
        }
        1.0
    };
    let [_, x, y, z, ..] = header.pixdim;
    let [nx, ny, nz, ..] = header.dims;
    DVec3::new(value('x', x, nx), value('y', y, ny), value('z', z, nz))
}

fn is_usable(affine: &DAffine3) -> bool {
    let m = affine.matrix3;
    let lengths = DVec3::new(m.x_axis.length(), m.y_axis.length(), m.z_axis.length());
    let volume = m.determinant().abs();
    affine.is_finite() && volume > 1e-3 * lengths.element_product() && lengths.min_element() > 0.0
}
