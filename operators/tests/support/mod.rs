//! Volumes with known answers, and runs of operators by their command line.
#![allow(dead_code, reason = "each test file uses its part")]

use std::path::Path;
use std::sync::Mutex;

use clap::Parser;
use glam::{DMat3, DVec3};
use imaging::formats::{self, ReadLimits};
use imaging::geometry::{Dims, Geometry};
use imaging::source::Progress;
use imaging::volume::{Volume, VolumeMeta, Voxels};
use operators::OperatorError;
use operators::command::Command;
use operators::input::{InputOptions, InputVolume};
use operators::metaimage;
use operators::modality::ModalityValues;
use operators::operator::{Context, Listener};
use operators::output::write_file;

/// Keeps all that is told.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) progress: Mutex<Vec<String>>,
    pub(crate) warnings: Mutex<Vec<String>>,
}

impl Listener for Heard {
    fn progress(&self, line: &str) {
        self.progress.lock().unwrap().push(line.to_owned());
    }

    fn warning(&self, line: &str) {
        self.warnings.lock().unwrap().push(line.to_owned());
    }
}

/// Runs an operator as `run_operator` would.
pub(crate) fn run(
    name: &str,
    input: &Path,
    output: &Path,
    arguments: &[&str],
) -> (Result<(), OperatorError>, Heard) {
    let line = ["run_operator", name].into_iter().chain(arguments.iter().copied());
    let command = Command::try_parse_from(line).unwrap();
    let heard = Heard::default();
    let context = Context { input: input.into(), output: output.into(), listener: &heard };
    let result = command.step.parts().1.run(&context);
    (result, heard)
}

/// The one series below a path.
pub(crate) fn load(path: &Path) -> Volume {
    let catalog = formats::scan(&[path.to_path_buf()], &Progress::new()).unwrap();
    assert_eq!(catalog.series.len(), 1);
    formats::load(&catalog.series[0], ReadLimits::default(), &Progress::new()).unwrap()
}

/// All ways to lay three axes along three axes.
pub(crate) fn orientations() -> Vec<DMat3> {
    let mut all = Vec::new();
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for signs in 0..8 {
            let column = |i: usize| DVec3::AXES[order[i]] * if signs >> i & 1 == 0 { 1.0 } else { -1.0 };
            all.push(DMat3::from_cols(column(0), column(1), column(2)));
        }
    }
    all
}

/// A small grid that no symmetry maps to itself.
pub(crate) fn geometry(direction: DMat3) -> Geometry {
    let (origin, spacing) = (DVec3::new(-12.375, 70.1, 3.3), DVec3::new(0.7, 1.25, 2.0));
    Geometry::new(Dims::new(5, 4, 3), origin, spacing, direction).unwrap()
}

pub(crate) fn volume(geometry: Geometry, voxels: impl Into<Voxels>) -> Volume {
    Volume::new(VolumeMeta::scalar(geometry), voxels).unwrap()
}

/// Different numbers in every voxel, both signs.
pub(crate) fn numbers(geometry: &Geometry) -> Vec<i16> {
    (0..geometry.dims().checked_count().unwrap() as i16).map(|i| i * 37 - 1000).collect()
}

/// Writes a volume as `name`.
pub(crate) fn save(volume: Volume, folder: &Path, name: &str) {
    let heard = Heard::default();
    let input = InputVolume::new(volume, &InputOptions::default(), &heard).unwrap();
    let values = ModalityValues::new(&input, [0; 3], input.dims().to_array(), &heard).unwrap();
    let header = metaimage::Header {
        geometry: input.geometry(),
        number_type: values.number_type(),
        is_compressed: false,
    };
    write_file(folder, name, |out| metaimage::write(header, |out| values.write_to(out), out)).unwrap();
}

/// Whether all voxel centres are where they should be.
pub(crate) fn assert_same_place(found: &Geometry, expected: &Geometry, tolerance_mm: f64) {
    assert_eq!(found.dims(), expected.dims());
    let far = expected.dims().as_dvec3() - 1.0;
    for corner in [DVec3::ZERO, DVec3::X, DVec3::Y, DVec3::Z, DVec3::ONE] {
        let (a, b) = (found.lps_from_index(), expected.lps_from_index());
        let (a, b) = (a.transform_point3(corner * far), b.transform_point3(corner * far));
        assert!(a.abs_diff_eq(b, tolerance_mm), "{a} instead of {b}");
    }
}
