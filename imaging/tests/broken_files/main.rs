//! More than three hundred broken files, each made from a good one by a mutation with a name, and each with what a
//! person must be told about it. None may panic, and none may take memory that its size does not justify.
//!
//! | module | what is broken |
//! |---|---|
//! | `truncated` | files cut at every structural point |
//! | `elements` | DICOM attributes: lengths, VRs, counts, missing and repeated elements |
//! | `encapsulated` | compressed pixels: fragments, offset tables, codestream headers |
//! | `folders` | series of several files, functional groups |
//! | `objects` | segmentations, contours, reports, presentation states, documents |
//! | `volumes` | NIfTI, MetaImage, NRRD |
//! | `pictures` | TIFF, PNG, JPEG, BMP |
//! | `containers` | ZIP archives and DICOMDIRs |
//!
//! `PRINT_CORPUS=1 cargo test -p imaging --test broken_files -- --nocapture` prints what is said about each.
#![expect(clippy::unwrap_used, reason = "test code; the lint knows only functions marked as tests")]

mod containers;
#[path = "../dicom_writer/mod.rs"]
mod dicom_writer;
mod elements;
mod encapsulated;
mod folders;
mod good;
mod objects;
mod pictures;
mod truncated;
mod volumes;

use std::collections::BTreeSet;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::Duration;

use imaging::ImagingError;
use imaging::derived::Derived;
use imaging::formats::{ReadLimits, load, load_object, scan};
use imaging::source::Progress;
use test_support::allocations::{Counting, peak_during};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What may be used whatever the size of the file: buffers, threads, tables of the codecs.
const BASE_BYTES: usize = 4 << 20;
/// What a byte of a file may cost: parsed headers, and voxels that are wider than what was stored.
const BYTES_PER_BYTE: usize = 64;
/// What a byte of deflated data may cost; deflate packs no better than 1032 to 1.
const BYTES_PER_DEFLATED_BYTE: usize = 1100;
/// Far above what any case needs, far below what a person would call hanging.
const MAX_DURATION: Duration = Duration::from_secs(5);

/// What must happen to a broken file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// Nothing of it is shown, and the message holds this text.
    Refused(&'static str),
    /// It is shown, and a warning holds this text.
    Warned(&'static str),
    /// Nothing that is shown depends on the damage.
    Shown,
}
use Expected::{Refused, Shown, Warned};

/// A broken file, with what lies beside it.
struct Case {
    /// The mutation, after the good file it was made from.
    name: String,
    files: Vec<(String, Vec<u8>)>,
    /// The file that is opened; the folder itself if empty.
    open: String,
    expected: Expected,
    is_deflated: bool,
}

impl Case {
    /// One file.
    fn file(mutation: impl Into<String>, file: &str, bytes: Vec<u8>, expected: Expected) -> Self {
        let (files, open) = (vec![(file.to_owned(), bytes)], file.to_owned());
        Self { name: mutation.into(), files, open, expected, is_deflated: false }
    }

    /// Files in a folder that is opened as a whole.
    fn folder(mutation: impl Into<String>, files: Vec<(String, Vec<u8>)>, expected: Expected) -> Self {
        Self { name: mutation.into(), files, open: String::new(), expected, is_deflated: false }
    }

    /// Puts another file beside.
    fn beside(mut self, name: &str, bytes: Vec<u8>) -> Self {
        self.files.push((name.to_owned(), bytes));
        self
    }

    /// Allows what unpacking costs.
    fn deflated(self) -> Self {
        Self { is_deflated: true, ..self }
    }
}

/// Everything that a person is told, and whether anything is shown.
#[derive(Debug)]
struct Outcome {
    is_shown: bool,
    told: Vec<String>,
}

/// An error with its causes, as the program prints it; without the path, which the tests choose.
fn chain(error: &ImagingError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Opens a path as the program does.
fn open(path: &Path) -> Outcome {
    let catalog = match scan(&[path.to_path_buf()], &Progress::new()) {
        Ok(catalog) => catalog,
        Err(error) => return Outcome { is_shown: false, told: vec![chain(&error)] },
    };
    let mut told: Vec<String> = catalog.skipped.iter().map(|skipped| skipped.reason.clone()).collect();
    let mut is_shown = false;
    for entry in &catalog.series {
        match load(entry, ReadLimits::default(), &Progress::new()) {
            Ok(volume) => {
                is_shown = true;
                told.extend(volume.warnings().iter().map(ToString::to_string));
            }
            Err(error) => told.push(chain(&error)),
        }
    }
    for object in &catalog.objects {
        match load_object(object, ReadLimits::default()) {
            Ok(derived) => {
                is_shown = true;
                told.extend(warnings_of(&derived));
            }
            Err(error) => told.push(chain(&error)),
        }
    }
    Outcome { is_shown, told }
}

fn warnings_of(derived: &Derived) -> Vec<String> {
    match derived {
        Derived::Segmentation(segmentation) => {
            let masks = segmentation.segments.iter().map(|segment| segmentation.mask(segment.number));
            let refused = masks.filter_map(Result::err).map(|error| error.to_string());
            segmentation.warnings.iter().cloned().chain(refused).collect()
        }
        Derived::StructureSet(set) => set.warnings.clone(),
        Derived::PresentationState(state) => state.warnings.clone(),
        Derived::StructuredReport(_) => Vec::new(),
        Derived::EncapsulatedDocument(document) => document.warnings.clone(),
    }
}

/// What is wrong with the outcome of a case, if anything.
fn complaint(case: &Case, folder: &Path) -> Option<String> {
    for (name, bytes) in &case.files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let size: usize = case.files.iter().map(|(_, bytes)| bytes.len()).sum();
    let start = std::time::Instant::now();
    let (outcome, used) = peak_during(|| catch_unwind(AssertUnwindSafe(|| open(&folder.join(&case.open)))));
    let took = start.elapsed();
    let Ok(outcome) = outcome else { return Some("panicked".to_owned()) };
    let told = outcome.told.join("; ");
    if std::env::var_os("PRINT_CORPUS").is_some() {
        let verb = if outcome.is_shown { "shown" } else { "refused" };
        eprintln!("{} -> {verb}, {} KiB of {size} bytes: {told}", case.name, used >> 10);
    }
    let per_byte = if case.is_deflated { BYTES_PER_DEFLATED_BYTE } else { BYTES_PER_BYTE };
    let (must_show, text) = match case.expected {
        Refused(text) => (false, text),
        Warned(text) => (true, text),
        Shown => (true, ""),
    };
    if outcome.is_shown != must_show || !told.contains(text) {
        return Some(format!("expected {:?}, found {outcome:?}", case.expected));
    }
    if used > BASE_BYTES + per_byte * size {
        return Some(format!("took {used} bytes for a file of {size}"));
    }
    (took > MAX_DURATION).then(|| format!("took {took:?}"))
}

fn corpus() -> Vec<Case> {
    let parts = [
        truncated::cases(),
        elements::cases(),
        encapsulated::cases(),
        folders::cases(),
        objects::cases(),
        volumes::cases(),
        pictures::cases(),
        containers::cases(),
    ];
    parts.into_iter().flatten().collect()
}

#[test]
fn every_broken_file_is_refused_or_shown_with_the_message_that_names_what_is_wrong() {
    let cases = corpus();
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len(), "every mutation has a name of its own");
    assert!(cases.len() >= 300, "{} cases", cases.len());
    let complaints: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let folder = tempfile::tempdir().unwrap();
            complaint(case, folder.path()).map(|complaint| format!("{}: {complaint}", case.name))
        })
        .collect();
    assert!(
        complaints.is_empty(),
        "{} of {} cases:\n{}",
        complaints.len(),
        cases.len(),
        complaints.join("\n")
    );
}

#[test]
fn the_good_files_behind_the_mutations_open_without_complaint_about_damage() {
    for (name, bytes) in good::files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let outcome = open(&path);
        let is_damage = |text: &&String| {
            ["damaged", "truncated", "could not", "left out"].iter().any(|word| text.contains(word))
        };
        assert!(outcome.is_shown, "{name}: {outcome:?}");
        assert_eq!(outcome.told.iter().find(is_damage), None, "{name}");
    }
}

#[test]
fn a_wrong_expectation_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = Case::file("none", "good.dcm", good::classic().file(), Refused("anything"));
    assert!(complaint(&wrong, folder.path()).is_some());
}
