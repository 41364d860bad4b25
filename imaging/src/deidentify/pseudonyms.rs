//! What stands for UIDs, patient IDs and dates: derived from a key, so that one export agrees with itself.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The secret that replacements are derived from.
///
/// Whoever has it can find out whether a known UID or patient is in an export, so a random one that nobody keeps is
/// the default.
#[derive(Clone)]
pub struct Key(Vec<u8>);

/// Why a text is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum KeyError {
    #[error("a key consists of hexadecimal digits, two for each byte")]
    NotHexadecimal,
    #[error("a key has {} to {} bytes, this one has {bytes}", Key::MIN_BYTES, Key::MAX_BYTES)]
    Length { bytes: usize },
    #[error("the system gives no random numbers")]
    NoRandomNumbers(#[from] getrandom::Error),
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Key {
    const MIN_BYTES: usize = 16;
    const MAX_BYTES: usize = 64;

    /// A key that nobody else has.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn random() -> Result<Self, KeyError> {
        let mut bytes = vec![0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// A key as 32 to 128 hexadecimal digits.
    ///
    /// # Errors
    /// If the text is none.
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let digits: Option<Vec<u8>> =
            text.trim().chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
        let digits = digits.filter(|digits| digits.len() % 2 == 0).ok_or(KeyError::NotHexadecimal)?;
        let bytes: Vec<u8> =
            digits.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect();
        if !(Self::MIN_BYTES..=Self::MAX_BYTES).contains(&bytes.len()) {
            return Err(KeyError::Length { bytes: bytes.len() });
        }
        Ok(Self(bytes))
    }
}

/// UIDs of the standard itself start so; they name classes and codes, never a patient's objects.
const STANDARD_ROOT: &str = "1.2.840.10008.";
/// Dates move back by one to ten years.
const SHIFT_DAYS: std::ops::Range<i64> = 365..3650;

/// Replacements that depend on the key and the original only.
#[derive(Debug, Clone)]
pub(crate) struct Pseudonyms {
    key: Key,
}

impl Pseudonyms {
    pub(super) fn new(key: Key) -> Self {
        Self { key }
    }

    /// 128 bits that stand for `text`; different for each `purpose`.
    fn digest(&self, purpose: &str, text: &str) -> u128 {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key.0).expect("keys of any length are allowed");
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(text.as_bytes());
        let bytes = mac.finalize().into_bytes();
        bytes.iter().take(16).fold(0, |number, &byte| number << 8 | u128::from(byte))
    }

    /// The counterpart of a UID; those of the standard stay.
    ///
    /// Source: PS3.5 B.2; the UUID is of version 8, RFC 9562.
    pub(crate) fn uid(&self, uid: &str) -> String {
        if uid.starts_with(STANDARD_ROOT) {
            return uid.to_owned();
        }
        let mut number = self.digest("uid", uid);
        number = number & !(0xF << 76) | 8 << 76;
        number = number & !(0b11 << 62) | 0b10 << 62;
        format!("2.25.{number}")
    }

    /// What stands for a patient's ID and name: 13 letters and digits without look-alikes.
    pub(crate) fn patient(&self, id: &str) -> String {
        const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
        let mut number = self.digest("patient", id);
        let letters = std::iter::repeat_with(|| {
            let letter = LETTERS.get((number % 32) as usize).copied().unwrap_or(b'A');
            number /= 32;
            char::from(letter)
        });
        letters.take(13).collect()
    }

    /// By how many days the dates of a patient move; never 0.
    pub(crate) fn shift_days(&self, patient_id: &str) -> i64 {
        let width = (SHIFT_DAYS.end - SHIFT_DAYS.start) as u128;
        -(SHIFT_DAYS.start + (self.digest("shift", patient_id) % width) as i64)
    }
}

/// A date (`20240229`, `2024.02.29`) or a date and time that starts with one, moved by `days`; `None` for anything
/// else, and for dates of which the day is missing.
pub(super) fn shifted(text: &str, days: i64) -> Option<String> {
    let compact;
    let text = match text.as_bytes() {
        [_, _, _, _, b'.', _, _, b'.', _, _] => {
            compact = text.replace('.', "");
            compact.as_str()
        }
        _ => text,
    };
    let (date, rest) = text.split_at_checked(8)?;
    if !date.bytes().all(|byte| byte.is_ascii_digit())
        || !rest.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'+' | b'-'))
    {
        return None;
    }
    let number = |range: std::ops::Range<usize>| date.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (number(0..4)?, number(4..6)?, number(6..8)?);
    if year == 0 || !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let (year, month, day) = civil(day_number(year, month, day) + days);
    (1..=9999).contains(&year).then(|| format!("{year:04}{month:02}{day:02}{rest}"))
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 0000-03-01. Years begin in March here, so that the leap day comes last.
fn day_number(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month < 3);
    let month = (month + 9) % 12;
    365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * month + 2) / 5
        + day
        - 1
}

/// The inverse of [`day_number`].
fn civil(days: i64) -> (i64, i64, i64) {
    const DAYS_400: i64 = 146_097;
    let era = days.div_euclid(DAYS_400);
    let of_era = days.rem_euclid(DAYS_400);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = (march_month + 2) % 12 + 1;
    (era * 400 + year + i64::from(month < 3), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pseudonyms(seed: u8) -> Pseudonyms {
        Pseudonyms::new(Key::from_hex(&format!("{seed:02x}").repeat(16)).unwrap())
    }

    #[test]
    fn the_same_key_gives_the_same_uid_and_another_key_another_one() {
        let uid = pseudonyms(1).uid("1.2.3");
        assert_eq!(uid, pseudonyms(1).uid("1.2.3"));
        assert_ne!(uid, pseudonyms(2).uid("1.2.3"));
        assert_ne!(uid, pseudonyms(1).uid("1.2.4"));
        assert!(uid.starts_with("2.25.") && uid.len() <= 64);
        let number: u128 = uid["2.25.".len()..].parse().unwrap();
        assert_eq!((number >> 76 & 0xF, number >> 62 & 3), (8, 2));
        assert_eq!(pseudonyms(1).uid("1.2.840.10008.1.2"), "1.2.840.10008.1.2");
    }

    #[test]
    fn a_patient_gets_letters_and_a_shift_that_is_never_zero() {
        let id = pseudonyms(1).patient("4711");
        assert_eq!(id.len(), 13);
        assert_ne!(id, pseudonyms(1).patient("4712"));
        for patient in 0..100 {
            let days = pseudonyms(3).shift_days(&patient.to_string());
            assert!((-3650..=-365).contains(&days), "{days}");
        }
    }

    #[test]
    fn dates_move_over_months_years_and_leap_days() {
        let check = |date: &str, days: i64, expected: Option<&str>| {
            assert_eq!(shifted(date, days).as_deref(), expected, "{date}");
        };
        check("20240301", -1, Some("20240229"));
        check("20230301", -1, Some("20230228"));
        check("20000229", -366, Some("19990228"));
        check("20240229", -365, Some("20230301"));
        check("19000301", -1, Some("19000228"));
        check("20240101120000.5+0100", -1, Some("20231231120000.5+0100"));
        check("2024.01.01", -1, Some("20231231"));
        check("20240230", -1, None);
        check("2024", -1, None);
        check("202401", -1, None);
        check("DOE^JANE", -1, None);
        check("20240101DOE", -1, None);
        check("00010101", -400, None);
    }

    #[test]
    fn every_day_of_eight_centuries_comes_back() {
        for day in day_number(1600, 1, 1)..day_number(2400, 1, 1) {
            let (year, month, of_month) = civil(day);
            assert_eq!(day_number(year, month, of_month), day);
            assert!((1..=days_in(year, month)).contains(&of_month));
        }
    }

    #[test]
    fn keys_are_hexadecimal_and_long_enough() {
        assert!(Key::from_hex(&"0a".repeat(16)).is_ok());
        assert!(matches!(Key::from_hex("0a0b"), Err(KeyError::Length { bytes: 2 })));
        assert!(matches!(Key::from_hex("xyz"), Err(KeyError::NotHexadecimal)));
        assert!(!format!("{:?}", Key::from_hex(&"ab".repeat(16)).unwrap()).contains("ab"));
    }
}
