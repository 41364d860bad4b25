//! Proves on this very machine that files are read, measured and drawn as they should be.
//!
//! [`run`] makes phantoms, writes them as files, sends them through the loader, the statistics and the render passes
//! of the processor and of the graphics adapter, and holds the results against known answers and against the
//! reference. The answers are computed here from how the phantom was made, never by the code under test.
//!
//! The feature `faults` breaks `imaging` and `render-core` on purpose (see [`imaging::fault`]); the test `faults`
//! proves that every mistake is found by a check that is named for it.
#![warn(missing_docs)]

mod checks;
mod painter;
mod phantoms;
mod report;
mod workplace;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use imaging::ImagingError;
use imaging::source::Progress;
use render_core::cpu::CpuRenderer;
use render_core::gpu::{AdapterChoice, GpuContext, GpuOptions, GpuRenderer};
use render_core::{RenderError, RendererChoice};

use checks::{FILE_CHECKS, PICTURE_CHECKS};
use painter::Painter;
pub use report::{Outcome, Report, Status};
use workplace::Workplace;

/// Why a check could not come to a result; it then counts as failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum SelftestError {
    #[error("cannot write phantoms")]
    Write(#[from] std::io::Error),
    #[error("a phantom cannot be read")]
    Read(#[from] ImagingError),
    #[error("a phantom cannot be drawn")]
    Draw(#[from] RenderError),
    #[error("{0}")]
    Unexpected(String),
}

impl SelftestError {
    fn unexpected(what: impl Into<String>) -> Self {
        Self::Unexpected(what.into())
    }
}

/// What a check found: how far the worst result was off, and how far it may be.
#[derive(Debug, Clone, Copy)]
struct Measured {
    deviation: f64,
    limit: f64,
    unit: &'static str,
}

impl Measured {
    /// NaN fails, as it is not below any limit.
    fn is_passed(&self) -> bool {
        self.deviation <= self.limit
    }
}

/// Runs all checks; `each` hears of every outcome as it comes. Progress counts checks.
///
/// `choice` says what to draw on: `Auto` the processor and, where there is one, the graphics adapter (a software
/// adapter if there is no other), `Gpu` the same but a missing adapter fails, `Cpu` the processor alone.
///
/// Blocks for some seconds; call from a worker.
///
/// # Errors
/// [`ImagingError::Cancelled`] inside [`SelftestError::Read`]; [`SelftestError::Write`] if there is no temporary
/// folder. Whatever else goes wrong is an outcome.
pub fn run(
    choice: RendererChoice,
    progress: &Progress,
    mut each: impl FnMut(&Outcome),
) -> Result<Report, SelftestError> {
    let started = Instant::now();
    let workplace = Workplace::new(progress.clone())?;
    progress.set_total((FILE_CHECKS.len() + 2 * PICTURE_CHECKS.len()) as u64);
    let mut report = Report::default();
    let mut add = |report: &mut Report, outcome: Outcome| {
        each(&outcome);
        report.outcomes.push(outcome);
        progress.advance(1);
    };
    for check in FILE_CHECKS {
        progress.check()?;
        let result = quietly(|| (check.run)(&workplace));
        add(&mut report, Outcome::of(check.name.to_owned(), check.what, result));
    }
    let mut processor = Painter::Processor(CpuRenderer::new());
    let mut graphics = open_graphics(choice, &mut report);
    for (prefix, painter) in [("cpu", Ok(&mut processor)), ("gpu", graphics.as_mut())] {
        let mut painter = painter;
        for check in PICTURE_CHECKS {
            progress.check()?;
            let name = format!("{prefix}/{}", check.name);
            let outcome = match &mut painter {
                Ok(painter) => Outcome::of(name, check.what, quietly(|| (check.run)(&workplace, painter))),
                Err(reason) if choice == RendererChoice::Gpu => {
                    Outcome::of(name, check.what, Err(SelftestError::unexpected(reason.clone())))
                }
                Err(reason) => Outcome::skipped(name, check.what, reason.clone()),
            };
            add(&mut report, outcome);
        }
    }
    report.took = started.elapsed();
    Ok(report)
}

/// The graphics adapter, or why there is none to check.
fn open_graphics(choice: RendererChoice, report: &mut Report) -> Result<Painter, String> {
    if choice == RendererChoice::Cpu {
        return Err("not asked for".to_owned());
    }
    let context = GpuContext::headless(AdapterChoice::Any).map_err(|error| error.to_string())?;
    report.adapter = Some(context.report().clone());
    Ok(Painter::Graphics(Box::new(GpuRenderer::new(context, GpuOptions::default()))))
}

/// A panic is a failed check, not the end of the others.
fn quietly(check: impl FnOnce() -> Result<Measured, SelftestError>) -> Result<Measured, SelftestError> {
    catch_unwind(AssertUnwindSafe(check))
        .unwrap_or_else(|_| Err(SelftestError::unexpected("the program gave up within this check")))
}
