//! What every operator gets: its folders, and somewhere to tell what it does.

use std::fmt;
use std::path::PathBuf;

use crate::OperatorError;

/// A step that reads one folder and writes another; its fields are its parameters.
pub trait Operator {
    /// Does the work, or leaves no file under its final name that is not whole.
    ///
    /// # Errors
    /// Any [`OperatorError`].
    fn run(&self, context: &Context<'_>) -> Result<(), OperatorError>;
}

/// Where an operator works and whom it tells.
pub struct Context<'a> {
    /// Read, never written.
    pub input: PathBuf,
    /// Made if it is not there.
    pub output: PathBuf,
    /// Hears of progress and warnings.
    pub listener: &'a dyn Listener,
}

impl fmt::Debug for Context<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("input", &self.input).field("output", &self.output).finish()
    }
}

/// Hears what an operator tells while it works.
pub trait Listener: Sync {
    /// One line on what is done; for people who wait.
    fn progress(&self, line: &str);
    /// Something was done, but a person should know of it.
    fn warning(&self, line: &str);
}
