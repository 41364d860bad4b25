//! The end of an operator's log: bounded, as lines that a window can show.

use std::collections::VecDeque;
use std::time::Duration;

use platform_client::id::JobId;
use platform_client::logs::{LogEnd, LogQuery, LogStart};
use platform_client::{Client, ClientError};
use tokio::time::Instant;

/// Bytes before the end where reading begins, and that are kept.
const TAIL_BYTES: usize = 128 << 10;
/// Lines that are kept.
const MAX_LINES: usize = 2000;
/// Letters of a line that are shown.
const MAX_LETTERS: usize = 500;
/// A log that grows fast is shown this often.
const INTERVAL: Duration = Duration::from_millis(150);

/// A log, as far as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct LogView {
    /// The job.
    pub job: JobId,
    /// Its operator.
    pub operator: String,
    /// Latest last; no control characters.
    pub lines: Vec<String>,
    /// Whether something before them is left out.
    pub is_cut: bool,
    /// Whether more may come.
    pub is_growing: bool,
    /// Why reading ended early.
    pub problem: Option<String>,
}

impl LogView {
    /// Nothing read yet.
    pub(super) fn new(job: JobId, operator: String) -> Self {
        Self { job, operator, lines: Vec::new(), is_cut: false, is_growing: true, problem: None }
    }
}

/// Bytes to lines. Keeps the last of them.
#[derive(Debug, Default)]
struct Tail {
    lines: VecDeque<String>,
    /// Bytes after the last end of a line.
    rest: Vec<u8>,
    bytes: usize,
    is_cut: bool,
}

impl Tail {
    fn push(&mut self, data: &[u8]) {
        for part in data.split_inclusive(|byte| *byte == b'\n') {
            // What is too long to show need not be kept.
            let room = (MAX_LETTERS * 4 + 1).saturating_sub(self.rest.len());
            self.rest.extend(part.iter().take(room));
            if part.ends_with(b"\n") {
                let line = shown(&self.rest);
                self.rest.clear();
                self.bytes += line.len();
                self.lines.push_back(line);
            }
            while self.lines.len() > MAX_LINES || self.bytes > TAIL_BYTES {
                let Some(line) = self.lines.pop_front() else { break };
                self.bytes -= line.len();
                self.is_cut = true;
            }
        }
    }

    fn lines(&self) -> Vec<String> {
        let rest = (!self.rest.is_empty()).then(|| shown(&self.rest));
        self.lines.iter().cloned().chain(rest).collect()
    }
}

/// A line as text: commands to terminals are left out, what is no text shows as such.
fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::new();
    let mut letters = text.trim_end_matches(['\n', '\r']).chars().peekable();
    let mut count = 0;
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' {
            // `ESC [ parameters letter`; anything else loses the ESC only.
            if letters.next_if_eq(&'[').is_some() {
                while letters.next_if(|c| !c.is_ascii_alphabetic()).is_some() {}
                letters.next();
            }
            continue;
        }
        if count == MAX_LETTERS {
            out.push('…');
            break;
        }
        count += 1;
        match letter {
            '\t' => out.push_str("    "),
            letter if letter.is_control() || is_direction(letter) => out.push('·'),
            letter => out.push(letter),
        }
    }
    out
}

/// Marks that make text run the other way.
fn is_direction(letter: char) -> bool {
    matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Reads a log to its end and on as it grows; `show` gets it now and then, and at the end.
pub(super) async fn follow(client: Client, mut view: LogView, mut show: impl FnMut(LogView)) {
    let mut tail = Tail::default();
    let result = read(&client, &mut view, &mut tail, &mut show).await;
    view.is_growing = false;
    if let Err(error) = result {
        view.problem = Some(error.to_string());
    }
    view.lines = tail.lines();
    view.is_cut |= tail.is_cut;
    show(view);
}

async fn read(
    client: &Client,
    view: &mut LogView,
    tail: &mut Tail,
    show: &mut impl FnMut(LogView),
) -> Result<(), ClientError> {
    let query = LogQuery {
        job_id: view.job,
        operator: view.operator.clone(),
        start: LogStart::Tail(TAIL_BYTES as u64),
        follow: true,
    };
    let mut log = client.logs().read(query).await?;
    let mut due = Instant::now();
    let mut is_dirty = true;
    let mut is_first = true;
    loop {
        tokio::select! {
            chunk = log.next() => match chunk? {
                Some(chunk) => {
                    view.is_cut |= std::mem::take(&mut is_first) && chunk.offset > 0;
                    tail.push(&chunk.data);
                    is_dirty = true;
                }
                None if log.end() == Some(LogEnd::Deleted) => {
                    view.problem = Some("the log was deleted".to_owned());
                    return Ok(());
                }
                None => return Ok(()),
            },
            () = tokio::time::sleep_until(due), if is_dirty => {
                view.lines = tail.lines();
                view.is_cut |= tail.is_cut;
                show(view.clone());
                (is_dirty, due) = (false, Instant::now() + INTERVAL);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_however_they_arrive() {
        let mut tail = Tail::default();
        for data in ["one\ntw", "o\r\n", "thr"] {
            tail.push(data.as_bytes());
        }
        assert_eq!(tail.lines(), ["one", "two", "thr"]);
        assert!(!tail.is_cut);
    }

    #[test]
    fn memory_is_bounded_by_lines_bytes_and_letters() {
        let mut tail = Tail::default();
        tail.push("x\n".repeat(3 * MAX_LINES).as_bytes());
        assert_eq!(tail.lines.len(), MAX_LINES);
        assert!(tail.is_cut);
        tail.push(&vec![b'y'; 10 << 20]);
        assert!(tail.rest.len() <= MAX_LETTERS * 4 + 1);
        tail.push(b"\nend\n");
        let lines = tail.lines();
        let long = &lines[lines.len() - 2];
        assert_eq!(long.chars().count(), MAX_LETTERS + 1);
        assert!(long.ends_with('…'));
        for _ in 0..MAX_LINES {
            tail.push(format!("{}\n", "z".repeat(400)).as_bytes());
        }
        assert!(tail.bytes <= TAIL_BYTES);
    }

    #[test]
    fn windows_are_commanded_by_no_log() {
        assert_eq!(shown(b"\x1b[31mred\x1b[0m \x07 a\tb \xff"), "red · a    b \u{fffd}");
        assert_eq!(shown("abc\u{202e}def".as_bytes()), "abc·def");
        assert_eq!(shown(b"\x1b[31"), "");
    }
}
