//! A line that tells how far a transfer is: on a terminal only.

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use platform_client::payloads::TransferProgress;
use tokio::task::JoinHandle;

use super::show::mib;

const EVERY: Duration = Duration::from_millis(100);

/// Shows the progress until it is dropped, which clears the line.
#[derive(Debug)]
pub(super) struct Bar {
    task: Option<JoinHandle<()>>,
}

impl Bar {
    pub(super) fn show(what: &'static str, progress: &Arc<TransferProgress>) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { task: None };
        }
        let progress = progress.clone();
        let started = Instant::now();
        let task = tokio::spawn(async move {
            loop {
                tokio::time::sleep(EVERY).await;
                // Nothing sensible can be done if stderr is gone.
                let _ = write!(std::io::stderr(), "\r\x1b[K{}", line(what, &progress, started.elapsed()));
            }
        });
        Self { task: Some(task) }
    }
}

fn line(what: &str, progress: &TransferProgress, elapsed: Duration) -> String {
    let ((files, all_files), (bytes, all_bytes)) = (progress.files(), progress.bytes());
    let percent = (bytes * 100).checked_div(all_bytes).unwrap_or(100).min(100);
    let rate = bytes as f64 / elapsed.as_secs_f64().max(0.001);
    let filled = usize::try_from(percent / 5).unwrap_or_default();
    let bar = format!("{:<20}", "#".repeat(filled));
    let rate = mib(rate as u64);
    format!(
        "{what} [{bar}] {percent:>3} %  {files}/{all_files} files  {} of {}  {rate}/s",
        mib(bytes),
        mib(all_bytes)
    )
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
