//! Descriptions with nothing left but known words and quantities.
//!
//! A list of what may stay, not of what must go: a word that is not on the list might be a name. Words of the list
//! that also occur among the names of the object go as well (somebody may be called Foot).

use std::collections::BTreeSet;

use super::words::{UNITS, WORDS};

/// Cleans the texts of one object.
#[derive(Debug, Default)]
pub(crate) struct Cleaner {
    /// Words of names and identifiers, in lower case.
    suspects: BTreeSet<String>,
}

impl Cleaner {
    /// Takes words of a name, an identifier or an institution out of every text.
    pub(crate) fn suspect(&mut self, text: &str) {
        let words = text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty());
        self.suspects.extend(words.map(str::to_lowercase));
    }

    /// The words that may stay, with single spaces; each value of a multi-valued text by itself.
    pub(crate) fn clean(&self, bytes: &[u8]) -> String {
        // Escape sequences announce sets whose bytes look like letters.
        if bytes.contains(&0x1B) {
            return String::new();
        }
        // Bytes beyond ASCII are part of a word in any of the character sets, and of none on the list.
        let text: String = bytes.iter().map(|&byte| char::from(byte)).collect();
        let values: Vec<String> = text.split('\\').map(|value| self.clean_value(value)).collect();
        if values.iter().all(String::is_empty) { String::new() } else { values.join("\\") }
    }

    fn clean_value(&self, text: &str) -> String {
        let tokens: Vec<&str> = text.split(is_separator).filter(|token| !token.is_empty()).collect();
        let mut kept: Vec<&str> = Vec::new();
        for (at, &token) in tokens.iter().enumerate() {
            let is_before_unit = tokens.get(at + 1).is_some_and(|next| is_unit(next));
            let before = at.checked_sub(1).and_then(|before| tokens.get(before));
            let is_after_quantity = before.is_some_and(|before| is_short_number(before));
            let stays = self.is_known(token)
                || is_quantity(token)
                || is_short_number(token) && is_before_unit
                || is_unit(token) && is_after_quantity;
            if stays {
                kept.push(token);
            }
        }
        kept.join(" ")
    }

    fn is_known(&self, token: &str) -> bool {
        let word = token.to_lowercase();
        WORDS.binary_search(&word.as_str()).is_ok() && !self.suspects.contains(&word)
    }
}

/// Dots, dashes and strokes hold numbers together: `12.03.1956` is one token and no quantity.
fn is_separator(letter: char) -> bool {
    letter.is_ascii()
        && (letter.is_ascii_whitespace() || letter.is_control() || ",;:()[]_+&^=<>\"*".contains(letter))
}

fn is_unit(token: &str) -> bool {
    UNITS.contains(&token.to_lowercase().as_str())
}

/// At most four digits, and at most three behind a point.
fn is_short_number(token: &str) -> bool {
    let (whole, fraction) = token.split_once('.').unwrap_or((token, "0"));
    let is_digits = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    is_digits(whole, 4) && is_digits(fraction, 3)
}

/// A number with its unit in one token: `1.5mm`.
fn is_quantity(token: &str) -> bool {
    let digits = token.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(token.len());
    token.split_at_checked(digits).is_some_and(|(number, unit)| is_short_number(number) && is_unit(unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        assert_eq!(Cleaner::default().clean(text.as_bytes()), expected, "{text}");
    }

    #[test]
    fn what_was_done_stays_and_who_it_was_goes() {
        check("CT Chest with contrast", "CT Chest with contrast");
        check("Thorax 1.5mm axial, Mrs. Jane Doe", "Thorax 1.5mm axial");
        check("Head 5 mm B30", "Head 5 mm");
        check("born 12.03.1956", "");
        check("MRN 1234567 abdomen", "abdomen");
        check("call 555 1234", "");
        check("T2_FLAIR_tra", "T2 FLAIR tra");
        check("Sch\u{e4}del", "");
        check("lung\\Doe", "lung\\");
    }

    #[test]
    fn a_patient_whose_name_is_a_known_word_is_not_told() {
        let mut cleaner = Cleaner::default();
        cleaner.suspect("Foot^Philippa");
        assert_eq!(cleaner.clean(b"Foot left, Mrs Foot"), "left");
    }

    #[test]
    fn text_with_escape_sequences_goes_as_a_whole() {
        check("head\u{1b}$B;3ED", "");
    }
}
