//! One attempt at one operator: its token, and how it can end.

use std::fmt;
use std::str::FromStr;

use platform_api::id::JobId;

/// Names one attempt at one operator, in all servers and for all time.
///
/// An executor that is asked twice to launch the same token launches once.
/// Written as `<job>-<operator>-<attempt>`, which engines elsewhere accept as a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunToken {
    /// The job.
    pub job: JobId,
    /// The operator's place in the plan.
    pub operator: u32,
    /// Counts from 1.
    pub attempt: u32,
}

impl fmt::Display for RunToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.job, self.operator, self.attempt)
    }
}

/// A text that is no run token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a run token")]
pub struct ParseRunTokenError;

impl FromStr for RunToken {
    type Err = ParseRunTokenError;

    fn from_str(text: &str) -> Result<Self, ParseRunTokenError> {
        let mut parts = text.rsplitn(3, '-');
        let mut next = || parts.next().ok_or(ParseRunTokenError);
        let attempt = next()?.parse().map_err(|_| ParseRunTokenError)?;
        let operator = next()?.parse().map_err(|_| ParseRunTokenError)?;
        let job = next()?.parse().map_err(|_| ParseRunTokenError)?;
        Ok(Self { job, operator, attempt })
    }
}

/// Why an operator is faulted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// It ended with a code that means failure.
    ExitCode(i32),
    /// A signal ended it.
    Signal(i32),
    /// It used more memory than it had asked for.
    OutOfMemory,
    /// Its time was over.
    Timeout,
    /// It ran out of disk, or of its share.
    Disk,
    /// Somebody asked for its end, or another operator of its job failed.
    Canceled,
    /// Nobody knows what became of it.
    Lost,
    /// The executor could not launch it.
    LaunchFailed,
    /// Its job was over before its turn came.
    NeverStarted,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ExitCode(code) => write!(f, "it ended with exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal} ended it"),
            Self::OutOfMemory => f.write_str("it used more memory than it had asked for"),
            Self::Timeout => f.write_str("its time was over"),
            Self::Disk => f.write_str("it ran out of disk space"),
            Self::Canceled => f.write_str("it was asked to end"),
            Self::Lost => f.write_str("it was lost, and how it ended is not known"),
            Self::LaunchFailed => f.write_str("it could not be launched"),
            Self::NeverStarted => f.write_str("the job was over before its turn came"),
        }
    }
}

/// How a run ended, as the executor saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Well.
    Completed,
    /// Not well. [`Fault::Lost`] may be tried again.
    Faulted(Fault),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_what_it_wrote() {
        let token = RunToken { job: JobId::from_bits(0xabc), operator: 7, attempt: 12 };
        assert_eq!(token.to_string(), "00000000000000000000000000000abc-7-12");
        assert_eq!(token.to_string().parse(), Ok(token));
    }

    #[test]
    fn other_texts_are_no_tokens() {
        for text in [
            "",
            "-",
            "--",
            "abc-1-1",
            "00000000000000000000000000000abc-1",
            "é-1-1",
            "00000000000000000000000000000abc-1-99999999999",
        ] {
            assert_eq!(text.parse::<RunToken>(), Err(ParseRunTokenError), "{text}");
        }
    }
}
