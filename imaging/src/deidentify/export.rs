//! Copies files and folders without identity into a folder of their own.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use walkdir::WalkDir;

use super::{Deidentifier, Report};
use crate::ImagingError;
use crate::formats::SourceFile;
use crate::formats::dicom::{self, Identity, Location, ZipArchiveFile};
use crate::source::Progress;

/// Bytes that tell whether a file is DICOM.
const HEAD_BYTES: u64 = 256;
/// Deepest folder that is entered.
const MAX_FOLDER_DEPTH: usize = 64;

/// From where to where.
#[derive(Debug, Clone, Default)]
pub struct ExportOptions {
    /// Files, folders with everything below them, ZIP archives.
    pub inputs: Vec<PathBuf>,
    /// A folder that does not exist yet or is empty; `None` says what would be done and writes nothing.
    pub output: Option<PathBuf>,
}

/// What became of all files.
#[derive(Debug)]
pub struct Export {
    /// One entry for each file that was found, in the order of their paths.
    pub files: Vec<ExportedFile>,
}

/// What became of one file.
#[derive(Debug)]
pub struct ExportedFile {
    /// Where it was read from; inside an archive, the archive's path joined with the name there. May tell the patient.
    pub source: PathBuf,
    /// How it went.
    pub outcome: Outcome,
}

/// How it went with one file.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// A copy was written, or would be.
    Written {
        /// Below the output folder; counters only.
        target: PathBuf,
        /// What is different in the copy.
        report: Report,
    },
    /// It is nothing to copy: no DICOM, or a DICOMDIR, which would name files that are not there. The reason.
    Skipped(String),
    /// It should be copied and was not.
    Failed(ImagingError),
}

impl Export {
    /// How many copies were written.
    pub fn written(&self) -> usize {
        self.files.iter().filter(|file| matches!(file.outcome, Outcome::Written { .. })).count()
    }

    /// How many files should have been copied and were not.
    pub fn failed(&self) -> usize {
        self.files.iter().filter(|file| matches!(file.outcome, Outcome::Failed(_))).count()
    }
}

/// Copies everything that `options` names, on all cores. Progress counts files.
///
/// Copies lie in folders and files named by counters, `patient-1/study-1/series-1/00001.dcm`, in an order that says
/// nothing. Each file appears under its name once it is whole. Files that fail do not stop the others.
///
/// # Errors
/// [`ImagingError::Cancelled`]; [`ImagingError::Io`] if an input cannot be listed;
/// [`ImagingError::Unsupported`] if the output folder is not empty, lies in an input or around one, or a patient ID
/// is given for several patients.
pub fn export(
    deidentifier: &Deidentifier,
    options: &ExportOptions,
    progress: &Progress,
) -> Result<Export, ImagingError> {
    if let Some(output) = &options.output {
        check_output(output, &options.inputs)?;
    }
    let found = find(&options.inputs, progress)?;
    progress.set_total(found.len() as u64);
    let looked: Vec<(SourceFile, Result<Identity, Outcome>)> = found
        .into_par_iter()
        .map(|file| {
            progress.check()?;
            let identity = look_at(&file);
            Ok((file, identity))
        })
        .collect::<Result<_, ImagingError>>()?;
    let names = names(deidentifier, &looked)?;
    let files = looked
        .into_par_iter()
        .zip(names)
        .map(|((file, identity), name)| {
            progress.check()?;
            let source = file.path().to_path_buf();
            let outcome = match (identity, name) {
                (Err(outcome), _) => outcome,
                (Ok(_), None) => Outcome::Skipped("it has no name".to_owned()),
                (Ok(_), Some(target)) => copy(deidentifier, &file, options.output.as_deref(), target),
            };
            progress.advance(1);
            Ok(ExportedFile { source, outcome })
        })
        .collect::<Result<_, ImagingError>>()?;
    Ok(Export { files })
}

/// The output must hold nothing, and neither lie in an input nor around one.
fn check_output(output: &Path, inputs: &[PathBuf]) -> Result<(), ImagingError> {
    let refused =
        |what: &str| ImagingError::Unsupported { path: output.to_path_buf(), what: what.to_owned() };
    let is_used = match std::fs::read_dir(output) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(ImagingError::io(output, error)),
    };
    if is_used {
        return Err(refused("writing into a folder that is not empty"));
    }
    let target = resolved(output)?;
    for input in inputs {
        let source = resolved(input)?;
        if target.starts_with(&source) || source.starts_with(&target) {
            return Err(refused("writing into the input folder, or around it,"));
        }
    }
    Ok(())
}

/// The real place of a path of which the last parts may not exist yet.
fn resolved(path: &Path) -> Result<PathBuf, ImagingError> {
    let absolute = std::path::absolute(path).map_err(|source| ImagingError::io(path, source))?;
    let mut missing = Vec::new();
    let mut known = absolute.as_path();
    loop {
        match known.canonicalize() {
            Ok(real) => return Ok(missing.iter().rev().fold(real, |path, part| path.join(part))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let (Some(parent), Some(name)) = (known.parent(), known.file_name()) else {
                    return Err(ImagingError::io(path, error));
                };
                missing.push(name.to_owned());
                known = parent;
            }
            Err(error) => return Err(ImagingError::io(path, error)),
        }
    }
}

/// Every file below the inputs, members of archives included, in the order of their paths.
fn find(inputs: &[PathBuf], progress: &Progress) -> Result<Vec<SourceFile>, ImagingError> {
    let mut files = BTreeMap::new();
    for input in inputs {
        for entry in WalkDir::new(input).max_depth(MAX_FOLDER_DEPTH).sort_by_file_name() {
            progress.check()?;
            let entry = entry.map_err(|error| {
                let path = error.path().unwrap_or(input).to_path_buf();
                ImagingError::io(path, error.into())
            })?;
            // A link that was named itself is followed, others are not: they may lead anywhere.
            let is_file = entry.file_type().is_file()
                || entry.depth() == 0 && entry.path_is_symlink() && entry.path().is_file();
            if !is_file {
                continue;
            }
            let path = entry.into_path();
            for file in files_of(&path) {
                files.insert(file.path().to_path_buf(), file);
            }
        }
    }
    Ok(files.into_values().collect())
}

/// The file itself, or the members of an archive.
fn files_of(path: &Path) -> Vec<SourceFile> {
    let is_archive = head(path).is_ok_and(|head| head.starts_with(b"PK\x03\x04"));
    match is_archive.then(|| ZipArchiveFile::open(path)) {
        Some(Ok((archive, members))) => {
            let archive = Arc::new(archive);
            let member = |member: dicom::Member| {
                let archive = Arc::clone(&archive);
                SourceFile::at(&Location::ZipMember { archive, index: member.index, path: member.path })
            };
            members.into_iter().map(member).collect()
        }
        _ => vec![SourceFile::plain(path)],
    }
}

fn head(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(path)?.take(HEAD_BYTES).read_to_end(&mut head)?;
    Ok(head)
}

fn look_at(file: &SourceFile) -> Result<Identity, Outcome> {
    let failed = |source| Outcome::Failed(ImagingError::io(file.path(), source));
    let mut bytes = file.location().open().map_err(failed)?;
    let head =
        bytes.at(0, bytes.len().min(HEAD_BYTES) as usize).map_err(failed)?.unwrap_or_default().to_vec();
    if !dicom::looks_like_dicom(&head) {
        return Err(Outcome::Skipped("not DICOM".to_owned()));
    }
    let identity = dicom::identity(file, &mut bytes).map_err(Outcome::Failed)?;
    if identity.is_directory() {
        let reason = "a DICOMDIR names files by their old names; it is not copied";
        return Err(Outcome::Skipped(reason.to_owned()));
    }
    Ok(identity)
}

/// A name for each file, made of counters: patients, studies and series in the order of their replacements, which
/// says nothing, instances in the order of their numbers.
fn names(
    deidentifier: &Deidentifier,
    looked: &[(SourceFile, Result<Identity, Outcome>)],
) -> Result<Vec<Option<PathBuf>>, ImagingError> {
    let pseudonyms = deidentifier.pseudonyms();
    // Patient, study, series, instance number, place in the list.
    let mut order: Vec<([String; 3], i64, usize)> = looked
        .iter()
        .enumerate()
        .filter_map(|(at, (_, identity))| {
            let identity = identity.as_ref().ok()?;
            let patient = if identity.patient_id.is_empty() { &identity.study } else { &identity.patient_id };
            let key = [
                pseudonyms.patient(patient),
                pseudonyms.uid(&identity.study),
                pseudonyms.uid(&identity.series),
            ];
            Some((key, identity.instance_number.unwrap_or(i64::MAX), at))
        })
        .collect();
    order.sort();
    let mut names = vec![None; looked.len()];
    let mut counters = [0usize; 4];
    let mut last: Option<&[String; 3]> = None;
    for (key, _, at) in &order {
        let level = match last {
            None => 0,
            Some(last) => last.iter().zip(key).position(|(a, b)| a != b).unwrap_or(3),
        };
        for (at, counter) in counters.iter_mut().enumerate() {
            match at.cmp(&level) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => *counter += 1,
                std::cmp::Ordering::Greater => *counter = 1,
            }
        }
        let [patient, study, series, instance] = counters;
        if patient > 1 && deidentifier.options().patient_id.is_some() {
            let path = looked.get(*at).map(|(file, _)| file.path().to_path_buf()).unwrap_or_default();
            let what = "one patient ID for several patients".to_owned();
            return Err(ImagingError::Unsupported { path, what });
        }
        if let Some(name) = names.get_mut(*at) {
            *name = Some(PathBuf::from(format!(
                "patient-{patient}/study-{study}/series-{series}/{instance:05}.dcm"
            )));
        }
        last = Some(key);
    }
    Ok(names)
}

fn copy(deidentifier: &Deidentifier, file: &SourceFile, output: Option<&Path>, target: PathBuf) -> Outcome {
    let result = match output {
        None => deidentifier.examine(file),
        Some(output) => write(deidentifier, file, &output.join(&target)),
    };
    match result {
        Ok(report) => Outcome::Written { target, report },
        Err(error) => Outcome::Failed(error),
    }
}

/// Writes beside the name first, so that half a file never has it.
fn write(deidentifier: &Deidentifier, file: &SourceFile, path: &Path) -> Result<Report, ImagingError> {
    let failed = |source| ImagingError::Write { path: path.to_path_buf(), source };
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut part = tempfile::Builder::new().prefix(".part-").tempfile_in(folder).map_err(failed)?;
    let mut target = BufWriter::with_capacity(1 << 18, part.as_file_mut());
    let report = deidentifier.write(file, &mut target)?;
    target.flush().map_err(failed)?;
    drop(target);
    share(part.path()).map_err(failed)?;
    part.persist_noclobber(path).map_err(|error| failed(error.error))?;
    Ok(report)
}

/// Temporary files are for their owner only; a finished one has the rights of any other file.
#[cfg(unix)]
fn share(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mode = std::fs::metadata(folder)?.permissions().mode() & 0o666;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

/// Rights are inherited from the folder here.
#[cfg(not(unix))]
fn share(_: &Path) -> std::io::Result<()> {
    Ok(())
}
