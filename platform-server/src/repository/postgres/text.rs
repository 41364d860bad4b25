//! Texts as PostgreSQL can keep them: without the character NUL, and short where an index holds them.

use std::borrow::Cow;
use std::fmt::Write;

use sha2::{Digest, Sha256};

/// Stands before what stands for NUL, and before itself.
const MARK: char = '\u{1}';

/// The form in which a text is kept; [`restored`] makes it the same again.
pub(super) fn storable(text: &str) -> Cow<'_, str> {
    if !text.contains(['\0', MARK]) {
        return Cow::Borrowed(text);
    }
    let mut kept = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\0' => kept.extend([MARK, '0']),
            MARK => kept.extend([MARK, MARK]),
            other => kept.push(other),
        }
    }
    Cow::Owned(kept)
}

/// The text that was made storable.
pub(super) fn restored(kept: String) -> String {
    if !kept.contains(MARK) {
        return kept;
    }
    let mut text = String::with_capacity(kept.len());
    let mut characters = kept.chars();
    while let Some(character) = characters.next() {
        match (character, character == MARK) {
            (_, true) => text.push(if characters.next() == Some('0') { '\0' } else { MARK }),
            (other, false) => text.push(other),
        }
    }
    text
}

/// Bytes of a name that is kept whole in an index; a page has to hold three rows of it.
const WHOLE: usize = 768;

/// A folded name as indexes hold it: a long one as its beginning and a hash of all of it.
pub(super) fn indexed(folded: &str) -> Cow<'_, str> {
    let kept = storable(folded);
    if kept.len() <= WHOLE {
        return kept;
    }
    let mut short = kept.get(..kept.floor_char_boundary(WHOLE - 66)).unwrap_or_default().to_owned();
    short.push(MARK);
    for byte in Sha256::digest(kept.as_bytes()) {
        // Writing to a string never fails.
        let _ = write!(short, "{byte:02x}");
    }
    Cow::Owned(short)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_kept_holds_no_nul_and_comes_back_the_same(text in "[\\x00\\x01a0ß]{0,20}", other in "[\\x00\\x01a0ß]{0,20}") {
            let kept = storable(&text).into_owned();
            prop_assert!(!kept.contains('\0'));
            prop_assert_eq!(&restored(kept.clone()), &text);
            prop_assert_eq!(kept == storable(&other), text == other);
        }

        #[test]
        fn long_names_stay_different_and_short_ones_whole(text in "[aß]{0,1500}") {
            let short = indexed(&text);
            prop_assert!(short.len() <= WHOLE);
            prop_assert_eq!(short.len() < text.len(), text.len() > WHOLE);
            let other = format!("{text}b");
            prop_assert_ne!(indexed(&other), short);
        }
    }
}
