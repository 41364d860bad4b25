//! The desktop's own file dialogs, on a thread of their own.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{Message, Outbox, spawn};
use crate::command::{FilePurpose, NamedFile};
use crate::session::EXTENSION;

/// What came of a dialog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Picked {
    /// Paths to open.
    Paths(Vec<PathBuf>),
    /// A file for a purpose; the desktop asked before one that exists is replaced.
    Named(NamedFile),
    /// Closed by the user.
    Cancelled,
    /// The desktop has no dialog to offer; ask inside the window. For which purpose, unless it is opening images.
    Unavailable(Option<FilePurpose>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    Files,
}

/// No person closes a dialog faster than this: an answer that comes sooner means that there was none.
const FASTEST_PERSON: Duration = Duration::from_millis(350);

pub(super) fn pick(kind: Kind, outbox: Outbox) {
    spawn("file dialog", move || {
        let started = Instant::now();
        let dialog = rfd::FileDialog::new().set_title("Open images");
        let paths = match kind {
            Kind::Folder => dialog.pick_folder().map(|p| vec![p]),
            Kind::Files => dialog.pick_files(),
        };
        let picked = match paths {
            Some(paths) if !paths.is_empty() => Picked::Paths(paths),
            _ => none_picked(started, None),
        };
        outbox.send(Message::Picked(picked));
    });
}

fn none_picked(started: Instant, purpose: Option<FilePurpose>) -> Picked {
    if started.elapsed() < FASTEST_PERSON { Picked::Unavailable(purpose) } else { Picked::Cancelled }
}

/// Lets the user name a file for a purpose.
pub(super) fn name(purpose: FilePurpose, outbox: Outbox) {
    spawn("file dialog", move || {
        let started = Instant::now();
        let dialog = rfd::FileDialog::new().set_title(purpose.title());
        let named = match purpose {
            FilePurpose::SaveSession => dialog
                .add_filter("Session", &[EXTENSION])
                .set_file_name(format!("session.{EXTENSION}"))
                .save_file(),
            FilePurpose::OpenSession => dialog.add_filter("Session", &[EXTENSION]).pick_file(),
            FilePurpose::ExportMeasurements => dialog
                .add_filter("JSON, CSV or DICOM SR", &["json", "csv", "dcm"])
                .set_file_name("measurements.json")
                .save_file(),
            FilePurpose::ImportMeasurements => dialog
                .add_filter("JSON or DICOM SR", &["json", "dcm"])
                .add_filter("All files", &["*"])
                .pick_file(),
        };
        let picked = match named {
            Some(path) => Picked::Named(NamedFile { purpose, path, may_replace: true }),
            None => none_picked(started, Some(purpose)),
        };
        outbox.send(Message::Picked(picked));
    });
}

impl FilePurpose {
    /// Heading of its dialogs.
    pub fn title(self) -> &'static str {
        match self {
            Self::SaveSession => "Save session",
            Self::OpenSession => "Open session",
            Self::ExportMeasurements => "Export measurements",
            Self::ImportMeasurements => "Import measurements",
        }
    }

    /// What to type where there is no dialog.
    pub fn hint(self) -> &'static str {
        match self {
            Self::SaveSession => "Path of the session file, then Enter",
            Self::OpenSession => "Path of a .lantern file, then Enter",
            Self::ExportMeasurements => "Path ending in .json, .csv or .dcm, then Enter",
            Self::ImportMeasurements => "Path of a .json or .dcm file, then Enter",
        }
    }
}
