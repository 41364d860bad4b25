//! From the operator's pipes into the log, in bounded memory.
//!
//! A pipe that is not read fast enough makes the operator wait; nothing is kept in memory but one piece. Beyond the
//! limit, or on a full disk, output is still read, so that the operator does not hang, but dropped and counted.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::os::fd::AsFd;
use std::time::SystemTime;

use rustix::io::Errno;

use crate::executor::log::{HEADER_BYTES, LogSource, MAX_RECORD_BYTES, header};
use crate::executor::outcome::to_micros;

/// How much of the first error output is remembered for the message of a sandbox that could not be made.
const FIRST_WORDS_BYTES: usize = 400;

pub(super) struct LogWriter {
    records: Records,
    limit_bytes: u64,
    left_bytes: u64,
    is_cut: bool,
    dropped_bytes: u64,
    first_words: Vec<u8>,
    /// Whether the last byte of the operator ended a line.
    is_at_line_start: bool,
    buffer: Vec<u8>,
}

/// What a pipe gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pumped {
    Something,
    NothingYet,
    End,
}

impl LogWriter {
    pub(super) fn new(file: File, limit_bytes: u64) -> Self {
        Self {
            records: Records { file, end: 0 },
            limit_bytes,
            left_bytes: limit_bytes,
            is_cut: false,
            dropped_bytes: 0,
            first_words: Vec::new(),
            is_at_line_start: true,
            buffer: vec![0; MAX_RECORD_BYTES],
        }
    }

    /// Takes one piece from a pipe that does not block.
    pub(super) fn pump(&mut self, pipe: impl AsFd, source: LogSource) -> Pumped {
        loop {
            match rustix::io::read(&pipe, &mut self.buffer[..]) {
                Ok(0) => return Pumped::End,
                Ok(len) => {
                    let buffer = std::mem::take(&mut self.buffer);
                    self.keep(source, buffer.get(..len).unwrap_or_default());
                    self.buffer = buffer;
                    return Pumped::Something;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Pumped::NothingYet,
                Err(_) => return Pumped::End,
            }
        }
    }

    /// A line of the shim itself; does not count towards the limit.
    pub(super) fn note(&mut self, text: &str) {
        _ = self.records.append(LogSource::Note, text.as_bytes());
    }

    /// A message that the operator sent, as a line of its own; counts towards the limit.
    pub(super) fn message(&mut self, level: &str, text: &str) {
        let start = if self.is_at_line_start { "" } else { "\n" };
        self.keep(LogSource::Message, format!("{start}{level}: {}\n", text.trim_end()).as_bytes());
    }

    /// What came first on standard error.
    pub(super) fn first_words(&self) -> String {
        String::from_utf8_lossy(&self.first_words).trim().to_owned()
    }

    pub(super) fn dropped_bytes(&self) -> u64 {
        self.dropped_bytes
    }

    fn keep(&mut self, source: LogSource, piece: &[u8]) {
        let len = piece.len();
        self.is_at_line_start = piece.last().map_or(self.is_at_line_start, |last| *last == b'\n');
        let room = FIRST_WORDS_BYTES - self.first_words.len();
        if source == LogSource::Error && room > 0 {
            self.first_words.extend_from_slice(&piece[..room.min(len)]);
        }
        if self.is_cut {
            self.dropped_bytes += len as u64;
            return;
        }
        let kept = usize::try_from(self.left_bytes).unwrap_or(usize::MAX).min(len);
        let written = match kept {
            0 => Ok(()),
            _ => self.records.append(source, &piece[..kept]),
        };
        let reason = match written {
            Ok(()) if kept == len => {
                self.left_bytes -= len as u64;
                return;
            }
            Ok(()) => {
                self.dropped_bytes += (len - kept) as u64;
                format!("log cut at its limit of {} bytes; what follows is dropped", self.limit_bytes)
            }
            Err(error) => {
                self.dropped_bytes += len as u64;
                format!("log cut: {error}; what follows is dropped")
            }
        };
        self.is_cut = true;
        self.note(&reason);
    }
}

/// The file, with nothing but whole records in it.
struct Records {
    file: File,
    end: u64,
}

impl Records {
    fn append(&mut self, source: LogSource, bytes: &[u8]) -> io::Result<()> {
        let len = u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let head = header(len, source, to_micros(SystemTime::now()));
        let written = self.write(&head, bytes);
        if written.is_err() {
            // A torn record would hide everything behind it.
            _ = self.file.set_len(self.end);
        } else {
            self.end += (HEADER_BYTES + bytes.len()) as u64;
        }
        written
    }

    fn write(&mut self, head: &[u8], bytes: &[u8]) -> io::Result<()> {
        let written = self.file.write_vectored(&[IoSlice::new(head), IoSlice::new(bytes)])?;
        self.file.write_all(head.get(written..).unwrap_or_default())?;
        self.file.write_all(bytes.get(written.saturating_sub(head.len())..).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::log::read;
    use std::os::unix::net::UnixStream;

    fn written(limit: u64, pieces: &[(LogSource, &[u8])]) -> (Vec<(LogSource, Vec<u8>)>, LogWriter) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = LogWriter::new(file.reopen().unwrap(), limit);
        for (source, bytes) in pieces {
            let (mut from, to) = UnixStream::pair().unwrap();
            from.write_all(bytes).unwrap();
            drop(from);
            while writer.pump(&to, *source) == Pumped::Something {}
        }
        let records = read(file.as_file(), 0, usize::MAX).unwrap().records;
        (records.into_iter().map(|record| (record.source, record.bytes)).collect(), writer)
    }

    #[test]
    fn both_streams_are_kept_in_order_byte_for_byte() {
        let binary: Vec<u8> = (0..=255).cycle().take(3000).collect();
        let (records, writer) =
            written(1 << 20, &[(LogSource::Output, &binary), (LogSource::Error, b"no\n")]);
        assert_eq!(records, [(LogSource::Output, binary), (LogSource::Error, b"no\n".to_vec())]);
        assert_eq!((writer.dropped_bytes(), writer.first_words()), (0, "no".to_owned()));
    }

    #[test]
    fn beyond_the_limit_a_marker_stands_and_the_rest_is_counted() {
        let (records, writer) = written(
            5,
            &[(LogSource::Output, b"abc"), (LogSource::Error, b"defg"), (LogSource::Output, b"h")],
        );
        assert_eq!(records[..2], [(LogSource::Output, b"abc".to_vec()), (LogSource::Error, b"de".to_vec())]);
        assert_eq!(records[2].0, LogSource::Note);
        assert!(String::from_utf8_lossy(&records[2].1).contains("limit of 5 bytes"));
        assert_eq!(records.len(), 3);
        assert_eq!(writer.dropped_bytes(), 3);
    }
}
