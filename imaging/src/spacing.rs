//! Where the distance between pixels comes from, and so what a length measured on them is worth.
//!
//! A CT states distances in the patient. A projection states distances at the detector, where everything is shown
//! magnified, unless somebody corrected them. Ultrasound states them for regions of the picture. Every length on
//! screen carries the label of its source ([`SpacingSource::label`]), so that nobody takes one for the other.
//!
//! Source: DICOM PS3.3 10.7.1 (pixel spacing), C.7.6.3.1.7 (aspect ratio), C.8.5.5 (ultrasound regions).

use std::fmt;

/// How distances of a projection image were corrected to the patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CalibrationKind {
    /// From assumed or known distances of source, patient and detector.
    Geometry,
    /// With an object of known size in the picture.
    Fiducial,
    /// In the plane through the centre of the beam (isocentre).
    CenterOfBeam,
    /// Corrected, but the file does not say how.
    Unstated,
}

/// What a radiographic magnification was taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MagnificationSource {
    /// Estimated Radiographic Magnification Factor (0018,1114).
    Estimated,
    /// Distance from source to detector over distance from source to patient.
    Distances,
}

/// Where the distance between pixel centres comes from, most trusted first.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum SpacingSource {
    /// Distances in the patient, as cross-sectional images state them.
    #[default]
    Patient,
    /// A projection corrected to the patient.
    Calibrated {
        /// How.
        kind: CalibrationKind,
        /// What the file says about it; may be empty.
        description: String,
    },
    /// Stated for a projection, without a word on whether it is measured at the detector or in the patient.
    Unstated,
    /// Measured at the detector: everything in the patient appears magnified.
    Detector,
    /// Measured at the detector and divided by a magnification.
    DetectorCorrected {
        /// Greater than 1.
        magnification: f64,
        /// Where the magnification comes from.
        from: MagnificationSource,
    },
    /// Of the digitised film.
    NominalScanned,
    /// Pixels have no distance of their own, regions of the picture do: see [`UltrasoundRegion`].
    UltrasoundRegions,
    /// Only the shape of pixels is known.
    AspectRatio,
    /// Nothing is known; pixels count as square.
    Missing,
}

impl SpacingSource {
    /// Lower-case name as printed by `lantern info --json`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Patient => "patient",
            Self::Calibrated { .. } => "calibrated",
            Self::Unstated => "unstated",
            Self::Detector => "detector",
            Self::DetectorCorrected { .. } => "detector_corrected",
            Self::NominalScanned => "nominal_scanned",
            Self::UltrasoundRegions => "ultrasound_regions",
            Self::AspectRatio => "aspect_ratio",
            Self::Missing => "missing",
        }
    }

    /// Whether the spacing of the grid is a length at all; else it counts pixels.
    pub fn is_length(&self) -> bool {
        !matches!(self, Self::UltrasoundRegions | Self::AspectRatio | Self::Missing)
    }

    /// What to print after a length: `mm`, `mm (detector)`, `mm (÷ERMF 1.14)`, `px`, …
    pub fn label(&self) -> String {
        match self {
            Self::Patient | Self::Calibrated { .. } => "mm".to_owned(),
            Self::Unstated => "mm (unverified)".to_owned(),
            Self::Detector => "mm (detector)".to_owned(),
            Self::DetectorCorrected { magnification, from: MagnificationSource::Estimated } => {
                format!("mm (÷ERMF {magnification:.2})")
            }
            Self::DetectorCorrected { magnification, from: MagnificationSource::Distances } => {
                format!("mm (÷SDD/SOD {magnification:.2})")
            }
            Self::NominalScanned => "mm (film)".to_owned(),
            Self::UltrasoundRegions | Self::AspectRatio | Self::Missing => "px".to_owned(),
        }
    }
}

impl fmt::Display for SpacingSource {
    /// A sentence without capital and period.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Patient => f.write_str("pixel spacing is stated in the patient"),
            Self::Calibrated { kind, description } => {
                f.write_str("pixel spacing is calibrated ")?;
                f.write_str(match kind {
                    CalibrationKind::Geometry => "from assumed distances of source, patient and detector",
                    CalibrationKind::Fiducial => "with an object of known size",
                    CalibrationKind::CenterOfBeam => "for the centre of the beam",
                    CalibrationKind::Unstated => "in a way the file does not state",
                })?;
                if description.is_empty() { Ok(()) } else { write!(f, " (`{description}`)") }
            }
            Self::Unstated => f.write_str(
                "the file does not say whether pixel spacing is measured at the detector or in the patient",
            ),
            Self::Detector => f.write_str("pixel spacing is measured at the detector"),
            Self::DetectorCorrected { magnification, from } => {
                let by = match from {
                    MagnificationSource::Estimated => "the estimated magnification",
                    MagnificationSource::Distances => "the ratio of source distances",
                };
                write!(
                    f,
                    "pixel spacing is measured at the detector and divided by {by} of {magnification:.3}"
                )
            }
            Self::NominalScanned => f.write_str("pixel spacing is that of the scanned film"),
            Self::UltrasoundRegions => {
                f.write_str("lengths are known inside the calibrated regions of the picture only")
            }
            Self::AspectRatio => f.write_str("only the aspect ratio of pixels is known"),
            Self::Missing => f.write_str("pixel spacing is not in the file"),
        }
    }
}

/// What a physical value of an ultrasound region measures (PS3.3 C.8.5.5.1.15).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the units name themselves")]
pub enum RegionUnit {
    None,
    Percent,
    Decibels,
    Centimeters,
    Seconds,
    Hertz,
    DecibelsPerSecond,
    CentimetersPerSecond,
    SquareCentimeters,
    SquareCentimetersPerSecond,
    CubicCentimeters,
    CubicCentimetersPerSecond,
    Degrees,
    /// A code of a later edition.
    Other(u16),
}

impl RegionUnit {
    /// From the code in the file.
    pub fn from_code(code: u16) -> Self {
        match code {
            0 => Self::None,
            1 => Self::Percent,
            2 => Self::Decibels,
            3 => Self::Centimeters,
            4 => Self::Seconds,
            5 => Self::Hertz,
            6 => Self::DecibelsPerSecond,
            7 => Self::CentimetersPerSecond,
            8 => Self::SquareCentimeters,
            9 => Self::SquareCentimetersPerSecond,
            0xA => Self::CubicCentimeters,
            0xB => Self::CubicCentimetersPerSecond,
            0xC => Self::Degrees,
            other => Self::Other(other),
        }
    }

    /// Short text to print after a number.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::None | Self::Other(_) => "",
            Self::Percent => "%",
            Self::Decibels => "dB",
            Self::Centimeters => "cm",
            Self::Seconds => "s",
            Self::Hertz => "Hz",
            Self::DecibelsPerSecond => "dB/s",
            Self::CentimetersPerSecond => "cm/s",
            Self::SquareCentimeters => "cm²",
            Self::SquareCentimetersPerSecond => "cm²/s",
            Self::CubicCentimeters => "cm³",
            Self::CubicCentimetersPerSecond => "cm³/s",
            Self::Degrees => "°",
        }
    }
}

/// How a region of an ultrasound picture is laid out (PS3.3 C.8.5.5.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "the standard's own names")]
pub enum RegionFormat {
    None,
    TwoDimensional,
    MotionMode,
    Spectral,
    Waveform,
    Graphics,
    /// A code of a later edition.
    Other(u16),
}

impl RegionFormat {
    /// From the code in the file.
    pub fn from_code(code: u16) -> Self {
        match code {
            0 => Self::None,
            1 => Self::TwoDimensional,
            2 => Self::MotionMode,
            3 => Self::Spectral,
            4 => Self::Waveform,
            5 => Self::Graphics,
            other => Self::Other(other),
        }
    }
}

/// A rectangle of an ultrasound picture with its own physical axes (PS3.3 C.8.5.5).
///
/// Pixels are counted from 0 at the top left; both corners belong to the region. Deltas may be negative: they are the
/// change of the physical value per pixel towards the right and downwards.
#[derive(Debug, Clone, PartialEq)]
pub struct UltrasoundRegion {
    /// First column and row.
    pub min_px: [u32; 2],
    /// Last column and row.
    pub max_px: [u32; 2],
    /// Layout.
    pub format: RegionFormat,
    /// Code of what is shown (PS3.3 C.8.5.5.1.2): 1 tissue, 2 colour flow, 3 pulsed wave Doppler, …
    pub data_type: u16,
    /// Whether this region is the one that counts where regions overlap.
    pub is_high_priority: bool,
    /// Units along x and y.
    pub units: [RegionUnit; 2],
    /// Physical change per pixel along x and y, in `units`.
    pub delta: [f64; 2],
    /// The pixel that `reference_value` belongs to, relative to `min_px`, if the file names one.
    pub reference_px: Option<[f64; 2]>,
    /// Physical value at the reference pixel along x and y.
    pub reference_value: [f64; 2],
}

impl UltrasoundRegion {
    /// Whether a pixel (column, row; centres are whole numbers) lies inside.
    pub fn contains(&self, px: [f64; 2]) -> bool {
        (0..2).all(|axis| {
            px[axis] >= f64::from(self.min_px[axis]) - 0.5 && px[axis] < f64::from(self.max_px[axis]) + 0.5
        })
    }

    /// Distance of two pixels in mm, or `None` unless both lie inside and both axes are lengths.
    pub fn distance_mm(&self, a: [f64; 2], b: [f64; 2]) -> Option<f64> {
        let are_lengths = self.units == [RegionUnit::Centimeters; 2];
        if !(are_lengths && self.contains(a) && self.contains(b)) {
            return None;
        }
        Some(10.0 * ((b[0] - a[0]) * self.delta[0]).hypot((b[1] - a[1]) * self.delta[1]))
    }

    /// Difference of two pixels along one axis (0 for x, 1 for y) in that axis' unit, or `None` outside.
    pub fn difference(&self, axis: usize, a: [f64; 2], b: [f64; 2]) -> Option<f64> {
        (self.contains(a) && self.contains(b)).then_some(())?;
        Some((b.get(axis)? - a.get(axis)?) * self.delta.get(axis)?)
    }

    /// Physical value of a pixel along one axis, or `None` outside and where no reference pixel is named.
    pub fn value(&self, axis: usize, px: [f64; 2]) -> Option<f64> {
        self.contains(px).then_some(())?;
        let from_region = px.get(axis)? - f64::from(*self.min_px.get(axis)?);
        let reference = self.reference_px?;
        Some((from_region - reference.get(axis)?) * self.delta.get(axis)? + self.reference_value.get(axis)?)
    }
}

/// The region that a pixel belongs to; where regions overlap, the first with high priority, else the first.
pub fn region_at(regions: &[UltrasoundRegion], px: [f64; 2]) -> Option<&UltrasoundRegion> {
    let mut here = regions.iter().filter(|region| region.contains(px));
    let first = here.next()?;
    if first.is_high_priority { Some(first) } else { here.find(|r| r.is_high_priority).or(Some(first)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(
        min_px: [u32; 2],
        max_px: [u32; 2],
        units: [RegionUnit; 2],
        delta: [f64; 2],
    ) -> UltrasoundRegion {
        UltrasoundRegion {
            min_px,
            max_px,
            format: RegionFormat::TwoDimensional,
            data_type: 1,
            is_high_priority: false,
            units,
            delta,
            reference_px: Some([0.0, 0.0]),
            reference_value: [0.0, 0.0],
        }
    }

    #[test]
    fn lengths_are_measured_with_the_deltas_of_their_own_region() {
        let cm = [RegionUnit::Centimeters; 2];
        let tissue = region([0, 0], [99, 99], cm, [0.05, 0.02]);
        let doppler = region(
            [0, 100],
            [99, 199],
            [RegionUnit::Seconds, RegionUnit::CentimetersPerSecond],
            [0.01, -0.5],
        );
        let regions = [tissue, doppler];
        let tissue = region_at(&regions, [10.0, 10.0]).unwrap();
        // 30 columns of 0.5 mm and 40 rows of 0.2 mm.
        assert!((tissue.distance_mm([10.0, 10.0], [40.0, 50.0]).unwrap() - 17.0).abs() < 1e-12);
        assert_eq!(tissue.distance_mm([10.0, 10.0], [10.0, 150.0]), None, "across two regions");
        let doppler = region_at(&regions, [10.0, 100.0]).unwrap();
        assert_eq!(doppler.distance_mm([10.0, 110.0], [20.0, 120.0]), None, "seconds are no length");
        assert!((doppler.difference(0, [10.0, 110.0], [20.0, 110.0]).unwrap() - 0.1).abs() < 1e-12);
        assert!((doppler.difference(1, [10.0, 110.0], [10.0, 120.0]).unwrap() + 5.0).abs() < 1e-12);
        assert_eq!(region_at(&regions, [100.0, 10.0]), None);
    }

    #[test]
    fn labels_say_where_a_length_comes_from() {
        let corrected = |from| SpacingSource::DetectorCorrected { magnification: 1.1429, from }.label();
        assert_eq!(SpacingSource::Patient.label(), "mm");
        assert_eq!(SpacingSource::Detector.label(), "mm (detector)");
        assert_eq!(corrected(MagnificationSource::Estimated), "mm (÷ERMF 1.14)");
        assert_eq!(corrected(MagnificationSource::Distances), "mm (÷SDD/SOD 1.14)");
        assert_eq!(SpacingSource::AspectRatio.label(), "px");
    }
}
