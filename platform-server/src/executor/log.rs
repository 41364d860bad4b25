//! The log of a run: what the operator printed, in pieces with their time.
//!
//! One append-only file of records. A record is a header of 16 bytes and its bytes as they came from the operator:
//!
//! | bytes | what |
//! |---|---|
//! | 0..4 | length of the bytes that follow the header, little-endian |
//! | 4 | 1 standard output, 2 standard error, 3 a note of the shim, 4 a message of the operator |
//! | 5..8 | zero |
//! | 8..16 | microseconds since 1970, little-endian |
//!
//! A record that is not whole yet is not there yet. Lines may span records.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::time::SystemTime;

use super::outcome::from_micros;

pub(crate) const HEADER_BYTES: usize = 16;
/// Most bytes of one record; longer ones in a file mean that it is no log.
pub(crate) const MAX_RECORD_BYTES: usize = 64 << 10;

/// Where a piece of a log comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogSource {
    /// The operator's standard output.
    Output,
    /// The operator's standard error.
    Error,
    /// The shim beside the operator: that it started, that the log was cut.
    Note,
    /// The operator, through its channel: a line that begins with its level.
    Message,
}

impl LogSource {
    pub(crate) fn to_byte(self) -> u8 {
        match self {
            Self::Output => 1,
            Self::Error => 2,
            Self::Note => 3,
            Self::Message => 4,
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Output),
            2 => Some(Self::Error),
            3 => Some(Self::Note),
            4 => Some(Self::Message),
            _ => None,
        }
    }
}

/// What was read from a pipe at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// When it was read.
    pub at: SystemTime,
    /// From where.
    pub source: LogSource,
    /// As it came; no promise that it is text.
    pub bytes: Vec<u8>,
}

/// A part of a log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogChunk {
    /// The pieces, in the order in which they were read from the operator.
    pub records: Vec<LogRecord>,
    /// Where to go on reading. The same as before means that there is nothing more yet.
    pub next: u64,
}

pub(crate) fn header(len: u32, source: LogSource, micros: u64) -> [u8; HEADER_BYTES] {
    let mut header = [0; HEADER_BYTES];
    header[..4].copy_from_slice(&len.to_le_bytes());
    header[4] = source.to_byte();
    header[8..].copy_from_slice(&micros.to_le_bytes());
    header
}

/// Reads whole records from `from` on, until about `max_bytes`, but at least one if there is one.
///
/// # Errors
/// When the file cannot be read, or has no record at `from`.
pub(crate) fn read(file: &File, from: u64, max_bytes: usize) -> io::Result<LogChunk> {
    let broken = || io::Error::new(io::ErrorKind::InvalidData, "no record of a log begins here");
    let mut chunk = LogChunk { records: Vec::new(), next: from };
    let mut taken = 0usize;
    let len = file.metadata()?.len();
    loop {
        let mut head = [0; HEADER_BYTES];
        if chunk.next.saturating_add(HEADER_BYTES as u64) > len {
            return Ok(chunk);
        }
        read_at(file, chunk.next, &mut head)?;
        let [l0, l1, l2, l3, source, z0, z1, z2, time @ ..] = head;
        let bytes = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
        let source = LogSource::from_byte(source).filter(|_| [z0, z1, z2] == [0; 3]).ok_or_else(broken)?;
        if bytes > MAX_RECORD_BYTES {
            return Err(broken());
        }
        let start = chunk.next + HEADER_BYTES as u64;
        let is_whole = start + bytes as u64 <= len;
        let is_too_much = !chunk.records.is_empty() && taken + bytes > max_bytes;
        if !is_whole || is_too_much {
            return Ok(chunk);
        }
        let mut record =
            LogRecord { at: from_micros(u64::from_le_bytes(time)), source, bytes: vec![0; bytes] };
        read_at(file, start, &mut record.bytes)?;
        taken += bytes;
        chunk.next = start + bytes as u64;
        chunk.records.push(record);
    }
}

fn read_at(mut file: &File, at: u64, into: &mut [u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    file.read_exact(into)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(parts: &[&[u8]]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        parts.iter().for_each(|part| file.write_all(part).unwrap());
        file
    }

    #[test]
    fn records_come_back_in_order_and_in_bounded_pieces() {
        let (a, b) = (header(3, LogSource::Output, 7), header(2, LogSource::Error, 8));
        let file = file(&[&a, b"abc", &b, b"\xff\n"]);
        let first = read(&file, 0, 1).unwrap();
        assert_eq!(first.records.len(), 1);
        assert_eq!(first.records[0].bytes, b"abc");
        assert_eq!(first.records[0].at, from_micros(7));
        let rest = read(&file, first.next, 1 << 20).unwrap();
        assert_eq!(rest.records[0].source, LogSource::Error);
        assert_eq!(rest.records[0].bytes, b"\xff\n");
        assert_eq!(read(&file, rest.next, 100).unwrap(), LogChunk { records: vec![], next: rest.next });
    }

    #[test]
    fn a_record_that_is_not_whole_yet_is_not_there_yet() {
        let head = header(3, LogSource::Output, 7);
        for part in [&head[..9], &head[..], &[&head[..], b"ab"].concat()] {
            assert_eq!(read(&file(&[part]), 0, 100).unwrap(), LogChunk::default());
        }
    }

    #[test]
    fn broken_logs_are_refused_before_memory_is_reserved() {
        let huge = [&u32::MAX.to_le_bytes()[..], &[1, 0, 0, 0], &[0; 8]].concat();
        for bad in [&huge[..], &[0; 16], &[1; 20]] {
            assert!(read(&file(&[bad]), 0, 100).is_err());
        }
        assert_eq!(read(&file(&[b"x"]), u64::MAX, 100).unwrap().records, []);
    }
}
