//! Metadata of jobs, payloads, pipelines and models: a small set of named texts.
//!
//! Keys are compared without regard to letter case and kept as they were written.
//! An addition is done whole or not at all; answers hold the whole set.

use std::collections::BTreeMap;

use crate::letter_case::fold;

/// Longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 128;
/// Longest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 256;
/// Largest set, in bytes on the wire. A message with the whole set stays below the 4 MiB that clients take.
pub const MAX_SET_BYTES: usize = 4_000_000;
/// Most that the wire adds to a key and its value.
const ENTRY_OVERHEAD_BYTES: usize = 12;

/// An entry that breaks a rule. Values are left out: they may describe a patient.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages are the documentation")]
pub enum MetadataError {
    #[error("a metadata key is empty")]
    EmptyKey,
    #[error("metadata key `{start}…` has {bytes} bytes, more than {MAX_KEY_BYTES}")]
    LongKey { start: String, bytes: usize },
    #[error("the value of metadata key `{key}` has {bytes} bytes, more than {MAX_VALUE_BYTES}")]
    LongValue { key: String, bytes: usize },
    #[error("metadata key `{key}` is there already")]
    Exists { key: String },
    #[error("metadata key `{key}` comes twice in one request")]
    Twice { key: String },
    #[error("metadata would take more than {MAX_SET_BYTES} bytes")]
    TooLarge,
}

/// A set of metadata that keeps its rules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// By folded key.
    entries: BTreeMap<String, Entry>,
    bytes: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    key: String,
    value: String,
}

impl Metadata {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// A set of these entries.
    ///
    /// # Errors
    /// As [`Metadata::add`].
    pub fn from_entries<K, V>(entries: impl IntoIterator<Item = (K, V)>) -> Result<Self, MetadataError>
    where
        K: Into<String>,
        V: Into<String>,
    {
        let mut set = Self::new();
        set.add(entries)?;
        Ok(set)
    }

    /// Adds all of these entries, or none.
    ///
    /// # Errors
    /// [`MetadataError`] for the first entry that breaks a rule; the set is as it was.
    pub fn add<K, V>(&mut self, entries: impl IntoIterator<Item = (K, V)>) -> Result<(), MetadataError>
    where
        K: Into<String>,
        V: Into<String>,
    {
        let mut added = BTreeMap::new();
        let mut bytes = self.bytes;
        for (key, value) in entries {
            let entry = Entry { key: key.into(), value: value.into() };
            check_sizes(&entry)?;
            bytes += entry_bytes(&entry);
            if bytes > MAX_SET_BYTES {
                return Err(MetadataError::TooLarge);
            }
            let folded = fold(&entry.key);
            if self.entries.contains_key(&folded) {
                return Err(MetadataError::Exists { key: entry.key });
            }
            if let Some(before) = added.insert(folded, entry) {
                return Err(MetadataError::Twice { key: before.key });
            }
        }
        self.entries.extend(added);
        self.bytes = bytes;
        Ok(())
    }

    /// Removes the entries of these keys. Keys that are not there are ignored.
    pub fn remove<K: AsRef<str>>(&mut self, keys: impl IntoIterator<Item = K>) {
        for key in keys {
            if let Some(entry) = self.entries.remove(&fold(key.as_ref())) {
                self.bytes -= entry_bytes(&entry);
            }
        }
    }

    /// The value of a key, in whatever letter case.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.entries.get(&fold(key)).map(|entry| entry.value.as_str())
    }

    /// Keys as they were written and values, in the order of the keys without regard to letter case.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.values().map(|entry| (entry.key.as_str(), entry.value.as_str()))
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// What the set takes on the wire at most, in bytes.
    pub fn wire_bytes(&self) -> usize {
        self.bytes
    }

    /// The whole set, as messages carry it.
    pub fn to_map(&self) -> BTreeMap<String, String> {
        self.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }
}

fn check_sizes(entry: &Entry) -> Result<(), MetadataError> {
    if entry.key.is_empty() {
        return Err(MetadataError::EmptyKey);
    }
    if entry.key.len() > MAX_KEY_BYTES {
        let start = entry.key.chars().take(32).collect();
        return Err(MetadataError::LongKey { start, bytes: entry.key.len() });
    }
    if entry.value.len() > MAX_VALUE_BYTES {
        return Err(MetadataError::LongValue { key: entry.key.clone(), bytes: entry.value.len() });
    }
    Ok(())
}

fn entry_bytes(entry: &Entry) -> usize {
    entry.key.len() + entry.value.len() + ENTRY_OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::proto::clara::JobsAddMetadataResponse;

    #[test]
    fn keys_are_found_in_any_case_and_kept_as_written() {
        let mut set = Metadata::from_entries([("Source", "adapter")]).unwrap();
        assert_eq!(set.get("SOURCE"), Some("adapter"));
        assert_eq!(set.iter().collect::<Vec<_>>(), [("Source", "adapter")]);
        set.remove(["sourcE", "absent"]);
        assert!(set.is_empty());
        assert_eq!(set, Metadata::new());
    }

    #[test]
    fn a_refused_addition_changes_nothing() {
        let mut set = Metadata::from_entries([("a", "1")]).unwrap();
        let before = set.clone();
        let refused =
            |set: &mut Metadata, entries: &[(&str, &str)]| set.add(entries.iter().copied()).unwrap_err();
        assert_eq!(
            refused(&mut set, &[("b", "2"), ("A", "3")]),
            MetadataError::Exists { key: "A".to_owned() }
        );
        assert_eq!(
            refused(&mut set, &[("b", "2"), ("B", "3")]),
            MetadataError::Twice { key: "b".to_owned() }
        );
        assert_eq!(refused(&mut set, &[("b", "2"), ("", "3")]), MetadataError::EmptyKey);
        assert_eq!(set, before);
    }

    #[test]
    fn sizes_count_bytes_and_the_limits_themselves_are_allowed() {
        let key = "é".repeat(MAX_KEY_BYTES / 2);
        let value = "v".repeat(MAX_VALUE_BYTES);
        let mut set = Metadata::new();
        set.add([(key.as_str(), value.as_str())]).unwrap();
        let long_key = format!("{key}k");
        assert!(matches!(set.add([(&long_key, "")]), Err(MetadataError::LongKey { bytes: 129, .. })));
        let long_value = format!("{value}v");
        assert!(matches!(set.add([("k", &long_value)]), Err(MetadataError::LongValue { bytes: 257, .. })));
    }

    #[test]
    fn the_largest_set_fits_into_a_message() {
        let value = "v".repeat(MAX_VALUE_BYTES);
        let mut set = Metadata::new();
        let mut number = 0u32;
        while set.add([(number.to_string(), value.as_str())]).is_ok() {
            number += 1;
        }
        assert_eq!(set.add([("one more", value)]), Err(MetadataError::TooLarge));
        let message = JobsAddMetadataResponse { metadata: set.to_map(), ..Default::default() };
        assert!(message.encoded_len() <= MAX_SET_BYTES, "{}", message.encoded_len());
        set.remove(["0", "1"]);
        set.add([("one more", "fits")]).unwrap();
        let removed = set.iter().map(|(key, _)| key.to_owned()).collect::<Vec<_>>();
        set.remove(removed);
        assert_eq!(set, Metadata::new(), "what is counted comes back");
    }
}
