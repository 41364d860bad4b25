//! Logs of operators: as lines for the Clara API, by bytes for whoever follows.
//!
//! The executor keeps what operators print; the platform's own log of a job is made of what the repository knows.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use platform_api::code;
use platform_api::header::Refusal;
use platform_api::id::JobId;
use platform_api::job::{JobState, OperatorStatus};
use platform_api::letter_case::fold;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::clock::system_time;
use super::launcher::executor_token;
use super::records::EndRecord;
use super::{Answer, Answers, Platform, WAITING_ANSWERS, jobs};
use crate::executor::log::LogSource;
use crate::executor::{ExecutorError, LogChunk};
use crate::repository::{self, Change};
use crate::scheduler::RunToken;

/// The name under which the platform's own log of a job is read.
pub(crate) const MANAGER: &str = "clara-pod-manager";

/// Bytes of a log that are read at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// A line longer than this is cut: no message could hold it.
const MAX_LINE_BYTES: usize = 64 << 10;

/// How often the end of a followed log is looked at, beside being told of changes of its job.
const LOOK: Duration = Duration::from_millis(100);

/// Lines of a log for `ReadLogs`: at most about 1 MiB in one piece.
pub type LogLines = Vec<String>;

/// Where to begin reading a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStart {
    /// At a byte.
    Offset(u64),
    /// So many bytes before the end, at the start of a line where one is near.
    Tail(u64),
}

/// What to read of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRead {
    /// Where to begin.
    pub start: LogStart,
    /// Whether to go on with what is written later, until the operator has ended.
    pub follow: bool,
    /// End after so many bytes.
    pub max_bytes: Option<u64>,
}

/// Part of a log by bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogPart {
    /// Bytes as the operator wrote them, at most 1 MiB.
    Chunk {
        /// Place of the first byte in the whole log.
        offset: u64,
        /// The bytes.
        data: Bytes,
        /// Lengths that together cover the bytes, with what wrote them (1 stdout, 2 stderr, 3 the platform) and when.
        spans: Vec<(u32, i32, SystemTime)>,
    },
    /// Nothing follows.
    End {
        /// Why: the number of `lantern.platform.v1.LogEndReason`.
        reason: i32,
        /// Where to go on.
        next_offset: u64,
    },
}

/// Numbers of `lantern.platform.v1.LogEndReason`.
mod end_reason {
    pub(super) const COMPLETE: i32 = 1;
    pub(super) const CAUGHT_UP: i32 = 2;
    pub(super) const LIMIT: i32 = 3;
    pub(super) const DELETED: i32 = 4;
}

impl Platform {
    /// The lines of an operator's log that are there now; `clara-pod-manager` is the platform's own log of the job.
    pub fn log_lines(&self, id: JobId, operator: String) -> Answers<LogLines> {
        let (sender, receiver) = mpsc::channel(WAITING_ANSWERS);
        let platform = self.clone();
        tokio::spawn(async move {
            if let Err(refusal) = platform.send_lines(id, &operator, &sender).await {
                // The reader may be gone.
                let _ = sender.send(Err(refusal)).await;
            }
        });
        Box::pin(ReceiverStream::new(receiver))
    }

    /// An operator's log by bytes.
    pub fn read_log(&self, id: JobId, operator: String, read: LogRead) -> Answers<LogPart> {
        let (sender, receiver) = mpsc::channel(WAITING_ANSWERS);
        let platform = self.clone();
        tokio::spawn(async move {
            if let Err(refusal) = platform.send_bytes(id, &operator, read, &sender).await {
                // The reader may be gone.
                let _ = sender.send(Err(refusal)).await;
            }
        });
        Box::pin(ReceiverStream::new(receiver))
    }

    async fn send_lines(
        &self,
        id: JobId,
        operator: &str,
        sender: &mpsc::Sender<Answer<LogLines>>,
    ) -> Answer<()> {
        let Some(log) = self.find_log(id, operator).await? else { return Ok(()) };
        let mut lines = Lines::default();
        let mut from = 0;
        loop {
            let chunk = self.chunk(&log, from).await?;
            if chunk.next == from {
                break;
            }
            from = chunk.next;
            let taken = lines.take(chunk.records.iter().flat_map(|record| &record.bytes).copied());
            if !taken.is_empty() && sender.send(Ok(taken)).await.is_err() {
                return Ok(());
            }
        }
        let last = lines.finish();
        if !last.is_empty() {
            // The reader may be gone.
            let _ = sender.send(Ok(last)).await;
        }
        Ok(())
    }

    async fn send_bytes(
        &self,
        id: JobId,
        operator: &str,
        read: LogRead,
        sender: &mpsc::Sender<Answer<LogPart>>,
    ) -> Answer<()> {
        let mut changes = self.inner.events.last();
        let mut reader = Reader::new(read);
        loop {
            // Before reading: what is written by then is read below.
            let is_over = self.is_log_over(id, operator).await?;
            let found = self.find_log(id, operator).await?;
            let is_deleted = matches!(found, Some(Log::Deleted));
            if let Some(log) = found.filter(|_| !is_deleted) {
                if let LogStart::Tail(bytes) = read.start
                    && !reader.is_placed
                {
                    let whole = self.count(&log).await?;
                    reader.place(whole.saturating_sub(bytes));
                }
                loop {
                    let chunk = self.chunk(&log, reader.place).await?;
                    if chunk.next == reader.place {
                        break;
                    }
                    reader.place = chunk.next;
                    if let Some(part) = reader.part(&chunk)
                        && sender.send(Ok(part)).await.is_err()
                    {
                        return Ok(());
                    }
                    if reader.is_full() {
                        break;
                    }
                }
            }
            let reason = match (reader.is_full(), is_over, read.follow) {
                (true, ..) => Some(end_reason::LIMIT),
                _ if is_deleted => Some(end_reason::DELETED),
                _ if reader.is_past_the_end() => {
                    let text = format!("the log has {} bytes, fewer than {}", reader.passed, reader.wanted);
                    return Err(Refusal::new(code::LOG_OFFSET_INVALID, text));
                }
                (_, true, _) => Some(end_reason::COMPLETE),
                (_, _, false) => Some(end_reason::CAUGHT_UP),
                _ => None,
            };
            if let Some(reason) = reason {
                let end = LogPart::End { reason, next_offset: reader.offset };
                // The reader may be gone.
                let _ = sender.send(Ok(end)).await;
                return Ok(());
            }
            tokio::select! {
                () = sender.closed() => return Ok(()),
                _ = changes.changed() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Removes the logs of a job that is over, and all else that the executor keeps of its runs. Its record says so
    /// first: what is not removed after a crash takes space and misleads nobody.
    pub(super) async fn forget_runs(&self, id: JobId) -> Answer<()> {
        let runs = self.blocking(move |inner| {
            let found = jobs::details(inner, id)?;
            let ran =
                found.operators.into_iter().filter(|row| row.run_token.is_some() && row.stopped_ms.is_some());
            let (mut runs, mut changes) = (Vec::new(), Vec::new());
            for row in ran {
                let tokens =
                    (1..=row.attempt).map(|attempt| RunToken { job: id, operator: row.index, attempt });
                runs.extend(tokens.map(|run| executor_token(&run.to_string())));
                changes.push(Change::PutOperator(id, repository::OperatorRow { run_token: None, ..row }));
            }
            inner.commit(changes).map_err(super::refuse(code::JOB_NOT_STORED))?;
            Ok(runs)
        });
        for run in runs.await? {
            match self.inner.executor.forget(run).await {
                Ok(()) | Err(ExecutorError::UnknownRun { .. }) => {}
                Err(error) => tracing::warn!(%error, job = %id, "a log could not be removed"),
            }
        }
        Ok(())
    }

    /// Bytes of an operator's log.
    pub(super) async fn log_bytes(&self, row: &repository::OperatorRow) -> u64 {
        match &row.run_token {
            Some(token) => self.count(&Log::Run(executor_token(token))).await.unwrap_or(0),
            None => 0,
        }
    }

    /// Where a log is; `None` for one of an operator that has not begun.
    async fn find_log(&self, id: JobId, operator: &str) -> Answer<Option<Log>> {
        let operator = operator.to_owned();
        self.blocking(move |inner| {
            let found = jobs::details(inner, id)?;
            if operator == MANAGER {
                return Ok(Some(Log::Manager(manager_log(&found))));
            }
            let row = find_operator(&found, &operator)?;
            let log = row.run_token.as_deref().map(|token| Log::Run(executor_token(token)));
            // It ran, and its record names no run any more.
            Ok(log.or_else(|| (row.attempt > 0).then_some(Log::Deleted)))
        })
        .await
    }

    /// Whether nothing more will be written.
    async fn is_log_over(&self, id: JobId, operator: &str) -> Answer<bool> {
        let operator = operator.to_owned();
        self.blocking(move |inner| {
            let found = jobs::details(inner, id)?;
            if found.job.state == JobState::Stopped {
                return Ok(true);
            }
            if operator == MANAGER {
                return Ok(false);
            }
            let status = find_operator(&found, &operator)?.status;
            Ok(matches!(status, OperatorStatus::Completed | OperatorStatus::Faulted))
        })
        .await
    }

    async fn chunk(&self, log: &Log, from: u64) -> Answer<LogChunk> {
        match log {
            Log::Run(token) => {
                match self.inner.executor.logs(*token, from, CHUNK_BYTES).await {
                    Ok(chunk) => Ok(with_notes_as_lines(chunk)),
                    // Launched, and nothing written yet; or deleted with the run.
                    Err(ExecutorError::UnknownRun { .. }) => Ok(LogChunk { records: Vec::new(), next: from }),
                    Err(error) => Err(Refusal::from_error(code::LOG_NOT_READ, &error)),
                }
            }
            Log::Deleted => Ok(LogChunk { records: Vec::new(), next: from }),
            Log::Manager(records) => {
                let skipped = usize::try_from(from).unwrap_or(usize::MAX);
                let records: Vec<_> = records.iter().skip(skipped).take(4096).cloned().collect();
                Ok(LogChunk { next: from + records.len() as u64, records })
            }
        }
    }

    /// Bytes of a log, all of it.
    async fn count(&self, log: &Log) -> Answer<u64> {
        let (mut from, mut bytes) = (0, 0);
        loop {
            let chunk = self.chunk(log, from).await?;
            if chunk.next == from {
                return Ok(bytes);
            }
            from = chunk.next;
            bytes += chunk.records.iter().map(|record| record.bytes.len() as u64).sum::<u64>();
        }
    }
}

/// Notes of the executor as lines of their own. That a run began is told elsewhere.
fn with_notes_as_lines(mut chunk: LogChunk) -> LogChunk {
    chunk.records.retain(|record| record.source != LogSource::Note || record.bytes != b"started");
    for record in &mut chunk.records {
        if record.source == LogSource::Note {
            record.bytes = [b"\n[", &record.bytes[..], b"]\n"].concat();
        }
    }
    chunk
}

/// Where a log is.
enum Log {
    /// Kept by the executor.
    Run(crate::executor::RunToken),
    /// The platform's own: lines, counted as places.
    Manager(Vec<crate::executor::log::LogRecord>),
    /// Gone with the job's payload.
    Deleted,
}

fn find_operator<'a>(
    found: &'a repository::JobDetails,
    operator: &str,
) -> Answer<&'a repository::OperatorRow> {
    let folded = fold(operator);
    found.operators.iter().find(|row| fold(&row.name) == folded).ok_or_else(|| {
        Refusal::new(code::OPERATOR_UNKNOWN, format!("job `{}` has no operator `{operator}`", found.job.id))
    })
}

/// What happened to a job, a line each, in the order of time.
fn manager_log(found: &repository::JobDetails) -> Vec<crate::executor::log::LogRecord> {
    let job = &found.job;
    let mut lines =
        vec![(job.created_ms, format!("job `{}` created with priority {}", job.name, job.priority))];
    for row in &found.operators {
        let name = &row.name;
        lines.extend(row.started_ms.map(|ms| {
            let attempt = if row.attempt > 1 { format!(", attempt {}", row.attempt) } else { String::new() };
            (ms, format!("operator `{name}` started{attempt}"))
        }));
        lines.extend(row.stopped_ms.map(|ms| {
            let end = row.reason.as_deref().and_then(EndRecord::read).map(|record| record.end());
            let how = end.map_or_else(
                || row.status.to_string(),
                |end| {
                    if end.message.is_empty() {
                        end.reason.to_string()
                    } else {
                        format!("{}: {}", end.reason, end.message)
                    }
                },
            );
            (ms, format!("operator `{name}` {how}"))
        }));
    }
    let last = job.stopped_ms.or(lines.iter().map(|(ms, _)| *ms).max()).unwrap_or(job.created_ms);
    lines.extend(found.messages.iter().map(|message| (last, format!("job {message}"))));
    lines.extend(job.stopped_ms.map(|ms| (ms, format!("job stopped: {}", job.status))));
    lines.sort_by_key(|(ms, _)| *ms);
    lines
        .into_iter()
        .map(|(ms, text)| crate::executor::log::LogRecord {
            at: system_time(ms),
            source: LogSource::Note,
            bytes: format!("{text}\n").into_bytes(),
        })
        .collect()
}

/// Cuts bytes into lines, keeping what is not a whole line yet.
#[derive(Default)]
struct Lines {
    open: Vec<u8>,
}

impl Lines {
    fn take(&mut self, bytes: impl Iterator<Item = u8>) -> LogLines {
        let mut lines = Vec::new();
        for byte in bytes {
            if byte != b'\n' {
                self.open.push(byte);
            }
            if byte == b'\n' || self.open.len() >= MAX_LINE_BYTES {
                lines.push(text(&std::mem::take(&mut self.open)));
            }
        }
        lines
    }

    fn finish(self) -> LogLines {
        if self.open.is_empty() { Vec::new() } else { vec![text(&self.open)] }
    }
}

/// A line as text; what is no UTF-8 is replaced, and the carriage return of other systems goes.
fn text(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    String::from_utf8_lossy(line).into_owned()
}

/// Turns places of the executor into bytes of the operator's text.
struct Reader {
    /// Where the executor goes on.
    place: u64,
    /// Bytes of text up to there.
    passed: u64,
    /// The first byte that is wanted.
    wanted: u64,
    /// Where whoever reads goes on.
    offset: u64,
    left: Option<u64>,
    is_placed: bool,
}

impl Reader {
    fn new(read: LogRead) -> Self {
        let (wanted, is_placed) = match read.start {
            LogStart::Offset(offset) => (offset, true),
            LogStart::Tail(_) => (0, false),
        };
        Self { place: 0, passed: 0, wanted, offset: wanted, left: read.max_bytes, is_placed }
    }

    fn place(&mut self, wanted: u64) {
        (self.wanted, self.offset, self.is_placed) = (wanted, wanted, true);
    }

    fn is_full(&self) -> bool {
        self.left == Some(0)
    }

    /// Whether nothing that was read reaches to where reading should begin.
    fn is_past_the_end(&self) -> bool {
        self.wanted > self.passed
    }

    /// What is wanted of a chunk.
    fn part(&mut self, chunk: &LogChunk) -> Option<LogPart> {
        let (mut data, mut spans) = (Vec::new(), Vec::new());
        let offset = self.offset.max(self.wanted);
        for record in &chunk.records {
            let start = self.passed;
            self.passed += record.bytes.len() as u64;
            let skip = usize::try_from(self.wanted.saturating_sub(start)).unwrap_or(usize::MAX);
            let mut bytes = record.bytes.get(skip..).unwrap_or_default();
            if let Some(left) = &mut self.left {
                let kept = bytes.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                bytes = bytes.get(..kept).unwrap_or_default();
                *left -= kept as u64;
            }
            if bytes.is_empty() {
                continue;
            }
            let source = match record.source {
                LogSource::Output => 1,
                LogSource::Error => 2,
                LogSource::Note => 3,
                LogSource::Message => 4,
            };
            spans.push((u32::try_from(bytes.len()).unwrap_or(u32::MAX), source, record.at));
            data.extend_from_slice(bytes);
        }
        if data.is_empty() {
            return None;
        }
        self.offset = offset + data.len() as u64;
        Some(LogPart::Chunk { offset, data: data.into(), spans })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::log::LogRecord;

    fn chunk(texts: &[&str]) -> LogChunk {
        let record = |text: &&str| LogRecord {
            at: SystemTime::UNIX_EPOCH,
            source: LogSource::Output,
            bytes: text.as_bytes().to_vec(),
        };
        LogChunk { records: texts.iter().map(record).collect(), next: 1 }
    }

    #[test]
    fn lines_are_whole_wherever_the_pieces_end() {
        let mut lines = Lines::default();
        assert_eq!(lines.take(b"one\r\ntw".iter().copied()), ["one"]);
        assert_eq!(lines.take(b"o\n\n\xff".iter().copied()), ["two", ""]);
        assert_eq!(lines.finish(), ["\u{fffd}"]);
        let mut endless = Lines::default();
        let cut = endless.take(std::iter::repeat_n(b'x', MAX_LINE_BYTES * 2 + 1));
        assert_eq!(cut.len(), 2);
        assert_eq!(endless.finish(), ["x"]);
    }

    #[test]
    fn a_reader_begins_and_ends_at_any_byte() {
        let read = |start, max_bytes| LogRead { start: LogStart::Offset(start), follow: false, max_bytes };
        let mut reader = Reader::new(read(2, Some(3)));
        let part = reader.part(&chunk(&["abc", "def", "ghi"])).unwrap();
        let LogPart::Chunk { offset, data, spans } = part else { panic!() };
        assert_eq!((offset, &data[..]), (2, &b"cde"[..]));
        assert_eq!(spans.iter().map(|span| span.0).collect::<Vec<_>>(), [1, 2]);
        assert!(reader.is_full());
        assert_eq!(reader.offset, 5);
        let mut late = Reader::new(read(100, None));
        assert_eq!(late.part(&chunk(&["abc"])), None);
        assert!(late.is_past_the_end());
        let mut at_the_end = Reader::new(read(3, None));
        assert_eq!(at_the_end.part(&chunk(&["abc"])), None);
        assert_eq!((at_the_end.is_past_the_end(), at_the_end.offset), (false, 3));
    }
}
