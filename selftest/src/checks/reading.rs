//! Stored values and the place of every voxel.

use glam::{DMat3, DVec3};
use imaging::phantom::dicom_file::{Elements, object};
use imaging::series::SeriesWarning;
use imaging::verdict::{Level, Verdict};
use imaging::volume::Volume;

use crate::phantoms::{CT, Slice, indices, pixels, worst};
use crate::workplace::Workplace;
use crate::{Measured, SelftestError};

fn mm(deviation: f64) -> Measured {
    Measured { deviation, limit: 1e-6, unit: "mm" }
}

/// How far the worst voxel is from where its value says it was written.
fn misplacement_mm(volume: &Volume, truth_lps: impl Fn(usize) -> DVec3) -> f64 {
    let to_lps = volume.geometry().lps_from_index();
    worst(indices(volume).map(|index| {
        let lps = to_lps.transform_point3(DVec3::from_array(index.map(|i| i as f64)));
        volume.value_at(index, 0, 0).map_or(f64::NAN, |value| lps.distance(truth_lps(value as usize)))
    }))
}

pub(super) fn stored_values(workplace: &Workplace) -> Result<Measured, SelftestError> {
    let mut deviations = Vec::new();
    for is_signed in [false, true] {
        let low = if is_signed { -2048 } else { 0 };
        let values: Vec<i32> = (0..4096).map(|i| low + i).collect();
        // What lies above the stored bits belongs to nobody and must not be read.
        let bytes = values.iter().flat_map(|v| (((*v as u16) & 0x0FFF) | 0xA000).to_le_bytes());
        let file = pixels(object(CT, "CT"), 64, 64, 16)
            .us(0x0028_0101, &[12])
            .us(0x0028_0102, &[11])
            .us(0x0028_0103, &[u16::from(is_signed)])
            .ds(0x0028_0030, &[1.0, 1.0])
            .ds(0x0020_0032, &[0.0, 0.0, 0.0])
            .ds(0x0020_0037, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
            .ds(0x0028_1052, &[-1024.0])
            .ds(0x0028_1053, &[2.0])
            .bytes(0x7FE0_0010, "OW", &bytes.collect::<Vec<u8>>());
        let (_, volume) = workplace.open(&[file.file()])?;
        deviations.extend(indices(&volume).zip(values).map(|(index, stored)| {
            let hu = f64::from(stored) * 2.0 - 1024.0;
            volume.value_at(index, 0, 0).map_or(f64::NAN, |found| found - hu)
        }));
    }
    Ok(Measured { deviation: worst(deviations), limit: 0.0, unit: "HU" })
}

/// Three marks, a known way apart along the rows and along the columns.
pub(super) fn pixel_spacing(workplace: &Workplace) -> Result<Measured, SelftestError> {
    let marks = [(10, 5), (50, 5), (10, 45)];
    let slice = Slice { row_spacing_mm: 0.9, column_spacing_mm: 0.4, ..Slice::axial(64, 56) };
    let value =
        |column, row| marks.iter().position(|mark| *mark == (column, row)).map_or(0, |i| i as i16 + 1);
    let (_, volume) = workplace.open(&[slice.ct(1, value).file()])?;
    let place = |wanted: f64| {
        let found = indices(&volume).find(|index| volume.value_at(*index, 0, 0) == Some(wanted));
        let index = found.map_or(DVec3::NAN, |index| DVec3::from_array(index.map(|i| i as f64)));
        volume.geometry().lps_from_index().transform_point3(index)
    };
    let along_row = place(1.0).distance(place(2.0)) - 40.0 * 0.4;
    let along_column = place(1.0).distance(place(3.0)) - 40.0 * 0.9;
    Ok(mm(worst([along_row, along_column])))
}

/// Slices one after the other along a step, each voxel numbered; also where each number lies.
struct Numbered {
    first: Slice,
    step: DVec3,
    count: usize,
}

impl Numbered {
    fn slice(&self, z: usize) -> Slice {
        Slice { position: self.first.position + self.step * z as f64, ..self.first }
    }

    fn number(&self, column: usize, row: usize, z: usize) -> usize {
        (z * self.first.rows + row) * self.first.columns + column
    }

    fn lps(&self, number: usize) -> DVec3 {
        let Slice { columns, rows, .. } = self.first;
        self.slice(number / (columns * rows)).lps(number % columns, number / columns % rows)
    }

    /// Files whose names and instance numbers say nothing about the order; for odd counts.
    fn files(&self) -> Vec<Vec<u8>> {
        let file = |i: usize| {
            let z = i * 2 % self.count;
            let value = |column, row| self.number(column, row, z) as i16;
            self.slice(z).ct(self.count - i, value).file()
        };
        (0..self.count).map(file).collect()
    }
}

fn count_of(numbered: &Numbered, volume: &Volume) -> Result<(), SelftestError> {
    let expected = numbered.first.columns * numbered.first.rows * numbered.count;
    let found = indices(volume).count();
    let message = || SelftestError::unexpected(format!("{found} voxels read, {expected} written"));
    if found == expected { Ok(()) } else { Err(message()) }
}

pub(super) fn position(workplace: &Workplace) -> Result<Measured, SelftestError> {
    let axes = [DVec3::new(0.6, 0.8, 0.0), DVec3::NEG_Z];
    let first = Slice {
        position: DVec3::new(-31.5, 12.25, 90.75),
        axes,
        row_spacing_mm: 1.5,
        column_spacing_mm: 0.75,
        columns: 20,
        rows: 14,
    };
    let numbered = Numbered { first, step: axes[0].cross(axes[1]) * 2.5, count: 5 };
    let (_, volume) = workplace.open(&numbered.files())?;
    count_of(&numbered, &volume)?;
    Ok(mm(misplacement_mm(&volume, |number| numbered.lps(number))))
}

/// The six directions along the axes.
const DIRECTIONS: [DVec3; 6] = [DVec3::X, DVec3::NEG_X, DVec3::Y, DVec3::NEG_Y, DVec3::Z, DVec3::NEG_Z];

pub(super) fn orientations(workplace: &Workplace) -> Result<Measured, SelftestError> {
    let mut deviation = 0.0f64;
    let mut count = 0;
    for row in DIRECTIONS {
        for column in DIRECTIONS.into_iter().filter(|column| column.dot(row) == 0.0) {
            for sense in [1.0, -1.0] {
                let position = DVec3::new(-11.0, 23.0, -37.0);
                let axes = [row, column];
                let first = Slice {
                    position,
                    axes,
                    row_spacing_mm: 2.0,
                    column_spacing_mm: 1.5,
                    columns: 5,
                    rows: 4,
                };
                let numbered = Numbered { first, step: row.cross(column) * (sense * 2.5), count: 3 };
                let (_, volume) = workplace.open(&numbered.files())?;
                count_of(&numbered, &volume)?;
                deviation = deviation.max(misplacement_mm(&volume, |number| numbered.lps(number)));
                count += 1;
            }
        }
    }
    let message = || SelftestError::unexpected(format!("{count} orientations instead of 48"));
    if count == 48 { Ok(mm(deviation)) } else { Err(message()) }
}

pub(super) fn orientations_nifti(workplace: &Workplace) -> Result<Measured, SelftestError> {
    const DIMS: [usize; 3] = [5, 4, 3];
    let mut deviation = 0.0f64;
    for axes in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for flips in 0..8u8 {
            // Columns of the affine in RAS.
            let columns = [0, 1, 2].map(|a| {
                let length = 1.5 + a as f64 * 0.5;
                DVec3::AXES[axes[a]] * if flips >> a & 1 == 1 { -length } else { length }
            });
            let origin = DVec3::new(-11.0, 23.0, -37.0);
            let (_, volume) = workplace.open_as(&[nifti(DIMS, columns, origin)], "nii")?;
            deviation = deviation.max(misplacement_mm(&volume, |number| {
                let index = [number % DIMS[0], number / DIMS[0] % DIMS[1], number / DIMS[0] / DIMS[1]];
                let index = DVec3::from_array(index.map(|i| i as f64));
                let ras = origin + DMat3::from_cols(columns[0], columns[1], columns[2]) * index;
                DVec3::new(-ras.x, -ras.y, ras.z)
            }));
        }
    }
    // The header holds 32-bit floats, but these numbers are exact in them.
    Ok(mm(deviation))
}

/// A NIfTI-1 file of numbered int16 voxels with an sform.
fn nifti(dims: [usize; 3], columns: [DVec3; 3], origin: DVec3) -> Vec<u8> {
    let mut bytes = vec![0u8; 352];
    let mut put = |at: usize, value: &[u8]| {
        if let Some(place) = bytes.get_mut(at..at + value.len()) {
            place.copy_from_slice(value);
        }
    };
    put(0, &348i32.to_le_bytes());
    put(40, &3i16.to_le_bytes());
    for (a, n) in dims.into_iter().enumerate() {
        put(42 + 2 * a, &(n as i16).to_le_bytes());
    }
    // int16; millimetres; voxels at byte 352; sform in scanner coordinates.
    put(70, &4i16.to_le_bytes());
    put(72, &16i16.to_le_bytes());
    put(76, &1f32.to_le_bytes());
    for (a, column) in columns.iter().enumerate() {
        put(80 + 4 * a, &(column.length() as f32).to_le_bytes());
    }
    put(108, &352f32.to_le_bytes());
    put(123, &[2]);
    put(254, &1i16.to_le_bytes());
    for row in 0..3 {
        let values = [columns[0][row], columns[1][row], columns[2][row], origin[row]];
        for (i, value) in values.into_iter().enumerate() {
            put(280 + 16 * row + 4 * i, &(value as f32).to_le_bytes());
        }
    }
    put(344, b"n+1\0");
    let count: usize = dims.iter().product();
    bytes.extend((0..count).flat_map(|i| (i as i16).to_le_bytes()));
    bytes
}

pub(super) fn gantry_tilt(workplace: &Workplace) -> Result<Measured, SelftestError> {
    // A 7-24-25 triangle: 16.26° between the slices' normal and the table.
    let axes = [DVec3::X, DVec3::new(0.0, 0.96, -0.28)];
    let position = DVec3::new(-12.5, 4.0, -60.0);
    let first = Slice { position, axes, row_spacing_mm: 0.5, column_spacing_mm: 0.75, columns: 16, rows: 12 };
    let numbered = Numbered { first, step: DVec3::Z * 3.0, count: 7 };
    let (_, volume) = workplace.open(&numbered.files())?;
    count_of(&numbered, &volume)?;
    let tilt = volume.warnings().iter().find_map(|warning| match warning {
        SeriesWarning::GantryTilt { degrees } => Some(*degrees),
        _ => None,
    });
    let expected = 0.28f64.asin().to_degrees();
    if tilt.is_none_or(|degrees| (degrees - expected).abs() > 0.01) {
        return Err(SelftestError::unexpected(format!("tilt of {expected:.2}° was reported as {tilt:?}")));
    }
    Ok(mm(misplacement_mm(&volume, |number| numbered.lps(number))))
}

/// Axial slices at these heights, ten per millimetre in value.
fn at_heights(heights_mm: &[f64]) -> Vec<Vec<u8>> {
    let slice = |z: f64| Slice { position: DVec3::Z * z, ..Slice::axial(4, 4) };
    let file = |(i, &z): (usize, &f64)| Elements::file(&slice(z).ct(i + 1, |_, _| (z * 10.0) as i16));
    heights_mm.iter().enumerate().map(file).collect()
}

fn require_level(volume: &Volume, least: Level) -> Result<(), SelftestError> {
    let level = Verdict::of(volume.warnings()).level;
    let message = || SelftestError::unexpected(format!("the verdict is {}", level.name()));
    if level >= least { Ok(()) } else { Err(message()) }
}

pub(super) fn uneven_spacing(workplace: &Workplace) -> Result<Measured, SelftestError> {
    let (_, volume) = workplace.open(&at_heights(&[0.0, 4.0, 8.0, 13.5, 17.5]))?;
    require_level(&volume, Level::Amber)?;
    let to_lps = volume.geometry().lps_from_index();
    let last = DVec3::new(0.0, 0.0, volume.dims().z as f64 - 1.0);
    let last_off = to_lps.transform_point3(last).z - 17.5;
    if last_off.abs() > 1e-6 {
        return Err(SelftestError::unexpected(format!("the last slice is {last_off} mm off")));
    }
    let deviations = indices(&volume).map(|index| {
        let z = to_lps.transform_point3(DVec3::from_array(index.map(|i| i as f64))).z;
        volume.value_at(index, 0, 0).map_or(f64::NAN, |value| value / 10.0 - z)
    });
    // Slices may be moved by 0.1 mm on to the grid, and mixed ones are rounded to whole stored values.
    Ok(Measured { deviation: worst(deviations), limit: 0.15, unit: "mm" })
}

pub(super) fn missing_slice(workplace: &Workplace) -> Result<Measured, SelftestError> {
    let (_, volume) = workplace.open(&at_heights(&[0.0, 2.0, 4.0, 8.0, 10.0]))?;
    require_level(&volume, Level::Red)?;
    let empty: Vec<usize> = (0..volume.dims().z).filter(|z| volume.is_empty_slice(*z, 0)).collect();
    if empty != [3] {
        return Err(SelftestError::unexpected(format!("slices {empty:?} are empty instead of 3")));
    }
    let deviations = indices(&volume).filter(|[.., z]| *z != 3).map(|index| {
        let lps =
            volume.geometry().lps_from_index().transform_point3(DVec3::from_array(index.map(|i| i as f64)));
        volume.value_at(index, 0, 0).map_or(f64::NAN, |value| lps.z - value / 10.0)
    });
    Ok(mm(worst(deviations)))
}
