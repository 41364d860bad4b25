//! Runs one operator by name; see `run_operator --help`.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use operators::OperatorError;
use operators::command::Command;
use operators::operator::{Context, Listener};

/// Progress to standard output, warnings to standard error. Whoever closes them does not want to hear.
struct Lines;

impl Listener for Lines {
    fn progress(&self, line: &str) {
        let _ = writeln!(io::stdout().lock(), "{line}");
    }

    fn warning(&self, line: &str) {
        let _ = writeln!(io::stderr().lock(), "warning: {line}");
    }
}

fn main() -> ExitCode {
    let command = Command::parse();
    let (common, operator) = command.step.parts();
    let context = Context { input: common.input.clone(), output: common.output.clone(), listener: &Lines };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(common.threads).build_global();
    let result = match pool {
        Ok(()) => operator.run(&context).map_err(|error| (code(&error), chain(&error))),
        Err(error) => Err((1, chain(&error))),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, text)) => {
            let _ = writeln!(io::stderr().lock(), "error: {text}");
            ExitCode::from(code)
        }
    }
}

fn code(error: &OperatorError) -> u8 {
    if matches!(error, OperatorError::Parameter { .. }) { 2 } else { 1 }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}
