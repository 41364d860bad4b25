//! Reads what PET images say about uptake (PS3.3 C.8.9.1, C.8.9.2).

use super::derived_tags as dtags;
use super::group::DicomSeries;
use super::object::Object;
use super::tags;
use crate::ImagingError;
use crate::uptake::{Injection, Instant, UptakeHeader, time_of_day_secs};

/// Reads the header of a series' first object, and the acquisition times of all.
///
/// # Errors
/// The object's own error; [`ImagingError::NotAnImage`] for a series that is no PET.
pub(crate) fn uptake_header(series: &DicomSeries) -> Result<UptakeHeader, ImagingError> {
    let Some(first) = series.first_instance() else {
        return Err(ImagingError::NothingFound { path: std::path::PathBuf::new() });
    };
    let object = Object::open(&first.location)?;
    if object.set().text(tags::MODALITY).as_deref() != Some("PT") {
        let path = first.location.path().to_path_buf();
        return Err(ImagingError::NotAnImage { path, reason: "not a PET series".to_owned() });
    }
    let mut header = header_of(&object);
    for instance in series.instances.iter().filter(|other| other.location.path() != first.location.path()) {
        let Ok(object) = Object::open(&instance.location) else { continue };
        let earliest = [header.acquisition_time, acquisition_time(&object)].into_iter().flatten();
        header.acquisition_time = earliest.reduce(|a, b| if b.seconds_since(a) < 0.0 { b } else { a });
    }
    Ok(header)
}

fn zone(object: &Object<'_>) -> Option<String> {
    object.set().text(dtags::TIMEZONE_OFFSET_FROM_UTC)
}

fn acquisition_time(object: &Object<'_>) -> Option<Instant> {
    let set = object.set();
    let (date, time) = (set.text(dtags::ACQUISITION_DATE)?, set.text(tags::ACQUISITION_TIME)?);
    Instant::parse(&date, &time, zone(object).as_deref())
}

fn header_of(object: &Object<'_>) -> UptakeHeader {
    let set = object.set();
    let zone = zone(object);
    let zone = zone.as_deref();
    let text = |tag| set.text(tag).unwrap_or_default();
    let dose = set.item(dtags::RADIOPHARMACEUTICAL_INFORMATION_SEQUENCE);
    let of_dose = |tag| dose.and_then(|item| item.number(tag));
    let start = |tag| dose.and_then(|item| item.text(tag));
    let injection = start(dtags::RADIOPHARMACEUTICAL_START_DATE_TIME)
        .and_then(|text| Instant::parse_date_time(&text, zone))
        .map(Injection::At)
        .or_else(|| {
            time_of_day_secs(&start(dtags::RADIOPHARMACEUTICAL_START_TIME)?).map(Injection::TimeOfDay)
        });
    let is_philips = text(dtags::PHILIPS_PRIVATE_CREATOR) == "Philips PET Private Group";
    let private = |tag| set.number(tag).filter(|_| is_philips);
    UptakeHeader {
        units: text(tags::UNITS),
        corrections: text(dtags::CORRECTED_IMAGE).split('\\').map(|code| code.trim().to_owned()).collect(),
        decay_correction: text(dtags::DECAY_CORRECTION),
        weight_kg: set.number(dtags::PATIENT_WEIGHT),
        dose_bq: of_dose(dtags::RADIONUCLIDE_TOTAL_DOSE),
        half_life_secs: of_dose(dtags::RADIONUCLIDE_HALF_LIFE),
        injection,
        series_time: Instant::parse(&text(dtags::SERIES_DATE), &text(dtags::SERIES_TIME), zone),
        acquisition_time: acquisition_time(object),
        philips_suv_scale: private(dtags::PHILIPS_SUV_SCALE),
        philips_activity_scale: private(dtags::PHILIPS_ACTIVITY_SCALE),
    }
}
