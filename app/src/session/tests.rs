//! Sessions of real files: written, read again, found again; damaged in every way.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use glam::DVec3;
use imaging::derived::Derived;
use imaging::formats;
use imaging::intensity::{Histogram, Window};
use imaging::measurement::{Drawing, DrawingKind, DrawingPlane};
use imaging::source::Progress;
use proptest::prelude::*;
use render_core::color_map::ColorMap;
use render_core::scene::{Interpolation, Slab, SlabMode};
use render_core::transfer_function::{ControlPoint, TransferFunction};
use serde_json::Value;

use super::capture::{Beside, capture};
use super::exchange::{ExchangeError, ExportOrder, export, handles, import};
use super::restore::{reattach, restore};
use super::wire::SavedSession;
use super::*;
use crate::command::{
    AnnotationCommand, Command, EditCommand, LayoutCommand, SeriesCommand, SliceCommand, ViewCommand,
    VoiCommand, VolumeCommand,
};
use crate::document::{
    Annotation, Arrangement, Document, Fusion, LoadedVolume, Series, SeriesKey, ViewportId, VolumeStyle,
    random_seed,
};

/// A volume of 6 × 5 × 4 voxels as a file without UIDs.
fn write_volume(path: &Path) {
    let header = "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 6 5 4\n\
                  space directions: (2,0,0) (0,2,0) (0,0,3)\nspace origin: (-5,-4,1)\nencoding: raw\n\
                  endian: little\n\n";
    let voxels = (0..6 * 5 * 4i16).flat_map(|value| (value * 10).to_le_bytes());
    std::fs::write(path, header.bytes().chain(voxels).collect::<Vec<u8>>()).unwrap();
}

/// The sample study: DICOM with UIDs.
fn sample() -> PathBuf {
    test_support::data::workspace_root().join("assets/sample")
}

/// A document that opened some paths, as the window does.
fn opened(paths: &[&Path]) -> Document {
    let mut document = Document::new();
    for path in paths {
        let Ok(catalog) = formats::scan(&[path.to_path_buf()], &Progress::new()) else { continue };
        for entry in catalog.series {
            let key = document.new_key();
            document.series.push(Series::from_entry(key, entry, path.to_path_buf()));
        }
    }
    document
}

/// Reads what is shown.
fn load_shown(document: &mut Document) {
    for key in document.workspace.shown_series() {
        let series = document.series(key).unwrap();
        let crate::document::SeriesSource::Files(entry) = &series.source else { panic!("no file") };
        let volume = formats::load(entry, formats::ReadLimits::default(), &Progress::new()).unwrap();
        let volume = Arc::new(volume);
        let histogram = Histogram::of_voxels(volume.voxels(), volume.rescale(), None, 256);
        document.volume_loaded(key, LoadedVolume { shown: Arc::clone(&volume), volume, histogram });
    }
}

fn key_of(document: &Document, path: &Path) -> SeriesKey {
    document.series.iter().find(|series| series.opened_path == path).unwrap().key
}

fn drawing(kind: DrawingKind, z: f64) -> Drawing {
    let plane = DrawingPlane::new(DVec3::new(0.0, 0.0, z), DVec3::X, DVec3::Y).unwrap();
    let places = [[-3.0, -2.0], [3.0, 1.0], [0.0, -3.5], [0.5, 2.5]];
    let count = kind.points().min.max(if kind.points().max > 4 { 4 } else { kind.points().max });
    let points = places.iter().take(count).map(|[x, y]| DVec3::new(*x, *y, z)).collect();
    Drawing::complete(kind, points, plane).unwrap()
}

fn add(document: &mut Document, key: SeriesKey, kind: DrawingKind, z: f64) {
    let annotation = Annotation::new(key, drawing(kind, z));
    document.apply(&Command::Annotation(AnnotationCommand::Add(Box::new(annotation))));
}

/// Everything there is to restore, on two series of different kinds.
fn rich_document(volume: &Path, study: &Path) -> Document {
    let mut d = opened(&[volume, study]);
    let (flat, deep) = (key_of(&d, volume), key_of(&d, study));
    d.apply(&Command::Series(SeriesCommand::Show(deep)));
    load_shown(&mut d);
    for (at, kind) in DrawingKind::ALL.into_iter().enumerate() {
        add(&mut d, if at % 2 == 0 { flat } else { deep }, kind, 4.0);
    }
    let ids: Vec<_> = d.workspace.annotations.keys().copied().collect();
    let label = "Größe, \"quoted\"\nand more".to_owned();
    d.apply(&Command::Annotation(AnnotationCommand::SetLabel { id: ids[1], label }));
    d.apply(&Command::Annotation(AnnotationCommand::ToggleLocked(ids[2])));
    d.apply(&Command::Annotation(AnnotationCommand::ToggleVisible(ids[3])));
    d.apply(&Command::Annotation(AnnotationCommand::Delete(ids[4])));
    let said = |text: &str| text.to_owned();
    let calibrate =
        AnnotationCommand::Calibrate { id: ids[0], known_mm: 12.5, by: said("R. Reader"), at: said("today") };
    d.apply(&Command::Annotation(calibrate));
    let window = Window::linear(41.0, 333.0);
    d.apply(&Command::Voi(VoiCommand::Set { series: deep, window, name: None }));
    d.apply(&Command::Voi(VoiCommand::ToggleInverted(deep)));
    d.apply(&Command::Voi(VoiCommand::Interpolate(deep, Interpolation::Nearest)));
    d.apply(&Command::Voi(VoiCommand::ColorMap(deep, ColorMap::by_id("hot-iron"))));
    let fusion = Fusion { opacity: 0.25, ..Fusion::new(flat) };
    d.apply(&Command::Voi(VoiCommand::Fuse(deep, Some(fusion))));
    let points = [(0.0, 0.1), (70.5, 0.3), (300.0, 1.0)];
    let points: Vec<ControlPoint> =
        points.map(|(value, opacity)| ControlPoint { value, color: [0.9, 0.25, opacity], opacity }).to_vec();
    let curve = Arc::new(TransferFunction::new(points, 1.0));
    d.apply(&Command::Volume(VolumeCommand::SetTransferFunction(deep, curve)));
    d.apply(&Command::Edit(EditCommand::EndGesture));
    d.apply(&Command::Volume(VolumeCommand::Style(deep, VolumeStyle::Mip)));
    d.apply(&Command::Volume(VolumeCommand::Rotate {
        viewport: ViewportId(3),
        yaw_rad: 0.7,
        pitch_rad: -0.3,
    }));
    d.apply(&Command::Edit(EditCommand::EndGesture));
    d.apply(&Command::View(ViewCommand::Flip { viewport: ViewportId(1), is_horizontal: true }));
    let slab = Slab { thickness_mm: 7.5, mode: SlabMode::Max };
    d.apply(&Command::Slice(SliceCommand::SetSlab { viewport: ViewportId(2), slab }));
    let tilt = SliceCommand::Tilt { viewport: ViewportId(0), yaw_rad: 0.21, pitch_rad: 0.13 };
    d.apply(&Command::Slice(tilt));
    d.apply(&Command::Edit(EditCommand::EndGesture));
    d.apply(&Command::Series(SeriesCommand::Acknowledge(deep)));
    d.apply(&Command::Layout(LayoutCommand::ToggleNeurological));
    d.apply(&Command::Layout(LayoutCommand::Arrange(Arrangement::grid(2, 3))));
    load_shown(&mut d);
    d.apply(&Command::Layout(LayoutCommand::ToggleMaximised(ViewportId(5))));
    d.apply(&Command::Layout(LayoutCommand::ToggleLinkedByOffset));
    d
}

fn session_of(document: &Document) -> SavedSession {
    capture(document, &document.workspace, &Beside::default()).session
}

/// Numbers may differ in their last digit: the reader of JSON is not exact to it.
fn assert_alike(a: &Value, b: &Value, at: &str) {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => {
            let (x, y) = (x.as_f64().unwrap(), y.as_f64().unwrap());
            assert!((x - y).abs() <= 1e-12 * x.abs().max(1.0), "{at}: {x} became {y}");
        }
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len(), "{at}");
            a.iter().zip(b).enumerate().for_each(|(i, (a, b))| assert_alike(a, b, &format!("{at}/{i}")));
        }
        (Value::Object(a), Value::Object(b)) => {
            assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>(), "{at}");
            a.iter().for_each(|(key, value)| assert_alike(value, &b[key], &format!("{at}/{key}")));
        }
        _ => assert_eq!(a, b, "{at}"),
    }
}

fn value(session: &SavedSession) -> Value {
    let session = SavedSession { created: String::new(), ..session.clone() };
    serde_json::to_value(session).unwrap()
}

#[test]
fn everything_is_as_it_was_after_saving_closing_and_opening() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("volume.nrrd");
    write_volume(&volume);
    let before = rich_document(&volume, &sample());
    let path = folder.path().join("reading.lantern");
    write_whole(&path, &to_bytes(&session_of(&before)).unwrap(), Replace::No).unwrap();

    let session = read(&path).unwrap();
    // Opened in another order, so that keys and places among the series are others.
    let mut after = opened(&[&sample(), &volume]);
    assert_eq!(restore(&session, &mut after), []);
    load_shown(&mut after);
    let (now, then) = (session_of(&after), session_of(&before));
    assert_eq!(now.drawing_count(), DrawingKind::ALL.len() - 1);
    let mut sorted = value(&now);
    // The order of series is that of opening; viewports say which by place.
    sorted["openings"].as_array_mut().unwrap().reverse();
    assert_eq!(sorted["openings"], value(&then)["openings"]);
    for saved in &then.series {
        let found = now.series.iter().find(|other| (&other.uid, &other.file) == (&saved.uid, &saved.file));
        let found = wire::SavedSeries { opening: saved.opening, ..found.expect("it is there").clone() };
        let over = |session: &SavedSession, series: &wire::SavedSeries| {
            series.fusion.as_ref().map(|fusion| session.series[fusion.over].file.clone())
        };
        assert_eq!(over(&now, &found), over(&then, saved));
        let place = saved.fusion.as_ref().map(|fusion| fusion.over);
        let fusion = found.fusion.clone().map(|fusion| wire::SavedFusion { over: place.unwrap(), ..fusion });
        let found = wire::SavedSeries { fusion, ..found };
        let as_value = |series: &wire::SavedSeries| serde_json::to_value(series).unwrap();
        assert_alike(&as_value(saved), &as_value(&found), saved.uid.as_deref().unwrap_or("file"));
    }
    for (viewport, other) in then.viewports.iter().zip(&now.viewports) {
        let name = |session: &SavedSession, at: Option<usize>| at.map(|at| session.series[at].uid.clone());
        assert_eq!(name(&then, viewport.series), name(&now, other.series));
        let without_series = |v: &wire::SavedViewport| {
            serde_json::to_value(wire::SavedViewport { series: None, ..*v }).unwrap()
        };
        assert_alike(&without_series(viewport), &without_series(other), &format!("viewport {}", viewport.id));
    }
    assert_eq!((now.layout, now.active), (then.layout, then.active));
    assert!(now.is_neurological && now.is_linked_by_offset);
    assert_eq!(after.history.undo_title(), None, "a session begins with a history of its own");
}

#[test]
fn what_is_not_found_is_kept_and_comes_back_with_its_series() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("volume.nrrd");
    write_volume(&volume);
    let session = session_of(&rich_document(&volume, &sample()));
    let mut without = opened(&[&sample()]);
    let kept = restore(&session, &mut without);
    let lost: usize = kept.iter().map(|one| one.series.annotations.len()).sum();
    assert!(lost > 0 && kept[0].sentence().contains("volume.nrrd"), "{}", kept[0].sentence());
    // Saved again they are still there.
    let beside = Beside { kept, ..Beside::default() };
    let again = capture(&without, &without.workspace, &beside).session;
    assert_eq!(again.drawing_count(), session.drawing_count());
    let again = from_bytes(&to_bytes(&again).unwrap()).unwrap();
    // And once the file is opened, they are on it.
    let mut all = opened(&[&sample(), &volume]);
    assert_eq!(restore(&again, &mut all), []);
    assert_eq!(all.workspace.annotations.len(), session.drawing_count());
    let key = without.new_key();
    let mut catalog = formats::scan(std::slice::from_ref(&volume), &Progress::new()).unwrap();
    without.series.push(Series::from_entry(key, catalog.series.remove(0), volume));
    assert_eq!(reattach(beside.kept, &mut without), []);
    assert_eq!(without.workspace.annotations.len(), session.drawing_count());
}

#[test]
fn a_file_of_another_size_under_the_same_name_is_another_series() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("volume.nrrd");
    write_volume(&volume);
    let mut session = session_of(&rich_document(&volume, &sample()));
    let file = session.series.iter_mut().find(|series| series.file.is_some()).unwrap();
    file.dims[0] += 1;
    let kept = restore(&session, &mut opened(&[&volume, &sample()]));
    assert_eq!(kept.len(), 1);
}

#[test]
fn sessions_follow_the_schema() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("volume.nrrd");
    write_volume(&volume);
    let schema = test_support::data::workspace_root().join("docs/schema/session.schema.json");
    let schema: Value = serde_json::from_slice(&std::fs::read(schema).unwrap()).unwrap();
    for document in [Document::new(), rich_document(&volume, &sample())] {
        let bytes = to_bytes(&session_of(&document)).unwrap();
        let document: Value = serde_json::from_slice(&bytes).unwrap();
        if let Err(error) = jsonschema::validate(&schema, &document) {
            panic!("{error} at {}", error.instance_path());
        }
    }
    let wrong = serde_json::json!({"format": "lantern-session", "version": 1});
    assert!(jsonschema::validate(&schema, &wrong).is_err());
}

#[test]
fn foreign_and_damaged_files_are_refused_in_words() {
    let check = |bytes: &[u8], expected: &str| {
        let error = from_bytes(bytes).expect_err(expected);
        assert!(error.to_string().contains(expected), "`{error}` for `{expected}`");
    };
    check(b"", "not a session");
    check(b"GIF89a", "not a session");
    check(b"[1, 2]", "not a session");
    check(br#"{"format": "lantern-measurements", "version": 1}"#, "format `lantern-measurements`");
    check(br#"{"format": "lantern-session", "version": 2}"#, "version 2 of the format is newer");
    check(br#"{"format": "lantern-session", "version": 1}"#, "damaged: missing field `openings`");
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("volume.nrrd");
    write_volume(&volume);
    let good = value(&session_of(&rich_document(&volume, &sample())));
    let damaged = |pointer: &str, wrong: Value, expected: &str| {
        let mut document = good.clone();
        *document.pointer_mut(pointer).expect(pointer) = wrong;
        check(&serde_json::to_vec(&document).unwrap(), expected);
    };
    damaged("/series/0/opening", 9.into(), "series 1: there is no such opening");
    damaged("/series/0/annotations/0/kind", "blob".into(), "kind `blob` is not known");
    damaged("/series/0/annotations/0/points_lps_mm/0/0", 1e300.into(), "a coordinate");
    damaged("/series/0/annotations/0/points_lps_mm", Value::Array(Vec::new()), "points");
    damaged("/series/0/annotations/0/plane/right", serde_json::json!([0.0, 0.0, 0.0]), "a direction");
    // An outline in a plane that leads its points away from all places.
    let steep = serde_json::json!([-0.6, 0.0, 0.8]);
    let mut away = good.clone();
    let region = away.pointer_mut("/series/0/annotations").and_then(Value::as_array_mut).unwrap();
    let region = region.iter_mut().find(|one| one["kind"] == "polygon").unwrap();
    region["plane"]["right"] = steep;
    region["plane"]["through_lps_mm"] = serde_json::json!([1e7, 0.0, 1e7]);
    region["points_lps_mm"][0] = serde_json::json!([-1e7, 0.0, 1e7]);
    check(&serde_json::to_vec(&away).unwrap(), "a coordinate");
    damaged("/viewports/0/series", 77.into(), "viewport 0: there is no such series");
    damaged("/viewports/0/view/slice/zoom", 0.0.into(), "a zoom of 0");
    damaged("/layout/arrangement", serde_json::json!({"grid": {"rows": 200, "columns": 1}}), "200 × 1");
}

#[test]
fn nothing_is_replaced_unasked_and_a_failed_write_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.lantern");
    write_whole(&path, b"first", Replace::No).unwrap();
    let error = write_whole(&path, b"second", Replace::No).unwrap_err();
    assert!(matches!(error, SessionError::Exists { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), b"first");
    write_whole(&path, b"second", Replace::Yes).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"second");
    assert!(write_whole(&folder.path().join("gone/a.lantern"), b"x", Replace::Yes).is_err());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
}

/// Paths of everything in a document, for mutations.
fn pointers(value: &Value, at: String, all: &mut Vec<String>) {
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| pointers(item, format!("{at}/{i}"), all));
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(key, item)| pointers(item, format!("{at}/{key}"), all));
        }
        _ => {}
    }
    all.push(at);
}

fn any_leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop_oneof![Just(0.0), Just(-1.0), Just(1e308), Just(1e-320)].prop_map(Value::from),
        "[a-z/.]{0,8}".prop_map(Value::from),
        Just(Value::Array(Vec::new())),
        Just(serde_json::json!({})),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn mutated_sessions_are_read_or_refused_and_what_is_read_can_be_shown(
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any_leaf()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let volume = folder.path().join("volume.nrrd");
        write_volume(&volume);
        let mut small = opened(&[&volume]);
        let key = key_of(&small, &volume);
        small.apply(&Command::Series(SeriesCommand::Show(key)));
        load_shown(&mut small);
        add(&mut small, key, DrawingKind::Length, 4.0);
        add(&mut small, key, DrawingKind::Ellipse, 4.0);
        let mut document = value(&session_of(&small));
        for (which, leaf) in mutations {
            let mut all: Vec<String> = Vec::new();
            pointers(&document, String::new(), &mut all);
            if let Some(place) = document.pointer_mut(which.get(all.as_slice()).as_str()) {
                *place = leaf;
            }
        }
        let bytes = serde_json::to_vec(&document).unwrap();
        let _ = from_bytes(bytes.get(..cut.index(bytes.len() + 1)).unwrap());
        if let Ok(session) = from_bytes(&bytes) {
            let mut restored = opened(&[&volume]);
            restore(&session, &mut restored);
            load_shown(&mut restored);
            // What was taken can be written again, and new drawings have a name.
            to_bytes(&session_of(&restored)).unwrap();
            add(&mut restored, key, DrawingKind::Length, 4.0);
        }
    }
}

fn order(document: &Document) -> ExportOrder {
    ExportOrder {
        series: handles(document),
        active: document.active_viewport().series,
        seed: random_seed(),
        author: "R. Reader".to_owned(),
        replace: Replace::No,
    }
}

/// Exports all drawings of a loaded sample study and reads them into another window.
fn through(ending: &str) -> (Document, Document, super::exchange::Imported) {
    let folder = tempfile::tempdir().unwrap();
    let mut d = opened(&[&sample()]);
    let key = d.series.first().unwrap().key;
    d.apply(&Command::Series(SeriesCommand::Show(key)));
    load_shown(&mut d);
    let center = d.geometry(key).unwrap().center_lps();
    for kind in DrawingKind::ALL {
        let annotation = Annotation::new(key, drawing(kind, 0.0).translated(center));
        d.apply(&Command::Annotation(AnnotationCommand::Add(Box::new(annotation))));
    }
    let path = folder.path().join(format!("measurements.{ending}"));
    let exported = export(&order(&d), &path).unwrap();
    assert_eq!((exported.count, exported.left_out.as_slice()), (DrawingKind::ALL.len(), [].as_slice()));
    let other = opened(&[&sample()]);
    let imported = import(&handles(&other), &path).unwrap();
    (d, other, imported)
}

#[test]
fn measurements_come_back_from_json_and_reports_as_one_step_and_not_twice() {
    for (ending, precision_mm) in [("json", 1e-9), ("dcm", 1e-3)] {
        let (before, mut other, imported) = through(ending);
        assert_eq!(imported.left_out, Vec::<String>::new(), "{ending}");
        let command = Command::Annotation(AnnotationCommand::Import(imported.annotations));
        other.apply(&command);
        let (was, is) = (&before.workspace.annotations, &other.workspace.annotations);
        assert_eq!(was.len(), is.len(), "{ending}");
        for (a, b) in was.values().zip(is.values()) {
            assert_eq!((a.drawing.kind(), &a.tracking_uid), (b.drawing.kind(), &b.tracking_uid), "{ending}");
            let points = a.drawing.points_lps().iter().zip(b.drawing.points_lps());
            points.for_each(|(p, q)| assert!(p.distance(*q) < precision_mm, "{ending}: {p} became {q}"));
        }
        other.apply(&command);
        assert_eq!(other.workspace.annotations.len(), was.len(), "what is there comes not twice");
        other.apply(&Command::Edit(EditCommand::Undo));
        assert!(other.workspace.annotations.is_empty(), "one step");
    }
}

#[test]
fn a_report_is_one_that_is_read_as_such() {
    let (d, _, _) = through("dcm");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.dcm");
    export(&order(&d), &path).unwrap();
    let catalog = formats::scan(&[path], &Progress::new()).unwrap();
    let object = formats::load_object(&catalog.objects[0], formats::ReadLimits::default()).unwrap();
    let Derived::StructuredReport(report) = object else { panic!("another object") };
    assert_eq!(report.measurement_groups().len(), DrawingKind::ALL.len());
    assert!(!report.evidence.is_empty(), "it names the images");
}

#[test]
fn what_cannot_be_exchanged_is_refused_in_words() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("volume.nrrd");
    write_volume(&volume);
    let mut d = opened(&[&volume]);
    let key = key_of(&d, &volume);
    let nothing = export(&order(&d), &folder.path().join("a.json")).unwrap_err();
    assert_eq!(nothing.to_string(), "nothing can be exported: nothing is drawn");
    add(&mut d, key, DrawingKind::Length, 4.0);
    let ending = export(&order(&d), &folder.path().join("a.txt")).unwrap_err();
    assert!(matches!(ending, ExchangeError::Ending { .. }), "{ending}");
    let report = export(&order(&d), &folder.path().join("a.dcm")).unwrap_err();
    assert!(report.to_string().contains("no UIDs"), "{report}");
    let table = folder.path().join("a.csv");
    assert_eq!(export(&order(&d), &table).unwrap().count, 1);
    assert!(std::fs::read_to_string(&table).unwrap().contains("length,length,6.708"));
    assert!(matches!(import(&handles(&d), &table), Err(ExchangeError::NotRead { .. })));
    let json = folder.path().join("a.json");
    export(&order(&d), &json).unwrap();
    let imported = import(&handles(&d), &json).unwrap();
    assert_eq!(imported.left_out, ["1 measurement without the UID of a series"]);
    let (foreign, _, _) = through("json");
    let path = folder.path().join("foreign.json");
    export(&order(&foreign), &path).unwrap();
    let imported = import(&handles(&d), &path).unwrap();
    assert!(imported.annotations.is_empty() && imported.left_out[0].ends_with("which is not open"));
    std::fs::write(&path, b"{}").unwrap();
    assert!(matches!(import(&handles(&d), &path), Err(ExchangeError::Json(_))));
}
