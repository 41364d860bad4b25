//! Modality values as the numbers that are written: int16 where that is exact, else float32.

use std::io::Write;
use std::ops::Range;

use imaging::volume::{Rescale, Sample, Voxels};
use imaging::with_voxels;
use rayon::prelude::*;

use crate::OperatorError;
use crate::input::InputVolume;
use crate::operator::Listener;

/// Values are checked and converted in pieces of this many.
const PIECE: usize = 1 << 16;

/// Number type of voxels in a written file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the number types name themselves")]
pub enum NumberType {
    U8,
    I16,
    F32,
}

impl NumberType {
    /// Size of one voxel.
    pub fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::I16 => 2,
            Self::F32 => 4,
        }
    }
}

/// A box of voxels whose modality values can be written one row after the other.
#[derive(Debug, Clone, Copy)]
pub struct ModalityValues<'a> {
    stored: &'a Voxels,
    rescale: Rescale,
    first_sample: usize,
    /// Voxels along x and y of the volume, not of the box.
    stride: [usize; 2],
    first_index: [usize; 3],
    size: [usize; 3],
    number_type: NumberType,
}

impl<'a> ModalityValues<'a> {
    /// The box of `size` voxels from `first_index` on, with the number type that suits its values.
    ///
    /// Tells `listener` if float32 rounds some of them.
    ///
    /// # Errors
    /// [`OperatorError::ValueTooLarge`] if a finite value is beyond float32, [`OperatorError::BoxOutside`].
    pub fn new(
        input: &'a InputVolume,
        first_index: [usize; 3],
        size: [usize; 3],
        listener: &dyn Listener,
    ) -> Result<Self, OperatorError> {
        let d = input.dims();
        let fits = |axis: usize, n: usize| {
            let (first, size) = (first_index.get(axis), size.get(axis));
            first.zip(size).and_then(|(f, s)| f.checked_add(*s)).is_some_and(|end| end <= n)
        };
        if !(fits(0, d.x) && fits(1, d.y) && fits(2, d.z)) || size.contains(&0) {
            return Err(OperatorError::BoxOutside { x: d.x, y: d.y, z: d.z });
        }
        let mut values = Self {
            stored: input.stored(),
            rescale: input.rescale(),
            first_sample: input.first_sample(),
            stride: [d.x, d.y],
            first_index,
            size,
            number_type: NumberType::I16,
        };
        let found = values.survey();
        if let Some(value) = found.beyond_f32 {
            return Err(OperatorError::ValueTooLarge { value });
        }
        if !found.is_i16 {
            values.number_type = NumberType::F32;
            if found.is_rounded {
                listener.warning("some values are rounded to float32");
            }
        }
        Ok(values)
    }

    /// What is written for each voxel.
    pub fn number_type(&self) -> NumberType {
        self.number_type
    }

    /// Size of all that [`Self::write_to`] writes.
    pub fn size_bytes(&self) -> u64 {
        self.size.iter().map(|&n| n as u64).product::<u64>() * self.number_type.bytes() as u64
    }

    /// Writes all values, little endian, x fastest.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write_to(&self, out: &mut dyn Write) -> std::io::Result<()> {
        with_voxels!(self.stored, samples => self.write_samples(samples, out))
    }

    fn write_samples<T: Sample>(&self, samples: &[T], out: &mut dyn Write) -> std::io::Result<()> {
        let rows_at_once = (PIECE / self.size[0].max(1)).max(1);
        let row_count = self.size[1] * self.size[2];
        let mut bytes = Vec::new();
        for first in (0..row_count).step_by(rows_at_once) {
            bytes.clear();
            for row in first..(first + rows_at_once).min(row_count) {
                let values = samples.get(self.row(row)).unwrap_or_default().iter();
                let values = values.map(|stored| self.rescale.apply(stored.to_f64()));
                match self.number_type {
                    NumberType::U8 => bytes.extend(values.map(|v| v as u8)),
                    NumberType::I16 => bytes.extend(values.flat_map(|v| (v as i16).to_le_bytes())),
                    NumberType::F32 => bytes.extend(values.flat_map(|v| (v as f32).to_le_bytes())),
                }
            }
            out.write_all(&bytes)?;
        }
        Ok(())
    }

    /// Where row `row` of the box lies among the samples.
    fn row(&self, row: usize) -> Range<usize> {
        let (y, z) = (row % self.size[1] + self.first_index[1], row / self.size[1] + self.first_index[2]);
        let first = self.first_sample + (z * self.stride[1] + y) * self.stride[0] + self.first_index[0];
        first..first + self.size[0]
    }

    fn survey(&self) -> Survey {
        let rows = (0..self.size[1] * self.size[2]).into_par_iter().with_min_len(64);
        with_voxels!(self.stored, samples => rows
            .map(|row| {
                let values = samples.get(self.row(row)).unwrap_or_default().iter();
                let values = values.map(|stored| self.rescale.apply(stored.to_f64()));
                values.fold(Survey::default(), Survey::seen)
            })
            .reduce(Survey::default, Survey::and))
    }
}

/// What values need of a number type.
#[derive(Debug, Clone, Copy)]
struct Survey {
    is_i16: bool,
    is_rounded: bool,
    beyond_f32: Option<f64>,
}

impl Default for Survey {
    fn default() -> Self {
        Self { is_i16: true, is_rounded: false, beyond_f32: None }
    }
}

impl Survey {
    #[inline]
    fn seen(self, value: f64) -> Self {
        let is_i16 = f64::from(value as i16) == value && !(value == 0.0 && value.is_sign_negative());
        if is_i16 {
            return self;
        }
        let single = value as f32;
        let is_beyond = value.is_finite() && !single.is_finite();
        Self {
            is_i16: false,
            is_rounded: self.is_rounded || (!value.is_nan() && f64::from(single) != value),
            beyond_f32: self.beyond_f32.or(is_beyond.then_some(value)),
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            is_i16: self.is_i16 && other.is_i16,
            is_rounded: self.is_rounded || other.is_rounded,
            beyond_f32: self.beyond_f32.or(other.beyond_f32),
        }
    }
}
