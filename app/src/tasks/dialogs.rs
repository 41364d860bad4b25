//! The desktop's own file dialogs, on a thread of their own.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::{Message, Outbox, spawn};

/// What came of a dialog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Picked {
    /// Paths to open.
    Paths(Vec<PathBuf>),
    /// Closed by the user.
    Cancelled,
    /// The desktop has no dialog to offer; ask inside the window.
    Unavailable,
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
            _ if started.elapsed() < FASTEST_PERSON => Picked::Unavailable,
            _ => Picked::Cancelled,
        };
        outbox.send(Message::Picked(picked));
    });
}
