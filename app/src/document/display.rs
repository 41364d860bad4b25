//! How the values of one series become grey, and how its volume is drawn.

use std::sync::Arc;

use imaging::intensity::{Histogram, VoiFunction, Window};
use render_core::color_map::ColorMap;
use render_core::scene::{GreyMapping, Interpolation};
use render_core::transfer_function::{TransferFunction, VOLUME_PRESETS, VolumePreset};

use super::series::{Series, SeriesKey};

/// Name of a window that was computed from the values.
pub const AUTO: &str = "Auto";

/// Grey values and volume look of one series; shared by all viewports that show it.
#[derive(Debug, Clone, PartialEq)]
pub struct Display {
    /// VOI window.
    pub window: Window,
    /// Name of the preset the window came from, until it is changed by hand.
    pub window_name: Option<String>,
    /// Which of the file's windows is in force: each slice is then shown with its own.
    pub file_window: Option<usize>,
    /// Whether low values are bright.
    pub is_inverted: bool,
    /// Whether a colour profile of the image is applied to what is shown.
    pub is_color_managed: bool,
    /// Grey values in colour; `None` is grey.
    pub color_map: Option<Arc<ColorMap>>,
    /// Between voxels.
    pub interpolation: Interpolation,
    /// The 3-D view.
    pub volume: VolumeLook,
}

/// A second series over the slices of one, in its own window and colours.
#[derive(Debug, Clone, PartialEq)]
pub struct Fusion {
    /// What lies over it.
    pub over: SeriesKey,
    /// Its colours.
    pub color_map: Arc<ColorMap>,
    /// `0.0..=1.0`.
    pub opacity: f32,
}

impl Fusion {
    /// Hot colours, half transparent.
    pub fn new(over: SeriesKey) -> Self {
        let all = ColorMap::all();
        let hot = ColorMap::by_id("hot-iron").or_else(|| all.first().cloned());
        Self { over, color_map: hot.expect("there are colour maps"), opacity: 0.5 }
    }
}

/// How the volume view composes samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum VolumeStyle {
    /// Transfer function with light.
    #[default]
    Lit,
    /// Transfer function without light.
    Unlit,
    /// Maximum intensity through the window.
    Mip,
}

impl VolumeStyle {
    /// All styles with their names.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::Lit, "Shaded"), (Self::Unlit, "Unshaded"), (Self::Mip, "MIP")];
}

/// Which transfer function is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VolumePresetChoice {
    /// One that ships.
    Preset(&'static str),
    /// Edited.
    Custom,
}

impl VolumePresetChoice {
    /// What to call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Preset(name) => name,
            Self::Custom => "Custom",
        }
    }
}

/// Look of the volume view.
#[derive(Debug, Clone, PartialEq)]
pub struct VolumeLook {
    /// Where the transfer function came from.
    pub preset: VolumePresetChoice,
    /// Colour and opacity, in modality values.
    pub transfer_function: Arc<TransferFunction>,
    /// Composition.
    pub style: VolumeStyle,
}

impl VolumeLook {
    /// A shipped preset; those without absolute values are stretched over the data.
    pub fn from_preset(preset: &'static VolumePreset, histogram: Option<&Histogram>) -> Self {
        let function = preset.transfer_function();
        let function = match (preset.modality, histogram) {
            (None, Some(h)) => function.fitted_to(h.percentile(0.01), h.percentile(0.998)),
            _ => function,
        };
        Self {
            preset: VolumePresetChoice::Preset(preset.name),
            transfer_function: Arc::new(function),
            style: VolumeStyle::Lit,
        }
    }

    /// The usual look for a modality and body part.
    pub fn initial(modality: &str, histogram: Option<&Histogram>) -> Self {
        let name = if modality == "CT" { "CT-Bone" } else { "MR-Default" };
        let preset = VolumePreset::by_name(name).or(VOLUME_PRESETS.first());
        preset.map_or_else(
            || Self {
                preset: VolumePresetChoice::Custom,
                transfer_function: Arc::new(TransferFunction::new([], 1.0)),
                style: VolumeStyle::Mip,
            },
            |p| Self::from_preset(p, histogram),
        )
    }
}

impl Display {
    /// What a series opens with: the file's first window, else percentiles of its values.
    pub fn initial(series: &Series) -> Self {
        let histogram = series.loaded().map(|l| l.histogram.clone()).or_else(|| {
            let v = series.preview.as_ref()?;
            Some(v.histogram(1024))
        });
        let (window, window_name) = match (series.windows.first(), &histogram) {
            (Some(named), _) => (named.window, Some(named.name.clone())),
            (None, Some(h)) => (Self::auto_window(h, series), Some(AUTO.to_owned())),
            (None, None) => (Window::linear(40.0, 400.0), None),
        };
        Self {
            window,
            window_name,
            file_window: (!series.windows.is_empty()).then_some(0),
            is_inverted: series.is_inverted,
            is_color_managed: true,
            color_map: None,
            interpolation: Interpolation::Linear,
            volume: VolumeLook::initial(&series.attributes.modality, histogram.as_ref()),
        }
    }

    /// 1st to 99th percentile, with the function that suits whole or fractional values.
    pub fn auto_window(histogram: &Histogram, series: &Series) -> Window {
        let w = histogram.auto_window();
        let is_whole = !series.voxel_type.starts_with("float") && w.width >= 2.0;
        if is_whole { Window { function: VoiFunction::Linear, ..w } } else { w }
    }

    /// For a slice scene.
    pub fn grey(&self) -> GreyMapping {
        GreyMapping { window: self.window, is_inverted: self.is_inverted }
    }
}
