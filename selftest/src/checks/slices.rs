//! What lies where in slices: values at pixels, slabs, round circles, colours.

use std::sync::Arc;

use glam::{DMat3, DVec3};
use imaging::geometry::AnatomicalPlane;
use imaging::intensity::Window;
use imaging::volume::{Channels, Volume, VolumeMeta};
use render_core::scene::{GreyMapping, Interpolation, Slab, SlabMode, SlicePlane, SliceScene};

use super::grey::level;
use super::levels;
use crate::painter::Painter;
use crate::phantoms::{Ramp, Slice, volume_from, volume_of, worst};
use crate::workplace::Workplace;
use crate::{Measured, SelftestError};

const SIZE_PX: [u32; 2] = [57, 49];

fn scene(volume: &Arc<Volume>, plane: SlicePlane, grey: GreyMapping) -> SliceScene {
    SliceScene {
        volume: volume.clone(),
        time_point: 0,
        plane,
        size_px: SIZE_PX,
        interpolation: Interpolation::Linear,
        slab: Slab::default(),
        grey,
        color_map: None,
        layers: Vec::new(),
    }
}

/// The anatomical planes and two oblique ones through a phantom, none along its voxels.
fn planes(ramp: &Ramp) -> Result<Vec<SlicePlane>, SelftestError> {
    let center_lps = ramp.center_lps() + DVec3::new(0.313, -0.271, 0.177);
    let mut axes: Vec<(DVec3, DVec3)> = AnatomicalPlane::ALL.map(AnatomicalPlane::screen_axes_lps).to_vec();
    for normal in [DVec3::new(0.3, -0.5, 0.8), DVec3::new(-0.9, 0.2, 0.1)] {
        let oblique = SlicePlane::oblique_axes(normal, DVec3::Z);
        axes.push(oblique.ok_or_else(|| SelftestError::unexpected("an oblique plane has no axes"))?);
    }
    Ok(axes
        .into_iter()
        .map(|(right, down)| SlicePlane { center_lps, right, down, mm_per_px: 0.83 })
        .collect())
}

/// Place of the middle of a pixel, from the definition of a picture plane.
fn lps_of(plane: &SlicePlane, x: u32, y: u32) -> DVec3 {
    let from_middle = |i: u32, n: u32| (f64::from(i) + 0.5 - f64::from(n) / 2.0) * plane.mm_per_px;
    plane.center_lps + plane.right * from_middle(x, SIZE_PX[0]) + plane.down * from_middle(y, SIZE_PX[1])
}

fn places() -> impl Iterator<Item = (u32, u32)> {
    (0..SIZE_PX[1]).flat_map(|y| (0..SIZE_PX[0]).map(move |x| (x, y)))
}

/// Every pixel as grey through narrow windows, four levels per HU, one after the other over the range.
fn grey_of(ramp: Ramp, painter: &mut Painter) -> Result<Measured, SelftestError> {
    let volume = Arc::new(ramp.volume()?);
    let mut deviations = Vec::new();
    for plane in planes(&ramp)? {
        for low in [300.0, 450.0, 600.0] {
            let (width, is_inverted) = (64.0, low == 450.0);
            let grey = GreyMapping { window: Window::spanning(low, low + width), is_inverted };
            let picture = painter.slice(&scene(&volume, plane, grey))?;
            for (x, y) in places() {
                let Some(value) = ramp.value_at(lps_of(&plane, x, y)) else { continue };
                let share = ((value - low) / width).clamp(0.0, 1.0);
                let expected = 255.0 * if is_inverted { 1.0 - share } else { share };
                deviations.push(level(&picture, x as usize, y as usize) - expected);
            }
        }
    }
    require_many(&deviations)?;
    Ok(levels(worst(deviations)))
}

/// A check that looked at nothing has not passed.
fn require_many(deviations: &[f64]) -> Result<(), SelftestError> {
    let count = deviations.len();
    let message = || SelftestError::unexpected(format!("only {count} pixels could be checked"));
    if count > 1000 { Ok(()) } else { Err(message()) }
}

pub(super) fn grey(_: &Workplace, painter: &mut Painter) -> Result<Measured, SelftestError> {
    grey_of(Ramp::oblique(false), painter)
}

pub(super) fn tilted(_: &Workplace, painter: &mut Painter) -> Result<Measured, SelftestError> {
    grey_of(Ramp::oblique(true), painter)
}

pub(super) fn values(_: &Workplace, painter: &mut Painter) -> Result<Measured, SelftestError> {
    let ramp = Ramp::oblique(false);
    let volume = Arc::new(ramp.volume()?);
    let grey = GreyMapping { window: Window::spanning(0.0, 1.0), is_inverted: false };
    let mut deviations = Vec::new();
    for plane in planes(&ramp)? {
        let scene = scene(&volume, plane, grey);
        let found = match painter.slice_values(&scene)? {
            Some(found) => found,
            // Where numbers come from the reference, it is the reference that is checked.
            None => render_core::reference::slice_values(&scene, 0)?,
        };
        for ((x, y), found) in places().zip(found) {
            if let Some(value) = ramp.value_at(lps_of(&plane, x, y)) {
                deviations.push(found - value);
            }
        }
    }
    require_many(&deviations)?;
    // Single precision over a thousand HU and some tens of voxels; a software adapter is 0.007 HU off.
    Ok(Measured { deviation: worst(deviations), limit: 0.05, unit: "HU" })
}

/// Digits 0 to 9 as rows of three bits.
const DIGITS: [[u8; 5]; 10] = [
    [7, 5, 5, 5, 7],
    [2, 6, 2, 2, 7],
    [7, 1, 7, 4, 7],
    [7, 1, 7, 1, 7],
    [5, 5, 7, 1, 1],
    [7, 4, 7, 1, 7],
    [7, 4, 7, 5, 7],
    [7, 1, 1, 1, 1],
    [7, 5, 7, 5, 7],
    [7, 5, 7, 1, 7],
];
const DOT_PX: usize = 4;

/// Whether a pixel belongs to a digit that is as large as the picture, 3 × 5 dots.
fn is_ink(digit: usize, x: usize, y: usize) -> bool {
    let bits = DIGITS.get(digit).and_then(|rows| rows.get(y / DOT_PX)).copied().unwrap_or(0);
    bits >> (2 - (x / DOT_PX).min(2)) & 1 == 1
}

pub(super) fn slab_digits(_: &Workplace, painter: &mut Painter) -> Result<Measured, SelftestError> {
    let [columns, rows] = [3 * DOT_PX, 5 * DOT_PX];
    let steps = DMat3::from_diagonal(DVec3::new(1.0, 1.0, 2.0));
    let volume = volume_of(
        [columns, rows, 10],
        DVec3::ZERO,
        steps,
        |[x, y, z]| if is_ink(z, x, y) { 1000 } else { 0 },
    )?;
    let volume = Arc::new(volume);
    let mut deviations = Vec::new();
    for middle in 1..9usize {
        for mode in [SlabMode::Max, SlabMode::Min, SlabMode::Mean] {
            let plane = SlicePlane {
                center_lps: DVec3::new(
                    (columns - 1) as f64 * 0.5,
                    (rows - 1) as f64 * 0.5,
                    middle as f64 * 2.0,
                ),
                right: DVec3::X,
                down: DVec3::Y,
                mm_per_px: 1.0,
            };
            let grey = GreyMapping { window: Window::spanning(0.0, 1000.0), is_inverted: false };
            let scene = SliceScene {
                size_px: [columns as u32, rows as u32],
                // Three slices and nothing of the ones beside them.
                slab: Slab { thickness_mm: 6.0, mode },
                interpolation: Interpolation::Nearest,
                ..scene(&volume, plane, grey)
            };
            let picture = painter.slice(&scene)?;
            for (x, y) in (0..rows).flat_map(|y| (0..columns).map(move |x| (x, y))) {
                let inked = (middle - 1..=middle + 1).filter(|z| is_ink(*z, x, y)).count();
                let expected = match mode {
                    SlabMode::Max => f64::from(u8::from(inked > 0)),
                    SlabMode::Min => f64::from(u8::from(inked == 3)),
                    SlabMode::Mean => inked as f64 / 3.0,
                };
                deviations.push(level(&picture, x, y) - 255.0 * expected);
            }
        }
    }
    Ok(levels(worst(deviations)))
}

/// A disc of 40 mm from a file with pixels of 0.5 × 1 mm: as wide as high on the screen.
pub(super) fn circle(workplace: &Workplace, painter: &mut Painter) -> Result<Measured, SelftestError> {
    let slice = Slice {
        position: DVec3::new(-31.75, -31.5, 0.0),
        row_spacing_mm: 1.0,
        column_spacing_mm: 0.5,
        ..Slice::axial(128, 64)
    };
    // Soft over 2 mm, so that the edge can be found between pixels.
    let stored = |column: usize, row: usize| {
        let beyond = slice.lps(column, row).length() - 20.0;
        (1000.0 * (0.5 - beyond / 2.0).clamp(0.0, 1.0)).round() as i16
    };
    let (_, volume) = workplace.open(&[slice.ct(1, stored).file()])?;
    let (right, down) = AnatomicalPlane::Axial.screen_axes_lps();
    let plane = SlicePlane { center_lps: DVec3::ZERO, right, down, mm_per_px: 0.25 };
    let grey = GreyMapping { window: Window::spanning(499.0, 501.0), is_inverted: false };
    let size = 200u32;
    let scene = SliceScene { size_px: [size; 2], ..scene(&Arc::new(volume), plane, grey) };
    let picture = painter.slice(&scene)?;
    let diameter = |at: &dyn Fn(usize) -> f64| {
        let lit: Vec<usize> = (0..size as usize).filter(|i| at(*i) > 127.0).collect();
        let (first, last) = (lit.first().copied().unwrap_or(0), lit.last().copied().unwrap_or(0));
        // Both ends: the disc has to lie in the middle too.
        [first as f64 * 0.25 - 5.0, (last + 1) as f64 * 0.25 - 45.0]
    };
    let middle = size as usize / 2;
    let [across, along] =
        [diameter(&|i| level(&picture, i, middle)), diameter(&|i| level(&picture, middle, i))];
    // One pixel of the picture, and the chord of a soft edge between voxels.
    Ok(Measured { deviation: worst(across.into_iter().chain(along)), limit: 0.3, unit: "mm" })
}

pub(super) fn color(_: &Workplace, painter: &mut Painter) -> Result<Measured, SelftestError> {
    let (columns, rows) = (SIZE_PX[0] as usize, SIZE_PX[1] as usize);
    let value = |x: usize, y: usize, c: usize| match c {
        0 => (x * 4) as u8,
        1 => (y * 5) as u8,
        _ => ((x * 37 + y * 91) % 256) as u8,
    };
    let places_of = || (0..rows).flat_map(move |y| (0..columns).map(move |x| (x, y)));
    let samples: Vec<u8> = places_of().flat_map(|(x, y)| [0, 1, 2].map(|c| value(x, y, c))).collect();
    let grid = volume_from([columns, rows, 1], DVec3::ZERO, DMat3::IDENTITY, vec![0u8; columns * rows])?;
    let meta = VolumeMeta { channels: Channels::Rgb, ..VolumeMeta::scalar(*grid.geometry()) };
    let volume = Volume::new(meta, samples)?;
    let grey = GreyMapping { window: Window::spanning(0.0, 1.0), is_inverted: true };
    let picture = super::grey::draw_pixels(painter, volume, grey)?;
    let deviation = worst(places_of().flat_map(|(x, y)| {
        let found = picture.pixel(x as u32, y as u32);
        [0, 1, 2].map(|c| found.map_or(f64::NAN, |p| f64::from(p[c]) - f64::from(value(x, y, c))))
    }));
    Ok(Measured { deviation, limit: 1.0, unit: "levels" })
}
