//! Colour and opacity of modality values: control points, the lookup table made from them, and presets.

use crate::image::decode_srgb;

/// Entries of a lookup table; fixed, so that GPU, CPU and reference read the same values.
pub const LUT_ENTRIES: usize = 4096;

/// One point of a transfer function.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ControlPoint {
    /// Modality value (HU for CT).
    pub value: f64,
    /// sRGB-coded red, green, blue, `0.0..=1.0`.
    pub color: [f32; 3],
    /// Opacity of [`TransferFunction::reference_mm`] of tissue with this value, `0.0..=1.0`.
    pub opacity: f32,
}

/// Piecewise linear colour and opacity over modality values; constant beyond the outer points.
#[derive(Debug, Clone, PartialEq)]
pub struct TransferFunction {
    points: Vec<ControlPoint>,
    /// Path length in mm for which the opacities are defined.
    pub reference_mm: f64,
}

impl TransferFunction {
    /// From at least one control point; they are sorted by value and clamped to their ranges.
    ///
    /// Opacities are those of `reference_mm` of path; 1 mm unless there is a reason.
    pub fn new(points: impl Into<Vec<ControlPoint>>, reference_mm: f64) -> Self {
        let mut points: Vec<ControlPoint> = points.into();
        points.retain(|p| p.value.is_finite());
        if points.is_empty() {
            points.push(ControlPoint { value: 0.0, color: [0.0; 3], opacity: 0.0 });
        }
        points.sort_by(|a, b| a.value.total_cmp(&b.value));
        for p in &mut points {
            let unit = |v: f32| if v.is_finite() { v.clamp(0.0, 1.0) } else { 0.0 };
            p.color = p.color.map(unit);
            p.opacity = unit(p.opacity);
        }
        Self { points, reference_mm: reference_mm.max(1e-3) }
    }

    /// The points in ascending order of value; never empty.
    pub fn points(&self) -> &[ControlPoint] {
        &self.points
    }

    /// Lowest and highest control value.
    pub fn range(&self) -> (f64, f64) {
        let low = self.points.first().map_or(0.0, |p| p.value);
        let high = self.points.last().map_or(1.0, |p| p.value);
        (low, if high > low { high } else { low + 1.0 })
    }

    /// The same function with all values moved and stretched so that it spans `low..=high`.
    pub fn fitted_to(&self, low: f64, high: f64) -> Self {
        let (a, b) = self.range();
        let scale = (high - low) / (b - a);
        let points: Vec<_> =
            self.points.iter().map(|p| ControlPoint { value: low + (p.value - a) * scale, ..*p }).collect();
        Self::new(points, self.reference_mm)
    }

    /// The same function moved by `shift` modality units.
    pub fn shifted(&self, shift: f64) -> Self {
        let points: Vec<_> =
            self.points.iter().map(|p| ControlPoint { value: p.value + shift, ..*p }).collect();
        Self::new(points, self.reference_mm)
    }

    /// sRGB-coded colour and opacity at a modality value.
    pub fn at(&self, value: f64) -> ([f32; 3], f32) {
        let i = self.points.partition_point(|p| p.value <= value);
        let (Some(a), Some(b)) = (i.checked_sub(1).and_then(|j| self.points.get(j)), self.points.get(i))
        else {
            let edge = self.points.get(i.min(self.points.len() - 1));
            return edge.map_or(([0.0; 3], 0.0), |p| (p.color, p.opacity));
        };
        let t = ((value - a.value) / (b.value - a.value)) as f32;
        let mix = |x: f32, y: f32| x + (y - x) * t;
        (std::array::from_fn(|c| mix(a.color[c], b.color[c])), mix(a.opacity, b.opacity))
    }

    /// The lookup table for steps of `step_mm`.
    pub fn lut(&self, step_mm: f64) -> TransferLut {
        let (low, high) = self.range();
        let entries = (0..LUT_ENTRIES)
            .map(|i| {
                let value = low + (high - low) * i as f64 / (LUT_ENTRIES - 1) as f64;
                let (color, opacity) = self.at(value);
                let [r, g, b] = color.map(decode_srgb);
                [r, g, b, corrected_opacity(opacity, step_mm, self.reference_mm)]
            })
            .collect();
        TransferLut { low, high, entries }
    }
}

/// Opacity for one step of `step_mm`, from an opacity defined for `reference_mm`.
///
/// Keeps the image stable when the step length changes: `1 - (1 - a)^(step / reference)`.
/// Source: Engel et al., *Real-Time Volume Graphics*, 2006.
pub fn corrected_opacity(opacity: f32, step_mm: f64, reference_mm: f64) -> f32 {
    (1.0 - (1.0 - f64::from(opacity)).powf(step_mm / reference_mm)) as f32
}

/// A transfer function sampled at [`LUT_ENTRIES`] values, opacity corrected for one step length.
#[derive(Debug, Clone, PartialEq)]
pub struct TransferLut {
    /// Modality value of the first entry.
    pub low: f64,
    /// Modality value of the last entry.
    pub high: f64,
    /// Linear RGB (not premultiplied) and opacity per step.
    pub entries: Vec<[f32; 4]>,
}

impl TransferLut {
    /// The entry for a modality value: nearest, clamped at the ends.
    pub fn lookup(&self, value: f64) -> [f32; 4] {
        let t = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        let i = (t * (LUT_ENTRIES - 1) as f64 + 0.5) as usize;
        self.entries.get(i).copied().unwrap_or_default()
    }
}

/// A named transfer function for volume rendering.
#[derive(Debug, Clone, Copy)]
pub struct VolumePreset {
    /// Name as readers know it, e.g. `CT-Bone`.
    pub name: &'static str,
    /// Modality the values are meant for; `None` fits the data's range (MR).
    pub modality: Option<&'static str>,
    points: &'static [(f64, [u8; 3], f32)],
}

impl VolumePreset {
    /// The preset's transfer function; for presets without absolute values, over `0.0..=1.0`.
    pub fn transfer_function(&self) -> TransferFunction {
        let points: Vec<_> = self
            .points
            .iter()
            .map(|&(value, rgb, opacity)| ControlPoint {
                value,
                color: rgb.map(|c| f32::from(c) / 255.0),
                opacity,
            })
            .collect();
        TransferFunction::new(points, 1.0)
    }

    /// Finds a preset by name, ignoring case.
    pub fn by_name(name: &str) -> Option<&'static Self> {
        VOLUME_PRESETS.iter().find(|p| p.name.eq_ignore_ascii_case(name))
    }
}

/// The presets that ship; the curves are ours.
pub const VOLUME_PRESETS: &[VolumePreset] = &[
    VolumePreset {
        name: "CT-Bone",
        modality: Some("CT"),
        points: &[
            (-1000.0, [0, 0, 0], 0.0),
            (150.0, [120, 70, 50], 0.0),
            (250.0, [190, 140, 100], 0.08),
            (450.0, [232, 215, 185], 0.45),
            (1200.0, [255, 250, 240], 0.85),
            (3000.0, [255, 255, 255], 0.95),
        ],
    },
    VolumePreset {
        name: "CT-Soft-Tissue",
        modality: Some("CT"),
        points: &[
            (-1000.0, [0, 0, 0], 0.0),
            (-180.0, [150, 100, 70], 0.0),
            (-60.0, [205, 150, 110], 0.03),
            (40.0, [200, 90, 75], 0.12),
            (120.0, [215, 120, 95], 0.2),
            (300.0, [240, 225, 200], 0.6),
            (1500.0, [255, 255, 250], 0.9),
        ],
    },
    VolumePreset {
        name: "CT-Chest-Contrast",
        modality: Some("CT"),
        points: &[
            (-1000.0, [0, 0, 0], 0.0),
            (40.0, [140, 35, 30], 0.0),
            (120.0, [190, 50, 40], 0.12),
            (220.0, [230, 110, 80], 0.4),
            (400.0, [245, 220, 190], 0.65),
            (1200.0, [255, 252, 245], 0.9),
        ],
    },
    VolumePreset {
        name: "CT-Lung",
        modality: Some("CT"),
        points: &[
            (-1000.0, [0, 0, 0], 0.0),
            (-900.0, [40, 60, 90], 0.0),
            (-780.0, [80, 120, 160], 0.015),
            (-600.0, [150, 170, 190], 0.06),
            (-450.0, [215, 150, 130], 0.03),
            (-200.0, [200, 90, 80], 0.0),
            (3000.0, [255, 240, 220], 0.0),
        ],
    },
    VolumePreset {
        name: "CT-Skin",
        modality: Some("CT"),
        points: &[
            (-1000.0, [0, 0, 0], 0.0),
            (-350.0, [190, 130, 105], 0.0),
            (-200.0, [224, 172, 140], 0.5),
            (50.0, [232, 184, 152], 0.9),
            (3000.0, [255, 240, 225], 0.95),
        ],
    },
    VolumePreset {
        name: "MR-Default",
        modality: None,
        points: &[
            (0.0, [0, 0, 0], 0.0),
            (0.12, [60, 40, 30], 0.0),
            (0.3, [150, 110, 85], 0.06),
            (0.6, [215, 190, 165], 0.25),
            (1.0, [255, 250, 245], 0.6),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_half_steps_are_as_opaque_as_one_whole() {
        for a in [0.0, 0.01, 0.3, 0.99] {
            let half = f64::from(corrected_opacity(a, 0.5, 1.0));
            let both = 1.0 - (1.0 - half) * (1.0 - half);
            assert!((both - f64::from(a)).abs() < 1e-6);
        }
        assert_eq!(corrected_opacity(1.0, 0.1, 1.0), 1.0);
    }

    #[test]
    fn lookup_is_the_function_within_one_entry() {
        let tf = VolumePreset::by_name("ct-soft-tissue").unwrap().transfer_function();
        let lut = tf.lut(1.0);
        for value in [-2000.0, -180.0, 0.0, 40.0, 299.0, 5000.0] {
            let (color, opacity) = tf.at(value);
            let [r, .., a] = lut.lookup(value);
            assert!((a - opacity).abs() < 0.003, "opacity at {value}: {a} vs {opacity}");
            assert!((r - decode_srgb(color[0])).abs() < 0.02);
        }
    }

    #[test]
    fn presets_start_transparent_and_have_names_of_their_own() {
        for (i, p) in VOLUME_PRESETS.iter().enumerate() {
            assert_eq!(p.transfer_function().points()[0].opacity, 0.0, "{}", p.name);
            assert!(VOLUME_PRESETS[..i].iter().all(|q| q.name != p.name));
        }
    }

    #[test]
    fn hostile_points_are_tamed() {
        let nan = ControlPoint { value: f64::NAN, color: [f32::NAN; 3], opacity: 7.0 };
        assert_eq!(TransferFunction::new([nan], 1.0).at(0.0), ([0.0; 3], 0.0));
        let single = TransferFunction::new([ControlPoint { value: 5.0, ..nan }], 1.0);
        assert_eq!(single.at(5.0), ([0.0; 3], 1.0));
        assert_eq!(single.lut(1.0).lookup(1e9)[3], 1.0);
    }
}
