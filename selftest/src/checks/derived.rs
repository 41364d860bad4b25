//! Objects made from images: a segmentation with gaps, and the uptake of a reference object.

use glam::DVec3;
use imaging::derived::Derived;
use imaging::formats::{ReadLimits, load_object, uptake_header};
use imaging::phantom::dicom_file::{Elements, object};
use imaging::uptake::suv_body_weight;

use crate::phantoms::{Slice, pixels, worst};
use crate::workplace::Workplace;
use crate::{Measured, SelftestError};

/// Frames of a binary segmentation that leaves slices out: which slice of the stack each lies on.
const SLICES: [usize; 4] = [2, 3, 5, 8];
const SLICE_MM: f64 = 2.5;

/// The stack that the segmentation was drawn on.
fn stack() -> Slice {
    Slice {
        position: DVec3::new(-20.5, 31.25, 7.0),
        axes: [DVec3::new(0.6, 0.8, 0.0), DVec3::NEG_Z],
        row_spacing_mm: 1.5,
        column_spacing_mm: 0.75,
        columns: 20,
        rows: 14,
    }
}

/// Lopsided, so that no flip or turn leaves it as it was, and different on every slice.
fn is_marked(column: usize, row: usize, slice: usize) -> bool {
    column > 3 && row > 2 && column + 2 * row + slice < 27
}

pub(super) fn segmentation(workplace: &Workplace) -> Result<Measured, SelftestError> {
    let slice = stack();
    let (columns, rows) = (slice.columns, slice.rows);
    let normal = slice.axes[0].cross(slice.axes[1]);
    let pixel = |i: usize, z: usize| is_marked(i % columns, i / columns, z);
    let bits: Vec<bool> =
        SLICES.into_iter().flat_map(|z| (0..columns * rows).map(move |i| pixel(i, z))).collect();
    let packed =
        |eight: &[bool]| eight.iter().enumerate().fold(0, |byte, (i, bit)| byte | u8::from(*bit) << i);
    let bytes: Vec<u8> = bits.chunks(8).map(packed).collect();
    let measures = Elements::new()
        .ds(0x0028_0030, &[slice.row_spacing_mm, slice.column_spacing_mm])
        .ds(0x0018_0050, &[SLICE_MM * 1.7])
        .ds(0x0018_0088, &[SLICE_MM]);
    let axes: Vec<f64> = slice.axes.iter().flat_map(|axis| axis.to_array()).collect();
    let shared = Elements::new()
        .seq(0x0028_9110, [measures])
        .seq(0x0020_9116, [Elements::new().ds(0x0020_0037, &axes)]);
    let groups = SLICES.map(|z| {
        let position = slice.position + normal * (z as f64 * SLICE_MM);
        Elements::new()
            .seq(0x0020_9113, [Elements::new().ds(0x0020_0032, &position.to_array())])
            .seq(0x0062_000A, [Elements::new().us(0x0062_000B, &[1])])
    });
    let segment = Elements::new()
        .us(0x0062_0004, &[1])
        .text(0x0062_0005, "LO", "Wedge")
        .text(0x0062_0008, "CS", "MANUAL")
        .code(0x0062_0003, "SCT", "85756007", "Tissue")
        .code(0x0062_000F, "SCT", "85756007", "Tissue");
    let file = pixels(object("1.2.840.10008.5.1.4.1.1.66.4", "SEG"), columns, rows, 1)
        .text(0x0020_0052, "UI", "1.2.3.3")
        .text(0x0062_0001, "CS", "BINARY")
        .text(0x0028_0008, "IS", &SLICES.len().to_string())
        .seq(0x0062_0002, [segment])
        .seq(0x5200_9229, [shared])
        .seq(0x5200_9230, groups)
        .bytes(0x7FE0_0010, "OB", &bytes)
        .file();
    let catalog = workplace.scan(&[file], "dcm")?;
    let Some(found) = catalog.objects.first() else {
        return Err(SelftestError::unexpected("the segmentation was not found"));
    };
    let Derived::Segmentation(found) = load_object(found, ReadLimits::default())? else {
        return Err(SelftestError::unexpected("the segmentation was taken for something else"));
    };
    let mask = found.mask(1).map_err(|error| SelftestError::unexpected(error.to_string()))?;
    // Every voxel of the stack, also on the slices that were left out, asked for by its place.
    let all = (0..=8).flat_map(|z| (0..columns * rows).map(move |i| (i % columns, i / columns, z)));
    let wrong = all.filter(|&(column, row, z)| {
        let lps = slice.lps(column, row) + normal * (z as f64 * SLICE_MM);
        let is_expected = SLICES.contains(&z) && is_marked(column, row, z);
        mask.contains_lps(lps) != is_expected
    });
    let wrong = wrong.count() as f64;
    let expected_count = bits.iter().filter(|bit| **bit).count() as f64;
    let expected_mm3 = expected_count * slice.row_spacing_mm * slice.column_spacing_mm * SLICE_MM;
    if (mask.volume_mm3() / expected_mm3 - 1.0).abs() > 1e-9 {
        let found = mask.volume_mm3();
        return Err(SelftestError::unexpected(format!("{found} mm³ instead of {expected_mm3} mm³")));
    }
    Ok(Measured { deviation: wrong, limit: 0.0, unit: "voxels" })
}

/// 370 MBq of ¹⁸F in 70 kg, an hour before the scan: 3618.67 Bq/ml are an SUV of 1.
pub(super) fn suv(workplace: &Workplace) -> Result<Measured, SelftestError> {
    const HALF_LIFE_SECS: f64 = 6586.2;
    let bq_per_suv = 370e6 * (-3600.0 / HALF_LIFE_SECS * std::f64::consts::LN_2).exp() / 70_000.0;
    let known = [1.0, 2.0, 4.0, 8.0];
    let bytes: Vec<u8> = known.iter().flat_map(|suv| ((suv * 1000.0) as u16).to_le_bytes()).collect();
    let dose = Elements::new()
        .text(0x0018_1072, "TM", "120000.00")
        .ds(0x0018_1074, &[370e6])
        .ds(0x0018_1075, &[HALF_LIFE_SECS]);
    let file = pixels(object("1.2.840.10008.5.1.4.1.1.128", "PT"), 2, 2, 16)
        .text(0x0008_0021, "DA", "20240115")
        .text(0x0008_0022, "DA", "20240115")
        .text(0x0008_0031, "TM", "130000.00")
        .text(0x0008_0032, "TM", "130000.00")
        .ds(0x0010_1030, &[70.0])
        .text(0x0028_0051, "CS", "NORM\\ATTN\\SCAT\\DECY")
        .seq(0x0054_0016, [dose])
        .text(0x0054_1001, "CS", "BQML")
        .text(0x0054_1102, "CS", "START")
        .ds(0x0028_0030, &[4.0, 4.0])
        .ds(0x0020_0032, &[0.0, 0.0, 0.0])
        .ds(0x0020_0037, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
        .ds(0x0028_1052, &[0.0])
        .text(0x0028_1053, "DS", &format!("{:.12}", bq_per_suv / 1000.0))
        .bytes(0x7FE0_0010, "OW", &bytes);
    let (entry, volume) = workplace.open(&[file.file()])?;
    let factor = suv_body_weight(&uptake_header(&entry)?)
        .map_err(|reason| SelftestError::unexpected(reason.to_string()))?;
    let rescale = factor.rescale(volume.rescale());
    let deviation =
        worst(known.iter().enumerate().map(|(i, suv)| {
            volume.voxels().get(i).map_or(f64::NAN, |stored| rescale.apply(stored) / suv - 1.0)
        }));
    Ok(Measured { deviation, limit: 1e-9, unit: "of the value" })
}
