//! Rewrites an object without identity: every element is looked at once, in the order of the file, and goes out as it
//! is, changed, or not at all. Long values go through in pieces, so that memory stays bounded.

mod encode;
mod identity;

use std::collections::BTreeMap;
use std::io::{self, Write};

use flate2::Compression;
use flate2::write::DeflateEncoder;

use self::encode::{padded, write_element, write_header, write_meta};
pub(crate) use self::identity::Identity;
use super::bytes::Bytes;
use super::dataset::{self, DEFLATED, Syntax, UNDEFINED_LENGTH, WalkError};
use super::dictionary;
use super::elements::{Found, Visit, walk};
use super::tags::{self, Tag};
use crate::ImagingError;
use crate::deidentify::{
    Action, Cleaner, Deidentifier, Effect, Otherwise, Recorder, Report, Subject, Warning, action, dummy,
    shift,
};
use crate::formats::SourceFile;

/// Longest value that is read to be changed; longer ones are treated as if they could not be understood.
const MAX_CHANGED_BYTES: u64 = 1 << 20;
/// Bytes of a long value that are in memory at a time.
const PIECE_BYTES: usize = 1 << 18;

const METHOD: Tag = 0x0012_0063;
const METHOD_CODES: Tag = 0x0012_0064;
const IDENTITY_REMOVED: Tag = 0x0012_0062;
const TEMPORAL_MODIFIED: Tag = 0x0028_0303;

/// See [`Deidentifier::write`].
pub(crate) fn deidentify(
    deidentifier: &Deidentifier,
    file: &SourceFile,
    target: &mut dyn Write,
) -> Result<Report, ImagingError> {
    let failed = |source| ImagingError::io(file.path(), source);
    let mut bytes = file.location().open().map_err(failed)?;
    let identity = identity(file, &mut bytes)?;
    if let Some(what) = identity.refused() {
        return Err(ImagingError::Unsupported { path: file.path().to_path_buf(), what });
    }
    if identity.is_deflated {
        // It was unpacked as far as its pixels only.
        bytes = file.location().open().map_err(failed)?;
    }
    rewrite(deidentifier, &identity, &mut bytes, target).map_err(|error| named(file, error))
}

/// Reads what has to be known beforehand.
pub(crate) fn identity(file: &SourceFile, bytes: &mut Bytes) -> Result<Identity, ImagingError> {
    Identity::read(bytes).map_err(|error| named(file, error))
}

/// An error of the walk with the file that it is about.
fn named(file: &SourceFile, error: WalkError) -> ImagingError {
    let path = file.path().to_path_buf();
    match error {
        WalkError::Io(source) => ImagingError::io(path, source),
        WalkError::NotDicom => ImagingError::NotAnImage { path, reason: "not DICOM".to_owned() },
        WalkError::Damaged(reason) => ImagingError::Damaged { path, reason: reason.to_owned() },
    }
}

fn rewrite(
    deidentifier: &Deidentifier,
    identity: &Identity,
    bytes: &mut Bytes,
    target: &mut dyn Write,
) -> Result<Report, WalkError> {
    let mut opening = dataset::opening(bytes)?;
    let is_deflated = opening.transfer_syntax == DEFLATED;
    if is_deflated {
        let packed = std::mem::replace(bytes, Bytes::in_memory(Vec::new()));
        *bytes = packed.unpacked(opening.start)?;
        opening.start = 0;
    }
    let syntax = opening.settle(bytes)?;
    // A label that the bytes contradict is put right.
    let is_plain = matches!(
        opening.transfer_syntax.as_str(),
        dataset::IMPLICIT_LITTLE | dataset::EXPLICIT_LITTLE | dataset::EXPLICIT_BIG
    );
    let transfer_syntax = if is_plain { syntax.plain_name() } else { opening.transfer_syntax.as_str() };
    let sop_instance = if deidentifier.options().uids {
        identity.sop_instance.clone()
    } else {
        deidentifier.pseudonyms().uid(&identity.sop_instance)
    };
    write_meta(target, &identity.sop_class, &sop_instance, transfer_syntax)?;
    let end = bytes.len();
    let place = (opening.start, end);
    let mut report = if is_deflated {
        let mut packer = DeflateEncoder::new(target, Compression::default());
        let report = rewrite_data_set(deidentifier, identity, bytes, (place, syntax), &mut packer)?;
        packer.finish()?;
        report
    } else {
        rewrite_data_set(deidentifier, identity, bytes, (place, syntax), target)?
    };
    // MPEG-2, MPEG-4 and HEVC.
    if (100..=108).any(|number| transfer_syntax == format!("1.2.840.10008.1.2.4.{number}")) {
        report.warnings.push(Warning::Video);
        report.warnings.sort_unstable();
    }
    Ok(report)
}

fn rewrite_data_set(
    deidentifier: &Deidentifier,
    identity: &Identity,
    bytes: &mut Bytes,
    (place, syntax): ((u64, u64), Syntax),
    target: &mut dyn Write,
) -> Result<Report, WalkError> {
    let mut recorder = deidentifier.recorder();
    identity.warnings().for_each(|warning| recorder.warn(warning));
    let mut cleaner = Cleaner::default();
    identity.names.iter().for_each(|name| cleaner.suspect(name));
    let additions = additions(deidentifier, syntax)?;
    let mut rewriter = Rewriter {
        deidentifier,
        shift_days: deidentifier.pseudonyms().shift_days(&identity.patient_id),
        cleaner,
        recorder,
        target,
        syntax,
        added: additions.iter().map(|addition| addition.0).collect(),
        additions: additions.into_iter().peekable(),
        patient_id: &identity.patient_id,
        levels: vec![Level::default()],
    };
    walk(bytes, place, syntax, &mut rewriter)?;
    rewriter.add_before(Tag::MAX)?;
    Ok(rewriter.recorder.finish(dictionary::keyword))
}

/// Elements that go in whatever the object said before, in order, as they are written.
fn additions(deidentifier: &Deidentifier, syntax: Syntax) -> io::Result<Vec<(Tag, Vec<u8>)>> {
    let options = deidentifier.options();
    let text = |tag: Tag, vr: [u8; 2], value: &str| {
        let mut out = Vec::new();
        write_element(&mut out, tag, vr, padded(vr, value.as_bytes().to_vec()), syntax)?;
        Ok::<_, io::Error>((tag, out))
    };
    let mut codes = Vec::new();
    write_header(&mut codes, METHOD_CODES, *b"SQ", UNDEFINED_LENGTH, syntax)?;
    for (code, meaning) in options.method_codes() {
        write_header(&mut codes, tags::ITEM, *b"??", UNDEFINED_LENGTH, syntax)?;
        for (tag, vr, value) in
            [(0x0008_0100, *b"SH", code), (0x0008_0102, *b"SH", "DCM"), (0x0008_0104, *b"LO", meaning)]
        {
            write_element(&mut codes, tag, vr, padded(vr, value.as_bytes().to_vec()), syntax)?;
        }
        write_header(&mut codes, tags::ITEM_DELIMITATION, *b"??", 0, syntax)?;
    }
    write_header(&mut codes, tags::SEQUENCE_DELIMITATION, *b"??", 0, syntax)?;
    let mut additions = vec![
        text(IDENTITY_REMOVED, *b"CS", "YES")?,
        text(METHOD, *b"LO", &deidentifier.method())?,
        (METHOD_CODES, codes),
        text(TEMPORAL_MODIFIED, *b"CS", options.temporal_state())?,
    ];
    if let Some(patient) = &options.patient_id {
        additions.push(text(tags::PATIENT_NAME, *b"PN", patient)?);
        additions.push(text(tags::PATIENT_ID, *b"LO", patient)?);
    }
    additions.sort_by_key(|addition| addition.0);
    Ok(additions)
}

/// What holds for the elements of an item.
#[derive(Debug, Default)]
struct Level {
    /// The sequence that the item belongs to; 0 for the data set itself.
    sequence: Tag,
    /// How the items of the sequence are written.
    items: Option<Syntax>,
    is_in_dummy: bool,
    creators: BTreeMap<Tag, String>,
}

struct Rewriter<'a> {
    deidentifier: &'a Deidentifier,
    shift_days: i64,
    cleaner: Cleaner,
    recorder: Recorder,
    target: &'a mut dyn Write,
    /// How the data set is written.
    syntax: Syntax,
    /// Tags of all additions: what the object says of them itself is left out.
    added: Vec<Tag>,
    additions: std::iter::Peekable<std::vec::IntoIter<(Tag, Vec<u8>)>>,
    patient_id: &'a str,
    /// The data set, then a level for each open sequence.
    levels: Vec<Level>,
}

impl Rewriter<'_> {
    /// Writes what has to stand before `tag`, in the outermost data set.
    fn add_before(&mut self, tag: Tag) -> io::Result<()> {
        while let Some((added, bytes)) = self.additions.next_if(|addition| addition.0 <= tag) {
            self.target.write_all(&bytes)?;
            let is_patient = matches!(added, tags::PATIENT_NAME | tags::PATIENT_ID);
            self.record(added, if is_patient { Effect::Replaced } else { Effect::Added }, None);
        }
        Ok(())
    }

    fn record(&mut self, tag: Tag, effect: Effect, values: Option<(String, String)>) {
        let mut path = String::new();
        for level in self.levels.iter().skip(1) {
            path.push_str(&label(level.sequence));
            path.push_str("[].");
        }
        path.push_str(&label(tag));
        self.recorder.change(path, tag, effect, values);
    }

    /// How to write what was written in `syntax`: as everything else, unless the bytes of values would have to turn.
    ///
    /// The items of sequences whose VR is UN are implicit little endian; some readers do not know that.
    fn written(&self, syntax: Syntax) -> Syntax {
        if syntax.is_big_endian == self.syntax.is_big_endian { self.syntax } else { syntax }
    }

    fn is_in_dummy(&self) -> bool {
        self.levels.last().is_some_and(|level| level.is_in_dummy)
    }

    /// Decides about an element; `None` where an addition takes its place.
    fn decide(&mut self, found: &Found, reserves: Option<&str>) -> io::Result<Option<Action>> {
        if found.depth == 0 {
            self.add_before(found.tag)?;
            if self.added.contains(&found.tag) {
                return Ok(None);
            }
        }
        let creators = self.levels.last().map(|level| &level.creators);
        let creator = dictionary::creator_tag(found.tag).and_then(|tag| creators?.get(&tag));
        let subject = Subject {
            tag: found.tag,
            vr: found.vr,
            keyword: dictionary::keyword(found.tag),
            creator: creator.map(String::as_str),
            reserves,
            is_empty: found.len() == 0,
        };
        Ok(Some(action(self.deidentifier.options(), &subject, self.is_in_dummy())))
    }

    /// Puts another value in the place of an element.
    fn replace(&mut self, found: &Found, old: &[u8], new: Vec<u8>, effect: Effect) -> Result<(), WalkError> {
        let values = self.recorder.keeps_values().then(|| (text_of(old), text_of(&new)));
        self.record(found.tag, effect, values);
        let new = padded(found.vr, new);
        let syntax = self.written(found.syntax);
        Ok(write_element(self.target, found.tag, found.vr, new, syntax)?)
    }

    fn remove(&mut self, found: &Found, old: &[u8]) {
        let values = self.recorder.keeps_values().then(|| (text_of(old), String::new()));
        self.record(found.tag, Effect::Removed, values);
    }

    /// Carries an element over as it is, in pieces.
    fn pass(&mut self, bytes: &mut Bytes, found: &Found, len: u32) -> Result<(), WalkError> {
        let syntax = self.written(found.syntax);
        write_header(self.target, found.tag, found.written_vr, len, syntax)?;
        let mut buffer = vec![0; found.len().min(PIECE_BYTES as u64) as usize];
        let mut at = found.value_at;
        while at < found.end {
            let count = (found.end - at).min(buffer.len() as u64) as usize;
            let piece = buffer.get_mut(..count).unwrap_or_default();
            bytes.read_into(at, piece)?;
            self.target.write_all(piece)?;
            at += count as u64;
        }
        Ok(())
    }

    fn change(&mut self, found: &Found, old: &[u8], action: Action) -> Result<(), WalkError> {
        let text = text_of(old);
        let pseudonyms = self.deidentifier.pseudonyms();
        match action {
            Action::Pass | Action::Keep => {}
            Action::Remove => self.remove(found, old),
            Action::Empty => self.replace(found, old, Vec::new(), Effect::Emptied)?,
            Action::Dummy => self.replace(found, old, dummy(found.vr, old.len()), Effect::Replaced)?,
            Action::Patient => {
                // The name is that of the ID, so that both tell the same.
                let is_name = found.tag == tags::PATIENT_NAME && !self.patient_id.is_empty();
                let patient = self.deidentifier.patient(if is_name { self.patient_id } else { &text });
                self.replace(found, old, patient.into_bytes(), Effect::Replaced)?;
            }
            Action::Uid => {
                let uids: Vec<String> = text
                    .split('\\')
                    .map(|uid| uid.trim_matches(|letter: char| letter == '\0' || letter.is_whitespace()))
                    .map(|uid| if uid.is_empty() { String::new() } else { pseudonyms.uid(uid) })
                    .collect();
                self.replace(found, old, uids.join("\\").into_bytes(), Effect::Mapped)?;
            }
            Action::Shift => match shift(&text, self.shift_days) {
                Some(date) => self.replace(found, old, date.into_bytes(), Effect::Shifted)?,
                // A date of which the day is not known cannot be moved by days.
                None => self.replace(found, old, dummy(found.vr, old.len()), Effect::Replaced)?,
            },
            Action::Clean { otherwise } => {
                let cleaned = self.cleaner.clean(old);
                self.recorder.warn(Warning::CleanedText);
                match otherwise {
                    _ if !cleaned.is_empty() => {
                        self.replace(found, old, cleaned.into_bytes(), Effect::Cleaned)?;
                    }
                    Otherwise::Remove => self.remove(found, old),
                    Otherwise::Empty => self.replace(found, old, Vec::new(), Effect::Emptied)?,
                    Otherwise::Dummy => {
                        self.replace(found, old, dummy(found.vr, old.len()), Effect::Replaced)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Tells of overlays that have no data of their own: they lie in the bits that pixels do not use.
    fn look_for_embedded_overlay(&mut self, found: &Found, value: &[u8]) {
        let is_position =
            tags::is_overlay(found.tag) && found.tag & 0xFFFF == tags::OVERLAY_BIT_POSITION & 0xFFFF;
        if is_position && value.iter().any(|&byte| byte != 0) {
            self.recorder.warn(Warning::OverlayInPixels);
        }
    }
}

fn label(tag: Tag) -> String {
    dictionary::keyword(tag)
        .map_or_else(|| format!("({:04X},{:04X})", tag >> 16, tag & 0xFFFF), str::to_owned)
}

fn text_of(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim_matches(|letter: char| letter == '\0' || letter.is_whitespace()).to_owned()
}

impl Visit for Rewriter<'_> {
    type Error = WalkError;

    fn element(&mut self, bytes: &mut Bytes, found: &Found) -> Result<(), WalkError> {
        let read = found.len().min(MAX_CHANGED_BYTES);
        let reserves = if dictionary::is_private_creator(found.tag) {
            let name = bytes.at(found.value_at, read as usize)?.map(text_of).unwrap_or_default();
            if let Some(level) = self.levels.last_mut() {
                level.creators.insert(found.tag, name.clone());
            }
            Some(name)
        } else {
            None
        };
        let Some(action) = self.decide(found, reserves.as_deref())? else { return Ok(()) };
        let is_unchanged = action == Action::Pass || action == Action::Empty && found.len() == 0;
        if is_unchanged {
            self.recorder.untouched();
        }
        if is_unchanged || action == Action::Keep {
            if action == Action::Keep {
                self.record(found.tag, Effect::Kept, None);
            }
            let len = u32::try_from(found.len()).map_err(|_| WalkError::Damaged("holds too long a value"))?;
            return self.pass(bytes, found, len);
        }
        let Some(old) = bytes.at(found.value_at, read as usize)? else {
            return Err(WalkError::Damaged("ends in the middle of an element"));
        };
        let old = old.to_vec();
        self.look_for_embedded_overlay(found, &old);
        // What is too long to be looked at as a whole goes.
        let action = if found.len() > read && action != Action::Remove { Action::Empty } else { action };
        self.change(found, &old, action)
    }

    fn fragments(&mut self, bytes: &mut Bytes, found: &Found, _: usize) -> Result<(), WalkError> {
        match self.decide(found, None)? {
            Some(Action::Pass | Action::Keep) => {
                self.recorder.untouched();
                self.pass(bytes, found, UNDEFINED_LENGTH)
            }
            Some(_) => {
                self.remove(found, &[]);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn sequence(&mut self, found: &Found, items: Syntax) -> Result<bool, WalkError> {
        let is_in_dummy = match self.decide(found, None)? {
            None => return Ok(false),
            Some(Action::Pass) => self.is_in_dummy(),
            Some(Action::Keep) => {
                self.record(found.tag, Effect::Kept, None);
                self.is_in_dummy()
            }
            Some(Action::Dummy) => {
                self.record(found.tag, Effect::Replaced, None);
                true
            }
            Some(Action::Empty) => {
                self.record(found.tag, Effect::Emptied, None);
                let syntax = self.written(found.syntax);
                write_header(self.target, found.tag, *b"SQ", 0, syntax)?;
                return Ok(false);
            }
            Some(_) => {
                self.record(found.tag, Effect::Removed, None);
                return Ok(false);
            }
        };
        // Implicit items in an explicit object only exist in sequences that are written as UN.
        let (syntax, items) = (self.written(found.syntax), self.written(items));
        let vr = if syntax.is_explicit && !items.is_explicit { *b"UN" } else { *b"SQ" };
        write_header(self.target, found.tag, vr, UNDEFINED_LENGTH, syntax)?;
        let level = Level { sequence: found.tag, items: Some(items), is_in_dummy, creators: BTreeMap::new() };
        self.levels.push(level);
        Ok(true)
    }

    fn item(&mut self, _: usize) -> Result<(), WalkError> {
        let Some(level) = self.levels.last_mut() else { return Ok(()) };
        level.creators.clear();
        let syntax = level.items.unwrap_or(Syntax::IMPLICIT);
        Ok(write_header(self.target, tags::ITEM, *b"??", UNDEFINED_LENGTH, syntax)?)
    }

    fn item_end(&mut self) -> Result<(), WalkError> {
        let syntax = self.levels.last().and_then(|level| level.items).unwrap_or(Syntax::IMPLICIT);
        Ok(write_header(self.target, tags::ITEM_DELIMITATION, *b"??", 0, syntax)?)
    }

    fn sequence_end(&mut self) -> Result<(), WalkError> {
        let syntax = self.levels.pop().and_then(|level| level.items).unwrap_or(Syntax::IMPLICIT);
        Ok(write_header(self.target, tags::SEQUENCE_DELIMITATION, *b"??", 0, syntax)?)
    }
}
