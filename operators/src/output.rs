//! Files that appear under their own name when they are whole.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use crate::OperatorError;

/// Writes `name` in `folder`: first under another name, then, on disk and whole, under its own.
///
/// # Errors
/// [`OperatorError::Write`]; the unfinished file is taken away.
pub fn write_file(
    folder: &Path,
    name: &str,
    write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>,
) -> Result<(), OperatorError> {
    let path = folder.join(name);
    fs::create_dir_all(folder).map_err(OperatorError::write(folder))?;
    let unfinished = folder.join(format!(".{name}.unfinished"));
    let written = File::create(&unfinished).and_then(|file| {
        let mut out = BufWriter::with_capacity(1 << 20, file);
        write(&mut out)?;
        out.into_inner().map_err(|error| error.into_error())?.sync_all()?;
        fs::rename(&unfinished, &path)
    });
    written.map_err(|error| {
        // The first error is the one to tell; a file that cannot be removed is hidden and replaced next time.
        let _ = fs::remove_file(&unfinished);
        OperatorError::write(path)(error)
    })
}
