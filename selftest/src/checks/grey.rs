//! From stored values to grey levels: windows, a test pattern, MONOCHROME1.

use glam::{DMat3, DVec2, DVec3};
use imaging::intensity::{VoiFunction, Window};
use imaging::phantom::dicom_file::object;
use imaging::series::SeriesEntry;
use imaging::volume::Volume;
use render_core::image::Image8;
use render_core::scene::{GreyMapping, Interpolation, Slab, SlicePlane, SliceScene};

use super::levels;
use crate::painter::Painter;
use crate::phantoms::{CT, pixels, volume_of, worst};
use crate::workplace::Workplace;
use crate::{Measured, SelftestError};

/// Draws an axial volume of one slice, pixel by pixel.
pub(super) fn draw_pixels(
    painter: &mut Painter,
    volume: Volume,
    grey: GreyMapping,
) -> Result<Image8, SelftestError> {
    let dims = volume.dims();
    let steps = volume.geometry().lps_from_index().matrix3;
    let middle = (dims.as_dvec3() - 1.0) * 0.5;
    let plane = SlicePlane {
        center_lps: volume.geometry().lps_from_index().transform_point3(middle),
        right: steps.x_axis.normalize(),
        down: steps.y_axis.normalize(),
        mm_per_px: steps.x_axis.length(),
    };
    let scene = SliceScene {
        time_point: 0,
        plane,
        size_px: [dims.x as u32, dims.y as u32],
        interpolation: Interpolation::Linear,
        slab: Slab::default(),
        grey,
        volume: volume.into(),
        color_map: None,
        layers: Vec::new(),
    };
    Ok(painter.slice(&scene)?)
}

/// The grey level of a pixel, if its three colours are the same.
pub(super) fn level(picture: &Image8, x: usize, y: usize) -> f64 {
    match picture.pixel(x as u32, y as u32) {
        Some([r, g, b, 255]) if r == g && g == b => f64::from(r),
        _ => f64::NAN,
    }
}

/// `0..=1` as a grey level; what rounding may do to it is within the limit.
fn as_level(grey: f64) -> f64 {
    grey.clamp(0.0, 1.0) * 255.0
}

/// Values around the window, drawn, against a formula of the standard. `None` where it jumps.
fn check_ramp(
    painter: &mut Painter,
    window: Window,
    expected: impl Fn(f64) -> Option<f64>,
) -> Result<Measured, SelftestError> {
    const ROWS: usize = 5;
    const COLUMNS: usize = 256;
    let stored = |x: usize, y: usize| (x * ROWS + y) as i16 - 640;
    let volume = volume_of([COLUMNS, ROWS, 1], DVec3::ZERO, DMat3::IDENTITY, |[x, y, _]| stored(x, y))?;
    let picture = draw_pixels(painter, volume, GreyMapping { window, is_inverted: false })?;
    let places = (0..ROWS).flat_map(|y| (0..COLUMNS).map(move |x| (x, y)));
    let deviations = places.filter_map(|(x, y)| {
        let grey = expected(f64::from(stored(x, y)))?;
        Some(level(&picture, x, y) - as_level(grey))
    });
    Ok(levels(worst(deviations)))
}

fn window(center: f64, width: f64, function: VoiFunction) -> Result<Window, SelftestError> {
    Window::new(center, width, function).map_err(|error| SelftestError::unexpected(error.to_string()))
}

/// Worst of several ramps.
fn worst_of(
    all: impl IntoIterator<Item = Result<Measured, SelftestError>>,
) -> Result<Measured, SelftestError> {
    let found: Result<Vec<Measured>, SelftestError> = all.into_iter().collect();
    Ok(levels(worst(found?.iter().map(|measured| measured.deviation))))
}

/// Source: DICOM PS3.3 C.11.2.1.2.1.
pub(super) fn linear(_: &Workplace, painter: &mut Painter) -> Result<Measured, SelftestError> {
    worst_of([(40.0, 400.0), (-160.0, 20.0), (0.0, 2.0), (10.0, 1.0)].map(|(c, w)| {
        check_ramp(painter, window(c, w, VoiFunction::Linear)?, |x| {
            Some(if x <= c - 0.5 - (w - 1.0) / 2.0 {
                0.0
            } else if x > c - 0.5 + (w - 1.0) / 2.0 {
                1.0
            } else {
                (x - (c - 0.5)) / (w - 1.0) + 0.5
            })
        })
    }))
}

/// Source: DICOM PS3.3 C.11.2.1.3.2.
pub(super) fn linear_exact(_: &Workplace, painter: &mut Painter) -> Result<Measured, SelftestError> {
    worst_of([(40.0, 400.0), (-160.5, 12.5), (0.25, 3.0)].map(|(c, w)| {
        check_ramp(painter, window(c, w, VoiFunction::LinearExact)?, |x| {
            Some(if x <= c - w / 2.0 {
                0.0
            } else if x > c + w / 2.0 {
                1.0
            } else {
                (x - c) / w + 0.5
            })
        })
    }))
}

/// Source: DICOM PS3.3 C.11.2.1.3.1.
pub(super) fn sigmoid(_: &Workplace, painter: &mut Painter) -> Result<Measured, SelftestError> {
    worst_of([(40.0, 400.0), (-100.0, 30.0)].map(|(c, w)| {
        check_ramp(painter, window(c, w, VoiFunction::Sigmoid)?, |x| {
            Some(1.0 / (1.0 + (-4.0 * (x - c) / w).exp()))
        })
    }))
}

/// Side of a patch of the pattern.
const PATCH_PX: usize = 12;

/// Percent of white of a place of the pattern: steps of 10 % in two rows, each with a 5 % or 95 % patch in its middle.
fn percent(column: usize, row: usize) -> f64 {
    let (patch, half) = (column / PATCH_PX, row / PATCH_PX);
    let ground = if half == 0 { patch * 10 } else { 100 - patch * 10 } as f64;
    let is_middle = |i: usize| (4..8).contains(&(i % PATCH_PX));
    match ground {
        0.0 if is_middle(column) && is_middle(row) => 5.0,
        100.0 if is_middle(column) && is_middle(row) => 95.0,
        _ => ground,
    }
}

/// A 12-bit object with its own window over the whole range, `stored(column, row)`.
fn opened(
    workplace: &Workplace,
    photometric: &str,
    [columns, rows]: [usize; 2],
    stored: impl Fn(usize, usize) -> u16,
) -> Result<(SeriesEntry, Volume), SelftestError> {
    let places = (0..rows).flat_map(|row| (0..columns).map(move |column| (column, row)));
    let bytes: Vec<u8> = places.flat_map(|(column, row)| stored(column, row).to_le_bytes()).collect();
    let file = pixels(object(CT, "CT"), columns, rows, 16)
        .text(0x0028_0004, "CS", photometric)
        .us(0x0028_0101, &[12])
        .us(0x0028_0102, &[11])
        .ds(0x0028_0030, &[1.0, 1.0])
        .ds(0x0020_0032, &[0.0, 0.0, 0.0])
        .ds(0x0020_0037, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0])
        .ds(0x0028_1050, &[2048.0])
        .ds(0x0028_1051, &[4096.0])
        .bytes(0x7FE0_0010, "OW", &bytes);
    workplace.open(&[file.file()])
}

/// The mapping that the window opens a series with.
fn own_mapping(entry: &SeriesEntry) -> Result<GreyMapping, SelftestError> {
    let window =
        entry.windows.first().ok_or_else(|| SelftestError::unexpected("the file's window was lost"))?;
    Ok(GreyMapping { window: window.window, is_inverted: entry.is_inverted })
}

pub(super) fn smpte(workplace: &Workplace, painter: &mut Painter) -> Result<Measured, SelftestError> {
    let size = [11 * PATCH_PX, 2 * PATCH_PX];
    let stored = |column, row| (percent(column, row) * 40.95).round() as u16;
    let (entry, volume) = opened(workplace, "MONOCHROME2", size, stored)?;
    let picture = draw_pixels(painter, volume, own_mapping(&entry)?)?;
    let middle = PATCH_PX / 2;
    let [black, five] = [level(&picture, 0, 0), level(&picture, middle, middle)];
    let [white, ninety_five] = [level(&picture, 0, PATCH_PX), level(&picture, middle, PATCH_PX + middle)];
    if five - black < 10.0 || white - ninety_five < 10.0 {
        let text = format!("5 % is {five} on {black}, 95 % is {ninety_five} on {white}");
        return Err(SelftestError::unexpected(text));
    }
    let places = (0..size[1]).flat_map(|y| (0..size[0]).map(move |x| DVec2::new(x as f64, y as f64)));
    let deviations = places.map(|place| {
        let (x, y) = (place.x as usize, place.y as usize);
        level(&picture, x, y) - as_level(percent(x, y) / 100.0)
    });
    Ok(levels(worst(deviations)))
}

pub(super) fn monochrome1(workplace: &Workplace, painter: &mut Painter) -> Result<Measured, SelftestError> {
    let size = [128, 32];
    let stored = |column: usize, row: usize| (row * 128 + column) as u16;
    let mut deviations = Vec::new();
    for (photometric, is_low_bright) in [("MONOCHROME2", false), ("MONOCHROME1", true)] {
        let (entry, volume) = opened(workplace, photometric, size, stored)?;
        // Numbers are the same either way; only what is bright differs.
        let numbers = crate::phantoms::indices(&volume).map(|[x, y, z]| {
            volume.value_at([x, y, z], 0, 0).map_or(f64::NAN, |value| value - f64::from(stored(x, y)))
        });
        deviations.push(worst(numbers) * 255.0);
        let picture = draw_pixels(painter, volume, own_mapping(&entry)?)?;
        for (x, y) in (0..size[1]).flat_map(|y| (0..size[0]).map(move |x| (x, y))) {
            let grey = f64::from(stored(x, y)) / 4095.0;
            let expected = as_level(if is_low_bright { 1.0 - grey } else { grey });
            deviations.push(level(&picture, x, y) - expected);
        }
    }
    Ok(levels(worst(deviations)))
}
