//! Logs of operators by byte offset, while they are written and after.

use std::time::SystemTime;

use bytes::Bytes;
use platform_api::convert::extension::system_time;
use platform_api::id::JobId;
use platform_api::proto::extension;
use platform_api::proto::extension::read_log_request::Start;
use platform_api::proto::extension::read_log_response::Part;
use tonic::transport::Channel;

use crate::connection::{Client, MAX_MESSAGE_BYTES, Messages, retrying};
use crate::error::ClientError;
use crate::wire;

const CALL: &str = "Logs.Read";

/// Where to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStart {
    /// At this byte.
    Offset(u64),
    /// So many bytes before the end, at the start of a line where one is near.
    Tail(u64),
}

/// What to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogQuery {
    /// The job.
    pub job_id: JobId,
    /// Its operator; `clara-pod-manager` is the platform's own log of the job.
    pub operator: String,
    /// Where to begin.
    pub start: LogStart,
    /// Whether to go on with what is written later.
    pub follow: bool,
}

/// Who wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogSource {
    Stdout,
    Stderr,
    Platform,
    /// The operator, through its channel to the platform.
    Message,
}

/// Consecutive bytes that were written at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSpan {
    /// How many.
    pub bytes: u32,
    /// By whom, where it is known.
    pub source: Option<LogSource>,
    /// When, where it is known.
    pub time: Option<SystemTime>,
}

/// Bytes as the operator wrote them: any encoding, lines may be cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogChunk {
    /// Place of the first byte in the whole log.
    pub offset: u64,
    /// The bytes.
    pub data: Bytes,
    /// Who wrote them and when.
    pub spans: Vec<LogSpan>,
}

/// Why a log ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogEnd {
    /// The operator has ended and this was all.
    Complete,
    /// All so far; more may come.
    CaughtUp,
    /// The log was deleted meanwhile.
    Deleted,
    /// The server is about to stop.
    Shutdown,
}

/// The logs of a server.
#[derive(Debug, Clone)]
pub struct Logs {
    client: Client,
}

impl Logs {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Begins to read. A connection that breaks is opened again where it broke.
    ///
    /// # Errors
    /// [`ClientError`]; unsupported by servers that speak the published API only, see [`crate::jobs::Jobs::read_logs`].
    pub async fn read(&self, query: LogQuery) -> Result<LogReader, ClientError> {
        let mut reader =
            LogReader { client: self.client.clone(), start: query.start, query, messages: None, end: None };
        retrying!(self.client, reader.open().await)?;
        Ok(reader)
    }
}

/// A log, chunk by chunk.
#[derive(Debug)]
pub struct LogReader {
    client: Client,
    query: LogQuery,
    /// Where to go on.
    start: LogStart,
    messages: Option<Messages<extension::ReadLogResponse>>,
    end: Option<LogEnd>,
}

impl LogReader {
    /// The next chunk; `None` at the end, see [`LogReader::end`].
    ///
    /// # Errors
    /// [`ClientError`]; once the server could not be reached as often as the client tries.
    pub async fn next(&mut self) -> Result<Option<LogChunk>, ClientError> {
        let mut made = 1;
        loop {
            if self.end.is_some() {
                return Ok(None);
            }
            match self.step().await {
                Ok(Some(chunk)) => return Ok(Some(chunk)),
                Ok(None) => {}
                Err(error) => {
                    self.messages = None;
                    if !self.client.tries_again(&error, made).await {
                        return Err(error);
                    }
                    made += 1;
                }
            }
        }
    }

    /// Why the log ended, once it has.
    pub fn end(&self) -> Option<LogEnd> {
        self.end
    }

    /// Where to go on after what was read so far.
    pub fn position(&self) -> LogStart {
        self.start
    }

    async fn open(&mut self) -> Result<(), ClientError> {
        let message = extension::ReadLogRequest {
            job_id: self.query.job_id.to_string(),
            operator_name: self.query.operator.clone(),
            start: Some(match self.start {
                LogStart::Offset(offset) => Start::FromOffset(offset),
                LogStart::Tail(bytes) => Start::TailBytes(bytes),
            }),
            follow: self.query.follow,
            max_bytes: 0,
        };
        let mut stub: extension::logs_client::LogsClient<Channel> =
            extension::logs_client::LogsClient::new(self.client.channel())
                .max_decoding_message_size(MAX_MESSAGE_BYTES);
        self.messages = Some(self.client.open(CALL, message, async move |m| stub.read(m).await).await?);
        Ok(())
    }

    async fn step(&mut self) -> Result<Option<LogChunk>, ClientError> {
        if self.messages.is_none() {
            self.open().await?;
        }
        let Some(messages) = &mut self.messages else { return Ok(None) };
        let message =
            if self.query.follow { messages.next_whenever().await? } else { messages.next().await? };
        let Some(part) = message.and_then(|message| message.part) else {
            return Err(ClientError::protocol(CALL, "it ended without an end"));
        };
        match part {
            Part::Chunk(chunk) => self.chunk(chunk).map(Some),
            Part::End(end) => {
                self.end = Some(match extension::LogEndReason::try_from(end.reason) {
                    Ok(extension::LogEndReason::Complete) => LogEnd::Complete,
                    Ok(extension::LogEndReason::CaughtUp) => LogEnd::CaughtUp,
                    Ok(extension::LogEndReason::Deleted) => LogEnd::Deleted,
                    Ok(extension::LogEndReason::Shutdown) => LogEnd::Shutdown,
                    _ => return Err(ClientError::protocol(CALL, "it ended for no known reason")),
                });
                Ok(None)
            }
        }
    }

    fn chunk(&mut self, chunk: extension::LogChunk) -> Result<LogChunk, ClientError> {
        if let LogStart::Offset(expected) = self.start
            && chunk.offset != expected
        {
            let reason = format!("byte {} came instead of byte {expected}", chunk.offset);
            return Err(ClientError::protocol(CALL, reason));
        }
        let next = chunk.offset.checked_add(chunk.data.len() as u64);
        let next = next.ok_or_else(|| ClientError::protocol(CALL, "the offset is too large"))?;
        let spans = chunk.spans.into_iter().map(|span| {
            Ok(LogSpan {
                bytes: span.length,
                source: match extension::LogStream::try_from(span.stream) {
                    Ok(extension::LogStream::Stdout) => Some(LogSource::Stdout),
                    Ok(extension::LogStream::Stderr) => Some(LogSource::Stderr),
                    Ok(extension::LogStream::Platform) => Some(LogSource::Platform),
                    Ok(extension::LogStream::Message) => Some(LogSource::Message),
                    Ok(extension::LogStream::Unspecified) | Err(_) => None,
                },
                time: wire::converted(CALL, system_time(span.time))?,
            })
        });
        let spans = spans.collect::<Result<_, ClientError>>()?;
        self.start = LogStart::Offset(next);
        Ok(LogChunk { offset: chunk.offset, data: chunk.data, spans })
    }
}
