//! Structured reports: against the validator, and back into drawings.

use std::path::Path;
use std::process::Command;

use glam::{DMat3, DVec2, DVec3};
use imaging::derived::{Derived, InstanceReference};
use imaging::formats::dicom::measurement_report::{ReportEntry, ReportError, ReportInfo, write_report};
use imaging::formats::{ReadLimits, load_object, scan};
use imaging::geometry::{Dims, Geometry};
use imaging::measurement::export::{MeasurementRecord, UidSeed};
use imaging::measurement::import::{ImportContext, Imported, report_records};
use imaging::measurement::{Drawing, DrawingKind, DrawingPlane, MeasureInput, QuantityName, measure};
use imaging::report::StructuredReport;
use imaging::series::SeriesAttributes;
use imaging::source::Progress;
use imaging::spacing::SpacingSource;
use imaging::verdict::Verdict;
use imaging::volume::{Volume, VolumeMeta};
use test_support::data;

use crate::{assert_same, image, one_of_each, records, slice_plane, volume};

const ULTRASOUND_MULTI_FRAME: &str = "1.2.840.10008.5.1.4.1.1.3.1";

fn attributes() -> SeriesAttributes {
    SeriesAttributes {
        patient_name: "Müßig^Änne".to_owned(),
        patient_id: "4711".to_owned(),
        patient_sex: "F".to_owned(),
        patient_birth_date: "19560607".to_owned(),
        study_uid: Some("1.2.3.1".to_owned()),
        study_date: "20260101".to_owned(),
        study_time: "101112.25".to_owned(),
        accession_number: "A 1".to_owned(),
        ..SeriesAttributes::default()
    }
}

fn info(attributes: &SeriesAttributes) -> ReportInfo<'_> {
    ReportInfo {
        attributes,
        author: "Ä. Leser",
        date: "20260102",
        time: "030405",
        series_number: 900,
        software_version: "0.1.0",
        seed: UidSeed(0x0123_4567_89AB_CDEF_0011_2233_4455_6677),
    }
}

fn write(records: &[MeasurementRecord], frame: Option<&Geometry>) -> Vec<u8> {
    let attributes = attributes();
    let entries: Vec<ReportEntry<'_>> = records.iter().map(|record| ReportEntry { record, frame }).collect();
    write_report(&entries, &info(&attributes)).unwrap()
}

fn read(bytes: &[u8]) -> StructuredReport {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.dcm");
    std::fs::write(&path, bytes).unwrap();
    load(&path)
}

fn load(path: &Path) -> StructuredReport {
    let catalog = scan(&[path.to_path_buf()], &Progress::new()).unwrap();
    match load_object(&catalog.objects[0], ReadLimits::default()).unwrap() {
        Derived::StructuredReport(report) => *report,
        other => panic!("{other:?}"),
    }
}

fn import(report: &StructuredReport, geometry: Option<Geometry>) -> Imported {
    let frame_geometry = |_: &InstanceReference| geometry;
    let context = ImportContext { study_uid: "1.2.3.1", seed: UidSeed(5), frame_geometry: &frame_geometry };
    report_records(report, &context)
}

/// What `dciodvfy` finds wrong; `None` where it is not installed, which `REQUIRE_DATA=1` makes a failure.
fn validator_errors(bytes: &[u8]) -> Option<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.dcm");
    std::fs::write(&path, bytes).unwrap();
    let output = match Command::new("dciodvfy").arg(&path).output() {
        Ok(output) => output,
        Err(error) => {
            let message = format!("the validator dciodvfy is missing ({error}); install dicom3tools");
            assert!(std::env::var_os("REQUIRE_DATA").is_none_or(|value| value != "1"), "{message}");
            eprintln!("{message}; test ends here without checking anything");
            return None;
        }
    };
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(said.contains("Comprehensive3DSR"), "it knows what it looks at: {said}");
    Some(said.lines().filter(|line| line.starts_with("Error")).map(str::to_owned).collect())
}

#[test]
fn reports_pass_the_validator_without_errors() {
    let none: [String; 0] = [];
    let Some(errors) = validator_errors(&write(&records(), None)) else { return };
    assert_eq!(errors, none);
    // Little is known of an image without patient data, and of a measurement from elsewhere.
    let attributes =
        SeriesAttributes { study_uid: Some("1.2.3.1".to_owned()), ..SeriesAttributes::default() };
    let mut record = records().remove(0);
    record.receipt = None;
    record.label = String::new();
    for instances in
        [Vec::new(), vec![InstanceReference { frame_numbers: vec![1], ..image().instances.remove(0) }]]
    {
        record.image.instances = instances;
        let entry = ReportEntry { record: &record, frame: None };
        let bytes = write_report(&[entry], &ReportInfo { author: "", ..info(&attributes) }).unwrap();
        assert_eq!(validator_errors(&bytes).unwrap(), none);
    }
    let (on_pixels, frame) = on_pixels();
    assert_eq!(validator_errors(&write(&on_pixels, Some(&frame))).unwrap(), none);
    // It would find them: a report without its type 1 elements.
    let mut broken = write(&records()[..1], None);
    let at = broken.windows(8).position(|bytes| bytes == b"COMPLETE").unwrap();
    broken[at..at + 8].copy_from_slice(b"WHATEVER");
    assert!(!validator_errors(&broken).unwrap().is_empty());
}

#[test]
fn the_same_input_makes_the_same_file() {
    assert_eq!(write(&records(), None), write(&records(), None));
}

#[test]
fn reports_are_read_back_as_the_drawings_they_came_from() {
    let records = records();
    let report = read(&write(&records, None));
    assert_eq!((report.completion.as_str(), report.verification.as_str()), ("COMPLETE", "UNVERIFIED"));
    let imported = import(&report, None);
    assert_eq!(imported.left_out, [] as [String; 0]);
    assert_eq!(imported.records.len(), records.len());
    for (found, expected) in imported.records.iter().zip(&records) {
        assert_same(&found.drawing, &expected.drawing, 1e-3);
        assert_eq!((&found.tracking_uid, &found.label), (&expected.tracking_uid, &expected.label));
        assert_eq!((&found.finding, &found.finding_site), (&expected.finding, &expected.finding_site));
        assert_eq!(found.image.instances, expected.image.instances);
        assert_eq!(found.image.series_uid, expected.image.series_uid);
        assert_eq!(found.image.frame_of_reference_uid, expected.image.frame_of_reference_uid);
        let stated: Vec<_> = expected.quantities.iter().filter(|q| q.value.is_some()).collect();
        assert_eq!(found.quantities.len(), stated.len(), "{:?}", expected.drawing.kind());
        for (a, b) in found.quantities.iter().zip(stated) {
            assert_eq!((a.name, a.value), (b.name, b.value), "as precise as it was");
            assert_eq!(a.unit, b.unit.replace(" (user)", ""));
        }
    }
}

#[test]
fn measured_again_the_drawings_of_a_report_have_its_numbers() {
    let volume = volume();
    let green = Verdict::default();
    let input = MeasureInput::new(&volume, &SpacingSource::Patient, &green);
    let of = |drawing: &Drawing| {
        MeasurementRecord::new(
            UidSeed(1).uid(0),
            String::new(),
            drawing.clone(),
            &measure(drawing, &input),
            image(),
        )
    };
    let records: Vec<MeasurementRecord> = one_of_each(slice_plane(&volume, 7.0)).iter().map(of).collect();
    for found in import(&read(&write(&records, None)), None).records {
        let again = measure(&found.drawing, &input).all_quantities();
        for (a, b) in again.iter().zip(&found.quantities) {
            let (a, b) = (a.value.unwrap(), b.value.unwrap());
            // Areas change with their edge.
            assert!((a - b).abs() <= 0.1 + 1e-3 * b.abs(), "{:?}: {a}, not {b}", found.drawing.kind());
        }
    }
}

#[test]
fn receipt_and_calibration_travel_with_the_report() {
    let bytes = write(&records(), None);
    let text = String::from_utf8_lossy(&bytes);
    assert!(text.contains("a line of 40.00 mm (detector) was set to 50 mm by Ä. Leser on 2026-01-02"));
    assert!(text.contains("Values: resampled (trilinear"));
    assert!(text.contains("Millimetres are withheld."));
    assert!(text.contains("Müßig^Änne"), "text is UTF-8, and the file says so");
    assert!(text.contains("ISO_IR 192"));
}

/// A picture without frame of reference, with pixels of 0.5 × 0.8 mm, and one drawing of each kind on it.
fn on_pixels() -> (Vec<MeasurementRecord>, Geometry) {
    let frame =
        Geometry::new(Dims::new(64, 48, 1), DVec3::ZERO, DVec3::new(0.5, 0.8, 1.0), DMat3::IDENTITY).unwrap();
    let volume = Volume::new(VolumeMeta::scalar(frame), vec![3i16; 64 * 48]).unwrap();
    let green = Verdict::default();
    let input = MeasureInput::new(&volume, &SpacingSource::Detector, &green);
    let plane = DrawingPlane::new(frame.center_lps(), DVec3::X, DVec3::Y).unwrap();
    let record = |(i, drawing): (usize, &Drawing)| {
        let measured = measure(drawing, &input);
        let uid = UidSeed(3).uid(i as u64);
        let mut record = MeasurementRecord::new(uid, String::new(), drawing.clone(), &measured, image());
        record.image.frame_of_reference_uid = None;
        record.image.instances[0].sop_class_uid = ULTRASOUND_MULTI_FRAME.to_owned();
        record.image.instances[0].frame_numbers = vec![4];
        record
    };
    (one_of_each(plane).iter().enumerate().map(record).collect(), frame)
}

#[test]
fn drawings_without_a_frame_of_reference_are_written_on_pixels_from_their_corner() {
    let (records, frame) = on_pixels();
    let report = read(&write(&records, Some(&frame)));
    let imported = import(&report, Some(frame));
    assert_eq!(imported.left_out, [] as [String; 0]);
    for (found, expected) in imported.records.iter().zip(&records) {
        assert_same(&found.drawing, &expected.drawing, 1e-3);
        assert_eq!(found.image.instances, expected.image.instances, "each once, with its frame");
    }
    // The centre of the first pixel is half a pixel from the corner.
    let plane = DrawingPlane::new(DVec3::ZERO, DVec3::X, DVec3::Y).unwrap();
    let probe = Drawing::complete(DrawingKind::Probe, vec![DVec3::ZERO], plane).unwrap();
    let mut record = records[0].clone();
    (record.drawing, record.quantities) = (probe, Vec::new());
    let bytes = write(&[record], Some(&frame));
    let at = bytes.windows(6).position(|bytes| bytes == b"\x70\0\x22\0FL").unwrap();
    assert_eq!(bytes[at + 8..at + 16], [0.5f32.to_le_bytes(), 0.5f32.to_le_bytes()].concat());
    let without_image = import(&report, None);
    assert_eq!(without_image.records, []);
    assert!(without_image.left_out[0].contains("the image that it was drawn on is not here"));
}

#[test]
fn what_cannot_be_reported_is_refused_without_patient_data() {
    let attributes = attributes();
    let records = records();
    let entries: Vec<_> = records.iter().map(|record| ReportEntry { record, frame: None }).collect();
    let good = info(&attributes);
    let nobody = SeriesAttributes { study_uid: None, ..attributes.clone() };
    let mut nowhere = records[0].clone();
    nowhere.image.frame_of_reference_uid = None;
    let lost = [ReportEntry { record: &nowhere, frame: None }];
    for (entries, info, is_expected) in [
        (&[][..], good, (|e| matches!(e, ReportError::Empty)) as fn(&ReportError) -> bool),
        (&entries, ReportInfo { attributes: &nobody, ..good }, |e| matches!(e, ReportError::NoStudy)),
        (&entries, ReportInfo { date: "2026-1-2", ..good }, |e| matches!(e, ReportError::DateTime { .. })),
        (&lost, good, |e| matches!(e, ReportError::NoPlace { number: 1 })),
    ] {
        let error = write_report(entries, &info).unwrap_err();
        assert!(is_expected(&error), "{error:?}");
        assert!(!error.to_string().contains("4711") && !error.to_string().contains("nne"));
    }
}

#[test]
fn texts_that_would_break_a_value_are_cleaned() {
    let mut attributes = attributes();
    attributes.patient_name = "A\\B\u{0}^C\r\n".to_owned();
    attributes.patient_sex = "unknown".to_owned();
    attributes.patient_birth_date = "sometime".to_owned();
    attributes.accession_number = "far too long for a short string".to_owned();
    let mut record = records().remove(0);
    record.label = format!("{}\\\u{7}", "long ".repeat(40));
    let entry = ReportEntry { record: &record, frame: None };
    let bytes = write_report(&[entry], &info(&attributes)).unwrap();
    assert_eq!(import(&read(&bytes), None).records.len(), 1);
    if let Some(errors) = validator_errors(&bytes) {
        assert_eq!(errors, [] as [String; 0]);
    }
}

#[test]
fn planar_region_of_a_foreign_report_becomes_a_circle() {
    let Some(root) = data("zoo/zoo") else { return };
    let report = load(&root.join("sr-wave-other/sr_document.dcm"));
    let spacing = DVec3::new(0.5, 0.5, 5.0);
    let frame =
        Geometry::new(Dims::new(128, 128, 1), DVec3::new(-30.0, 4.0, 9.0), spacing, DMat3::IDENTITY).unwrap();
    let imported = import(&report, Some(frame));
    let [record] = imported.records.as_slice() else { panic!("{imported:?}") };
    assert_eq!(
        (record.drawing.kind(), record.label.as_str()),
        (DrawingKind::Circle, "Planar ROI Measurements")
    );
    // Written as 58\52\58\41, counted from the corner of the first pixel.
    let at = |px: DVec2| frame.lps_from_index().transform_point3(px.extend(0.0));
    assert_eq!(record.drawing.points_lps(), [at(DVec2::new(57.5, 51.5)), at(DVec2::new(57.5, 40.5))]);
    let [area] = record.quantities.as_slice() else { panic!("{:?}", record.quantities) };
    assert_eq!((area.name, area.value, area.unit.as_str()), (QuantityName::Area, Some(1.7), "cm²"));
    assert_eq!(record.image.series_uid, "1.3.6.1.4.1.5962.1.3.1.1.20040119072730.12322");
    assert_eq!(import(&report, None).records, []);
}
