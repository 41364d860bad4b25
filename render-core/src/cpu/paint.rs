//! What becomes of the samples of a slice: grey, or colours of a map over what is there.

use imaging::intensity::{VoiFunction, VoiTable};
use imaging::volume::Rescale;

use super::lanes::{Lanes, exp2};
use crate::color_map::{ColorMap, ENTRIES};
use crate::scene::GreyMapping;

/// Turns samples into pixels.
pub(crate) trait Paint: Sync {
    /// Draws up to eight pixels from lane values; where `inside` is false there is no value.
    fn packet<L: Lanes>(&self, l: L, lane: L::F, inside: L::I, pixels: &mut [u8]);
    /// Draws one pixel from a modality value; NaN is no value.
    fn pixel(&self, value: f64, pixel: &mut [u8]);
}

/// Opaque grey; black where there is no value.
pub(crate) struct GreyPaint {
    ramp: Ramp,
    grey: GreyMapping,
}

impl GreyPaint {
    /// `rescale` leads from lane values to modality values.
    pub(crate) fn new(grey: GreyMapping, rescale: Rescale) -> Self {
        Self { ramp: Ramp::new(&grey, rescale), grey }
    }
}

impl Paint for GreyPaint {
    #[inline(always)]
    fn packet<L: Lanes>(&self, l: L, lane: L::F, inside: L::I, pixels: &mut [u8]) {
        let byte = l.truncate(l.mul_add(self.ramp.display(l, lane), l.float(255.0), l.float(0.5)));
        let byte = l.and(byte, inside);
        let grey = l.or(l.or(byte, l.shl::<8>(byte)), l.shl::<16>(byte));
        let rgba = l.or(grey, l.int(0xff00_0000_u32 as i32));
        let bytes = l.int_array(rgba).map(i32::to_le_bytes);
        pixels.copy_from_slice(&bytes.as_flattened()[..pixels.len()]);
    }

    #[inline]
    fn pixel(&self, value: f64, pixel: &mut [u8]) {
        let byte = |v: f64| (v.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
        let grey = if value.is_nan() { 0 } else { byte(self.grey.apply(value)) };
        pixel.copy_from_slice(&[grey, grey, grey, 255]);
    }
}

/// Colours of a map, blended over what is there; opaque afterwards.
pub(crate) struct ColorPaint {
    ramp: Ramp,
    grey: GreyMapping,
    /// Red, green and blue of each entry, `0.0..=255.0`.
    lut: [[f32; 3]; ENTRIES],
    opacity: f32,
    threshold: f64,
    /// The same in lane values; what lies beyond it is not shown.
    limit: Limit,
}

/// Lane values below (above, where modality values fall with them) are not shown.
#[derive(Debug, Clone, Copy)]
struct Limit {
    lane: f32,
    is_falling: bool,
}

impl ColorPaint {
    /// `rescale` leads from lane values to modality values; nothing below `threshold` is drawn.
    pub(crate) fn new(
        grey: GreyMapping,
        rescale: Rescale,
        map: &ColorMap,
        opacity: f32,
        threshold: Option<f64>,
    ) -> Self {
        let threshold = threshold.unwrap_or(f64::NEG_INFINITY);
        let limit = if rescale.slope == 0.0 {
            // One value everywhere: all or nothing.
            let is_shown = rescale.intercept >= threshold;
            Limit { lane: if is_shown { f32::NEG_INFINITY } else { f32::INFINITY }, is_falling: false }
        } else {
            let lane = ((threshold - rescale.intercept) / rescale.slope) as f32;
            Limit { lane, is_falling: rescale.slope < 0.0 }
        };
        let lut = map.lut().map(|color| color.map(f32::from));
        Self { ramp: Ramp::new(&grey, rescale), grey, lut, opacity, threshold, limit }
    }

    /// Blends the colour of a display value `0.0..=1.0` over a pixel.
    #[inline(always)]
    fn blend(&self, display: f32, pixel: &mut [u8]) {
        let at = display * (ENTRIES - 1) as f32;
        let low = (at as usize).min(ENTRIES - 2);
        let share = at - low as f32;
        let (low, high) = (&self.lut[low], &self.lut[low + 1]);
        for ((byte, low), high) in pixel.iter_mut().zip(low).zip(high) {
            *byte = blended(*byte, low + (high - low) * share, self.opacity);
        }
    }
}

/// `own` with an opacity over a byte; see [`crate::layers`].
#[inline(always)]
pub(crate) fn blended(below: u8, own: f32, opacity: f32) -> u8 {
    let below = f32::from(below);
    (below + (own - below) * opacity + 0.5) as u8
}

impl Paint for ColorPaint {
    #[inline(always)]
    fn packet<L: Lanes>(&self, l: L, lane: L::F, inside: L::I, pixels: &mut [u8]) {
        let limit = l.float(self.limit.lane);
        let is_beyond = if self.limit.is_falling { l.lt(limit, lane) } else { l.lt(lane, limit) };
        let shown = l.mask_bits(l.and_not(inside, is_beyond));
        let display = l.float_array(self.ramp.display(l, lane));
        for (i, pixel) in pixels.chunks_exact_mut(4).enumerate() {
            if shown >> i & 1 == 1 {
                self.blend(display[i], pixel);
            }
            pixel[3] = 255;
        }
    }

    #[inline]
    fn pixel(&self, value: f64, pixel: &mut [u8]) {
        if value >= self.threshold {
            self.blend(self.grey.apply(value) as f32, pixel);
        }
        pixel[3] = 255;
    }
}

/// Lane value to display value: `(lane - middle) * gain + bias`, then clamped or bent.
#[derive(Debug, Clone, Copy)]
struct Ramp {
    middle: f32,
    gain: f32,
    bias: f32,
    is_sigmoid: bool,
    is_inverted: bool,
    /// Looks modality values up; the lane value is then all that `gain` and `bias` make.
    table: Option<VoiTable>,
}

impl Ramp {
    fn new(grey: &GreyMapping, rescale: Rescale) -> Self {
        let window = grey.window;
        if let VoiFunction::Table(table) = window.function {
            return Self {
                middle: 0.0,
                gain: rescale.slope as f32,
                bias: rescale.intercept as f32,
                is_sigmoid: false,
                is_inverted: grey.is_inverted,
                table: Some(table),
            };
        }
        let (middle, width) = match window.function {
            VoiFunction::Linear | VoiFunction::Table(_) => (window.center - 0.5, window.width - 1.0),
            VoiFunction::LinearExact | VoiFunction::Sigmoid => (window.center, window.width),
        };
        // A window of one step is a threshold: everything above its middle is white.
        let is_threshold = width < 1e-6;
        let per_unit = if is_threshold { 1e30 } else { 1.0 / width };
        let bias = if is_threshold { 0.0 } else { 0.5 };
        let (middle, gain, bias) = if rescale.slope == 0.0 {
            (0.0, 0.0, (rescale.intercept - middle) * per_unit + bias)
        } else {
            ((middle - rescale.intercept) / rescale.slope, rescale.slope * per_unit, bias)
        };
        Self {
            middle: middle as f32,
            gain: gain as f32,
            bias: bias.clamp(-1e30, 1e30) as f32,
            is_sigmoid: window.function == VoiFunction::Sigmoid,
            is_inverted: grey.is_inverted,
            table: None,
        }
    }

    /// Display values `0.0..=1.0` of lane values.
    #[inline(always)]
    fn display<L: Lanes>(&self, l: L, lane: L::F) -> L::F {
        let (zero, one) = (l.float(0.0), l.float(1.0));
        let t = l.mul_add(l.sub(lane, l.float(self.middle)), l.float(self.gain), l.float(self.bias));
        let grey = if let Some(table) = self.table {
            l.floats(&l.float_array(t).map(|value| table.apply(f64::from(value)) as f32))
        } else if self.is_sigmoid {
            // 1 / (1 + e^(-4 (v - c) / w)); t is half off because the ramp is centred on 0.5.
            let x = l.mul(l.sub(t, l.float(0.5)), l.float(-4.0 * std::f32::consts::LOG2_E));
            l.div(one, l.add(one, exp2(l, x)))
        } else {
            l.min(l.max(t, zero), one)
        };
        if self.is_inverted { l.sub(one, grey) } else { grey }
    }
}
