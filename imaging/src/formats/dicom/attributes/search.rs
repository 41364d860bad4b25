//! Finding rows by tag, keyword, name, creator or value.

use super::{Attributes, Row, RowKind, tag_text};

/// What somebody typed into the search field.
#[derive(Debug, Clone)]
pub struct Search {
    /// In lower case, without space around it.
    text: String,
    /// Eight digits where the text is a tag; `x` stands for any digit.
    tag: Option<String>,
}

impl Search {
    /// `0010,0010`, `(0010,0010)`, `00100010` and `60xx3000` are tags; anything else is looked for in tags, keywords,
    /// names, private creators and values, without regard to case.
    pub fn new(text: &str) -> Self {
        let text = text.trim().to_lowercase();
        let digits: String = text.chars().filter(|letter| !matches!(letter, '(' | ')' | ',' | ' ')).collect();
        let is_tag =
            digits.len() == 8 && digits.chars().all(|digit| digit.is_ascii_hexdigit() || digit == 'x');
        Self { tag: is_tag.then_some(digits), text }
    }

    /// Whether nothing is looked for.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Whether a row is what is looked for; items never are, and an empty search finds nothing.
    pub fn matches(&self, row: &Row) -> bool {
        if self.is_empty() || matches!(row.kind, RowKind::Item(_)) {
            return false;
        }
        if let Some(tag) = &self.tag
            && format!("{:08x}", row.tag).chars().zip(tag.chars()).all(|(a, b)| b == 'x' || a == b)
        {
            return true;
        }
        let contains = |text: &str| text.to_lowercase().contains(&self.text);
        row.keyword().is_some_and(contains)
            || contains(&row.text)
            || row.private_creator.as_deref().is_some_and(contains)
            || contains(&tag_text(row.tag))
            || contains(&row.name())
    }
}

impl Attributes {
    /// The rows that are looked for, in the order of the file.
    pub fn search(&self, search: &Search) -> Vec<usize> {
        let rows = self.rows.iter().enumerate();
        rows.filter(|(_, row)| search.matches(row)).map(|(at, _)| at).collect()
    }
}
