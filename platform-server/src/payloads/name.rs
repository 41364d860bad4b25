//! Names that operators wrote, as they are shown.
//!
//! What clients may call a file is in [`PayloadPath`](platform_api::payload::PayloadPath); an operator may call it
//! anything that its system takes.

use platform_api::payload::MAX_SEGMENT_BYTES;

/// Characters that end a name early, separate folders on some system, or reorder what a reader sees.
fn is_refused(character: char) -> bool {
    let is_direction =
        matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_wild = cfg!(windows) && matches!(character, '<' | '>' | ':' | '"' | '|' | '?' | '*');
    character.is_control() || character == '\\' || is_direction || is_wild
}

fn has_drive(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|letter| letter.is_ascii_alphabetic()) && characters.next() == Some(':')
}

/// Device names of Windows count with any extension, also with spaces before it.
fn is_device(segment: &str) -> bool {
    let stem = segment.split('.').next().unwrap_or_default().trim_end_matches(' ');
    let numbered = |prefix: &str| {
        stem.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
            && stem.get(3..).is_some_and(|end| {
                let mut digits = end.chars();
                let is_digit = |digit| matches!(digit, '0'..='9' | '¹' | '²' | '³');
                digits.next().is_some_and(is_digit) && digits.next().is_none()
            })
    };
    ["con", "prn", "aux", "nul", "conin$", "conout$"].iter().any(|device| stem.eq_ignore_ascii_case(device))
        || numbered("com")
        || numbered("lpt")
}

/// A segment that is accepted, as near as possible to what an operator wrote. `attempt` tells like ones apart.
pub(crate) fn safe_segment(written: &str, attempt: usize) -> String {
    let mut safe: String =
        written
            .chars()
            .map(|character| {
                if is_refused(character) || character == char::REPLACEMENT_CHARACTER {
                    '_'
                } else {
                    character
                }
            })
            .collect();
    let suffix = if attempt == 0 { String::new() } else { format!("~{attempt}") };
    while safe.len() + suffix.len() + 2 > MAX_SEGMENT_BYTES {
        safe.pop();
    }
    if safe.is_empty() || safe.ends_with(['.', ' ']) {
        safe.push('_');
    }
    if is_device(&safe) || has_drive(&safe) {
        safe.insert(0, '_');
    }
    safe.push_str(&suffix);
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use platform_api::payload::PayloadPath;
    use proptest::prelude::*;

    #[test]
    fn ordinary_names_stay_as_they_are() {
        let long = "a".repeat(250);
        for name in
            ["a", ".hidden", "com", "com10", "console", "größe.dcm", "2020-01-01 10.00", "a~1", "...x", &long]
        {
            assert_eq!(safe_segment(name, 0), name);
        }
    }

    proptest! {
        #[test]
        fn whatever_an_operator_wrote_is_shown_by_an_accepted_name(written in "\\PC{0,300}|[a-z. \\\\]{0,8}|(con|lpt1|c)[. ]{0,3}", attempt in 0..30usize) {
            let written = written.replace(['/', ':'], "_");
            let safe = safe_segment(&written, attempt);
            prop_assert!(PayloadPath::to_create(&safe).is_ok(), "{safe:?}");
        }

        #[test]
        fn what_is_shown_is_found_again(written in "\\PC{1,40}|[a-z.: ]{1,8}", attempt in 0..3usize) {
            let safe = safe_segment(&written.replace('/', "_"), attempt);
            let found = PayloadPath::to_find(&safe).unwrap();
            prop_assert_eq!(found.as_relative(), safe);
        }
    }
}
