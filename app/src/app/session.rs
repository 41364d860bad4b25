//! The window's part in sessions: saving, opening, the copy that outlives a killed process, and measurements that come
//! and go.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imaging::measurement::Calibration;

use super::{LanternApp, Overlay, exchange};
use crate::command::{Command, FileCommand, FilePurpose, NamedFile, SeriesCommand};
use crate::document::{Annotation, AnnotationId, Series, SeriesKey, Workspace};
use crate::panels::notices::Severity;
use crate::panels::studies::StudiesState;
use crate::session::autosave::{self, Autosave, LeftBehind};
use crate::session::capture::{self, Beside, capture};
use crate::session::exchange::{counted, handles};
use crate::session::restore::{Kept, reattach, restore};
use crate::session::wire::SavedSession;
use crate::session::{EXTENSION, Replace, SessionError, is_session};
use crate::tasks::FileNews;
use crate::text::{UserMessage, chain};

/// What drawings there are; cheap to hold, and to compare with what there is later.
#[derive(Debug, Clone, Default)]
struct Mark {
    annotations: BTreeMap<AnnotationId, Arc<Annotation>>,
    calibrations: BTreeMap<SeriesKey, Arc<Calibration>>,
}

impl Mark {
    fn of(workspace: &Workspace) -> Self {
        Self { annotations: workspace.annotations.clone(), calibrations: workspace.calibrations.clone() }
    }

    /// Whether nothing was drawn, changed or taken away since.
    fn is_still(&self, workspace: &Workspace) -> bool {
        // Whatever changes gets another place in memory, for this holds the one before.
        fn same<K: Ord, V>(a: &BTreeMap<K, Arc<V>>, b: &BTreeMap<K, Arc<V>>) -> bool {
            a.len() == b.len() && a.iter().zip(b).all(|((k, v), (l, w))| k == l && Arc::ptr_eq(v, w))
        }
        same(&self.annotations, &workspace.annotations) && same(&self.calibrations, &workspace.calibrations)
    }
}

/// Where a session that is being restored comes from.
enum Origin {
    File(PathBuf),
    LeftBehind(Box<LeftBehind>),
}

/// A session whose studies are being looked for, one opening after another.
struct Restoring {
    session: Box<SavedSession>,
    origin: Origin,
    next_opening: usize,
    /// Why openings failed, in words.
    failures: Vec<String>,
}

/// What the window remembers of sessions.
#[derive(Default)]
pub(super) struct SessionState {
    /// The file that is saved into.
    path: Option<PathBuf>,
    /// What a session holds beside the document.
    beside: Beside,
    restoring: Option<Restoring>,
    autosave: Option<Autosave>,
    /// Of processes that were killed, the newest first.
    left_behind: Vec<LeftBehind>,
    /// Restored, and to be taken away once the copy of this window holds it.
    restored: Vec<LeftBehind>,
    /// What the copy holds.
    copied: Mark,
    /// What the file holds.
    saved: Mark,
    /// Saves that are under way, by number.
    saving: BTreeMap<u64, Mark>,
    revision: u64,
}

impl SessionState {
    pub(super) fn is_restoring(&self) -> bool {
        self.restoring.is_some()
    }

    /// What was left behind, for the start page.
    pub(super) fn left_behind_title(&self) -> Option<String> {
        self.left_behind.first().map(LeftBehind::title)
    }
}

impl LanternApp {
    /// Keeps a copy of all drawings in a folder, and looks there for those of processes that were killed.
    pub fn set_autosave(&mut self, folder: PathBuf) {
        self.tasks.find_left_behind(folder.clone());
        self.session.autosave = Some(Autosave::start(folder));
    }

    /// The copies of this user's windows.
    pub(super) fn set_autosave_of_user(&mut self) {
        if let Some(folder) = autosave::folder_of_user() {
            self.set_autosave(folder);
        }
    }

    /// The window is closed as it should be: the copy is not needed any more.
    pub fn end_orderly(&mut self) {
        if !self.session.beside.kept.is_empty() && self.session.path.is_none() {
            // Nobody has seen what is drawn on studies that are not here: it is offered again.
            return;
        }
        if let Some(autosave) = self.session.autosave.take() {
            autosave.finish();
        }
        // Restored, and closed since by somebody who saw it.
        std::mem::take(&mut self.session.restored).into_iter().for_each(LeftBehind::discard);
    }

    /// Hands what the last finished step drew to the writer of the copy.
    pub(super) fn keep_measurements(&mut self) {
        let Some(autosave) = &self.session.autosave else { return };
        let workspace = self.document.history.settled(&self.document.workspace);
        // While studies are looked for the document is only half there.
        if self.session.copied.is_still(workspace) || self.session.is_restoring() {
            return;
        }
        let is_empty = workspace.annotations.is_empty() && workspace.calibrations.is_empty();
        if is_empty && self.session.beside.kept.is_empty() {
            autosave.remove();
        } else {
            let captured = capture(&self.document, workspace, &self.session.beside);
            autosave.write(captured.session, std::mem::take(&mut self.session.restored));
        }
        self.session.copied = Mark::of(workspace);
    }

    /// Whether there are drawings that no session's file holds: on what is open, or of what was not found.
    fn has_unsaved_drawings(&self) -> bool {
        let workspace = &self.document.workspace;
        let is_only_kept = self.session.path.is_none() && self.kept_drawings() > 0;
        is_only_kept || (!workspace.annotations.is_empty() && !self.session.saved.is_still(workspace))
    }

    /// Drawings of series that were not found.
    fn kept_drawings(&self) -> usize {
        self.session.beside.kept.iter().map(|kept| kept.series.annotations.len()).sum()
    }

    /// Drawings that would be lost if the window of a person were closed.
    pub(super) fn unsaved_drawings(&self) -> usize {
        let asks = self.session.autosave.is_some() && self.has_unsaved_drawings();
        if asks { self.document.workspace.annotations.len() + self.kept_drawings() } else { 0 }
    }

    /// Whether what is to be opened is a session, which is then read.
    pub(super) fn opens_session(&mut self, paths: &[PathBuf]) -> bool {
        let [path] = paths else { return false };
        if is_session(path) {
            self.open_session(path.clone());
        }
        is_session(path)
    }

    /// Reads a session, unless drawings would be closed that are in none.
    fn open_session(&mut self, path: PathBuf) {
        if !self.has_unsaved_drawings() {
            self.tasks.read_session(path);
            return;
        }
        let anyway = ("Open anyway", FileCommand::OpenSessionAnyway(path));
        self.ask_before_closing("Opening a session closes what is open.", anyway);
    }

    /// Closes everything, unless drawings would be closed that are in no session.
    pub(super) fn close_all_but_unsaved(&mut self) {
        if self.has_unsaved_drawings() {
            let anyway = ("Close anyway", FileCommand::CloseAllAnyway);
            self.ask_before_closing("Save the session to keep them.", anyway);
        } else {
            self.close_all();
            self.abandon_restoring();
        }
    }

    fn ask_before_closing(&mut self, advice: &str, (words, anyway): (&'static str, FileCommand)) {
        let count = counted(self.document.workspace.annotations.len() + self.kept_drawings());
        let message = UserMessage {
            what: format!("{count} would be closed without being saved."),
            advice: advice.to_owned(),
            detail: String::new(),
        };
        let choices =
            vec![("Save session…", Command::File(FileCommand::SaveSession)), (words, Command::File(anyway))];
        self.panels.notices.push_with_choices(Severity::Warning, message, choices);
    }

    pub(super) fn apply_session_file(&mut self, command: &FileCommand) {
        match command {
            FileCommand::SaveSession => match self.session.path.clone() {
                Some(path) => self.save_session(path, Replace::Yes),
                None => self.tasks.name_file(FilePurpose::SaveSession),
            },
            FileCommand::Pick(purpose) => self.tasks.name_file(*purpose),
            FileCommand::Named(file) => self.named(file.clone()),
            FileCommand::OpenSessionAnyway(path) => self.tasks.read_session(path.clone()),
            FileCommand::RestoreAutosave => {
                self.panels.notices.withdraw(command);
                self.restore_left_behind();
            }
            FileCommand::DiscardAutosave => {
                self.panels.notices.withdraw(command);
                let all = std::mem::take(&mut self.session.left_behind);
                self.tasks.discard(all);
            }
            _ => {}
        }
    }

    fn named(&mut self, file: NamedFile) {
        self.panels.overlay = Overlay::None;
        let NamedFile { purpose, path, may_replace } = file;
        let replace = if may_replace { Replace::Yes } else { Replace::No };
        match purpose {
            FilePurpose::SaveSession if is_session(&path) => self.save_session(path, replace),
            FilePurpose::SaveSession => {
                let mut name = path.into_os_string();
                name.push(format!(".{EXTENSION}"));
                // Nobody was asked about a file of that name.
                self.save_session(name.into(), Replace::No);
            }
            FilePurpose::OpenSession => self.open_session(path),
            FilePurpose::ExportMeasurements => {
                let order = exchange::order(&self.document, replace);
                self.tasks.export(order, path);
            }
            FilePurpose::ImportMeasurements => self.tasks.import(handles(&self.document), path),
        }
    }

    fn save_session(&mut self, path: PathBuf, replace: Replace) {
        if self.session.is_restoring() {
            let message = UserMessage {
                what: "The session is still being opened.".to_owned(),
                advice: "Save it once everything is there.".to_owned(),
                detail: String::new(),
            };
            return self.panels.notices.push(Severity::Warning, message);
        }
        let captured = capture(&self.document, &self.document.workspace, &self.session.beside);
        if captured.drawings_left_out > 0 {
            let message = UserMessage {
                what: format!("{} cannot be in the session.", counted(captured.drawings_left_out)),
                advice: "The images they are drawn on lie in no file; export them instead.".to_owned(),
                detail: String::new(),
            };
            self.panels.notices.push(Severity::Warning, message);
        }
        self.session.revision += 1;
        self.session.saving.insert(self.session.revision, Mark::of(&self.document.workspace));
        self.tasks.save_session(captured.session, path, replace, self.session.revision);
    }

    pub(super) fn file_news(&mut self, news: FileNews) {
        match news {
            FileNews::SessionSaved { path, revision, result } => self.session_saved(path, revision, result),
            FileNews::SessionRead { path, result: Ok(session) } => {
                self.begin_restoring(session, Origin::File(path));
            }
            FileNews::SessionRead { path, result: Err(error) } => {
                let message = session_failure(&path, &error);
                if self.document.series.is_empty() {
                    self.open_failure = Some(message);
                } else {
                    self.panels.notices.push(Severity::Failure, message);
                }
            }
            FileNews::Exported { path, result } => self.exported(&path, result),
            FileNews::Imported { path, result } => self.imported(&path, result),
            FileNews::LeftBehind(found) => self.found_left_behind(found),
        }
    }

    fn session_saved(&mut self, path: PathBuf, revision: u64, result: Result<(), SessionError>) {
        let mark = self.session.saving.remove(&revision);
        match result {
            Ok(()) => {
                let message = UserMessage {
                    what: format!("The session was saved as “{}”.", file_name(&path)),
                    advice: "It refers to the studies where they lie; they are not copied.".to_owned(),
                    detail: String::new(),
                };
                self.panels.notices.push(Severity::Note, message);
                // What is open by now may be something else, and must not go into this file.
                if let Some(mark) = mark {
                    self.session.saved = mark;
                    self.session.path = Some(path);
                }
            }
            Err(error) => self.panels.notices.push(Severity::Failure, session_failure(&path, &error)),
        }
    }

    /// Closes everything and looks for the studies of a session.
    fn begin_restoring(&mut self, session: Box<SavedSession>, origin: Origin) {
        self.close_all();
        self.open_failure = None;
        self.session.restoring = Some(Restoring { session, origin, next_opening: 0, failures: Vec::new() });
        self.scan_for_session();
    }

    /// Looks for the next studies of the session that is being restored; shows it once all were looked for.
    pub(super) fn scan_for_session(&mut self) {
        while let Some(restoring) = &mut self.session.restoring {
            let Some(opening) = restoring.session.openings.get(restoring.next_opening) else {
                self.end_restoring();
                return;
            };
            restoring.next_opening += 1;
            let paths: Option<Vec<PathBuf>> = opening.iter().map(|path| path.path()).collect();
            match paths.filter(|paths| !paths.is_empty()) {
                Some(paths) => {
                    self.tasks.scan(paths);
                    return;
                }
                None => restoring.failures.push("A path of another system is none here.".to_owned()),
            }
        }
    }

    /// A study of the session could not be opened; whether there is a session to go on with.
    pub(super) fn is_failure_of_session(&mut self, message: &UserMessage) -> bool {
        let Some(restoring) = &mut self.session.restoring else { return false };
        restoring.failures.push(message.what.clone());
        true
    }

    fn end_restoring(&mut self) {
        let Some(restoring) = self.session.restoring.take() else { return };
        let kept = restore(&restoring.session, &mut self.document);
        let series_count = restoring.session.series.len();
        self.say_what_is_missing(&kept, series_count, &restoring.failures);
        self.session.beside.kept = kept;
        match restoring.origin {
            Origin::File(path) => {
                self.session.saved = Mark::of(&self.document.workspace);
                self.session.path = Some(path);
            }
            Origin::LeftBehind(left_behind) => self.session.restored.push(*left_behind),
        }
        if self.document.workspace.shown_series().is_empty()
            && let Some(first) = self.document.series.first()
        {
            self.send(Command::Series(SeriesCommand::Show(first.key)));
        }
        self.load_shown();
    }

    fn say_what_is_missing(&mut self, kept: &[Kept], of: usize, failures: &[String]) {
        if kept.is_empty() && failures.is_empty() {
            return;
        }
        let sentences = kept.iter().map(Kept::sentence).chain(failures.iter().cloned());
        let message = UserMessage {
            what: format!("{} of {of} series of the session were not found.", kept.len()),
            advice: "What was drawn on them is kept, and comes back when they are opened.".to_owned(),
            detail: sentences.take(50).collect::<Vec<_>>().join("\n"),
        };
        self.panels.notices.push(Severity::Warning, message);
    }

    /// Something else is opened, or nothing any more, before all studies of a session were found.
    pub(super) fn abandon_restoring(&mut self) {
        let Some(restoring) = self.session.restoring.take() else { return };
        if let Origin::LeftBehind(left_behind) = restoring.origin {
            self.session.left_behind.insert(0, *left_behind);
            self.offer_left_behind();
        }
        let message = UserMessage {
            what: "The session was not opened to its end.".to_owned(),
            advice: "Its file is unchanged; open it again.".to_owned(),
            detail: String::new(),
        };
        self.panels.notices.push(Severity::Note, message);
    }

    /// Everything is closed, and with it the session.
    pub(super) fn close_all(&mut self) {
        if self.kept_drawings() > 0 {
            // What was left behind and not found again is offered once more.
            self.session.left_behind.append(&mut self.session.restored);
        }
        for progress in self.document.series.iter().filter_map(|s| s.volume.progress()) {
            progress.cancel();
        }
        for volume in self.document.series.iter().flat_map(Series::volumes) {
            self.tasks.forget(volume.id());
        }
        self.tasks.cancel_scan();
        self.document = self.document.closed();
        self.follow_preferences();
        self.panels.studies = StudiesState::default();
        self.pictures.clear();
        self.session.path = None;
        self.session.beside = Beside::default();
        self.session.saved = Mark::default();
        self.session.saving.clear();
    }

    /// Before series are replaced because their place is opened again: what belongs to them.
    pub(super) fn lift_from(&mut self, replaced: &[SeriesKey]) -> Vec<Kept> {
        let kept = capture::lift(&self.document, replaced, &self.session.beside);
        let workspace = &mut self.document.workspace;
        // Those of series in no file stay, as they can be found in no other way.
        let lifted: Vec<SeriesKey> = kept.iter().map(|(key, _)| *key).collect();
        workspace.annotations.retain(|_, annotation| !lifted.contains(&annotation.series));
        workspace.calibrations.retain(|key, _| !lifted.contains(key));
        kept.into_iter().map(|(_, kept)| kept).collect()
    }

    /// What was opened together, to open it together again.
    pub(super) fn note_opening(&mut self, paths: &[PathBuf]) {
        if let Some(opened) = paths.first() {
            self.session.beside.openings.insert(opened.clone(), paths.to_vec());
        }
    }

    /// After a scan: what belongs to series that are there now.
    pub(super) fn settle_into(&mut self, paths: &[PathBuf], lifted: Vec<Kept>) {
        self.note_opening(paths);
        let mut kept = std::mem::take(&mut self.session.beside.kept);
        kept.extend(lifted);
        self.session.beside.kept = reattach(kept, &mut self.document);
    }

    fn found_left_behind(&mut self, found: Vec<LeftBehind>) {
        self.session.left_behind = found;
        self.offer_left_behind();
    }

    fn offer_left_behind(&mut self) {
        let Some(title) = self.session.left_behind_title() else { return };
        let message = UserMessage {
            what: "Lantern did not end as it should.".to_owned(),
            advice: format!("{title} can be restored."),
            detail: String::new(),
        };
        let choices = vec![
            ("Restore", Command::File(FileCommand::RestoreAutosave)),
            ("Discard", Command::File(FileCommand::DiscardAutosave)),
        ];
        self.panels.notices.push_with_choices(Severity::Warning, message, choices);
    }

    fn restore_left_behind(&mut self) {
        if self.has_unsaved_drawings() {
            let message = UserMessage {
                what: "There are measurements that no session holds.".to_owned(),
                advice: "Save the session, then restore; nothing is lost until then.".to_owned(),
                detail: String::new(),
            };
            self.panels.notices.push(Severity::Warning, message);
            return self.offer_left_behind();
        }
        if self.session.left_behind.is_empty() {
            return;
        }
        let left_behind = self.session.left_behind.remove(0);
        let session = Box::new(left_behind.session.clone());
        self.begin_restoring(session, Origin::LeftBehind(Box::new(left_behind)));
    }
}

fn session_failure(path: &Path, error: &SessionError) -> UserMessage {
    let name = file_name(path);
    let (what, advice) = match error {
        SessionError::Write { .. } | SessionError::Encode { .. } => (
            format!("The session could not be saved as “{name}”."),
            "Choose another folder. What is open stays open.",
        ),
        SessionError::Exists { .. } => {
            (format!("“{name}” exists already."), "It was left as it is; choose another name.")
        }
        SessionError::Newer { .. } => (
            format!("“{name}” was saved by a newer version of Lantern."),
            "Open it with that version, or update this one.",
        ),
        SessionError::NotASession { .. } | SessionError::OtherFormat { .. } => {
            (format!("“{name}” is not a session of Lantern."), "Choose a file that ends in .lantern.")
        }
        SessionError::Damaged { .. } | SessionError::TooLarge { .. } => (
            format!("The session “{name}” is damaged."),
            "Nothing of it was opened, and what was open stays open.",
        ),
        SessionError::Read { .. } => {
            (format!("“{name}” could not be read."), "Check the path, and whether you may read it.")
        }
    };
    UserMessage { what, advice: advice.to_owned(), detail: chain(error) }
}

/// Last part of a path, for people.
pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
}
