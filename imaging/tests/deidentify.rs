//! Copies without identity: every attribute of the profile, in sequences too; UIDs, dates and pixels; what is refused.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use dicom_core::DataDictionary;
use dicom_core::dictionary::DataDictionaryEntry;
use dicom_core::value::Value;
use dicom_encoding::TransferSyntaxIndex;
use dicom_transfer_syntax_registry::TransferSyntaxRegistry;
use imaging::ImagingError;
use imaging::deidentify::{
    Dates, Deidentifier, Effect, Export, ExportOptions, Key, Options, Outcome, Report, Warning, export,
    profiled_tags,
};
use imaging::derived::Derived;
use imaging::formats::dicom::attributes::{Attributes, read_file};
use imaging::formats::{ReadLimits, SourceFile, load, load_object, scan};
use imaging::phantom::dicom_file::{Elements, object};
use imaging::source::Progress;
use imaging::volume::Volume;
use imaging::with_voxels;
use test_support::damage::{Chance, mutate};
use test_support::data;

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const EXPLICIT: &str = "1.2.840.10008.1.2.1";
const IMPLICIT: &str = "1.2.840.10008.1.2";
const BIG_ENDIAN: &str = "1.2.840.10008.1.2.2";
const DEFLATED: &str = "1.2.840.10008.1.2.1.99";

fn key(seed: u8) -> Key {
    Key::from_hex(&format!("{seed:02x}").repeat(16)).unwrap()
}

fn with(options: Options) -> Deidentifier {
    Deidentifier::new(options, key(1))
}

fn basic() -> Deidentifier {
    with(Options::default())
}

/// The copy of a file, and what was done.
fn copy_of(deidentifier: &Deidentifier, path: &Path) -> Result<(Vec<u8>, Report), ImagingError> {
    let mut copy = Vec::new();
    let report = deidentifier.write(&SourceFile::plain(path), &mut copy)?;
    Ok((copy, report))
}

/// The attributes of the copy of an object.
fn copied(deidentifier: &Deidentifier, elements: &Elements) -> (Attributes, Vec<u8>, Report) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("object.dcm");
    std::fs::write(&path, elements.file()).unwrap();
    let (copy, report) = copy_of(deidentifier, &path).unwrap();
    std::fs::write(&path, &copy).unwrap();
    let attributes = read_file(&path).unwrap();
    assert_eq!(attributes.warnings(), [""; 0]);
    (attributes, copy, report)
}

fn text(attributes: &Attributes, tag: u32) -> Option<String> {
    attributes.find(tag).map(|row| row.text.to_string())
}

/// A value that must not be found in the copy, in the form that its VR asks for.
const MARKS: [&str; 7] = ["QZXDOE", "17760704", "174533", "1.2.3.777777", "7531.25", "077Y", "+1234"];

fn marked(elements: Elements, tag: u32) -> Elements {
    let dictionary_tag = dicom_core::Tag((tag >> 16) as u16, tag as u16);
    let vr = dicom_dictionary_std::StandardDataDictionary
        .by_tag(dictionary_tag)
        .map_or("LO", |entry| entry.vr().relaxed().to_string());
    let name = format!("QZXDOE{tag:08X}");
    match vr {
        "DA" => elements.text(tag, vr, "17760704"),
        "TM" => elements.text(tag, vr, "174533"),
        "DT" => elements.text(tag, vr, "17760704174533"),
        "UI" => elements.text(tag, vr, &format!("1.2.3.777777.{tag}")),
        "AS" => elements.text(tag, vr, "077Y"),
        "DS" => elements.text(tag, vr, "7531.25"),
        "US" => elements.us(tag, &[1]),
        "FL" => elements.fl(tag, &[1.5]),
        "SH" if tag == 0x0008_0201 => elements.text(tag, vr, "+1234"),
        "SQ" => {
            let item = Elements::new()
                .text(0x0008_0080, "LO", &name)
                .text(0x0008_1155, "UI", &format!("1.2.3.777777.{tag}"))
                .text(0x0010_0010, "PN", &name)
                .text(0x0010_0030, "DA", "17760704");
            elements.seq(tag, [item])
        }
        // The writer of phantoms knows no UR; what is kept of it would be found all the same.
        "UR" => elements.text(tag, "UT", &name),
        _ => elements.text(tag, vr, &name),
    }
}

/// An object that holds everything the profile names, at the top and in a sequence that it does not name.
fn everything() -> Elements {
    let all = |elements: Elements| profiled_tags().filter(|tag| *tag >> 16 >= 8).fold(elements, marked);
    let beyond = |elements: Elements| {
        elements
            .text(0x0009_0010, "LO", "QZXDOE CREATOR")
            .text(0x0009_1001, "PN", "QZXDOE PRIVATE")
            .text(0x0040_A067, "PN", "QZXDOE AUTHOR")
            .text(0x0014_0102, "DA", "17760704")
            .text(0x0020_9312, "UI", "1.2.3.777777.1")
            .text(0x0008_9F9F, "LO", "QZXDOE UNKNOWN")
            .text(0x5000_2500, "LO", "QZXDOE CURVE")
            .text(0x6000_1500, "LO", "QZXDOE LABEL")
            .bytes(0x6000_3000, "OW", b"QZXDOE OVERLAY")
            .seq(0x0400_0500, [Elements::new().bytes(0x0400_0520, "OB", b"QZXDOE ENCRYPTED")])
    };
    // Sequences that become dummies hold attributes that nobody lists.
    let dummies = [0x0040_A730, 0x0070_0001, 0x0040_1101, 0x0040_A073, 0x0034_0001].map(|tag| {
        (
            tag,
            Elements::new().text(0x0008_0104, "LO", "QZXDOE MEANING").text(0x0040_A160, "UT", "QZXDOE VALUE"),
        )
    });
    let nested = beyond(all(Elements::new()));
    let outer = beyond(all(object(CT, "CT")));
    let outer = dummies.into_iter().fold(outer, |outer, (tag, item)| outer.seq(tag, [item]));
    outer
        .text(0x0008_0016, "UI", CT)
        .us(0x0028_0010, &[2])
        .us(0x0028_0011, &[2])
        .us(0x0028_0100, &[16])
        .bytes(0x7FE0_0010, "OW", &[1, 2, 3, 4, 5, 6, 7, 8])
        .seq(0x0040_0260, [nested.clone(), Elements::new().seq(0x0040_0440, [nested])])
}

/// A file with the header that dicom-rs asks for.
fn whole_file(elements: &Elements) -> Vec<u8> {
    // Preamble and transfer syntax, as phantoms are written.
    const BEFORE: usize = 128 + 4 + 8 + 20;
    let meta = Elements::new()
        .bytes(0x0002_0001, "OB", &[0, 1])
        .text(0x0002_0002, "UI", CT)
        .text(0x0002_0003, "UI", "1.2.3.4")
        .text(0x0002_0010, "UI", EXPLICIT)
        .text(0x0002_0012, "UI", "1.2.3");
    let meta = &meta.file()[BEFORE..];
    let len = Elements::new().ul(0x0002_0000, &[meta.len() as u32]).file();
    [&[0; 128], b"DICM".as_slice(), &len[BEFORE..], meta, &elements.file()[BEFORE..]].concat()
}

fn holds(bytes: &[u8], mark: &str) -> bool {
    bytes.windows(mark.len()).any(|window| window == mark.as_bytes())
}

#[test]
fn nothing_that_the_profile_names_survives_wherever_it_stands() {
    let original = everything().file();
    for mark in MARKS {
        assert!(holds(&original, mark), "the test holds no {mark}");
    }
    let (attributes, copy, report) = copied(&basic(), &everything());
    for mark in MARKS {
        let row = attributes.rows().iter().position(|row| row.text.contains(mark));
        assert!(!holds(&copy, mark), "{mark} in {:?}", row.map(|at| attributes.path(at)));
    }
    assert_eq!(text(&attributes, 0x7FE0_0010).unwrap(), "8 bytes: 01 02 03 04 05 06 07 08");
    assert_eq!(text(&attributes, 0x0012_0062).unwrap(), "YES");
    assert_eq!(text(&attributes, 0x0028_0303).unwrap(), "REMOVED");
    // All of it is told, and no value with it.
    let told: std::collections::BTreeSet<u32> = report.changes.iter().map(|change| change.tag).collect();
    let kept_references = [0x0008_1140, 0x0008_2112];
    let silent: Vec<u32> = profiled_tags()
        .filter(|tag| *tag >> 16 >= 8 && !told.contains(tag) && !kept_references.contains(tag))
        .collect();
    assert_eq!(silent, [0u32; 0]);
    assert!(report.changes.iter().all(|change| change.values.is_empty()));
}

#[test]
fn the_same_holds_in_the_other_encodings() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("object.dcm");
    std::fs::write(&path, whole_file(&everything())).unwrap();
    let object = dicom_object::open_file(&path).unwrap();
    for syntax in [IMPLICIT, BIG_ENDIAN, DEFLATED] {
        let mut object = object.clone();
        object.meta_mut().set_transfer_syntax(TransferSyntaxRegistry.get(syntax).unwrap());
        object.write_to_file(&path).unwrap();
        let (copy, _) = copy_of(&basic(), &path).unwrap();
        let copied = folder.path().join("copy.dcm");
        std::fs::write(&copied, &copy).unwrap();
        let attributes = read_file(&copied).unwrap();
        assert_eq!((attributes.transfer_syntax(), attributes.warnings()), (syntax, &[][..]), "{syntax}");
        for row in attributes.rows() {
            assert!(!MARKS.iter().any(|mark| row.text.contains(mark)), "{syntax}: {}", row.line());
        }
        if syntax != DEFLATED {
            assert!(!MARKS.iter().any(|mark| holds(&copy, mark)), "{syntax}");
        }
        let theirs = dicom_object::open_file(&copied).unwrap();
        assert_eq!(theirs.element_by_name("PatientIdentityRemoved").unwrap().to_str().unwrap(), "YES");
    }
}

#[test]
fn options_keep_what_they_say_and_nothing_else() {
    let all = Options {
        uids: true,
        dates: Dates::Kept,
        device: true,
        institution: true,
        patient_characteristics: true,
        ..Options::default()
    };
    let (attributes, copy, _) = copied(&with(all), &everything());
    let check = |tag: u32, expected: Option<&str>| {
        assert_eq!(text(&attributes, tag).as_deref(), expected, "{tag:08X}")
    };
    check(0x0008_0020, Some("17760704"));
    check(0x0008_0080, Some("QZXDOE00080080"));
    check(0x0018_1000, Some("QZXDOE00181000"));
    check(0x0010_1010, Some("077Y"));
    check(0x0008_0018, Some(&format!("1.2.3.777777.{}", 0x0008_0018)));
    check(0x0028_0303, Some("UNMODIFIED"));
    // The patient is not among what options keep.
    check(0x0010_0030, Some(""));
    check(0x0010_4000, None);
    assert!(!holds(&copy, "QZXDOE00100010") && !holds(&copy, "QZXDOE00100020") && !holds(&copy, "PRIVATE"));
    let codes: Vec<String> = attributes
        .rows()
        .iter()
        .filter(|row| row.tag == 0x0008_0100 && row.text.starts_with("1131"))
        .map(|row| row.text.to_string())
        .collect();
    assert_eq!(codes, ["113100", "113110", "113109", "113112", "113108", "113106"]);
}

#[test]
fn dates_move_together_and_the_birth_date_goes() {
    let shifted = with(Options { dates: Dates::Shifted, ..Options::default() });
    let study = |date: &str, acquired: &str, patient: &str| {
        object(CT, "CT")
            .text(0x0010_0020, "LO", patient)
            .text(0x0010_0030, "DA", "19500101")
            .text(0x0008_0020, "DA", date)
            .text(0x0008_0030, "TM", "120000")
            .text(0x0008_002A, "DT", acquired)
    };
    let dates = |elements: &Elements| {
        let (attributes, ..) = copied(&shifted, elements);
        assert_eq!(text(&attributes, 0x0010_0030).unwrap(), "");
        assert_eq!(text(&attributes, 0x0008_0030).unwrap(), "120000");
        assert_eq!(text(&attributes, 0x0028_0303).unwrap(), "MODIFIED");
        (text(&attributes, 0x0008_0020).unwrap(), text(&attributes, 0x0008_002A).unwrap())
    };
    let (first, acquired) = dates(&study("20240301", "20240301123456.7", "4711"));
    assert_ne!(first, "20240301");
    assert_eq!(acquired, format!("{first}123456.7"));
    // The day before is the day before; of another patient it is another day.
    let (before, _) = dates(&study("20240229", "20240229", "4711"));
    let next = |date: &str| date.parse::<u32>().unwrap() + 1;
    assert!(next(&before) == first.parse::<u32>().unwrap() || first.ends_with("01"), "{before} {first}");
    assert_ne!(dates(&study("20240301", "20240301", "4712")).0, first);
    // A month cannot be moved by days.
    assert_eq!(dates(&study("20240301", "202403", "4711")).1, "19000101000000");
}

#[test]
fn descriptions_keep_known_words_only() {
    let elements = object(CT, "CT")
        .text(0x0010_0010, "PN", "Head^Jane")
        .text(0x0008_103E, "LO", "CT Head 5 mm, Mrs Jane Head 12.03.1956")
        .text(0x0008_1030, "LO", "Doe");
    let (attributes, _, report) =
        copied(&with(Options { descriptors: true, ..Options::default() }), &elements);
    assert_eq!(text(&attributes, 0x0008_103E).unwrap(), "CT 5 mm");
    assert_eq!(text(&attributes, 0x0008_1030), None);
    assert_eq!(report.warnings, [Warning::CleanedText]);
}

#[test]
fn safe_private_attributes_stay_with_their_creator_and_others_go() {
    let elements = object(CT, "CT")
        .text(0x0019_0010, "LO", "GEMS_ACQU_01")
        .text(0x0019_1023, "DS", "1.5")
        .text(0x0019_1002, "LO", "QZXDOE")
        .text(0x0009_0010, "LO", "ACME")
        .text(0x0009_1001, "LO", "QZXDOE");
    let (attributes, copy, _) =
        copied(&with(Options { safe_private: true, ..Options::default() }), &elements);
    assert_eq!(text(&attributes, 0x0019_1023).unwrap(), "1.5");
    assert_eq!(attributes.find(0x0019_1023).unwrap().private_creator.as_deref(), Some("GEMS_ACQU_01"));
    assert!(!holds(&copy, "QZXDOE") && !holds(&copy, "ACME"));
    let (attributes, ..) = copied(&basic(), &elements);
    assert!(attributes.rows().iter().all(|row| row.tag >> 16 & 1 == 0));
}

#[test]
fn a_given_patient_id_stands_for_id_and_name_also_where_there_was_none() {
    let named = with(Options { patient_id: Some("STUDY-01".to_owned()), ..Options::default() });
    for elements in [object(CT, "CT"), object(CT, "CT").text(0x0010_0020, "LO", "4711")] {
        let (attributes, copy, _) = copied(&named, &elements);
        assert_eq!(text(&attributes, 0x0010_0010).unwrap(), "STUDY-01");
        assert_eq!(text(&attributes, 0x0010_0020).unwrap(), "STUDY-01");
        assert!(!holds(&copy, "4711"));
        assert_eq!(attributes.rows().iter().filter(|row| row.tag == 0x0010_0020).count(), 1);
    }
    let (attributes, ..) =
        copied(&basic(), &object(CT, "CT").text(0x0010_0010, "PN", "Doe^J").text(0x0010_0020, "LO", "4711"));
    assert_eq!(text(&attributes, 0x0010_0010), text(&attributes, 0x0010_0020));
}

#[test]
fn values_are_reported_only_to_whoever_asks() {
    let elements = object(CT, "CT").text(0x0010_0010, "PN", "Doe^Jane");
    let (_, _, report) = copied(&basic().with_values(), &elements);
    let name = report.changes.iter().find(|change| change.keyword == Some("PatientName")).unwrap();
    assert_eq!((name.effect, name.values[0].0.as_str()), (Effect::Replaced, "Doe^Jane"));
}

#[test]
fn burned_in_text_is_warned_of() {
    let check = |elements: Elements, expected: &[Warning]| {
        assert_eq!(copied(&basic(), &elements).2.warnings, expected);
    };
    check(object(CT, "CT"), &[]);
    check(object(CT, "CT").text(0x0028_0301, "CS", "YES"), &[Warning::BurnedIn]);
    check(object("1.2.840.10008.5.1.4.1.1.6.1", "US"), &[Warning::MayBeBurnedIn]);
    check(object("1.2.840.10008.5.1.4.1.1.6.1", "US").text(0x0028_0301, "CS", "NO"), &[]);
    check(object("1.2.840.10008.5.1.4.1.1.7", "CT"), &[Warning::MayBeBurnedIn]);
    check(object(CT, "CT").text(0x0028_0302, "CS", "YES"), &[Warning::RecognizableFeatures]);
    check(object(CT, "CT").us(0x6000_0102, &[12]), &[Warning::OverlayInPixels]);
}

#[test]
fn what_cannot_be_cleaned_by_rule_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("object.dcm");
    for (class, what) in [
        ("1.2.840.10008.5.1.4.1.1.88.33", "structured report"),
        ("1.2.840.10008.5.1.4.1.1.88.59", "key object selection"),
        ("1.2.840.10008.5.1.4.1.1.104.1", "encapsulated document"),
        ("1.2.840.10008.5.1.4.1.1.9.4.1", "recorded voice"),
    ] {
        std::fs::write(&path, object(class, "OT").file()).unwrap();
        let error = copy_of(&basic(), &path).unwrap_err();
        assert!(error.to_string().contains(what), "{error}");
    }
    let whole = object(CT, "CT").bytes(0x7FE0_0010, "OW", &[0; 64]).file();
    std::fs::write(&path, &whole[..whole.len() - 2]).unwrap();
    assert!(matches!(copy_of(&basic(), &path), Err(ImagingError::Damaged { .. })));
}

#[test]
fn damage_of_any_kind_ends_well() {
    let good = everything().file();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("object.dcm");
    let mut chance = Chance(11);
    let deidentifier =
        with(Options { dates: Dates::Shifted, descriptors: true, safe_private: true, ..Options::default() });
    for _ in 0..400 {
        std::fs::write(&path, mutate(&good, 4000, &mut chance)).unwrap();
        if let Ok((copy, _)) = copy_of(&deidentifier, &path) {
            let copied = folder.path().join("copy.dcm");
            std::fs::write(&copied, copy).unwrap();
            assert_eq!(read_file(&copied).unwrap().warnings(), [""; 0]);
        }
    }
}

fn exported(deidentifier: &Deidentifier, inputs: &[PathBuf]) -> (tempfile::TempDir, Export) {
    let folder = tempfile::tempdir().unwrap();
    let output = Some(folder.path().join("copies"));
    let options = ExportOptions { inputs: inputs.to_vec(), output };
    let result = export(deidentifier, &options, &Progress::new()).unwrap();
    (folder, result)
}

/// Bytes of all voxels: NaN is no different from itself.
fn voxels(volume: &Volume) -> Vec<u8> {
    with_voxels!(volume.voxels(), samples => bytemuck::cast_slice(samples).to_vec())
}

fn volume(folder: &Path) -> Volume {
    let catalog = scan(&[folder.to_path_buf()], &Progress::new()).unwrap();
    let entry = catalog.series.iter().max_by_key(|entry| entry.dims.z).unwrap();
    load(entry, ReadLimits::default(), &Progress::new()).unwrap()
}

#[test]
fn the_bundled_study_opens_with_the_same_voxels() {
    let sample = test_support::data::workspace_root().join("assets/sample");
    let (folder, result) = exported(&basic(), std::slice::from_ref(&sample));
    assert_eq!(result.failed(), 0);
    let copies = folder.path().join("copies");
    let first = copies.join("patient-1/study-1/series-1/00001.dcm");
    assert!(first.is_file());
    let (before, after) = (volume(&sample), volume(&copies));
    assert!(voxels(&before) == voxels(&after));
    assert_eq!(before.geometry(), after.geometry());
    // Neither a name of the study nor one of its UIDs is left.
    let uid = text(&read_file(&first).unwrap(), 0x0020_000D).unwrap();
    assert!(uid.starts_with("2.25."));
    assert_eq!(
        result.written(),
        walkdir::WalkDir::new(&copies).into_iter().flatten().filter(|e| e.file_type().is_file()).count()
    );
}

#[test]
fn references_between_objects_still_resolve() {
    let Some(study) = data("ct/ct-j2k-20/ct-j2k-20") else { return };
    let (folder, result) = exported(&basic(), &[study]);
    assert_eq!(result.failed(), 0);
    let catalog = scan(&[folder.path().join("copies")], &Progress::new()).unwrap();
    let series = catalog.series[0].attributes.series_uid.clone().unwrap();
    assert!(catalog.objects.len() >= 2);
    for found in &catalog.objects {
        assert_eq!(found.referenced_series, std::slice::from_ref(&series), "{:?}", found.kind);
        match load_object(found, ReadLimits::default()).unwrap() {
            Derived::Segmentation(segmentation) => {
                assert!(
                    segmentation.segments.iter().all(|s| segmentation.mask(s.number).unwrap().count() > 0)
                );
            }
            Derived::StructureSet(set) => assert!(set.rois.iter().any(|roi| !roi.contours.is_empty())),
            _ => {}
        }
    }
}

#[test]
fn the_same_key_gives_the_same_copies_and_another_key_others() {
    let sample = test_support::data::workspace_root().join("assets/sample");
    let first = |key: Key| {
        let (folder, _) =
            exported(&Deidentifier::new(Options::default(), key), std::slice::from_ref(&sample));
        std::fs::read(folder.path().join("copies/patient-1/study-1/series-1/00001.dcm")).unwrap()
    };
    assert_eq!(first(key(1)), first(key(1)));
    assert_ne!(first(key(1)), first(key(2)));
    assert_ne!(first(Key::random().unwrap()), first(Key::random().unwrap()));
}

#[test]
fn an_export_goes_into_an_empty_folder_outside_of_its_source() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("in");
    std::fs::create_dir(&source).unwrap();
    let file = source.join("a.dcm");
    let bytes = object(CT, "CT").text(0x0010_0020, "LO", "A").file();
    std::fs::write(&file, &bytes).unwrap();
    std::fs::write(source.join("readme.txt"), "text").unwrap();
    let run = |deidentifier: &Deidentifier, output: PathBuf| {
        let options = ExportOptions { inputs: vec![source.clone()], output: Some(output) };
        export(deidentifier, &options, &Progress::new())
    };
    for inside in ["in", "in/copies", "in/../in/x", "."] {
        let error = run(&basic(), folder.path().join(inside)).unwrap_err();
        assert!(matches!(error, ImagingError::Unsupported { .. }), "{inside}: {error}");
    }
    let result = run(&basic(), folder.path().join("out/deep")).unwrap();
    assert_eq!((result.written(), result.failed(), result.files.len()), (1, 0, 2));
    assert!(result.files.iter().any(|f| matches!(&f.outcome, Outcome::Skipped(why) if why == "not DICOM")));
    assert!(run(&basic(), folder.path().join("out/deep")).is_err(), "a second run finds it used");
    assert_eq!(std::fs::read(&file).unwrap(), bytes, "the source is what it was");
    // One ID cannot stand for two patients.
    std::fs::write(source.join("b.dcm"), object(CT, "CT").text(0x0010_0020, "LO", "B").file()).unwrap();
    let named = with(Options { patient_id: Some("X".to_owned()), ..Options::default() });
    assert!(run(&named, folder.path().join("named")).unwrap_err().to_string().contains("several patients"));
    let dry = ExportOptions { inputs: vec![source.clone()], output: None };
    assert_eq!(export(&basic(), &dry, &Progress::new()).unwrap().written(), 2);
}

/// Values of the pixel data as dicom-rs finds them: one, or the fragments.
fn pixels(path: &Path) -> Option<Vec<Vec<u8>>> {
    let object = dicom_object::open_file(path).ok()?;
    let element = object.element(dicom_core::Tag(0x7FE0, 0x0010)).ok()?;
    Some(match element.value() {
        Value::Primitive(value) => vec![value.to_bytes().to_vec()],
        Value::PixelSequence(sequence) => sequence.fragments().to_vec(),
        Value::Sequence(_) => return None,
    })
}

#[test]
fn the_zoo_keeps_its_pixels_and_loses_its_patients() {
    let Some(zoo) = data("zoo/zoo") else { return };
    let folder = tempfile::tempdir().unwrap();
    let (mut copied, mut refused) = (0, BTreeMap::new());
    for entry in walkdir::WalkDir::new(&zoo).sort_by_file_name().into_iter().flatten() {
        if !entry.file_type().is_file() {
            continue;
        }
        let (copy, _) = match copy_of(&basic(), entry.path()) {
            Ok(copy) => copy,
            Err(error) => {
                *refused.entry(error.reason()).or_insert(0) += 1;
                continue;
            }
        };
        let path = folder.path().join("copy.dcm");
        std::fs::write(&path, copy).unwrap();
        let name = entry.path().display();
        let attributes = read_file(&path).unwrap();
        assert_eq!(attributes.warnings(), [""; 0], "{name}");
        assert_eq!(text(&attributes, 0x0012_0062).as_deref(), Some("YES"), "{name}");
        if let Some(before) = pixels(entry.path()) {
            let after = pixels(&path).unwrap_or_default();
            let lens = |pixels: &[Vec<u8>]| pixels.iter().map(Vec::len).collect::<Vec<_>>();
            assert!(after == before, "{name}: {:?} instead of {:?}", lens(&after), lens(&before));
        }
        let load_all = |path: &Path| {
            let catalog = scan(&[path.to_path_buf()], &Progress::new()).ok()?;
            let entry = catalog.series.first()?;
            load(entry, ReadLimits::default(), &Progress::new()).ok()
        };
        if let Some(before) = load_all(entry.path()) {
            let after = load_all(&path).unwrap_or_else(|| panic!("{name} does not open any more"));
            assert!(voxels(&before) == voxels(&after), "{name}");
        }
        copied += 1;
    }
    assert!(copied > 180, "only {copied} were copied; refused: {refused:?}");
    assert!(refused.keys().any(|reason| reason.contains("structured report")), "{refused:?}");
}

/// Lines that start with `Error` of the validator, without the values they are about; `None` without the validator.
fn errors(path: &Path) -> Option<Vec<String>> {
    let output = match Command::new("dciodvfy").arg(path).output() {
        Ok(output) => output,
        Err(_) => {
            assert!(
                std::env::var_os("REQUIRE_DATA").is_none_or(|v| v != "1"),
                "dciodvfy is not installed (Debian: dicom3tools)"
            );
            eprintln!(
                "dciodvfy is not installed (Debian: dicom3tools); test ends here without checking anything"
            );
            return None;
        }
    };
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let without_values = |line: &str| {
        let (before, rest) = line.split_once('<').unwrap_or((line, ""));
        let is_value = rest.starts_with(|letter: char| letter.is_ascii_digit());
        if is_value { before.to_owned() } else { line.to_owned() }
    };
    let mut errors: Vec<String> =
        text.lines().filter(|line| line.starts_with("Error")).map(without_values).collect();
    errors.sort();
    errors.dedup();
    Some(errors)
}

#[test]
fn the_validator_finds_no_new_errors() {
    let Some(zoo) = data("zoo/zoo") else { return };
    let files = |folder: &Path| {
        let entries = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().flatten();
        entries.filter(|entry| entry.file_type().is_file()).map(walkdir::DirEntry::into_path)
    };
    let mut inputs: Vec<PathBuf> = Vec::new();
    inputs.extend(files(&test_support::data::workspace_root().join("assets/sample")).take(2));
    for folder in ["pet/pet-wb/pet-wb", "mr/mr-4d-epi/mr-4d-epi", "ct/ge-head-tilt/ge-head-tilt"] {
        let Some(folder) = data(folder) else { continue };
        inputs.extend(files(&folder).take(2));
    }
    inputs.extend(files(&zoo).filter(|path| !path.to_string_lossy().contains("malformed")));
    let folder = tempfile::tempdir().unwrap();
    let copy_path = folder.path().join("copy.dcm");
    let all = [
        Options::default(),
        Options { dates: Dates::Shifted, device: true, patient_characteristics: true, ..Options::default() },
    ];
    let (mut checked, mut found) = (0, Vec::new());
    for path in inputs {
        for options in &all {
            let Ok((copy, _)) = copy_of(&with(options.clone()), &path) else { continue };
            std::fs::write(&copy_path, copy).unwrap();
            let (Some(before), Some(after)) = (errors(&path), errors(&copy_path)) else { return };
            let new: Vec<&String> = after.iter().filter(|error| !before.contains(error)).collect();
            found.extend(new.into_iter().map(|error| format!("{}: {error}", path.display())));
            checked += 1;
        }
    }
    assert!(found.is_empty(), "{found:#?}");
    assert!(checked > 100, "{checked}");
}

#[test]
fn explicit_is_what_phantoms_are_written_in() {
    // The other encodings of the tests above are made from it.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("object.dcm");
    std::fs::write(&path, whole_file(&everything())).unwrap();
    assert_eq!(read_file(&path).unwrap().transfer_syntax(), EXPLICIT);
    assert!(dicom_object::open_file(&path).unwrap().iter().count() > 600);
}
