//! Measurements that a person draws: geometry against analytic answers, pixels against brute force.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

mod geometry;
mod pixels;
mod rules;
mod volumes;

use glam::{DMat3, DQuat, DVec2, DVec3};
use imaging::geometry::{Dims, Geometry};
use imaging::measurement::{
    Drawing, DrawingKind, DrawingPlane, MeasureInput, Measured, QuantityName, measure,
};
use imaging::spacing::SpacingSource;
use imaging::verdict::{Level, Verdict};
use imaging::volume::{Volume, VolumeMeta};

pub(crate) static PATIENT: SpacingSource = SpacingSource::Patient;
pub(crate) static GREEN: Verdict = Verdict { level: Level::Green, reasons: Vec::new() };

/// SplitMix64, so that a failure names a round that can be run again.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    pub(crate) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(crate) fn place(&mut self, reach: f64) -> DVec2 {
        DVec2::new(self.between(-reach, reach), self.between(-reach, reach))
    }

    pub(crate) fn rotation(&mut self) -> DMat3 {
        let mut part = || self.between(-1.0, 1.0);
        let quaternion = DQuat::from_xyzw(part(), part(), part(), part());
        DMat3::from_quat(quaternion.normalize())
    }
}

pub(crate) const DIMS: Dims = Dims::new(23, 19, 11);

/// A rotated grid with uneven sides.
pub(crate) fn oblique_geometry() -> Geometry {
    let direction = DMat3::from_rotation_z(0.4) * DMat3::from_rotation_x(0.7);
    Geometry::new(DIMS, DVec3::new(5.0, -60.0, 9.0), DVec3::new(0.6, 0.9, 2.5), direction).unwrap()
}

/// A volume whose values are drawn by lot.
pub(crate) fn random_volume(meta: VolumeMeta, chance: &mut Chance) -> Volume {
    let n = meta.geometry.dims().checked_count().unwrap() * meta.channels.count() * meta.time_points;
    let voxels: Vec<i16> = (0..n).map(|_| chance.below(3000) as i16 - 1500).collect();
    Volume::new(meta, voxels).unwrap()
}

pub(crate) fn axial(lps: DVec3) -> DrawingPlane {
    DrawingPlane::new(lps, DVec3::X, DVec3::Y).unwrap()
}

pub(crate) fn drawing(kind: DrawingKind, plane: DrawingPlane, places: &[DVec2]) -> Drawing {
    let points = places.iter().map(|&place| plane.lift(place)).collect();
    Drawing::complete(kind, points, plane).unwrap()
}

pub(crate) fn measured(drawing: &Drawing, volume: &Volume) -> Measured {
    measure(drawing, &MeasureInput::new(volume, &PATIENT, &GREEN))
}

/// The number with a name.
pub(crate) fn number(measured: &Measured, name: QuantityName) -> f64 {
    let quantities = measured.all_quantities();
    let found = quantities.iter().find(|quantity| quantity.name == name);
    found.unwrap_or_else(|| panic!("no {name:?} in {quantities:?}")).value.unwrap()
}
