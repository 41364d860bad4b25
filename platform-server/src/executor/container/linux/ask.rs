//! One call of the engine's program: started, waited for without blocking, and what it answered.
//!
//! What it prints goes to memory that is a file, so that nobody has to read while it works.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, Signal, kill_process};

/// More of an answer than is read.
const MAX_ANSWER_BYTES: u64 = 16 << 20;
/// How much of what it complained of is kept: the last of it, where the reason stands.
const MAX_WORDS_BYTES: usize = 2000;
/// How long a call that was asked to end may take.
const END_PATIENCE: Duration = Duration::from_secs(2);

/// A call that goes on.
pub(in crate::executor) struct Asked {
    child: Child,
    output: File,
    words: File,
}

/// A call that is over.
#[derive(Debug)]
pub(in crate::executor) struct Answer {
    /// `None` if a signal ended it.
    pub(in crate::executor) code: Option<i32>,
    pub(in crate::executor) output: Vec<u8>,
    /// What it said on its error output, or how it ended if it said nothing.
    pub(in crate::executor) words: String,
}

impl Answer {
    pub(in crate::executor) fn is_success(&self) -> bool {
        self.code == Some(0)
    }

    pub(in crate::executor) fn text(&self) -> String {
        String::from_utf8_lossy(&self.output).trim().to_owned()
    }
}

impl Asked {
    pub(in crate::executor) fn start(mut command: Command) -> io::Result<Self> {
        let memory = || memfd_create("answer", MemfdFlags::CLOEXEC).map(File::from);
        let (output, words) = (memory()?, memory()?);
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(words.try_clone()?);
        let child = command.spawn().map_err(|error| {
            let name = command.get_program().to_string_lossy().into_owned();
            io::Error::new(error.kind(), format!("`{name}`: {error}"))
        })?;
        Ok(Self { child, output, words })
    }

    /// The answer, once the call is over.
    pub(in crate::executor) fn try_answer(&mut self) -> io::Result<Option<Answer>> {
        let Some(status) = self.child.try_wait()? else { return Ok(None) };
        let output = read(&mut self.output)?;
        let mut words = String::from_utf8_lossy(&read(&mut self.words)?).trim().to_owned();
        if words.is_empty() && !status.success() {
            words = ending(status);
        }
        let from = words.len().saturating_sub(MAX_WORDS_BYTES);
        let from = (from..=words.len()).find(|&at| words.is_char_boundary(at)).unwrap_or(0);
        Ok(Some(Answer { code: status.code(), output, words: words.split_off(from) }))
    }

    /// Blocks until the answer is there, or ends the call when `patience` is over.
    pub(in crate::executor) fn wait(mut self, patience: Duration) -> io::Result<Answer> {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(answer) = self.try_answer()? {
                return Ok(answer);
            }
            if Instant::now() >= deadline {
                self.end();
                let seconds = patience.as_secs();
                let text = format!("the container engine did not answer within {seconds} seconds");
                return Err(io::Error::new(io::ErrorKind::TimedOut, text));
            }
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends the call, politely if it lets itself be asked. Blocks for a moment.
    pub(in crate::executor) fn end(&mut self) {
        self.ask_to_end();
        let deadline = Instant::now() + END_PATIENCE;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.kill();
        _ = self.child.wait();
    }

    /// Asks the call to end; its answer tells whether it did.
    pub(in crate::executor) fn ask_to_end(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            _ = kill_process(pid, Signal::TERM);
        }
    }

    /// Ends the call at once; its answer tells.
    pub(in crate::executor) fn kill(&mut self) {
        _ = self.child.kill();
    }
}

fn ending(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("it ended with exit code {code}"),
        (None, signal) => format!("signal {} ended it", signal.unwrap_or_default()),
    }
}

fn read(file: &mut File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.take(MAX_ANSWER_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Asked {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        Asked::start(command).unwrap()
    }

    #[test]
    fn answers_and_complaints_are_told_apart() {
        let answer = sh("echo answer; echo first >&2; echo last >&2; exit 3").wait(END_PATIENCE).unwrap();
        assert_eq!((answer.code, answer.text().as_str()), (Some(3), "answer"));
        assert_eq!(answer.words, "first\nlast");
        let silent = sh("kill -KILL $$").wait(END_PATIENCE).unwrap();
        assert_eq!((silent.code, silent.words.as_str()), (None, "signal 9 ended it"));
    }

    #[test]
    fn of_long_complaints_the_last_is_kept() {
        let script = "i=0; while [ $i -lt 3000 ]; do printf 'ä'; i=$((i+1)); done >&2; echo END >&2";
        let answer = sh(script).wait(Duration::from_secs(60)).unwrap();
        assert!(answer.words.len() <= MAX_WORDS_BYTES && answer.words.ends_with("äEND"));
    }

    #[test]
    fn who_does_not_answer_is_ended() {
        let error = sh("trap '' TERM; while :; do sleep 0.1; done").wait(Duration::from_millis(50));
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
