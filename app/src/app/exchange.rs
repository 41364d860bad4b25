//! The window's part in measurements that come and go: what is exported, what is added, and what is said of both.

use std::collections::BTreeSet;
use std::path::Path;

use super::LanternApp;
use super::session::file_name;
use crate::command::{AnnotationCommand, Command};
use crate::document::{Annotation, Document, SeriesKey, random_seed};
use crate::panels::notices::Severity;
use crate::session::capture::tracking_uids;
use crate::session::exchange::{ExchangeError, ExportOrder, Exported, Imported, counted, handles};
use crate::session::{Replace, SessionError};
use crate::text::{UserMessage, chain};

/// All that is drawn in a document, to be exported.
pub(super) fn order(document: &Document, replace: Replace) -> ExportOrder {
    ExportOrder {
        series: handles(document),
        active: document.active_viewport().series,
        seed: random_seed(),
        author: user_name(),
        replace,
    }
}

impl LanternApp {
    pub(super) fn exported(&mut self, path: &Path, result: Result<Exported, ExchangeError>) {
        let (severity, message) = match result {
            Ok(exported) => (
                if exported.left_out.is_empty() { Severity::Note } else { Severity::Warning },
                UserMessage {
                    what: format!("{} went into “{}”.", counted(exported.count), file_name(path)),
                    advice: left_out_sentence(&exported.left_out),
                    detail: exported.left_out.join("\n"),
                },
            ),
            Err(error) => (Severity::Failure, exchange_failure("Nothing was exported.", &error)),
        };
        self.panels.notices.push(severity, message);
    }

    pub(super) fn imported(&mut self, path: &Path, result: Result<Imported, ExchangeError>) {
        let imported = match result {
            Ok(imported) => imported,
            Err(error) => {
                let message = exchange_failure("Nothing was imported.", &error);
                return self.panels.notices.push(Severity::Failure, message);
            }
        };
        let Imported { annotations, mut left_out, calibrated } = imported;
        let new = new_of(annotations, &self.document, &mut left_out);
        if calibrated > 0 {
            left_out.push(format!(
                "the calibration by hand of {}: lengths are measured without it",
                counted(calibrated)
            ));
        }
        let on: BTreeSet<SeriesKey> = new.iter().map(|annotation| annotation.series).collect();
        let series = if on.len() == 1 { "1 series".to_owned() } else { format!("{} series", on.len()) };
        let message = UserMessage {
            what: match new.len() {
                0 => format!("No measurement of “{}” was added.", file_name(path)),
                count => format!("{} came into {series}.", counted(count)),
            },
            advice: left_out_sentence(&left_out),
            detail: left_out.join("\n"),
        };
        let severity = if left_out.is_empty() { Severity::Note } else { Severity::Warning };
        self.panels.notices.push(severity, message);
        if !new.is_empty() {
            self.send(Command::Annotation(AnnotationCommand::Import(new)));
        }
    }
}

/// Those that are not in the document yet, on series that are still open.
fn new_of(all: Vec<Annotation>, document: &Document, left_out: &mut Vec<String>) -> Vec<Annotation> {
    let mut uids = tracking_uids(&document.workspace);
    let before = all.len();
    let is_new = |annotation: &Annotation| {
        document.series(annotation.series).is_some()
            && annotation.tracking_uid.as_ref().is_none_or(|uid| uids.insert(uid.clone()))
    };
    let new: Vec<Annotation> = all.into_iter().filter(is_new).collect();
    if new.len() < before {
        left_out.push(format!("{} that are there already", counted(before - new.len())));
    }
    new
}

fn left_out_sentence(left_out: &[String]) -> String {
    match left_out {
        [] => String::new(),
        [only] => format!("Left out: {only}."),
        [first, rest @ ..] => format!("Left out: {first}; and {} more, see the details.", rest.len()),
    }
}

fn user_name() -> String {
    ["USER", "USERNAME"].into_iter().find_map(|name| std::env::var(name).ok()).unwrap_or_default()
}

fn exchange_failure(what: &str, error: &ExchangeError) -> UserMessage {
    let advice = match error {
        ExchangeError::Ending { .. } => "End the name in .json, .csv or .dcm.".to_owned(),
        ExchangeError::NotRead { .. } => {
            "Tables cannot be read back; choose a .json or .dcm file.".to_owned()
        }
        ExchangeError::Nothing { reasons } => left_out_sentence(reasons),
        ExchangeError::NoReport => "The file holds no report of measurements.".to_owned(),
        ExchangeError::File(SessionError::Exists { .. }) => {
            "A file of that name exists; choose another one.".to_owned()
        }
        _ => "See the details.".to_owned(),
    };
    UserMessage { what: what.to_owned(), advice, detail: chain(error) }
}
