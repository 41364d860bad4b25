//! From the text of a settings file to values with their lines, and all that is wrong with them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::settings::SETTINGS;
use super::{Config, Mistake};

/// The one key whose value is a table.
const TABLE: &str = "operators.aliases";

/// Values of a file by key. Reading one notes its mistakes and leaves the default where it cannot be used.
pub(super) struct Reader<'t> {
    text: &'t str,
    values: BTreeMap<String, Spanned<DeValue<'t>>>,
    lines: BTreeMap<String, usize>,
    mistakes: Vec<Mistake>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        let mut reader = Self { text, values: BTreeMap::new(), lines: BTreeMap::new(), mistakes: Vec::new() };
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let line = error.span().map(|span| reader.line(span.start));
            reader.mistakes.push(Mistake { line, key: String::new(), text: error.message().to_owned() });
        }
        reader.flatten("", table.into_inner());
        reader
    }

    fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().get(..offset).unwrap_or(self.text.as_bytes());
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }

    fn flatten(&mut self, section: &str, table: DeTable<'t>) {
        for (name, value) in table {
            let line = self.line(name.span().start);
            let name = name.into_inner();
            let key = if section.is_empty() { name.to_string() } else { format!("{section}.{name}") };
            self.lines.insert(key.clone(), line);
            let is_section = SETTINGS
                .iter()
                .any(|setting| setting.key.split_once('.').is_some_and(|(head, _)| head == key));
            if SETTINGS.iter().any(|setting| setting.key == key) {
                self.values.insert(key, value);
            } else if is_section {
                match value.into_inner() {
                    DeValue::Table(inner) => self.flatten(&key, inner),
                    other => self.mistake(&key, format!("is a section, not {}", kind(&other))),
                }
            } else {
                let text = match suggestion(section, &key) {
                    Some(known) => format!("is no setting; did you mean `{known}`?"),
                    None => "is no setting".to_owned(),
                };
                self.mistake(&key, text);
            }
        }
    }

    /// Notes what is wrong with a setting, at the line where it stands.
    pub(super) fn mistake(&mut self, key: &str, text: String) {
        let line = self.lines.get(key).copied();
        self.mistakes.push(Mistake { line, key: key.to_owned(), text });
    }

    /// All mistakes in the order of lines. A value that nobody read is a fault of this program and counts too.
    pub(super) fn into_mistakes(mut self) -> Vec<Mistake> {
        for key in std::mem::take(&mut self.values).into_keys() {
            self.mistake(&key, "is not understood by this version".to_owned());
        }
        self.mistakes.sort_by_key(|mistake| mistake.line.unwrap_or(usize::MAX));
        self.mistakes
    }

    fn value<T>(&mut self, key: &str, read: impl FnOnce(DeValue<'t>) -> Result<T, String>) -> Option<T> {
        let value = self.values.remove(key)?.into_inner();
        match read(value) {
            Ok(value) => Some(value),
            Err(text) => {
                self.mistake(key, text);
                None
            }
        }
    }

    pub(super) fn yes_or_no(&mut self, key: &str, target: &mut bool) {
        let read = |value: DeValue<'_>| value.as_bool().ok_or_else(|| expected("`true` or `false`", &value));
        if let Some(value) = self.value(key, read) {
            *target = value;
        }
    }

    pub(super) fn number(&mut self, key: &str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
        self.value(key, |value| {
            let what = format!("a whole number from {} to {}", range.start(), range.end());
            let Some(integer) = value.as_integer() else { return Err(expected(&what, &value)) };
            let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
            number.filter(|number| range.contains(number)).ok_or_else(|| format!("must be {what}"))
        })
    }

    pub(super) fn number_into<T: TryFrom<u64>>(
        &mut self,
        key: &str,
        range: std::ops::RangeInclusive<u64>,
        target: &mut T,
    ) {
        if let Some(value) = self.number(key, range).and_then(|number| T::try_from(number).ok()) {
            *target = value;
        }
    }

    pub(super) fn optional<T: TryFrom<u64>>(
        &mut self,
        key: &str,
        range: std::ops::RangeInclusive<u64>,
        target: &mut Option<T>,
    ) {
        if let Some(value) = self.number(key, range).and_then(|number| T::try_from(number).ok()) {
            *target = Some(value);
        }
    }

    pub(super) fn secs(&mut self, key: &str, range: std::ops::RangeInclusive<u64>, target: &mut Duration) {
        if let Some(secs) = self.number(key, range) {
            *target = Duration::from_secs(secs);
        }
    }

    pub(super) fn days(&mut self, key: &str, target: &mut Option<Duration>) {
        if let Some(days) = self.number(key, 1..=36_500) {
            *target = Some(Duration::from_secs(days * 86_400));
        }
    }

    pub(super) fn text(&mut self, key: &str) -> Option<String> {
        self.value(key, |value| text(&value))
    }

    pub(super) fn path(&mut self, key: &str, target: &mut Option<PathBuf>) {
        if let Some(path) = self.text(key) {
            *target = Some(path.into());
        }
    }

    pub(super) fn address(&mut self, key: &str, target: &mut Option<SocketAddr>) {
        if let Some(address) = self.value(key, |value| address(&text(&value)?)) {
            *target = Some(address);
        }
    }

    pub(super) fn addresses(&mut self, key: &str, target: &mut Vec<SocketAddr>) {
        let read = |value| texts(&value)?.iter().map(|text| address(text)).collect();
        if let Some(addresses) = self.value(key, read) {
            *target = addresses;
        }
    }

    pub(super) fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        self.value(key, |value| texts(&value))
    }

    /// One word of a few.
    pub(super) fn choice<T: Copy>(&mut self, key: &str, choices: &[(&str, T)], target: &mut T) {
        let read = |value: DeValue<'_>| {
            let word = text(&value)?;
            choices.iter().find(|(name, _)| *name == word).map(|(_, choice)| *choice).ok_or_else(|| {
                let names: Vec<String> = choices.iter().map(|(name, _)| format!("`{name}`")).collect();
                format!("must be one of {}, not `{word}`", names.join(", "))
            })
        };
        if let Some(value) = self.value(key, read) {
            *target = value;
        }
    }

    pub(super) fn aliases(&mut self, config: &mut Config) {
        let read = |value| {
            let DeValue::Table(table) = value else { return Err(expected("a table", &value)) };
            table
                .into_iter()
                .map(|(name, value)| {
                    let bundle =
                        text(value.get_ref()).map_err(|why| format!("for `{}` {why}", name.get_ref()))?;
                    Ok((name.into_inner().to_string(), bundle))
                })
                .collect()
        };
        if let Some(aliases) = self.value(TABLE, read) {
            config.operators.aliases = aliases;
        }
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "`true` or `false`",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn expected(what: &str, found: &DeValue<'_>) -> String {
    format!("must be {what}, not {}", kind(found))
}

fn text(value: &DeValue<'_>) -> Result<String, String> {
    match value.as_str() {
        Some("") => Err("must not be empty".to_owned()),
        Some(text) if text.contains('\0') => Err("must not hold a zero byte".to_owned()),
        Some(text) => Ok(text.to_owned()),
        None => Err(expected("a text", value)),
    }
}

fn texts(value: &DeValue<'_>) -> Result<Vec<String>, String> {
    let Some(list) = value.as_array() else { return Err(expected("a list of texts", value)) };
    list.iter().map(|item| text(item.get_ref())).collect()
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("must be an address and a port such as `127.0.0.1:8633`, not `{text}`"))
}

/// The known key that is spelt most like `key`, among the section's own first.
fn suggestion(section: &str, key: &str) -> Option<&'static str> {
    let likeness = |known: &str| strsim::jaro_winkler(known, key);
    let name = key.rsplit('.').next().unwrap_or(key);
    SETTINGS
        .iter()
        .map(|setting| {
            let own = setting.key.rsplit('.').next().unwrap_or(setting.key);
            // In the right section the name alone counts, elsewhere the same name helps.
            let is_here =
                setting.key.strip_suffix(own).is_some_and(|head| head.trim_end_matches('.') == section);
            let by_name = strsim::jaro_winkler(own, name);
            let score = if is_here {
                by_name
            } else if own == name {
                0.9
            } else {
                likeness(setting.key) - 0.1
            };
            (score, setting.key)
        })
        .filter(|(score, _)| *score > 0.8)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, key)| key)
}
