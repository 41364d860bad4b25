//! One hand stored along all 48 permutations and flips of the axes, in every format, always lies at the same place.
//!
//! The truth is computed here: a voxel's value says which voxel of the patient's own grid it is.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

mod expected;

use std::path::Path;

use expected::open;
use glam::{DMat3, DQuat, DVec3};
use imaging::series::SeriesWarning;
use imaging::volume::Volume;

/// The patient's own grid: x to the right, y to the front, z to the head (RAS), all sizes and spacings different.
const DIMS: [usize; 3] = [5, 6, 7];
const SPACING: [f64; 3] = [1.5, 2.0, 2.5];
const ORIGIN_RAS: [f64; 3] = [-11.0, 23.0, -37.0];

/// Marks every voxel, none like its mirror image; the marked hand is the patient's left one (low x in RAS).
fn value(voxel: [usize; 3]) -> i16 {
    (voxel[0] * 100 + voxel[1] * 10 + voxel[2]) as i16
}

/// One way of storing the grid: stored axis `a` runs along `axis[a]`, backwards if `is_flipped[a]`.
#[derive(Debug, Clone, Copy)]
struct Storage {
    axis: [usize; 3],
    is_flipped: [bool; 3],
}

impl Storage {
    fn all() -> Vec<Self> {
        let permutations = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        let flips = (0..8).map(|bits| [bits & 1 > 0, bits & 2 > 0, bits & 4 > 0]);
        flips.flat_map(|is_flipped| permutations.map(|axis| Self { axis, is_flipped })).collect()
    }

    fn dims(&self) -> [usize; 3] {
        self.axis.map(|axis| DIMS[axis])
    }

    fn voxel(&self, index: [usize; 3]) -> [usize; 3] {
        let mut voxel = [0; 3];
        for a in 0..3 {
            let (axis, n) = (self.axis[a], DIMS[self.axis[a]]);
            voxel[axis] = if self.is_flipped[a] { n - 1 - index[a] } else { index[a] };
        }
        voxel
    }

    fn samples(&self) -> Vec<i16> {
        let [x, y, z] = self.dims();
        let indices = (0..z).flat_map(|k| (0..y).flat_map(move |j| (0..x).map(move |i| [i, j, k])));
        indices.map(|index| value(self.voxel(index))).collect()
    }

    /// Columns of the matrix (direction times spacing) and first voxel, RAS.
    fn ras(&self) -> ([DVec3; 3], DVec3) {
        let columns = [0, 1, 2].map(|a| {
            let mut column = DVec3::ZERO;
            column[self.axis[a]] = SPACING[self.axis[a]] * if self.is_flipped[a] { -1.0 } else { 1.0 };
            column
        });
        (columns, ras_of(self.voxel([0, 0, 0])))
    }

    fn lps(&self) -> ([DVec3; 3], DVec3) {
        let (columns, origin) = self.ras();
        (columns.map(|c| c * LPS_FROM_RAS), origin * LPS_FROM_RAS)
    }
}

const LPS_FROM_RAS: DVec3 = DVec3::new(-1.0, -1.0, 1.0);

fn ras_of(voxel: [usize; 3]) -> DVec3 {
    let steps = DVec3::from_array(voxel.map(|n| n as f64));
    DVec3::from_array(ORIGIN_RAS) + steps * DVec3::from_array(SPACING)
}

/// Every voxel of the patient's grid has to be found at its own place.
fn check(volume: &Volume, storage: Storage, what: &str) {
    assert_eq!(volume.dims().to_array(), storage.dims(), "{what} {storage:?}");
    for x in 0..DIMS[0] {
        for y in 0..DIMS[1] {
            for z in 0..DIMS[2] {
                let lps = ras_of([x, y, z]) * LPS_FROM_RAS;
                let index = volume.geometry().index_from_lps().transform_point3(lps);
                let nearest = index.round();
                assert!(index.distance(nearest) < 1e-4, "{what} {storage:?}: {index}");
                let found = volume.value_at(nearest.to_array().map(|i| i as usize), 0, 0);
                assert_eq!(found, Some(f64::from(value([x, y, z]))), "{what} {storage:?}");
            }
        }
    }
    assert_eq!(volume.warnings(), [], "{what} {storage:?}");
}

/// For every way of storing: writes a file and opens it.
fn check_all(name: &str, bytes: impl Fn(Storage) -> Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let all = Storage::all();
    assert_eq!(all.len(), 48);
    for storage in all {
        std::fs::write(&path, bytes(storage)).unwrap();
        check(&open(Path::new(&path)).unwrap(), storage, name);
    }
}

/// A NIfTI-1 header with what every test needs, in either byte order.
struct Nifti {
    bytes: Vec<u8>,
    is_big: bool,
}

impl Nifti {
    fn new(storage: Storage, is_big: bool) -> Self {
        let mut nifti = Self { bytes: vec![0; 352], is_big };
        nifti.bytes[344..348].copy_from_slice(b"n+1\0");
        nifti.i32(0, 348);
        nifti.i16(40, 3);
        for (a, n) in storage.dims().into_iter().enumerate() {
            nifti.i16(42 + 2 * a, n as i16);
            nifti.f32(80 + 4 * a, SPACING[storage.axis[a]]);
        }
        nifti.i16(70, 4);
        nifti.i16(72, 16);
        nifti.f32(76, 1.0);
        nifti.f32(108, 352.0);
        nifti.bytes[123] = 2;
        nifti
    }

    fn put<const N: usize>(&mut self, at: usize, mut little: [u8; N]) {
        if self.is_big {
            little.reverse();
        }
        self.bytes[at..at + N].copy_from_slice(&little);
    }

    fn i16(&mut self, at: usize, number: i16) {
        self.put(at, number.to_le_bytes());
    }

    fn i32(&mut self, at: usize, number: i32) {
        self.put(at, number.to_le_bytes());
    }

    fn f32(&mut self, at: usize, number: f64) {
        self.put(at, (number as f32).to_le_bytes());
    }

    fn with_sform(mut self, storage: Storage) -> Self {
        let (columns, origin) = storage.ras();
        self.i16(254, 1);
        for row in 0..3 {
            for (a, column) in columns.iter().chain([&origin]).enumerate() {
                self.f32(280 + 16 * row + 4 * a, column[row]);
            }
        }
        self
    }

    /// A rotation, and a flip of the third axis where the axes are left-handed.
    fn with_qform(mut self, storage: Storage) -> Self {
        let ([x, y, z], origin) = storage.ras();
        let (x, y, z) = (x.normalize(), y.normalize(), z.normalize());
        let is_left_handed = x.cross(y).dot(z) < 0.0;
        let rotation = DMat3::from_cols(x, y, if is_left_handed { -z } else { z });
        let mut q = DQuat::from_mat3(&rotation);
        if q.w < 0.0 {
            q = -q;
        }
        self.i16(252, 1);
        self.f32(76, if is_left_handed { -1.0 } else { 1.0 });
        for (i, number) in [q.x, q.y, q.z, origin.x, origin.y, origin.z].into_iter().enumerate() {
            self.f32(256 + 4 * i, number);
        }
        self
    }

    fn finish(mut self, storage: Storage) -> Vec<u8> {
        let is_big = self.is_big;
        let encode = |n: i16| if is_big { n.to_be_bytes() } else { n.to_le_bytes() };
        self.bytes.extend(storage.samples().into_iter().flat_map(encode));
        self.bytes
    }
}

fn text_of(columns: [DVec3; 3], separator: &str) -> Vec<String> {
    columns.map(|c| c.to_array().map(|n| format!("{n}")).join(separator)).to_vec()
}

fn raw(storage: Storage) -> Vec<u8> {
    storage.samples().into_iter().flat_map(i16::to_le_bytes).collect()
}

#[test]
fn nifti_lies_right_along_all_48_orientations_by_sform_and_by_qform() {
    for is_big in [false, true] {
        check_all("sform.nii", |s| Nifti::new(s, is_big).with_sform(s).finish(s));
        check_all("qform.nii", |s| Nifti::new(s, is_big).with_qform(s).finish(s));
    }
    // Where both are given the sform counts; this qform is another orientation altogether.
    let other = Storage { axis: [0, 1, 2], is_flipped: [false; 3] };
    check_all("both.nii", |s| Nifti::new(s, false).with_qform(other).with_sform(s).finish(s));
}

#[test]
fn metaimage_lies_right_along_all_48_orientations() {
    for (matrix, offset) in
        [("TransformMatrix", "Offset"), ("Orientation", "Position"), ("Rotation", "Origin")]
    {
        check_all("image.mha", |s| {
            let (columns, origin) = s.lps();
            let spacing = s.axis.map(|axis| format!("{}", SPACING[axis])).join(" ");
            let header = format!(
                "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\n\
                 CompressedData = False\n{matrix} = {}\n{offset} = {}\nElementSpacing = {spacing}\n\
                 DimSize = {}\nElementType = MET_SHORT\nElementDataFile = LOCAL\n",
                text_of(columns.map(|c| c.normalize()), " ").join(" "),
                origin.to_array().map(|n| n.to_string()).join(" "),
                s.dims().map(|n| n.to_string()).join(" "),
            );
            [header.into_bytes(), raw(s)].concat()
        });
    }
}

#[test]
fn letters_without_a_matrix_turn_nothing_and_are_doubted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letters.mha");
    let storage = Storage { axis: [0, 1, 2], is_flipped: [false; 3] };
    let doubts = |letters: &str| {
        let header = format!(
            "ObjectType = Image\nNDims = 3\nBinaryData = True\nOffset = 1 2 3\nAnatomicalOrientation = {letters}\n\
             ElementSpacing = 1 1 1\nDimSize = 5 6 7\nElementType = MET_SHORT\nElementDataFile = LOCAL\n"
        );
        std::fs::write(&path, [header.into_bytes(), raw(storage)].concat()).unwrap();
        let volume = open(&path).unwrap();
        assert_eq!(volume.geometry().direction(), DMat3::IDENTITY, "as SimpleITK reads it");
        volume.warnings().contains(&SeriesWarning::NoPosition)
    };
    assert!(!doubts("RAI") && !doubts("???") && doubts("LPS"));
}

#[test]
fn nrrd_lies_right_along_all_48_orientations_and_in_every_space() {
    let spaces = [
        ("left-posterior-superior", DVec3::new(1.0, 1.0, 1.0)),
        ("right-anterior-superior", LPS_FROM_RAS),
        ("left-anterior-superior", DVec3::new(1.0, -1.0, 1.0)),
        ("LPS", DVec3::new(1.0, 1.0, 1.0)),
        ("RAS", LPS_FROM_RAS),
        ("LAS", DVec3::new(1.0, -1.0, 1.0)),
    ];
    for (space, from_lps) in spaces {
        check_all("image.nrrd", |s| {
            let (columns, origin) = s.lps();
            let directions = text_of(columns.map(|c| c * from_lps), ",");
            let header = format!(
                "NRRD0004\ntype: short\ndimension: 3\nspace: {space}\nsizes: {}\n\
                 space directions: ({})\nkinds: domain domain domain\nendian: little\nencoding: raw\n\
                 space origin: ({})\n\n",
                s.dims().map(|n| n.to_string()).join(" "),
                directions.join(") ("),
                (origin * from_lps).to_array().map(|n| n.to_string()).join(","),
            );
            [header.into_bytes(), raw(s)].concat()
        });
    }
}
