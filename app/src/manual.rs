//! Keeps `docs/manual.md` true: its tables of keys and options are made from the program itself.

use std::collections::BTreeSet;
use std::fmt::Write;

use clap::CommandFactory;

use crate::command::{Group, KeyMap};
use crate::panels::help::mouse_lines;
use crate::settings::Settings;

fn keys() -> String {
    let keymap = KeyMap::default();
    let mut text = String::new();
    for (group, title) in Group::ALL {
        let bindings: Vec<_> = keymap.bindings().iter().filter(|b| b.action.group() == group).collect();
        if bindings.is_empty() {
            continue;
        }
        let _ = writeln!(text, "| {title} | |\n|---|---|");
        for binding in bindings {
            let _ = writeln!(text, "| {} | {} |", binding.text(), binding.action.title());
        }
        text.push('\n');
    }
    let _ = writeln!(text, "| Mouse | |\n|---|---|");
    for (gesture, effect) in mouse_lines(&Settings::default()) {
        let _ = writeln!(text, "| {gesture} | {effect} |");
    }
    text
}

fn options() -> String {
    let mut text = String::new();
    // Help is wrapped to the terminal's width, so the test fixes it.
    let root = crate::cli::Cli::command().term_width(100);
    add_server_options(&mut text, &root);
    add_help(&mut text, root, "lantern");
    text.trim_end().to_owned() + "\n"
}

/// Options that every verb has that talks to a server: written once, and left out below.
fn add_server_options(text: &mut String, root: &clap::Command) {
    let verb = root.find_subcommand("list").expect("there is such a verb");
    let shared = verb.get_arguments().filter(|arg| is_shared(arg)).cloned();
    let command = clap::Command::new("lantern").disable_help_flag(true).args(shared).term_width(100);
    let help = command.override_usage("lantern VERB [OPTIONS]").render_long_help().to_string();
    let _ = writeln!(text, "### Verbs that talk to a server\n\n```text\n{}\n```\n", trimmed(&help));
}

fn is_shared(argument: &clap::Arg) -> bool {
    argument.get_help_heading() == Some("Server")
}

fn trimmed(help: &str) -> String {
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    lines.join("\n").trim().to_owned()
}

fn add_help(text: &mut String, command: clap::Command, name: &str) {
    let subcommands: Vec<_> = command.get_subcommands().filter(|c| c.get_name() != "help").cloned().collect();
    let talks = command.get_arguments().any(is_shared);
    let command = command.mut_args(|arg| if is_shared(&arg) { arg.hide(true) } else { arg });
    let help = command.bin_name(name).term_width(100).render_long_help().to_string();
    let note = if talks { "Takes the options of verbs that talk to a server.\n\n" } else { "" };
    let _ = writeln!(text, "### `{name}`\n\n{note}```text\n{}\n```\n", trimmed(&help));
    for subcommand in subcommands {
        let full = format!("{name} {}", subcommand.get_name());
        add_help(text, subcommand, &full);
    }
}

fn replaced(manual: &str, marker: &str, content: &str) -> String {
    let start = format!("<!-- {marker} -->\n");
    let at = manual.find(&start).expect("the marker is there") + start.len();
    let end = at + manual[at..].find("<!-- end -->").expect("the end marker is there");
    format!("{}{content}{}", &manual[..at], &manual[end..])
}

#[test]
fn no_option_of_a_verb_hides_among_those_of_all_verbs() {
    let shared = |command: &clap::Command| -> BTreeSet<String> {
        command.get_arguments().filter(|arg| is_shared(arg)).map(|arg| arg.get_id().to_string()).collect()
    };
    let root = crate::cli::Cli::command();
    let listed = shared(root.find_subcommand("list").expect("there is such a verb"));
    let mut waiting = vec![&root];
    while let Some(command) = waiting.pop() {
        let own = shared(command);
        assert!(own.is_subset(&listed), "`{}`: {:?}", command.get_name(), own.difference(&listed));
        waiting.extend(command.get_subcommands());
    }
}

#[test]
fn manual_lists_every_key_and_every_option() {
    let path = test_support::data::workspace_root().join("docs/manual.md");
    let manual = std::fs::read_to_string(&path).unwrap();
    let current = replaced(&replaced(&manual, "keys", &keys()), "options", &options());
    if std::env::var_os("UPDATE_DOCS").is_some_and(|v| v == "1") {
        std::fs::write(&path, current).unwrap();
    } else {
        assert!(
            manual == current,
            "docs/manual.md is out of date; UPDATE_DOCS=1 cargo test -p lantern manual writes it"
        );
    }
}
