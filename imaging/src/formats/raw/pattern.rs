//! Names of numbered files, as MetaImage and NRRD headers write them: `slice%03d.raw 1 20 1`.

/// A `printf` pattern with one whole number, and the numbers to put into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NumberedFiles {
    prefix: String,
    suffix: String,
    width: usize,
    first: i64,
    step: i64,
    count: u64,
}

impl NumberedFiles {
    /// From the pattern and `min max step`; `None` if it is not such a pattern or names no file.
    pub(crate) fn parse(pattern: &str, min: i64, max: i64, step: i64) -> Option<Self> {
        let (prefix, rest) = pattern.split_once('%')?;
        let (width, suffix) = rest.split_once(['d', 'i', 'u'])?;
        let is_zero_padded = width.is_empty() || width.starts_with('0');
        let width: usize = if width.is_empty() { 0 } else { width.parse().ok()? };
        if suffix.contains('%') || !is_zero_padded || width > 20 || step == 0 {
            return None;
        }
        let span = i128::from(max) - i128::from(min);
        let steps = span / i128::from(step);
        let count = u64::try_from(steps).ok()?.checked_add(1)?;
        Some(Self { prefix: prefix.to_owned(), suffix: suffix.to_owned(), width, first: min, step, count })
    }

    /// Number of files; not bounded by anything but the header, so check it before asking for the names.
    pub(crate) fn count(&self) -> u64 {
        self.count
    }

    /// The names in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> + '_ {
        (0..self.count).map(|i| {
            let number = i128::from(self.first) + i128::from(i) * i128::from(self.step);
            format!("{}{number:0width$}{}", self.prefix, self.suffix, width = self.width)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_files_like_printf() {
        let check = |pattern: &str, range: [i64; 3], names: &[&str]| {
            let files = NumberedFiles::parse(pattern, range[0], range[1], range[2]).unwrap();
            assert_eq!(files.names().collect::<Vec<_>>(), names);
            assert_eq!(files.count(), names.len() as u64);
        };
        check("a%03d.raw", [8, 12, 2], &["a008.raw", "a010.raw", "a012.raw"]);
        check("%d", [-1, 1, 1], &["-1", "0", "1"]);
        check("s%d.raw", [3, 1, -1], &["s3.raw", "s2.raw", "s1.raw"]);
    }

    #[test]
    fn other_patterns_are_refused() {
        for pattern in ["plain.raw", "%s", "%d%d", "%5d", "%099999d", "%", "%-3d"] {
            assert_eq!(NumberedFiles::parse(pattern, 1, 3, 1), None, "{pattern}");
        }
        assert_eq!(NumberedFiles::parse("%d", 1, 3, 0), None);
        assert_eq!(NumberedFiles::parse("%d", 3, 1, 1), None);
        assert!(NumberedFiles::parse("%d", i64::MIN, i64::MAX, 1).is_none_or(|f| f.count() > 1 << 60));
    }
}
