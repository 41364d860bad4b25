//! Values of options: pairs, times, priorities.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use clap::ValueEnum;
use platform_client::job::JobPriority;
use platform_client::metadata::Metadata;
use platform_client::time::system_time_from_text;

use super::usage;

/// `--priority` as typed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Priority {
    Low,
    #[default]
    Normal,
    High,
    Immediate,
}

impl From<Priority> for JobPriority {
    fn from(priority: Priority) -> Self {
        match priority {
            Priority::Low => Self::Lower,
            Priority::Normal => Self::Normal,
            Priority::High => Self::Higher,
            Priority::Immediate => Self::Immediate,
        }
    }
}

/// `NAME=VALUE`; the value may be empty and hold further `=`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".to_owned()),
    }
}

/// Pairs as metadata.
pub(super) fn metadata(pairs: &[(String, String)]) -> anyhow::Result<Metadata> {
    Metadata::from_entries(pairs.iter().cloned()).map_err(|error| usage(error.to_string()))
}

/// Pairs as variables, none of them twice.
pub(super) fn variables(pairs: &[(String, String)]) -> anyhow::Result<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    for (name, value) in pairs {
        if variables.insert(name.clone(), value.clone()).is_some() {
            return Err(usage(format!("variable `{name}` comes twice")));
        }
    }
    Ok(variables)
}

/// A time: `2021-03-08`, `2021-03-08 18:06:31`, with `T`, `Z` or `+01:00`, or so long ago: `90s`, `30m`, `2h`, `7d`.
/// Without a zone it is UTC.
pub(super) fn time(text: &str) -> Result<SystemTime, String> {
    let refused = || "expected YYYY-MM-DD[Thh:mm:ss][Z|±hh:mm], or an age such as 30m, 2h or 7d".to_owned();
    if let Some(age) = age(text) {
        return SystemTime::now().checked_sub(age).ok_or_else(refused);
    }
    let (date, rest) = text.split_at_checked(10).ok_or_else(refused)?;
    let rest = rest.strip_prefix(['T', 't', ' ']).unwrap_or(rest);
    let (clock, zone) = match rest.find(['Z', 'z', '+', '-']) {
        Some(at) => rest.split_at_checked(at).ok_or_else(refused)?,
        None => (rest, "Z"),
    };
    let clock = match clock.len() {
        0 => "00:00:00".to_owned(),
        5 => format!("{clock}:00"),
        _ => clock.to_owned(),
    };
    let utc =
        system_time_from_text(&format!("{date} {clock}Z")).map_err(|_| refused())?.ok_or_else(refused)?;
    let (ahead, offset) = offset(zone).ok_or_else(refused)?;
    if ahead { utc.checked_sub(offset) } else { utc.checked_add(offset) }.ok_or_else(refused)
}

/// A time to come, as [`time`] reads it, or after so long: `12h`, `90d`.
pub(super) fn end(text: &str) -> Result<SystemTime, String> {
    let refused =
        || "expected YYYY-MM-DD[Thh:mm:ss][Z|±hh:mm], or a time from now such as 12h or 90d".to_owned();
    match age(text) {
        Some(ahead) => SystemTime::now().checked_add(ahead).ok_or_else(refused),
        None => time(text).map_err(|_| refused()),
    }
}

fn age(text: &str) -> Option<Duration> {
    let unit = match text.chars().last()? {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return None,
    };
    let count = text.get(..text.len() - 1)?;
    let is_number = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    let secs = is_number.then(|| count.parse::<u64>().ok())??.checked_mul(unit)?;
    Some(Duration::from_secs(secs))
}

/// Whether the zone is ahead of UTC, and by how much.
fn offset(zone: &str) -> Option<(bool, Duration)> {
    if zone.eq_ignore_ascii_case("Z") {
        return Some((true, Duration::ZERO));
    }
    let ahead = zone.starts_with('+');
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    let number = |text: &str| {
        (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse::<u64>().ok())?
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    (hours <= 14 && minutes < 60).then(|| (ahead, Duration::from_secs(hours * 3600 + minutes * 60)))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn times_are_read_with_their_zone() {
        let at = |secs| Ok(UNIX_EPOCH + Duration::from_secs(secs));
        for text in [
            "2021-03-08 18:06:31",
            "2021-03-08T18:06:31Z",
            "2021-03-08T19:06:31+01:00",
            "2021-03-08 12:36:31-05:30",
        ] {
            assert_eq!(time(text), at(1_615_226_791), "{text}");
        }
        assert_eq!(time("2021-03-08"), at(1_615_161_600));
        assert_eq!(time("2021-03-08T18:06"), at(1_615_226_760));
        let two_hours = Duration::from_secs(7200);
        let earliest = SystemTime::now() - two_hours;
        let asked = time("2h").unwrap();
        assert!((earliest..=SystemTime::now() - two_hours).contains(&asked));
        for text in [
            "",
            "h",
            "yesterday",
            "2021-02-30",
            "2021-03-08T25:00:00",
            "2021-03-08+1:00",
            "ééééé",
            "99999999999999999999d",
        ] {
            assert!(time(text).is_err(), "{text}");
        }
    }

    #[test]
    fn values_of_pairs_may_hold_anything() {
        assert_eq!(pair("a=b=c"), Ok(("a".to_owned(), "b=c".to_owned())));
        assert_eq!(pair("a="), Ok(("a".to_owned(), String::new())));
        assert!(pair("=b").is_err() && pair("a").is_err());
        assert!(variables(&[pair("a=1").unwrap(), pair("a=2").unwrap()]).is_err());
    }
}
