//! The small program beside each operator: how this program is it, and where else it is found.

use std::path::PathBuf;

use anyhow::Context as _;

/// What makes this program the shim.
pub const VERB: &str = "operator-shim";

/// How to start the shim: a program of its own where it is installed, which starts quicker, else this one.
///
/// # Errors
/// If this program cannot be found, or if its path is no text.
pub fn command() -> anyhow::Result<Vec<String>> {
    let this = std::env::current_exe().context("cannot find this program")?;
    let places = ["lantern-shim", "../libexec/lantern/lantern-shim"].map(|place| this.with_file_name(place));
    let text =
        |path: PathBuf| path.into_os_string().into_string().ok().context("this program's path is no text");
    match places.into_iter().find(|place| place.is_file()) {
        Some(shim) => Ok(vec![text(std::fs::canonicalize(shim)?)?]),
        None => Ok(vec![text(this)?, VERB.to_owned()]),
    }
}
