//! Where the size of pixels comes from, and which label a length deserves.

mod dicom_writer;

use dicom_writer::{Item, Plane, image, open_objects};
use glam::DVec3;
use imaging::series::SeriesEntry;
use imaging::spacing::{CalibrationKind, MagnificationSource, RegionUnit, SpacingSource, region_at};
use imaging::verdict::Level;
use imaging::volume::Volume;

const PIXEL_SPACING: u32 = 0x0028_0030;
const IMAGER_PIXEL_SPACING: u32 = 0x0018_1164;
const MAGNIFICATION: u32 = 0x0018_1114;
const SOURCE_TO_DETECTOR: u32 = 0x0018_1110;
const SOURCE_TO_PATIENT: u32 = 0x0018_1111;
const NOMINAL_SCANNED: u32 = 0x0018_2010;
const CALIBRATION_TYPE: u32 = 0x0028_0A02;

/// A flat image of 24 × 12 pixels without position.
fn flat(modality: &str, class: &str) -> Item {
    image(24, 12)
        .text(0x0008_0060, b"CS", modality)
        .text(0x0008_0016, b"UI", class)
        .pixels(&(0..24 * 12).collect::<Vec<i16>>())
}

fn mammogram() -> Item {
    flat("MG", "1.2.840.10008.5.1.4.1.1.1.2")
}

fn ultrasound() -> Item {
    flat("US", "1.2.840.10008.5.1.4.1.1.6.1")
}

/// x and y spacing and what they are worth.
fn spacing(object: Item) -> ([f64; 2], SeriesEntry, Volume) {
    let (entry, volume) = open_objects(&[object]);
    let s = volume.geometry().spacing_mm();
    ([s.x, s.y], entry, volume)
}

#[test]
fn row_spacing_is_along_y_and_column_spacing_along_x() {
    // A circle of 10 mm radius on pixels twice as high as wide stays round in millimetres.
    let circle = |lps: DVec3| if lps.truncate().length() < 10.0 { 1000.0 } else { 0.0 };
    let slices: Vec<Item> = (0..3)
        .map(|k| {
            let plane = Plane {
                position: DVec3::new(-15.5, -15.0, f64::from(k)),
                spacing: [1.0, 0.5],
                columns: 63,
                rows: 31,
                ..Plane::axial(0.0)
            };
            plane.classic(i64::from(k) + 1, circle)
        })
        .collect();
    let (_, volume) = open_objects(&slices);
    assert_eq!(volume.geometry().spacing_mm().to_array(), [0.5, 1.0, 1.0]);
    let extent = |axis: usize| {
        let inside = (0..63 * 31).filter_map(|i| {
            let index = [i % 63, i / 63, 1];
            let lps = volume.geometry().lps_from_index().transform_point3(index.map(|n| n as f64).into());
            (volume.value_at(index, 0, 0)? > 500.0).then(|| lps.to_array()[axis])
        });
        let (low, high) = inside.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
        high - low
    };
    assert!((extent(0) - extent(1)).abs() <= 1.0, "{} by {}", extent(0), extent(1));
    assert!((extent(0) - 19.0).abs() <= 1.0, "{}", extent(0));
}

#[test]
fn a_known_length_in_a_magnified_mammogram_is_right() {
    // A wire of 20 mm in the breast throws a shadow of 22.8 mm: 228 pixels of 0.1 mm.
    let object = mammogram().ds(IMAGER_PIXEL_SPACING, &[0.1, 0.1]).ds(MAGNIFICATION, &[1.14]);
    let ([x, y], entry, volume) = spacing(object);
    assert!((228.0 * x - 20.0).abs() < 1e-9 && (x - y).abs() < 1e-12, "{x}");
    let lps = |x: f64| volume.geometry().lps_from_index().transform_point3(DVec3::new(x, 0.0, 0.0));
    assert!((lps(228.0).distance(lps(0.0)) - 20.0).abs() < 1e-9);
    assert_eq!(entry.spacing_source.label(), "mm (÷ERMF 1.14)");
    assert_eq!(entry.verdict().level, Level::Amber);
    // Equal Pixel Spacing adds nothing to Imager Pixel Spacing; the magnification still does.
    let both = mammogram().ds(IMAGER_PIXEL_SPACING, &[0.1, 0.1]).ds(MAGNIFICATION, &[1.14]);
    assert!((spacing(both.ds(PIXEL_SPACING, &[0.1, 0.1])).0[0] - 0.1 / 1.14).abs() < 1e-12);
}

#[test]
fn the_ratio_of_source_distances_serves_where_no_magnification_is_stated() {
    let object = flat("DX", "1.2.840.10008.5.1.4.1.1.1.1").ds(IMAGER_PIXEL_SPACING, &[0.2, 0.3]);
    let distances = object.clone().ds(SOURCE_TO_DETECTOR, &[1200.0]).ds(SOURCE_TO_PATIENT, &[1000.0]);
    let ([x, y], entry, _) = spacing(distances);
    assert!((x - 0.25).abs() < 1e-12 && (y - 0.2 / 1.2).abs() < 1e-12, "{x} {y}");
    let from = MagnificationSource::Distances;
    assert_eq!(entry.spacing_source, SpacingSource::DetectorCorrected { magnification: 1.2, from });
    // A patient behind the detector, or at the source, is no distance.
    for nonsense in [[1000.0, 1200.0], [1000.0, 0.0], [1000.0, 1.0]] {
        let wrong =
            object.clone().ds(SOURCE_TO_DETECTOR, &nonsense[..1]).ds(SOURCE_TO_PATIENT, &nonsense[1..]);
        let ([x, y], entry, _) = spacing(wrong);
        assert_eq!(([x, y], entry.spacing_source.label().as_str()), ([0.3, 0.2], "mm (detector)"));
    }
}

#[test]
fn calibrated_pixel_spacing_counts_before_that_of_the_detector() {
    let object = flat("DX", "1.2.840.10008.5.1.4.1.1.1.1").ds(IMAGER_PIXEL_SPACING, &[0.2, 0.2]);
    let calibrated = object.clone().ds(PIXEL_SPACING, &[0.17, 0.17]).ds(MAGNIFICATION, &[1.5]);
    let source = |object: Item| {
        let ([x, _], entry, _) = spacing(object);
        (x, entry.spacing_source)
    };
    let with = |kind| SpacingSource::Calibrated { kind, description: String::new() };
    assert_eq!(source(calibrated.clone()), (0.17, with(CalibrationKind::Unstated)));
    let fiducial = calibrated.clone().text(CALIBRATION_TYPE, b"CS", "FIDUCIAL").text(
        0x0028_0A04,
        b"LO",
        "ball of 10 mm",
    );
    let description = "ball of 10 mm".to_owned();
    let kind = CalibrationKind::Fiducial;
    assert_eq!(source(fiducial), (0.17, SpacingSource::Calibrated { kind, description }));
    let geometry = calibrated.text(CALIBRATION_TYPE, b"CS", "GEOMETRY");
    assert_eq!(source(geometry), (0.17, with(CalibrationKind::Geometry)));
    // Calibrated to the plane of the detector by coincidence: the type says that somebody looked.
    let equal = object.clone().ds(PIXEL_SPACING, &[0.2, 0.2]).text(CALIBRATION_TYPE, b"CS", "GEOMETRY");
    assert_eq!(source(equal), (0.2, with(CalibrationKind::Geometry)));
    let alone = flat("CR", "1.2.840.10008.5.1.4.1.1.1").ds(PIXEL_SPACING, &[0.15, 0.15]);
    assert_eq!(source(alone), (0.15, SpacingSource::Unstated));
}

#[test]
fn film_spacing_comes_before_aspect_and_aspect_before_nothing() {
    let object = flat("OT", "1.2.840.10008.5.1.4.1.1.7");
    let aspect = object.clone().text(0x0028_0034, b"IS", "2\\1");
    let ([x, y], entry, _) = spacing(aspect.clone().ds(NOMINAL_SCANNED, &[0.1, 0.2]));
    assert_eq!(([x, y], entry.spacing_source.label().as_str()), ([0.2, 0.1], "mm (film)"));
    // Pixels twice as high as wide are drawn so, but have no size.
    let ([x, y], entry, _) = spacing(aspect);
    assert_eq!((y / x, entry.spacing_source.label().as_str()), (2.0, "px"));
    assert_eq!(entry.verdict().level, Level::Red);
    let ([x, y], entry, _) = spacing(object.clone());
    assert_eq!(([x, y], entry.spacing_source), ([1.0, 1.0], SpacingSource::Missing));
    // Zero and negative spacings are none.
    for broken in [[0.0, 0.0], [-0.5, 0.5]] {
        let ([x, y], entry, _) = spacing(object.clone().ds(PIXEL_SPACING, &broken));
        assert_eq!(([x, y], entry.spacing_source), ([1.0, 1.0], SpacingSource::Missing));
    }
}

#[test]
fn pixels_that_are_not_square_keep_their_shape_from_spacing_else_from_the_aspect_ratio() {
    // An ellipse of 6 by 6 units on pixels 1.5 times as high as wide: 12 columns, 8 rows.
    let disc: Vec<i16> = (0..24 * 12)
        .map(|i| {
            let (x, y) = (f64::from(i % 24) - 11.5, 1.5 * (f64::from(i / 24) - 5.5));
            if x.hypot(y) < 6.0 { 1000 } else { 0 }
        })
        .collect();
    let object = flat("OT", "1.2.840.10008.5.1.4.1.1.7").pixels(&disc);
    let shown_size = |object: Item| {
        let ([x, y], entry, volume) = spacing(object);
        let count = |along: usize, other: usize, at: usize| {
            let index = |i: usize| if other == 1 { [i, at, 0] } else { [at, i, 0] };
            (0..along).filter(|&i| volume.value_at(index(i), 0, 0).unwrap() > 500.0).count() as f64
        };
        ([x * count(24, 1, 5), y * count(12, 0, 11)], entry)
    };
    // Round by spacing, in millimetres; the aspect ratio beside it says nothing.
    let both = object.clone().ds(PIXEL_SPACING, &[0.6, 0.4]).text(0x0028_0034, b"IS", "1\\7");
    let ([wide, high], entry) = shown_size(both);
    assert!((wide - 4.8).abs() < 1e-9 && (high - 4.8).abs() < 1e-9, "{wide} by {high}");
    assert_eq!(entry.spacing_source.label(), "mm");
    // Round by the aspect ratio alone (vertical over horizontal), and without millimetres.
    let ([wide, high], entry) = shown_size(object.clone().text(0x0028_0034, b"IS", "3\\2"));
    assert!((wide - high).abs() < 1e-9, "{wide} by {high}");
    assert_eq!((entry.spacing_source.label().as_str(), entry.verdict().level), ("px", Level::Red));
    // With neither, pixels count as square.
    let ([wide, high], _) = shown_size(object);
    assert_eq!([wide, high], [12.0, 8.0]);
}

fn region(corners: [u32; 4], units: [u16; 2], delta: [f64; 2]) -> Item {
    let [x0, y0, x1, y1] = corners;
    Item::default()
        .us(0x0018_6012, &[1])
        .us(0x0018_6014, &[1])
        .ul(0x0018_6016, &[0])
        .ul(0x0018_6018, &[x0])
        .ul(0x0018_601A, &[y0])
        .ul(0x0018_601C, &[x1])
        .ul(0x0018_601E, &[y1])
        .sl(0x0018_6020, &[0])
        .sl(0x0018_6022, &[0])
        .us(0x0018_6024, &units[..1])
        .us(0x0018_6026, &units[1..])
        .fd(0x0018_602C, &delta[..1])
        .fd(0x0018_602E, &delta[1..])
}

#[test]
fn ultrasound_is_measured_per_region_and_never_stretched() {
    let regions =
        [region([0, 0, 11, 11], [3, 3], [0.05, 0.025]), region([12, 0, 23, 11], [4, 7], [0.01, -2.0])];
    let ([x, y], entry, _) = spacing(ultrasound().sequence(0x0018_6011, &regions));
    assert_eq!([x, y], [1.0, 1.0], "pixels of 0.5 × 0.25 mm are still drawn square");
    assert_eq!(entry.spacing_source, SpacingSource::UltrasoundRegions);
    assert_eq!((entry.spacing_source.label().as_str(), entry.verdict().level), ("px", Level::Amber));
    let found = &entry.ultrasound_regions;
    assert_eq!(found.len(), 2);
    let tissue = region_at(found, [3.0, 3.0]).unwrap();
    // 6 columns of 0.5 mm, 8 rows of 0.25 mm.
    let length = tissue.distance_mm([2.0, 2.0], [8.0, 10.0]).unwrap();
    assert!((length - 3.0f64.hypot(2.0)).abs() < 1e-9, "{length}");
    let doppler = region_at(found, [15.0, 3.0]).unwrap();
    assert_eq!(doppler.units, [RegionUnit::Seconds, RegionUnit::CentimetersPerSecond]);
    assert_eq!(doppler.distance_mm([13.0, 2.0], [15.0, 2.0]), None, "seconds are no length");
    assert!((doppler.value(1, [15.0, 5.0]).unwrap() + 10.0).abs() < 1e-9);
    assert_eq!(tissue.distance_mm([2.0, 2.0], [15.0, 2.0]), None, "across regions");
}

#[test]
fn regions_without_size_or_place_are_left_out() {
    let whole = region([0, 0, 11, 11], [3, 3], [0.05, 0.05]);
    let broken = [
        whole.clone().fd(0x0018_602C, &[0.0]),
        whole.clone().fd(0x0018_602E, &[f64::NAN]),
        whole.clone().without(0x0018_6018),
        Item::default(),
    ];
    let (_, entry, _) = spacing(ultrasound().sequence(0x0018_6011, &broken));
    assert_eq!((entry.ultrasound_regions, entry.spacing_source), (vec![], SpacingSource::Missing));
    let several = [broken[0].clone(), whole];
    let (_, entry, _) = spacing(ultrasound().sequence(0x0018_6011, &several));
    assert_eq!(entry.ultrasound_regions.len(), 1);
}
