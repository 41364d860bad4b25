//! Comparing names without regard to letter case.

/// A key that two texts share when they differ in letter case only.
///
/// Character by character, independent of language and of neighbours, so that a beginning of a text has a beginning
/// of its key. Characters whose other case is several characters (`ß`) stay apart from these.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    text.chars().map(fold_char).collect()
}

fn fold_char(letter: char) -> char {
    let upper = single(letter.to_uppercase()).unwrap_or(letter);
    single(upper.to_lowercase()).unwrap_or(upper)
}

fn single(mut letters: impl Iterator<Item = char>) -> Option<char> {
    let first = letters.next()?;
    letters.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn letters_of_both_cases_are_one() {
        for (a, b) in [("Abc-1", "aBC-1"), ("ÄÖ", "äö"), ("ΣΑΣ", "σας"), ("ſ", "S"), ("ǅ", "ǆ")]
        {
            assert_eq!(fold(a), fold(b), "{a} {b}");
        }
        assert_ne!(fold("ß"), fold("ss"));
        assert_ne!(fold("a"), fold("ä"));
    }
}
