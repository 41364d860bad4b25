//! `lantern tags`: every attribute of a DICOM object; search, one frame, two objects side by side.

use std::path::{Path, PathBuf};

use imaging::formats::dicom::attributes::{
    self, Attributes, Comparison, Difference, Row, RowKind, Search, State,
};
use serde::Serialize;

use super::{UsageError, output};

/// Letters of a value that are printed for people.
const SHOWN_LETTERS: usize = 200;

/// List the attributes of a DICOM file: file header and data set, with nested sequences
///
/// Long values are shortened, binary ones told by length and first bytes. What is printed may identify the patient.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// A DICOM file
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Only attributes with this tag (`0010,0010`, `00100010`, `60xx3000`), or with this text in keyword, name,
    /// private creator or value
    #[arg(long, value_name = "TEXT")]
    search: Option<String>,

    /// Of the functional groups of a multi-frame object only those of this frame, counted from 1
    #[arg(long, value_name = "N")]
    frame: Option<usize>,

    /// Print what is different in another DICOM file
    #[arg(long, value_name = "FILE2", conflicts_with_all = ["search", "frame"])]
    compare: Option<PathBuf>,

    /// Print JSON (the contract is docs/schema/tags.schema.json)
    #[arg(long)]
    json: bool,
}

/// The JSON document.
#[derive(Debug, Serialize)]
struct Document<'a> {
    file: String,
    transfer_syntax: &'a str,
    /// Frames with functional groups of their own.
    frames: usize,
    warnings: &'a [String],
    /// Without `--compare`.
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<Vec<RowDocument<'a>>>,
    /// With `--compare`.
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<ComparisonDocument<'a>>,
}

#[derive(Debug, Serialize)]
struct RowDocument<'a> {
    kind: &'static str,
    depth: usize,
    tag: String,
    vr: &'a str,
    keyword: Option<&'static str>,
    private_creator: Option<&'a str>,
    path: String,
    /// Number of an item.
    item: Option<usize>,
    value: &'a str,
    multiplicity: usize,
    bytes: u64,
    shortened: bool,
}

#[derive(Debug, Serialize)]
struct ComparisonDocument<'a> {
    file: String,
    warnings: &'a [String],
    same: usize,
    changed: usize,
    only_left: usize,
    only_right: usize,
    /// Everything that is not the same.
    differences: Vec<DifferenceDocument<'a>>,
}

#[derive(Debug, Serialize)]
struct DifferenceDocument<'a> {
    state: &'static str,
    left: Option<RowDocument<'a>>,
    right: Option<RowDocument<'a>>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let left = attributes::read_file(&arguments.file)?;
    warn(&left);
    match &arguments.compare {
        Some(other) => compare(arguments, &left, other),
        None => list(arguments, &left),
    }
}

fn warn(attributes: &Attributes) {
    attributes.warnings().iter().for_each(|warning| output::note(warning));
}

fn list(arguments: &Arguments, attributes: &Attributes) -> anyhow::Result<()> {
    let wanted = wanted(arguments, attributes)?;
    if arguments.json {
        let mut wanted = wanted.into_iter().peekable();
        let rows = attributes.rows().iter().zip(attributes.paths()).enumerate();
        let rows = rows.filter(|(at, _)| wanted.next_if_eq(at).is_some());
        let rows = rows.map(|(_, (row, path))| row_document(row, path)).collect();
        return output::json(&document(arguments, attributes, Some(rows), None));
    }
    let rows = wanted.into_iter().filter_map(|at| Some((at, attributes.rows().get(at)?)));
    let lines: Vec<String> = if arguments.search.is_some() {
        rows.map(|(at, row)| found_line(row, &attributes.path(at))).collect()
    } else {
        rows.map(|(_, row)| format!("{:indent$}{}", "", row.line_with(SHOWN_LETTERS), indent = row.depth * 2))
            .collect()
    };
    if lines.is_empty() {
        output::note("no attribute fits");
        return Ok(());
    }
    output::text(&lines.join("\n"))
}

/// The rows to show, in order.
fn wanted(arguments: &Arguments, attributes: &Attributes) -> anyhow::Result<Vec<usize>> {
    let mut wanted = match arguments.frame {
        None => (0..attributes.rows().len()).collect(),
        Some(number) => {
            // An object without functional groups has one set of attributes for all of its frames.
            let count = attributes.frame_count().max(1);
            if !(1..=count).contains(&number) {
                let reason = format!("no frame {number}: the file has functional groups for {count}");
                return Err(UsageError(reason).into());
            }
            attributes.rows_of_frame(number)
        }
    };
    if let Some(text) = &arguments.search {
        let search = Search::new(text);
        wanted.retain(|&at| attributes.rows().get(at).is_some_and(|row| search.matches(row)));
    }
    Ok(wanted)
}

fn compare(arguments: &Arguments, left: &Attributes, other: &Path) -> anyhow::Result<()> {
    let right = attributes::read_file(other)?;
    warn(&right);
    let comparison = attributes::compare(left, &right)?;
    if arguments.json {
        let paths = [left.paths().collect(), right.paths().collect()];
        let comparison = comparison_document(other, left, &right, &comparison, &paths);
        return output::json(&document(arguments, left, None, Some(comparison)));
    }
    let lines: Vec<String> = comparison
        .differences
        .iter()
        .filter_map(|difference| difference_line(difference, left, &right))
        .chain([format!(
            "{} same, {} changed, {} only in the first, {} only in the second",
            comparison.count(State::Same),
            comparison.count(State::Changed),
            comparison.count(State::OnlyLeft),
            comparison.count(State::OnlyRight)
        )])
        .collect();
    output::text(&lines.join("\n"))
}

/// `~` changed, `-` only in the first, `+` only in the second; what encloses a change is not told.
fn difference_line(difference: &Difference, left: &Attributes, right: &Attributes) -> Option<String> {
    let row = |attributes: &Attributes, at: Option<usize>| {
        let at = at?;
        let row = attributes.rows().get(at)?;
        Some((row.kind, found_line(row, &attributes.path(at)), row.short_text(SHOWN_LETTERS)))
    };
    match difference.state {
        State::Same => None,
        State::OnlyLeft => row(left, difference.left).map(|(_, line, _)| format!("- {line}")),
        State::OnlyRight => row(right, difference.right).map(|(_, line, _)| format!("+ {line}")),
        State::Changed => {
            let (kind, line, _) = row(left, difference.left)?;
            let (_, _, value) = row(right, difference.right)?;
            (kind == RowKind::Element).then(|| format!("~ {line} → {value}"))
        }
    }
}

fn found_line(row: &Row, path: &str) -> String {
    let value = row.short_text(SHOWN_LETTERS);
    match row.kind {
        RowKind::Item(_) => path.to_owned(),
        RowKind::Sequence => format!("{} SQ {path} ({value})", row.tag_text()),
        RowKind::Element => format!("{} {} {path} = {value}", row.tag_text(), row.vr_text()),
    }
}

fn document<'a>(
    arguments: &Arguments,
    attributes: &'a Attributes,
    rows: Option<Vec<RowDocument<'a>>>,
    comparison: Option<ComparisonDocument<'a>>,
) -> Document<'a> {
    Document {
        file: arguments.file.display().to_string(),
        transfer_syntax: attributes.transfer_syntax(),
        frames: attributes.frame_count(),
        warnings: attributes.warnings(),
        rows,
        comparison,
    }
}

fn row_document(row: &Row, path: String) -> RowDocument<'_> {
    let (kind, item) = match row.kind {
        RowKind::Element => ("element", None),
        RowKind::Sequence => ("sequence", None),
        RowKind::Item(number) => ("item", Some(number)),
    };
    RowDocument {
        kind,
        depth: row.depth,
        tag: attributes::tag_text(row.tag),
        vr: row.vr_text(),
        keyword: row.keyword(),
        private_creator: row.private_creator.as_deref(),
        path,
        item,
        value: &row.text,
        multiplicity: row.multiplicity,
        bytes: row.bytes,
        shortened: row.is_shortened,
    }
}

fn comparison_document<'a>(
    other: &Path,
    left: &'a Attributes,
    right: &'a Attributes,
    comparison: &Comparison,
    [left_paths, right_paths]: &[Vec<String>; 2],
) -> ComparisonDocument<'a> {
    let row = |attributes: &'a Attributes, paths: &[String], at: Option<usize>| {
        let at = at?;
        Some(row_document(attributes.rows().get(at)?, paths.get(at).cloned().unwrap_or_default()))
    };
    let name = |state: State| match state {
        State::Same => "same",
        State::Changed => "changed",
        State::OnlyLeft => "only_left",
        State::OnlyRight => "only_right",
    };
    let different = comparison.differences.iter().filter(|difference| difference.state != State::Same);
    let differences = different.map(|difference| DifferenceDocument {
        state: name(difference.state),
        left: row(left, left_paths, difference.left),
        right: row(right, right_paths, difference.right),
    });
    ComparisonDocument {
        file: other.display().to_string(),
        warnings: right.warnings(),
        same: comparison.count(State::Same),
        changed: comparison.count(State::Changed),
        only_left: comparison.count(State::OnlyLeft),
        only_right: comparison.count(State::OnlyRight),
        differences: differences.collect(),
    }
}
