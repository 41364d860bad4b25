//! What orders frames beside their position: the dimensions that a multi-frame object declares, and clocks.

use super::dataset::DataSet;
use super::tags;

/// Which of the dimension indices of a multi-frame object are not about position.
pub(super) struct Dimensions {
    is_position: Vec<bool>,
}

impl Dimensions {
    pub(super) fn of(set: &DataSet) -> Self {
        let pointer = |item: &DataSet| item.numbers(tags::DIMENSION_INDEX_POINTER);
        let tag = |words: Vec<f64>| match *words.as_slice() {
            [group, element, ..] => (group as u32) << 16 | element as u32,
            _ => 0,
        };
        let is_position = |tag: u32| {
            matches!(
                tag,
                tags::STACK_ID
                    | tags::IN_STACK_POSITION_NUMBER
                    | tags::IMAGE_POSITION_PATIENT
                    | tags::IMAGE_ORIENTATION_PATIENT
                    | tags::IMAGE_POSITION_VOLUME
                    | tags::IMAGE_ORIENTATION_VOLUME
            )
        };
        let items = set.items(tags::DIMENSION_INDEX_SEQUENCE);
        Self { is_position: items.iter().map(|item| is_position(tag(pointer(item)))).collect() }
    }

    /// Values of the other dimensions, in their order.
    pub(super) fn apart_from_position(&self, content: &DataSet) -> Vec<u32> {
        let values = content.numbers(tags::DIMENSION_INDEX_VALUES);
        let kept = values.iter().zip(&self.is_position).filter(|(_, is_position)| !**is_position);
        kept.map(|(value, _)| *value as u32).collect()
    }
}

/// Seconds of a DICOM time (`HHMMSS.F`) or date-time (`YYYYMMDDHHMMSS.F&ZZXX`), only good for comparing.
pub(super) fn seconds(text: &str) -> Option<f64> {
    let end = text.find(['+', '-']).unwrap_or(text.len());
    let text = text.get(..end)?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |range: std::ops::Range<usize>| whole.get(range)?.parse::<f64>().ok();
    let time_at = if whole.len() > 6 { 8 } else { 0 };
    let days = match time_at {
        8 => (digits(0..4)? * 12.0 + digits(4..6)?) * 31.0 + digits(6..8)?,
        _ => 0.0,
    };
    let part = |offset: usize| digits(time_at + offset..time_at + offset + 2).unwrap_or(0.0);
    let fraction = format!("0.{fraction}").parse::<f64>().unwrap_or(0.0);
    Some(((days * 24.0 + part(0)) * 60.0 + part(2)) * 60.0 + part(4) + fraction)
}
