//! Phantoms as files and volumes, whose answers are known from how they are made.

use glam::{DMat3, DVec3};
use imaging::geometry::{Dims, Geometry};
use imaging::phantom::dicom_file::{Elements, object};
use imaging::volume::{Rescale, Unit, Volume, VolumeMeta, Voxels};

use crate::SelftestError;

pub(crate) const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
pub(crate) const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";

/// Where one slice lies and how it is cut into pixels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slice {
    /// Centre of the first pixel, LPS in mm.
    pub(crate) position: DVec3,
    /// Direction of rows, then of columns; unit vectors.
    pub(crate) axes: [DVec3; 2],
    pub(crate) row_spacing_mm: f64,
    pub(crate) column_spacing_mm: f64,
    pub(crate) columns: usize,
    pub(crate) rows: usize,
}

impl Slice {
    /// An axial slice of square millimetre pixels with its first pixel at the origin.
    pub(crate) fn axial(columns: usize, rows: usize) -> Self {
        Self {
            position: DVec3::ZERO,
            axes: [DVec3::X, DVec3::Y],
            row_spacing_mm: 1.0,
            column_spacing_mm: 1.0,
            columns,
            rows,
        }
    }

    /// Centre of a pixel, LPS in mm.
    pub(crate) fn lps(&self, column: usize, row: usize) -> DVec3 {
        let [along_row, along_column] = self.axes;
        self.position
            + along_row * (column as f64 * self.column_spacing_mm)
            + along_column * (row as f64 * self.row_spacing_mm)
    }

    /// A CT slice of signed 16-bit values (HU at a slope of 1), `stored(column, row)`.
    pub(crate) fn ct(&self, number: usize, stored: impl Fn(usize, usize) -> i16) -> Elements {
        let places = (0..self.rows).flat_map(|row| (0..self.columns).map(move |column| (column, row)));
        let bytes: Vec<u8> = places.flat_map(|(column, row)| stored(column, row).to_le_bytes()).collect();
        let axes: Vec<f64> = self.axes.iter().flat_map(|axis| axis.to_array()).collect();
        pixels(object(CT, "CT"), self.columns, self.rows, 16)
            .text(0x0008_0018, "UI", &format!("1.2.3.4.{number}"))
            .text(0x0020_0013, "IS", &number.to_string())
            .text(0x0020_0052, "UI", "1.2.3.3")
            .ds(0x0020_0032, &self.position.to_array())
            .ds(0x0020_0037, &axes)
            .ds(0x0028_0030, &[self.row_spacing_mm, self.column_spacing_mm])
            .us(0x0028_0103, &[1])
            .bytes(0x7FE0_0010, "OW", &bytes)
    }
}

/// Adds the description of grey, unsigned pixels with all bits stored.
pub(crate) fn pixels(elements: Elements, columns: usize, rows: usize, bits: u16) -> Elements {
    elements
        .us(0x0028_0002, &[1])
        .text(0x0028_0004, "CS", "MONOCHROME2")
        .us(0x0028_0010, &[rows as u16])
        .us(0x0028_0011, &[columns as u16])
        .us(0x0028_0100, &[bits])
        .us(0x0028_0101, &[bits])
        .us(0x0028_0102, &[bits - 1])
        .us(0x0028_0103, &[0])
}

/// A grid with whole-number values that rise by `rise` from voxel to voxel: linear, so that interpolation is exact.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ramp {
    pub(crate) dims: [usize; 3],
    pub(crate) origin: DVec3,
    /// Columns are the steps from voxel to voxel in mm.
    pub(crate) steps: DMat3,
    pub(crate) rise: [i16; 3],
}

impl Ramp {
    /// A grid turned by 3-4-5 triangles, far from the origin, of unequal spacing; `is_tilted` leans its slices.
    pub(crate) fn oblique(is_tilted: bool) -> Self {
        let turned = DMat3::from_cols(
            DVec3::new(0.6, 0.8, 0.0),
            DVec3::new(-0.8 * 0.96, 0.6 * 0.96, 0.28),
            DVec3::new(0.8 * 0.28, -0.6 * 0.28, 0.96),
        );
        let leaning = DMat3::from_cols(DVec3::X, DVec3::new(0.0, 0.96, -0.28), DVec3::Z);
        let axes = if is_tilted { leaning } else { turned };
        Self {
            dims: [40, 36, 24],
            origin: DVec3::new(-31.0, 12.0, -90.0),
            steps: axes * DMat3::from_diagonal(DVec3::new(0.75, 1.25, 2.5)),
            rise: [7, 11, 13],
        }
    }

    /// Value at a patient position, from the matrix of the phantom itself; `None` within a voxel of the edge.
    pub(crate) fn value_at(&self, lps: DVec3) -> Option<f64> {
        let index = self.steps.inverse() * (lps - self.origin);
        let last = DVec3::from_array(self.dims.map(|n| n as f64)) - 1.0;
        let is_inside = index.cmpgt(DVec3::ONE).all() && index.cmplt(last - 1.0).all();
        is_inside.then(|| index.dot(DVec3::from_array(self.rise.map(f64::from))))
    }

    pub(crate) fn center_lps(&self) -> DVec3 {
        self.origin + self.steps * (DVec3::from_array(self.dims.map(|n| n as f64 - 1.0)) * 0.5)
    }

    pub(crate) fn volume(&self) -> Result<Volume, SelftestError> {
        let [a, b, c] = self.rise;
        volume_of(self.dims, self.origin, self.steps, |[x, y, z]| a * x as i16 + b * y as i16 + c * z as i16)
    }
}

/// A volume of signed 16-bit HU, `stored([x, y, z])`.
pub(crate) fn volume_of(
    dims: [usize; 3],
    origin: DVec3,
    steps: DMat3,
    stored: impl Fn([usize; 3]) -> i16,
) -> Result<Volume, SelftestError> {
    let [nx, ny, nz] = dims;
    let indices = (0..nz).flat_map(|z| (0..ny).flat_map(move |y| (0..nx).map(move |x| [x, y, z])));
    volume_from(dims, origin, steps, indices.map(stored).collect::<Vec<i16>>())
}

/// A volume of HU from samples, x fastest.
pub(crate) fn volume_from(
    [nx, ny, nz]: [usize; 3],
    origin: DVec3,
    steps: DMat3,
    samples: impl Into<Voxels>,
) -> Result<Volume, SelftestError> {
    let spacing = DVec3::new(steps.x_axis.length(), steps.y_axis.length(), steps.z_axis.length());
    let geometry = Geometry::new(Dims::new(nx, ny, nz), origin, spacing, steps)
        .map_err(|error| SelftestError::unexpected(error.to_string()))?;
    let rescale = Rescale::IDENTITY;
    Ok(Volume::new(VolumeMeta { rescale, unit: Unit::Hounsfield, ..VolumeMeta::scalar(geometry) }, samples)?)
}

/// Every index of a volume.
pub(crate) fn indices(volume: &Volume) -> impl Iterator<Item = [usize; 3]> + use<> {
    let Dims { x: nx, y: ny, z: nz } = volume.dims();
    (0..nz).flat_map(move |z| (0..ny).flat_map(move |y| (0..nx).map(move |x| [x, y, z])))
}

/// The largest of some deviations; infinite if one of them is no number.
pub(crate) fn worst(deviations: impl IntoIterator<Item = f64>) -> f64 {
    deviations.into_iter().fold(0.0, |worst, d| if d.is_nan() { f64::INFINITY } else { worst.max(d.abs()) })
}
