//! Names of jobs: any text of a line.

use std::fmt;
use std::str::FromStr;

/// Longest name, in bytes.
const MAX_BYTES: usize = 1024;

/// A text that is no name of a job. The text itself is left out: it may describe a patient.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum JobNameError {
    #[error("the job's name is empty")]
    Empty,
    #[error("the job's name has {bytes} bytes, more than {MAX_BYTES}")]
    Long { bytes: usize },
    #[error("the job's name holds control characters")]
    Control,
}

/// The name of a job: not blank, no control characters. Need not be unique.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobName(String);

impl JobName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, taken out.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl FromStr for JobName {
    type Err = JobNameError;

    fn from_str(text: &str) -> Result<Self, JobNameError> {
        if text.trim().is_empty() {
            return Err(JobNameError::Empty);
        }
        if text.len() > MAX_BYTES {
            return Err(JobNameError::Long { bytes: text.len() });
        }
        if text.chars().any(char::is_control) {
            return Err(JobNameError::Control);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for JobName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lines_of_text() {
        let check = |text: &str| text.parse::<JobName>().map(JobName::into_string);
        let long = "n".repeat(1024);
        assert_eq!(check(&long), Ok(long.clone()));
        assert_eq!(check("Leber, zweite Aufnahme"), Ok("Leber, zweite Aufnahme".to_owned()));
        assert_eq!(check(&format!("{long}n")), Err(JobNameError::Long { bytes: 1025 }));
        assert_eq!(check(" "), Err(JobNameError::Empty));
        assert_eq!(check("a\nb"), Err(JobNameError::Control));
    }
}
