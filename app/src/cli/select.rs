//! Choosing one series of what was found.

use std::path::PathBuf;

use anyhow::Context;
use imaging::formats::{self, ReadLimits};
use imaging::series::{Catalog, SeriesEntry};
use imaging::source::Progress;
use imaging::volume::Volume;

use super::{UsageError, output};

/// Which file and which series of it.
#[derive(Debug, clap::Args)]
pub(super) struct SeriesArguments {
    /// File, folder, ZIP archive or DICOMDIR
    pub(super) path: PathBuf,

    /// Series Instance UID, or the number of the series in `lantern info` (from 1); the largest if left out
    #[arg(long, value_name = "UID")]
    pub(super) series: Option<String>,
}

impl SeriesArguments {
    /// Finds and loads the chosen series.
    pub(super) fn load(&self) -> anyhow::Result<(SeriesEntry, Volume)> {
        let progress = Progress::new();
        let catalog = formats::scan(std::slice::from_ref(&self.path), &progress)?;
        let entry = choose(&catalog, self.series.as_deref())?.clone();
        let volume = formats::load(&entry, ReadLimits::default(), &progress)
            .with_context(|| format!("cannot load series {}", name(&entry)))?;
        Ok((entry, volume))
    }
}

/// The series with the given UID or number; the one with most voxels if several fit.
pub(super) fn choose<'a>(catalog: &'a Catalog, wanted: Option<&str>) -> anyhow::Result<&'a SeriesEntry> {
    let number = wanted.and_then(|w| w.parse::<usize>().ok());
    let mut fitting: Vec<&SeriesEntry> = match (wanted, number) {
        (None, _) => catalog.series.iter().collect(),
        (Some(_), Some(n)) => n.checked_sub(1).and_then(|i| catalog.series.get(i)).into_iter().collect(),
        (Some(uid), None) => {
            catalog.series.iter().filter(|s| s.attributes.series_uid.as_deref() == Some(uid)).collect()
        }
    };
    // Stable: of equally large series the first wins.
    fitting.sort_by_key(|s| std::cmp::Reverse(s.dims.checked_count().unwrap_or(0)));
    let Some(&first) = fitting.first() else {
        let known: Vec<String> = catalog.series.iter().map(name).collect();
        let reason = wanted.map_or_else(
            || "no series with an image was found".to_owned(),
            |w| format!("no series `{w}`; found: {}", known.join(", ")),
        );
        return Err(match wanted {
            Some(_) => UsageError(reason).into(),
            None => anyhow::anyhow!(reason),
        });
    };
    if wanted.is_none() && fitting.len() > 1 {
        output::note(&format!("{} series found; using the largest, {}", fitting.len(), name(first)));
    }
    Ok(first)
}

/// How a series is called in messages: its UID, else its file name.
pub(super) fn name(entry: &SeriesEntry) -> String {
    entry.attributes.series_uid.clone().unwrap_or_else(|| entry.first_path().display().to_string())
}
