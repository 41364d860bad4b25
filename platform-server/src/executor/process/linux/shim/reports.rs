//! What the operator tells of itself, on its way to the server: the latest state, at most ten times a second.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use lantern_fastio::wire::cut;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::super::run_files::REPORTED;
use crate::executor::fastio::Report;

const PAUSE: Duration = Duration::from_millis(100);
/// A line has to be shorter than what a pipe takes in one piece.
const MAX_TEXT_BYTES: usize = 300;

#[derive(Default)]
pub(super) struct Reports {
    report: Report,
    is_new: bool,
    sent: Option<Instant>,
}

impl Reports {
    pub(super) fn progress(&mut self, fraction: f32, text: &str) {
        self.report.progress = Some(fraction);
        // One line, that commands no terminal.
        let is_plain = |c: char| if c.is_control() { ' ' } else { c };
        self.report.text = cut(text, MAX_TEXT_BYTES).chars().map(is_plain).collect();
        self.is_new = true;
    }

    pub(super) fn ready(&mut self) {
        self.report.is_ready = true;
        self.is_new = true;
    }

    pub(super) fn logged(&mut self) {
        self.report.is_logged = true;
        self.is_new = true;
    }

    /// When there is something to send.
    pub(super) fn due(&self) -> Option<Instant> {
        self.is_new.then(|| self.sent.map_or_else(Instant::now, |sent| sent + PAUSE))
    }

    pub(super) fn send(&mut self, now: Instant) {
        // The first one never waits: its due time is later than any `now` that was taken before.
        if self.is_new && self.sent.is_none_or(|sent| sent + PAUSE <= now) {
            self.flush();
            self.sent = Some(now);
        }
    }

    /// What was not sent yet. A server that does not listen gets the next one.
    pub(super) fn flush(&mut self) {
        if self.is_new && can_take(io::stdout().as_fd()) {
            let Ok(json) = serde_json::to_string(&self.report) else { return };
            // The server may be gone; the next one hears the next report.
            _ = writeln!(io::stdout().lock(), "{REPORTED} {json}");
            _ = io::stdout().lock().flush();
            self.is_new = false;
            self.report.is_logged = false;
        }
    }
}

/// Whether a pipe takes a line without making us wait.
fn can_take(pipe: impl AsFd) -> bool {
    let mut files = [PollFd::new(&pipe, PollFlags::OUT)];
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    let is_asked = poll(&mut files, Some(&now)).is_ok();
    is_asked && files.iter().all(|file| file.revents().contains(PollFlags::OUT))
}
