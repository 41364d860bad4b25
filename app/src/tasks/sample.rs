//! Where the sample study lies.

use std::path::{Path, PathBuf};

use super::{Message, Outbox, spawn};

/// The bundled sample study: beside an installed program, or in the workspace it was built from.
///
/// Touches the disk; call from a worker.
pub fn sample_study() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let installed = [Path::new("../share/lantern/sample"), Path::new("sample")];
    let beside =
        program.parent().into_iter().flat_map(|dir| installed.iter().map(move |rest| dir.join(rest)));
    let workspace = program.ancestors().map(|dir| dir.join("assets/sample"));
    let found =
        beside.chain([PathBuf::from("/usr/share/lantern/sample")]).chain(workspace).find(|p| p.is_dir());
    found.map(|p| p.canonicalize().unwrap_or(p))
}

pub(super) fn start(outbox: Outbox) {
    spawn("sample", move || outbox.send(Message::SampleFound(sample_study())));
}
