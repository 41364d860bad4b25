//! What the stored colours of an image mean, and the same image in sRGB for display.
//!
//! Values, statistics and histograms are always those of the file. Only pictures are drawn from the converted copy
//! that [`in_srgb`] makes. Grey images are not touched: windows say how they look.

use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use moxcms::{
    ColorProfile as Parsed, DataColorSpace, InterpolationMethod, Layout, ParsingOptions, RenderingIntent,
    TransformExecutor, TransformOptions,
};
use rayon::prelude::*;

use crate::volume::{Channels, Sample, Volume, VolumeMeta, Voxels};

/// Largest profile that is read; those of scanners and printers stay below.
pub const MAX_PROFILE_BYTES: usize = 4 << 20;

/// Samples that one thread converts at a time; a multiple of three and four.
const CHUNK: usize = 3 << 18;

/// Why a profile cannot be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum ColorProfileError {
    #[error("the colour profile is empty or larger than 4 MiB")]
    Size,
    #[error("the colour profile is damaged")]
    Damaged,
    #[error("the colour profile is not one of RGB colours")]
    NotRgb,
    #[error("the colour profile is of a kind that cannot be applied")]
    Unsupported,
}

/// The colour space of stored RGB values.
#[derive(Clone, PartialEq)]
pub struct ColorProfile {
    name: String,
    space: Space,
    is_srgb: bool,
}

/// What defines the colour space.
#[derive(Clone, PartialEq)]
enum Space {
    Icc(Arc<[u8]>),
    Srgb,
    AdobeRgb,
    RommRgb,
}

impl fmt::Debug for ColorProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ColorProfile").field("name", &self.name).finish_non_exhaustive()
    }
}

impl ColorProfile {
    /// Reads an ICC profile and makes sure that it can be applied.
    ///
    /// # Errors
    /// [`ColorProfileError`].
    pub fn read(bytes: &[u8]) -> Result<Self, ColorProfileError> {
        if bytes.is_empty() || bytes.len() > MAX_PROFILE_BYTES {
            return Err(ColorProfileError::Size);
        }
        let parsed = parse(bytes)?;
        if parsed.color_space != DataColorSpace::Rgb {
            return Err(ColorProfileError::NotRgb);
        }
        Self::checked(name_of(&parsed), Space::Icc(shared(bytes)))
    }

    /// The colour space that a label of DICOM's Color Space (0028,2002) stands for (PS3.3 C.11.15.1.2).
    pub fn labelled(label: &str) -> Option<Self> {
        let (name, space) = match label {
            "SRGB" => ("sRGB", Space::Srgb),
            "ADOBERGB" => ("Adobe RGB (1998)", Space::AdobeRgb),
            "ROMMRGB" => ("ROMM RGB", Space::RommRgb),
            _ => return None,
        };
        Self::checked(name.to_owned(), space).ok()
    }

    /// What the profile calls itself.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether converting changes nothing that 8 bits can show.
    pub fn is_srgb(&self) -> bool {
        self.is_srgb
    }

    /// Converts a coarse grid of colours, which also proves that the profile can be applied.
    fn checked(name: String, space: Space) -> Result<Self, ColorProfileError> {
        let profile = Self { name, space, is_srgb: false };
        let steps = || (0..=8u8).map(|step| (u16::from(step) * 255 / 8) as u8);
        let grid: Vec<u8> =
            steps().flat_map(|r| steps().flat_map(move |g| steps().flat_map(move |b| [r, g, b]))).collect();
        let shown = profile.convert(&grid, Channels::Rgb, Parsed::create_transform_8bit)?;
        let is_srgb = grid.iter().zip(&shown).all(|(stored, shown)| stored.abs_diff(*shown) <= 1);
        Ok(Self { is_srgb, ..profile })
    }

    fn parsed(&self) -> Result<Parsed, ColorProfileError> {
        match &self.space {
            Space::Icc(bytes) => parse(bytes),
            Space::Srgb => Ok(Parsed::new_srgb()),
            Space::AdobeRgb => Ok(Parsed::new_adobe_rgb()),
            Space::RommRgb => Ok(Parsed::new_pro_photo_rgb()),
        }
    }

    /// Samples in sRGB, on all cores; alpha stays.
    fn convert<T: Sample + Default>(
        &self,
        samples: &[T],
        channels: Channels,
        create: CreateTransform<T>,
    ) -> Result<Vec<T>, ColorProfileError> {
        let layout = if channels == Channels::Rgba { Layout::Rgba } else { Layout::Rgb };
        let options = TransformOptions {
            // What DICOM recommends (PS3.3 C.11.15.1.1).
            rendering_intent: RenderingIntent::Perceptual,
            prefer_fixed_point: false,
            interpolation_method: InterpolationMethod::Tetrahedral,
            ..TransformOptions::default()
        };
        let parsed = self.parsed()?;
        let mut shown = crate::memory::zeroed::<T>(samples.len()).map_err(|_| ColorProfileError::Size)?;
        let converted = catch_unwind(AssertUnwindSafe(|| {
            let transform = create(&parsed, layout, &Parsed::new_srgb(), layout, options)?;
            let chunks = shown.par_chunks_mut(CHUNK).zip(samples.par_chunks(CHUNK));
            chunks.map(|(to, from)| transform.transform(from, to)).collect::<Result<(), _>>()
        }));
        match converted {
            Ok(Ok(())) => Ok(shown),
            _ => Err(ColorProfileError::Unsupported),
        }
    }
}

/// A constructor of transforms for one number type.
type CreateTransform<T> = fn(
    &Parsed,
    Layout,
    &Parsed,
    Layout,
    TransformOptions,
) -> Result<Arc<dyn TransformExecutor<T> + Send + Sync>, moxcms::CmsError>;

/// A colour volume in sRGB, for display only; the volume itself where there is nothing to convert.
///
/// Statistics of the result mean nothing: measure the volume that was read.
pub fn in_srgb(volume: &Arc<Volume>) -> Arc<Volume> {
    let meta = volume.meta();
    let Some(profile) = meta.color_profile.as_ref().filter(|profile| !profile.is_srgb) else {
        return Arc::clone(volume);
    };
    let shown: Result<Voxels, ColorProfileError> = match (meta.channels, volume.voxels()) {
        (Channels::Scalar, _) => return Arc::clone(volume),
        (channels, Voxels::U8(samples)) => stretched(samples, volume.color_white(), u8::MAX, |v| v as u8)
            .and_then(|samples| profile.convert(&samples, channels, Parsed::create_transform_8bit))
            .map(Voxels::from),
        (channels, Voxels::U16(samples)) => stretched(samples, volume.color_white(), u16::MAX, |v| v as u16)
            .and_then(|samples| profile.convert(&samples, channels, Parsed::create_transform_16bit))
            .map(Voxels::from),
        (channels, Voxels::F32(samples)) => {
            profile.convert(samples, channels, Parsed::create_transform_f32).map(Voxels::from)
        }
        _ => return Arc::clone(volume),
    };
    let color_profile = ColorProfile::labelled("SRGB");
    let meta = VolumeMeta { color_profile, color_white: None, ..meta.clone() };
    match shown.map(|voxels| Volume::new(meta, voxels)) {
        Ok(Ok(shown)) => Arc::new(shown),
        _ => Arc::clone(volume),
    }
}

/// Samples whose full intensity is `largest`, the largest value of their type.
fn stretched<T: Sample + Default>(
    samples: &[T],
    white: f64,
    largest: T,
    cut: fn(f64) -> T,
) -> Result<Cow<'_, [T]>, ColorProfileError> {
    let largest = largest.to_f64();
    if white == largest {
        return Ok(Cow::Borrowed(samples));
    }
    let mut out = crate::memory::zeroed::<T>(samples.len()).map_err(|_| ColorProfileError::Size)?;
    out.par_iter_mut()
        .zip(samples)
        .for_each(|(out, sample)| *out = cut((sample.to_f64() / white).min(1.0) * largest + 0.5));
    Ok(Cow::Owned(out))
}

fn parse(bytes: &[u8]) -> Result<Parsed, ColorProfileError> {
    let options = ParsingOptions { max_profile_size: MAX_PROFILE_BYTES + 1, ..ParsingOptions::default() };
    catch_unwind(|| Parsed::new_from_slice_with_options(bytes, options))
        .ok()
        .and_then(Result::ok)
        .ok_or(ColorProfileError::Damaged)
}

/// The profile's description, cut to what fits into a line.
fn name_of(parsed: &Parsed) -> String {
    use moxcms::ProfileText;
    let text = match &parsed.description {
        Some(ProfileText::PlainString(text)) => text.clone(),
        Some(ProfileText::Localizable(texts)) => {
            let english = texts.iter().find(|text| text.language == "en").or(texts.first());
            english.map(|text| text.value.clone()).unwrap_or_default()
        }
        Some(ProfileText::Description(text)) => text.ascii_string.clone(),
        None => String::new(),
    };
    let name: String = text.chars().filter(|c| !c.is_control()).take(80).collect();
    let name = name.trim();
    if name.is_empty() { "ICC profile".to_owned() } else { name.to_owned() }
}

/// The same bytes, once in memory however many images carry them.
pub(crate) fn shared(bytes: &[u8]) -> Arc<[u8]> {
    static IN_USE: Mutex<Vec<Weak<[u8]>>> = Mutex::new(Vec::new());
    let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
    in_use.retain(|profile| profile.strong_count() > 0);
    if let Some(known) = in_use.iter().filter_map(Weak::upgrade).find(|known| **known == *bytes) {
        return known;
    }
    let new: Arc<[u8]> = bytes.into();
    in_use.push(Arc::downgrade(&new));
    new
}
