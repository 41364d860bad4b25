//! Numbers, dates and names as the field prints them.

use imaging::volume::Unit;

/// Replaces hyphens that stand for a minus sign.
pub fn minus(text: String) -> String {
    text.replace('-', "−")
}

/// A number with a true minus sign and a fixed count of decimals; no `−0`.
pub fn number(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let is_zero = text.bytes().all(|b| matches!(b, b'0' | b'-' | b'.'));
    minus(if is_zero { text.trim_start_matches('-').to_owned() } else { text })
}

/// A length, e.g. `12.4 mm`.
pub fn mm(value: f64) -> String {
    format!("{} mm", number(value, if value.abs() < 0.995 { 2 } else { 1 }))
}

/// A modality value with its unit: `−600 HU`, `0.0123`.
///
/// Whole numbers print whole; fractions keep as many decimals as their size deserves.
pub fn modality_value(value: f64, unit: &Unit) -> String {
    let decimals = match value.abs() {
        _ if value.fract() == 0.0 => 0,
        v if v >= 100.0 => 1,
        v if v >= 1.0 => 2,
        v if v >= 0.01 => 4,
        _ => 6,
    };
    let text = number(value, decimals);
    unit.symbol().map_or(text.clone(), |symbol| format!("{text} {symbol}"))
}

/// Reads a number a person typed: true minus, comma or point.
pub fn parse_number(text: &str) -> Option<f64> {
    let plain: String = text
        .trim()
        .chars()
        .map(|c| match c {
            '−' | '–' => '-',
            ',' => '.',
            c => c,
        })
        .collect();
    plain.split_whitespace().next()?.parse().ok().filter(|v: &f64| v.is_finite())
}

/// A memory size, e.g. `210 MiB`.
pub fn bytes(count: u64) -> String {
    const MIB: f64 = (1u64 << 20) as f64;
    let mib = count as f64 / MIB;
    if mib >= 1024.0 {
        format!("{:.1} GiB", mib / 1024.0)
    } else if mib >= 10.0 {
        format!("{mib:.0} MiB")
    } else {
        format!("{mib:.1} MiB")
    }
}

/// A DICOM person name as `Family, Given Middle`, its ideographic form behind it: `Yamada, Tarou (山田 太郎)`.
///
/// Where there is no alphabetic form the ideographic one stands alone, and the phonetic one only if there is nothing
/// else. Source: DICOM PS3.5 6.2.1.1: groups are parted by `=`, components (`Family^Given^Middle^Prefix^Suffix`) by
/// `^`.
pub fn patient_name(dicom: &str) -> String {
    let mut groups = dicom.split('=');
    let [alphabetic, ideographic, phonetic] = std::array::from_fn(|_| groups.next().unwrap_or_default());
    let alphabetic = person_name_group(alphabetic, ", ");
    let ideographic = person_name_group(ideographic, " ");
    match (alphabetic.is_empty(), ideographic.is_empty()) {
        (false, true) => alphabetic,
        (false, false) if alphabetic != ideographic => format!("{alphabetic} ({ideographic})"),
        (false, false) => alphabetic,
        (true, false) => ideographic,
        (true, true) => person_name_group(phonetic, " "),
    }
}

/// One group of a person name, `separator` behind the family name.
fn person_name_group(group: &str, separator: &str) -> String {
    let mut parts = group.split('^').map(str::trim);
    let family = parts.next().unwrap_or_default();
    let given: Vec<&str> = parts.take(2).filter(|p| !p.is_empty()).collect();
    match (family.is_empty(), given.is_empty()) {
        (_, true) => family.to_owned(),
        (true, false) => given.join(" "),
        (false, false) => format!("{family}{separator}{}", given.join(" ")),
    }
}

/// A DICOM date (`YYYYMMDD`) as `YYYY-MM-DD`; anything else unchanged.
pub fn study_date(dicom: &str) -> String {
    let text = dicom.trim();
    match (text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit()), text.get(..4), text.get(4..6)) {
        (true, Some(year), Some(month)) => format!("{year}-{month}-{}", text.get(6..).unwrap_or_default()),
        _ => text.to_owned(),
    }
}

/// `Female, 45 y` from DICOM's sex code and age string (`045Y`, `012W`); parts that are missing are left out.
///
/// The sex is spelt out, because a lone F or L reads as an orientation letter.
/// Source: DICOM PS3.3 C.7.1.1, PS3.5 6.2 (AS).
pub fn sex_and_age(sex: &str, age: &str) -> String {
    let sex = match sex.trim() {
        "F" => "Female",
        "M" => "Male",
        "O" => "Other",
        other => other,
    };
    let age = age.trim();
    let unit = age.chars().last().map(|c| c.to_ascii_lowercase()).filter(|c| "ymwd".contains(*c));
    let count = age.trim_end_matches(char::is_alphabetic).parse::<u32>();
    let age = match (count, unit) {
        (Ok(count), Some(unit)) => format!("{count} {unit}"),
        _ => age.to_owned(),
    };
    [sex, &age].into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_a_true_minus_and_no_negative_zero() {
        assert_eq!(number(-132.5, 1), "−132.5");
        assert_eq!(number(-0.04, 1), "0.0");
        assert_eq!(modality_value(-600.0, &Unit::Hounsfield), "−600 HU");
        assert_eq!(modality_value(1.5, &Unit::None), "1.50");
        assert_eq!(modality_value(0.001_23, &Unit::Other("mm2/s".into())), "0.001230 mm2/s");
        assert_eq!(mm(0.5), "0.50 mm");
        assert_eq!(mm(12.36), "12.4 mm");
    }

    #[test]
    fn typed_numbers_are_understood_with_either_minus() {
        assert_eq!(parse_number(" −600 HU"), Some(-600.0));
        assert_eq!(parse_number("-1,5"), Some(-1.5));
        assert_eq!(parse_number("inf"), None);
        assert_eq!(parse_number("lung"), None);
    }

    #[test]
    fn names_and_dates_read_naturally() {
        assert_eq!(patient_name("Doe^Jane^^Dr"), "Doe, Jane");
        assert_eq!(patient_name("LIDC-IDRI-0314"), "LIDC-IDRI-0314");
        // The examples of PS3.5 annex H and I.
        assert_eq!(patient_name("Yamada^Tarou=山田^太郎=やまだ^たろう"), "Yamada, Tarou (山田 太郎)");
        assert_eq!(patient_name("Hong^Gildong=洪^吉洞=홍^길동"), "Hong, Gildong (洪 吉洞)");
        assert_eq!(patient_name("=山田^太郎=やまだ^たろう"), "山田 太郎");
        assert_eq!(patient_name("==やまだ^たろう"), "やまだ たろう");
        assert_eq!(patient_name("^Jane"), "Jane");
        assert_eq!(patient_name(""), "");
        assert_eq!(sex_and_age("F", "045Y"), "Female, 45 y");
        assert_eq!(sex_and_age("", "012W"), "12 w");
        assert_eq!(sex_and_age("M ", ""), "Male");
        assert_eq!(study_date("20000101"), "2000-01-01");
        assert_eq!(study_date("2000.01.01"), "2000.01.01");
        assert_eq!(study_date("2000010é"), "2000010é");
    }
}
