//! Standardised uptake values (SUV by body weight) of PET, and why they cannot always be had.
//!
//! `SUVbw = activity concentration [Bq/ml] · body weight [g] / injected dose at the reference time [Bq]`.
//! The dose decays from injection to the time that the images were decay-corrected to. Sources: DICOM PS3.3 C.8.9.1;
//! QIBA, *FDG-PET/CT Profile*, and its vendor-neutral pseudo-code for SUV calculation.

use crate::volume::{Rescale, Unit};

/// What the header of a PET image says about uptake; empty where it says nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UptakeHeader {
    /// Units (0054,1001): `BQML`, `GML`, `CNTS`, …
    pub units: String,
    /// Corrected Image (0028,0051): `ATTN`, `DECY`, …
    pub corrections: Vec<String>,
    /// Decay Correction (0054,1102): `START`, `ADMIN` or `NONE`.
    pub decay_correction: String,
    /// Patient's Weight (0010,1030).
    pub weight_kg: Option<f64>,
    /// Radionuclide Total Dose (0018,1074).
    pub dose_bq: Option<f64>,
    /// Radionuclide Half Life (0018,1075).
    pub half_life_secs: Option<f64>,
    /// When the dose was given.
    pub injection: Option<Injection>,
    /// Series date and time (0008,0021), (0008,0031).
    pub series_time: Option<Instant>,
    /// Earliest acquisition date and time of the series as far as known (0008,0022), (0008,0032).
    pub acquisition_time: Option<Instant>,
    /// Philips: factor from stored counts · slope to SUV (7053,1000).
    pub philips_suv_scale: Option<f64>,
    /// Philips: factor from stored counts · slope to Bq/ml (7053,1009).
    pub philips_activity_scale: Option<f64>,
}

/// When the dose was given, as precisely as the file says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Injection {
    /// Date and time (0018,1078).
    At(Instant),
    /// Only the time of day (0018,1072), in seconds; the date is that of the reference time, or the day before.
    TimeOfDay(f64),
}

/// A date and time of the calendar, for differences.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Instant {
    /// Days since 1970 of the local calendar.
    pub day: i64,
    /// Seconds since midnight of the local clock.
    pub secs_of_day: f64,
    /// Seconds that the local clock is ahead of UTC, where the file says so.
    pub utc_offset_secs: Option<f64>,
}

impl Instant {
    /// Seconds from `earlier` to `self`.
    ///
    /// Both on one clock if either does not state its zone.
    pub fn seconds_since(self, earlier: Self) -> f64 {
        let zones = match (self.utc_offset_secs, earlier.utc_offset_secs) {
            (Some(own), Some(other)) => own - other,
            _ => 0.0,
        };
        (self.day - earlier.day) as f64 * DAY_SECS + (self.secs_of_day - earlier.secs_of_day) - zones
    }

    /// From DICOM date (`YYYYMMDD`) and time (`HHMMSS.F`) texts, and a zone (`±HHMM`) if known.
    pub fn parse(date: &str, time: &str, zone: Option<&str>) -> Option<Self> {
        let (day, secs_of_day) = (days_of(date)?, time_of_day_secs(time)?);
        Some(Self { day, secs_of_day, utc_offset_secs: zone.and_then(utc_offset_secs) })
    }

    /// From a DICOM date-time text (`YYYYMMDDHHMMSS.F±HHMM`); `zone` counts if the text has none.
    pub fn parse_date_time(text: &str, zone: Option<&str>) -> Option<Self> {
        let text = text.trim();
        let at = text.find(['+', '-']).unwrap_or(text.len());
        let (clock, own_zone) = text.split_at_checked(at)?;
        let (date, time) = clock.split_at_checked(8)?;
        Self::parse(date, time, if own_zone.is_empty() { zone } else { Some(own_zone) })
    }
}

/// Seconds since midnight of a DICOM time (`HHMMSS.F`, minutes and seconds optional; `HH:MM:SS` of old files too).
pub fn time_of_day_secs(text: &str) -> Option<f64> {
    let text: String = text.trim().chars().filter(|&c| c != ':').collect();
    let (whole, fraction) = text.split_once('.').unwrap_or((text.as_str(), ""));
    let is_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if !matches!(whole.len(), 2 | 4 | 6) || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let part = |at: usize| whole.get(at..at + 2).map_or(Some(0), |digits| digits.parse::<u32>().ok());
    let (hours, minutes, seconds) = (part(0)?, part(2)?, part(4)?);
    // 60 is a leap second.
    if hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    let fraction = format!("0.{fraction}0").parse::<f64>().ok()?;
    Some(f64::from(hours * 3600 + minutes * 60 + seconds) + fraction)
}

/// Days since 1970 of a DICOM date, `YYYYMMDD` or `YYYY.MM.DD`, in the Gregorian calendar.
fn days_of(text: &str) -> Option<i64> {
    let digits: String = text.trim().chars().filter(|&c| c != '.').collect();
    if digits.len() != 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let number = |range: std::ops::Range<usize>| digits.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Years that begin in March put the leap day last.
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year;
    Some(days - 719_468)
}

/// Seconds ahead of UTC of `±HHMM`.
fn utc_offset_secs(text: &str) -> Option<f64> {
    let text = text.trim();
    let sign = match text.as_bytes().first()? {
        b'+' => 1.0,
        b'-' => -1.0,
        _ => return None,
    };
    let digits = text.get(1..5).filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
    let (hours, minutes) = (digits.get(..2)?.parse::<f64>().ok()?, digits.get(2..)?.parse::<f64>().ok()?);
    (hours <= 14.0 && minutes < 60.0).then_some(sign * (hours * 3600.0 + minutes * 60.0))
}

/// Why an uptake value cannot be computed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum NoUptake {
    #[error("the unit of the values is missing")]
    NoUnits,
    #[error("the values are in `{units}`, not in Bq/ml")]
    Units { units: String },
    #[error("the images are not corrected for {what} (corrected image: `{found}`)")]
    NotCorrected { what: &'static str, found: String },
    #[error("decay correction `{found}` does not say to which time")]
    DecayCorrection { found: String },
    #[error("the patient's weight is missing")]
    Weight,
    #[error("the injected dose is missing")]
    Dose,
    #[error("a dose of {bq} Bq is too small to be one; it may be in MBq")]
    DoseImplausible { bq: f64 },
    #[error("the half-life of the radionuclide is missing")]
    HalfLife,
    #[error("the time of injection is missing")]
    InjectionTime,
    #[error("the time of the series is missing")]
    SeriesTime,
    #[error("the injection lies {secs} s after the series")]
    InjectedAfterwards { secs: f64 },
    #[error("{hours} h lie between injection and series, more than can be right")]
    TooLong { hours: f64 },
    #[error("the series time is later than the first acquisition; it is not the time of decay correction")]
    ReferenceTimeUnknown,
    #[error("the images hold counts and the private factors to activity are missing")]
    PhilipsScale,
}

/// How to get from modality values to SUVbw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SuvFactor {
    /// SUVbw in g/ml per modality value (rescale applied, in the unit of the file).
    pub suv_per_value: f64,
    /// Seconds of decay that were taken into account; `None` where none was.
    pub decay_secs: Option<f64>,
}

impl SuvFactor {
    /// Rescale that leads from stored values straight to SUVbw.
    pub fn rescale(self, stored: Rescale) -> Rescale {
        Rescale { slope: stored.slope * self.suv_per_value, intercept: stored.intercept * self.suv_per_value }
    }

    /// Unit of the result; the quantity is SUVbw.
    pub fn unit() -> Unit {
        Unit::Other("g/ml".to_owned())
    }
}

/// Nobody is injected with less than 10 kBq for a PET; smaller numbers are megabecquerel, against the standard.
const SMALLEST_DOSE_BQ: f64 = 1e4;
/// Longer waits are errors of the clock: ten half-lives of most nuclides, and the longest that is practised for ⁸⁹Zr.
const LONGEST_WAIT_SECS: f64 = 8.0 * 86400.0;
const DAY_SECS: f64 = 86400.0;

/// Factor from modality values to SUVbw.
///
/// `BQML` needs attenuation and decay correction, weight, dose and half-life; the dose decays to the series time for
/// `START` and not at all for `ADMIN`. `GML` is SUV already. `CNTS` needs a private factor of Philips.
///
/// # Errors
/// [`NoUptake`]: the reason, to be shown beside values in their own unit.
pub fn suv_body_weight(header: &UptakeHeader) -> Result<SuvFactor, NoUptake> {
    let positive = |value: Option<f64>| value.filter(|value| value.is_finite() && *value > 0.0);
    match header.units.as_str() {
        "GML" => return Ok(SuvFactor { suv_per_value: 1.0, decay_secs: None }),
        "BQML" => {}
        "CNTS" => {
            if let Some(scale) = positive(header.philips_suv_scale) {
                return Ok(SuvFactor { suv_per_value: scale, decay_secs: None });
            }
        }
        "" => return Err(NoUptake::NoUnits),
        units => return Err(NoUptake::Units { units: units.to_owned() }),
    }
    let bq_per_value = match header.units.as_str() {
        "CNTS" => positive(header.philips_activity_scale).ok_or(NoUptake::PhilipsScale)?,
        _ => 1.0,
    };
    for (code, what) in [("ATTN", "attenuation"), ("DECY", "decay")] {
        if !header.corrections.iter().any(|correction| correction == code) {
            return Err(NoUptake::NotCorrected { what, found: header.corrections.join("\\") });
        }
    }
    let weight_g = positive(header.weight_kg).ok_or(NoUptake::Weight)? * 1000.0;
    let dose_bq = positive(header.dose_bq).ok_or(NoUptake::Dose)?;
    if dose_bq < SMALLEST_DOSE_BQ {
        return Err(NoUptake::DoseImplausible { bq: dose_bq });
    }
    let (dose_then, decay_secs) = match header.decay_correction.as_str() {
        "ADMIN" => (dose_bq, None),
        "START" => {
            let half_life = positive(header.half_life_secs).ok_or(NoUptake::HalfLife)?;
            let secs = decay_secs(header)?;
            (dose_bq * (-secs / half_life).exp2(), Some(secs))
        }
        found => return Err(NoUptake::DecayCorrection { found: found.to_owned() }),
    };
    Ok(SuvFactor { suv_per_value: bq_per_value * weight_g / dose_then, decay_secs })
}

/// Seconds from injection to the time that the series was decay-corrected to.
fn decay_secs(header: &UptakeHeader) -> Result<f64, NoUptake> {
    let series = header.series_time.ok_or(NoUptake::SeriesTime)?;
    // A series time after the first acquisition was set by a later step of processing (PS3.3 C.8.9.1.1.4).
    if header.acquisition_time.is_some_and(|first| series.seconds_since(first) > 1.0) {
        return Err(NoUptake::ReferenceTimeUnknown);
    }
    let secs = match header.injection.ok_or(NoUptake::InjectionTime)? {
        Injection::At(injection) => series.seconds_since(injection),
        Injection::TimeOfDay(secs) => {
            // Past midnight the injection was the day before.
            (series.secs_of_day - secs).rem_euclid(DAY_SECS)
        }
    };
    if secs < 0.0 {
        return Err(NoUptake::InjectedAfterwards { secs: -secs });
    }
    if secs > LONGEST_WAIT_SECS {
        return Err(NoUptake::TooLong { hours: secs / 3600.0 });
    }
    Ok(secs)
}
