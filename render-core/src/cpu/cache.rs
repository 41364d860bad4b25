//! What is kept between frames, within a budget of bytes; the least recently used volume goes first.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use imaging::volume::{Volume, VolumeId};

use super::composite::PackedLut;
use super::grid::Grid;
use super::mip::cell_bounds;
use super::skip::SkipMap;
use crate::transfer_function::TransferFunction;

/// Looks (transfer function and step) kept per volume: two views, each with a coarse and a full step.
const LOOKS: usize = 4;

/// Which time point of which volume.
pub(crate) type Key = (VolumeId, usize);

/// Everything derived from one time point.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) grid: Grid,
    looks: Mutex<Vec<Arc<Look>>>,
    mip_bounds: OnceLock<Vec<f32>>,
}

/// A transfer function applied to a grid.
#[derive(Debug)]
pub(crate) struct Look {
    reference_mm: f64,
    step_mm: f64,
    pub(crate) skip: Arc<SkipMap>,
    pub(crate) lut: PackedLut,
    /// See [`crate::reference::full_shading_gradient`].
    pub(crate) full_at: f64,
}

impl Entry {
    pub(crate) fn new(grid: Grid) -> Self {
        Self { grid, looks: Mutex::default(), mip_bounds: OnceLock::new() }
    }

    /// The look of a transfer function at a step; made if it is new.
    pub(crate) fn look(&self, transfer_function: &Arc<TransferFunction>, step_mm: f64) -> Arc<Look> {
        let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
        let is_same = |look: &Arc<Look>| {
            look.step_mm == step_mm
                && look.reference_mm == transfer_function.reference_mm
                && look.skip.is_for(transfer_function)
        };
        if let Some(at) = looks.iter().position(is_same) {
            let look = looks.remove(at);
            looks.push(look.clone());
            return look;
        }
        let lut = transfer_function.lut(step_mm);
        let known = looks.iter().find(|look| look.skip.is_for(transfer_function)).map(|l| l.skip.clone());
        let skip =
            known.unwrap_or_else(|| Arc::new(SkipMap::new(&self.grid, transfer_function.clone(), &lut)));
        let look = Arc::new(Look {
            reference_mm: transfer_function.reference_mm,
            step_mm,
            skip,
            full_at: crate::reference::full_shading_gradient(&lut),
            lut: PackedLut::new(&lut, &self.grid),
        });
        if looks.len() == LOOKS {
            looks.remove(0);
        }
        looks.push(look.clone());
        look
    }

    /// See [`cell_bounds`].
    pub(crate) fn mip_bounds(&self) -> &[f32] {
        self.mip_bounds.get_or_init(|| cell_bounds(&self.grid))
    }

    fn size_bytes(&self) -> usize {
        let cells = self.grid.lows.len();
        // Skip maps and bounds come later but are counted from the start: two bytes and four per cell.
        self.grid.size_bytes() + cells * (LOOKS * size_of::<u16>() + size_of::<f32>())
    }
}

/// Entries in order of use, oldest first.
#[derive(Debug)]
pub(crate) struct Cache {
    entries: Mutex<Vec<(Key, Arc<Entry>)>>,
    budget_bytes: usize,
}

impl Cache {
    pub(crate) fn new(budget_bytes: usize) -> Self {
        Self { entries: Mutex::default(), budget_bytes }
    }

    /// The entry of a time point, made if it is new; `None` where the kernels cannot read the volume.
    ///
    /// The lock is not held while an entry is made.
    pub(crate) fn entry(&self, volume: &Volume, time_point: usize) -> Option<Arc<Entry>> {
        let key = (volume.id(), time_point);
        if let Some(found) = self.touch(key) {
            return Some(found);
        }
        let made = Arc::new(Entry::new(Grid::new(volume, time_point)?));
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|(k, _)| *k != key);
        entries.push((key, made.clone()));
        let mut bytes: usize = entries.iter().map(|(_, e)| e.size_bytes()).sum();
        // The newest stays even if it alone is over the budget: it is on screen.
        while bytes > self.budget_bytes && entries.len() > 1 {
            let (_, evicted) = entries.remove(0);
            bytes -= evicted.size_bytes();
        }
        Some(made)
    }

    fn touch(&self, key: Key) -> Option<Arc<Entry>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let at = entries.iter().position(|(k, _)| *k == key)?;
        let entry = entries.remove(at);
        entries.push(entry.clone());
        Some(entry.1)
    }

    /// Forgets all time points of a volume.
    pub(crate) fn forget(&self, volume: VolumeId) {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).retain(|((id, _), _)| *id != volume);
    }

    /// Bytes held beside the volumes.
    pub(crate) fn size_bytes(&self) -> usize {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().map(|(_, e)| e.size_bytes()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::DVec3;
    use imaging::geometry::{Dims, Geometry};
    use imaging::volume::VolumeMeta;

    fn floats() -> Volume {
        let geometry = Geometry::axis_aligned(Dims::new(20, 20, 20), DVec3::ZERO, DVec3::ONE).unwrap();
        Volume::new(VolumeMeta::scalar(geometry), vec![1.0f32; 8000]).unwrap()
    }

    #[test]
    fn least_recently_used_volume_leaves_when_the_budget_is_full() {
        let volumes = [floats(), floats(), floats()];
        let one = Cache::new(usize::MAX);
        one.entry(&volumes[0], 0).unwrap();
        let cache = Cache::new(one.size_bytes() * 2);
        let first = cache.entry(&volumes[0], 0).unwrap();
        cache.entry(&volumes[1], 0).unwrap();
        assert!(Arc::ptr_eq(&first, &cache.entry(&volumes[0], 0).unwrap()), "found again, not made again");
        cache.entry(&volumes[2], 0).unwrap();
        assert!(cache.touch((volumes[1].id(), 0)).is_none(), "the one used longest ago is gone");
        assert!(cache.touch((volumes[0].id(), 0)).is_some());
        assert!(cache.size_bytes() <= one.size_bytes() * 2);
        cache.forget(volumes[0].id());
        assert!(cache.touch((volumes[0].id(), 0)).is_none());
    }
}
