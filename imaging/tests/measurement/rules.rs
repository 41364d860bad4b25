//! Units, calibration, withheld numbers, receipts.

use glam::{DVec2, DVec3};
use imaging::geometry::{Dims, Geometry};
use imaging::measurement::{
    Calibration, CalibrationError, Dimension, Drawing, DrawingKind, DrawingPlane, MeasureInput, Quantity,
    QuantityName, RegionPixels, measure,
};
use imaging::series::SeriesWarning;
use imaging::spacing::{RegionFormat, RegionUnit, SpacingSource, UltrasoundRegion};
use imaging::verdict::Verdict;
use imaging::volume::{Unit, Volume, VolumeMeta};

use crate::{GREEN, PATIENT, axial, drawing, measured, number, oblique_geometry, random_volume};

fn picture() -> Volume {
    let geometry = Geometry::axis_aligned(Dims::new(200, 200, 1), DVec3::ZERO, DVec3::ONE).unwrap();
    let meta = VolumeMeta { unit: Unit::Hounsfield, ..VolumeMeta::scalar(geometry) };
    Volume::new(meta, vec![5i16; 40_000]).unwrap()
}

/// One of each kind, all of whose points are inside the picture.
fn one_of_each() -> Vec<Drawing> {
    let places = [[20.0, 20.0], [60.0, 24.0], [44.0, 70.0], [30.0, 52.0]].map(DVec2::from);
    let each = |kind: DrawingKind| drawing(kind, axial(DVec3::ZERO), &places[..kind.points().min]);
    DrawingKind::ALL.into_iter().map(each).collect()
}

fn quantities(drawing: &Drawing, input: MeasureInput<'_>) -> Vec<Quantity> {
    measure(drawing, &input).quantities
}

#[test]
fn calibration_of_twice_the_length_doubles_every_length_and_says_so() {
    let volume = picture();
    let line = drawing(DrawingKind::Length, axial(DVec3::ZERO), &[DVec2::ZERO, DVec2::new(30.0, 40.0)]);
    let calibration = Calibration::from_line(&line, 100.0, "px", ["A. Reader", "2026-02-03 10:00"]).unwrap();
    for source in [SpacingSource::Missing, SpacingSource::Patient, SpacingSource::Detector] {
        let plain = MeasureInput::new(&volume, &source, &GREEN);
        let calibrated = MeasureInput { calibration: Some(&calibration), ..plain };
        for drawing in one_of_each() {
            let (before, after) = (quantities(&drawing, plain), quantities(&drawing, calibrated));
            assert_eq!(before.len(), after.len());
            for (before, after) in before.iter().zip(&after) {
                let (factor, unit) = match before.name.dimension() {
                    Dimension::Length => (2.0, "mm (user)"),
                    Dimension::Area => (4.0, "mm² (user)"),
                    _ => (1.0, before.unit.as_str()),
                };
                let expected = factor * before.value.unwrap();
                assert!(
                    (after.value.unwrap() - expected).abs() < 1e-9 * expected.abs(),
                    "{before:?} {after:?}"
                );
                assert_eq!(after.unit, unit);
                let (was, is) = (before.plus_minus.unwrap_or(0.0), after.plus_minus.unwrap_or(0.0));
                assert!((is - factor * was).abs() < 1e-9 * is.max(1.0));
            }
        }
    }
    let input =
        MeasureInput { calibration: Some(&calibration), ..MeasureInput::new(&volume, &PATIENT, &GREEN) };
    let receipt = measure(&line, &input).receipt;
    let said =
        "Calibration: a line of 50.00 px was set to 100 mm by A. Reader on 2026-02-03 10:00 (× 2.000000)";
    assert!(receipt.lines().contains(&said.to_owned()), "{:?}", receipt.lines());
    assert_eq!(receipt.calibration.as_ref(), Some(&calibration));
}

#[test]
fn calibration_needs_a_line_and_a_length() {
    let [circle, dot] = [DrawingKind::Circle, DrawingKind::Length]
        .map(|kind| drawing(kind, axial(DVec3::ZERO), &[DVec2::ONE, DVec2::ONE]));
    let of = |drawing| Calibration::from_line(drawing, 10.0, "px", ["", ""]);
    assert_eq!(of(&circle), Err(CalibrationError::NotALine { kind: DrawingKind::Circle }));
    assert!(matches!(of(&dot), Err(CalibrationError::Implausible { .. })));
}

#[test]
fn every_length_carries_the_label_of_its_source() {
    let volume = picture();
    let line = drawing(DrawingKind::Length, axial(DVec3::ZERO), &[DVec2::ZERO, DVec2::new(30.0, 40.0)]);
    for (source, text) in [
        (SpacingSource::Patient, "50.0 mm"),
        (SpacingSource::Detector, "50.0 mm (detector)"),
        (SpacingSource::Unstated, "50.0 mm (unverified)"),
        (SpacingSource::NominalScanned, "50.0 mm (film)"),
        (SpacingSource::AspectRatio, "50.0 px"),
        (SpacingSource::Missing, "50.0 px"),
    ] {
        let found = measure(&line, &MeasureInput::new(&volume, &source, &GREEN));
        assert_eq!(found.quantities[0].text(), text);
        assert_eq!(found.receipt.lines()[0], format!("Lengths: {} — {source}", source.label()));
    }
}

#[test]
fn red_geometry_withholds_millimetres_until_somebody_takes_note() {
    let volume = picture();
    let red = Verdict::of([&SeriesWarning::MissingSlices { count: 2, after_slice: vec![7] }]);
    let input = MeasureInput::new(&volume, &PATIENT, &red);
    for drawing in one_of_each() {
        let found = measure(&drawing, &input);
        for quantity in &found.quantities {
            let is_value = quantity.name == QuantityName::Value;
            assert_eq!(quantity.value.is_some(), is_value, "{quantity:?}");
            assert!(is_value || quantity.text().ends_with(" withheld") && quantity.plus_minus.is_none());
        }
        assert!(found.receipt.is_withheld);
        let said =
            "Geometry: red — 2 slices are missing (after slice 8); left empty. Millimetres are withheld.";
        assert!(found.receipt.lines().contains(&said.to_owned()), "{:?}", found.receipt.lines());
        assert!(!drawing.kind().is_region() || matches!(found.pixels, RegionPixels::Statistics(_)));
        let noted = measure(&drawing, &MeasureInput { is_acknowledged: true, ..input });
        assert!(noted.quantities.iter().all(|quantity| quantity.value.is_some()));
    }
    // Pixels are counted whatever the geometry; a calibration is all that says what they measure.
    let uncalibrated = Verdict::of([&SeriesWarning::PixelSpacing { source: SpacingSource::Missing }]);
    let line = &one_of_each()[0];
    let input = MeasureInput::new(&volume, &SpacingSource::Missing, &uncalibrated);
    assert_eq!(quantities(line, input)[0].unit, "px");
    assert!(quantities(line, input)[0].value.is_some());
    let calibration = Calibration::from_lengths(10.0, 25.0, "px", ["", ""]).unwrap();
    let by_hand = quantities(line, MeasureInput { calibration: Some(&calibration), ..input });
    assert_eq!((by_hand[0].unit.as_str(), by_hand[0].value.is_some()), ("mm (user)", true));
    // It does not mend what is wrong with lengths of the file.
    let by_hand = quantities(
        line,
        MeasureInput { calibration: Some(&calibration), ..MeasureInput::new(&volume, &PATIENT, &red) },
    );
    assert_eq!(by_hand[0].value, None);
}

#[test]
fn ultrasound_is_measured_per_region_and_not_across() {
    let volume = picture();
    let region = |min_px, max_px, units, delta| UltrasoundRegion {
        min_px,
        max_px,
        format: RegionFormat::TwoDimensional,
        data_type: 1,
        is_high_priority: false,
        units,
        delta,
        reference_px: None,
        reference_value: [0.0, 0.0],
    };
    let cm = [RegionUnit::Centimeters; 2];
    let regions = [
        region([0, 0], [99, 99], cm, [0.05, -0.02]),
        region([100, 0], [199, 99], cm, [0.1, 0.1]),
        region([0, 100], [199, 199], [RegionUnit::Seconds, RegionUnit::CentimetersPerSecond], [0.01, -0.5]),
    ];
    let input = MeasureInput {
        ultrasound_regions: &regions,
        ..MeasureInput::new(&volume, &SpacingSource::UltrasoundRegions, &GREEN)
    };
    let at = |kind, places: &[[f64; 2]]| {
        let places: Vec<DVec2> = places.iter().map(|&place| place.into()).collect();
        measure(&drawing(kind, axial(DVec3::ZERO), &places), &input)
    };
    let check = |places: [[f64; 2]; 2], expected: f64, unit: &str| {
        let found = at(DrawingKind::Length, &places);
        assert!((number(&found, QuantityName::Length) - expected).abs() < 1e-9, "{:?}", found.quantities);
        assert_eq!(found.quantities[0].unit, unit);
    };
    // 30 columns of 0.5 mm and 40 rows of 0.2 mm.
    check([[10.0, 10.0], [40.0, 50.0]], 17.0, "mm (region)");
    check([[110.0, 10.0], [140.0, 50.0]], 50.0, "mm (region)");
    check([[10.0, 10.0], [110.0, 10.0]], 100.0, "px");
    check([[10.0, 110.0], [40.0, 150.0]], 50.0, "px");
    // A circle on screen is an ellipse in millimetres.
    let circle = at(DrawingKind::Circle, &[[50.0, 50.0], [60.0, 50.0]]);
    let area = std::f64::consts::PI * 5.0 * 2.0;
    assert!((number(&circle, QuantityName::Area) - area).abs() < 1e-9);
    assert!((number(&circle, QuantityName::LongAxis) - 10.0).abs() < 1e-9);
    assert!((number(&circle, QuantityName::ShortAxis) - 4.0).abs() < 1e-9);
    // Both points lie in the first region, its edge does not.
    let across = at(DrawingKind::Circle, &[[95.0, 50.0], [85.0, 50.0]]);
    assert_eq!(across.quantities[0].unit, "px²");
    let angle = at(DrawingKind::Angle, &[[30.0, 10.0], [10.0, 10.0], [30.0, 60.0]]);
    assert!((number(&angle, QuantityName::Angle) - 45.0).abs() < 1e-9, "10 mm to the right and 10 mm down");
}

#[test]
fn numbers_say_how_far_the_size_of_voxels_lets_them_be_off() {
    let geometry =
        Geometry::axis_aligned(Dims::new(50, 50, 20), DVec3::ZERO, DVec3::new(0.5, 0.8, 3.0)).unwrap();
    let volume = Volume::new(VolumeMeta::scalar(geometry), vec![0i16; 50_000]).unwrap();
    let coronal = DrawingPlane::new(DVec3::splat(9.0), DVec3::X, DVec3::NEG_Z).unwrap();
    let plus_minus = |plane, places: &[[f64; 2]], kind| {
        let places: Vec<DVec2> = places.iter().map(|&place| place.into()).collect();
        measured(&drawing(kind, plane, &places), &volume).quantities[0].plus_minus.unwrap()
    };
    let length = |plane, end| plus_minus(plane, &[[0.0, 0.0], end], DrawingKind::Length);
    let near =
        |found: f64, expected: f64| assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
    near(length(coronal, [12.0, 0.0]), 0.5);
    near(length(coronal, [0.0, 12.0]), 3.0);
    // Through the voxel from side to side: half a millimetre to the right, as much down.
    near(length(coronal, [9.0, 9.0]), 0.5 * 2f64.sqrt());
    near(
        plus_minus(coronal, &[[0.0, 0.0], [5.0, 0.0], [5.0, 5.0]], DrawingKind::Polyline),
        0.5f64.hypot(3.0),
    );
    // Half of 3 mm all along 40 mm.
    near(plus_minus(coronal, &[[0.0, 0.0], [10.0, 10.0]], DrawingKind::Rectangle), 60.0);
    near(
        plus_minus(coronal, &[[10.0, 0.0], [0.0, 0.0], [0.0, 20.0]], DrawingKind::Angle),
        (3.0f64 / 10.0).atan().hypot((0.5f64 / 20.0).atan()).to_degrees(),
    );
    let receipt = measured(&drawing(DrawingKind::Probe, coronal, &[DVec2::ZERO]), &volume).receipt;
    assert!(receipt.lines().contains(&"Precision: ± 3.00 mm from the size of voxels".to_owned()));
}

#[test]
fn bidirectional_and_polyline_add_up_what_was_drawn() {
    let mut chance = crate::Chance(3);
    let volume = random_volume(VolumeMeta::scalar(oblique_geometry()), &mut chance);
    let plane = axial(DVec3::ZERO);
    let places = [[0.0, 0.0], [3.0, 4.0], [3.5, 1.0], [-0.5, 4.0]].map(DVec2::from);
    let found = measured(&drawing(DrawingKind::Bidirectional, plane, &places), &volume);
    let [long, short] = &found.quantities[..] else { panic!() };
    assert_eq!((long.text().as_str(), short.text().as_str()), ("5.0 mm", "5.0 mm"));
    let found = measured(&drawing(DrawingKind::Polyline, plane, &places), &volume);
    let expected = 5.0 + 0.5f64.hypot(3.0) + 5.0;
    assert!((number(&found, QuantityName::Length) - expected).abs() < 1e-9);
}

#[test]
fn crossed_polygons_measure_what_is_inside() {
    let volume = picture();
    let bow = [[10.0, 10.0], [50.0, 50.0], [50.0, 10.0], [10.0, 50.0]].map(DVec2::from);
    let found = measured(&drawing(DrawingKind::Polygon, axial(DVec3::ZERO), &bow), &volume);
    assert!((number(&found, QuantityName::Area) - 800.0).abs() < 1e-9, "its signed area is zero");
    let count = number(&found, QuantityName::PixelCount);
    assert!((count - 800.0).abs() <= 40.0, "{count} pixels");
}

#[test]
fn unfinished_drawings_and_words_have_no_numbers() {
    let volume = picture();
    for kind in DrawingKind::ALL {
        let begun = Drawing::new(kind, vec![DVec3::new(9.0, 9.0, 0.0)], axial(DVec3::ZERO)).unwrap();
        let found = measured(&begun, &volume);
        let is_probe = kind == DrawingKind::Probe;
        assert_eq!(found.quantities.len(), usize::from(is_probe), "{kind:?}");
        assert_eq!(found.pixels, RegionPixels::NotARegion, "{kind:?}");
        assert!(!found.receipt.lines().is_empty());
    }
    for drawing in one_of_each() {
        let has_none = matches!(drawing.kind(), DrawingKind::Arrow | DrawingKind::Text);
        assert_eq!(measured(&drawing, &volume).quantities.is_empty(), has_none, "{:?}", drawing.kind());
    }
}

#[test]
fn degenerate_drawings_have_no_numbers_that_are_none() {
    let volume = picture();
    for kind in DrawingKind::ALL {
        let points = vec![DVec3::new(7.0, 7.0, 0.0); kind.points().min];
        let dot = Drawing::complete(kind, points, axial(DVec3::ZERO)).unwrap();
        for quantity in measured(&dot, &volume).all_quantities() {
            assert!(quantity.value.unwrap().is_finite(), "{kind:?} {quantity:?}");
            assert!(quantity.plus_minus.is_none_or(f64::is_finite), "{kind:?} {quantity:?}");
        }
    }
}
