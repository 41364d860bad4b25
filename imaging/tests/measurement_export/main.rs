//! Measurements on their way out and back: JSON, CSV, structured reports.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

mod report;
mod tables;

use glam::{DMat3, DVec2, DVec3};
use imaging::derived::{CodedConcept, InstanceReference};
use imaging::geometry::{Dims, Geometry};
use imaging::measurement::export::{ImageReference, MeasurementRecord, UidSeed};
use imaging::measurement::{
    Calibration, Drawing, DrawingKind, DrawingPlane, MeasureInput, ValueScale, measure,
};
use imaging::series::SeriesWarning;
use imaging::spacing::SpacingSource;
use imaging::verdict::Verdict;
use imaging::volume::{Unit, Volume, VolumeMeta};

pub(crate) const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

pub(crate) fn volume() -> Volume {
    let direction = DMat3::from_rotation_z(0.4) * DMat3::from_rotation_x(0.7);
    let spacing = DVec3::new(0.7, 0.9, 2.5);
    let geometry =
        Geometry::new(Dims::new(60, 50, 20), DVec3::new(-105.25, 60.0, -909.0), spacing, direction).unwrap();
    let meta = VolumeMeta { unit: Unit::Hounsfield, ..VolumeMeta::scalar(geometry) };
    let voxels: Vec<i16> = (0..60_000i32).map(|i| (i * 7919 % 2001 - 1000) as i16).collect();
    Volume::new(meta, voxels).unwrap()
}

/// The plane of an acquired slice.
pub(crate) fn slice_plane(volume: &Volume, z: f64) -> DrawingPlane {
    let g = volume.geometry();
    let through = g.lps_from_index().transform_point3(DVec3::new(30.0, 25.0, z));
    DrawingPlane::new(through, g.direction().x_axis, g.direction().y_axis).unwrap()
}

/// One drawing of each kind on an acquired slice.
pub(crate) fn one_of_each(plane: DrawingPlane) -> Vec<Drawing> {
    let start = [[-6.5, -4.25], [7.75, 3.5], [-3.0, 8.125], [5.0, -7.0]].map(DVec2::from);
    let each = |kind: DrawingKind| {
        let count = kind.points();
        let mut places = start[..count.min.min(4)].to_vec();
        if count.max > 4 {
            places.push(DVec2::new(-9.0, 2.0));
        }
        if kind == DrawingKind::Ellipse {
            places[2] = places[0] + (places[1] - places[0]).perp() * 1.5;
        }
        if kind == DrawingKind::Bidirectional {
            places[2..].copy_from_slice(&[DVec2::new(-1.0, 3.0), DVec2::new(1.5, -3.0)]);
        }
        let points = places.iter().map(|&place| plane.lift(place)).collect();
        let drawing = Drawing::complete(kind, points, plane).unwrap();
        // Makes both diameters perpendicular.
        let third = drawing.points_lps().get(2).copied();
        match (kind, third) {
            (DrawingKind::Bidirectional, Some(third)) => drawing.with_point_moved(2, third),
            _ => drawing,
        }
    };
    DrawingKind::ALL.into_iter().map(each).collect()
}

pub(crate) fn image() -> ImageReference {
    ImageReference {
        study_uid: "1.2.3.1".to_owned(),
        series_uid: "1.2.3.2".to_owned(),
        frame_of_reference_uid: Some("1.2.3.9".to_owned()),
        modality: "CT".to_owned(),
        instances: vec![InstanceReference {
            sop_class_uid: CT.to_owned(),
            sop_instance_uid: "1.2.3.4.7".to_owned(),
            frame_numbers: Vec::new(),
            segment_numbers: Vec::new(),
        }],
    }
}

/// Records with everything that a receipt can hold.
pub(crate) fn records() -> Vec<MeasurementRecord> {
    let volume = volume();
    let calibration =
        Calibration::from_lengths(40.0, 50.0, "mm (detector)", ["Ä. Leser", "2026-01-02"]).unwrap();
    let scale = ValueScale { factor: 0.25, unit: "g/ml".to_owned() };
    let amber = Verdict::of([&SeriesWarning::GantryTilt { degrees: 3.0 }]);
    let red = Verdict::of([&SeriesWarning::MissingSlices { count: 1, after_slice: vec![2] }]);
    let plain = MeasureInput::new(&volume, &SpacingSource::Patient, &amber);
    let inputs = [
        plain,
        MeasureInput { calibration: Some(&calibration), value_scale: Some(&scale), ..plain },
        MeasureInput { verdict: &red, ..plain },
    ];
    let oblique = DrawingPlane::new(
        volume.geometry().center_lps(),
        DVec3::new(1.0, 0.3, 0.2),
        DVec3::new(0.1, 0.2, 1.0),
    );
    let planes = [slice_plane(&volume, 7.2), oblique.unwrap()];
    let mut records = Vec::new();
    for (i, input) in inputs.iter().enumerate() {
        for drawing in one_of_each(planes[i % 2]) {
            let uid = UidSeed(99).uid(records.len() as u64);
            let label = format!("{} nº {i}, \"größer\"", drawing.kind().name());
            let mut record =
                MeasurementRecord::new(uid, label, drawing.clone(), &measure(&drawing, input), image());
            if i == 1 {
                let code = |value: &str, meaning: &str| CodedConcept {
                    value: value.to_owned(),
                    scheme: "SCT".to_owned(),
                    meaning: meaning.to_owned(),
                };
                record.finding = Some(code("4147007", "Mass"));
                record.finding_site = Some(code("10200004", "Liver"));
            }
            records.push(record);
        }
    }
    records
}

/// Whether two drawings are the same to within `tolerance_mm`, planes of regions included.
pub(crate) fn assert_same(found: &Drawing, expected: &Drawing, tolerance_mm: f64) {
    assert_eq!(found.kind(), expected.kind());
    let (a, b) = (found.points_lps(), expected.points_lps());
    assert_eq!(a.len(), b.len(), "{:?}", expected.kind());
    for (a, b) in a.iter().zip(b) {
        assert!(a.distance(*b) <= tolerance_mm, "{:?}: {a} is not {b}", expected.kind());
    }
    if expected.kind().is_region() {
        let apart =
            expected.points_lps().iter().map(|&lps| found.plane().distance_mm(lps)).fold(0.0, f64::max);
        assert!(apart <= tolerance_mm, "{:?}: {apart} mm before its plane", expected.kind());
    }
}
