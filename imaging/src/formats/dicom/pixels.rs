//! One frame of one object into voxels of their own type.

use std::sync::atomic::{AtomicBool, Ordering};

use super::bytes::Bytes;
use super::codec::{self, Decoded};
use super::color::{self, ColorSamples};
use super::dataset::{self, DEFLATED, WalkError};
use super::fragments::FragmentTable;
use super::instance::{Instance, PixelFormat, SampleFormat};
use super::spare;
use crate::ImagingError;
use crate::volume::{Rescale, Sample};

/// What the voxels of a series are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VoxelKind {
    /// Stored values in their own type.
    Stored(SampleFormat),
    /// Interleaved colour with that many bytes per sample.
    Rgb { sample_bytes: u8 },
    /// Entries of a modality lookup table; masked: as floats, NaN where the stored value is padding.
    LookedUp { is_masked: bool },
    /// Modality values, because rescale or padding differ between frames; NaN where the stored value is padding.
    Rescaled,
}

/// Number types that frames can be read into.
pub(crate) trait Stored: Sample {
    /// Converts a value, rounding and saturating for whole numbers.
    fn from_f64(value: f64) -> Self;
    /// The value with its bytes reversed.
    fn swapped(self) -> Self;
    /// The `bits` bits below and including `high_bit`, sign-extended for signed types.
    fn significant(self, bits: u32, high_bit: u32) -> Self;
}

macro_rules! stored_integers {
    ($($number:ty),*) => {$(
        impl Stored for $number {
            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value.round() as Self
            }

            #[inline(always)]
            fn swapped(self) -> Self {
                self.swap_bytes()
            }

            #[inline(always)]
            fn significant(self, bits: u32, high_bit: u32) -> Self {
                // The caller keeps 1 <= bits <= high_bit + 1 <= the width of the type.
                (self << (Self::BITS - 1 - high_bit)) >> (Self::BITS - bits)
            }
        }
    )*};
}

macro_rules! stored_floats {
    ($($number:ty),*) => {$(
        impl Stored for $number {
            #[inline(always)]
            fn from_f64(value: f64) -> Self {
                value as Self
            }

            #[inline(always)]
            fn swapped(self) -> Self {
                Self::from_bits(self.to_bits().swap_bytes())
            }

            #[inline(always)]
            fn significant(self, _bits: u32, _high_bit: u32) -> Self {
                self
            }
        }
    )*};
}

stored_integers!(u8, i8, u16, i16, u32, i32);
stored_floats!(f32, f64);

/// An object opened for reading pixels.
#[derive(Debug)]
pub(crate) struct OpenInstance<'a> {
    instance: &'a Instance,
    bytes: Bytes,
    /// For encapsulated pixel data.
    fragments: Option<FragmentTable>,
    has_surplus: AtomicBool,
}

/// What reading a colour frame told about its colours.
#[derive(Debug, Clone)]
pub(crate) struct FrameColor {
    /// Bits of a sample that carry its value.
    pub(crate) bits: u8,
}

impl<'a> OpenInstance<'a> {
    pub(crate) fn open(instance: &'a Instance) -> Result<Self, ImagingError> {
        let io = |source| ImagingError::io(instance.location.path(), source);
        let mut bytes = instance.location.open().map_err(io)?;
        if instance.transfer_syntax == DEFLATED {
            let needed = instance.format.native_bytes(instance.frames.len() as u64);
            let count = instance.pixels.len.unwrap_or(0).min(needed);
            bytes = dataset::inflate_pixels(bytes, instance.pixels.offset, count).map_err(
                |error| match error {
                    WalkError::Io(source) => io(source),
                    _ => damaged(instance, "changed since it was found"),
                },
            )?;
        }
        let fragments = if codec::is_native(&instance.transfer_syntax) {
            None
        } else {
            let count = instance.frames.len();
            let table = FragmentTable::read(&mut bytes, &instance.pixels, count, &instance.extended_offsets);
            Some(table.map_err(io)?)
        };
        Ok(Self { instance, bytes, fragments, has_surplus: AtomicBool::new(false) })
    }

    /// Pixel format of the object.
    pub(crate) fn format(&self) -> &PixelFormat {
        &self.instance.format
    }

    /// Whole samples of a native frame, unused bits included; `None` for compressed frames.
    pub(crate) fn raw_samples(&self, frame_index: usize) -> Result<Option<Vec<u32>>, ImagingError> {
        let format = &self.instance.format;
        let SampleFormat::Integer { bytes: sample_bytes, .. } = format.sample else { return Ok(None) };
        if self.fragments.is_some() {
            return Ok(None);
        }
        let frame_bytes = format.native_frame_bytes();
        let mut bytes = vec![0; frame_bytes as usize];
        self.read_native(frame_index as u64 * frame_bytes, &mut bytes)?;
        let is_big = self.instance.pixels.is_big_endian;
        let sample = |chunk: &[u8]| {
            let join = |sum: u32, byte: &u8| sum << 8 | u32::from(*byte);
            if is_big { chunk.iter().fold(0, join) } else { chunk.iter().rev().fold(0, join) }
        };
        Ok(Some(bytes.chunks_exact(usize::from(sample_bytes)).map(sample).collect()))
    }

    /// Whether a frame can be as large as the header says, without decoding it.
    pub(crate) fn check_claim(&self, frame_index: usize) -> Result<(), ImagingError> {
        let instance = self.instance;
        let Some(data) = self.compressed(frame_index)? else { return Ok(()) };
        codec::check_claim(&instance.transfer_syntax, &instance.format, &data)
            .map_err(|reason| damaged(instance, &reason))
    }

    /// Reads a frame into `target`, which holds pixels × channels samples, as `kind` says.
    pub(crate) fn read_frame<T: Stored>(
        &self,
        frame_index: usize,
        kind: VoxelKind,
        target: &mut [T],
    ) -> Result<Option<FrameColor>, ImagingError> {
        let padding = self.instance.padding;
        let is_padding = |stored: f64| padding.is_some_and(|[low, high]| stored >= low && stored <= high);
        match kind {
            VoxelKind::Stored(_) => self.read_stored(frame_index, target),
            VoxelKind::Rgb { .. } => return self.read_color(frame_index, target).map(Some),
            VoxelKind::LookedUp { is_masked } => {
                let Some(lut) = &self.instance.modality_lut else {
                    return Err(damaged(self.instance, "the modality lookup table is missing"));
                };
                self.read_mapped(frame_index, target, |stored| {
                    if is_masked && is_padding(stored) { f64::NAN } else { f64::from(lut.get(stored)) }
                })
            }
            VoxelKind::Rescaled => {
                let frame = self.instance.frames.get(frame_index);
                let rescale = frame.map_or(Rescale::IDENTITY, |frame| frame.rescale);
                self.read_mapped(frame_index, target, |stored| {
                    if is_padding(stored) { f64::NAN } else { rescale.apply(stored) }
                })
            }
        }?;
        Ok(None)
    }

    /// Reads stored values of any type and maps each.
    fn read_mapped<T: Stored>(
        &self,
        frame_index: usize,
        target: &mut [T],
        map: impl Fn(f64) -> f64,
    ) -> Result<(), ImagingError> {
        macro_rules! through {
            ($number:ty) => {{
                let mut stored = vec![<$number>::default(); target.len()];
                self.read_stored(frame_index, &mut stored)?;
                for (target, stored) in target.iter_mut().zip(stored) {
                    *target = T::from_f64(map(stored.to_f64()));
                }
            }};
        }
        match self.instance.format.sample {
            SampleFormat::Bit | SampleFormat::Integer { bytes: 1, is_signed: false } => through!(u8),
            SampleFormat::Integer { bytes: 1, is_signed: true } => through!(i8),
            SampleFormat::Integer { bytes: 2, is_signed: false } => through!(u16),
            SampleFormat::Integer { bytes: 2, is_signed: true } => through!(i16),
            SampleFormat::Integer { is_signed: false, .. } => through!(u32),
            SampleFormat::Integer { is_signed: true, .. } => through!(i32),
            SampleFormat::Float32 => through!(f32),
            SampleFormat::Float64 => through!(f64),
        }
        Ok(())
    }

    fn read_stored<T: Stored>(&self, frame_index: usize, target: &mut [T]) -> Result<(), ImagingError> {
        let format = &self.instance.format;
        if format.sample == SampleFormat::Bit {
            return self.read_bits(frame_index, target);
        }
        let precision = self.fill_stored(frame_index, target)?;
        let width = (size_of::<T>() * 8) as u32;
        let high_bit = u32::from(format.high_bit);
        let bits = u32::from(precision.unwrap_or(0).max(format.bits_stored)).min(high_bit + 1);
        let (bits, high_bit) = match precision {
            // A codestream holds values, not bit fields.
            Some(precision) => {
                let bits = u32::from(precision.max(format.bits_stored)).min(width);
                (bits, bits - 1)
            }
            None => (bits, high_bit),
        };
        if bits < width && bits > 0 && high_bit < width {
            target.iter_mut().for_each(|value| *value = value.significant(bits, high_bit));
        }
        Ok(())
    }

    /// Reads samples as they are written, all bits of them; the precision of the codestream if there is one.
    fn fill_stored<T: Stored>(
        &self,
        frame_index: usize,
        target: &mut [T],
    ) -> Result<Option<u8>, ImagingError> {
        let instance = self.instance;
        let Some(data) = self.compressed(frame_index)? else {
            let frame_bytes = size_of_val(target) as u64;
            self.read_native(frame_index as u64 * frame_bytes, bytemuck::cast_slice_mut(target))?;
            let is_big = instance.pixels.is_big_endian;
            if is_big && instance.pixels.is_words && size_of::<T>() == 1 {
                // Bytes written as big-endian words come in swapped pairs.
                target.as_chunks_mut::<2>().0.iter_mut().for_each(|pair| pair.reverse());
            } else if is_big != cfg!(target_endian = "big") {
                target.iter_mut().for_each(|value| *value = value.swapped());
            }
            return Ok(None);
        };
        let direct = codec::decode_voxels(&instance.transfer_syntax, &instance.format, &data, target)
            .map_err(|reason| damaged(instance, &reason))?;
        if direct.is_some() {
            spare::give(data);
            return Ok(direct);
        }
        let decoded = self.decode(data)?;
        let bytes = bytemuck::cast_slice_mut::<T, u8>(target);
        let source = decoded.bytes.get(..bytes.len());
        bytes.copy_from_slice(source.ok_or_else(|| damaged(instance, "decoded too few pixels"))?);
        spare::give(decoded.bytes);
        if cfg!(target_endian = "big") {
            target.iter_mut().for_each(|value| *value = value.swapped());
        }
        Ok(decoded.precision)
    }

    /// Unpacks one-bit pixels, least significant bit first, frames not aligned to bytes (PS3.5 8.1.1).
    fn read_bits<T: Stored>(&self, frame_index: usize, target: &mut [T]) -> Result<(), ImagingError> {
        let (bytes, first_bit) = match self.decoded(frame_index)? {
            Some(decoded) => (decoded.bytes, 0),
            None => {
                let start = frame_index as u64 * target.len() as u64;
                let first_byte = start / 8;
                let mut bytes = vec![0; ((start + target.len() as u64).div_ceil(8) - first_byte) as usize];
                self.read_native(first_byte, &mut bytes)?;
                (bytes, (start % 8) as usize)
            }
        };
        for (i, value) in target.iter_mut().enumerate() {
            let bit = first_bit + i;
            let byte = bytes.get(bit / 8).copied().unwrap_or(0);
            *value = T::from_f64(f64::from(byte >> (bit % 8) & 1));
        }
        Ok(())
    }

    fn read_color<T: Stored>(
        &self,
        frame_index: usize,
        target: &mut [T],
    ) -> Result<FrameColor, ImagingError> {
        let instance = self.instance;
        let format = &instance.format;
        if let Some(palette) = &instance.palette {
            let mut stored = vec![0f64; format.pixels()];
            self.read_mapped(frame_index, &mut stored, |value| value)?;
            for (pixel, value) in target.chunks_exact_mut(3).zip(stored) {
                for (channel, entry) in pixel.iter_mut().zip(palette.rgb8(value)) {
                    *channel = T::from_f64(f64::from(entry));
                }
            }
            return Ok(FrameColor { bits: 8 });
        }
        let sample_bytes = size_of::<T>();
        let decoded = match self.decoded(frame_index)? {
            Some(decoded) => decoded,
            None => {
                let frame_bytes = format.native_frame_bytes();
                let mut bytes = vec![0; frame_bytes as usize];
                self.read_native(frame_index as u64 * frame_bytes, &mut bytes)?;
                let is_swapped =
                    instance.pixels.is_big_endian && (sample_bytes == 2 || instance.pixels.is_words);
                if is_swapped {
                    bytes.as_chunks_mut::<2>().0.iter_mut().for_each(|pair| pair.reverse());
                }
                let photometric = format.photometric;
                Decoded {
                    bytes,
                    is_planar: format.is_planar,
                    photometric,
                    precision: None,
                    has_surplus: false,
                }
            }
        };
        let Decoded { mut bytes, is_planar, photometric, precision, .. } = decoded;
        let bits = match precision {
            // Encoders are handed whole words of which fewer bits are used, and headers are copied from elsewhere:
            // whichever says less knew the samples.
            Some(precision) => precision.min(format.bits_stored),
            None => {
                color::keep_stored_bits(&mut bytes, format, sample_bytes);
                format.bits_stored
            }
        };
        let rgb = color::to_rgb(bytes, format, ColorSamples { photometric, is_planar, sample_bytes, bits })
            .ok_or_else(|| damaged(instance, "colour samples are missing"))?;
        bytemuck::cast_slice_mut::<T, u8>(target).copy_from_slice(&rgb);
        if cfg!(target_endian = "big") {
            target.iter_mut().for_each(|value| *value = value.swapped());
        }
        Ok(FrameColor { bits })
    }

    /// The bytes of a compressed frame; `None` for native pixel data.
    fn compressed(&self, frame_index: usize) -> Result<Option<Vec<u8>>, ImagingError> {
        let Some(fragments) = &self.fragments else { return Ok(None) };
        let instance = self.instance;
        fragments
            .frame(&self.bytes, frame_index)
            .map_err(|source| ImagingError::io(instance.location.path(), source))?
            .ok_or_else(|| damaged(instance, "compressed pixel data is missing or cut off"))
            .map(Some)
    }

    /// Decodes a compressed frame; `None` for native pixel data.
    fn decoded(&self, frame_index: usize) -> Result<Option<Decoded>, ImagingError> {
        self.compressed(frame_index)?.map(|data| self.decode(data)).transpose()
    }

    fn decode(&self, data: Vec<u8>) -> Result<Decoded, ImagingError> {
        let instance = self.instance;
        let decoded = codec::decode_frame(&instance.transfer_syntax, &instance.format, &data);
        spare::give(data);
        decoded
            .inspect(|decoded| {
                if decoded.has_surplus {
                    self.has_surplus.store(true, Ordering::Relaxed);
                }
            })
            .map_err(|reason| damaged(instance, &reason))
    }

    /// Whether a frame that was read so far held more than its image.
    pub(crate) fn has_surplus(&self) -> bool {
        self.has_surplus.load(Ordering::Relaxed)
    }

    /// Reads native pixel bytes from `start` within the pixel data.
    fn read_native(&self, start: u64, target: &mut [u8]) -> Result<(), ImagingError> {
        let instance = self.instance;
        let available = instance.pixels.len.unwrap_or(0);
        let wanted = start.saturating_add(target.len() as u64);
        if wanted > available {
            return Err(ImagingError::Truncated {
                path: instance.location.path().to_path_buf(),
                expected_bytes: wanted,
                found_bytes: available,
            });
        }
        self.bytes
            .read_into(instance.pixels.offset + start, target)
            .map_err(|source| ImagingError::io(instance.location.path(), source))
    }
}

fn damaged(instance: &Instance, reason: &str) -> ImagingError {
    ImagingError::Damaged { path: instance.location.path().to_path_buf(), reason: reason.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_stored_bits_count_and_signs_extend() {
        // 12 bits in 16, dirty above.
        assert_eq!(0xF123u16.significant(12, 11), 0x123);
        assert_eq!(0x7FFFu16.cast_signed().significant(12, 11), -1);
        assert_eq!(0x0800i16.significant(12, 11), -2048);
        assert_eq!(0x07FFi16.significant(12, 11), 2047);
        // 12 bits at the top of 16.
        assert_eq!(0x123Fu16.significant(12, 15), 0x123);
        assert_eq!(0xFFF7u16.cast_signed().significant(12, 15), -1);
        assert_eq!(0x85u8.significant(1, 0), 1);
        assert_eq!((-5i32).significant(32, 31), -5);
    }

    #[test]
    fn converted_values_round_and_saturate() {
        assert_eq!([i16::from_f64(-0.6), i16::from_f64(1e9), i16::from_f64(2.4)], [-1, i16::MAX, 2]);
        assert_eq!([u8::from_f64(-3.0), u8::from_f64(254.5)], [0, 255]);
    }
}
