//! Finding series and reading them.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use imaging::ImagingError;
use imaging::color_profile::in_srgb;
use imaging::formats::{self, ReadLimits};
use imaging::source::Progress;
use imaging::volume::Volume;

use super::{Message, Outbox, spawn};
use crate::document::{LoadedVolume, SeriesKey, SeriesSource};

/// Most bins of the histogram behind the transfer function and percentiles.
const HISTOGRAM_BINS: usize = 4096;

/// How long reading the rest waits for the first picture, which may never be asked for: no slice may be in view.
const FIRST_PICTURE_PATIENCE: Duration = Duration::from_millis(150);

pub(super) fn scan(scan: u64, paths: Vec<PathBuf>, progress: Progress, outbox: Outbox) {
    spawn("scan", move || {
        let result = formats::scan(&paths, &progress);
        outbox.send(Message::Scanned { scan, paths, result });
    });
}

/// Reads the middle slice, waits until `first_picture` ends, so that nothing competes with it, and reads the rest.
pub(super) fn load(
    key: SeriesKey,
    source: SeriesSource,
    progress: Progress,
    first_picture: Receiver<()>,
    outbox: Outbox,
) {
    spawn("load", move || {
        let result = match source {
            SeriesSource::Memory(volume) => Ok(volume),
            SeriesSource::Files(entry) => {
                // Colours that a profile changes come with the whole: a slice ahead of it would show others.
                let is_converted = entry.color_profile.as_ref().is_some_and(|profile| !profile.is_srgb());
                if entry.dims.z > 1 && !is_converted {
                    // The first picture. If this slice cannot be read, loading tells why.
                    if let Ok(slice) = formats::load_slice(&entry, entry.dims.z / 2, 0) {
                        outbox.send(Message::FirstSlice { key, slice: Arc::new(slice) });
                        // Nothing is sent; either end of waiting is fine.
                        let _ = first_picture.recv_timeout(FIRST_PICTURE_PATIENCE);
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
    let bins = histogram_bins(&volume);
    let histogram = volume.histogram(bins);
    let shown = in_srgb(&volume);
    Ok(LoadedVolume { volume, shown, histogram })
}

/// One bin per value where values are whole and few, so that the histogram has no gaps like a comb.
fn histogram_bins(volume: &Volume) -> usize {
    if volume.voxels().type_name().starts_with("float") {
        return HISTOGRAM_BINS;
    }
    let range = volume.histogram(1);
    let values = (range.high - range.low) / volume.rescale().slope.abs() + 1.0;
    if values.is_finite() { (values as usize).clamp(1, HISTOGRAM_BINS) } else { HISTOGRAM_BINS }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::DVec3;
    use imaging::geometry::{Dims, Geometry};
    use imaging::volume::VolumeMeta;

    #[test]
    fn histograms_of_few_whole_values_have_no_gaps() {
        let geometry = Geometry::axis_aligned(Dims::new(256, 1, 1), DVec3::ZERO, DVec3::ONE).unwrap();
        let values: Vec<u8> = (0..=255).collect();
        let volume = Arc::new(Volume::new(VolumeMeta::scalar(geometry), values).unwrap());
        let loaded = finish(volume, &Progress::new()).unwrap();
        assert_eq!(loaded.histogram.counts.len(), 256);
        assert!(loaded.histogram.counts.iter().all(|c| *c == 1));
    }
}
