//! Times as the wire counts them: whole seconds since 0001-01-01T00:00:00Z.
//!
//! Everything else uses [`SystemTime`]. A time that is absent or 0 on the wire means *not yet*.
//! The proleptic Gregorian calendar without leap seconds, as in Unix time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds from the start of the year one to the start of 1970.
pub const UNIX_EPOCH_SECS: i64 = 62_135_596_800;

/// The first second of the year 10 000, in seconds since the start of the year one.
const END_SECS: i64 = UNIX_EPOCH_SECS + 253_402_300_800;

const SECS_PER_DAY: i64 = 86_400;

/// A time that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum TimeError {
    #[error("`{secs}` seconds since the year 1 are not within the years 1 to 9999")]
    OutOfRange { secs: i64 },
    #[error("`{secs}` seconds since the year 1 are before what this system can represent")]
    NotRepresentable { secs: i64 },
    #[error("`{text}` is not a time of the form `YYYY-MM-DD hh:mm:ssZ`")]
    Text { text: String },
}

/// Seconds since the start of the year one; fractions are cut off towards the past.
///
/// # Errors
/// [`TimeError::OutOfRange`] outside the years 1 to 9999.
pub fn secs_from_system_time(time: SystemTime) -> Result<i64, TimeError> {
    let unix_secs = match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
        Err(before) => {
            let before = before.duration();
            let whole = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
            -whole.saturating_add(i64::from(before.subsec_nanos() > 0))
        }
    };
    checked(unix_secs.saturating_add(UNIX_EPOCH_SECS))
}

/// The time of so many seconds since the start of the year one; `None` for 0, which means *not yet*.
///
/// # Errors
/// [`TimeError`] outside the years 1 to 9999, or before what the system can represent.
pub fn system_time_from_secs(secs: i64) -> Result<Option<SystemTime>, TimeError> {
    if secs == 0 {
        return Ok(None);
    }
    let unix_secs = checked(secs)? - UNIX_EPOCH_SECS;
    let distance = Duration::from_secs(unix_secs.unsigned_abs());
    let time =
        if unix_secs < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) };
    time.map(Some).ok_or(TimeError::NotRepresentable { secs })
}

/// A time as the deprecated text fields hold it: `YYYY-MM-DD hh:mm:ssZ`.
///
/// # Errors
/// [`TimeError::OutOfRange`] outside the years 1 to 9999.
pub fn text_from_system_time(time: SystemTime) -> Result<String, TimeError> {
    let secs = secs_from_system_time(time)?;
    let (year, month, day) = civil_from_days(secs.div_euclid(SECS_PER_DAY));
    let second = secs.rem_euclid(SECS_PER_DAY);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    Ok(format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}Z"))
}

/// Reads what [`text_from_system_time`] writes; `None` for an empty text.
///
/// # Errors
/// [`TimeError::Text`] for any other form, and for days that no calendar has.
pub fn system_time_from_text(text: &str) -> Result<Option<SystemTime>, TimeError> {
    if text.is_empty() {
        return Ok(None);
    }
    let refused = || TimeError::Text { text: text.chars().take(40).collect() };
    let secs = secs_from_text(text).ok_or_else(refused)?;
    // The very first second reads like *not yet*; no job was made then.
    system_time_from_secs(secs)
}

fn secs_from_text(text: &str) -> Option<i64> {
    let bytes: &[u8; 20] = text.as_bytes().try_into().ok()?;
    let mut numbers = [0i64; 6];
    let mut at = 0;
    for (byte, form) in bytes.iter().zip(b"0000-00-00 00:00:00Z") {
        if *form == b'0' {
            let digit = char::from(*byte).to_digit(10)?;
            let number = numbers.get_mut(at)?;
            *number = *number * 10 + i64::from(digit);
        } else if byte == form {
            at += 1;
        } else {
            return None;
        }
    }
    let [year, month, day, hour, minute, second] = numbers;
    let days = days_from_civil(year, month, day);
    let is_day = (1..=12).contains(&month) && civil_from_days(days) == (year, month, day);
    let is_time = year >= 1 && hour < 24 && minute < 60 && second < 60;
    (is_day && is_time).then_some(days * SECS_PER_DAY + hour * 3600 + minute * 60 + second)
}

fn checked(secs: i64) -> Result<i64, TimeError> {
    if (0..END_SECS).contains(&secs) { Ok(secs) } else { Err(TimeError::OutOfRange { secs }) }
}

/// Days since 0001-01-01 of a date. Months count from March, so that the leap day is the last of its year.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leap_days + (153 * month_from_march + 2) / 5 + day - 1 - 306
}

/// Year, month and day of a number of days since 0001-01-01, for years from 1 on.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 306;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unix(secs: i64) -> SystemTime {
        let distance = Duration::from_secs(secs.unsigned_abs());
        if secs < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance }
    }

    #[test]
    fn the_published_check_value_is_met() {
        let time = unix(1_615_226_791);
        assert_eq!(secs_from_system_time(time), Ok(63_750_823_591));
        assert_eq!(system_time_from_secs(63_750_823_591), Ok(Some(time)));
        assert_eq!(text_from_system_time(time).as_deref(), Ok("2021-03-08 18:06:31Z"));
    }

    #[test]
    fn zero_means_not_yet() {
        assert_eq!(system_time_from_secs(0), Ok(None));
        assert_eq!(system_time_from_text(""), Ok(None));
    }

    #[test]
    fn fractions_are_cut_off_towards_the_past() {
        let half = Duration::from_millis(500);
        assert_eq!(secs_from_system_time(UNIX_EPOCH + half), Ok(UNIX_EPOCH_SECS));
        assert_eq!(secs_from_system_time(UNIX_EPOCH - half), Ok(UNIX_EPOCH_SECS - 1));
        assert_eq!(secs_from_system_time(UNIX_EPOCH - 3 * half), Ok(UNIX_EPOCH_SECS - 2));
    }

    #[cfg(unix)]
    #[test]
    fn times_from_the_year_one_to_9999_keep_their_second() {
        for (text, secs) in [
            ("0001-01-01 00:00:01Z", 1),
            ("0001-12-31 23:59:59Z", 365 * 86_400 - 1),
            ("1969-12-31 23:59:59Z", UNIX_EPOCH_SECS - 1),
            ("1970-01-01 00:00:00Z", UNIX_EPOCH_SECS),
            ("2000-02-29 12:00:00Z", UNIX_EPOCH_SECS + 951_825_600),
            ("2100-03-01 00:00:00Z", UNIX_EPOCH_SECS + 4_107_542_400),
            ("9999-12-31 23:59:59Z", END_SECS - 1),
        ] {
            let time = system_time_from_secs(secs).unwrap().unwrap();
            assert_eq!(secs_from_system_time(time), Ok(secs), "{text}");
            assert_eq!(text_from_system_time(time).as_deref(), Ok(text));
            assert_eq!(system_time_from_text(text), Ok(Some(time)));
        }
    }

    #[test]
    fn every_day_of_two_eras_follows_the_one_before() {
        let mut before = (0, 12, 31);
        for days in 0..2 * 146_097 {
            let (year, month, day) = civil_from_days(days);
            let is_next = (year, month) == (before.0, before.1) && day == before.2 + 1
                || year == before.0 && month == before.1 + 1 && day == 1 && before.2 >= 28
                || (year, month, day) == (before.0 + 1, 1, 1) && (before.1, before.2) == (12, 31);
            assert!(is_next, "{before:?} then {:?}", (year, month, day));
            assert_eq!(days_from_civil(year, month, day), days);
            before = (year, month, day);
        }
        assert_eq!(before, (800, 12, 31));
    }

    #[test]
    fn times_outside_the_calendar_are_refused() {
        for secs in [-1, i64::MIN, END_SECS, i64::MAX] {
            assert_eq!(system_time_from_secs(secs), Err(TimeError::OutOfRange { secs }));
        }
        assert!(secs_from_system_time(unix(253_402_300_800)).is_err());
        for text in [
            "2021-02-29 00:00:00Z",
            "2021-13-01 00:00:00Z",
            "2021-00-01 00:00:00Z",
            "2021-01-00 00:00:00Z",
            "2021-01-01 24:00:00Z",
            "2021-01-01T00:00:00Z",
            "2021-01-01 00:00:00",
            "0000-01-01 00:00:00Z",
            "é021-01-01 00:00:0Z",
        ] {
            assert!(system_time_from_text(text).is_err(), "{text}");
        }
    }
}
