//! Sessions: everything that is open and how it is looked at, as a file that finds the studies again.
//!
//! | room | what happens there |
//! |---|---|
//! | [`wire`] | the document as it is written; contract in `docs/schema/session.schema.json` |
//! | [`checks`] | what is taken from a file and what is refused |
//! | [`capture`], [`restore`] | from the [`Document`](crate::document::Document) and back |
//! | [`autosave`] | the copy that outlives a process that was killed |
//! | [`exchange`] | measurements out of the window and into it |
//!
//! A session names studies by path and UID and holds no voxels and no patient. What belongs to a series that cannot be
//! found any more is kept ([`restore::Kept`]) and written again. The file is replaced as a whole: a reader finds the
//! old one or the new one, never half of one.

pub mod autosave;
pub mod capture;
pub mod checks;
pub mod exchange;
pub mod restore;
pub mod wire;

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use wire::{FORMAT, Head, SavedSession, VERSION};

/// How names of session files end.
pub const EXTENSION: &str = "lantern";

/// Larger files are no sessions.
const MAX_BYTES: u64 = 64 << 20;

/// Why a session cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum SessionError {
    #[error("cannot read `{}`", .path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("cannot write `{}`", .path.display())]
    Write { path: PathBuf, source: std::io::Error },
    #[error("`{}` exists already", .path.display())]
    Exists { path: PathBuf },
    #[error("a session of {found} bytes is larger than {MAX_BYTES}")]
    TooLarge { found: u64 },
    #[error("not a session")]
    NotASession { source: serde_json::Error },
    #[error("a document of format `{found}`, not a session")]
    OtherFormat { found: String },
    #[error("version {found} of the format is newer than this program")]
    Newer { found: u32 },
    #[error("the session is damaged: {what}")]
    Damaged { what: String },
    #[error("the session cannot be encoded")]
    Encode { source: serde_json::Error },
}

/// Whether a path is that of a session, by its name.
pub fn is_session(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case(EXTENSION))
}

/// A session from the bytes of a file. Fields that are not known are passed over.
///
/// # Errors
/// [`SessionError`]; nothing is taken from a document that is damaged.
pub fn from_bytes(bytes: &[u8]) -> Result<SavedSession, SessionError> {
    let head: Head = serde_json::from_slice(bytes).map_err(|source| SessionError::NotASession { source })?;
    if head.format != FORMAT {
        return Err(SessionError::OtherFormat { found: head.format.chars().take(64).collect() });
    }
    if head.version > VERSION {
        return Err(SessionError::Newer { found: head.version });
    }
    let session: SavedSession =
        serde_json::from_slice(bytes).map_err(|source| SessionError::Damaged { what: source.to_string() })?;
    checks::check(&session)?;
    Ok(session)
}

/// The bytes of a session's file. They are read back before they are given out, so that no file is written that would
/// be refused later.
///
/// # Errors
/// [`SessionError`] for what cannot be written or would not be read.
pub fn to_bytes(session: &SavedSession) -> Result<Vec<u8>, SessionError> {
    let mut bytes = serde_json::to_vec(session).map_err(|source| SessionError::Encode { source })?;
    bytes.push(b'\n');
    if bytes.len() as u64 > MAX_BYTES {
        return Err(SessionError::TooLarge { found: bytes.len() as u64 });
    }
    from_bytes(&bytes)?;
    Ok(bytes)
}

/// Reads a session's file. Blocks on disk; call from a worker.
///
/// # Errors
/// [`SessionError`].
pub fn read(path: &Path) -> Result<SavedSession, SessionError> {
    from_bytes(&read_bounded(path, MAX_BYTES)?)
}

/// All bytes of a file that has at most so many.
///
/// # Errors
/// [`SessionError::Read`], [`SessionError::TooLarge`].
pub fn read_bounded(path: &Path, most: u64) -> Result<Vec<u8>, SessionError> {
    let cannot = |source| SessionError::Read { path: path.to_path_buf(), source };
    let file = File::open(path).map_err(cannot)?;
    let found = file.metadata().map_err(cannot)?.len();
    if found > most {
        return Err(SessionError::TooLarge { found });
    }
    let mut bytes = Vec::new();
    // It may grow while it is read.
    file.take(most + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > most {
        return Err(SessionError::TooLarge { found: bytes.len() as u64 });
    }
    Ok(bytes)
}

/// Whether a file that is there already may be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace {
    /// Somebody said so.
    Yes,
    /// Nobody was asked.
    No,
}

/// Writes a file as a whole: beside its place first, onto the disk, then under its name. Blocks on disk.
///
/// # Errors
/// [`SessionError::Write`], and [`SessionError::Exists`] where it may not replace what is there.
pub fn write_whole(path: &Path, bytes: &[u8], replace: Replace) -> Result<(), SessionError> {
    let cannot = |source| SessionError::Write { path: path.to_path_buf(), source };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".lantern-").tempfile_in(folder).map_err(cannot)?;
    file.write_all(bytes).map_err(cannot)?;
    file.as_file().sync_all().map_err(cannot)?;
    match replace {
        Replace::Yes => drop(file.persist(path).map_err(|error| cannot(error.error))?),
        Replace::No => match file.persist_noclobber(path) {
            Ok(_) => {}
            Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {
                return Err(SessionError::Exists { path: path.to_path_buf() });
            }
            Err(error) => return Err(cannot(error.error)),
        },
    }
    sync_folder(folder).map_err(cannot)
}

/// Makes a new name last as long as the file itself.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Folders cannot be opened as files here; the file system keeps names by itself.
#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests;
