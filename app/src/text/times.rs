//! Times of day and lengths of time, as people at this desktop say them.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Local};

/// The time of day here, to the second; with the date if that is not today's.
pub fn clock(time: SystemTime, now: SystemTime) -> String {
    let (time, now): (DateTime<Local>, DateTime<Local>) = (time.into(), now.into());
    let format = if time.date_naive() == now.date_naive() { "%H:%M:%S" } else { "%Y-%m-%d %H:%M" };
    time.format(format).to_string()
}

/// `0.4 s`, `12 s`, `2 min 05 s`, `3 h 07 min`.
pub fn span(time: Duration) -> String {
    let secs = time.as_secs();
    match secs {
        0..10 => format!("{:.1} s", time.as_secs_f64()),
        10..60 => format!("{secs} s"),
        60..3600 => format!("{} min {:02} s", secs / 60, secs % 60),
        _ => format!("{} h {:02} min", secs / 3600, secs / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_two_parts_at_most() {
        let check = |secs: f64, expected| assert_eq!(span(Duration::from_secs_f64(secs)), expected);
        check(0.04, "0.0 s");
        check(9.96, "10.0 s");
        check(59.9, "59 s");
        check(125.0, "2 min 05 s");
        check(11_220.0, "3 h 07 min");
    }

    #[test]
    fn times_of_other_days_have_their_date() {
        let now = SystemTime::now();
        assert_eq!(clock(now, now).len(), "14:03:11".len());
        let before = now - Duration::from_secs(3 * 24 * 3600);
        assert_eq!(clock(before, now).len(), "2026-11-28 14:03".len());
    }
}
