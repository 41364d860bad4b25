//! `lantern selftest`: proves on this machine that files are read, measured and drawn as they should be.

use imaging::source::Progress;
use selftest::{Outcome, Status};
use serde::Serialize;

use super::RendererArgument;
use super::output::{self, finite};

/// Check on this machine that images are read, measured and drawn correctly, with phantoms made on the spot
///
/// Writes phantoms with known answers into a temporary folder, reads and measures them, draws them on the
/// processor and on the graphics adapter, and compares. Takes some seconds. Ends with 0 if everything passed and
/// with 1 if a check failed.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// What to draw on: auto checks the processor and the adapter if there is one, gpu fails without one
    #[arg(long, value_enum, default_value_t)]
    renderer: RendererArgument,

    /// Print JSON (the contract is docs/schema/selftest.schema.json)
    #[arg(long)]
    json: bool,
}

/// The JSON document.
#[derive(Debug, Serialize)]
struct Document<'a> {
    version: &'static str,
    passed: bool,
    took_secs: f64,
    /// What the `gpu/` checks ran on.
    adapter: Option<AdapterDocument<'a>>,
    checks: Vec<CheckDocument<'a>>,
}

#[derive(Debug, Serialize)]
struct AdapterDocument<'a> {
    name: &'a str,
    backend: &'a str,
    driver: &'a str,
    is_gpu: bool,
}

#[derive(Debug, Serialize)]
struct CheckDocument<'a> {
    name: &'a str,
    what: &'static str,
    status: &'static str,
    measured: Option<f64>,
    limit: Option<f64>,
    unit: Option<&'static str>,
    note: Option<&'a str>,
}

impl<'a> CheckDocument<'a> {
    fn of(outcome: &'a Outcome) -> Self {
        Self {
            name: &outcome.name,
            what: outcome.what,
            status: outcome.status.name(),
            measured: outcome.measured.and_then(finite),
            limit: outcome.limit,
            unit: outcome.limit.is_some().then_some(outcome.unit),
            note: outcome.note.as_deref(),
        }
    }
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let report = selftest::run(arguments.renderer.into(), &Progress::new(), |_| {})?;
    if arguments.json {
        output::json(&Document {
            version: env!("CARGO_PKG_VERSION"),
            passed: report.is_passed(),
            took_secs: report.took.as_secs_f64(),
            adapter: report.adapter.as_ref().map(|a| AdapterDocument {
                name: &a.name,
                backend: &a.backend,
                driver: &a.driver,
                is_gpu: a.is_gpu,
            }),
            checks: report.outcomes.iter().map(CheckDocument::of).collect(),
        })?;
    } else {
        output::text(&report.text())?;
    }
    let failed = report.count(Status::Failed);
    anyhow::ensure!(report.is_passed(), "{failed} of {} checks failed", report.outcomes.len());
    Ok(())
}
