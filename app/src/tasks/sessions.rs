//! Sessions and measurements on their way to files and back.

use std::path::PathBuf;

use super::{Message, Outbox, Tasks, spawn};
use crate::session::autosave::{self, LeftBehind};
use crate::session::exchange::{self, ExchangeError, ExportOrder, Exported, Imported, SeriesHandle};
use crate::session::wire::SavedSession;
use crate::session::{self, Replace, SessionError};

/// What became of it.
#[derive(Debug)]
#[expect(missing_docs, reason = "the fields are the results of the named work")]
pub enum FileNews {
    SessionSaved { path: PathBuf, revision: u64, result: Result<(), SessionError> },
    SessionRead { path: PathBuf, result: Result<Box<SavedSession>, SessionError> },
    Exported { path: PathBuf, result: Result<Exported, ExchangeError> },
    Imported { path: PathBuf, result: Result<Imported, ExchangeError> },
    LeftBehind(Vec<LeftBehind>),
}

impl Tasks {
    /// Writes a session; `revision` comes back with the news.
    pub fn save_session(&mut self, session: SavedSession, path: PathBuf, replace: Replace, revision: u64) {
        self.with_file("session", move || {
            let result =
                session::to_bytes(&session).and_then(|bytes| session::write_whole(&path, &bytes, replace));
            FileNews::SessionSaved { path, revision, result }
        });
    }

    /// Reads a session.
    pub fn read_session(&mut self, path: PathBuf) {
        self.with_file("session", move || {
            let result = session::read(&path).map(Box::new);
            FileNews::SessionRead { path, result }
        });
    }

    /// Measures and writes.
    pub fn export(&mut self, order: ExportOrder, path: PathBuf) {
        self.with_file("export", move || {
            let result = exchange::export(&order, &path);
            FileNews::Exported { path, result }
        });
    }

    /// Reads measurements.
    pub fn import(&mut self, series: Vec<SeriesHandle>, path: PathBuf) {
        self.with_file("import", move || {
            let result = exchange::import(&series, &path);
            FileNews::Imported { path, result }
        });
    }

    /// Looks for what processes that were killed left behind.
    pub fn find_left_behind(&mut self, folder: PathBuf) {
        self.with_file("autosave", move || FileNews::LeftBehind(autosave::find(&folder)));
    }

    /// Takes it away for good.
    pub fn discard(&self, left_behind: Vec<LeftBehind>) {
        spawn("autosave", move || left_behind.into_iter().for_each(LeftBehind::discard));
    }

    fn with_file(&mut self, name: &str, work: impl FnOnce() -> FileNews + Send + 'static) {
        self.files_in_progress += 1;
        let outbox: Outbox = self.outbox();
        spawn(name, move || outbox.send(Message::File(Box::new(work()))));
    }
}
