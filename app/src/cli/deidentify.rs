//! `lantern deidentify`: copies of DICOM files without the identity of the patient.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;
use imaging::deidentify::{
    Change, Dates, Deidentifier, Effect, Export, ExportOptions, Key, Options, Outcome, Report, Warning,
    export,
};
use imaging::formats::dicom::attributes::tag_text;
use imaging::source::Progress;
use serde::Serialize;

use super::{UsageError, output};

/// Copy DICOM files without the identity of the patient (DICOM PS3.15, basic profile and options)
///
/// Pixel data is carried over as it is: text that is burned into pixels stays, and so do faces. Look at the copies
/// before you pass them on. Structured reports, encapsulated documents and recorded voices are refused. Ends with 1
/// if a DICOM file could not be copied.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// DICOM files, folders with everything below them, ZIP archives
    #[arg(required = true, value_name = "IN")]
    inputs: Vec<PathBuf>,

    /// Folder for the copies; it must not exist, or be empty, and lie outside of the inputs
    #[arg(long, value_name = "DIR", required_unless_present = "dry_run")]
    output: Option<PathBuf>,

    /// What stays beyond the basic profile, separated by commas
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',')]
    keep: Vec<Kept>,

    /// Secret that new UIDs, patient IDs and shifts of dates are made from, 32 to 128 hexadecimal digits; the same
    /// ones come out again with the same key. A random one that is forgotten if left out
    #[arg(long, value_name = "HEX")]
    key: Option<String>,

    /// Stands for patient ID and name; for files of one patient
    #[arg(long, value_name = "ID", value_parser = patient_id)]
    patient_id: Option<String>,

    /// Write what was changed in each file as JSON (the contract is docs/schema/deidentify.schema.json); it names the
    /// originals, so it must not lie among the copies
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,

    /// Put old and new values into the report
    #[arg(long, requires = "report")]
    values: bool,

    /// Say what would be done, and write no copies
    #[arg(long)]
    dry_run: bool,
}

/// `--keep` as typed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kept {
    /// UIDs
    Uids,
    /// Dates and times
    Dates,
    /// Dates, moved back by the same number of days for all files of a patient; times of day
    ShiftedDates,
    /// Serial numbers, station names and other properties of devices
    Device,
    /// Name and address of institutions
    Institution,
    /// Sex, age, size, weight and the like
    PatientCharacteristics,
    /// Known words and quantities of descriptions
    Descriptors,
    /// Private attributes that the standard lists as safe
    SafePrivate,
}

/// A value of Patient ID: at most 64 letters, no backslash, nothing that is not printed.
fn patient_id(text: &str) -> Result<String, String> {
    let is_fine = |letter: char| (' '..='~').contains(&letter) && letter != '\\';
    if text.trim().is_empty() || text.len() > 64 || !text.chars().all(is_fine) {
        return Err("expected 1 to 64 letters, digits and signs of ASCII, without `\\`".to_owned());
    }
    Ok(text.trim().to_owned())
}

/// The JSON document.
#[derive(Debug, Serialize)]
struct Document {
    /// Codes of context group 7050 and their meanings.
    methods: Vec<Method>,
    dry_run: bool,
    written: usize,
    skipped: usize,
    failed: usize,
    files: Vec<FileDocument>,
}

#[derive(Debug, Serialize)]
struct Method {
    code: &'static str,
    meaning: &'static str,
}

#[derive(Debug, Serialize)]
struct FileDocument {
    source: String,
    outcome: &'static str,
    /// Below the output folder.
    target: Option<String>,
    /// Why it was skipped or failed.
    reason: Option<String>,
    untouched: Option<usize>,
    changes: Vec<ChangeDocument>,
    warnings: Vec<&'static str>,
}

#[derive(Debug, Serialize)]
struct ChangeDocument {
    path: String,
    tag: String,
    keyword: Option<&'static str>,
    effect: &'static str,
    count: usize,
    /// With `--values` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Vec<ValuesDocument>>,
}

#[derive(Debug, Serialize)]
struct ValuesDocument {
    old: String,
    new: String,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let options = options(arguments)?;
    let key = match &arguments.key {
        Some(text) => Key::from_hex(text).map_err(|error| UsageError(error.to_string()))?,
        None => Key::random()?,
    };
    check_report(arguments)?;
    let methods = options.method_codes();
    let deidentifier = Deidentifier::new(options, key);
    let deidentifier = if arguments.values { deidentifier.with_values() } else { deidentifier };
    let places = ExportOptions {
        inputs: arguments.inputs.clone(),
        output: arguments.output.clone().filter(|_| !arguments.dry_run),
    };
    let progress = Progress::new();
    let result = with_progress_line(&progress, || export(&deidentifier, &places, &progress))?;
    if let Some(path) = &arguments.report {
        write_report(path, &document(arguments, methods, &result))
            .with_context(|| format!("cannot write the report `{}`", path.display()))?;
    }
    tell(arguments, &result)
}

fn options(arguments: &Arguments) -> anyhow::Result<Options> {
    let keeps = |kept: Kept| arguments.keep.contains(&kept);
    let dates = match (keeps(Kept::Dates), keeps(Kept::ShiftedDates)) {
        (true, true) => return Err(UsageError("dates are kept or shifted, not both".to_owned()).into()),
        (true, false) => Dates::Kept,
        (false, true) => Dates::Shifted,
        (false, false) => Dates::Removed,
    };
    Ok(Options {
        uids: keeps(Kept::Uids),
        dates,
        device: keeps(Kept::Device),
        institution: keeps(Kept::Institution),
        patient_characteristics: keeps(Kept::PatientCharacteristics),
        descriptors: keeps(Kept::Descriptors),
        safe_private: keeps(Kept::SafePrivate),
        patient_id: arguments.patient_id.clone(),
    })
}

/// The report says which copy came from which file; among the copies it would be passed on with them.
fn check_report(arguments: &Arguments) -> anyhow::Result<()> {
    let (Some(report), Some(folder)) = (&arguments.report, &arguments.output) else { return Ok(()) };
    let (report, folder) = (std::path::absolute(report)?, std::path::absolute(folder)?);
    if report.starts_with(&folder) {
        let reason = "the report names the originals; write it somewhere else than among the copies";
        return Err(UsageError(reason.to_owned()).into());
    }
    Ok(())
}

fn write_report(path: &Path, document: &Document) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // For its owner only: it names the originals.
    let mut part = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer_pretty(&mut part, document)?;
    part.write_all(b"\n")?;
    part.persist_noclobber(path)?;
    Ok(())
}

/// Shows on a terminal how far the work is.
fn with_progress_line<T>(progress: &Progress, work: impl FnOnce() -> T) -> T {
    if !std::io::stderr().is_terminal() {
        return work();
    }
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // Also where the work panics: the scope waits for the line.
        let over = Over(&is_over);
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                // Nothing sensible can be done if stderr is gone.
                let _ = write!(std::io::stderr(), "\r\x1b[K{}/{} files", progress.done(), progress.total());
                std::thread::sleep(Duration::from_millis(100));
            }
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        });
        let result = work();
        drop(over);
        result
    })
}

/// Ends the line when it is dropped.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The sum of all reports on stdout; what a person has to look at on stderr.
fn tell(arguments: &Arguments, result: &Export) -> anyhow::Result<()> {
    let mut changes: BTreeMap<(u32, &str, Effect), usize> = BTreeMap::new();
    let mut warnings: BTreeMap<Warning, usize> = BTreeMap::new();
    let mut skipped: BTreeMap<&str, usize> = BTreeMap::new();
    for file in &result.files {
        match &file.outcome {
            Outcome::Written { report, .. } => {
                for change in &report.changes {
                    *changes.entry((change.tag, &change.path, change.effect)).or_default() += 1;
                }
                for warning in &report.warnings {
                    *warnings.entry(*warning).or_default() += 1;
                }
            }
            Outcome::Skipped(reason) => *skipped.entry(reason).or_default() += 1,
            Outcome::Failed(error) => output::note(&chain(error)),
            _ => {}
        }
    }
    for (warning, count) in &warnings {
        output::note(&format!("{count} {}: {}", files_word(*count), warning.text()));
    }
    for (reason, count) in &skipped {
        output::note(&format!("{count} {} skipped: {reason}", files_word(*count)));
    }
    let mut text = String::new();
    for ((tag, path, effect), files) in &changes {
        text.push_str(&format!(
            "{} {:8} {path} ({files} {})\n",
            tag_text(*tag),
            effect.name(),
            files_word(*files)
        ));
    }
    let verb = if arguments.dry_run { "would be written" } else { "written" };
    let written = result.written();
    let noun = if written == 1 { "copy" } else { "copies" };
    text.push_str(&format!("{written} {noun} {verb}"));
    output::text(&text)?;
    let failed = result.failed();
    anyhow::ensure!(failed == 0, "{failed} of {} DICOM files could not be copied", failed + written);
    anyhow::ensure!(written > 0, "no DICOM file was found");
    Ok(())
}

fn files_word(count: usize) -> &'static str {
    if count == 1 { "file" } else { "files" }
}

/// An error with its causes, `a: b: c`.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn document(arguments: &Arguments, methods: Vec<(&'static str, &'static str)>, result: &Export) -> Document {
    let (written, failed) = (result.written(), result.failed());
    Document {
        methods: methods.into_iter().map(|(code, meaning)| Method { code, meaning }).collect(),
        dry_run: arguments.dry_run,
        written,
        skipped: result.files.len() - written - failed,
        failed,
        files: result
            .files
            .iter()
            .map(|file| file_document(file.source.display().to_string(), &file.outcome, arguments.values))
            .collect(),
    }
}

fn file_document(source: String, outcome: &Outcome, has_values: bool) -> FileDocument {
    let empty = |outcome, reason| FileDocument {
        source: source.clone(),
        outcome,
        target: None,
        reason,
        untouched: None,
        changes: Vec::new(),
        warnings: Vec::new(),
    };
    match outcome {
        Outcome::Written { target, report: Report { changes, untouched, warnings } } => FileDocument {
            // The same on every system.
            target: Some(target.to_string_lossy().replace('\\', "/")),
            untouched: Some(*untouched),
            changes: changes.iter().map(|change| change_document(change, has_values)).collect(),
            warnings: warnings.iter().map(|warning| warning.text()).collect(),
            ..empty("written", None)
        },
        Outcome::Skipped(reason) => empty("skipped", Some(reason.clone())),
        Outcome::Failed(error) => empty("failed", Some(error.reason())),
        _ => empty("failed", None),
    }
}

fn change_document(change: &Change, has_values: bool) -> ChangeDocument {
    let values = change.values.iter().map(|(old, new)| ValuesDocument { old: old.clone(), new: new.clone() });
    ChangeDocument {
        path: change.path.clone(),
        tag: tag_text(change.tag),
        keyword: change.keyword,
        effect: change.effect.name(),
        count: change.count,
        values: has_values.then(|| values.collect()),
    }
}
