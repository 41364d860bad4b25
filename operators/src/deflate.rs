//! zlib and gzip streams compressed on all cores.
//!
//! The input is cut into pieces of fixed size that are compressed on their own; all but the last end at a byte boundary
//! with an empty block, so that one after the other they are a single deflate stream. The cut does not depend on the
//! number of threads, so the bytes do not either.
//! Sources: RFC 1950 (zlib), RFC 1951 (deflate), RFC 1952 (gzip).

use std::io::{self, Write};

use flate2::{Compress, Compression, Crc, FlushCompress, Status};
use rayon::prelude::*;

const PIECE: usize = 1 << 20;
/// Pieces that are in memory at the same time.
const PIECES_AT_ONCE: usize = 16;

/// The frame around the deflate stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frame {
    Zlib,
    Gzip,
}

/// Compresses what is written to it; [`Deflate::finish`] has to be called at the end.
pub(crate) struct Deflate<'a> {
    out: &'a mut dyn Write,
    frame: Frame,
    waiting: Vec<u8>,
    crc: Crc,
    adler: Adler,
}

impl<'a> Deflate<'a> {
    pub(crate) fn new(frame: Frame, out: &'a mut dyn Write) -> io::Result<Self> {
        match frame {
            // Deflate with a window of 32 KiB, usual level, no dictionary.
            Frame::Zlib => out.write_all(&[0x78, 0x9c])?,
            // Deflate, no flags, no time, no level, unknown system: the same file whenever and wherever it is made.
            Frame::Gzip => out.write_all(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255])?,
        }
        Ok(Self { out, frame, waiting: Vec::new(), crc: Crc::new(), adler: Adler::default() })
    }

    /// Compresses what is waiting; all but the last piece of the stream.
    fn compress(&mut self, is_end: bool) -> io::Result<()> {
        let count = self.waiting.len().div_ceil(PIECE).max(1);
        let piece = |i: usize| {
            let start = (i * PIECE).min(self.waiting.len());
            self.waiting.get(start..(start + PIECE).min(self.waiting.len())).unwrap_or_default()
        };
        let pieces: Vec<io::Result<Vec<u8>>> =
            (0..count).into_par_iter().map(|i| deflated(piece(i), is_end && i + 1 == count)).collect();
        for piece in pieces {
            self.out.write_all(&piece?)?;
        }
        match self.frame {
            Frame::Zlib => self.adler.update(&self.waiting),
            Frame::Gzip => self.crc.update(&self.waiting),
        }
        self.waiting.clear();
        Ok(())
    }

    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.compress(true)?;
        match self.frame {
            Frame::Zlib => self.out.write_all(&self.adler.sum().to_be_bytes()),
            Frame::Gzip => {
                self.out.write_all(&self.crc.sum().to_le_bytes())?;
                self.out.write_all(&self.crc.amount().to_le_bytes())
            }
        }
    }
}

impl Write for Deflate<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE * PIECES_AT_ONCE - self.waiting.len();
        let taken = bytes.get(..room.min(bytes.len())).unwrap_or_default();
        self.waiting.extend_from_slice(taken);
        if self.waiting.len() == PIECE * PIECES_AT_ONCE {
            self.compress(false)?;
        }
        Ok(taken.len())
    }

    /// Nothing is forced out early: where the stream is cut would change its bytes.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn deflated(piece: &[u8], is_last: bool) -> io::Result<Vec<u8>> {
    let mut compress = Compress::new(Compression::default(), false);
    let flush = if is_last { FlushCompress::Finish } else { FlushCompress::Sync };
    let mut out = Vec::with_capacity(piece.len() / 2 + 64);
    loop {
        let rest = piece.get(compress.total_in() as usize..).unwrap_or_default();
        let status = compress.compress_vec(rest, &mut out, flush)?;
        let is_all_taken = compress.total_in() as usize == piece.len();
        // With room left over, a flush has written all it has to.
        let is_flushed = !is_last && is_all_taken && out.len() < out.capacity();
        if status == Status::StreamEnd || is_flushed {
            return Ok(out);
        }
        out.reserve(piece.len() / 4 + 64);
    }
}

/// Adler-32, RFC 1950 section 8.2.
#[derive(Debug, Clone, Copy)]
struct Adler {
    a: u32,
    b: u32,
}

impl Default for Adler {
    fn default() -> Self {
        Self { a: 1, b: 0 }
    }
}

impl Adler {
    fn update(&mut self, bytes: &[u8]) {
        const MODULUS: u32 = 65_521;
        // As many as can be added before 32 bits overflow.
        for part in bytes.chunks(5552) {
            for &byte in part {
                self.a += u32::from(byte);
                self.b += self.a;
            }
            self.a %= MODULUS;
            self.b %= MODULUS;
        }
    }

    fn sum(self) -> u32 {
        self.b << 16 | self.a
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn packed(frame: Frame, data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut deflate = Deflate::new(frame, &mut out).unwrap();
        deflate.write_all(data).unwrap();
        deflate.finish().unwrap();
        out
    }

    #[test]
    fn pieces_are_one_stream_that_other_readers_unpack() {
        let mut state = 7u32;
        let mut noise = |n: usize| -> Vec<u8> {
            let next = |state: &mut u32| {
                *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (*state >> 24) as u8 & if *state & 0x8000 == 0 { 0xff } else { 3 }
            };
            (0..n).map(|_| next(&mut state)).collect()
        };
        for n in [0, 1, PIECE - 1, PIECE, PIECE + 1, PIECE * PIECES_AT_ONCE, PIECE * PIECES_AT_ONCE + 5] {
            let data = noise(n);
            let mut back = Vec::new();
            flate2::read::ZlibDecoder::new(&packed(Frame::Zlib, &data)[..]).read_to_end(&mut back).unwrap();
            assert!(back == data, "zlib of {n} bytes");
            back.clear();
            // Not the decoder for several members: it has to be a single one.
            flate2::read::GzDecoder::new(&packed(Frame::Gzip, &data)[..]).read_to_end(&mut back).unwrap();
            assert!(back == data, "gzip of {n} bytes");
        }
    }
}
