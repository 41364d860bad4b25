//! Volumes with structure everywhere, so that a shifted, flipped or mixed-up voxel shows.
#![allow(dead_code, reason = "every test program uses another part")]

use glam::{DMat3, DVec3};
use imaging::geometry::{Dims, Geometry};
use imaging::phantom;
use imaging::volume::{Channels, Rescale, Volume, VolumeMeta, Voxels};

/// An anisotropic grid of uneven size away from the origin.
pub(crate) fn geometry(direction: DMat3) -> Geometry {
    Geometry::new(Dims::new(29, 34, 23), DVec3::new(-31.0, 12.0, -90.0), DVec3::new(0.9, 1.1, 2.3), direction)
        .unwrap()
}

/// Waves of −700..700 HU with a different period along each axis.
pub(crate) fn wavy(direction: DMat3) -> Volume {
    phantom::volume_from_lps(geometry(direction), |p| {
        400.0 * (p.x * 0.31).sin() + 200.0 * (p.y * 0.23).cos() + 100.0 * (p.z * 0.17).sin()
    })
}

/// A scalar volume from stored values.
pub(crate) fn volume_of(geometry: Geometry, rescale: Rescale, voxels: impl Into<Voxels>) -> Volume {
    Volume::new(VolumeMeta { rescale, ..VolumeMeta::scalar(geometry) }, voxels).unwrap()
}

pub(crate) fn color_rgb8() -> Volume {
    let g = geometry(DMat3::IDENTITY);
    let n = g.dims().checked_count().unwrap();
    let samples: Vec<u8> =
        (0..n).flat_map(|i| [(i % 251) as u8, (i / 3 % 256) as u8, (i * 7 % 201) as u8]).collect();
    Volume::new(VolumeMeta { channels: Channels::Rgb, ..VolumeMeta::scalar(g) }, samples).unwrap()
}

pub(crate) fn color_rgba16() -> Volume {
    let g = geometry(DMat3::IDENTITY);
    let n = g.dims().checked_count().unwrap();
    let samples: Vec<u16> = (0..n)
        .flat_map(|i| [(i * 13 % 65536) as u16, (i * 5 % 65536) as u16, 30_000, (i * 3 % 65536) as u16])
        .collect();
    Volume::new(VolumeMeta { channels: Channels::Rgba, ..VolumeMeta::scalar(g) }, samples).unwrap()
}

/// Twelve bits in words of sixteen: full intensity is 4095.
pub(crate) fn color_rgb12() -> Volume {
    let g = geometry(DMat3::IDENTITY);
    let n = g.dims().checked_count().unwrap();
    let samples: Vec<u16> =
        (0..n).flat_map(|i| [(i * 13 % 4096) as u16, (i * 5 % 4096) as u16, (i * 7 % 4096) as u16]).collect();
    let meta = VolumeMeta { channels: Channels::Rgb, color_white: Some(4095.0), ..VolumeMeta::scalar(g) };
    Volume::new(meta, samples).unwrap()
}

pub(crate) fn two_time_points() -> Volume {
    let g = geometry(DMat3::IDENTITY);
    let n = g.dims().checked_count().unwrap();
    let samples: Vec<i16> =
        (0..2 * n).map(|i| ((i * 31) % 977) as i16 - if i < n { 0 } else { 400 }).collect();
    Volume::new(VolumeMeta { time_points: 2, ..VolumeMeta::scalar(g) }, samples).unwrap()
}

/// Peak signal-to-noise ratio of two pictures in decibels.
pub(crate) fn psnr_db(a: &render_core::image::Image8, b: &render_core::image::Image8) -> f64 {
    let rgba = |p: &render_core::image::Image8| {
        image::RgbaImage::from_raw(p.width, p.height, p.rgba.clone()).unwrap()
    };
    test_support::image_compare::psnr_db(&rgba(a), &rgba(b))
}
