//! Every attribute of an object as rows: against dicom-rs, in all encodings, searched, by frame, compared, damaged.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

use std::path::{Path, PathBuf};

use dicom_core::DataDictionary;
use dicom_core::header::{HasLength, Header};
use dicom_core::value::Value;
use dicom_object::InMemDicomObject;
use imaging::ImagingError;
use imaging::formats::dicom::attributes::{
    Attributes, Row, RowKind, Search, State, compare, read, read_file,
};
use imaging::formats::{SourceFile, scan, slice_source, source_files};
use imaging::phantom::dicom_file::{Elements, object};
use imaging::source::Progress;
use test_support::damage::{Chance, mutate};
use test_support::data;

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

fn written(elements: &Elements) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("object.dcm");
    std::fs::write(&path, elements.file()).unwrap();
    (folder, path)
}

fn rows(elements: &Elements) -> Attributes {
    let (_folder, path) = written(elements);
    read_file(&path).unwrap()
}

fn sample() -> Elements {
    object(CT, "CT")
        .text(0x0010_0010, "PN", "Doe^Jane")
        .text(0x0010_0020, "LO", "4711")
        .us(0x0028_0010, &[512])
        .ds(0x0028_0030, &[0.5, 0.25])
        .text(0x0009_0010, "LO", "ACME 1.0")
        .text(0x0009_1001, "LO", "secret sauce")
        .seq(
            0x5200_9230,
            [1.0, 2.0, 3.0]
                .map(|z| Elements::new().seq(0x0020_9113, [Elements::new().ds(0x0020_0032, &[0.0, 0.0, z])])),
        )
        .bytes(0x7FE0_0010, "OW", &[7; 4096])
}

fn line(attributes: &Attributes, tag: u32) -> &Row {
    attributes.rows().iter().find(|row| row.tag == tag).unwrap()
}

#[test]
fn an_element_is_told_with_name_value_and_multiplicity() {
    let attributes = rows(&sample());
    assert_eq!(attributes.warnings(), [""; 0]);
    assert_eq!(line(&attributes, 0x0010_0010).line(), "(0010,0010) PN PatientName = Doe^Jane");
    let spacing = line(&attributes, 0x0028_0030);
    assert_eq!((&*spacing.text, spacing.multiplicity, &*spacing.name()), ("0.5\\0.25", 2, "Pixel Spacing"));
    let private = line(&attributes, 0x0009_1001);
    assert_eq!(private.private_creator.as_deref(), Some("ACME 1.0"));
    assert_eq!(private.line(), "(0009,1001) LO (0009,1001){ACME 1.0} = secret sauce");
    let pixels = line(&attributes, 0x7FE0_0010);
    assert!(pixels.is_shortened && pixels.bytes == 4096 && pixels.text.starts_with("4096 bytes: 07 07"));
    assert_eq!(line(&attributes, 0x0002_0010).keyword(), Some("TransferSyntaxUID"));
}

#[test]
fn control_characters_of_a_file_command_nothing() {
    let attributes = rows(&sample().text(0x0010_4000, "LT", "a\u{1b}[2Jb\nc"));
    let row = line(&attributes, 0x0010_4000);
    assert_eq!(row.line(), "(0010,4000) LT PatientComments = a\\u{1b}[2Jb\\nc");
    assert_eq!(row.short_text(3), "a\\u{1b}[…");
    let hostile = rows(&object(CT, "CT").text(0x0009_0010, "LO", "\u{1b}]0;x").text(0x0009_1001, "LO", "v"));
    assert!(!hostile.copy_all().contains('\u{1b}'), "{}", hostile.copy_all());
}

#[test]
fn frames_have_their_own_rows_and_share_the_rest() {
    let attributes = rows(&sample());
    assert_eq!(attributes.frame_count(), 3);
    let second = attributes.frame(2).unwrap();
    let texts: Vec<&str> = attributes.rows()[second.clone()].iter().map(|row| &*row.text).collect();
    assert!(texts.contains(&"0\\0\\2"), "{texts:?}");
    assert_eq!(attributes.frame(4), None);
    let shown = attributes.rows_of_frame(2);
    assert_eq!(shown.len(), attributes.rows().len() - 2 * second.len());
    let position = shown.iter().copied().find(|&at| attributes.rows()[at].tag == 0x0020_0032).unwrap();
    let path = "PerFrameFunctionalGroupsSequence[2].PlanePositionSequence[1].ImagePositionPatient";
    assert_eq!(attributes.path(position), path);
    assert_eq!(attributes.paths().nth(position).unwrap(), path);
    assert!(
        attributes
            .copy(second.start)
            .starts_with("item 2\n  (0020,9113) SQ PlanePositionSequence (1 item)\n")
    );
}

#[test]
fn search_knows_tags_keywords_names_creators_and_values() {
    let attributes = rows(&sample());
    let check = |text: &str, expected: &[u32]| {
        let found = attributes.search(&Search::new(text));
        let tags: Vec<u32> = found.iter().map(|&at| attributes.rows()[at].tag).collect();
        assert_eq!(tags, expected, "{text}");
    };
    for form in ["0010,0010", "(0010,0010)", "00100010", "patientname", "Patient Name", "doe^j"] {
        check(form, &[0x0010_0010]);
    }
    check("acme", &[0x0009_0010, 0x0009_1001]);
    check("0009xxxx", &[0x0009_0010, 0x0009_1001]);
    check("imageposition", &[0x0020_0032; 3]);
    check("no such thing", &[]);
    check("  ", &[]);
}

#[test]
fn two_instances_are_compared_in_the_order_of_their_tags() {
    let left = rows(&sample());
    let other = sample().text(0x0010_0010, "PN", "Roe^Jane").text(0x0008_0050, "SH", "A1").bytes(
        0x7FE0_0010,
        "OW",
        &[[7; 4095].as_slice(), &[8]].concat(),
    );
    let right = rows(&other);
    let comparison = compare(&left, &right).unwrap();
    let different: Vec<(State, u32)> = comparison
        .differences
        .iter()
        .filter(|difference| difference.state != State::Same)
        .map(|d| {
            (d.state, d.left.map_or_else(|| right.rows()[d.right.unwrap()].tag, |at| left.rows()[at].tag))
        })
        .collect();
    let expected =
        [(State::OnlyRight, 0x0008_0050), (State::Changed, 0x0010_0010), (State::Changed, 0x7FE0_0010)];
    assert_eq!(different, expected);
    assert_eq!(comparison.count(State::Same) + 2, left.rows().len());
    assert_eq!(compare(&left, &left).unwrap().count(State::Same), left.rows().len());
}

#[test]
fn long_values_are_compared_to_their_last_byte() {
    let pixels = |last: u8| {
        let mut pixels = vec![1; 3 << 20];
        *pixels.last_mut().unwrap() = last;
        sample().bytes(0x7FE0_0010, "OW", &pixels)
    };
    let ((_a, left), (_b, same), (_c, other)) =
        (written(&pixels(1)), written(&pixels(1)), written(&pixels(2)));
    let [left, same, other] = [left, same, other].map(|path| read_file(&path).unwrap());
    assert_eq!(compare(&left, &same).unwrap().count(State::Changed), 0);
    assert_eq!(compare(&left, &other).unwrap().count(State::Changed), 1);
}

#[test]
fn a_private_block_may_be_another_one_in_the_other_file() {
    let block = |number: u32| {
        object(CT, "CT").text(0x0009_0000 | number, "LO", "ACME 1.0").text(
            0x0009_0001 | number << 8,
            "LO",
            "value",
        )
    };
    let comparison = compare(&rows(&block(0x10)), &rows(&block(0x11))).unwrap();
    let states: Vec<State> = comparison.differences.iter().map(|difference| difference.state).collect();
    // The creators themselves stand in different places; what they own is the same.
    assert_eq!(states.iter().filter(|state| **state != State::Same).count(), 2);
}

/// Elements, items and sequences as dicom-rs counts them.
fn count(object: &InMemDicomObject) -> (usize, usize) {
    object.iter().fold((0, 0), |(elements, items), element| match element.value() {
        Value::Sequence(sequence) => sequence.items().iter().fold((elements + 1, items), |sum, item| {
            let inner = count(item);
            (sum.0 + inner.0, sum.1 + inner.1 + 1)
        }),
        _ => (elements + 1, items),
    })
}

#[test]
fn every_file_of_the_zoo_has_the_elements_that_dicom_rs_finds() {
    let Some(zoo) = data("zoo/zoo") else { return };
    let mut compared = 0;
    // The folders behind hold sequences that are written as UN, which are bytes to dicom-rs.
    for path in files(&zoo).into_iter().filter(|path| path.strip_prefix(&zoo).unwrap() < Path::new("rt")) {
        // dicom-rs nests as deep as a file asks for.
        let is_deep = path.to_string_lossy().contains("gen_deep_sequence");
        let Some(theirs) = (!is_deep).then(|| dicom_object::open_file(&path).ok()).flatten() else {
            // Damaged or strange: it only has to end well.
            let _ = read_file(&path);
            continue;
        };
        let ours = match read_file(&path) {
            Ok(ours) => ours,
            Err(error) => panic!("{}: {error}", path.display()),
        };
        if !ours.warnings().is_empty() || path.to_string_lossy().contains("malformed") {
            continue;
        }
        let is_meta = |row: &Row| row.tag >> 16 == 2;
        let elements =
            ours.rows().iter().filter(|row| !is_meta(row) && !matches!(row.kind, RowKind::Item(_))).count();
        let items = ours.rows().iter().filter(|row| matches!(row.kind, RowKind::Item(_))).count();
        // Sequences that are written as UN are bytes to dicom-rs.
        if theirs.iter().all(|element| element.vr() != dicom_core::VR::UN) {
            assert_eq!((elements, items), count(&theirs), "{}", path.display());
        }
        for element in theirs.iter().filter(|element| !element.value().is_empty()) {
            let tag = u32::from(element.tag().0) << 16 | u32::from(element.tag().1);
            let row = ours.find(tag).unwrap_or_else(|| panic!("{}: {tag:08X}", path.display()));
            if matches!(element.vr().to_string(), "CS" | "UI" | "DA" | "TM" | "AE") {
                let text = element.to_str().unwrap();
                assert_eq!(&*row.text, text.trim_matches(['\0', ' ']), "{} {tag:08X}", path.display());
            }
        }
        compared += 1;
    }
    assert!(compared > 60, "only {compared} files were compared");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = walkdir::WalkDir::new(folder)
        .into_iter()
        .flatten()
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect();
    files.sort();
    files
}

#[test]
fn keywords_agree_with_the_dictionary() {
    let attributes = rows(&sample());
    for row in attributes.rows().iter().filter(|row| row.kind == RowKind::Element && row.tag >> 16 & 1 == 0) {
        let tag = dicom_core::Tag((row.tag >> 16) as u16, row.tag as u16);
        let entry = dicom_dictionary_std::StandardDataDictionary.by_tag(tag).unwrap();
        assert_eq!(row.keyword(), Some(entry.alias));
    }
}

#[test]
fn a_file_that_ends_early_shows_what_it_holds_and_says_so() {
    let (_folder, path) = written(&sample());
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 100]).unwrap();
    let attributes = read_file(&path).unwrap();
    assert_eq!(attributes.warnings(), ["the rest is not shown: the file ends in the middle of an element"]);
    assert!(attributes.find(0x0010_0010).is_some() && attributes.find(0x7FE0_0010).is_none());
    std::fs::write(&path, b"no DICOM at all, only text").unwrap();
    assert!(matches!(read_file(&path), Err(ImagingError::NotAnImage { .. })));
}

#[test]
fn damage_of_any_kind_ends_well() {
    let good = sample().file();
    let (_folder, path) = written(&sample());
    let mut chance = Chance(5);
    for _ in 0..3000 {
        std::fs::write(&path, mutate(&good, 1500, &mut chance)).unwrap();
        let Ok(attributes) = read_file(&path) else { continue };
        let last = attributes.rows().len() - 1;
        let _ = (attributes.path(last), attributes.copy(0), attributes.search(&Search::new("1")));
        let _ =
            (attributes.rows_of_frame(1), compare(&attributes, &attributes).map(|c| c.count(State::Same)));
        assert!(attributes.rows().iter().enumerate().all(|(at, row)| row.end > at && row.end <= last + 1));
    }
}

#[test]
fn nesting_without_end_is_refused() {
    let deep = (0..200)
        .fold(Elements::new().us(0x0028_0010, &[1]), |inner, _| Elements::new().seq(0x0040_0260, [inner]));
    let attributes = rows(&deep.text(0x0008_0016, "UI", CT));
    assert!(attributes.warnings()[0].contains("nested too deeply"), "{:?}", attributes.warnings());
}

#[test]
fn the_instance_behind_a_slice_is_found() {
    let sample = test_support::data::workspace_root().join("assets/sample");
    let catalog = scan(&[sample], &Progress::new()).unwrap();
    let entry = &catalog.series[0];
    let (file, frame) = slice_source(entry, 3, 0).unwrap();
    assert_eq!(frame, 1);
    let number = read(&file).unwrap().find(0x0020_0013).unwrap().text.clone();
    let other = read(&slice_source(entry, 4, 0).unwrap().0).unwrap();
    assert_ne!(number, other.find(0x0020_0013).unwrap().text);
    assert!(slice_source(entry, usize::MAX, 0).is_none());
    let paths: Vec<PathBuf> =
        source_files(entry).unwrap().iter().map(|file: &SourceFile| file.path().to_path_buf()).collect();
    assert!(paths.contains(&file.path().to_path_buf()));
}
