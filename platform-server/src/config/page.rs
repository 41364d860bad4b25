//! The reference page of all settings, made from the same table that the reader knows.

use std::fmt::Write;

use super::settings::SETTINGS;

const HEAD: &str = "# Settings of the server

`lantern serve --config FILE` reads these from a TOML file, once, at start.
Every mistake in the file is told at once, with its line and key, and nothing is started.
A setting that is not in the file has its default; what stands on the command line goes before the file.
This page is made from the code; a test compares the two.
";

/// The whole page as Markdown, one table for each section.
pub fn reference_page() -> String {
    let mut page = HEAD.to_owned();
    let mut section = None;
    for setting in SETTINGS {
        let (own, name) = setting.key.split_once('.').unwrap_or(("", setting.key));
        if section != Some(own) {
            section = Some(own);
            let title =
                if own.is_empty() { "## Before all sections".to_owned() } else { format!("## `[{own}]`") };
            let head = "| Key | Value | Default | Example | Meaning |\n|---|---|---|---|---|";
            // Writing into a text cannot fail.
            let _ = write!(page, "\n{title}\n\n{head}\n");
        }
        let (kind, default, doc) = (setting.kind, setting.default, setting.doc);
        let _ = writeln!(page, "| `{name}` | {kind} | {default} | `{}` | {doc} |", setting.example);
    }
    page
}
