//! Finding series and reading them.

use std::path::PathBuf;
use std::sync::Arc;

use imaging::ImagingError;
use imaging::formats::{self, ReadLimits};
use imaging::intensity::Histogram;
use imaging::source::Progress;
use imaging::volume::Volume;

use super::{Message, Outbox, spawn};
use crate::document::{LoadedVolume, SeriesKey, SeriesSource};

/// Bins of the histogram behind the transfer function and percentiles.
const HISTOGRAM_BINS: usize = 4096;

pub(super) fn scan(scan: u64, paths: Vec<PathBuf>, progress: Progress, outbox: Outbox) {
    spawn("scan", move || {
        let result = formats::scan(&paths, &progress);
        outbox.send(Message::Scanned { scan, paths, result });
    });
}

pub(super) fn load(key: SeriesKey, source: SeriesSource, progress: Progress, outbox: Outbox) {
    spawn("load", move || {
        let result = match source {
            SeriesSource::Memory(volume) => Ok(volume),
            SeriesSource::Files(entry) => {
                if entry.dims.z > 1 {
                    // The first picture. If this slice cannot be read, loading tells why.
                    if let Ok(slice) = formats::load_slice(&entry, entry.dims.z / 2, 0) {
                        outbox.send(Message::FirstSlice { key, slice: Arc::new(slice) });
                    }
                }
                formats::load(&entry, ReadLimits::default(), &progress).map(Arc::new)
            }
        };
        let result = result.and_then(|volume| finish(volume, &progress));
        outbox.send(Message::Loaded { key, result });
    });
}

fn finish(volume: Arc<Volume>, progress: &Progress) -> Result<LoadedVolume, ImagingError> {
    progress.check()?;
    let histogram = Histogram::of_voxels(volume.voxels(), volume.rescale(), volume.padding(), HISTOGRAM_BINS);
    Ok(LoadedVolume { volume, histogram })
}
