//! JSON and CSV.

use imaging::measurement::export::{ExportInfo, JsonError, MeasurementRecord, from_json, to_csv, to_json};
use imaging::measurement::{Quantity, QuantityName};
use serde_json::{Value, json};

use crate::{assert_same, records};

fn info() -> ExportInfo {
    ExportInfo { created: "2026-01-02T03:04:05Z".to_owned(), software: "Lantern".to_owned() }
}

fn near(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-12 * b.abs().max(1.0),
        _ => a == b,
    }
}

#[test]
fn document_follows_its_schema_and_is_read_back_whole() {
    let records = records();
    let text = to_json(&records, &info());
    let path = test_support::data::workspace_root().join("docs/schema/measurements.schema.json");
    let schema: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let document: Value = serde_json::from_str(&text).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let faults: Vec<String> =
        validator.iter_errors(&document).map(|e| format!("{}: {e}", e.instance_path())).collect();
    assert_eq!(faults, [] as [String; 0]);
    let (found, found_info) = from_json(text.as_bytes()).unwrap();
    assert_eq!((found.len(), found_info), (records.len(), info()));
    for (found, expected) in found.iter().zip(&records) {
        assert_same(&found.drawing, &expected.drawing, 1e-9);
        for (a, b) in found.quantities.iter().zip(&expected.quantities) {
            assert_eq!((a.name, &a.unit), (b.name, &b.unit));
            assert!(near(a.value, b.value) && near(a.plus_minus, b.plus_minus), "{a:?} {b:?}");
        }
        assert_eq!(found.quantities.len(), expected.quantities.len());
        let (a, b) = (found.receipt.as_ref().unwrap(), expected.receipt.as_ref().unwrap());
        assert_eq!(a.lines(), b.lines());
        assert_eq!(
            (a.pixels, a.time_point, a.calibration.is_some()),
            (b.pixels, b.time_point, b.calibration.is_some())
        );
        let facts = |r: &MeasurementRecord| {
            (
                r.tracking_uid.clone(),
                r.label.clone(),
                r.finding.clone(),
                r.finding_site.clone(),
                r.image.clone(),
            )
        };
        assert_eq!(facts(found), facts(expected));
    }
    // Withheld numbers are there, without a value.
    assert!(found.iter().flat_map(|r| &r.quantities).any(|q| q.value.is_none()));
}

#[test]
fn damaged_and_foreign_documents_are_refused_with_the_reason() {
    let whole: Value = serde_json::from_str(&to_json(&records()[..3], &info())).unwrap();
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut document = whole.clone();
        change(&mut document);
        from_json(document.to_string().as_bytes()).unwrap_err().to_string()
    };
    let check = |change: &dyn Fn(&mut Value), expected: &str| assert_eq!(refused(change), expected);
    check(&|d| d["version"] = json!(2), "version 2 of the format is newer than this program");
    check(&|d| d["format"] = json!("x"), "a document of format `x`, not of measurements");
    check(&|d| d["measurements"][1]["kind"] = json!("cube"), "measurement 2: kind `cube` is not known");
    check(&|d| d["measurements"][0]["points_lps_mm"] = json!([[0, 0, 0]]), "measurement 1 is no drawing");
    check(&|d| d["measurements"][2]["plane"]["down"] = json!([0, 0, 0]), "measurement 3 is no drawing");
    check(&|d| d["measurements"][0]["points_lps_mm"][0][1] = json!(1e300), "measurement 1 is no drawing");
    check(
        &|d| d["measurements"][0]["receipt"]["verdict"] = json!("blue"),
        "measurement 1: verdict `blue` is not known",
    );
    check(&|d| d["measurements"] = json!(7), "not a document of measurements");
    for bytes in [b"".as_slice(), b"{", b"[1]", b"\xff\xfe", b"null", &b"[".repeat(1 << 16)] {
        assert!(matches!(from_json(bytes), Err(JsonError::NotMeasurements { .. })));
    }
    // What a later program adds is passed over.
    let mut later = whole.clone();
    later["measurements"][0]["colour"] = json!("green");
    assert!(from_json(later.to_string().as_bytes()).is_ok());
    // Every cut of a document ends in an error, not in half of it.
    let text = to_json(&records()[..2], &info());
    for end in (0..text.len() - 2).filter(|&end| text.is_char_boundary(end)) {
        assert!(from_json(&text.as_bytes()[..end]).is_err(), "cut after {end} bytes");
    }
}

/// Splits a table as RFC 4180 has it.
fn parse_csv(text: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell) = (Vec::new(), Vec::new(), String::new());
    let mut chars = text.chars().peekable();
    let mut is_quoted = false;
    while let Some(c) = chars.next() {
        match (c, is_quoted) {
            ('"', false) => is_quoted = true,
            ('"', true) if chars.peek() == Some(&'"') => cell.push(chars.next().unwrap()),
            ('"', true) => is_quoted = false,
            (',', false) => row.push(std::mem::take(&mut cell)),
            ('\r', false) => {
                assert_eq!(chars.next(), Some('\n'));
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            (c, _) => cell.push(c),
        }
    }
    assert!(row.is_empty() && cell.is_empty() && !is_quoted);
    rows
}

#[test]
fn table_has_one_row_per_number_with_all_its_digits() {
    let records = records();
    let rows = parse_csv(&to_csv(&records));
    let head = &rows[0];
    let column = |name: &str| head.iter().position(|known| known == name).unwrap();
    let expected: usize = records.iter().map(|record| record.quantities.len().max(1)).sum();
    assert_eq!(rows.len(), expected + 1);
    assert!(rows.iter().all(|row| row.len() == head.len()));
    let mut at = 1;
    for record in &records {
        for quantity in &record.quantities {
            let row = &rows[at];
            assert_eq!(row[column("tracking_uid")], record.tracking_uid);
            assert_eq!(row[column("label")], record.label);
            assert_eq!(row[column("quantity")], quantity.name.id());
            assert_eq!(row[column("value")].parse().ok(), quantity.value);
            assert_eq!(row[column("plus_minus")].parse().ok(), quantity.plus_minus);
            assert_eq!(row[column("unit")], quantity.unit);
            assert_eq!(row[column("sop_instance_uid")], "1.2.3.4.7");
            assert!(row[column("receipt")].contains("Lengths: "));
            at += 1;
        }
        at += usize::from(record.quantities.is_empty());
    }
}

#[test]
fn spreadsheets_calculate_nothing_that_somebody_wrote() {
    let mut record = records().remove(0);
    record.quantities = vec![Quantity {
        name: QuantityName::Mean,
        value: Some(-1024.5),
        unit: "-HU".to_owned(),
        plus_minus: None,
    }];
    for label in
        ["=1+1", "+A1", "-A1", "@SUM(A1)", "\tx", " =cmd|' /C calc'!A0", "line\r\nbreak", "say \"hi\", twice"]
    {
        record.label = label.to_owned();
        let rows = parse_csv(&to_csv(std::slice::from_ref(&record)));
        let is_plain = label.starts_with(['l', 's']);
        let expected = if is_plain { label.to_owned() } else { format!("'{label}") };
        assert_eq!(rows[1][1], expected);
        assert_eq!((rows[1][4].as_str(), rows[1][5].as_str()), ("-1024.5", "'-HU"));
    }
}
