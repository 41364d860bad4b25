//! Structured reports and encapsulated documents, real ones against what pydicom reads in them.

mod dicom_builder;

use dicom_builder::{Set, find_object, object, open, open_set};
use glam::{DVec2, DVec3};
use imaging::annotation::Graphic;
use imaging::derived::{Derived, ObjectKind};
use imaging::formats::{ReadLimits, load_object, scan};
use imaging::report::{
    ContentItem, ContentValue, EncapsulatedDocument, ReportedRegion, SpatialGraphic, StructuredReport,
};
use imaging::source::Progress;
use test_support::data;

const COMPREHENSIVE_3D: &str = "1.2.840.10008.5.1.4.1.1.88.34";
const PDF: &str = "1.2.840.10008.5.1.4.1.1.104.1";

fn report(derived: Derived) -> StructuredReport {
    let Derived::StructuredReport(report) = derived else { panic!("not a report") };
    *report
}

fn document(derived: Derived) -> EncapsulatedDocument {
    let Derived::EncapsulatedDocument(document) = derived else { panic!("not a document") };
    *document
}

fn count(item: &ContentItem) -> usize {
    1 + item.children.iter().map(count).sum::<usize>()
}

/// An item with its relationship, type and concept.
fn item(relationship: &str, value_type: &str, concept: [&str; 3]) -> Set {
    let [scheme, value, meaning] = concept;
    Set::new().text(0x0040_A010, "CS", relationship).text(0x0040_A040, "CS", value_type).code(
        0x0040_A043,
        scheme,
        value,
        meaning,
    )
}

fn number(concept: [&str; 3], value: &str, unit: [&str; 3]) -> Set {
    let measured = Set::new().text(0x0040_A30A, "DS", value).code(0x0040_08EA, unit[0], unit[1], unit[2]);
    item("CONTAINS", "NUM", concept).seq(0x0040_A300, [measured])
}

#[test]
fn planar_measurements_of_a_real_report_are_extracted() {
    let Some(root) = data("zoo/zoo") else { return };
    let path = root.join("sr-wave-other/sr_document.dcm");
    let found = find_object(&path);
    assert_eq!(
        (found.kind, found.label.as_str()),
        (ObjectKind::StructuredReport, "Imaging Measurement Report")
    );
    assert_eq!(found.referenced_series, ["1.3.6.1.4.1.5962.1.3.1.1.20040119072730.12322"]);
    let report = report(open(&path));
    assert_eq!((report.completion.as_str(), report.verification.as_str()), ("PARTIAL", "UNVERIFIED"));
    let ContentValue::Container { template } = &report.root.value else { panic!("{:?}", report.root.value) };
    assert_eq!(template.as_deref(), Some("1500"));
    let groups = report.measurement_groups();
    let [group] = groups.as_slice() else { panic!("{} groups", groups.len()) };
    assert_eq!(group.tracking_id.as_deref(), Some("Planar ROI Measurements"));
    assert_eq!(
        group.tracking_uid.as_deref(),
        Some("1.2.826.0.1.3680043.8.498.95005499519195632686309166061552196996")
    );
    assert!(group.finding.as_ref().unwrap().is("SRT", "T-A7010"));
    assert_eq!(group.finding_site.as_ref().unwrap().meaning, "Cervico-thoracic spine");
    let [area] = group.measurements.as_slice() else { panic!("{:?}", group.measurements) };
    let measured = area.measured.as_ref().unwrap();
    assert_eq!((area.name.meaning.as_str(), measured.value), ("Area of defined region", 1.7));
    assert!(measured.unit.as_ref().unwrap().is("UCUM", "cm2"));
    // Written as 58\52\58\41, counted from the corner of the first pixel.
    let [ReportedRegion::Drawing { graphic, images }] = group.regions.as_slice() else {
        panic!("{:?}", group.regions)
    };
    let circle = Graphic::Circle { center: DVec2::new(57.5, 51.5), on_edge: DVec2::new(57.5, 40.5) };
    assert_eq!(*graphic, circle);
    assert_eq!(images[0].sop_instance_uid, "1.3.6.1.4.1.5962.1.1.1.1.1.20040119072730.12322");
}

#[test]
fn every_item_of_a_real_tree_is_kept() {
    let Some(root) = data("zoo/zoo") else { return };
    let report = report(open(&root.join("sr-wave-other/test-SR.dcm")));
    assert_eq!(count(&report.root), 29, "as pydicom counts");
    let mass = &report.root.children[1].children[0];
    assert_eq!(mass.value, ContentValue::Text("A mass of".to_owned()));
    let ContentValue::Number { measured: Some(diameter), .. } = &report.root.children[1].children[1].value
    else {
        panic!("{:?}", report.root.children[1].children[1])
    };
    assert_eq!((diameter.value, diameter.unit.as_ref().unwrap().value.as_str()), (3.0, "cm"));
    // Latin-1, and lines of its own.
    let ContentValue::Text(text) = &report.root.children[2].children[0].value else { panic!() };
    assert!(text.contains('§') && text.contains('\n'), "{text:?}");
    let tcoord = &report.root.children[2].children[2];
    assert_eq!(tcoord.value, ContentValue::Unread("value type `TCOORD`".to_owned()));
    assert!(matches!(tcoord.children[0].value, ContentValue::ByReference(_)));
    assert_eq!(report.measurement_groups(), []);
}

#[test]
fn volumetric_measurements_and_points_in_space_are_extracted() {
    let site = item("HAS CONCEPT MOD", "CODE", ["SCT", "363698007", "Finding Site"]).code(
        0x0040_A168,
        "SCT",
        "10200004",
        "Liver",
    );
    let segment = Set::reference("1.2.840.10008.5.1.4.1.1.66.4", "1.2.3.9").us(0x0062_000B, &[2]);
    let segment =
        item("CONTAINS", "IMAGE", ["DCM", "121191", "Referenced Segment"]).seq(0x0008_1199, [segment]);
    let line = item("CONTAINS", "SCOORD3D", ["DCM", "111030", "Image Region"])
        .text(0x0070_0023, "CS", "POLYLINE")
        .text(0x3006_0024, "UI", "1.2.3.5")
        .fl(0x0070_0022, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.5]);
    let method = item("HAS CONCEPT MOD", "CODE", ["SCT", "370129005", "Measurement Method"]).code(
        0x0040_A168,
        "DCM",
        "126030",
        "Sum of segmented voxel volumes",
    );
    let volume = number(["SCT", "118565006", "Volume"], "12.25", ["UCUM", "mm3", "cubic millimeter"])
        .seq(0x0040_A730, [method]);
    let unavailable = item("CONTAINS", "NUM", ["SCT", "410668003", "Length"]).seq(0x0040_A300, []).code(
        0x0040_A301,
        "DCM",
        "114006",
        "Measurement failure",
    );
    let broken = item("CONTAINS", "SCOORD3D", ["DCM", "111030", "Image Region"])
        .text(0x0070_0023, "CS", "POLYGON")
        .fl(0x0070_0022, &[1.0, 2.0]);
    let group = item("CONTAINS", "CONTAINER", ["DCM", "125007", "Measurement Group"])
        .seq(0x0040_A730, [site, segment, line, volume, unavailable, broken]);
    let groups =
        item("CONTAINS", "CONTAINER", ["DCM", "126010", "Imaging Measurements"]).seq(0x0040_A730, [group]);
    let set = object(COMPREHENSIVE_3D, "SR")
        .text(0x0040_A040, "CS", "CONTAINER")
        .code(0x0040_A043, "DCM", "126000", "Imaging Measurement Report")
        .seq(0x0040_A730, [groups]);
    let groups = report(open_set(&set)).measurement_groups();
    let [group] = groups.as_slice() else { panic!("{} groups", groups.len()) };
    assert_eq!(group.finding_site.as_ref().unwrap().meaning, "Liver");
    let [volume, length] = group.measurements.as_slice() else { panic!("{:?}", group.measurements) };
    assert_eq!(volume.measured.as_ref().unwrap().value, 12.25);
    assert_eq!(volume.method.as_ref().unwrap().value, "126030");
    assert_eq!((&length.measured, length.qualifier.as_ref().unwrap().value.as_str()), (&None, "114006"));
    let [
        ReportedRegion::Segment(segment),
        ReportedRegion::Spatial { graphic, points_lps, frame_of_reference_uid },
    ] = group.regions.as_slice()
    else {
        panic!("{:?}", group.regions)
    };
    assert_eq!(
        (segment.sop_instance_uid.as_str(), segment.segment_numbers.as_slice()),
        ("1.2.3.9", [2].as_slice())
    );
    assert_eq!(*graphic, SpatialGraphic::Polyline);
    assert_eq!(
        points_lps[..],
        [DVec3::new(1.0, 2.0, 3.0), DVec3::new(4.0, 5.0, 6.5)],
        "no half-pixel shift in space"
    );
    assert_eq!(frame_of_reference_uid.as_deref(), Some("1.2.3.5"));
}

#[test]
fn document_is_the_bytes_of_the_file_without_padding() {
    let Some(root) = data("zoo/zoo") else { return };
    let path = root.join("sr-wave-other/encapsulated_pdf.dcm");
    let found = find_object(&path);
    assert_eq!((found.kind, found.label.as_str()), (ObjectKind::EncapsulatedDocument, "Sample document"));
    let document = document(open(&path));
    assert_eq!(
        (document.title.as_str(), document.mime_type.as_str()),
        ("Sample document", "application/pdf")
    );
    assert_eq!((document.bytes.len(), &document.bytes[..5]), (612, b"%PDF-".as_slice()));
    let file = std::fs::read(&path).unwrap();
    let offset = document.offset.unwrap() as usize;
    assert_eq!(file[offset..offset + 612], document.bytes);
    assert_eq!(document.warnings, [] as [&str; 0]);
}

#[test]
fn length_of_a_document_is_checked() {
    let made = |stated: u32| {
        object(PDF, "DOC")
            .text(0x0042_0010, "ST", "Letter")
            .bytes(0x0042_0011, "OB", b"%PDF-1.4 odd")
            .text(0x0042_0012, "LO", "application/pdf")
            .ul(0x0042_0015, &[stated])
    };
    assert_eq!(document(open_set(&made(11))).bytes, b"%PDF-1.4 od");
    let lying = document(open_set(&made(4_000_000_000)));
    assert_eq!((lying.bytes.len(), lying.warnings.len()), (12, 1));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.dcm");
    let whole = object(PDF, "DOC").bytes(0x0042_0011, "OB", &[b'x'; 1000]).file();
    std::fs::write(&path, &whole[..whole.len() - 400]).unwrap();
    let catalog = scan(&[path], &Progress::new()).unwrap();
    let error = load_object(&catalog.objects[0], ReadLimits::default()).unwrap_err();
    assert_eq!(error.reason(), "the document is cut off");
}
